"""Preview of a takedown: the pages, the copies that may replace them, the blocks, and the raw records to delete."""

from collections.abc import Iterator

import pyarrow as pa
import pyarrow.compute as pc

from textmill.pipelines.contract.parts import Manifest
from textmill.pipelines.contract.row_groups import find_ids, row_groups
from textmill.pipelines.contract.storage import Folder
from textmill.pipelines.display.lines import labelled, ranges, shown
from textmill.pipelines.erasure.blocks import Held, held_in_blocks
from textmill.pipelines.ledger.blocks import datasets_under
from textmill.pipelines.takedown.matching import Resolution, TakenRow


def listing(data: Folder, resolution: Resolution) -> Iterator[str]:
    """All rows that the entries match, and the consequences."""
    rows = resolution.rows
    for entry in resolution.entries:
        count = sum(entry.name in row.taken.entries for row in rows)
        yield f"line {entry.line}: {entry.name} takes {_count(count, 'record') if count else 'nothing that is stored here'}"
    pending = [row for row in rows if row.pending]
    if not pending:
        yield f"{_count(len(rows), 'record')} taken down before, nothing new" if rows else "nothing to do"
    for row in pending:
        yield from _page(row)
    twins = stepping_in(data, [row.taken.id for row in pending if row.taken.id])
    for gone, copies in twins.items():
        yield from labelled("twins", f"of {gone} {_count(len(copies), 'copy', 'copies')} may replace it, dedup decides:")
        found = find_ids(data, copies)
        for copy in copies:
            yield from (f"  {copy}  {shown(document.url or document.record_id)}" for document in found[copy][:1])
    named = {entry.value for entry in resolution.entries if entry.kind in ("id", "text")}
    for held in held_in_blocks(data, named | {row.taken.id for row in rows if row.taken.id}):
        yield from _blocks(held)
    if pending and (names := datasets_under(data, "tokenizers")):
        yield from labelled("tokenizer", f"{', '.join(names)}: not retrained, and its manifest will say so")
    if rows:
        yield "raw records to delete, which no command here does:"
        yield from (f"  {row.taken.file}, offset {row.taken.offset:,}" + (
            "" if row.taken.length is None else f", length {row.taken.length:,}") for row in rows)


def stepping_in(data: Folder, ids: list[str]) -> dict[str, list[str]]:
    """Id taken down → the copies removed in its favour that are not taken down themselves, both sorted."""
    gone, found = pa.array(sorted(set(ids)), pa.string()), dict[str, set[str]]()
    manifest = Manifest.read(data / "duplicates")
    for part in manifest.parts if manifest and ids else ():
        for _, read in row_groups(data / "duplicates", part):
            batch = read(["id", "kept_id", "kind"])
            stood = pc.and_(pc.is_in(batch["kept_id"], value_set=gone), pc.is_valid(batch["kind"]))
            chosen = pc.and_(stood, pc.invert(pc.is_in(batch["id"], value_set=gone)))
            for id_, kept in zip(*(batch[name].filter(chosen).to_pylist() for name in ("id", "kept_id")), strict=True):
                found.setdefault(kept, set()).add(id_)
    return {kept: sorted(copies) for kept, copies in sorted(found.items())}


def _page(row: TakenRow) -> Iterator[str]:
    named = shown(row.url) if row.url else f"{row.taken.file}, offset {row.taken.offset:,}"
    yield f"  {row.taken.id or 'a record without a document':<32}  {named}"


def _blocks(held: Held) -> Iterator[str]:
    for split, blocks in held.blocks.items():
        yield from labelled("blocks", f"{held.mixture}/{split} {ranges(sorted(blocks))}")
    for run in held.runs:
        yield from labelled("checkpoint", f"checkpoints/{run} was trained on these blocks, and no command here changes it")


def _count(count: int, one: str, many: str | None = None) -> str:
    return f"{count:,} {one if count == 1 else many or one + 's'}"
