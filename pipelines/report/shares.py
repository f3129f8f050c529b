"""Languages and sources: documents read, documents kept, and their tokens."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from textmill.pipelines.contract.parts import Counts
from textmill.pipelines.report.dataset import Datasets, StoredDataset
from textmill.pipelines.report.published import COMMON_CRAWL, SPEAKERS


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
class Beside:
    """A language's share of the documents read and of those kept (None: nothing was kept yet), beside the published figures.

    `language` is None in the last row, which is of all languages without a figure.
    """

    language: str | None
    read: float
    kept: float | None
    crawl: float
    speakers: int | None        # millions

    @property
    def times(self) -> float | None:
        """How many times its share of Common Crawl it has among what is kept, or read where nothing was kept yet."""
        share = self.read if self.kept is None else self.kept
        return share / self.crawl if share else None


@dataclass(frozen=True)
class Column:
    """A dataset's counts per group, and the columns of a Group that are taken from it, as column → name there."""

    dataset: StoredDataset | None
    takes: dict[str, str]


def languages(datasets: Datasets) -> list[Group]:
    """Every language that a document was found to be in, the most frequent first."""
    return _groups("language", [
        Column(datasets.signals, {"documents": "documents", "words": "words"}),
        Column(datasets.verdicts, {"passed": "kept"}),
        Column(datasets.curated, {"kept": "documents"}),
        Column(datasets.tokens, {"tokens": "tokens", "bytes": "bytes"})])


def beside_the_web(groups: Sequence[Group]) -> list[Beside]:
    """The languages with published figures, the most frequent on the web first, and a row for all others."""
    by_name = {group.name: group for group in groups}
    read = sum(group.documents for group in groups) or 1
    kept = sum(group.kept or 0 for group in groups) if any(group.kept is not None for group in groups) else None

    def row(language: str | None, some: Sequence[Group], crawl: float) -> Beside:
        return Beside(language, sum(group.documents for group in some) / read,
                      None if kept is None else sum(group.kept or 0 for group in some) / (kept or 1), crawl,
                      SPEAKERS.get(language or ""))

    known = [row(language, [by_name[language]] if language in by_name else [], crawl)
             for language, crawl in sorted(COMMON_CRAWL.items(), key=lambda item: -item[1])]
    return [*known, row(None, [group for group in groups if group.name not in COMMON_CRAWL], 1 - sum(COMMON_CRAWL.values()))]


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
