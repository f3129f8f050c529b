"""Shards for publishing: curated text as FineWeb lays its files out, `data/<dump>/<shard>.parquet`.

Guarantees: every row once, in the order of the dataset; a shard holds rows of one dump (of one source, where a page is of no
dump) and about `shard_bytes` of content; the same rows and settings give the same bytes. Names are FineWeb's,
`000_00000.parquet`; columns are those of curated, which begins with FineWeb's.
"""

from collections.abc import Callable, Iterator
from dataclasses import replace

import pyarrow as pa
import pyarrow.compute as pc

from textmill.pipelines.contract.part_files import PartWriter, read_batches
from textmill.pipelines.contract.parts import Part
from textmill.pipelines.contract.storage import Folder
from textmill.pipelines.publish.tables import Table

SHARD_BYTES = 1 << 30


def write_shards(data: Folder, table: Table, target: Folder, shard_bytes: int = SHARD_BYTES,
                 tell: Callable[[int], object] = int) -> Table:
    """Write the shards of a table below `target`; the table as it stands there. `tell` is given the rows written so far."""
    parts: list[Part] = []
    writers: dict[str, PartWriter] = {}     # of each crawl, the shard being written
    shards: dict[str, int] = {}
    rows = 0
    try:
        for crawl, batch in _by_crawl(data, table):
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
    return replace(table, manifest=replace(table.manifest, parts=tuple(parts)))


def _closed(writer: PartWriter) -> Part:
    writer.__exit__(None, None, None)
    assert writer.part is not None
    return writer.part


def _by_crawl(data: Folder, table: Table) -> Iterator[tuple[str, pa.RecordBatch]]:
    """(dump, else source; rows of it) in the order of the table."""
    for part in table.parts:
        for batch in read_batches(data / table.place, part):
            names = pc.coalesce(batch["dump"], batch["source"]) if "dump" in batch.schema.names else batch["source"]
            for name in sorted(names.unique().to_pylist()):
                yield name, batch.filter(pc.equal(names, name))
