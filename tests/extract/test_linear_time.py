"""Nothing that runs in the worker takes more than linear time: every pattern, and every step before a page is parsed."""

import gzip
import importlib
import io
import pkgutil
import re
import signal
import time
import zlib
from collections.abc import Callable, Iterator
from functools import cache
from typing import Any

import pytest
import regex

from tests.pages import payload
from tests.paths import ROOT
from textmill.pipelines import extract
from textmill.pipelines.contract.lines import read_lines
from textmill.pipelines.extract.files.archive import read_records
from textmill.pipelines.extract.files.framing import Limits
from textmill.pipelines.extract.files.records import HeadError, Headers, Response, http_response, record_head
from textmill.pipelines.extract.pages.charset import decode, http_charset
from textmill.pipelines.extract.pages.kind import no_page
from textmill.pipelines.extract.pages.read_page import read_page
from textmill.pipelines.extract.pages.source import markup
from textmill.pipelines.extract.refusal import Refusal
from textmill.pipelines.extract.settings import ExtractSettings
from textmill.pipelines.web import address

MEGABYTE = 1 << 20
SECONDS = 5         # of CPU for a megabyte; what is quadratic takes hours
# Patterns that are given so many characters at most, however much there is; those of `patterns` read a library's XPaths, not pages.
BOUNDED = {"charset._META": 4096, "charset._COMMENT": 4096, "kind._XML_NO_PAGE": 1024, "kind._HTML_START": 4096,
           "blocklists._COMMENT": 1 << 16, "blocklists._HOSTS_FILE": 1 << 16, "blocklists._ANCHOR": 1 << 16, "blocklists._HOST": 254,
           "pdf_layout._JOINS": 60, "formulas._DISPLAY": 10_000, "metadata._AFTER": 300, "metadata._BY": 300,
           "metadata._NO_NAME": 300, "metadata._SEPARATOR": 500, "metadata._IN_WORDS": 200}
NO_PAGES = "textmill.pipelines.extract.pages.patterns"


@cache
def patterns() -> dict[str, re.Pattern[Any]]:
    """Every compiled pattern of the modules of extract, and of addresses, by module and name: also those in tuples and tables."""
    modules = [address, *(importlib.import_module(found.name) for found in pkgutil.walk_packages(extract.__path__, f"{extract.__name__}."))]
    return {f"{module.__name__.rpartition('.')[2]}.{name}": pattern for module in modules if module.__name__ != NO_PAGES
            for name, value in vars(module).items() for pattern in compiled(value)}


def is_anchored(name: str) -> bool:
    """Whether a pattern is only ever matched from a place on, never searched for."""
    module, _, constant = name.partition(".")
    path = next(path for path in (ROOT / "pipelines").rglob(f"{module}.py") if path.parts[-2] in ("web", "extract", "files", "formats", "document_formats", "pages"))
    return set(re.findall(rf"\b{constant}\.(\w+)\(", path.read_text())) in ({"match"}, {"fullmatch"})


def compiled(value: Any) -> Iterator[re.Pattern[Any]]:
    if isinstance(value, re.Pattern | type(regex.compile(""))):
        yield value
    elif isinstance(value, tuple | list):
        for one in value:
            yield from compiled(one)
    elif isinstance(value, dict):
        yield from compiled(list(value.values()))


def pieces(parsed: Any) -> Iterator[str]:
    """A string that matches, in its parts: one character for a class, one round of each repetition."""
    for kind, value in parsed:
        name = str(kind)
        if name == "LITERAL":
            yield chr(value)
        elif name == "IN":
            yield of_class(value)
        elif name in ("ANY", "NOT_LITERAL"):
            yield "x"
        elif name in ("MAX_REPEAT", "MIN_REPEAT", "POSSESSIVE_REPEAT"):
            yield from pieces(value[2])
        elif name == "SUBPATTERN":
            yield from pieces(value[-1])
        elif name == "ATOMIC_GROUP":
            yield from pieces(value)
        elif name == "BRANCH":
            yield "|"
            for branch in value[1]:
                yield "".join(piece for piece in pieces(branch) if piece != "|")
            yield "|"


def of_class(items: Any) -> str:
    categories = {"CATEGORY_SPACE": " ", "CATEGORY_DIGIT": "1", "CATEGORY_WORD": "a", "CATEGORY_NOT_SPACE": "x"}
    for kind, value in items:
        if str(kind) == "NEGATE":
            return "x"
        if str(kind) == "LITERAL":
            return chr(value)
        if str(kind) == "RANGE":
            return chr(value[0])
        return categories.get(str(value), "x")
    return "x"


def attacks(pattern: re.Pattern[Any], size: int) -> Iterator[Any]:
    """Strings that begin to match and then repeat what a repetition, an alternative or the whole begins with."""
    source = pattern.pattern if isinstance(pattern.pattern, str) else pattern.pattern.decode("latin-1")
    parts = list(pieces(re._parser.parse(source))) if isinstance(pattern, re.Pattern) else ["\u0301"]
    prefixes, atoms, bare = [""], {" ", "\r", "\n", "a", "1", "<", "x"}, ""
    in_branch = False
    for part in parts:
        if part == "|":
            in_branch = not in_branch
            continue
        atoms.add(part)
        bare = bare if in_branch else bare + part
        prefixes.append(bare + part if in_branch else bare)
    shapes = [(prefix, atom) for prefix in dict.fromkeys(prefixes) for atom in sorted(atoms)]
    shapes += [("", prefix + atom) for prefix in dict.fromkeys(prefixes) for atom in ("", " ", "\r", "x", "<")]
    for prefix, atom in shapes:
        if atom:
            attack = (prefix + atom * (size // len(atom) + 1))[:size] + "\0"
            yield attack if isinstance(pattern.pattern, str) else attack.encode("latin-1", "replace")


def grown(attack: Any, size: int) -> Any:
    """The attack at this size: what it repeats, on and on."""
    return attack[:-1] if size <= len(attack) else attack[:64] + attack[64:-1] * (size // len(attack))


def seconds(work: Callable[[], object], most: float) -> float:
    """CPU seconds of a call, which is ended after so many."""
    def stop(*_: object) -> None:
        raise TimeoutError

    before, start = signal.signal(signal.SIGVTALRM, stop), time.process_time()
    signal.setitimer(signal.ITIMER_VIRTUAL, most)
    try:
        work()
    except TimeoutError:
        return float("inf")
    finally:
        signal.setitimer(signal.ITIMER_VIRTUAL, 0)
        signal.signal(signal.SIGVTALRM, before)
    return time.process_time() - start


def walk(pattern: re.Pattern[Any], attack: Any, anchored: bool = False) -> None:
    """All that code does with a pattern: from the start, at the whole, and anywhere."""
    pattern.match(attack)
    pattern.fullmatch(attack)
    for _ in () if anchored else pattern.finditer(attack):
        pass


@pytest.mark.slow
@pytest.mark.parametrize("name", sorted(patterns()))
def test_a_pattern_takes_linear_time_on_its_worst_megabyte(name):
    pattern, size, anchored = patterns()[name], BOUNDED.get(name, MEGABYTE), is_anchored(name)
    tried = [(seconds(lambda a=attack: walk(pattern, a, anchored), SECONDS), attack) for attack in attacks(pattern, min(size, 1 << 11))]
    for _, attack in sorted(tried, key=lambda pair: -pair[0])[:3]:
        large = grown(attack, size)
        assert seconds(lambda a=large: walk(pattern, a, anchored), SECONDS) < SECONDS, attack[:80]


def test_a_pattern_that_is_quadratic_or_worse_is_seen():
    for bad in (rb"\r*\n", rb"a\s*=?\s*b", rb"(<!--.*?-->\s*)*<html", rb"<!--.*?-->"):
        pattern = re.compile(bad, re.S)
        tried = [(seconds(lambda a=attack, p=pattern: walk(p, a), 0.1), attack) for attack in attacks(pattern, 1 << 11)]
        worst = [grown(attack, MEGABYTE) for _, attack in sorted(tried, key=lambda pair: -pair[0])[:3]]     # a moment of noise may be first
        assert any(seconds(lambda p=pattern, a=large: walk(p, a), 1) > 1 for large in worst), bad


def head(extra: bytes) -> bytes:
    return b"HTTP/1.1 200 OK\r\nContent-Type: text/html; charset=" + extra


ZERO = gzip.compress(b"", mtime=0)
WORST = {
    "comments before html": lambda: no_page(b"<!---->" * (MEGABYTE // 7) + b"<html>"),
    "comments of a plain text": lambda: decode(b"<!--" * (MEGABYTE // 4) + b"\xff", None),
    "tags without end": lambda: decode(b"<" * MEGABYTE + b"\xff", None),
    "scripts without end": lambda: markup("<script>" * (MEGABYTE // 8)),
    "comments without end": lambda: markup("<!--\"'" * (MEGABYTE // 6)),
    "quotes without end": lambda: markup("<a \"'><!--'\">-->" * (MEGABYTE // 16)),
    "a head of carriage returns": lambda: refused(lambda: http_response(head(b"\r" * MEGABYTE))),
    "a head of empty headers": lambda: refused(lambda: http_response(head(b"\na:" * (MEGABYTE // 3)))),
    "a record's head of carriage returns": lambda: refused(lambda: record_head(b"WARC/1.0\r\nWARC-Type: response" + b"\r" * MEGABYTE)),
    "a charset behind spaces": lambda: http_charset("text/html; charset=" + " " * MEGABYTE + "!"),
    "empty gzip members of a body": lambda: payload(Response(200, Headers((("content-encoding", "gzip"),)), ZERO * 100_000), MEGABYTE),
    "empty gzip members of lines": lambda: list(read_lines(io.BytesIO(ZERO * 100_000), 0, 1 << 40, MEGABYTE)),
    "a line in many pieces": lambda: list(read_lines(io.BytesIO(zlib_of(b"x" * (64 * MEGABYTE))), 0, 1 << 40, 65 * MEGABYTE)),
    "a label of a host": lambda: address.host("http://" + "ß" * MEGABYTE + ".example/"),
    "many labels of a host": lambda: address.domain(address.host("http://" + "a." * MEGABYTE + "example/")),
    "a host of idna": lambda: address.canonical_url("http://" + "ä" * MEGABYTE + "/" + "%2e/" * 1000),
    "a row of spans": lambda: read_page("<p>" + "<span class=a>x1</span>" * 50_000, ExtractSettings()),
    "a list of lines": lambda: read_page("<ol>" + "<li>the river rose\n" * 50_000, ExtractSettings()),
    "chunks of nothing": lambda: payload(Response(200, Headers((("transfer-encoding", "chunked"),)), b"1" * MEGABYTE), MEGABYTE),
}


def refused(work: Callable[[], object]) -> None:
    with pytest.raises(HeadError):
        work()


def zlib_of(data: bytes) -> bytes:
    stream = zlib.compressobj(1, zlib.DEFLATED, 31)
    return stream.compress(data) + stream.flush()


@pytest.mark.slow
@pytest.mark.parametrize("name", WORST)
def test_a_step_takes_linear_time_on_its_worst_megabyte(name):
    assert seconds(WORST[name], SECONDS) < SECONDS


def test_a_body_of_a_thousand_gzip_members_is_a_bomb():
    coded = Headers((("content-encoding", "gzip"),))
    assert payload(Response(200, coded, gzip.compress(b"page", mtime=0) + ZERO * 998), 100) == b"page"
    assert payload(Response(200, coded, gzip.compress(b"page", mtime=0) + ZERO * 1000), 100) == Refusal(
        "bomb", ">1000", "1000", "gzip members of one body")


@pytest.mark.slow
def test_a_megabyte_of_records_without_an_end_to_their_headers_is_walked_once():
    stored = b"WARC/1.0\n" * (MEGABYTE // 9)
    assert seconds(lambda: sum(1 for _ in read_records(io.BytesIO(stored), "f", 0, len(stored), Limits(MEGABYTE, 500), [])), SECONDS) < SECONDS
