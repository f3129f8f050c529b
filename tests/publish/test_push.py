"""Publishing a table: shards as FineWeb has them, in a folder, a bucket and a hub; nothing of the run goes out with them."""

import json
import os
import shutil
import subprocess
import sys
from dataclasses import replace
from functools import partial

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tests import servers
from tests.command_line import manifest, table
from tests.hub import Hub
from tests.paths import ROOT
from textmill.cli import main
from textmill.pipelines.contract.filesystems import StageError
from textmill.pipelines.contract.part_files import PartWriter
from textmill.pipelines.contract.parts import Manifest
from textmill.pipelines.contract.storage import Folder
from textmill.pipelines.curate.rows import CURATED
from textmill.pipelines.publish.push import _write, push
from textmill.pipelines.publish.settings import CardSettings
from textmill.pipelines.publish.shards import write_shards
from textmill.pipelines.publish.tables import Table, tables


def rows(files) -> list[dict]:
    return [row for file in files for row in pq.read_table(file).to_pylist()]


def curated(folder, texts: list[tuple[str, str, str]]) -> Table:
    """A dataset of two parts with texts of (crawl or "", source, text)."""
    data, parts = Folder(str(folder)), []
    half = len(texts) // 2
    for key, some in (("a", texts[:half]), ("b", texts[half:])):
        with PartWriter(data / "curated", key, f"{key}.0.parquet", CURATED) as writer:
            columns = {"text": [t[2] for t in some], "dump": [t[0] or None for t in some], "source": [t[1] for t in some]}
            writer.write(pa.table({field.name: pa.array(columns.get(field.name, [None] * len(some)), field.type) for field in CURATED})
                         .combine_chunks().to_batches()[0])
        parts.append(writer.part)
    return Table("curated", "curated", "curated", Manifest("curate", 1, "", tuple(parts), (), (), {}), {})


def test_a_shard_is_of_one_crawl_and_nothing_is_lost(tmp_path):
    texts = [("CC-MAIN-2026-05" if n % 3 else "", "books" if n % 2 else "web", f"{n} " + "word " * 2000) for n in range(40)]
    source = curated(tmp_path / "data", texts)
    told: list[int] = []
    written = write_shards(Folder(str(tmp_path / "data")), source, Folder(str(tmp_path / "out"), ""), 60_000, told.append)
    paths = sorted(str(path.relative_to(tmp_path / "out")) for path in (tmp_path / "out").rglob("*.parquet"))
    assert paths == [part.path for part in written.parts] and told[-1] == 40
    assert {path.split("/")[1] for path in paths} == {"CC-MAIN-2026-05", "books", "web"} and len(paths) == 4      # of two row groups
    assert paths[0] == "data/CC-MAIN-2026-05/000_00000.parquet" and paths[1] == "data/CC-MAIN-2026-05/000_00001.parquet"
    for crawl in ("CC-MAIN-2026-05", "books", "web"):
        there = [row["text"] for row in rows(tmp_path / "out" / path for path in paths if f"/{crawl}/" in path)]
        assert there == [text for dump, name, text in texts if (dump or name) == crawl]
    assert sum(part.rows for part in written.parts) == 40 and all(part.rows for part in written.parts)
    again = write_shards(Folder(str(tmp_path / "data")), source, Folder(str(tmp_path / "again"), ""), 60_000)
    assert again.parts == written.parts


def test_what_fails_leaves_no_shard_behind(tmp_path):
    source = curated(tmp_path / "data", [("", "web", "a"), ("", "web", "b")])
    (tmp_path / "data/curated/b.0.parquet").write_bytes(b"")
    with pytest.raises(StageError, match="is damaged"):
        write_shards(Folder(str(tmp_path / "data")), source, Folder(str(tmp_path / "out"), ""))
    assert not [path for path in (tmp_path / "out").rglob("*") if path.is_file()]


def test_to_a_folder_and_again(milled, tmp_path, capsys):
    data, target = str(milled[0]), tmp_path / "out"
    assert main(["push", str(target), "--data", data]) == 0
    assert f"in 1 shard with token_count by test-1k, card and Croissant metadata; {target}" in capsys.readouterr().out
    paths = sorted(str(path.relative_to(target)) for path in target.rglob("*") if path.is_file())
    assert paths == ["README.md", "croissant.json", "data/sample/000_00000.parquet"]
    (shard,) = [pq.read_table(target / paths[2])]
    assert shard.column_names[:9] == ["text", "id", "dump", "url", "date", "file_path", "language", "language_score", "token_count"]     # FineWeb's
    assert shard.drop_columns("token_count").to_pylist() == table(milled[0], "curated").to_pylist()
    tokens = table(milled[0], "tokens/test-1k")
    assert shard["token_count"].to_pylist() == tokens["token_count"].to_pylist() == [len(row) for row in tokens["tokens"].to_pylist()]
    before = {path: (target / path).read_bytes() for path in paths}
    (target / "data/sample/000_00001.parquet").write_bytes(b"of another time")
    assert main(["push", str(target), "--data", data]) == 0
    assert {str(path.relative_to(target)): path.read_bytes() for path in target.rglob("*") if path.is_file()} == before
    card = before["README.md"].decode()
    assert "path: data/*/*.parquet" in card and "path: data/sample/*.parquet" in card and "## Columns of `curated`" in card
    assert "## Sources" in card and "ledger/" not in card.split("---")[1]


def test_what_was_pushed_opens_and_is_valid(milled, tmp_path):
    datasets, hub, croissant = (pytest.importorskip(name) for name in ("datasets", "huggingface_hub", "mlcroissant"))
    push(Folder(str(milled[0])), "curated", str(tmp_path / "out"), CardSettings(name="web", license="odc-by", creator="Mill & Sons"))
    for name in ("curated", "sample"):
        opened = datasets.load_dataset(str(tmp_path / "out"), name, split="train", cache_dir=str(tmp_path / "cache"))
        assert opened["id"][:] == table(milled[0], "curated")["id"].to_pylist() and opened.features["token_count"].dtype == "int32"
    card = hub.DatasetCard.load(tmp_path / "out/README.md")
    assert (card.data.license, card.data.pretty_name, card.data.size_categories) == ("odc-by", "web", ["n<1K"])
    assert "| `token_count` | int32 | tokens | Length of the text, in tokens of test-1k |" in card.text
    described = croissant.Dataset(str(tmp_path / "out/croissant.json"))
    assert not described.metadata.issues.errors
    record = next(iter(described.records("curated")))
    assert record["curated/token_count"] == table(milled[0], "tokens/test-1k")["token_count"][0].as_py()


def test_sources_of_any_name_open(tmp_path):
    datasets = pytest.importorskip("datasets")
    names = ["my [x]: y", "curated", 'a "q"', "no", "naïve 数"]
    source = curated(tmp_path / "data", [("", name, f"text {n}") for n, name in enumerate([*names, *names])])
    source = replace(source, manifest=replace(source.manifest, made_from={"settings": {"policy": {"kinds": {}}}}))
    out = tmp_path / "out"
    _write(Folder(str(out), ""), partial(write_shards, Folder(str(tmp_path / "data")), source), CardSettings(), [])
    assert datasets.get_dataset_config_names(str(out)) == ["curated", "a_q_", "my_x_y", "naïve_数", "no"]
    rows = {name: datasets.load_dataset(str(out), name, split="train", cache_dir=str(tmp_path / "cache")).num_rows for name in ("curated", "my_x_y", "naïve_数")}
    assert rows == {"curated": 10, "my_x_y": 2, "naïve_数": 2}


def test_an_interrupted_push_says_so_and_is_begun_again(milled, tmp_path):
    data, target = Folder(str(milled[0])), tmp_path / "out"

    def stop(rows: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        push(data, "curated", str(target), CardSettings(), tell=stop)
    assert [path.name for path in target.rglob("*") if path.is_file()] == ["README.md"]
    assert "not all of it is here" in (target / "README.md").read_text()
    push(data, "curated", str(target), CardSettings())
    push(data, "curated", str(tmp_path / "whole"), CardSettings())
    files = [{str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()} for folder in (target, tmp_path / "whole")]
    assert files[0] == files[1]


def test_of_two_tokenizers_one_has_to_be_named(milled, tmp_path):
    data = shutil.copytree(milled[0], tmp_path / "data", ignore=shutil.ignore_patterns("raw", "checkpoints"))
    shutil.copytree(data / "tokens/test-1k", data / "tokens/other")
    shutil.copytree(data / "ledger/tokens/test-1k", data / "ledger/tokens/other")
    line = push(Folder(str(data)), "curated", str(tmp_path / "two"), CardSettings())
    assert "token_count" not in line       # which of the two?
    assert "token_count" in push(Folder(str(data)), "curated", str(tmp_path / "two"), CardSettings(), tokenizer="other")


def test_tokens_of_a_text_that_changed_are_refused(tmp_path):
    data, source = Folder(str(tmp_path / "data")), curated(tmp_path / "data", [("", "web", "äpfel"), ("", "web", "b")])
    parts = []
    for key, size in (("a", 6), ("b", 2)):
        rows = pa.record_batch({"id": pa.array([None], pa.string()), "bytes": pa.array([size], pa.int32()), "token_count": pa.array([3], pa.int32())})
        with PartWriter(data / "tokens/x", key, f"{key}.0.parquet", rows.schema) as writer:
            writer.write(rows)
        parts.append(writer.part)
    tokens = Table("tokens-x", "tokens/x", "tokens/<tokenizer>", Manifest("tokenize", 1, "", tuple(parts), (), (), {}), {})
    with pytest.raises(StageError, match=r"tokens/x was made of other text than curated; run `textmill tokenize`"):
        write_shards(data, source, Folder(str(tmp_path / "out"), ""), tokens=tokens)
    same = replace(tokens, manifest=replace(tokens.manifest, parts=(parts[0],)))
    first = replace(source, manifest=replace(source.manifest, parts=source.parts[:1]))
    written = write_shards(data, first, Folder(str(tmp_path / "out"), ""), tokens=same)
    assert written.tokenizer == "x" and rows_of(tmp_path / "out" / written.parts[0].path) == [("äpfel", 3)]


def rows_of(path) -> list[tuple[str, int]]:
    return [(row["text"], row["token_count"]) for row in pq.read_table(path).to_pylist()]


def test_what_cannot_be_is_a_sentence(milled, tmp_path, capsys):
    (tmp_path / "thesis.tex").write_text("x")
    for arguments, said in (
            ([str(tmp_path)], f"push: {tmp_path} holds thesis.tex and is no dataset that was pushed there; name a new folder"),
            ([str(tmp_path / "a"), "--dataset", "curted"], "push: there is no table curted in"),
            (["hf://datasets/only"], "push: hf://datasets/only names no repository; give hf://datasets/OWNER/NAME"),
            ([str(milled[0])], "and is no dataset that was pushed there; name a new folder"),
            ([str(tmp_path / "a"), "--tokens", "gpt2"], "push: tokens/gpt2 does not have the rows of curated; run `textmill tokenize`"),
            ([str(tmp_path / "a"), "--shard-size", "many"], "--shard-size many is not a size; write it like 1GB"),
            ([str(tmp_path / "a"), "--set", "card.licence=mit"], "did you mean 'license'?"),
            ([str(tmp_path / "a"), "--set", "card.license=mine"], "license is 'mine'; name one of apache-2.0")):
        assert main(["push", *arguments, "--data", str(milled[0])]) != 0
        assert said in capsys.readouterr().err, arguments
    assert not (tmp_path / "a").exists()


def test_to_a_bucket(milled, tmp_path):
    with servers.s3(tmp_path) as environment, pytest.MonkeyPatch.context() as patch:
        for name, value in environment.items():
            patch.setenv(name, value)
        line = push(Folder(str(milled[0])), "curated", "s3://mill/public", CardSettings(name="web"))
        assert line.endswith("s3://mill/public") and push(Folder(str(milled[0])), "curated", "s3://mill/public", CardSettings(name="web")) == line
        there = Folder("s3://mill/public")
        assert [entry.path for entry in there.entries()] == ["README.md", "croissant.json", "data/sample/000_00000.parquet"]
        listed = json.loads(there.read("croissant.json"))["distribution"]
        assert [(file["contentUrl"], file["contentSize"]) for file in listed if file["@type"] == "cr:FileObject"] == [
            ("data/sample/000_00000.parquet", f"{there.size('data/sample/000_00000.parquet')} B")]


def pushed(hub: Hub, data, *more: str, token: str = "secret") -> subprocess.CompletedProcess:
    environment = os.environ | {"HF_ENDPOINT": hub.address, "HF_TOKEN": token, "HF_HUB_DISABLE_XET": "1", "HF_HUB_DISABLE_PROGRESS_BARS": "1",
                                "HF_HUB_DISABLE_TELEMETRY": "1", "HF_HUB_OFFLINE": "0"}
    return subprocess.run([sys.executable, "-m", "textmill", "push", "hf://datasets/mill/web", "--data", str(data), *more],
                          capture_output=True, text=True, env=environment, cwd=ROOT, timeout=120)


def test_to_a_hub_in_one_commit(milled):
    with Hub() as hub:
        ran = pushed(hub, milled[0], "--private")
        assert ran.returncode == 0, ran.stderr
        assert f"{hub.address}/datasets/mill/web" in ran.stdout and hub.private == {"mill/web": True}
        first = hub.files["mill/web"]
        assert sorted(first) == [".gitattributes", "README.md", "croissant.json", "data/sample/000_00000.parquet"]
        assert pq.read_table(pa.BufferReader(first["data/sample/000_00000.parquet"])).num_rows == sum(
            part["rows"] for part in manifest(milled[0], "curated")["parts"])
        first["data/older/000_00000.parquet"] = b"of another time"
        assert pushed(hub, milled[0]).returncode == 0
        assert "data/older/000_00000.parquet" not in hub.files["mill/web"] and len(hub.commits) == 2
        assert hub.commits[1][1] == ["README.md", "croissant.json", "data/sample/000_00000.parquet", "data/older/000_00000.parquet"]


def test_a_hub_that_refuses_is_a_sentence(milled):
    with Hub() as hub:
        for ran in (pushed(hub, milled[0], token="wrong"), ):
            assert ran.returncode == 1 and "Traceback" not in ran.stderr
            assert "push: the hub did not take mill/web (" in ran.stderr and "log in with `hf auth login`" in ran.stderr
        hub.refuse = 403
        ran = pushed(hub, milled[0])
        assert ran.returncode == 1 and "Traceback" not in ran.stderr and "the hub did not take mill/web (" in ran.stderr


def test_the_tables_of_a_folder(milled):
    assert [table.name for table in tables(Folder(str(milled[0])))] == [
        "curated", "documents", "signals", "verdicts", "duplicates", "tokens-test-1k"]
