"""Languages and sources: what came in, what stayed, and what it is as tokens."""

from collections.abc import Iterable
from dataclasses import dataclass

from pipelines.parts import Counts
from pipelines.report.dataset import Dataset, Datasets

# Share of Common Crawl's pages in percent, Lai et al. 2023 ("ChatGPT Beyond English").
COMMON_CRAWL = {"en": 45.88, "ru": 5.97, "de": 5.88, "zh": 4.87, "ja": 4.79, "fr": 4.73, "es": 4.47, "it": 2.57, "nl": 2.06,
                "pl": 1.66, "pt": 1.15, "vi": 1.03}


@dataclass(frozen=True)
class Group:
    """The documents of one language or source. None where the stage that counts it has not run.

    `words` are those of all documents, `passed` counts documents within every bound, `kept` those in curated.
    """

    name: str
    documents: int
    page_bytes: int | None
    text_bytes: int | None
    words: int | None
    passed: int | None
    kept: int | None
    tokens: int | None
    bytes: int | None

    @property
    def keep_rate(self) -> float | None:
        """Kept of the documents, 0 to 1."""
        return None if self.kept is None or not self.documents else self.kept / self.documents

    @property
    def bytes_per_token(self) -> float | None:
        return self.bytes / self.tokens if self.bytes is not None and self.tokens else None


@dataclass(frozen=True)
class Column:
    """A dataset's counts per group, and the columns of a Group that are taken from it, as column → name there."""

    dataset: Dataset | None
    takes: dict[str, str]


def languages(datasets: Datasets) -> list[Group]:
    """Every language that a document was found to be in, the most frequent first."""
    return _groups("language", [
        Column(datasets.signals, {"documents": "documents", "words": "words"}),
        Column(datasets.verdicts, {"passed": "kept"}),
        Column(datasets.curated, {"kept": "documents"}),
        Column(datasets.tokens, {"tokens": "tokens", "bytes": "bytes"})])


def sources(datasets: Datasets) -> list[Group]:
    """Every source, the one with most documents first."""
    return _groups("source", [
        Column(datasets.documents, {"documents": "documents", "page_bytes": "payload_bytes", "text_bytes": "text_bytes"}),
        Column(datasets.verdicts, {"words": "words", "passed": "kept"}),
        Column(datasets.curated, {"kept": "documents"}),
        Column(datasets.tokens, {"tokens": "tokens", "bytes": "bytes"})])


def _groups(of: str, columns: Iterable[Column]) -> list[Group]:
    found: dict[str, dict[str, int | None]] = {}
    known: set[str] = set()
    for column in columns:
        counts: Counts = column.dataset.counts.get(of, {}) if column.dataset else {}
        known |= set(column.takes) if column.dataset else set()
        for name, numbers in counts.items():
            found.setdefault(name, {}).update({ours: numbers.get(theirs, 0) for ours, theirs in column.takes.items()})
    names = ("page_bytes", "text_bytes", "words", "passed", "kept", "tokens", "bytes")
    groups = [Group(name or "unknown", numbers.get("documents") or 0,
                    *(numbers.get(column, 0 if column in known else None) for column in names))
              for name, numbers in found.items()]
    return sorted(groups, key=lambda group: (-group.documents, group.name))
