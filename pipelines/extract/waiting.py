"""Batched page parsing: equal pages are parsed once, and rows keep the order of their records."""

from collections import OrderedDict
from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple

from textmill.pipelines.extract.documents import Origin, finished
from textmill.pipelines.extract.pages.job import Answer, Job, OpenedBody, StoredBody, StoredFile
from textmill.pipelines.extract.pages.reader import Reader
from textmill.pipelines.extract.refusal import Refusal
from textmill.pipelines.extract.rows import Document, Rejected

_PAGES, _BYTES = 64, 8 << 20        # of a batch: enough that handing it over costs nothing, little enough to hold twice
_ROWS = 1024                        # that may wait behind a page
_REMEMBERED = 16 << 20              # characters of text kept for equal pages further on


Key = tuple[Any, ...]


class Waiting(NamedTuple):
    """A record whose page is still to be parsed; equal `key`s are equal pages.

    `digest` and `size` in bytes are of the page; of a body as it was sent they are of that, and the answer has the page's.
    """

    origin: Origin
    job: Job
    digest: str
    size: int

    @property
    def key(self) -> Key:
        if isinstance(self.job, StoredBody):
            return self.digest, *self.job[1:]
        if isinstance(self.job, StoredFile):
            return self.digest, "file", *self.job[1:]
        html, charset = self.job
        return self.digest, "given" if isinstance(html, str) else charset


Row = Document | Rejected | Waiting      # a record's row, or its page still to be parsed


class _Remembered:
    """Cache of the last parsed pages, limited to `_REMEMBERED` characters of text."""

    def __init__(self) -> None:
        self.answers: OrderedDict[Key, Answer] = OrderedDict()
        self.held = 0

    def add(self, key: Key, answer: Answer) -> None:
        self.answers[key] = answer
        self.held += _characters(answer)
        while self.held > _REMEMBERED:
            self.held -= _characters(self.answers.popitem(last=False)[1])


def rows_in_order(records: Iterable[Row], reader: Reader) -> Iterator[Document | Rejected]:
    """A row for each record, in order."""
    remembered = _Remembered()
    batch: list[Row] = []
    jobs: dict[Key, Job] = {}
    size = 0
    for record in records:
        if isinstance(record, Waiting) and record.key in remembered.answers:
            record = _row(record, remembered.answers[record.key])
        elif isinstance(record, Waiting):
            jobs.setdefault(record.key, record.job)
            size += record.size         # of equal pages too: each is kept until the batch is parsed
        batch.append(record)
        if len(jobs) >= _PAGES or size >= _BYTES or len(batch) >= _ROWS:
            yield from _read(batch, jobs, reader, remembered)
            batch, jobs, size = [], {}, 0
    yield from _read(batch, jobs, reader, remembered)


def _read(batch: list[Row], jobs: dict[Key, Job], reader: Reader,
          remembered: _Remembered) -> Iterator[Document | Rejected]:
    answers = dict(zip(jobs, reader.read(list(jobs.values())), strict=True))
    for record in batch:
        yield _row(record, answers[record.key]) if isinstance(record, Waiting) else record
    for key, answer in answers.items():
        remembered.add(key, answer)


def _row(record: Waiting, answer: Answer) -> Document | Rejected:
    if isinstance(answer, OpenedBody):
        return finished(record.origin, answer, answer.digest, answer.size)
    return finished(record.origin, answer, record.digest, record.size)


def _characters(answer: Answer) -> int:
    return 0 if isinstance(answer, Refusal) else len(answer[1].text)
