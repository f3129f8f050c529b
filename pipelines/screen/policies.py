"""Policies of the rule table for what curate finds in a text: personal data, and items of evaluation sets."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Literal


@dataclass(frozen=True)
class KindPolicy:
    """The policy for personal data of one kind.

    `replace` puts a placeholder, `tag` records the place and leaves the text, `keep` does neither. With `drop_above`,
    a document with more findings of the kind is rejected whole; zero drops every document with one.
    """

    action: Literal["replace", "tag", "keep"] = "replace"
    """Of what is found."""
    drop_above: int | None = None
    """Findings of the kind that a document may have; one with more is rejected."""

    def problems(self) -> Iterator[str]:
        """One sentence for each value that cannot be meant."""
        if self.drop_above is not None and self.drop_above < 0:
            yield f"drop_above is {self.drop_above}; a document cannot have fewer than 0 findings: give 0 or more"


@dataclass(frozen=True)
class PersonalDataPolicy:
    """The policy of each kind; a kind not named here is replaced."""

    kinds: dict[str, KindPolicy] = field(default_factory=dict)

    def of(self, kind: str) -> KindPolicy:
        """The policy for findings of `kind`."""
        return self.kinds.get(kind, _REPLACE)


_REPLACE = KindPolicy()


@dataclass(frozen=True)
class EvaluationPolicy:
    """The policy for a document that contains `overlap` or more of an item of an evaluation set (curate.evaluation_sets).

    `drop` rejects it, `tag` keeps it and names the items.
    """

    action: Literal["drop", "tag"] = "drop"
    """Of a document that contains an item."""
    overlap: float = 0.5
    """Share of an item's runs of 13 words from which it counts as contained."""

    def problems(self) -> Iterator[str]:
        """One sentence for each value that cannot be meant."""
        if not 0 < self.overlap <= 1:
            yield f"overlap is {self.overlap}; it is the share of an item's runs of 13 words: give more than 0, and 1 at most"
