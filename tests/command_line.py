"""Runs the real command line on the sample crawl, cut into many small parts, and reads what lies there afterwards."""

import hashlib
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from tests.paths import ROOT
from textmill.base.sealed import unseal
from textmill.cli import main
from textmill.pipelines.contract.storage import Folder

SETTINGS = ROOT / "tests/settings.yaml"        # small splits and parts, four passes of dedup
MIXTURE = ROOT / "tests/mixture.yaml"
DATASETS = {"extract": "documents", "measure": "signals", "screen": "verdicts", "dedup": "duplicates", "curate": "curated",
            "tokenizer": "tokenizers/test-1k", "tokenize": "tokens/test-1k", "pack": "blocks/mixture"}
STAGES = tuple(DATASETS)


def command(stage: str, data: Path | str, workers: int = 1, *more: str, settings: Path = SETTINGS) -> list[str]:
    return [sys.executable, "-m", "textmill", stage, "--alone", "--data", str(data), "--config", str(settings), "--rules",
            str(ROOT / "rules.yaml"), "--mixture", str(MIXTURE), "--workers", str(workers), *more]


def run(stage: str, data: Path | str, workers: int = 1, *more: str, settings: Path = SETTINGS,
        **environment: str) -> subprocess.CompletedProcess:
    return subprocess.run(command(stage, data, workers, *more, settings=settings), capture_output=True, text=True, cwd=ROOT,
                          env=os.environ | environment, timeout=900)


def run_all(data: Path | str, workers: int = 1, *more: str, settings: Path = SETTINGS, **environment: str) -> list[str]:
    """Every stage in order; the summary lines. Fails with what was said where a stage fails."""
    said = []
    for stage in STAGES:
        ran = run(stage, data, workers, *more, settings=settings, **environment)
        assert ran.returncode == 0, f"{stage}: {ran.stdout}{ran.stderr}"
        assert "Traceback" not in ran.stderr, ran.stderr
        said.append(ran.stdout.strip())
    return said


def refused(capsys: Any, *arguments: str) -> str:
    """What a word says on stderr, run in this process, that ends with exit 1."""
    assert main(arguments) == 1
    return capsys.readouterr().err.removesuffix("\n")


def put_sample(data: Path) -> Path:
    """The sample crawl as the source `sample` of a data folder."""
    shutil.copytree(ROOT / "sample/raw", data / "raw/sample")
    return data


def copy_dataset(data: Path, name: str, target: Path, to: str | None = None) -> Path:
    """A dataset with what the ledger records of it, in another data folder, as `to`."""
    for source, place in ((data / name, target / (to or name)), (data / "ledger" / name, target / "ledger" / (to or name))):
        if source.is_dir():
            shutil.copytree(source, place)
    return target / (to or name)


def hashes(data: Path) -> dict[str, str]:
    """sha256 of every file that the promise of equal bytes covers, by path."""
    return {str(path.relative_to(data)): hashlib.sha256(path.read_bytes()).hexdigest() for path in sorted(data.rglob("*"))
            if path.is_file() and path.name not in ("run.json", "_run.json")
            and path.relative_to(data).parts[0] not in ("raw", "checkpoints")}


def manifest(data: Path, dataset: str) -> dict[str, Any]:
    return unseal((Folder(str(data)) / dataset).read("_manifest.json"))


def table(data: Path, dataset: str, rejected: bool = False) -> pa.Table:
    """All rows of a dataset in order, or all its rejected rows."""
    listed, folder = manifest(data, dataset)["rejected" if rejected else "parts"], Folder(str(data)) / dataset
    return pa.concat_tables([pq.read_table(folder.path(part["path"])) for part in listed])
