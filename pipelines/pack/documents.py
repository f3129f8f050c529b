"""Index of documents for packing: ids and counts of token rows, never tokens. Also the validation split."""

from collections.abc import Collection, Mapping
from hashlib import blake2b

import numpy as np
import pyarrow as pa

from textmill.pipelines.pack.mixture import Entry, Mixture, MixtureError, entry_of, selects

MOST_LISTED = 20    # values in a sentence

# Columns of a token row for planning; `part` and `row` locate its tokens.
INDEX = pa.schema([("id", pa.binary(16)), ("piece", pa.int32()), ("pieces", pa.int32()), ("token_count", pa.int32()),
                   ("entry", pa.int32()), ("part", pa.int32()), ("row", pa.int32()), ("weight", pa.int32())])


def digest(person: bytes, data: bytes) -> bytes:
    """8 bytes of BLAKE2b over `data`; `person` keeps one use apart from another."""
    return blake2b(data, digest_size=8, person=person).digest()


def held_out(id: str, share: float) -> bool:
    """Whether document `id` belongs to the validation split, by the hash of its id alone: so in every mixture.

    A larger share holds out what a smaller one does and more."""
    return int.from_bytes(digest(b"validation", id.encode())) < int(share * 2**64)


def index(rows: pa.RecordBatch, mixture: Mixture, part: int) -> pa.RecordBatch:
    """The rows of part number `part` that the mixture selects, as INDEX.

    `rows`: id, piece, pieces, source, language, token_count and cluster_size of all rows of that part, in its order.
    MixtureError where entries overlap."""
    entry = entry_of(mixture, rows)
    taken = pa.array(np.flatnonzero(entry.is_valid().to_numpy(zero_copy_only=False)), pa.int32())
    kept = rows.take(taken)
    ids = pa.FixedSizeBinaryArray.from_buffers(
        pa.binary(16), len(taken), [None, pa.py_buffer(bytes.fromhex("".join(kept["id"].to_pylist())))])
    columns = [ids, kept["piece"], kept["pieces"], kept["token_count"], entry.take(taken),
               pa.array(np.full(len(taken), part, np.int32)), taken, _weights(kept["cluster_size"], entry.take(taken), mixture)]
    return pa.RecordBatch.from_arrays(columns, schema=INDEX)


def _weights(cluster_sizes: pa.Array, entries: pa.Array, mixture: Mixture) -> pa.Array:
    """How often a pass of its entry takes each row."""
    sizes, numbers = (np.asarray(column.fill_null(0)) for column in (cluster_sizes, entries))
    weights = np.ones(len(sizes), np.int32)
    for number, entry in enumerate(mixture.entries.values()):
        weights[numbers == number] = entry.weights(sizes[numbers == number])
    return pa.array(weights)


class Documents:
    """The documents in INDEX rows, sorted by id, and their pieces, sorted by piece, as one sequence of tokens.

    Position 0 is the first token of the first document's packed sequence; the others follow without gaps.

    ids: uint8 (n, 16); entry, length, weight: (n,); row: (n + 1,), first piece of each; offset: (pieces + 1,), where each
    piece's packed sequence begins; table: the rows, sorted. Raises MixtureError where pieces are missing or double.
    """

    def __init__(self, indexed: pa.Table):
        columns = {name: indexed[name].to_numpy() for name in INDEX.names if name != "id"}
        raw = b"".join(chunk.buffers()[1].slice(16 * chunk.offset, 16 * len(chunk)).to_pybytes()
                       for chunk in indexed["id"].chunks if len(chunk))
        halves = np.frombuffer(raw, ">u8").reshape(-1, 2)
        order = np.lexsort((columns["piece"], halves[:, 1], halves[:, 0]))
        self.table = {name: values[order] for name, values in columns.items()}
        halves, piece, pieces = halves[order], self.table["piece"], self.table["pieces"]
        new = np.ones(len(order), bool)
        new[1:] = (halves[1:] != halves[:-1]).any(axis=1)
        first = np.flatnonzero(new)
        self.row = np.append(first, len(order))
        self.piece_ids = np.frombuffer(raw, np.uint8).reshape(-1, 16)[order]
        self.ids, self.entry, self.weight = self.piece_ids[first], self.table["entry"][first], self.table["weight"][first]
        sizes = np.diff(self.row)
        whole = (piece == np.arange(len(order)) - np.repeat(first, sizes)) & (pieces == np.repeat(sizes, sizes))
        same = self.table["entry"] == np.repeat(self.entry, sizes)
        for right, problem in ((whole, "is given twice or lacks pieces; run tokenize again"),
                               (same, "has pieces in two entries; choose by columns that all its pieces share")):
            if not right.all():
                at = int(right.argmin())
                raise MixtureError(f"document {self.piece_ids[at].tobytes().hex()} (piece {piece[at]} of {pieces[at]}) "
                                   f"{problem}")
        packed = self.table["token_count"].astype(np.int64) + (piece == 0) + (piece == pieces - 1)
        self.offset = np.append(0, np.cumsum(packed))
        self.length = np.diff(self.offset[self.row])


def check(mixture: Mixture, documents: Documents, held: np.ndarray, present: Mapping[str, Collection[str]]) -> None:
    """MixtureError naming every entry that selects nothing or cannot fill its budget, and validation without documents."""
    problems, possible = [], []
    for number, (name, entry) in enumerate(mixture.entries.items()):
        mine = documents.entry == number
        has = int((documents.length * documents.weight)[mine & ~held].sum())
        needs = round(entry.share * mixture.tokens)
        if not mine.any():
            problems.append(f"entry {name} selects nothing: no token row has {selects(entry)}; change its `where`"
                            + _listed(present, entry))
        elif not has:
            problems.append(f"entry {name} has only documents held out for validation; give it more text")
        elif needs > has * entry.repeat:
            problems.append(f"entry {name} is {needs - has * entry.repeat:,} tokens short: its share asks for {needs:,}, "
                            f"{entry.repeat} x {has:,} are there; repeat: {-(-needs // has)} would do")
        possible.append(int(has * entry.repeat / entry.share))
    if problems and min(possible) >= mixture.block:
        problems.append(f"or lower tokens to {min(possible):,}, the most these shares and repeats allow")
    if mixture.validation and len(held) and not held.any():
        problems.append(f"validation is {mixture.validation:g}, which holds out none of the {len(held):,} documents; "
                        "raise it, or set it to 0")
    if problems:
        raise MixtureError("\n".join(problems))


def _listed(present: Mapping[str, Collection[str]], entry: Entry) -> str:
    """The values that there are of the columns that an entry asks for."""
    columns = []
    for column in entry.where:
        if values := sorted(present.get(column, ())):
            more = f" and {len(values) - MOST_LISTED} more" if len(values) > MOST_LISTED else ""
            columns.append(f"{column}: {', '.join(values[:MOST_LISTED])}{more}")
    return f" (there is {'; '.join(columns)})" if columns else ""
