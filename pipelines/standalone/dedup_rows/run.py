"""`textmill dedup-only`: files of rows to the same files without the copies.

Each file is indexed, the search of the stage dedup runs over all indexes at once, and the rows that stay are copied. Rows of a
reference (`against`) count as better than all others and are not written. A file that cannot be read to its end is refused:
its rows could not all be copied.
"""

import contextlib
import json
import os
import shutil
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from textmill.pipelines.contract.filesystems import StageError, open_filesystem
from textmill.pipelines.contract.lock import locked
from textmill.pipelines.contract.part_files import read_batches
from textmill.pipelines.contract.storage import Folder
from textmill.pipelines.dedup.kinds import KINDS
from textmill.pipelines.dedup.settings import DedupSettings
from textmill.pipelines.engines.engine import BeamEngine
from textmill.pipelines.engines.quiet import quiet
from textmill.pipelines.standalone.dedup_rows.copying import copy_rows, copy_text, new_file
from textmill.pipelines.standalone.dedup_rows.files import Table, tables
from textmill.pipelines.standalone.dedup_rows.indexing import AGAINST, GIVEN, NO_TEXT, Index, index_table, key_of
from textmill.pipelines.standalone.dedup_rows.template import template_line

STREAM = "-"
NAMES = {kind.code: kind.name for kind in KINDS}


@dataclass(frozen=True)
class Request:
    """What to do: files or folders of rows, and where the rows that stay go."""

    inputs: tuple[str, ...]
    to: str
    """A file where there is one input file, else a folder; `-` is the standard output."""
    against: tuple[str, ...] = ()
    """Files or folders of a reference: rows like one of its rows go; it is not written."""
    index: str | None = None
    """A folder where the reference's index stays for the next time."""
    columns: tuple[str, ...] = ()
    """Where the text is, columns or paths such as meta.text; all of them together. Empty: the usual ones."""
    removed: str | None = None
    """A JSONL file to write: each removed row, its kind, and the row that is kept for it."""
    overwrite: bool = False


@dataclass(frozen=True)
class Copies:
    """The rows of a file that go, by place, with kind, similarity and the id of the row that is kept."""

    table: Table
    rows: dict[int, tuple[str, float | None, str]] = field(default_factory=dict)


def deduplicate(request: Request, settings: DedupSettings, engine: BeamEngine) -> str:
    """Do it; the summary. StageError where the input cannot be used, or the output is in the way: then nothing is written."""
    with _work_folder(request.to) as (work, is_rerun):
        request = replace(request, overwrite=request.overwrite or is_rerun)
        inputs = list(request.inputs)
        if STREAM in inputs:
            inputs[inputs.index(STREAM)] = _stored_input(Path(work))
        given, reference = tables(inputs), tables(request.against)
        targets = targets_of(request, inputs, given, reference)
        if (at := f"{request.index}" if request.index else "") and "://" in at:
            raise StageError(f"--index {at}: an index is kept in a local folder; give one")
        home, kept = Folder(f"{work}/index"), Folder(request.index or f"{work}/index")
        indexes = [*(index_table(table, request.columns, AGAINST, kept) for table in reference),
                   *(index_table(table, request.columns, GIVEN, home) for table in given)]
        mine = indexes[len(reference):]
        _say_not_compared(mine, request.columns)
        copies = search(indexes, len(reference), kept, home, settings, engine, Path(work))
        written = 0
        for index, found, target in zip(mine, copies, targets, strict=True):
            out = _write(index.table, target, set(found.rows))
            if out != len(found.rows):
                raise StageError(f"{index.table.path} has changed while it was read; run the same command again")
            written += index.rows - out
        if request.removed:
            _write_removed(request.removed, copies, [index.table for index in indexes])
        rows, kinds = sum(index.rows for index in mine), Counter(kind for one in copies for kind, _, _ in one.rows.values())
        said = ", ".join(f"{kind} {n:,}" for kind, n in sorted(kinds.items()))
        against = f" against {sum(index.rows for index in indexes) - rows:,} rows of the reference" if reference else ""
        place = "the standard output" if request.to == STREAM else request.to
        return (f"dedup-only: {rows:,} rows{against}, {kinds.total():,} copies removed{f' ({said})' if said else ''}, "
                f"{written:,} written to {place}")


def search(indexes: Sequence[Index], references: int, kept: Folder, home: Folder, settings: DedupSettings, engine: BeamEngine,
           work: Path) -> list[Copies]:
    """The copies among the rows of the indexes after the first `references`, which are of the reference."""
    with quiet():
        from textmill.pipelines.dedup.search import decisions_of, find_copies

    search_folder = Folder(f"{work}/search")
    settings = replace(settings, source_priority=(AGAINST,),
                       order=("source", *(name for name in settings.order if name != "source")))
    tasks = [index.task(home, kept if number < references else home) for number, index in enumerate(indexes)]
    if line := template_line(home, tasks[references:], settings):
        print(f"dedup-only: {line}", file=sys.stderr, flush=True)
    find_copies(engine, home, search_folder, tasks, settings)
    result = []
    for ordinal, (index, task) in enumerate(zip(indexes, tasks, strict=True)):
        if ordinal < references:
            continue
        decided = decisions_of(search_folder, ordinal)
        decided = decided[decided["kind"] > 0]
        places = _places(home, task)[(decided["ref"] & np.uint64(0xFFFFFFFF)).astype(np.int64)]
        ids = [f"{high:016x}{low:016x}" for high, low in decided[["kept_high", "kept_low"]].tolist()]
        similar = [None if np.isnan(value) else float(value) for value in decided["similarity"].tolist()]
        rows = zip((NAMES[code] for code in decided["kind"].tolist()), similar, ids, strict=True)
        result.append(Copies(index.table, dict(zip(places.tolist(), rows, strict=True))))
    return result


def _places(home: Folder, task: Any) -> np.ndarray:
    part = dict(task.inputs)["documents"]
    columns = [batch["place"].to_numpy() for batch in read_batches(home / "documents", part, ["place"])]
    return np.concatenate([np.zeros(0, np.int64), *columns])


def targets_of(request: Request, inputs: Sequence[str], given: Sequence[Table], reference: Sequence[Table]) -> list[str]:
    """The file that each input file's rows go to. StageError where one is in the way or of another kind."""
    problems = []
    is_folder = request.to.endswith("/") or Path(request.to).is_dir()
    single = len(given) == 1 and given[0].path == inputs[0] and not is_folder
    if request.to == STREAM:
        targets = [STREAM] * len(given)
        if len(given) > 1 or given[0].kind == "parquet":
            problems.append("only the rows of one text file can go to the standard output; name a file or a folder with --to")
    elif single:
        targets = [request.to]
        if (request.to.endswith(".parquet")) != (given[0].kind == "parquet"):
            problems.append(f"{given[0].path} is {given[0].kind} and stays so; give --to a name with that ending")
    else:
        roots = [path.rstrip("/") for path in inputs]
        targets = [f"{request.to.rstrip('/')}/{_below(table.path, roots)}" for table in given]
        if len(set(targets)) < len(targets):
            problems.append("two inputs have the same name and would be written to one file; give their common folder instead")
    read = {_real(table.path) for table in (*given, *reference)}
    for target in [*targets, *([request.removed] if request.removed else [])]:
        if _real(target) in read:
            problems.append(f"{target} is an input, which would be destroyed; write to another place")
        elif target != STREAM and not request.overwrite and _exists(target):
            problems.append(f"{target} is there already; give --overwrite to replace it, or another name")
    if problems:
        raise StageError("\n".join(problems))
    return targets


def _write(table: Table, target: str, removed: set[int]) -> int:
    if target != STREAM:
        return copy_rows(table, target, removed)
    with table.open() as file:
        out = copy_text(table, file, sys.stdout.buffer, removed)
    sys.stdout.buffer.flush()
    return out


def _write_removed(target: str, copies: Sequence[Copies], all_tables: Sequence[Table]) -> None:
    names = {key_of(table): table.path for table in all_tables}

    def lines() -> Iterator[bytes]:
        for one in copies:
            for place, (kind, similarity, id_) in sorted(one.rows.items()):
                row = {"file": one.table.path, "place": place, "kind": kind, "similarity": similarity,
                       "kept_file": names[id_[:16]], "kept_place": int(id_[16:], 16)}
                yield (json.dumps(row, ensure_ascii=False) + "\n").encode("utf-8", "surrogateescape")

    with new_file(target) as sink:
        sink.writelines(lines())


def _say_not_compared(indexes: Sequence[Index], names: Sequence[str]) -> None:
    """How many rows were not compared, and why. StageError where none was: that is a wrong column, not a result."""
    reasons = sum((Counter(index.not_compared) for index in indexes), Counter())
    rows = sum(index.rows for index in indexes)
    columns = next((index.columns for index in indexes if index.columns), ())
    there = f"; the columns are {', '.join(columns)}" if columns else ""
    cure = f"there is nothing in {' and '.join(names)}" if names else "name the column with --text-column"
    if rows and reasons.total() == rows:
        why = ", ".join(f"{n:,} {reason}" for reason, n in reasons.items())
        raise StageError(f"no row can be compared: of {rows:,} rows {why}{there}; "
                         f"{cure if NO_TEXT in reasons else 'look at the file'}")
    for reason, n in reasons.items():
        print(f"dedup-only: {n:,} of {rows:,} rows {reason} and stay as they are{there if reason == NO_TEXT else ''}",
              file=sys.stderr, flush=True)


def _stored_input(work: Path) -> str:
    """The standard input as a file: it is read twice."""
    path = work / "stdin.jsonl"
    with path.open("wb") as file:
        shutil.copyfileobj(sys.stdin.buffer, file)
    return str(path)


@contextlib.contextmanager
def _work_folder(to: str) -> Iterator[tuple[str, bool]]:
    """An empty folder for work files, on the disk that the output goes to, and whether a killed run had left it.

    What that run has written already is written again."""
    if to == STREAM or "://" in to:
        with tempfile.TemporaryDirectory(prefix="dedup-") as work:
            yield work, False
        return
    target = Path(to).absolute()
    folder = target.parent / f".{target.name}.work"
    with locked(Folder(str(folder)), "dedup-only"):
        try:
            left = list(folder.iterdir())
            for path in left:
                (shutil.rmtree if path.is_dir() else os.unlink)(path)
            yield str(folder), bool(left)
        finally:
            shutil.rmtree(folder, ignore_errors=True)


def _below(path: str, roots: Sequence[str]) -> str:
    """A file's path below the folder that was given, or its name."""
    return next((path[len(root) + 1:] for root in roots if path.startswith(f"{root}/")), path.rpartition("/")[2])


def _real(path: str) -> str:
    return path if "://" in path else os.path.realpath(path)


def _exists(path: str) -> bool:
    filesystem, place = open_filesystem(path)
    return bool(filesystem.get_file_info(place).is_file)


