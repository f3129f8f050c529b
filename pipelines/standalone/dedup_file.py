"""Deduplication of one JSONL or Parquet file: the same rows without the copies, byte for byte.

Runs extract, measure, screen with an empty rule table, and dedup, in a work folder beside the output; then copies the
input's own lines or rows. A row without text, or one that is no JSON object, is no copy and is kept. A file that is
itself damaged is refused: its rows could not all be copied.
"""

import dataclasses
import gzip
import io
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

import pyarrow as pa
import pyarrow.parquet as pq
import zstandard

from textmill.pipelines.contract.configuration import Configuration
from textmill.pipelines.contract.part_files import read_batches
from textmill.pipelines.contract.parts import Manifest, read_counts
from textmill.pipelines.contract.run import bring_up_to_date
from textmill.pipelines.contract.stage import RunContext
from textmill.pipelines.contract.storage import Folder, StageError
from textmill.pipelines.dedup.stage import DEDUP
from textmill.pipelines.engines.engine import BeamEngine
from textmill.pipelines.extract.settings import ExtractSettings
from textmill.pipelines.extract.stage import EXTRACT
from textmill.pipelines.measure.stage import MEASURE
from textmill.pipelines.screen.rules import Rules
from textmill.pipelines.screen.stage import SCREEN

SOURCE = "given"
DAMAGE = ("truncated", "damaged")      # what `extract` says of a file, not of a row


def deduplicate(source: Path, target: Path, config: Configuration, engine: BeamEngine) -> str:
    """Write `target`; the summary. StageError where the input cannot be used."""
    kind = next((kind for kind in (".jsonl", ".jsonl.gz", ".jsonl.zst", ".parquet") if source.name.endswith(kind)), None)
    if not source.is_file():
        raise StageError(f"there is no file {source}")
    if kind is None:
        raise StageError(f"{source} must end in .jsonl, .jsonl.gz, .jsonl.zst or .parquet, by its content")
    ending = ".parquet" if kind == ".parquet" else ".jsonl"
    if target.suffix != ending:
        raise StageError(f"{target} must end in {ending}, as {source.name} does")
    work = target.with_name(target.name + ".work")
    raw = work / "raw" / SOURCE
    if raw.exists():
        shutil.rmtree(raw)                       # of a run that was killed, perhaps of another file
    raw.mkdir(parents=True)
    (raw / f"rows{kind}").symlink_to(source.absolute())
    context = RunContext(Folder(str(work)), alone(config), engine)
    for stage in (EXTRACT, MEASURE, SCREEN, DEDUP):
        bring_up_to_date(stage, context)
        if stage is EXTRACT:
            refuse_damage(source, work)
    copies = dict(found(context))
    unfinished = target.with_name(target.name + ".part")
    rows = (copy_parquet if kind == ".parquet" else copy_lines)(source, unfinished, set(copies))
    unfinished.replace(target)
    shutil.rmtree(work)
    kinds = {kind: list(copies.values()).count(kind) for kind in sorted(set(copies.values()))}
    said = ", ".join(f"{kind} {n:,}" for kind, n in kinds.items())
    left = f"{rows - len(copies):,} written to {target}"
    return f"dedup-only: {rows:,} rows, {len(copies):,} copies removed{f' ({said})' if said else ''}, {left}"


def alone(config: Configuration) -> Configuration:
    """No rules, no blocklists, and any number of rows may be unreadable: they are kept."""
    extract = dataclasses.replace(config[ExtractSettings], max_quarantined=1.0, blocklists=())
    return config.replaced(extract, dataclasses.replace(config[Rules], rules=()))


def refuse_damage(source: Path, work: Path) -> None:
    """StageError where the file is truncated or damaged: nothing is written, rather than part of its rows."""
    bad = read_counts(Folder(str(work / "documents"))).get("quarantined", {})
    if told := [rule for rule in DAMAGE if rule in bad]:
        shutil.rmtree(work)
        raise StageError(f"{source} is {' and '.join(told)}: its rows could not all be copied; get the file again")


def found(context: RunContext) -> Iterator[tuple[int, str]]:
    """(place of the row in the input, kind) of every copy."""
    datasets = [(context.data / name, columns) for name, columns in (("documents", ["offset"]), ("duplicates", ["kind"]))]
    parts = [Manifest.read(dataset).parts for dataset, _ in datasets]  # type: ignore[union-attr]
    for aligned in zip(*parts, strict=True):
        tables = [pa.Table.from_batches(read_batches(dataset, part, columns), None) if part.rows else None
                  for (dataset, columns), part in zip(datasets, aligned, strict=True)]
        if tables[0] is not None:
            offsets, kinds = (table.column(0).to_pylist() for table in tables if table is not None)
            yield from ((offset, kind) for offset, kind in zip(offsets, kinds, strict=True) if kind is not None)


def copy_lines(source: Path, target: Path, out: set[int]) -> int:
    """Copy the lines whose byte offset in the decompressed stream is not in `out`; how many lines there were."""
    rows = offset = 0
    with lines(source) as file, target.open("wb") as sink:
        for line in file:
            rows += bool(line.strip())
            if offset not in out:
                sink.write(line)
            offset += len(line)
    return rows


def lines(source: Path) -> BinaryIO:
    """The input's lines as bytes, decompressed."""
    if source.suffix == ".gz":
        return gzip.open(source)  # type: ignore[return-value]
    if source.suffix == ".zst":
        reader = zstandard.ZstdDecompressor().stream_reader(source.open("rb"), read_across_frames=True)
        return io.BufferedReader(reader)
    return source.open("rb")


def copy_parquet(source: Path, target: Path, out: set[int]) -> int:
    """Copy the rows whose number is not in `out`, row group by row group."""
    rows = 0
    with pq.ParquetFile(source) as file, pq.ParquetWriter(target, file.schema_arrow, write_page_checksum=True) as sink:
        for group in range(file.num_row_groups):
            table = file.read_row_group(group)
            sink.write_table(table.filter(pa.array([rows + n not in out for n in range(table.num_rows)])))
            rows += table.num_rows
    return rows
