"""Search: words over titles and texts, filters over facts, and counts of what was found.

Words are answered by the word index, filters by the table of facts; titles, addresses and texts are read for what is shown.
Values reach the database as parameters only, and names of columns come from its own table.
"""

import contextlib
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import duckdb
import pyarrow as pa

from textmill.pipelines.browse.counts import count_values
from textmill.pipelines.browse.indexes import Indexes
from textmill.pipelines.browse.words import Terms, documents_with, page_with, parse, without_findings
from textmill.pipelines.contract.row_groups import DocumentRow

PAGE = 20               # results on a page
PHRASE_SECONDS = 0.6    # that texts are looked through for a phrase
PHRASE_DOCUMENTS = 2_000     # whose texts are looked through at most
RANGES = 3
OUTCOMES = {
    "kept": "kept AND kind IS NULL", "rejected": "NOT kept", "copy": "kind IS NOT NULL",
    "contained": "contained_in IS NOT NULL"}
KINDS = ("record", "url", "exact", "near")


@dataclass(frozen=True)
class Range:
    """Bounds of a measurement, both included."""

    signal: str
    low: float | None
    high: float | None


@dataclass(frozen=True)
class Query:
    """What is asked for. Every filter that is given must hold."""

    text: str = ""
    equal: Mapping[str, str] = field(default_factory=dict)      # of CHOICES, and host, page_kind
    ranges: Sequence[Range] = ()
    order: str = ""             # a measurement; "" is the order of the data
    descending: bool = True
    page: int = 0


class Found(NamedTuple):
    """A document that was found: where it is, and its facts."""

    number: int
    row: DocumentRow
    facts: dict[str, Any]


class Results(NamedTuple):
    """One page of results. `total` is None where a phrase was looked for, and `looked` says in how many texts, of how many."""

    found: list[Found]
    total: int | None
    more: bool
    terms: Terms
    looked: tuple[int, int] | None = None
    no_words: bool = False          # there is no word index yet


SHOWN = ("id", "source", "host", "date", "language", "kept", "broken", "tags", "kind", "cluster_size", "word_count")


def search(indexes: Indexes, query: Query) -> Results:
    """One page of what a query finds."""
    terms = parse(query.text)
    if asked(terms) and indexes.words is None:
        return Results([], None, False, terms, no_words=True)
    if indexes.words and asked(terms) and not (query.equal or query.ranges or query.order):
        if terms.phrases:
            return _with_phrases(indexes, *page_with(indexes.words, terms, 0, PHRASE_DOCUMENTS), query, terms)
        numbers, total = page_with(indexes.words, terms, PAGE * query.page, PAGE)
        return Results(by_numbers(indexes, numbers), total, total > PAGE * (query.page + 1), terms)
    with _hits(indexes, terms) as (cursor, condition):
        where, values = conditions(query, indexes.numbers)
        where = " AND ".join(filter(None, (condition, where))) or "true"
        order = "number"
        if query.order in indexes.numbers:
            order = f'"{query.order}" {"DESC" if query.descending else "ASC"} NULLS LAST, number'
        if terms.phrases:
            cursor.execute(f"SELECT number FROM facts WHERE {where} ORDER BY {order} LIMIT {PHRASE_DOCUMENTS}", values)
            listed = [row[0] for row in cursor.fetchall()]
            total = cursor.execute(f"SELECT count(*) FROM facts WHERE {where}", values).fetchall()[0][0]
            return _with_phrases(indexes, listed, total, query, terms)
        total = cursor.execute(f"SELECT count(*) FROM facts WHERE {where}", values).fetchall()[0][0]
        listed = cursor.execute(f"SELECT number FROM facts WHERE {where} ORDER BY {order} "
                                f"LIMIT {PAGE} OFFSET {PAGE * query.page}", values).fetchall()
    return Results(by_numbers(indexes, [row[0] for row in listed]), total, total > PAGE * (query.page + 1), terms)


def counts(indexes: Indexes, query: Query) -> dict[str, list[tuple[str, int]]]:
    """Of each filter that has a list of values: how many of the documents found have which, the most frequent first."""
    terms = parse(query.text)
    if asked(terms) and indexes.words is None:
        return {}
    with _hits(indexes, terms) as (cursor, condition):
        where, values = conditions(query, indexes.numbers)
        return count_values(cursor, " AND ".join(filter(None, (condition, where))) or "true", values)


def asked(terms: Terms) -> bool:
    """Whether a query has words."""
    return bool(terms.words or terms.beginnings)


def conditions(query: Query, numbers: Sequence[str]) -> tuple[str, list[Any]]:
    """The filters of a query as a condition over facts, and the values of its parameters."""
    said, values = [], list[Any]()
    for name, value in query.equal.items():
        if name == "outcome":
            said.append(f"({OUTCOMES.get(value, 'false')})")
        elif name in ("rule", "personal"):
            said.append(f"list_contains({'broken' if name == 'rule' else 'personal'}, ?)")
            values.append(value)
        elif name == "host":
            said.append("(host = ? OR ends_with(host, ?))")
            values += [value, f".{value}"]
        elif name in ("source", "language", "kind", "cluster"):
            said.append(f"{name} = ?")
            values.append(value)
    for each in query.ranges:
        if each.signal in numbers:
            for bound, sign in ((each.low, ">="), (each.high, "<=")):
                if bound is not None:
                    said.append(f'"{each.signal}" {sign} ?')
                    values.append(bound)
    return " AND ".join(said), values


@contextlib.contextmanager
def _hits(indexes: Indexes, terms: Terms) -> Iterator[tuple[duckdb.DuckDBPyConnection, str]]:
    """A cursor, and the condition that a document has the words of a query; "" where it has none."""
    with indexes.connection.cursor() as cursor:
        if indexes.words is None or not asked(terms):
            yield cursor, ""
            return
        cursor.register("hits", pa.table({"number": pa.array(documents_with(indexes.words, terms))}))
        yield cursor, "number IN (SELECT number FROM hits)"


def _with_phrases(indexes: Indexes, numbers: Sequence[int], total: int, query: Query, terms: Terms) -> Results:
    """As `search`: the texts of documents that have the words of a phrase are looked through until a page is full."""
    deadline = time.monotonic() + PHRASE_SECONDS
    first, found, looked = PAGE * query.page, list[Found](), 0
    phrases = [phrase.casefold() for phrase in terms.phrases]
    for start in range(0, len(numbers), PAGE):
        some = by_numbers(indexes, numbers[start:start + PAGE])
        places = [each.row for each in some]
        texts = indexes.snapshot.rows("documents", places, ["title", "text"])
        signals = indexes.snapshot.rows("signals", places, ["findings"])
        for each, row, signal in zip(some, texts, signals, strict=True):
            said = f"{row.get('title') or ''}\n{without_findings(row.get('text') or '', signal.get('findings') or ())}"
            text = " ".join(said.split()).casefold()
            if all(phrase in text for phrase in phrases):
                found.append(each)
        looked = start + len(some)
        if len(found) > first + PAGE or time.monotonic() > deadline:
            break
    return Results(found[first:first + PAGE], None, len(found) > first + PAGE, terms, (looked, total))


def _shown(indexes: Indexes) -> list[str]:
    """The facts of a result; what measure has not written yet is not among them."""
    return [name for name in SHOWN if name != "word_count" or name in indexes.numbers]


def _found(indexes: Indexes, shown: Sequence[str], row: Sequence[Any]) -> Found:
    number, facts = row[0], dict(zip(shown, row[1:], strict=True))
    part, place = indexes.snapshot.place(number)
    return Found(number, DocumentRow(part, place, facts["id"], None, facts["source"], None, facts["host"]), facts)


def by_id(indexes: Indexes, id_: str) -> list[Found]:
    """The documents of an id, in order: several where a record was stored twice."""
    return _by(indexes, "id = ?", [id_])


def by_ids(indexes: Indexes, ids: Sequence[str]) -> dict[str, Found]:
    """The first document of each of these ids that there is."""
    found = _by(indexes, "id IN (SELECT unnest(?))", [list(ids)]) if ids else []
    return {each.facts["id"]: each for each in reversed(found)}


def copies_of(indexes: Indexes, id_: str) -> list[Found]:
    """The documents removed as copies of this one, and those that it contains, in order."""
    return _by(indexes, "(kept_id = ? AND kind IS NOT NULL) OR contained_in = ?", [id_, id_])


def in_cluster(indexes: Indexes, cluster: str) -> list[Found]:
    """The documents of a cluster, kept ones first."""
    return _by(indexes, "cluster = ?", [cluster], "kind IS NOT NULL, number")


def _by(indexes: Indexes, where: str, values: list[Any], order: str = "number") -> list[Found]:
    shown = _shown(indexes)
    with indexes.connection.cursor() as cursor:
        rows = cursor.execute(f"SELECT number, {', '.join(shown)} FROM facts WHERE {where} ORDER BY {order}", values).fetchall()
    return [_found(indexes, shown, row) for row in rows]


def by_numbers(indexes: Indexes, numbers: Sequence[int]) -> list[Found]:
    """The documents of these numbers, in the order given."""
    found = _by(indexes, "number IN (SELECT unnest(?))", [list(numbers)]) if numbers else []
    known = {each.number: each for each in found}
    return [known[number] for number in numbers if number in known]


def at_address(indexes: Indexes, url: str) -> list[Found]:
    """The documents that have this address as it is given, in order."""
    some = _by(indexes, "url = hash(?)", [url])
    rows = indexes.snapshot.rows("documents", [each.row for each in some], ["url"])
    return [each for each, row in zip(some, rows, strict=True) if row.get("url") == url]
