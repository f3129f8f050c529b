"""Two small stages that obey the whole contract: numbers are read from lines of text, then squared."""

import os
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pyarrow as pa

from textmill.pipelines.contract.configuration import Configuration
from textmill.pipelines.contract.filesystems import StageError
from textmill.pipelines.contract.output import Output, Parquet
from textmill.pipelines.contract.stage import RunContext, Stage
from textmill.pipelines.contract.storage import Folder
from textmill.pipelines.contract.task import Task, fingerprint


@dataclass(frozen=True)
class Small:
    """What the two stages read of a configuration."""

    lines: dict[str, str]       # key → space-separated words
    factor: int = 1
    full_disk_at: str = ""
    die_at: str = ""
    hold: str = ""              # a folder: work waits there, before its last rows, for a file `go`


class Numbers(Stage[Small, None, None]):
    name, version, unit = "numbers", 1, "words"

    def dataset(self, config: Configuration) -> str:
        return "numbers"

    def settings(self, config: Configuration) -> Small:
        return config[Small]

    def output_settings(self, config: Configuration) -> Any:
        return None

    def output_format(self, tools: None, settings: Small) -> Parquet:
        return Parquet(pa.schema([("number", pa.int64())]), pa.schema([("rule", pa.string()), ("value", pa.string())]))

    def tasks(self, context: RunContext, prepared: None) -> list[Task]:
        lines = sorted(context.config[Small].lines.items())
        return [Task(key, fingerprint(self.base(context), line), payload=line) for key, line in lines]

    def work(self, tools: None, settings: Small, task: Task, batches: Any, output: Output) -> dict[str, Any]:
        words = task.payload.split()
        good = [int(word) for word in words if word.isdigit()]
        bad = [word for word in words if not word.isdigit()]
        output.write(pa.record_batch({"number": pa.array(good, pa.int64())}))
        output.reject(pa.record_batch({"rule": ["digits"] * len(bad), "value": pa.array(bad, pa.string())}))
        lost = "lost" in words      # a stage with a bug: it forgets a row
        return {"read": len(words), "kept": len(good), "rejected": {"digits": len(bad) - lost}}


class Squares(Stage[Small, None, None]):
    name, version = "squares", 1
    reads = (Numbers(),)

    def dataset(self, config: Configuration) -> str:
        return "squares"

    def settings(self, config: Configuration) -> Small:
        return config[Small]

    def output_settings(self, config: Configuration) -> Any:
        return config[Small].factor

    def output_format(self, tools: None, settings: Small) -> Parquet:
        return Parquet(pa.schema([("square", pa.int64())]))

    def work(self, tools: None, settings: Small, task: Task, batches: Iterator[tuple[pa.RecordBatch, ...]],
             output: Output) -> dict[str, Any]:
        if task.key == settings.die_at:
            os.kill(os.getpid(), 9)
        if task.key == settings.full_disk_at:
            raise StageError("no space left on the disk of here; free some")
        count = 0
        for (batch,) in batches:
            numbers = batch.column("number").to_pylist()
            output.write(pa.record_batch({"square": [settings.factor * n * n for n in numbers]}))
            count += len(numbers)
        if settings.hold:
            wait(settings.hold)
        return {"read": count, "kept": count}


def wait(folder: str) -> None:
    """Says that it waits, by a file of its own, and does until `go` is there."""
    open(os.path.join(folder, str(os.getpid())), "w").close()
    while not os.path.exists(os.path.join(folder, "go")):
        time.sleep(0.02)


NUMBERS, SQUARES = Numbers(), Squares()


def run_context(folder: Any, workers: int = 1, **config: Any) -> RunContext:
    from textmill.pipelines.engines.engine import BeamEngine

    return RunContext(Folder(str(folder)), Configuration(Small(**config)), BeamEngine(workers=workers))
