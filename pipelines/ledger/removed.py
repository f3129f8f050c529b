"""Personal data that curation took out: every value with the text that stands before it in what was kept.

It is read from the documents as they were, so it lets one ask a model whether it knows what it should not have read. What is
returned is the data itself: callers count, and never print it.
"""

from collections import defaultdict
from collections.abc import Collection, Iterator
from typing import NamedTuple

import pyarrow as pa
import pyarrow.compute as pc

from textmill.pipelines.contract.part_files import read_batches
from textmill.pipelines.contract.parts import Manifest
from textmill.pipelines.contract.storage import Folder
from textmill.pipelines.curate.edits import Edit, apply_edits
from textmill.pipelines.measure.personal.find import KINDS

BEFORE = 240        # characters


class Removed(NamedTuple):
    """A value, its kind, and the curated text before it: earlier ones are placeholders there."""

    kind: str
    before: str
    value: str


def removed(data: Folder, ids: Collection[str]) -> Iterator[Removed]:
    """What was taken out of the documents of these ids, in their order; nothing where there is no `curated`."""
    edits = _edits(data, ids)
    manifest = Manifest.read(data / "documents")
    for part in manifest.parts if manifest and edits else ():
        for batch in read_batches(data / "documents", part, ["id", "text"]):
            for row in batch.filter(pc.is_in(batch["id"], value_set=pa.array(sorted(edits), pa.string()))).to_pylist():
                own = edits[row["id"]]
                for kind, first, last in own:
                    if kind in KINDS:
                        yield Removed(kind, apply_edits(row["text"], own, 0, first)[-BEFORE:], row["text"][first:last])


def _edits(data: Folder, ids: Collection[str]) -> dict[str, list[Edit]]:
    """The edits of each of these documents that had personal data, of all its pieces, in order."""
    manifest, wanted = Manifest.read(data / "curated"), pa.array(sorted(ids), pa.string())
    found: defaultdict[str, set[Edit]] = defaultdict(set)
    for part in manifest.parts if manifest else ():
        for batch in read_batches(data / "curated", part, ["id", "edits"]):
            for row in batch.filter(pc.is_in(batch["id"], value_set=wanted)).to_pylist():
                found[row["id"]].update((edit["kind"], edit["start"], edit["end"]) for edit in row["edits"] or ())
    return {id_: sorted(own, key=lambda edit: edit[1:]) for id_, own in found.items() if any(kind in KINDS for kind, *_ in own)}
