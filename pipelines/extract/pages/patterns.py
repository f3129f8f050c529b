"""trafilatura's XPath tables, with memoised lookups keyed by tag and attributes.

Most of its XPaths test for every element whether its class, id or style matches a regular expression: a Python call for
each element and pattern, a third of the time of a page (measured). Pages repeat their attributes, so each distinct set of
them is tested by the original XPath once, on an element of its own. The results are the library's own, whatever its patterns
are; an XPath that tests anything else first is left unchanged.
"""

import re
from importlib import import_module
from typing import NamedTuple

from lxml.etree import Element, SubElement, XPath, _Element
from trafilatura import xpaths

_REMEMBERED = 4_000         # distinct sets of attributes of one pattern; beyond that the memo is cleared
_NAMESPACES = {"re": xpaths.REGEXP_NS}
_OTHER = "other"            # stands for every tag that a pattern does not name
_QUOTED = re.compile(r"'[^']*'|\"[^\"]*\"")
_FIRST = re.compile(r"\s*\((.*)\)\[1\]\s*", re.S)
# .//* or .//div, [self::div or self::p], [a test of attributes], [anything more]: what follows asks of what these leave
_STEP = re.compile(r"\s*\.//(?P<tag>\*|\w+)\s*(\[(?P<tags>\s*self::\w+(\s+or\s+self::\w+)*\s*)\])?"
                   r"(\[(?P<test>(@[\w-]+|'x*'|re:test|contains|starts-with|translate|or|and|[(),|=\s])*)\])?"
                   r"(?P<more>(\s*\[.*\])?)\s*(\||$)", re.S)


class Pattern(NamedTuple):
    """A parsed XPath: its tags (all, where there are none), its test of attributes, and the remaining condition."""

    tags: tuple[str, ...]
    attributes: frozenset[str]
    remembered: XPath           # the part decided by a tag and its attributes
    then: XPath | None          # the rest, tested on elements that passed
    first: str                  # "all", or the first "of the tree", or the first "of its parent"


class Remembered:
    """A memoised XPath of a Pattern: finds the same elements in the same order as the original."""

    def __init__(self, original: XPath, asks: Pattern):
        self.original, self.asks = original, asks
        self.known: dict[tuple[str, tuple[tuple[str, str], ...]], bool] = {}
        self.named = frozenset(asks.tags) | frozenset(re.findall(r"\.//(\w+)", str(asks.remembered.path)))

    def __str__(self) -> str:
        return str(self.original)

    def __call__(self, tree: _Element) -> list[_Element]:
        tags, attributes, _, then, first = self.asks
        known, named, found, parents = self.known, self.named, [], set()
        for element in tree.iterdescendants(*(tags or ("*",))):
            key = (element.tag if element.tag in named else _OTHER,
                   tuple([item for item in element.items() if item[0] in attributes]))
            answer = known.get(key)
            if answer is None:
                answer = self._ask(key)
            if not answer or (then is not None and not then(element)):
                continue
            if first == "of its parent":
                if element.getparent() in parents:
                    continue
                parents.add(element.getparent())
            found.append(element)
            if first == "of the tree":
                break
        return found

    def _ask(self, key: tuple[str, tuple[tuple[str, str], ...]]) -> bool:
        if len(self.known) >= _REMEMBERED:
            self.known.clear()
        alone = Element("alone")
        SubElement(alone, key[0], dict(key[1]))
        answer = self.known[key] = bool(self.asks.remembered(alone))
        return answer


def pattern(xpath: XPath) -> Pattern | None:
    """The Pattern of an XPath that tests tags and attributes first; None for any other."""
    path = str(xpath.path)
    whole = _FIRST.fullmatch(path)
    path = whole[1] if whole else path
    bare = _QUOTED.sub(lambda match: f"'{'x' * (len(match[0]) - 2)}'", path)        # every character at its place
    steps, place = [], 0
    while place < len(bare):
        step = _STEP.match(bare, place)
        if not step or not (step["tags"] or step["test"] or step["tag"] != "*"):
            return None
        steps.append(step)
        place = step.end()
    more = path[steps[0].start("more"):steps[0].end("more")].strip()
    if len(steps) > 1 and any(step["more"].strip() for step in steps):
        return None
    if more != "[1]" and re.search(r"\[\s*\d|position|last\(", more):
        return None
    tags = sorted({tag for step in steps for tag in (re.findall(r"self::(\w+)", step["tags"] or "") or [step["tag"]])})
    return Pattern(() if "*" in tags else tuple(tags),
                   frozenset(name for step in steps for name in re.findall(r"@([\w-]+)", step["test"] or "")),
                   XPath(path[:steps[0].start("more")] if more else path, namespaces=_NAMESPACES),
                   XPath(f"self::*{more}", namespaces=_NAMESPACES) if more not in ("", "[1]") else None,
                   "of the tree" if whole else "of its parent" if more == "[1]" else "all")


def remember_patterns() -> dict[str, Remembered]:
    """Replace the XPaths that can be memoised in the library's tables, in place. Once per process; idempotent."""
    for table in vars(xpaths).values():
        for number, xpath in enumerate(table if isinstance(table, list) else ()):
            if isinstance(xpath, XPath) and (asks := pattern(xpath)):
                table[number] = Remembered(xpath, asks)
    baseline = import_module("trafilatura.baseline")        # in the package the name is a function's
    if isinstance(baseline.BASIC_CLEAN_XPATH, XPath) and (asks := pattern(baseline.BASIC_CLEAN_XPATH)):
        baseline.__dict__["BASIC_CLEAN_XPATH"] = Remembered(baseline.BASIC_CLEAN_XPATH, asks)
    tables = {name: table for name, table in vars(xpaths).items() if isinstance(table, list)}
    tables["BASIC_CLEAN_XPATH"] = [baseline.BASIC_CLEAN_XPATH]
    return {f"{name}[{number}]": entry for name, table in tables.items() for number, entry in enumerate(table)
            if isinstance(entry, Remembered)}
