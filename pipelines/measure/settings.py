"""Configuration of measure."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import ClassVar

from textmill.base.names import name_problem
from textmill.pipelines.measure.personal.presidio import missing


@dataclass(frozen=True)
class MeasureSettings:
    """Settings of measure. The three `min_language_…` bounds decide when a text is `und`."""

    language_model: str | None = None
    """Path of a fastText model; null is lid.176.ftz, as shipped."""
    min_language_score: float = 0.5
    """A lower score of the model gives `und` where CLD2 does not agree; FineWeb-2's lowest is 0.3 (Penedo et al. 2025)."""
    min_language_letters: int = 6
    """Texts with fewer letters are `und`."""
    min_language_letter_share: float = 0.5
    """Share of letters among the non-space characters: below it lie code and tables."""
    background: str | None = None
    """Name of a table of `textmill background` under data/background/; null: measurements that need a table are skipped."""
    classifier: str | None = None
    """Name of a model of `textmill classifier` or `textmill head` under data/classifiers/; null: no score."""
    presidio_models: dict[str, str] = field(default_factory=dict)
    """Language → spaCy model: names and places are found there."""
    presidio_entities: tuple[str, ...] = ("PERSON", "LOCATION")
    """Presidio entity types to detect."""
    min_presidio_score: float = 0.5
    """Its confidence."""

    renamed: ClassVar = {"language_score": "min_language_score", "language_letters": "min_language_letters",
                         "language_letter_share": "min_language_letter_share", "presidio_score": "min_presidio_score"}

    def problems(self) -> Iterator[str]:
        for name in ("min_language_score", "min_language_letter_share"):
            if not 0 <= getattr(self, name) <= 1:
                yield f"{name}: must lie between 0 and 1, is {getattr(self, name)}"
        if not 0 <= self.min_presidio_score <= 1:
            yield f"min_presidio_score: must lie between 0 and 1, is {self.min_presidio_score}"
        if self.presidio_models and not self.presidio_entities:
            yield "presidio_entities is empty, so nothing would be found; name PERSON, or leave presidio_models empty"
        yield from missing(self.presidio_models)
        for what in ("background", "classifier"):
            if (name := getattr(self, what)) is not None and (problem := name_problem(what, name)):
                yield problem
        if self.min_language_letters < 0:
            yield f"min_language_letters: must be 0 or more, is {self.min_language_letters}"
