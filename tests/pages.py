"""HTML pages for tests of what is done with one: those of the sample, and a few of the development crawl where it is."""

from collections.abc import Iterator, Sequence
from functools import cache
from pathlib import Path

from fastwarc.warc import ArchiveIterator, WarcRecordType

from tests.paths import ROOT, SHARED
from textmill.pipelines.extract.files.codings import payload as undone
from textmill.pipelines.extract.files.records import Response, codings
from textmill.pipelines.extract.pages.charset import decode, http_charset
from textmill.pipelines.extract.pages.job import Answer, Job
from textmill.pipelines.extract.pages.read_page import read_page
from textmill.pipelines.extract.pages.reader_process import read_html
from textmill.pipelines.extract.refusal import Refusal
from textmill.pipelines.extract.settings import ExtractSettings

SAMPLE = ROOT / "sample" / "raw" / "web"
CRAWL = SHARED / "crawl"


@cache
def sample_pages() -> tuple[str, ...]:
    return tuple(html for path in sorted(SAMPLE.glob("*.warc.gz")) if path.name != "damaged.warc.gz" for html in pages(path))


def crawl_pages(name: str, every: int) -> list[str]:
    """Every so many-th page of a WARC of the development crawl; none where that is not beside the checkout."""
    path = CRAWL / name
    return [html for number, html in enumerate(pages(path)) if number % every == 0] if path.exists() else []


def pages(path: Path) -> Iterator[str]:
    with path.open("rb") as file:
        for record in ArchiveIterator(file, record_types=WarcRecordType.response, auto_decode="all"):
            kind = record.http_headers.get("Content-Type", "") if record.http_headers else ""
            body = record.reader.read()
            if "html" in kind and body.strip():
                yield decode(body, http_charset(kind)).text


def payload(response: Response, most: int) -> bytes | Refusal:
    """The body of a response without its codings."""
    return undone(response.body, codings(response), most)


class InProcess:
    """Reads pages as the child of a Reader does, in this process: for tests of what comes before and after it."""

    def __init__(self, limits: ExtractSettings):
        self.limits = limits

    def read(self, pages: Sequence[Job]) -> Iterator[Answer]:
        return (read_html(page, self.limits, read_page) for page in pages)
