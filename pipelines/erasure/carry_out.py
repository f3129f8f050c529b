"""Execution of a takedown: record it, empty documents, bring later stages up to date, empty blocks, then search.

Every step is idempotent. A killed run is run again: the record says which rows must be empty, and the stages
know their finished tasks by receipts. Raw files are never read, so it does not matter whether they still exist.
"""

import dataclasses
from collections import Counter
from collections.abc import Iterator

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from textmill.pipelines.contract.filesystems import StageError
from textmill.pipelines.contract.lock import locked
from textmill.pipelines.contract.part_files import read_batches
from textmill.pipelines.contract.parts import Manifest
from textmill.pipelines.contract.row_groups import row_groups
from textmill.pipelines.contract.run import bring_up_to_date
from textmill.pipelines.contract.stage import RunContext, Stage
from textmill.pipelines.contract.storage import LEDGER, MANIFEST, Folder
from textmill.pipelines.curate.stage import CURATE
from textmill.pipelines.dedup.stage import DEDUP
from textmill.pipelines.erasure.blocks import Held, clean_blocks, empty_blocks, held_in_blocks
from textmill.pipelines.erasure.documents import empty_documents
from textmill.pipelines.erasure.passages import PER_TEXT, Passages, passages_of
from textmill.pipelines.erasure.search import Hit, Search, Searched
from textmill.pipelines.extract.stage import EXTRACT
from textmill.pipelines.ledger.blocks import datasets_under
from textmill.pipelines.measure.stage import MEASURE
from textmill.pipelines.screen.stage import SCREEN
from textmill.pipelines.takedown.emptying import RULE
from textmill.pipelines.takedown.matching import Resolution, TakenRow
from textmill.pipelines.takedown.memory import MEMORY, Memory, read_memory, sorted_taken
from textmill.pipelines.tokens.encode import TOKENIZE
from textmill.pipelines.tokens.settings import TokenizerName

FOLLOWING: tuple[Stage, ...] = (MEASURE, SCREEN, DEDUP, CURATE)
_MOST_HITS = 10


def carry_out(context: RunContext, resolution: Resolution) -> Iterator[str]:
    """Execute it, a line for each step. StageError where the search finds something left."""
    data = context.data
    memory = remember(data, resolution)
    pending = [row for row in resolution.rows if row.pending and row.taken.id]
    mark_tokenizers(data, [row.taken.id or "" for row in pending])
    held = held_in_blocks(data, ids_in_blocks(resolution, memory))
    for one in held:
        with locked(data / f"blocks/{one.mixture}", "takedown"):
            empty_blocks(data, one)
    for mixture in datasets_under(data, "blocks"):
        with locked(data / f"blocks/{mixture}", "takedown"):
            clean_blocks(data, mixture)
    with locked(data / EXTRACT.dataset(context.config), "takedown"):
        written = empty_documents(context, memory)
    yield f"documents: {len(pending):,} emptied, parts rewritten: {written:,}"
    for stage in FOLLOWING:
        if Manifest.read(data / stage.dataset(context.config)):
            yield bring_up_to_date(stage, context, current={EXTRACT.name})
    for name in datasets_under(data, "tokens"):
        config = context.config.replaced(TokenizerName(name))
        said = bring_up_to_date(TOKENIZE, dataclasses.replace(context, config=config), current={EXTRACT.name})
        yield f"{said} (tokens/{name})"
    yield from (emptied_blocks_line(one) for one in held)
    for name, reason in (
            ("pretokens", "words of removed texts are counted in them; training a tokenizer counts again"),
            ("report", "it may show removed texts; run `textmill report`"),
            ("browse", "its index knows words of removed texts; `textmill browse` makes it anew")):
        if entries := [*data.entries(name), *data.entries(f"{LEDGER}/{name}")]:
            for entry in entries:
                data.delete(entry.path)
            (data / name).delete_empty_folders()
            yield f"{name}: deleted, because {reason}"
    yield searched_line(data, memory, resolution)


def ids_in_blocks(resolution: Resolution, memory: Memory) -> set[str]:
    """The documents that no block may contain: all taken down, and those that entries name by id, stored here or not."""
    return {one.id for one in memory.taken if one.id} | {
        entry.value for entry in resolution.entries if entry.kind in ("id", "text")}


def remember(data: Folder, resolution: Resolution) -> Memory:
    """Write takedown.json: earlier takedowns of entries still in force, and the new ones."""
    known, found = read_memory(data).under(resolution.entries), resolution.memory()
    here = {(one.task, one.key) for one in found.taken}
    kept = [one for one in known.taken if (one.task, one.key) not in here]
    fresh = passages(data, [row for row in resolution.rows if row.pending and row.taken.id and not row.taken.passages])
    taken = [dataclasses.replace(one, passages=fresh[one.id]) if one.id in fresh else one for one in found.taken]
    memory = Memory(sorted_taken([*kept, *taken]), found.texts)
    if not data.exists(MEMORY) or data.read(MEMORY) != memory.to_json():
        data.write(MEMORY, memory.to_json())
    data.delete_leftovers()
    return memory


def passages(data: Folder, rows: list[TakenRow]) -> dict[str | None, tuple[str, ...]]:
    """For each of these documents the hashes of passages that occur in no other document, as 16 hex digits.

    Reads all texts once.
    """
    manifest, ids = Manifest.read(data / "documents"), {row.taken.id for row in rows}
    if not rows or manifest is None:
        return {}
    hashes: dict[str | None, list[int]] = {}
    for part in (part for part in manifest.parts if part.key in {row.part for row in rows}):
        for first, read in row_groups(data / "documents", part, rows=[row.row for row in rows if row.part == part.key]):
            batch = read(["id", "text"])
            for row in (row for row in rows if row.part == part.key and first <= row.row < first + batch.num_rows):
                hashes[row.taken.id] = passages_of(batch["text"][row.row - first].as_py())
    every, shared = Passages(hash_ for found in hashes.values() for hash_ in found), set[int]()
    for part in manifest.parts:
        for batch in read_batches(data / "documents", part, ["id", "text"]):
            others = batch["text"].filter(pc.invert(pc.is_in(batch["id"], value_set=pa.array(sorted(filter(None, ids))))))
            if len(others):
                shared.update(every.found(np.frombuffer(others.buffers()[2], np.uint8)).tolist())
    return {id_: tuple(f"{hash_:016x}" for hash_ in found if hash_ not in shared) for id_, found in hashes.items()}


def mark_tokenizers(data: Folder, ids: list[str]) -> None:
    """Record in the manifest of every tokenizer which documents were taken down after it was trained."""
    for name in datasets_under(data, "tokenizers") if ids else ():
        folder = data / f"tokenizers/{name}"
        manifest = Manifest.read(folder)
        assert manifest is not None, "it is listed because it has one"
        known = manifest.made_from.get(RULE, {}).get("ids", [])
        note = {"ids": sorted({*known, *ids}), "what": "these documents were taken down after training; it was not retrained"}
        folder.write(MANIFEST, dataclasses.replace(manifest, made_from=manifest.made_from | {RULE: note}).to_json())


def emptied_blocks_line(held: Held) -> str:
    """A line on the blocks emptied in a recipe, and the runs that were trained on them."""
    said = ", ".join(f"{len(blocks):,} of {split}" for split, blocks in held.blocks.items())
    runs = "".join(f"; checkpoints/{run} was trained on them: delete it, or train again" for run in held.runs)
    return f"blocks/{held.mixture}: spans emptied in {said}, all other blocks as they were{runs}"


def searched_line(data: Folder, memory: Memory, resolution: Resolution) -> str:
    """A line on the search. StageError with what it found."""
    *hits, searched = Search(memory, resolution.entries).hits(data)
    assert isinstance(searched, Searched)
    found = [hit for hit in hits if isinstance(hit, Hit)]
    if left := sorted({f"{data.uri}/{hit.file} still contains {hit.what}" for hit in found if not hit.excused}):
        more = [f"and {len(left) - _MOST_HITS:,} more"] if len(left) > _MOST_HITS else []
        cure = "delete what is not needed, list the pages that contain it, and run the same command again"
        raise StageError("\n".join([*left[:_MOST_HITS], *more, cure]))
    told = Counter(min(len(one.passages), 1) for one in memory.taken if one.id)
    silent = f" ({told[0]:,} of them without a passage of their own)" if told[0] else ""
    paths = "; paths of raw files name it, and go with these files" if found else ""
    weights = f"; not searched: {searched.weights:,} files of model weights" if searched.weights else ""
    return (f"searched {searched.files:,} files, {searched.bytes / 1e6:,.1f} MB of text, for up to {PER_TEXT} passages of each "
            f"of {sum(told.values()):,} documents{silent}, and for hosts, addresses and ids: nothing{paths}{weights}")
