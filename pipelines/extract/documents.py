"""The row of a record, from its metadata and its parsed page."""

import json
from typing import Any, NamedTuple

from textmill.pipelines.extract.files.records import Headers, RecordHead
from textmill.pipelines.extract.formats.canonical import canonical_json
from textmill.pipelines.extract.formats.dialogues import Dialogue
from textmill.pipelines.extract.pages.job import Answer
from textmill.pipelines.extract.pages.legal import directives, reservation
from textmill.pipelines.extract.pages.page import published
from textmill.pipelines.extract.pages.reader_process import failed_here
from textmill.pipelines.extract.refusal import Refusal
from textmill.pipelines.extract.rows import Document, Rejected, document_id
from textmill.pipelines.web.address import domain, host

NO_HEAD = RecordHead("", None, None, None, None)


class Origin(NamedTuple):
    """Position of a record, with its metadata known before the page is parsed.

    `title`, `language` and `extra` come from the columns of a JSONL or Parquet row and override what the page declares.
    """

    source: str
    path: str
    offset: int
    length: int | None
    head: RecordHead = NO_HEAD
    headers: Headers = Headers()
    title: str | None = None
    language: str | None = None
    extra: str | None = None
    dialogue: Dialogue | None = None
    license: str | None = None
    license_from: str | None = None


def finished(origin: Origin, answer: Answer, digest: str = "", size: int = 0) -> Document | Rejected:
    """The row of a record: rejected where the answer is a refusal, else a document of a payload of `size` bytes."""
    try:
        made = answer if isinstance(answer, Refusal) else _document(origin, answer, digest, size)
    except Exception as error:      # one record may fail, the run goes on
        made = failed_here(error)
    if isinstance(made, Refusal):
        return Rejected(origin.path, origin.offset, made.rule, origin.length, origin.head.record_id, origin.head.url, None,
                        made.value, made.bound, made.detail)
    return made


def _document(origin: Origin, answer: Answer, digest: str, size: int) -> Document:
    assert not isinstance(answer, Refusal)
    (decoded, page), (head, headers) = answer[:2], (origin.head, origin.headers)
    legal = page.legal
    robots = {found for value in headers.all("x-robots-tag") for found in directives(value)} | set(legal.robots)
    reserved = [*headers.all("tdm-reservation"), *([] if legal.tdm_reservation is None else [legal.tdm_reservation])]
    language = page.declared_language or (headers.first("content-language") or "").partition(",")[0].strip().lower() or None
    named, dialogue = host(head.url), origin.dialogue
    return Document(
        id=document_id(origin.source, head.record_id, head.url, head.date, digest), record_id=head.record_id,
        source=origin.source, url=head.url, host=named, domain=domain(named), date=head.date,
        published=published(page.dates, head.url, head.date), title=origin.title or page.title, text=page.text,
        charset=decoded.charset, charset_from=decoded.charset_from, replaced=decoded.replaced,
        declared_language=origin.language or language, robots=sorted(robots), tdm_reservation=reservation(reserved),
        tdm_policy=headers.first("tdm-policy") or legal.tdm_policy,
        license=origin.license or legal.license, license_from=origin.license_from or legal.license_from,
        license_position=None if origin.license else legal.license_position, paywalled=legal.paywalled,
        copyright=legal.copyright, content_type=headers.first("content-type"), truncated=head.truncated, payload_bytes=size,
        payload_digest=digest,
        anchor_chars=page.anchor_chars, links=page.links, page_anchor_chars=page.page_anchor_chars,
        page_chars=page.page_chars, file=origin.path, offset=origin.offset, length=origin.length,
        extra=with_columns(origin.extra, page.columns),
        page_kind=page.kind, page_kind_score=page.kind_score, turns=dialogue and dialogue.places,
        turns_from=dialogue and ", ".join(".".join(filter(None, path)) for path in dialogue.paths),
        pair=dialogue and dialogue.pair, preferred=dialogue and dialogue.preferred)


def with_columns(extra: str | None, columns: dict[str, Any] | None) -> str | None:
    """The columns of a row and what a document says of itself, as one; the row's own go before."""
    return canonical_json({**columns, **(json.loads(extra) if extra else {})}) if columns else extra
