"""The rows `extract` writes: a `Document` for a page that gave text, a `Rejected` for any other record.

A document's id depends only on what was stored: source, record id, URL, capture date and payload digest.
"""

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, fields
from hashlib import blake2b
from typing import Any

import pyarrow as pa

from textmill.pipelines.extract.pages.text import encodable
from textmill.pipelines.extract.refusal import QUARANTINED

# Of a dialogue: what each role says, as places in the text; null for a page.
TURNS = pa.list_(pa.struct([("role", pa.string()), ("start", pa.int32()), ("end", pa.int32())]))
DOCUMENTS = pa.schema([
    pa.field("id", pa.string(), nullable=False),
    pa.field("record_id", pa.string()),
    pa.field("source", pa.string(), nullable=False),
    pa.field("url", pa.string()),
    pa.field("host", pa.string()),
    pa.field("domain", pa.string()),                      # registered, by the public suffix list
    pa.field("date", pa.string()),                        # capture, "YYYY-MM-DDThh:mm:ssZ"
    pa.field("published", pa.string()),                   # "YYYY-MM-DD"
    pa.field("title", pa.string()),
    pa.field("text", pa.string(), nullable=False),        # NFC
    pa.field("charset", pa.string()),
    pa.field("charset_from", pa.string()),                # bom | http | meta | detected | given
    pa.field("replaced", pa.int32(), nullable=False),     # U+FFFD put in by decoding
    pa.field("declared_language", pa.string()),
    pa.field("robots", pa.list_(pa.string()), nullable=False),
    pa.field("tdm_reservation", pa.string()),             # as given
    pa.field("tdm_policy", pa.string()),
    pa.field("license", pa.string()),
    pa.field("license_from", pa.string()),                # rel | link | meta | json-ld | column | source
    pa.field("license_position", pa.string()),            # head | footer | body
    pa.field("paywalled", pa.bool_()),
    pa.field("copyright", pa.string()),                   # one line
    pa.field("content_type", pa.string()),
    pa.field("truncated", pa.string()),                   # length | time | disconnect | unspecified | segment
    pa.field("payload_bytes", pa.int64(), nullable=False),
    pa.field("payload_digest", pa.string(), nullable=False),
    pa.field("anchor_chars", pa.int32()),
    pa.field("links", pa.int32()),
    pa.field("page_anchor_chars", pa.int32()),
    pa.field("page_chars", pa.int32()),
    pa.field("file", pa.string(), nullable=False),
    pa.field("offset", pa.int64(), nullable=False),
    pa.field("length", pa.int64()),
    pa.field("extra", pa.string()),
    pa.field("page_kind", pa.string()),          # article | documentation | service | forum | product | ...
    pa.field("page_kind_score", pa.float32()),
    pa.field("turns", TURNS),                             # in characters of the text
    pa.field("turns_from", pa.string()),                  # columns of the row: "messages", "prompt, response"
    pa.field("pair", pa.string()),                        # both of a compared pair have it
    pa.field("preferred", pa.bool_()),
])

REJECTED = pa.schema([
    pa.field("file", pa.string(), nullable=False),
    pa.field("offset", pa.int64(), nullable=False),
    pa.field("length", pa.int64()),
    pa.field("record_id", pa.string()),
    pa.field("url", pa.string()),
    pa.field("id", pa.string()),
    pa.field("outcome", pa.string(), nullable=False),     # rejected | quarantined
    pa.field("rule", pa.string(), nullable=False),
    pa.field("value", pa.string()),
    pa.field("bound", pa.string()),
    pa.field("detail", pa.string()),
])

_BATCH_CHARACTERS = 1 << 26


@dataclass(slots=True)
class Document:
    """One row of `documents`; fields in the order of DOCUMENTS."""

    id: str
    record_id: str | None
    source: str
    url: str | None
    host: str | None
    domain: str | None
    date: str | None
    published: str | None
    title: str | None
    text: str
    charset: str | None
    charset_from: str | None
    replaced: int
    declared_language: str | None
    robots: list[str]
    tdm_reservation: str | None
    tdm_policy: str | None
    license: str | None
    license_from: str | None
    license_position: str | None
    paywalled: bool | None
    copyright: str | None
    content_type: str | None
    truncated: str | None
    payload_bytes: int
    payload_digest: str
    anchor_chars: int | None
    links: int | None
    page_anchor_chars: int | None
    page_chars: int | None
    file: str
    offset: int
    length: int | None
    extra: str | None
    page_kind: str | None = None
    page_kind_score: float | None = None
    turns: list[dict[str, Any]] | None = None
    turns_from: str | None = None
    pair: str | None = None
    preferred: bool | None = None


@dataclass(slots=True)
class Rejected:
    """One rejected row of `documents`: the record's position and the rule that rejected it."""

    file: str
    offset: int
    rule: str
    length: int | None = None
    record_id: str | None = None
    url: str | None = None
    id: str | None = None
    value: str | None = None
    bound: str | None = None
    detail: str | None = None

    @property
    def outcome(self) -> str:
        return "quarantined" if self.rule in QUARANTINED else "rejected"


def to_batch(rows: Iterable[Document] | Iterable[Rejected], schema: pa.Schema) -> pa.RecordBatch:
    """The rows as one batch of `schema` (DOCUMENTS or REJECTED)."""
    listed: list[Any] = list(rows)
    return pa.record_batch([_column([getattr(row, field.name) for row in listed], field.type) for field in schema],
                           schema=schema)


def _column(values: list[Any], kind: pa.DataType) -> pa.Array:
    """An Arrow column. What UTF-8 cannot encode ends no run, wherever in a row it came from."""
    try:
        return pa.array(values, kind)
    except UnicodeEncodeError:
        return pa.array([encodable(value) if isinstance(value, str) else [encodable(one) for one in value]
                         if isinstance(value, list) else value for value in values], kind)      # robots; turns have known roles


def document_id(source: str, record_id: str | None, url: str | None, date: str | None, digest: str) -> str:
    """32 hex digits: BLAKE2b-128 of the five values as a JSON list, which no other five values can spell."""
    spelled = json.dumps([source, record_id, url, date, digest], separators=(",", ":"))
    return blake2b(spelled.encode(), digest_size=16).hexdigest()


def batches(rows: Iterable[Document | Rejected], size: int = 1024) -> Iterator[pa.RecordBatch]:
    """The rows in order as record batches: documents and rejected rows each in batches of their own, at most `size` rows.

    A batch ends with the document that brings it to 64 Mi characters of text: all of it is in memory.

    A batch of rejected rows may come after documents that lay behind them in the file; the order of each is kept.
    """
    documents: list[Document] = []
    rejected: list[Rejected] = []
    held = 0
    for row in rows:
        if isinstance(row, Document):
            documents.append(row)
            held += len(row.text) + len(row.extra or "")
            if len(documents) == size or held >= _BATCH_CHARACTERS:
                yield to_batch(documents, DOCUMENTS)
                documents, held = [], 0
        else:
            rejected.append(row)
            if len(rejected) == size:
                yield to_batch(rejected, REJECTED)
                rejected = []
    if documents:
        yield to_batch(documents, DOCUMENTS)
    if rejected:
        yield to_batch(rejected, REJECTED)


assert [field.name for field in fields(Document)] == DOCUMENTS.names
