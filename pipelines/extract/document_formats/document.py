"""What every reader of a document format gives and checks: its text with metadata, or why there is none.

A reader is a module of the format's name with `read(body, ending, limits)`.
"""

import io
import zipfile
from collections.abc import Callable, Sequence
from importlib import import_module
from typing import Any

from lxml import etree

from textmill.pipelines.extract.pages.charset import Decoded, decode
from textmill.pipelines.extract.pages.legal import Legal
from textmill.pipelines.extract.pages.page import Page
from textmill.pipelines.extract.pages.text import clean_text
from textmill.pipelines.extract.refusal import Refusal
from textmill.pipelines.extract.settings import ExtractSettings

Document = tuple[Decoded, Page] | Refusal

IN_FILE = Decoded("", "utf-8", "given", 0)      # of text whose charset the format fixes
_BINARY = 8192              # bytes in which a NUL says that a file is no text


def read_document(kind: str, body: bytes, ending: str, limits: ExtractSettings) -> Document:
    """The document in a file of this kind; `ending` is that of its name."""
    document: Document = import_module(f"{__package__}.{kind}").read(body, ending, limits)
    return document


def document(text: str, title: str | None = None, declared: str | None = None, dates: tuple[str, ...] = (),
             decoded: Decoded = IN_FILE, **columns: Any) -> Document:
    """A document with its text in normal form; `columns` are those of `extra`, left out where they are empty."""
    text = clean_text(text).strip("\n")
    if not text.strip():
        return Refusal("empty", detail="the document has no text")
    title = " ".join(clean_text(title or "").split()) or None
    language = (declared or "").strip().lower().replace("_", "-") or None
    extra = {name: value for name, value in columns.items() if value not in (None, "", [], {})}
    return decoded._replace(text=""), Page(text, title, language, dates, Legal(), None, None, None, None, columns=extra or None)


def plain_text(body: bytes, limits: ExtractSettings) -> Decoded | Refusal:
    """A file of text without markup, decoded."""
    if b"\0" in body[:_BINARY] and not body.startswith((b"\xff\xfe", b"\xfe\xff")):
        return Refusal("content_type", "binary", detail="it has NUL bytes, as no text has")
    decoded = decode(body, None)
    share = decoded.replaced / max(len(decoded.text), 1)
    if share > limits.max_replaced_share:
        return Refusal("undecodable", f"{share:.3f}", str(limits.max_replaced_share),
                       f"{decoded.replaced} characters could not be decoded")
    return decoded._replace(text=clean_text(decoded.text))


class Package:
    """The zip archive that EPUB, DOCX and ODT are, with a bound on all that is inflated of it."""

    def __init__(self, body: bytes, limits: ExtractSettings):
        self.archive = zipfile.ZipFile(io.BytesIO(body))
        self.left = limits.max_record_bytes

    def bytes(self, name: str) -> bytes:
        """A member; b"" where there is none. OversizedError where it is beyond the bound."""
        try:
            with self.archive.open(name) as member:
                data = member.read(self.left + 1)
        except KeyError:
            return b""
        self.left -= len(data)
        if self.left < 0:
            raise OversizedError
        return data

    def xml(self, name: str) -> Any:
        """The root of a member in XML; None where there is none."""
        data = self.bytes(name)
        return etree.fromstring(data, _parser()) if data.strip() else None


class OversizedError(Exception):
    """A document whose members inflate beyond the bound of a record."""


def read_package(body: bytes, limits: ExtractSettings, read: Callable[[Package], Document]) -> Document:
    """What a reader makes of the archive that a document is; a refusal where it is none, too large, or no XML."""
    if body.startswith(b"\xd0\xcf\x11\xe0"):
        return Refusal("encrypted", detail="it needs a password, or is of an older format of Office")
    try:
        package = Package(body, limits)
    except (zipfile.BadZipFile, NotImplementedError, ValueError, EOFError) as error:
        return Refusal("damaged", detail=f"zip: {error}")
    try:
        return read(package)
    except OversizedError:
        return Refusal("bomb", f">{limits.max_record_bytes}", str(limits.max_record_bytes),
                       "its members inflate beyond the limit")
    except etree.XMLSyntaxError as error:
        return Refusal("damaged", detail=f"XML: {error.msg}"[:200])


def office_document(blocks: Sequence[str], about: Any, kind: str) -> Document:
    """The document of an office program: its blocks, and what the root of its metadata says of it, where there is one."""
    title, language, author = (None if about is None else dublin_core(about, name) for name in ("title", "language", "creator"))
    return document("\n\n".join(block for block in blocks if block.strip()), title, language, kind=kind, author=author)


def dublin_core(root: Any, name: str) -> str | None:
    """The first element of this name in the metadata of a package; None where there is none with text."""
    return next((text for one in root.iter(f"{{http://purl.org/dc/elements/1.1/}}{name}")
                 if (text := "".join(one.itertext()).strip())), None)


def local_name(element: Any) -> str:
    """The name of an element without its namespace; "" for what is none."""
    return etree.QName(element).localname if isinstance(element.tag, str) else ""


def _parser() -> etree.XMLParser:
    """A parser to which entities, DTDs and the network mean nothing."""
    return etree.XMLParser(resolve_entities=False, load_dtd=False, no_network=True, huge_tree=False, remove_comments=True,
                           remove_pis=True)
