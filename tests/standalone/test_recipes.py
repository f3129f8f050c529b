"""Two single-purpose recipes of README, as a user types them: only a tokenizer, only training."""

import gzip
import json
import os
import random
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from tokenizers import Tokenizer

from tests.command_line import ROOT

pytestmark = pytest.mark.slow


def python(*arguments: object, cwd: Path = ROOT, **environment: str) -> subprocess.CompletedProcess:
    return subprocess.run([sys.executable, *map(str, arguments)], capture_output=True, text=True, cwd=cwd, timeout=300,
                          env=os.environ | environment)


def prose(seed: int, words: int = 100) -> str:
    draw = random.Random(seed)
    return " ".join("".join(draw.choices("abcdefghij", k=5)) for _ in range(words))


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
    assert loaded.get_vocab_size() == 400 and loaded.token_to_id("<|endoftext|>") == 375
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
