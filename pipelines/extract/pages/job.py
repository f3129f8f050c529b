"""What the process that reads pages is asked, and what it answers: one page or body at a time.

In a module that both ends import by its name; the process's own module has another name there, `__main__`.
"""

from typing import NamedTuple

from textmill.pipelines.extract.pages.charset import Decoded
from textmill.pipelines.extract.pages.page import Page
from textmill.pipelines.extract.refusal import Refusal


class StoredBody(NamedTuple):
    """A body as it was sent, with its codings in the order they are undone, and the codec that its HTTP header names.

    `content_type` is in lower case, "" for none, and None for what is text whatever it begins with.
    """

    body: bytes
    codings: tuple[str, ...]
    content_type: str | None
    charset: str | None


class StoredFile(NamedTuple):
    """A file that is one document, of a kind that a module of document_formats/ reads; `ending` is that of its name."""

    body: bytes
    kind: str
    ending: str


class OpenedBody(NamedTuple):
    """The answer to a StoredBody that is a page or a text: as that of a page, with digest and size of its payload."""

    decoded: Decoded
    page: Page
    digest: str
    size: int


# A page's HTML, and where it is bytes the codec that its HTTP header names; or a body that may be one; or a document.
Job = tuple[bytes | str, str | None] | StoredBody | StoredFile
# How a page was decoded (without the text), and the parsed page.
Answer = tuple[Decoded, Page] | OpenedBody | Refusal
