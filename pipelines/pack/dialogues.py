"""Dialogues in blocks: how much of one fits, and which positions are learned.

A dialogue is in a block as the chat template renders it, between end-of-text as any document, and is never cut inside a turn:
of one that is longer than a block the turns that fit are taken from its start on, if one of these is learned.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

AROUND = 2      # end-of-text before and after
LEARNED = ("assistant",)                            # where an entry does not say
MAY_LEARN = ("assistant", "system", "developer")    # what people ask and tools answer is read, never learned

LEARN = pa.list_(pa.struct([("start", pa.int32()), ("end", pa.int32())]))


@dataclass
class DialogueCounts:
    """Dialogues of an entry: all of them, turns that did not fit, and dialogues left out as no turn that is learned fits."""

    dialogues: int = 0
    turns_lost: int = 0
    too_long: int = 0

    def __add__(self, other: "DialogueCounts") -> "DialogueCounts":
        return DialogueCounts(*(mine + theirs for mine, theirs in zip(vars(self).values(), vars(other).values(), strict=True)))


class Fitting(NamedTuple):
    """Of each dialogue: the tokens of the turns that fit, how many turns do not, and whether one that fits is learned."""

    tokens: np.ndarray
    lost: np.ndarray
    learns: np.ndarray


def fitting(turns: pa.ListArray, block: int, learn: Sequence[Sequence[str]], entry: np.ndarray) -> Fitting:
    """`turns` (role, from, to; in tokens) of some dialogues, in blocks of so many tokens.

    `learn`: the roles of each entry; `entry`: the place of each dialogue's."""
    of, flat = _parents(turns), turns.flatten()
    ends = flat.field("end").to_numpy()
    fits = ends + AROUND <= block
    count = len(turns)
    tokens = np.zeros(count, np.int64)
    np.maximum.at(tokens, of[fits], ends[fits])
    learned = fits & _is_learned(flat.field("role"), entry[of], learn)
    return Fitting(tokens, np.bincount(of[~fits], minlength=count), np.bincount(of[learned], minlength=count) > 0)


def learned_positions(turns: pa.ListArray, learn: Sequence[Sequence[str]], entry: np.ndarray, first: np.ndarray,
                      tokens: np.ndarray) -> pa.ListArray:
    """The positions of a block that are learned, of each span: LEARN, null where it is of a page (`turns` is null).

    A span begins at `first` and has so many `tokens` of its dialogue; `learn` and `entry` as in `fitting`.
    """
    of, flat = _parents(turns), turns.flatten()
    begin, end = (flat.field(name).to_numpy() for name in ("start", "end"))
    taken = np.flatnonzero((end <= tokens[of]) & _is_learned(flat.field("role"), entry[of], learn))
    shift = first[of[taken]] + 1                    # the first position is end-of-text
    ranges = pa.StructArray.from_arrays(
        [pa.array((edge[taken] + shift).astype(np.int32)) for edge in (begin, end)], fields=list(LEARN.value_type))
    offsets = np.append(0, np.cumsum(np.bincount(of[taken], minlength=len(turns)))).astype(np.int32)
    return pa.ListArray.from_arrays(pa.array(offsets), ranges, mask=turns.is_null())


def by_entry(counts: Mapping[int, DialogueCounts], owner: np.ndarray, names: Sequence[str]) -> dict[str, DialogueCounts]:
    """The counts of each entry from those of its groups, by their numbers; `owner`: the place of each group's entry."""
    found: dict[str, DialogueCounts] = {}
    for group, count in counts.items():
        name = names[owner[group]]
        found[name] = found.get(name, DialogueCounts()) + count
    return found


def _parents(turns: pa.ListArray) -> np.ndarray:
    return np.asarray(pc.list_parent_indices(turns)).astype(np.int64)


def _is_learned(roles: pa.Array, entry: np.ndarray, learn: Sequence[Sequence[str]]) -> np.ndarray:
    """Whether each turn's role is one of those that its entry learns."""
    said = np.asarray(pc.index_in(roles, value_set=pa.array(MAY_LEARN)).fill_null(len(MAY_LEARN)))
    wanted = np.array([[role in roles for role in MAY_LEARN] + [False] for roles in learn], bool)
    return wanted[entry, said]
