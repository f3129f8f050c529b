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
from textmill.pipelines.browse.render import link
from textmill.pipelines.browse.search import PAGE, Found, Query, Range, at_address, by_id, search
from textmill.pipelines.browse.words import Terms
from textmill.pipelines.display.lines import shown
from textmill.pipelines.ledger.lookup import find_pages
from textmill.pipelines.web.address import ascii_host, canonical_url, given_url

_ID = re.compile(r"[0-9a-f]{32}")
_ADDRESS = re.compile(r"[a-z][a-z0-9+.-]*://\S+|<?urn:\S+", re.I)
MOST_PAGES = 5_000


def query_of(given: QueryParams, numbers: Sequence[str]) -> Query:
    """The query in an address; what cannot be is left out."""
    equal = {name: value for name in (*CHOICES, "cluster") if (value := given.get(name, ""))}
    if name := given.get("host", "").strip().lower():
        equal["host"] = ascii_host(name) or name
    ranges = [Range(signal, low, high) for signal, low, high in zip_longest(
        given.getlist("signal"), map(_number, given.getlist("low")), map(_number, given.getlist("high")))
        if signal in numbers and (low, high) != (None, None)]
    page = given.get("page", "0")
    order = given.get("order", "")
    return Query(given.get("q", "").strip()[:1_000], equal, tuple(ranges), order if order in numbers else "",
                 given.get("direction") != "up", min(int(page), MOST_PAGES) if page.isdecimal() else 0)


def address_of(query: Query, page: int) -> str:
    """The address of another page of the same results."""
    return link("/search", q=query.text, **query.equal, signal=[each.signal for each in query.ranges],
                low=["" if each.low is None else f"{each.low:g}" for each in query.ranges],
                high=["" if each.high is None else f"{each.high:g}" for each in query.ranges], order=query.order,
                direction=None if query.descending else "up", page=page or None)


def results_page(indexes: Indexes, query: Query) -> dict[str, Any]:
    """What a page of results shows. An address, an id or a record id is looked up, whatever the filters."""
    nothing = dict.fromkeys(("addressed", "address_problem"))
    if _ID.fullmatch(query.text) or _ADDRESS.fullmatch(query.text):
        items, problem = _by_name(indexes, query.text)
        return nothing | {"addressed": items, "address_problem": problem}
    found = search(indexes, query)
    first = PAGE * query.page
    return nothing | {
        "no_words": found.no_words, "total": found.total, "looked": found.looked, "more": found.more, "page": query.page,
        "first": first + 1, "last": first + len(found.found), "items": items_of(indexes, found.found, found.terms),
        "previous": address_of(query, query.page - 1), "next": address_of(query, query.page + 1)}


def items_of(indexes: Indexes, found: Sequence[Found], terms: Terms) -> list[dict[str, Any]]:
    """Documents as a list shows them: names and an excerpt, personal data masked."""
    rows = indexes.snapshot.rows("documents", [each.row for each in found], ["url", "title", "record_id", "text"])
    signals = indexes.snapshot.rows("signals", [each.row for each in found], ["findings"])
    return [_item(each, row, signal.get("findings") or [], terms)
            for each, row, signal in zip(found, rows, signals, strict=True)]


def _item(found: Found, row: Mapping[str, Any], findings: Sequence[Mapping[str, Any]], terms: Terms) -> dict[str, Any]:
    facts = found.facts
    title, url, record = (shown(row.get(name), facts["language"] or "und", facts["host"]) if row.get(name) else ""
                          for name in ("title", "url", "record_id"))
    return {"id": facts["id"], "title": title, "url": url, "record": record, "facts": {"word_count": None} | facts,
            "excerpt": excerpt((row.get("text") or "")[:MOST], findings, terms)}


def _by_name(indexes: Indexes, name: str) -> tuple[list[dict[str, Any]], str]:
    """The documents of an id, an address or a record id; or a sentence that says where it was looked for."""
    found = by_id(indexes, name) if _ID.fullmatch(name) else []
    for url in dict.fromkeys((name, given_url(name), canonical_url(name)) if not found and "://" in name else ()):
        found = found or (at_address(indexes, url) if url else [])
    if not found:
        try:
            pages = find_pages(indexes.snapshot.data, name)
        except TextmillError as error:
            return [], str(error)
        found = [one for document in pages.documents[:PAGE] for one in by_id(indexes, document.id)]
        if not found and pages.lost:
            lost = pages.lost[0]
            return [], f"this record gave no document: {lost.outcome} by {lost.rule}; {lost.file}, offset {lost.offset:,}"
    return items_of(indexes, found[:PAGE], Terms((), (), (), ())), ""


def _number(given: str) -> float | None:
    try:
        value = float(given)
    except ValueError:
        return None
    return value if math.isfinite(value) else None
