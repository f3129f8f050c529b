"""Queries as a page's address spells them, and a page of results as it is shown."""

import math
import re
from collections.abc import Mapping, Sequence
from itertools import zip_longest
from typing import Any

from starlette.datastructures import QueryParams

from textmill.base.errors import TextmillError
from textmill.pipelines.browse.counts import CHOICES
from textmill.pipelines.browse.indexes import Indexes
from textmill.pipelines.browse.passages import MOST, excerpt
from textmill.pipelines.browse.records import Record, key_of
from textmill.pipelines.browse.render import link
from textmill.pipelines.browse.search import PAGE, Found, Query, Range, at_address, by_id, search
from textmill.pipelines.browse.words import Terms
from textmill.pipelines.display.lines import shown
from textmill.pipelines.ledger.lookup import find_pages
from textmill.pipelines.report.meanings import REASONS
from textmill.pipelines.web.address import ascii_host, canonical_url, given_url

_ID = re.compile(r"[0-9a-f]{32}")
_ADDRESS = re.compile(r"[a-z][a-z0-9+.-]*://\S+|<?urn:\S+", re.I)
_BARE_ADDRESS = re.compile(r"(?:[\w-]+\.)+[a-z]{2,}/\S*", re.I)        # as people copy it, without https://
MOST_PAGES = 5_000
NO_TERMS = Terms((), (), (), ())


def query_of(given: QueryParams, numbers: Sequence[str]) -> Query:
    """The query in an address; what cannot be is left out."""
    equal = {name: value for name in (*CHOICES, "cluster") if (value := given.get(name, ""))}
    if name := given.get("host", "").strip().lower():
        equal["host"] = ascii_host(name) or name
    ranges = [Range(signal, low, high) for signal, low, high in zip_longest(
        given.getlist("signal"), map(_number, given.getlist("low")), map(_number, given.getlist("high")))
        if signal in numbers and (low, high) != (None, None)]
    page = number_of(given.get("page", ""), MOST_PAGES) or 0
    order = given.get("order", "")
    return Query(given.get("q", "").strip()[:1_000], equal, tuple(ranges), order if order in numbers else "",
                 given.get("direction") != "up", page)


def address_of(query: Query, page: int, path: str = "/search") -> str:
    """The address of another page of the same results, or of what else there is of them."""
    return link(path, q=query.text, **query.equal, signal=[each.signal for each in query.ranges],
                low=["" if each.low is None else f"{each.low:g}" for each in query.ranges],
                high=["" if each.high is None else f"{each.high:g}" for each in query.ranges], order=query.order,
                direction=None if query.descending else "up", page=page or None)


def results_page(indexes: Indexes, query: Query) -> dict[str, Any]:
    """What a page of results shows. An address, an id or a record id is looked up, whatever the filters."""
    nothing = dict.fromkeys(("addressed", "address_problem"))
    if _ID.fullmatch(query.text) or _ADDRESS.fullmatch(query.text):
        items, records, problem = _by_name(indexes, query.text)
        return nothing | {"addressed": items, "records": records, "address_problem": problem}
    if _BARE_ADDRESS.fullmatch(query.text):
        documents, without = _at(indexes, [f"{scheme}://{query.text}" for scheme in ("https", "http")])
        if documents or without:
            return nothing | {"addressed": items_of(indexes, documents, NO_TERMS), "records": record_items(without)}
    found = search(indexes, query)
    first = PAGE * query.page
    return nothing | {
        "no_words": found.no_words, "total": found.total, "looked": found.looked, "more": found.more, "page": query.page,
        "first": first + 1, "last": first + len(found.found), "items": items_of(indexes, found.found, found.terms),
        "previous": address_of(query, query.page - 1), "next": address_of(query, query.page + 1),
        "counts_address": address_of(query, 0, "/search/counts")}


def items_of(indexes: Indexes, found: Sequence[Found], terms: Terms, excerpts: bool = True) -> list[dict[str, Any]]:
    """Documents as a list shows them: names and an excerpt, personal data masked. Without excerpts no text is read."""
    places, names = [each.row for each in found], ["url", "title", "record_id"]
    rows = indexes.snapshot.rows("documents", places, [*names, "text"] if excerpts else names)
    signals = indexes.snapshot.rows("signals", places, ["findings"]) if excerpts else [{}] * len(rows)
    return [_item(each, row, signal.get("findings") or [], terms)
            for each, row, signal in zip(found, rows, signals, strict=True)]


def record_items(records: Sequence[Record]) -> list[dict[str, Any]]:
    """Records without a document as a list shows them: names and reason, personal data masked."""
    names = ("url", "record_id", "file", "detail", "value")
    return [each.row | {name: shown(each.row[name]) if each.row[name] else "" for name in names}
            | {"key": each.key, "meaning": REASONS.get(each.row["rule"], "")} for each in records]


def _item(found: Found, row: Mapping[str, Any], findings: Sequence[Mapping[str, Any]], terms: Terms) -> dict[str, Any]:
    facts = found.facts
    title, url, record = (shown(row.get(name), facts["language"] or "und", facts["host"]) if row.get(name) else ""
                          for name in ("title", "url", "record_id"))
    return {"id": facts["id"], "title": title, "url": url, "record": record, "facts": {"word_count": None} | facts,
            "excerpt": excerpt((row.get("text") or "")[:MOST], findings, terms)}


def _by_name(indexes: Indexes, name: str) -> tuple[list[dict[str, Any]], list[dict[str, Any]], str]:
    """The documents of an id, an address or a record id, and records without one; or a sentence that says where it looked."""
    if _ID.fullmatch(name):
        found, records = by_id(indexes, name), indexes.records.named(name)
    else:
        found, records = _at(indexes, [name])
    if not found and not records:
        try:
            pages = find_pages(indexes.snapshot.data, name)
        except TextmillError as error:
            return [], [], str(error)
        found = [one for document in pages.documents[:PAGE] for one in by_id(indexes, document.id)]
        keys = dict.fromkeys(key_of(lost.file, lost.offset) for lost in pages.lost[:PAGE])
        records = [record for key in keys for record in indexes.records.at(key)]
    return items_of(indexes, found[:PAGE], NO_TERMS), record_items(records[:PAGE]), ""


def _at(indexes: Indexes, names: Sequence[str]) -> tuple[list[Found], list[Record]]:
    """The documents that have the first of these addresses, as given or in canonical form, that any has; and such records.

    Of a page that gave a document the archive's request and metadata are left out."""
    found, records = list[Found](), list[Record]()
    for name in names:
        for url in dict.fromkeys((name, given_url(name), canonical_url(name)) if "://" in name else (name,)):
            found = found or (at_address(indexes, url) if url else [])
            records = records or (indexes.records.named(url) if url else [])
    return found[:PAGE], [each for each in records if not found or each.row["rule"] != "record_type"][:PAGE]


def number_of(given: str, most: int = 10**15) -> int | None:
    """A whole number in an address, at most `most`; None where it is none.

    >>> number_of("12"), number_of("99", 20), number_of("x"), number_of("²")
    (12, 20, None, None)
    """
    return min(int(given), most) if given.isdecimal() and len(given) < 16 else None


def _number(given: str) -> float | None:
    try:
        value = float(given)
    except ValueError:
        return None
    return value if math.isfinite(value) else None
