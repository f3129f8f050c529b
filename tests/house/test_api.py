"""`import textmill`: cheap, typed, and every function on the sample crawl; what is wrong is one sentence."""

import json
import re
import shutil
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch

import textmill
from tests import servers
from tests.command_line import copy_dataset, manifest, table
from tests.paths import ROOT
from textmill.api.dataset import _answering
from textmill.base.sealed import seal
from textmill.pipelines.contract.storage import Folder

torch.set_num_threads(1)
HEAVY = ("torch", "apache_beam", "pyarrow", "numpy", "tokenizers", "pandas", "duckdb", "rich", "yaml", "click")


@pytest.fixture(scope="module")
def data(milled, tmp_path_factory):
    """The sample crawl's data folder under the names of the demo, with a model that was trained for two steps."""
    from textmill.model.training.pretrain import pretrain
    from textmill.model.training.settings import TrainSettings

    folder = tmp_path_factory.mktemp("face") / "data"
    folder.mkdir()
    for name, target in {"curated": "curated", "blocks/demo": "blocks/mixture", "tokenizers/demo-8k": "tokenizers/test-1k"}.items():
        copy_dataset(milled[0], target, folder, name)
    settings = TrainSettings(steps=2, batch=1, accumulate=1, validation_blocks=1, optimizer="adamw")
    pretrain(folder / "blocks/demo", folder / "checkpoints/demo", settings, torch.device("cpu"))
    return folder


def python(code: str) -> str:
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT)
    assert ran.returncode == 0, ran.stderr
    return ran.stdout


def sentence(function, *arguments, **named) -> str:
    with pytest.raises(textmill.TextmillError) as error:
        function(*arguments, **named)
    assert "\n" not in str(error.value)
    return str(error.value)


def test_the_lines_of_the_readme_run(data, monkeypatch, capsys):
    (lines,) = re.findall(r"## In Python\n\n```python\n(.*?)```", (ROOT / "README.md").read_text("utf-8"), re.DOTALL)
    assert set(re.findall(r"textmill\.(\w+)\(", lines)) == set(textmill.__all__) - {"Dataset", "TextmillError", "__version__"}
    monkeypatch.chdir(data.parent)
    names: dict = {}
    exec(lines, names)
    assert capsys.readouterr().out.startswith("The river")
    curated = table(data, "curated")
    assert names["table"].equals(curated) and names["rejected"].equals(table(data, "curated", rejected=True))
    assert names["frame"]["text"].tolist() == curated["text"].to_pylist()
    counts = curated.group_by("language").aggregate([([], "count_all")])
    assert sorted(names["rows"].fetchall(), key=str) == sorted(zip(*counts.to_pydict().values(), strict=True), key=str)
    assert len(names["blocks"]) == sum(part["rows"] for part in manifest(data, "blocks/demo/train")["parts"])


def test_importing_it_loads_nothing_and_names_what_there_is():
    code = f"import sys, textmill; print([name for name in {HEAVY} if name in sys.modules], dir(textmill))"
    loaded, names = python(code).split("]", 1)
    assert loaded == "[" and all(repr(name) in names for name in textmill.__all__)
    assert textmill.__version__ == version("textmill") and (ROOT / "textmill/py.typed").exists()
    assert all(getattr(textmill, name).__doc__ for name in textmill.__all__)
    with pytest.raises(AttributeError, match="has no attribute 'open'"):
        _ = textmill.open


def test_a_dataset_is_what_its_manifest_lists(data):
    curated, rows = textmill.open_dataset(data / "curated"), table(data, "curated")
    assert len(curated) == rows.num_rows and curated.schema.equals(rows.schema)
    assert curated.manifest == manifest(data, "curated") and repr(curated) == f"<textmill.Dataset {data}/curated: {len(rows)} rows>"
    batches = list(curated.batches(["url", "id"]))
    assert pa.Table.from_batches(batches).equals(rows.select(["url", "id"])) and len(batches) >= 8
    assert curated.rejected.rejected is None
    only = textmill.open_dataset(str(data / "curated/")).to_table(["language"])
    assert only.equals(rows.select(["language"])) and curated.to_table([]).num_rows == len(rows)


def test_a_file_that_the_manifest_does_not_list_is_not_read(data, tmp_path):
    copied = copy_dataset(data, "curated", tmp_path)
    pq.write_table(table(data, "curated"), copied / "a.parquet")
    assert textmill.open_dataset(copied).to_table().equals(table(data, "curated"))
    assert textmill.open_dataset(copied).to_duckdb().count("*").fetchall() == [(len(table(data, "curated")),)]


def test_duckdb_reads_it_on_a_connection_of_the_users(data):
    connection = duckdb.connect()
    relation = textmill.open_dataset(data / "curated").to_duckdb(connection)
    longest = connection.sql("select max(strlen(text)) from relation").fetchall()[0][0]
    assert longest == max(len(text.encode()) for text in table(data, "curated")["text"].to_pylist())
    german = table(data, "curated")["language"].to_pylist().count("de")
    assert relation.filter("language = 'de'").count("*").fetchall() == [(german,)] and german > 0


def test_blocks_are_a_dataset_too(data):
    opened = textmill.open_dataset(data / "blocks/demo/train")
    rows = opened.to_table()
    assert rows.column_names == ["tokens", "entry", "spans"] and len(opened) == len(rows) and opened.rejected is None
    assert opened.to_table(["entry"]).equals(rows.select(["entry"])) and opened.schema.equals(rows.schema)
    assert len(opened.to_duckdb().filter("entry is not null").fetchall()) == len(opened)
    blocks = textmill.load_blocks(data / "blocks/demo")
    assert blocks.train.read([0, 1]).tokens.tolist() == rows["tokens"].to_pylist()[:2]
    assert len(textmill.load_blocks(data / "blocks/demo/validation")) == len(blocks.validation)


def test_a_dataset_in_a_store(milled, tmp_path, monkeypatch):
    with servers.s3(tmp_path) as environment:
        for name, value in environment.items():
            monkeypatch.setenv(name, value)
        from pyarrow import fs

        for name in ("curated", "ledger/curated", "tokenizers/test-1k", "blocks/mixture/train"):
            fs.copy_files(str(milled[0] / name), f"s3://mill/data/{name}?endpoint_override={environment['AWS_ENDPOINT_URL']}")
        assert textmill.open_dataset("s3://mill/data/curated").to_table().equals(table(milled[0], "curated"))
        rows = textmill.open_dataset("s3://mill/data/curated").to_duckdb().count("*").fetchall()
        assert rows == [(len(table(milled[0], "curated")),)]
        assert len(textmill.open_dataset("s3://mill/data/blocks/mixture/train").to_table())
        assert textmill.load_tokenizer("s3://mill/data/tokenizers/test-1k").get_vocab_size()
        assert "there is no finished dataset in s3://mill/data/none" in sentence(textmill.open_dataset, "s3://mill/data/none")
        assert "has to be copied to a local folder" in sentence(textmill.load_blocks, "s3://mill/data/blocks/mixture")


def test_a_store_that_does_not_answer_is_a_sentence():
    """In the words of pyarrow, which tries for 16 seconds before it says so."""
    def reading() -> None:
        with _answering(Folder("s3://mill/data/curated")):
            raise OSError("When reading information for key 'data/ledger/curated/manifest.json' in bucket 'mill': AWS Error NETWORK_CONNECTION "
                          "during HeadObject operation: curlCode: 7, Could not connect to server")

    assert sentence(reading) == (
        "s3://mill/data/curated cannot be read (AWS Error NETWORK_CONNECTION during HeadObject operation: curlCode: 7, Could not connect "
        "to server); check the address and your credentials, and try again when the store answers")


def test_a_tokenizer_gives_the_ids_of_the_datasets(milled, data):
    tokenizer = textmill.load_tokenizer(data / "tokenizers/demo-8k")
    curated, tokens = table(milled[0], "curated"), table(milled[0], "tokens/test-1k")
    for text, ids in list(zip(curated["text"].to_pylist(), tokens["tokens"].to_pylist(), strict=True))[:20]:
        assert tokenizer.encode(text).ids == ids and tokenizer.decode(ids) == text
    end = tokenizer.token_to_id("<|endoftext|>")
    assert end not in tokenizer.encode("<|endoftext|>").ids
    assert textmill.load_tokenizer(data / "checkpoints/demo/tokenizer.json").encode("x").ids == tokenizer.encode("x").ids


def test_texts_by_a_model(data):
    model = textmill.load_model(data / "checkpoints/demo", device="cpu")
    assert model.checkpoint == data / "checkpoints/demo/step-00000002" and not model.decoder.training
    one, two = textmill.generate(model, "The river", tokens=5), textmill.generate(model, "The river", tokens=5, count=2)
    assert one == two[0] and len(two) == 2 and all(text.startswith("The river") for text in two)
    assert textmill.generate(model, temperature=0, tokens=3) == textmill.generate(model, temperature=0, tokens=3, seed=7)
    assert sentence(textmill.generate, model, tokens=0, top_p=2.0) == (
        "top_p must be above 0 and at most 1, is 2.0; count and tokens must be 1 or more")


def edit(folder: Path, **values) -> Path:
    path = folder.parent / "ledger" / folder.name / "manifest.json"
    path.write_bytes(seal(json.loads(path.read_text()) | values))
    return folder


def damage(path: Path, byte: int) -> None:
    data = bytearray(path.read_bytes())
    data[byte] ^= 1
    path.write_bytes(data)


def test_mistakes_are_sentences(data, tmp_path):
    curated = data / "curated"
    assert sentence(textmill.open_dataset, tmp_path) == (
        f"there is no finished dataset in {tmp_path}: its manifest, which its stage writes last, is neither there nor in ledger/ "
        "beside; check the path, or run the stage to its end")
    assert "no finished dataset in" in sentence(textmill.open_dataset, data / "ledger/curated/manifest.json")
    assert "textmill.load_tokenizer opens it" in sentence(textmill.open_dataset, data / "tokenizers/demo-8k")
    assert "open its folder train or validation" in sentence(textmill.open_dataset, data / "blocks/demo")
    opened = textmill.open_dataset(curated)
    assert sentence(opened.to_table, ["langage"]) == f"{curated} has no column 'langage'; did you mean 'language'?"
    assert "has no column 'x'; it has text, id, " in sentence(opened.batches, ["x"])
    assert "there is no folder" in sentence(textmill.load_blocks, tmp_path / "none")
    assert "there is no tokenizer.json in" in sentence(textmill.load_tokenizer, curated)
    assert "there is no checkpoint in" in sentence(textmill.load_model, tmp_path)
    assert "there is no cpuu device here" in sentence(textmill.load_model, data / "checkpoints/demo", "cpuu")
    (tmp_path / "tokenizer.json").write_text("{}")
    assert "tokenizer.json cannot be read (" in sentence(textmill.load_tokenizer, tmp_path)


def test_damage_is_a_sentence(data, tmp_path):
    copied = copy_dataset(data, "curated", tmp_path)
    opened = textmill.open_dataset(copied)
    first = copied / opened.manifest["parts"][0]["path"]
    damage(first, pq.read_metadata(first).row_group(0).column(0).data_page_offset - 1)     # the last byte of a page before
    assert "is damaged" in sentence(opened.to_table)
    first.unlink()
    assert "listed in the manifest but missing" in sentence(textmill.open_dataset(copied).to_table)
    assert "was written by a newer textmill (schema 3" in sentence(textmill.open_dataset, edit(copied, schema=3))
    assert "is damaged; run its stage again" in sentence(textmill.open_dataset, edit(copied, schema=1, parts=[{"key": "x"}]))
    blocks = shutil.copytree(data / "blocks/demo/train", tmp_path / "train")
    stream = blocks / textmill.open_dataset(blocks).manifest["parts"][0]["path"]
    damage(stream, stream.stat().st_size // 2)
    assert "is damaged: its sha256 is not the one in the manifest" in sentence(textmill.open_dataset(blocks).to_table)
    stream.unlink()
    assert "listed in the manifest but missing" in sentence(textmill.open_dataset(blocks).to_table)


@pytest.mark.parametrize(("library", "call", "message"), [
    ("torch", "load_model('x')", "textmill.load_model needs torch; pip install 'textmill[model]'"),
    ("safetensors", "load_model('x')", "textmill.load_model needs safetensors; pip install 'textmill[model]'"),
    ("torch", "load_blocks('x')", "textmill.load_blocks needs torch; pip install 'textmill[model]'"),
    ("torch", "generate(None)", "textmill.generate needs torch; pip install 'textmill[model]'"),
    ("pandas", "open_dataset({curated!r}).to_pandas()", "to_pandas needs pandas; pip install 'pandas'"),
    ("duckdb", "open_dataset({curated!r}).to_duckdb()", "to_duckdb needs duckdb; pip install 'duckdb'"),
])
def test_a_missing_library_is_a_sentence(data, library, call, message):
    code = (f"import sys; sys.modules[{library!r}] = None\nimport textmill\ntry: textmill.{call.format(curated=str(data / 'curated'))}\n"
            "except textmill.TextmillError as error: print(error)")
    assert python(code) == f"{message}\n"


def test_opening_a_dataset_needs_neither_beam_nor_torch(data):
    code = (f"import sys, textmill; textmill.open_dataset({str(data / 'curated')!r}).to_table(); "
            "print([name for name in ('torch', 'apache_beam', 'pandas') if name in sys.modules])")
    assert python(code) == "[]\n"
