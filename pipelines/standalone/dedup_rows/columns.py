"""What of a row is compared: its text, its address, its date, wherever people keep them."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from textmill.pipelines.text.dates import read_date
from textmill.pipelines.web.address import is_web_address

# The first of these that gives a text is a row's text: a column, or columns that belong together. Names are found in any case.
TEXTS = (("text",), ("content",), ("raw_content",), ("messages",), ("conversations",), ("conversation",), ("dialogue",),
         ("prompt", "chosen", "rejected"), ("prompt", "response"), ("prompt", "completion"), ("instruction", "input", "output"),
         ("question", "answer"), ("body",), ("code",))
URLS = ("url", "uri", "target_uri", "meta.url", "metadata.url", "meta.uri", "metadata.uri", "warc_headers.WARC-Target-URI")
DATES = ("date", "timestamp", "warc_date", "crawl_date", "created", "meta.date", "metadata.date", "meta.timestamp",
         "metadata.timestamp", "metadata.created", "warc_headers.WARC-Date")


Path = tuple[str, str]      # a column of a row, and the rest of a path into its value ("" where the column is meant)


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
        keys = {key: key for key in there if isinstance(key, str)}
        lowered = {key.lower(): key for key in reversed(keys)}

        def paths(names: Sequence[str]) -> tuple[Path, ...]:
            found = []
            for name in names:
                head, _, rest = name.partition(".")
                if (key := keys.get(name) or lowered.get(name.lower())) is not None:
                    found.append((key, ""))
                elif rest and (key := keys.get(head) or lowered.get(head.lower())) is not None:
                    found.append((key, rest))
            return tuple(found)

        if self.names:
            return Plan((paths(self.names),), paths(URLS), paths(DATES))
        # A prompt alone is no dialogue: of columns that belong together the first and the last have to be there.
        groups = [paths(group) for group in TEXTS if paths(group[:1]) and paths(group[-1:])]
        return Plan(tuple(groups), paths(URLS), paths(DATES))


def at(row: Any, path: Path) -> Any:
    """The value at a path; None where it leads nowhere. Below the first column case is ignored where it has to be."""
    value, rest = row.get(path[0]), path[1]
    while rest and isinstance(value, dict):
        if rest in value:
            return value[rest]
        lowered = {key.lower(): key for key in value if isinstance(key, str)}
        if rest.lower() in lowered:
            return value[lowered[rest.lower()]]
        head, _, rest = rest.partition(".")
        value = value.get(lowered.get(head.lower(), head))
    return None if rest else value


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
