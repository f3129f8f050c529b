"""Extract as a bare loop: one process, FastWARC, trafilatura's fast mode, and extract's columns in the shortest way.

    python -m benchmarks.bare_loop --to documents.parquet FILE.warc.gz...

It is what extract is timed beside. It has no limits, takes a file for whole that breaks off, keeps no account of what gave
no text, and does not say which links are in the main text.
"""

import argparse
import sys
from collections.abc import Iterator
from hashlib import blake2b
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pyarrow as pa
import pyarrow.parquet as pq
from fastwarc.warc import ArchiveIterator, WarcRecord, WarcRecordType
from resiliparse.parse.encoding import bytes_to_str, detect_encoding
from trafilatura import bare_extraction, load_html

TEXTS = ("record_id", "url", "host", "date", "published", "title", "text", "charset", "declared_language", "robots",
         "tdm_reservation", "license", "content_type", "payload_digest", "file")
NUMBERS = ("payload_bytes", "links", "page_anchor_chars", "page_chars", "offset")
SCHEMA = pa.schema([*((name, pa.string()) for name in TEXTS), ("paywalled", pa.bool_()),
                    *((name, pa.int64()) for name in NUMBERS)])


def rows(path: Path) -> Iterator[dict[str, Any]]:
    """A row for every response with status 200 that is a page and gives text."""
    with path.open("rb") as file:
        for record in ArchiveIterator(file, record_types=WarcRecordType.response, auto_decode="all"):
            kind = record.http_headers.get("Content-Type", "") if record.http_headers else ""
            if record.http_headers and record.http_headers.status_code == 200 and "html" in kind.lower():
                made = row(record, record.reader.read(), kind, path.name)
                if made["text"]:
                    yield made


def row(record: WarcRecord, body: bytes, kind: str, file: str) -> dict[str, Any]:
    charset = record.http_charset or detect_encoding(body, from_html_meta=True)
    html = bytes_to_str(body, charset)
    url, tree = record.headers["WARC-Target-URI"], load_html(html)
    made = {"record_id": record.record_id, "url": url, "host": urlsplit(url).hostname, "date": record.headers["WARC-Date"],
            "charset": charset, "content_type": kind, "payload_bytes": len(body), "file": file, "offset": record.stream_pos,
            "payload_digest": blake2b(body, digest_size=16).hexdigest(), "text": None}
    if tree is None:
        return made
    metas = {(meta.get("name") or meta.get("property") or "").lower(): meta.get("content") for meta in tree.iter("meta")}
    anchors = list(tree.iter("a"))
    made |= {"title": tree.findtext(".//title"), "declared_language": tree.get("lang"),
             "published": metas.get("article:published_time") or metas.get("date"), "robots": metas.get("robots"),
             "tdm_reservation": metas.get("tdm-reservation"), "paywalled": "isAccessibleForFree" in html,
             "license": next((link.get("href") for link in tree.iter("a", "link") if link.get("rel") == "license"), None),
             "links": len(anchors), "page_anchor_chars": sum(len(anchor.text_content()) for anchor in anchors),
             "page_chars": len(tree.text_content())}
    found = bare_extraction(tree, fast=True, include_comments=False, with_metadata=False, deduplicate=False)
    return made | {"text": found.text if found else None}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("warcs", type=Path, nargs="+")
    parser.add_argument("--to", type=Path, required=True, help="the Parquet file to write")
    given = parser.parse_args()
    with pq.ParquetWriter(given.to, SCHEMA, compression="zstd") as writer:
        for path in given.warcs:
            writer.write_table(pa.Table.from_pylist(list(rows(path)), SCHEMA))
    return 0


if __name__ == "__main__":
    sys.exit(main())
