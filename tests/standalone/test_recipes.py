"""The three single-purpose recipes of README, as a user types them: only dedup, only a tokenizer, only training."""

import dataclasses
import gzip
import json
import os
import random
import shutil
import subprocess
import sys
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import zstandard
from tokenizers import Tokenizer

from tests.command_line import ROOT
from textmill.pipelines.dedup.settings import DedupSettings
from textmill.pipelines.extract.settings import ExtractSettings
from textmill.pipelines.screen.rules import Rules
from textmill.pipelines.settings import read_config
from textmill.pipelines.standalone.dedup_file import alone

pytestmark = pytest.mark.slow


def python(*arguments: object, cwd: Path = ROOT, **environment: str) -> subprocess.CompletedProcess:
    return subprocess.run([sys.executable, *map(str, arguments)], capture_output=True, text=True, cwd=cwd, timeout=300,
                          env=os.environ | environment)


def prose(seed: int, words: int = 100) -> str:
    draw = random.Random(seed)
    return " ".join("".join(draw.choices("abcdefghij", k=5)) for _ in range(words))


def rows() -> list[tuple[dict, str | None]]:
    """(row, kind of copy it is or None where it stays), in file order. All columns but text, date and url are nobody's."""
    one, two, three, four = map(prose, range(4))
    twenty, twenty_one = "2020-05-05", "2021-05-05"
    return [
        ({"text": one, "date": twenty_one, "n": 0, "tags": ["a", {"b": None}]}, "exact"),     # the oldest capture stays
        ({"n": 1, "zoe": 0.1, "text": one, "date": twenty}, None),
        ({"text": two, "n": 2}, "near"),                                                      # the longest text stays
        ({"text": f"{two} and a last word", "n": 3}, None),
        ({"text": three, "url": "https://a.example/x", "date": twenty, "n": 4}, "url"),       # the newest capture stays
        ({"text": prose(9), "url": "https://a.example/x", "date": twenty_one, "n": 5}, None),
        ({"text": " ".join([*four.split()[:50], *prose(5).split()[:50]]), "n": 6}, None),     # Jaccard about 1/3 with the next
        ({"text": four, "n": 7}, None),
        ({"text": "", "n": 8}, None),
        ({"n": 9, "other": "no text at all"}, None),
        ({"n": 9, "other": "no text at all"}, None),
    ]


def lines() -> list[tuple[bytes, bool]]:
    """(line, does it stay): the rows above in two ways of writing JSON, with a broken, a foreign and an empty line."""
    made = [((json.dumps(row, ensure_ascii=n % 2 == 0, separators=(",", ":") if n % 3 else None) + "\n").encode(),
             kind is None) for n, (row, kind) in enumerate(rows())]
    made[3:3] = [(b'{"text": "it breaks off\n', True), (b"[1, 2]\r\n", True), (b"\n", True), (b'{"text": "\xff\xfe"}\n', True)]
    return made


def test_only_dedup_applies_no_rule_of_another_stage():
    config = read_config(ROOT / "settings.yaml", ROOT / "rules.yaml", ROOT / "mixtures/demo.yaml", None)
    found = alone(config.replaced(dataclasses.replace(config[ExtractSettings], blocklists=("adult",))))
    assert config[Rules].rules and not found[Rules].rules and not found[ExtractSettings].blocklists
    assert found[DedupSettings] == config[DedupSettings]


@pytest.mark.parametrize("name", ["in.jsonl", "in.jsonl.gz", "in.jsonl.zst"])
def test_only_dedup_keeps_every_other_line_byte_for_byte(tmp_path, name):
    content = b"".join(line for line, _ in lines())
    packed = {"gz": gzip.compress, "zst": zstandard.compress}.get(name.rpartition(".")[2], bytes)(content)
    (tmp_path / name).write_bytes(packed)
    ran = python("-m", "textmill", "dedup-only", tmp_path / name, "--to", tmp_path / "out.jsonl", "--workers", "1")
    assert ran.returncode == 0, ran.stderr
    assert (tmp_path / "out.jsonl").read_bytes() == b"".join(line for line, stays in lines() if stays)
    assert ran.stdout == ("dedup-only: 14 rows, 3 copies removed (exact 1, near 1, url 1), "
                          f"11 written to {tmp_path / 'out.jsonl'}\n")
    assert sorted(path.name for path in tmp_path.iterdir()) == [name, "out.jsonl"]
    assert (tmp_path / name).read_bytes() == packed


def test_only_dedup_keeps_columns_and_types_of_parquet(tmp_path):
    schema = pa.schema([("n", pa.int16()), ("text", pa.large_string()), ("url", pa.string()), ("date", pa.string()),
                        ("vector", pa.list_(pa.float32(), 2))], metadata={"made by": "hand"})
    given = [({key: row.get(key) for key in ("n", "text", "url", "date")} | {"vector": [row["n"], 0.5]}, kind)
             for row, kind in rows()]
    table = pa.Table.from_pylist([row for row, _ in given], schema)
    pq.write_table(table, tmp_path / "in.parquet", row_group_size=4)
    ran = python("-m", "textmill", "dedup-only", tmp_path / "in.parquet", "--to", tmp_path / "out.parquet", "--workers", "1")
    assert ran.returncode == 0, ran.stderr
    assert "11 rows, 3 copies removed (exact 1, near 1, url 1), 8 written" in ran.stdout
    kept = pq.read_table(tmp_path / "out.parquet")
    assert kept.schema.equals(pq.read_schema(tmp_path / "in.parquet"), check_metadata=True)
    assert kept.to_pylist() == [row for row, kind in given if kind is None]


def test_only_dedup_takes_nothing_from_a_killed_run_of_another_file(tmp_path):
    content = [line for line, _ in lines()]
    (tmp_path / "in.jsonl").write_bytes(content[0] * 2)
    left = tmp_path / "out.jsonl.work/raw/given"
    left.mkdir(parents=True)
    (left / "in.jsonl").write_bytes(b"".join(content))
    ran = python("-m", "textmill", "dedup-only", tmp_path / "in.jsonl", "--to", tmp_path / "out.jsonl", "--workers", "1")
    assert ran.stdout.startswith("dedup-only: 2 rows, 1 copies removed (record 1)"), ran.stderr
    assert (tmp_path / "out.jsonl").read_bytes() == content[0]


@pytest.mark.parametrize("name, cut, told", [
    ("in.jsonl.gz", 40, "is truncated: its rows could not all be copied"),
    ("in.jsonl.zst", 40, "is truncated: its rows could not all be copied"),
    ("in.csv", 0, "must end in .jsonl, .jsonl.gz, .jsonl.zst or .parquet")])
def test_only_dedup_writes_nothing_from_a_file_it_cannot_copy_whole(tmp_path, name, cut, told):
    content = b"".join(line for line, _ in lines())
    packed = {"gz": gzip.compress, "zst": zstandard.compress}.get(name.rpartition(".")[2], bytes)(content)
    (tmp_path / name).write_bytes(packed[:len(packed) - cut])
    ran = python("-m", "textmill", "dedup-only", tmp_path / name, "--to", tmp_path / "out.jsonl", "--workers", "1")
    assert ran.returncode == 1 and told in ran.stderr and "Traceback" not in ran.stderr, ran.stderr
    assert [path.name for path in tmp_path.iterdir()] == [name]


def test_only_a_tokenizer_from_text_files(tmp_path):
    (tmp_path / "a.txt").write_text(prose(1, 2000) + " Straße 東京 naïve", "utf-8")
    with gzip.open(tmp_path / "b.jsonl.gz", "wt") as file:
        file.writelines(json.dumps({"body": prose(n), "n": n}) + "\n" for n in range(20))
    command = ["-m", "textmill", "train-tokenizer", tmp_path / "a.txt", tmp_path / "b.jsonl.gz", "--text-column", "body",
               "--to", tmp_path / "mine", "--vocab-size", "400"]
    ran = python(*command)
    assert ran.returncode == 0, ran.stderr
    assert ran.stdout.startswith(f"{tmp_path / 'mine/tokenizer.json'}: 400 tokens from 0.0 of 0.0 MB of text; ")
    loaded = Tokenizer.from_file(str(tmp_path / "mine/tokenizer.json"))
    assert loaded.get_vocab_size() == 400 and loaded.token_to_id("<|endoftext|>") == 399
    for text, ids in (("Az\n", [65, 122, 10]), ("\x00", [0]), ("\u00ff", [0xC3, 0xBF]), ("\U0001f995", [0xF0, 0x9F, 0xA6, 0x95])):
        assert loaded.encode(text).ids == ids                     # bytes that were never merged are their own ids
    assert loaded.decode(loaded.encode("Straße 東京 \t naïve  ").ids) == "Straße 東京 \t naïve  "
    assert len(loaded.encode(prose(1, 50)).ids) < 50 * 5          # and there are merges
    before = {path.name: path.read_bytes() for path in (tmp_path / "mine").iterdir()}
    assert python(*command).stdout == ran.stdout
    assert {path.name: path.read_bytes() for path in (tmp_path / "mine").iterdir()} == before


ONLY_THE_MODEL = """
import sys

class Blocked:
    def find_spec(self, name, path=None, target=None):
        if name.startswith("textmill.pipelines") or name.partition(".")[0] in ("apache_beam", "trafilatura", "fastwarc", "fasttext", "datasketch"):
            raise ModuleNotFoundError(f"{name} is not on this machine", name=name)

sys.meta_path.insert(0, Blocked())
"""


def test_only_training_from_a_copied_blocks_folder(milled, tmp_path):
    shutil.copytree(milled[0] / "blocks/mixture", tmp_path / "blocks")
    (tmp_path / "site").mkdir()
    (tmp_path / "site/sitecustomize.py").write_text(ONLY_THE_MODEL)
    (tmp_path / "train.yaml").write_text("train: {steps: 2, batch: 1, accumulate: 1, validation_every: 2, "
                                         "validation_blocks: 2, save_every: 2}\n")
    there = {"cwd": tmp_path, "PYTHONPATH": f"{tmp_path / 'site'}{os.pathsep}{ROOT}"}
    assert "apache_beam is not on this machine" in python("-c", "import apache_beam", **there).stderr
    assert "pipelines is not on this machine" in python("-c", "import textmill.pipelines", **there).stderr
    ran = python("-m", "textmill", "train", "--blocks", "blocks", "--run", "run", "--settings", "train.yaml", "--device", "cpu",
                 **there)
    assert ran.returncode == 0, ran.stderr
    assert "4,096 tokens" in ran.stdout and ran.stdout.rstrip().endswith("checkpoint in run/step-00000002")
    start, end = ran.stdout.partition("validation ")[2].split(" bits per byte")[0].split(" → ")
    assert float(end) < float(start)
    drawn = python("-m", "textmill", "sample", "--run", "run", "--prompt", "The river", "--tokens", "8", "--device", "cpu", **there)
    assert drawn.returncode == 0, drawn.stderr
    assert drawn.stdout.startswith("The river") and len(drawn.stdout) > len("The river\n")
    written = python("-m", "textmill", "export", "--run", "run", "--to", "exported", **there)
    assert written.returncode == 0, written.stderr
    assert {"config.json", "model.safetensors", "tokenizer.json"} <= {path.name for path in (tmp_path / "exported").iterdir()}
