"""Index of documents for packing: ids and counts of token rows, never tokens."""

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from textmill.pipelines.pack import spill
from textmill.pipelines.pack.dialogues import AROUND, DialogueCounts, fitting
from textmill.pipelines.pack.mixture import Mixture, MixtureError, Spread, entry_of
from textmill.pipelines.pack.shares import Counted, Group
from textmill.pipelines.pack.spill import Sequence
from textmill.pipelines.pack.split import Kinship

# A token row for planning; `part` and `row` locate its tokens, `group` is a number of Index.groups. A pass takes a document
# `weight` times; `again` is which of these it is. A dialogue is kept `whole`, and has in `token_count` only the turns that fit
# a block.
ROW = np.dtype([("high", "<u8"), ("low", "<u8"), ("piece", "<i4"), ("pieces", "<i4"), ("token_count", "<i4"), ("group", "<i4"),
                ("part", "<i4"), ("row", "<i4"), ("weight", "<i4"), ("again", "<i4"), ("held", "?"), ("whole", "?")])


class Index:
    """The token rows that a recipe selects, by group, and how much there is of each.

    A group is an entry, or an entry and a value of the column that its share is spread by. Rows that are many lie in files of
    `folder`, a local one."""

    def __init__(self, mixture: Mixture, folder: Path | None = None):
        self.mixture, self.folder = mixture, folder
        self.groups: dict[Group, int] = {}
        self.counted: dict[Group, Counted] = {}
        self.rows = Sequence(ROW, folder)
        self.part_rows: dict[int, int] = {}     # of each part, those of no entry too
        self.read_tokens = 0                    # likewise, with end-of-text
        self.not_preferred = 0                  # rows of no entry as they are the other answer of a compared pair
        self.dialogues: dict[int, DialogueCounts] = {}      # by number of group
        self.lost_tokens = 0                    # of turns and dialogues that do not fit

    def add(self, batch: pa.RecordBatch, part: int, kinship: Kinship) -> None:
        """Take up all rows of part number `part`, in order. MixtureError where entries overlap.

        They have id, piece, pieces, token_count, cluster_size, the columns of the mixture, `cluster` where the datasets say
        which documents are alike, and where there are dialogues `dialogue`, `pair` and `preferred`.
        """
        entries = entry_of(self.mixture, batch)
        _refuse_divided(batch["id"], entries)
        taken = np.flatnonzero(entries.is_valid().to_numpy(zero_copy_only=False))
        self.part_rows[part] = batch.num_rows
        self.read_tokens += int(packed_lengths(*(batch[name].to_numpy() for name in ("token_count", "piece", "pieces"))).sum())
        kept, entry = batch.take(pa.array(taken)), entries.take(pa.array(taken)).to_numpy()
        rows = np.zeros(len(taken), ROW)
        rows["high"], rows["low"] = id_words(kept["id"])
        for name in ("piece", "pieces", "token_count"):
            rows[name] = kept[name].to_numpy()
        rows["part"], rows["row"] = part, taken
        rows["weight"] = _weights(kept["cluster_size"], entry, self.mixture)
        rows["group"] = self._numbers(kept, entry)
        if self.mixture.validation:
            keys = [kept[name] for name in ("pair", "cluster") if name in kept.schema.names]
            rows["held"] = kinship.held(kept["id"], pc.coalesce(*keys) if keys else None, self.mixture.validation)
        if "dialogue" in batch.schema.names:
            rows = self._fit(rows, kept["dialogue"], entry)
            others = pc.and_(pc.invert(batch["preferred"].fill_null(True)), entries.is_null())
            self.not_preferred += pc.sum(others).as_py() or 0
        self._count(rows)
        self.rows.append(rows)

    def _fit(self, rows: np.ndarray, turns: pa.ListArray, entry: np.ndarray) -> np.ndarray:
        """The rows, of which dialogues have the turns that fit a block, without those that cannot be learned from then."""
        (at,) = np.nonzero(turns.is_valid().to_numpy(zero_copy_only=False))
        if not len(at):
            return rows
        learned = [one.learned for one in self.mixture.entries.values()]
        fits = fitting(turns.take(pa.array(at)), self.mixture.block, learned, entry[at])
        before = packed_lengths(rows["token_count"][at], rows["piece"][at], rows["pieces"][at])
        rows["token_count"][at], rows["whole"][at] = fits.tokens, True
        stays = np.ones(len(rows), bool)
        stays[at] = fits.learns
        self.lost_tokens += int((before - np.where(fits.learns, fits.tokens + AROUND, 0)).sum())
        for group in np.unique(rows["group"][at]).tolist():
            mine = rows["group"][at] == group
            self.dialogues[group] = self.dialogues.get(group, DialogueCounts()) + DialogueCounts(
                int(mine.sum()), int(fits.lost[mine & fits.learns].sum()), int((mine & ~fits.learns).sum()))
        return rows[stays]

    def spills(self) -> Path | None:
        """The folder, where there are more rows than are held in memory."""
        return self.folder if self.rows.rows > spill.MOST else None

    def _numbers(self, kept: pa.RecordBatch, entry: np.ndarray) -> np.ndarray:
        """The group of each row."""
        numbers = np.zeros(len(entry), np.int32)
        for place, (name, one) in enumerate(self.mixture.entries.items()):
            mine = entry == place
            if not mine.any():
                continue
            if not isinstance(one.share, Spread):
                numbers[mine] = self.groups.setdefault((name, None), len(self.groups))
                continue
            coded = pc.dictionary_encode(kept[one.share.by].filter(pa.array(mine)))
            known = [self.groups.setdefault((name, value), len(self.groups)) for value in coded.dictionary.to_pylist()]
            codes = coded.indices
            if codes.null_count:
                known.append(self.groups.setdefault((name, None), len(self.groups)))
                codes = codes.fill_null(len(known) - 1)
            numbers[mine] = np.array(known, np.int32)[codes.to_numpy()]
        return numbers

    def _count(self, rows: np.ndarray) -> None:
        tokens = packed_lengths(rows["token_count"], rows["piece"], rows["pieces"])
        sums = {}
        for side, mine in (("train", ~rows["held"]), ("held", rows["held"])):
            for what, values in (("documents", rows["piece"] == 0), ("tokens", tokens), ("a_pass", tokens * rows["weight"]),
                                 ("rows", rows["weight"])):
                sums[side, what] = np.bincount(rows["group"][mine], values[mine], minlength=len(self.groups)).astype(np.int64)
        for group, number in self.groups.items():
            self.counted[group] = self.counted.get(group, Counted()) + Counted(*(int(sums[key][number]) for key in (
                ("train", "documents"), ("train", "tokens"), ("train", "a_pass"), ("train", "rows"), ("held", "documents"),
                ("held", "tokens"), ("held", "rows"))))


def packed_lengths(token_count: np.ndarray, piece: np.ndarray, pieces: np.ndarray) -> np.ndarray:
    """Tokens of each row as it is packed: end-of-text before the first piece of a document and after the last one too."""
    return token_count.astype(np.int64) + (piece == 0) + (piece == pieces - 1)


def id_words(ids: pa.Array) -> tuple[np.ndarray, np.ndarray]:
    """The two halves of each id of 32 hex digits."""
    words = np.frombuffer(bytes.fromhex("".join(ids.to_pylist())), ">u8").reshape(-1, 2)
    return words[:, 0], words[:, 1]


def id_bytes(high: np.ndarray, low: np.ndarray) -> np.ndarray:
    """Ids as 16 bytes each, uint8 (n, 16)."""
    return np.stack([high, low], axis=1).astype(">u8").view(np.uint8).reshape(-1, 16)


def _refuse_divided(ids: pa.Array, entry: pa.Array) -> None:
    """MixtureError where the pieces of a document, which follow each other, belong to different entries, or some to none."""
    numbers = entry.fill_null(-1)
    divided = pc.and_(pc.equal(ids[1:], ids[:-1]), pc.not_equal(numbers[1:], numbers[:-1]))
    if (at := pc.index(divided, True).as_py()) >= 0:
        raise MixtureError(f"document {ids[at].as_py()} has pieces in two entries; choose by columns that all its pieces share")


def _weights(cluster_sizes: pa.Array, entry: np.ndarray, mixture: Mixture) -> np.ndarray:
    """How often a pass of its entry takes each row."""
    sizes, weights = np.asarray(cluster_sizes.fill_null(0)), np.ones(len(entry), np.int32)
    for number, one in enumerate(mixture.entries.values()):
        if one.repeat_by_cluster_size:
            weights[entry == number] = one.weights(sizes[entry == number])
    return weights


class Documents:
    """The documents in ROW rows, in the order of their keys, and their pieces as one sequence of tokens.

    Position 0 is the first token of the first document's packed sequence; the others follow without gaps.

    rows: sorted; length, weight, whole: (n,); first: (n + 1,), first row of each; offset: (rows + 1,), where each piece's
    packed sequence begins. Raises MixtureError where pieces are missing or double.
    """

    def __init__(self, rows: np.ndarray, keys: np.ndarray):
        order = np.argsort(keys, kind="stable")     # of one part, where a document's pieces follow each other
        self.rows = rows = rows[order]
        new = np.ones(len(rows), bool)
        new[1:] = np.logical_or.reduce([rows[name][1:] != rows[name][:-1] for name in ("high", "low", "again")])
        first = np.flatnonzero(new)
        sizes = np.diff(np.append(first, len(rows)))
        if not _whole(rows, first, sizes).all():
            self.rows = rows = rows[np.lexsort((rows["piece"], rows["again"], rows["low"], rows["high"], keys[order]))]
            new[1:] = np.logical_or.reduce([rows[name][1:] != rows[name][:-1] for name in ("high", "low", "again")])
            first = np.flatnonzero(new)
            sizes = np.diff(np.append(first, len(rows)))
            if not (whole := _whole(rows, first, sizes)).all():
                (at,) = np.flatnonzero(~whole)[:1]
                id = id_bytes(rows["high"][at:at + 1], rows["low"][at:at + 1]).tobytes().hex()
                raise MixtureError(f"document {id} (piece {rows['piece'][at]} of {rows['pieces'][at]}) is given twice or lacks "
                                   "pieces; run tokenize again")
        self.first = np.append(first, len(rows))
        self.offset = np.append(0, np.cumsum(packed_lengths(rows["token_count"], rows["piece"], rows["pieces"])))
        self.length = np.diff(self.offset[self.first])
        self.weight, self.whole = rows["weight"][first], rows["whole"][first]

    def __len__(self) -> int:
        return len(self.length)


def _whole(rows: np.ndarray, first: np.ndarray, sizes: np.ndarray) -> np.ndarray:
    """Whether each row is the piece that its place in its document says, of as many as there are."""
    return (rows["piece"] == np.arange(len(rows)) - np.repeat(first, sizes)) & (rows["pieces"] == np.repeat(sizes, sizes))
