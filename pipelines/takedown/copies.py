"""Near duplicates of a text that a `text:` entry names: candidates by MinHash, verified by shingles where text is stored.

As long as the text is stored, a document is a copy where the exact Jaccard similarity of the two shingle sets is at least
THRESHOLD; signatures only choose whom to compare. When it has been taken down only its signature is left, so a document
that comes later is judged by the estimate alone, with a bound so low that hardly any copy escapes.
"""

from collections.abc import Iterator, Sequence

import numpy as np
import pyarrow as pa

from textmill.pipelines.contract.filesystems import StageError
from textmill.pipelines.contract.parts import Manifest
from textmill.pipelines.contract.row_groups import find_ids, row_groups, rows_of
from textmill.pipelines.contract.storage import Folder
from textmill.pipelines.takedown.entries import LIST, TakedownEntry
from textmill.pipelines.takedown.memory import ListedText, Memory
from textmill.pipelines.text.shingles import shingle_hashes
from textmill.pipelines.text.words import read_words

THRESHOLD = 0.8
# The estimate is the share of 120 equal values: of a pair at 0.8 its standard deviation is 0.037.
COMPARED = 0.6      # five deviations below: who is compared
LATER = 0.7         # nearly three: who is refused once the text is gone; of pairs at 0.65 one in seven goes with them


def alike(data: Folder, entries: Sequence[TakedownEntry], known: Memory) -> tuple[dict[str, list[str]], dict[str, ListedText]]:
    """(entry name → ids of the copies of its text, id → record of the text).

    StageError with every entry whose text is neither stored nor on record.
    """
    if not entries:
        return {}, {}
    texts = {entry.value: _stored_text(data, entry.value) for entry in entries}
    signatures = _signatures(data, [id_ for id_, text in texts.items() if text]) | {
        id_: np.array(text.minhash, np.uint32) for id_, text in known.texts.items() if not texts.get(id_)}
    if unknown := [entry for entry in entries if entry.value not in signatures]:
        raise StageError("\n".join(
            f"{data.uri}/{LIST}, line {entry.line}: text:{entry.value} names no text that is stored here and measured; "
            "correct the id, or take the line out (a text: entry has to come before what it names is taken down)"
            for entry in unknown))
    likeness: dict[str, dict[str, float]] = {id_: {} for id_ in signatures}
    for ids, minhash in _all_signatures(data):
        for name, signature in signatures.items():
            estimate = (minhash == signature).mean(axis=1)
            for at in np.flatnonzero(estimate >= COMPARED):
                likeness[name][ids[int(at)].as_py()] = float(estimate[at])
    copies, remembered = {}, {}
    for entry in entries:
        id_, text = entry.value, texts[entry.value]
        others = sorted(likeness[id_].keys() - {id_})
        before = known.texts.get(id_)
        spared: set[str] = set(before.spared) if before else set()
        if text:
            close = {other for other in others if _jaccard(text, _stored_text(data, other)) >= THRESHOLD}
            spared |= set(others) - close
        else:
            close = {other for other in others if likeness[id_][other] >= LATER} - spared
        copies[entry.name] = sorted(close)
        remembered[id_] = ListedText(tuple(signatures[id_].tolist()), tuple(sorted(spared - close)))
    return copies, remembered


def _stored_text(data: Folder, id_: str) -> str:
    """The text of a document; "" where there is none, or it was taken down."""
    return next((row["text"] for row in rows_of(data, "documents", find_ids(data, [id_])[id_], ["text"])
                 if row and row["text"]), "")


def _jaccard(one: str, other: str) -> float:
    """Exact, of the two sets of shingles."""
    offsets, hashes = shingle_hashes(read_words([one, other]))
    first, second = hashes[:offsets[1]], hashes[offsets[1]:]
    both = len(np.intersect1d(first, second, assume_unique=True))
    return both / max(1, len(first) + len(second) - both)


def _signatures(data: Folder, ids: Sequence[str]) -> dict[str, np.ndarray]:
    """Stored signatures; a document that is not measured yet has none."""
    found = find_ids(data, ids)
    rows = {id_: rows_of(data, "signals", documents[:1], ["minhash"])[0] for id_, documents in found.items() if documents}
    return {id_: np.array(row["minhash"], np.uint32) for id_, row in rows.items() if row}


def _all_signatures(data: Folder) -> Iterator[tuple[pa.Array, np.ndarray]]:
    """(ids, their signatures) of all documents, a row group at a time."""
    manifest = Manifest.read(data / "signals")
    for part in manifest.parts if manifest else ():
        for _, read in row_groups(data / "signals", part):
            batch = read(["id", "minhash"])
            yield batch["id"], batch["minhash"].flatten().to_numpy().reshape(batch.num_rows, -1)
