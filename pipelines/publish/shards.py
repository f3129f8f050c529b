"""Shards for publishing: curated text as FineWeb lays its files out, `data/<dump>/<shard>.parquet`.

Guarantees: every row once, in the order of the dataset; a shard holds rows of one dump (of one source, where a page is of no
dump) and about `shard_bytes` of content; the same rows and settings give the same bytes. Names are FineWeb's,
`000_00000.parquet`; columns are those of curated, which begins with FineWeb's, `token_count` where the text was encoded.
"""

from collections.abc import Callable, Iterator
from dataclasses import replace

import pyarrow as pa
import pyarrow.compute as pc

from textmill.pipelines.contract.filesystems import StageError
from textmill.pipelines.contract.part_files import PartWriter, aligned, read_batches
from textmill.pipelines.contract.parts import Part
from textmill.pipelines.contract.storage import Folder
from textmill.pipelines.publish.tables import COUNTED_AFTER, Table

SHARD_BYTES = 1 << 30


def write_shards(data: Folder, table: Table, target: Folder, shard_bytes: int = SHARD_BYTES,
                 tell: Callable[[int], object] = int, tokens: Table | None = None) -> Table:
    """Write the shards of a table below `target`; the table as it stands there.

    `tell` is given the rows written so far. Rows have the `token_count` of `tokens`, whose parts are aligned with the table's.
    """
    parts: list[Part] = []
    writers: dict[str, PartWriter] = {}     # of each crawl, the shard being written
    shards: dict[str, int] = {}
    rows = 0
    try:
        for crawl, batch in _by_crawl(data, table, tokens):
            if crawl not in writers:
                number = shards[crawl] = shards.get(crawl, -1) + 1
                path = f"data/{crawl}/000_{number:05d}.parquet"
                writers[crawl] = PartWriter(target, f"{crawl}/{number:05d}", path, batch.schema).__enter__()
            writers[crawl].write(batch)
            rows += batch.num_rows
            tell(rows)
            if writers[crawl].written_bytes >= shard_bytes:
                parts.append(_closed(writers.pop(crawl)))
        parts += [_closed(writers.pop(crawl)) for crawl in sorted(writers)]
    except BaseException as error:
        for writer in writers.values():
            writer.__exit__(type(error), error, error.__traceback__)
        raise
    parts.sort(key=lambda part: part.path)
    counted_by = tokens.name.removeprefix("tokens-") if tokens else None
    return replace(table, manifest=replace(table.manifest, parts=tuple(parts)), tokenizer=counted_by)


def _closed(writer: PartWriter) -> Part:
    writer.__exit__(None, None, None)
    assert writer.part is not None
    return writer.part


def _by_crawl(data: Folder, table: Table, tokens: Table | None) -> Iterator[tuple[str, pa.RecordBatch]]:
    """(dump, else source, as a folder is named; rows of it) in the order of the table."""
    for batch in _batches(data, table, tokens):
        names = pc.coalesce(batch["dump"], batch["source"]) if "dump" in batch.schema.names else batch["source"]
        names = pc.replace_substring_regex(names, r"[^\p{L}\p{N}_.-]+", "_")     # as a configuration may be named
        for name in sorted(names.unique().to_pylist()):
            yield name, batch.filter(pc.equal(names, name))


def _batches(data: Folder, table: Table, tokens: Table | None) -> Iterator[pa.RecordBatch]:
    """The rows of the table, with their `token_count`. StageError where `tokens` were made of other text."""
    for number, part in enumerate(table.parts):
        rows = read_batches(data / table.place, part)
        if tokens is None:
            yield from rows
            continue
        encoded = read_batches(data / tokens.place, tokens.parts[number], ("id", "bytes", "token_count"))
        for batch, counts in aligned((rows, encoded)):
            if not (batch["id"].equals(counts["id"]) and pc.binary_length(batch["text"]).equals(counts["bytes"])):
                raise StageError(f"{tokens.place} was made of other text than {table.name}; run `textmill tokenize`")
            yield batch.add_column(batch.schema.names.index(COUNTED_AFTER) + 1, "token_count", counts["token_count"])
