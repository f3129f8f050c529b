"""Plan of a mixture: what a recipe gives, exactly, from the index of its documents. Nothing is written.

What `pack` writes is this plan, so that numbers told before a run are those after it.
"""

from collections.abc import Collection, Mapping
from types import MappingProxyType
from typing import NamedTuple

import numpy as np

from textmill.base.blocks_format import SPLITS
from textmill.pipelines.contract.parts import Counts
from textmill.pipelines.pack.documents import Index, splits
from textmill.pipelines.pack.layout import SplitLayout, by_entry, lay, train_and_validation
from textmill.pipelines.pack.mixture import Mixture
from textmill.pipelines.pack.requirements import Requirements, check, requirements
from textmill.pipelines.pack.shares import Counted, resolved


class Plan(NamedTuple):
    """The recipe with a number for every share, and the blocks to train on and to validate with."""

    mixture: Mixture
    train: SplitLayout
    validation: SplitLayout


def outcome(plan: Plan) -> Counts:
    """What a plan packs, as the counts of `pack` have it: of each split and each of its entries."""
    counts: Counts = {}
    for split, layout in zip(SPLITS, (plan.train, plan.validation), strict=True):
        entries = {p.entry: {name: value for name, value in vars(p).items() if name not in ("entry", "phases")}
                   | {"phases": {str(number): blocks for number, blocks in enumerate(p.phases)}} for p in layout.packed}
        counts[split] = {name: sum(e[name] for e in entries.values()) for name in ("blocks", "tokens", "empty")}
        counts[split]["entries"] = entries
    return counts


class Resolution(NamedTuple):
    """The recipe with a number for every share, what that asks for, and the entry (by place) of each group of the index."""

    mixture: Mixture
    requirements: Requirements
    owner: np.ndarray


def resolve(index: Index) -> Resolution:
    """The recipe of an index in numbers; its requirements may not be met."""
    mixture, owner = resolved(index.mixture, index.counted)
    counted: dict[str, Counted] = {}
    for group, entry in owner.items():
        counted[entry] = counted.get(entry, Counted()) + index.counted.get(group, Counted())
    places = {name: place for place, name in enumerate(mixture.entries)}
    place_of = np.array([places[owner[group]] for group in index.groups], np.int64)
    return Resolution(mixture, requirements(mixture, counted), place_of)


def plan_blocks(index: Index, present: Mapping[str, Collection[str]] = MappingProxyType({})) -> Plan:
    """The blocks for training and for validation.

    `present` has the values of some columns, for a message. Raises MixtureError, with every problem at once, where an entry
    selects nothing or too little, nothing is held out though `validation` asks for it, or a document's pieces are not all
    there.
    """
    mixture, found, owner = resolve(index)
    check(found, present)
    train, validation = (lay(list(by_entry(rows, owner, len(mixture.entries))), mixture, split)
                         for rows, split in zip(splits(index.rows()), train_and_validation(mixture), strict=True))
    return Plan(mixture, train, validation)
