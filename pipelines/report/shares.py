"""Languages and sources: documents read, documents kept, and their tokens."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from textmill.pipelines.contract.parts import Counts
from textmill.pipelines.report.dataset import Datasets, StoredDataset
from textmill.pipelines.report.published import COMMON_CRAWL, SPEAKERS
from textmill.pipelines.report.tables import Column, Table, table


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
class GroupCounts:
    """A dataset's counts per group, and the columns of a Group that are taken from it, as column → name there."""

    dataset: StoredDataset | None
    takes: dict[str, str]


def languages(datasets: Datasets) -> list[Group]:
    """Every language that a document was found to be in, the most frequent first."""
    return _groups("language", [
        GroupCounts(datasets.signals, {"documents": "documents", "words": "words"}),
        GroupCounts(datasets.verdicts, {"passed": "kept"}),
        GroupCounts(datasets.curated, {"kept": "documents"}),
        GroupCounts(datasets.tokens, {"tokens": "tokens", "bytes": "bytes"})])


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
        GroupCounts(datasets.documents, {"documents": "documents", "page_bytes": "payload_bytes", "text_bytes": "text_bytes"}),
        GroupCounts(datasets.verdicts, {"words": "words", "passed": "kept"}),
        GroupCounts(datasets.curated, {"kept": "documents"}),
        GroupCounts(datasets.tokens, {"tokens": "tokens", "bytes": "bytes"})])


def _groups(of: str, columns: Iterable[GroupCounts]) -> list[Group]:
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


def group_table(name: str, title: str, groups: list[Group]) -> Table:
    """One row for each language or source."""
    is_source = name == "sources"
    columns = [
        Column("source" if is_source else "language",
               "folder under raw/" if is_source else "as measured; und is text too short or mixed to tell"),
        Column("documents", "with text", "count", bar="plain"),
        Column("page_bytes", "size as they came", "size", "pages", shown=is_source),
        Column("text_bytes", "extracted text", "size", "text", shown=is_source),
        Column("words", "of all documents; in scripts without spaces a character is a word", "count"),
        Column("passed", "documents within every bound", "count", "within bounds"),
        Column("kept", "documents in curated", "count"),
        Column("keep_rate", "kept of documents", "share", "keep rate", "kept"), Column("tokens", "of the kept texts", "count"),
        Column("bytes_per_token", "of the kept texts", "number", "bytes per token")]
    return table(name, title, f"a {columns[0].name}", columns, (
        (one.name, one.documents, one.page_bytes, one.text_bytes, one.words, one.passed, one.kept, one.keep_rate, one.tokens,
         one.bytes_per_token) for one in groups))


def beside_table(rows: list[Beside]) -> Table:
    """One row for each language with published figures, and one for all others."""
    return table("languages_beside_the_web", "Beside the web and its readers", "a language", [
        Column("language", "ISO code, or all others"), Column("read", "share of the documents", "share", bar="plain"),
        Column("kept", "share of those in curated", "share", bar="kept"),
        Column("common_crawl", "share of its pages (Lai et al. 2023)", "share", "Common Crawl", "plain"),
        Column("times", "share kept, or read where nothing is kept yet, over Common Crawl's", "number", "times as much"),
        Column("speakers", "of a first or further language, in millions (Lai et al. 2023)", "count", "million speakers",
               "plain")],
        ((row.language or "all others", row.read, row.kept, row.crawl, row.times, row.speakers) for row in rows))
