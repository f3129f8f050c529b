"""Preflight check of remote workers: a small job before the real one.

It uses the same kinds of steps (impulse, reshuffle, flatten, grouping, a global combine), so an engine that does
not understand this Beam fails here. Each worker it lands on must have the code, libraries and machine type that
fingerprints cover here, and find in the data folder what was written a moment ago; what it writes must be found
here. All of that takes seconds, and nothing of the dataset is touched.
"""

import hashlib
import json
import os
import platform
import sys
import threading
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import apache_beam as beam

from textmill.pipelines.contract.filesystems import StageError, busy, open_filesystem
from textmill.pipelines.contract.stage import RunContext, Stage, library_version
from textmill.pipelines.contract.storage import Folder

WITHIN = 90             # seconds; a cold Flink takes ten
SILENT = 3              # seconds before a message says what is being waited for
FOLDER = "_probe"
CODE = ("textmill.base", "textmill.pipelines", "textmill.tokenizer")


def check_workers(stage: Stage, context: RunContext, engine_name: str, pool: str | None) -> None:
    """StageError where the workers of a remote engine cannot run this stage; `pool` is their worker pool's address."""
    engine, wanted = context.engine, facts(list(stage.versions()))
    name = os.urandom(8).hex()
    dataset = context.data / stage.dataset(context.config)
    folder = dataset / FOLDER / name
    folder.write("asked", name.encode())
    notice = threading.Timer(SILENT, lambda: print(f"{stage.name}: asking the workers of {engine_name} …", file=sys.stderr,
                                                   flush=True))
    notice.start()
    try:
        engine.run(lambda pipeline: _probe(pipeline, 4 * engine.workers, folder, name, wanted), within=WITHIN)
        if not any(entry.path.startswith("answer") for entry in folder.entries()):
            where = context.data.uri
            raise StageError(f"what workers write to {where} is not found there from here: their {where} is "
                             "another place; use a folder or a bucket that all hosts share")
    except TimeoutError:
        cure = f" Is a worker pool running at {pool}, seen from each of its hosts?" if pool else ""
        raise StageError(f"the workers of {engine_name} did not answer within {WITHIN} s. Are workers there, and slots "
                         f"free?{cure}") from None
    finally:
        notice.cancel()
        for entry in folder.entries():
            folder.delete(entry.path)
        dataset.delete_empty_folders()


def _probe(pipeline: beam.Pipeline, elements: int, folder: Folder, name: str, wanted: dict[str, str]) -> Any:
    dealt = pipeline | "Numbers" >> beam.Create(range(elements)) | "Deal" >> beam.Reshuffle()
    answers = dealt | "Answer" >> beam.Map(answer, folder, name, wanted)
    return ((answers, dealt | "Pairs" >> beam.Map(lambda number: (number % 2, number)))
            | "Together" >> beam.Flatten()
            | "Meet" >> beam.GroupByKey()
            | "Count" >> beam.Map(lambda met: sum(1 for _ in met[1]))
            | "Sum" >> beam.CombineGlobally(sum))


def answer(number: int, folder: Folder, name: str, wanted: dict[str, str]) -> tuple[int, int]:
    """On a worker: compare it with the submitter and leave a file. StageError where they differ."""
    here = facts(list(wanted))
    for what, version in wanted.items():
        if here[what] != version:
            raise StageError(f"a worker on {platform.node()} has {what} {here[what]}, and here it is {version}: bytes would "
                             "differ; install the same on all hosts (constraints.txt names the versions), and start their "
                             "worker pools again")
    try:
        filesystem, path = open_filesystem(folder.uri, attempts=2)      # report an unreachable store soon
        with filesystem.open_input_stream(f"{path}/asked") as asked:
            found = asked.read()
    except OSError as error:
        if not busy(error):
            raise StageError(f"a worker on {platform.node()} does not see {folder.uri.rsplit('/', 2)[0]} as it is "
                             f"here ({' '.join(str(error).split())[:300]}); use a folder or a bucket that all hosts share, and "
                             "start worker pools with the credentials and the endpoint for it in their environment") from None
        found = folder.read("asked")            # a store that throttles is waited for, as in the work that follows
    assert found.decode() == name
    folder.write(f"answer-{number}", json.dumps(here).encode())
    return number % 2, number


def facts(libraries: list[str]) -> dict[str, str]:
    """Versions that must be equal on all hosts, by name: the machine type, the code, Beam, and these libraries."""
    own = {"machine": platform.machine(), "textmill": f"{library_version('textmill')} ({code_digest()})",
           "apache-beam": library_version("apache-beam"), "python": platform.python_version()}
    return own | {name: library_version(name) for name in libraries if name not in own}


@cache
def code_digest() -> str:
    """8 hex digits over the source of the packages that a worker runs: a version number alone hides a local edit."""
    digest = hashlib.sha256()
    for package in CODE:
        spec = find_spec(package)
        assert spec and spec.submodule_search_locations
        root = Path(spec.submodule_search_locations[0])
        for path in sorted(root.rglob("*")):
            if path.is_file() and path.suffix in (".py", ".yaml", ".txt"):
                digest.update(f"{path.relative_to(root).as_posix()}\0".encode() + path.read_bytes())
    return digest.hexdigest()[:8]
