"""What a recipe asks for beside what there is, before a block is planned: facts, and the sentences that they make.

An entry that cannot fill its budget in `repeat` passes stops everything before a block is written: blocks of other shares or
fewer tokens than the recipe says would be another recipe. A pass loses nothing, so this is known from sums.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass

from textmill.pipelines.pack import where
from textmill.pipelines.pack.mixture import Mixture, MixtureError
from textmill.pipelines.pack.shares import Counted

MOST_LISTED = 20    # values in a sentence


@dataclass(frozen=True)
class Requirement:
    """An entry's tokens: `wanted` in training, `a_pass` that a pass gives, `repeat` passes allowed."""

    entry: str
    where: dict[str, object]
    share: float
    wanted: int
    counted: Counted
    repeat: int

    @property
    def a_pass(self) -> int:
        return self.counted.a_pass

    @property
    def selects_nothing(self) -> bool:
        return not self.counted.tokens + self.counted.held_tokens

    @property
    def short(self) -> int:
        """Tokens that are missing."""
        return max(0, self.wanted - self.a_pass * self.repeat)

    @property
    def passes(self) -> int | None:
        """Passes that would be enough; None where there is nothing to pass over."""
        return -(-self.wanted // self.a_pass) if self.a_pass else None


@dataclass(frozen=True)
class Requirements:
    """All entries' requirements, and what holds for the recipe as a whole."""

    mixture: Mixture
    entries: tuple[Requirement, ...]
    documents: int
    held_documents: int

    @property
    def most_tokens(self) -> int:
        """The most that `tokens` can be with these shares and repeats; 0 where an entry has nothing."""
        return min(int(entry.a_pass * entry.repeat / entry.share) if entry.share else 0 for entry in self.entries)

    @property
    def nothing_held_out(self) -> bool:
        """Whether validation is asked for and no document falls to it."""
        return bool(self.mixture.validation and self.documents and not self.held_documents)

    def sentences(self, present: Mapping[str, Collection[str]]) -> list[str]:
        """Every problem with its cure; `present` has the values there are of some columns. Empty where it can be met."""
        problems = []
        for entry in self.entries:
            if entry.selects_nothing:
                problems.append(f"entry {entry.entry} selects nothing: no token row has {where.sentence(entry.where)}; "
                                f"change its `where`{_listed(present, entry)}")
            elif not entry.a_pass:
                problems.append(f"entry {entry.entry} has only documents held out for validation; give it more text")
            elif entry.short:
                problems.append(f"entry {entry.entry} is {entry.short:,} tokens short: its share asks for {entry.wanted:,}, "
                                f"{entry.repeat} x {entry.a_pass:,} are there; repeat: {entry.passes} would do")
        if problems and self.most_tokens >= self.mixture.block:
            problems.append(f"or lower tokens to {self.most_tokens:,}, the most these shares and repeats allow")
        if self.nothing_held_out:
            problems.append(f"validation is {self.mixture.validation:g}, which holds out none of the {self.documents:,} "
                            "documents; raise it, or set it to 0")
        return problems


def requirements(mixture: Mixture, counted: Mapping[str, Counted]) -> Requirements:
    """Of a recipe whose shares are numbers, by the counts of its entries."""
    entries = tuple(Requirement(name, entry.where, share_of(mixture, name), wanted(mixture, name), counted.get(name, Counted()),
                                entry.repeat) for name, entry in mixture.entries.items())
    held = sum(one.held_documents for one in counted.values())
    return Requirements(mixture, entries, held + sum(one.documents for one in counted.values()), held)


def check(found: Requirements, present: Mapping[str, Collection[str]]) -> None:
    """MixtureError with every problem at once."""
    if problems := found.sentences(present):
        raise MixtureError("\n".join(problems))


def share_of(mixture: Mixture, name: str) -> float:
    """The share of an entry in the whole run."""
    share = mixture.entries[name].share
    assert isinstance(share, float), "the recipe's shares are not resolved yet"
    return share


def wanted(mixture: Mixture, name: str) -> int:
    """The tokens that an entry gives to training."""
    return max(1, round(share_of(mixture, name) * mixture.tokens))


def phases(mixture: Mixture, name: str) -> list[tuple[float, float]]:
    """(part, share) of an entry in each phase of the run; one phase where there is no schedule."""
    whole = [(1.0, share_of(mixture, name))]
    return [(phase.part, phase.shares.get(name, 0.0)) for phase in mixture.schedule] or whole


def _listed(present: Mapping[str, Collection[str]], entry: Requirement) -> str:
    """The values that there are of the columns that an entry asks for."""
    columns = []
    for column in sorted(where.columns(entry.where) & present.keys(), key=list(present).index):
        if values := sorted(present[column]):
            more = f" and {len(values) - MOST_LISTED} more" if len(values) > MOST_LISTED else ""
            columns.append(f"{column}: {', '.join(values[:MOST_LISTED])}{more}")
    return f" (there is {'; '.join(columns)})" if columns else ""
