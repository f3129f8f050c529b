"""What a user sets of measure."""

from collections.abc import Iterator
from dataclasses import dataclass, field

from textmill.pipelines.measure.personal.presidio import missing


@dataclass(frozen=True)
class MeasureSettings:
    """Settings of measure. The three `language_…` bounds decide when a text is `und`. `background` and `classifier` are
    names of what `textmill background` and `textmill classifier` made; null leaves their measurements null."""

    language_model: str | None = None       # path of a fastText model; null is lid.176.ftz, as installed
    language_score: float = 0.3             # FineWeb-2's lowest (Penedo et al. 2025): below it a guess is no answer
    language_letters: int = 20              # fewer say nothing
    language_letter_share: float = 0.5      # of the characters, white space apart: below it stand code and tables
    background: str | None = None           # under data/background/
    classifier: str | None = None           # under data/classifiers/
    presidio_models: dict[str, str] = field(default_factory=dict)    # language → spaCy model: names and places are found there
    presidio_entities: tuple[str, ...] = ("PERSON", "LOCATION")      # Presidio's names of what to look for
    presidio_score: float = 0.5             # its confidence, least

    def problems(self) -> Iterator[str]:
        for name in ("language_score", "language_letter_share"):
            if not 0 <= getattr(self, name) <= 1:
                yield f"{name}: must lie between 0 and 1, is {getattr(self, name)}"
        if not 0 <= self.presidio_score <= 1:
            yield f"presidio_score: must lie between 0 and 1, is {self.presidio_score}"
        if self.presidio_models and not self.presidio_entities:
            yield "presidio_entities is empty, so nothing would be found; name PERSON, or leave presidio_models empty"
        yield from missing(self.presidio_models)
        if self.language_letters < 0:
            yield f"language_letters: must be 0 or more, is {self.language_letters}"
