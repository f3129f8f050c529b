"""What of a row is compared: its text, its address, its date, wherever people keep them."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from textmill.base.columns import DATES, URLS, Path, at, paths
from textmill.pipelines.text.dates import read_date
from textmill.pipelines.web.address import is_web_address

# The first of these that gives a text is a row's text: a column, or columns that belong together. Names are found in any case.
TEXTS = (("text",), ("content",), ("raw_content",), ("messages",), ("conversations",), ("conversation",), ("dialogue",),
         ("prompt", "chosen", "rejected"), ("prompt", "response"), ("prompt", "completion"), ("instruction", "input", "output"),
         ("question", "answer"), ("body",), ("code",))


class Plan(NamedTuple):
    """Where rows with certain columns have what is compared; paths that cannot lead anywhere are left out."""

    texts: tuple[tuple[Path, ...], ...]
    urls: tuple[Path, ...]
    dates: tuple[Path, ...]


class Columns:
    """Where rows have their text: the columns named (all of them together), or the usual ones."""

    def __init__(self, names: Sequence[str] = ()):
        self.names = tuple(names)
        self._plans: dict[tuple[str, ...], Plan] = {}

    def top_level(self, there: Sequence[str]) -> list[str]:
        """The columns, of those there are, that may be needed."""
        wanted = [*(self.names or [name for group in TEXTS for name in group]), *URLS, *DATES]
        heads = {name.lower() for path in wanted for name in (path, path.partition(".")[0])}
        return [name for name in there if name.lower() in heads]

    def of(self, row: Mapping[str, Any]) -> tuple[str | None, str | None, str | None]:
        """The row's text, web address and date; None for each that it has not, and for a text of white space alone."""
        there = tuple(row)
        if (plan := self._plans.get(there)) is None:
            plan = self._plans[there] = self._plan(there)
        text = next(filter(None, (_joined(row, group) for group in plan.texts)), None)
        url = next((value for path in plan.urls if isinstance(value := at(row, path), str) and is_web_address(value)), None)
        return text, url, next((date for path in plan.dates if (date := read_date(at(row, path)))), None)

    def _plan(self, there: Sequence[str]) -> Plan:
        if self.names:
            return Plan((paths(there, self.names),), paths(there, URLS), paths(there, DATES))
        # A prompt alone is no dialogue: of columns that belong together the first and the last have to be there.
        groups = [paths(there, group) for group in TEXTS if paths(there, group[:1]) and paths(there, group[-1:])]
        return Plan(tuple(groups), paths(there, URLS), paths(there, DATES))


def _joined(row: Mapping[str, Any], group: Sequence[Path]) -> str | None:
    if len(group) == 1 and isinstance(text := at(row, group[0]), str):
        return text if text.strip() else None
    text = "\n\n".join(filter(None, ("\n".join(strings(at(row, path))) for path in group)))
    return text if text.strip() else None


def strings(value: Any) -> Iterator[str]:
    """The texts in a value: itself, those of a list, what the turns of a dialogue say."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, bytes):
        yield value.decode("utf-8", "replace")
    elif isinstance(value, dict):
        said = next((value[key] for key in ("content", "value", "text") if key in value), None)
        yield from strings(list(value.values()) if said is None else said)
    elif isinstance(value, list | tuple):
        for one in value:
            yield from strings(one)
