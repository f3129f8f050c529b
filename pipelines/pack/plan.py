"""Plan of a mixture: what a recipe gives, exactly, from the index of its documents. Nothing is written.

What `pack` writes is this plan, so that numbers told before a run are those after it.
"""

from collections.abc import Collection, Mapping
from types import MappingProxyType
from typing import NamedTuple

import numpy as np

from textmill.base.blocks_format import SPLITS
from textmill.pipelines.contract.parts import Counts
from textmill.pipelines.pack.dialogues import DialogueCounts
from textmill.pipelines.pack.dialogues import by_entry as dialogue_counts
from textmill.pipelines.pack.documents import Index
from textmill.pipelines.pack.layout import divided, lay, train_and_validation
from textmill.pipelines.pack.mixture import Mixture, MixtureError
from textmill.pipelines.pack.planned import SplitLayout
from textmill.pipelines.pack.requirements import Requirements, check, requirements
from textmill.pipelines.pack.shares import Counted, resolved


class Plan(NamedTuple):
    """The recipe with a number for every share, and the blocks to train on and to validate with."""

    mixture: Mixture
    train: SplitLayout
    validation: SplitLayout
    dialogues: dict[str, DialogueCounts]        # of the entries that have some


def outcome(plan: Plan) -> Counts:
    """What a plan packs, as the counts of `pack` have it: of each split and each of its entries."""
    counts: Counts = {}
    for split, layout in zip(SPLITS, (plan.train, plan.validation), strict=True):
        entries = {p.entry: {name: value for name, value in vars(p).items() if name not in ("entry", "phases")}
                   | {"phases": {str(number): blocks for number, blocks in enumerate(p.phases)}} for p in layout.packed}
        counts[split] = {name: sum(e[name] for e in entries.values()) for name in ("blocks", "tokens", "empty")}
        counts[split]["entries"] = entries
    return counts | {"dialogues": {entry: dict(vars(count)) for entry, count in plan.dialogues.items()}}


class Resolution(NamedTuple):
    """The recipe with a number for every share, what that asks for, and the entry, by its place, of each group of an index."""

    mixture: Mixture
    requirements: Requirements
    counted: list[Counted]      # of each entry
    owner: np.ndarray


def resolve(index: Index) -> Resolution:
    """The recipe of an index in numbers; its requirements may not be met."""
    mixture, owner = resolved(index.mixture, index.counted)
    counted: dict[str, Counted] = {}
    for group, entry in owner.items():
        counted[entry] = counted.get(entry, Counted()) + index.counted.get(group, Counted())
    places = {name: place for place, name in enumerate(mixture.entries)}
    place_of = np.array([places[owner[group]] for group in index.groups], np.int64)
    return Resolution(mixture, requirements(mixture, counted), [counted.get(name, Counted()) for name in places], place_of)


def plan_blocks(index: Index, present: Mapping[str, Collection[str]] = MappingProxyType({})) -> Plan:
    """The blocks for training and for validation.

    `present` has the values of some columns, for a message. Raises MixtureError, with every problem at once, where an entry
    selects nothing or too little, nothing is held out though `validation` asks for it, or a document's pieces are not all
    there.
    """
    mixture, found, counted, owner = resolve(index)
    dialogues = dialogue_counts(index.dialogues, owner, list(mixture.entries))
    check_dialogues(mixture, found, dialogues)
    check(found, present)
    train, validation = (lay(rows, mixture, counted, split, index.spills())
                         for rows, split in zip(divided(index, owner, counted), train_and_validation(mixture), strict=True))
    return Plan(mixture, train, validation, dialogues)


def check_dialogues(mixture: Mixture, found: Requirements, dialogues: Mapping[str, DialogueCounts]) -> None:
    """MixtureError naming every entry that says what to learn and has no dialogue, or whose dialogues are all too long."""
    problems = []
    for entry in found.entries:
        own = dialogues.get(entry.entry)
        if own and own.too_long == own.dialogues and entry.selects_nothing:
            problems.append(f"entry {entry.entry} has {own.dialogues:,} dialogues, and of none a turn of "
                            f"{' or '.join(mixture.entries[entry.entry].learned)} fits a block of {mixture.block}; raise "
                            "block, or name a role in learn that they have")
        elif mixture.entries[entry.entry].learn and not own and not entry.selects_nothing:
            problems.append(f"entry {entry.entry} says what to learn of dialogues and selects none; take `learn` out, or "
                            "change its `where`")
    if problems:
        raise MixtureError("\n".join(problems))
