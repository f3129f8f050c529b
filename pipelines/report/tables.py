"""Tables of the report: the one source that its page, JSON, Markdown and CSV are written from.

A value is stored plainly (a share is 0 to 1, a size is bytes) and formatted by its column, in one place.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Literal

from textmill.pipelines.display import numbers
from textmill.pipelines.display.masking import visible

Kind = Literal["text", "count", "share", "number", "size", "flag"]
Value = str | int | float | bool | None
WRITERS: dict[str, Any] = {"count": numbers.count, "share": numbers.percent, "number": numbers.decimal, "size": numbers.size}


@dataclass(frozen=True)
class Column:
    """A column: its name in files, its heading on the page, what it holds, and how a value is written.

    `bar` draws a bar of that class beside a share, or beside a number, against the largest in the table. The page leaves
    out columns that are not `shown`; a `long` one may break anywhere.
    """

    name: str
    meaning: str
    kind: Kind = "text"
    label: str = ""
    bar: str = ""
    shown: bool = True
    long: bool = False

    @property
    def heading(self) -> str:
        return self.label or self.name.replace("_", " ")

    @property
    def is_number(self) -> bool:
        return self.kind in ("count", "share", "number", "size")

    def formatted(self, value: Value) -> str:
        """A value as people read it.

        >>> Column("keep_rate", "", "share").formatted(0.735), Column("kept", "", "count").formatted(None)
        ('73.5 %', '–')
        """
        if value is None:
            return "–"
        if self.kind == "text":
            return str(value) or "–"
        if self.kind == "flag":
            return "yes" if value else "no"
        return str(WRITERS[self.kind](value))


@dataclass(frozen=True)
class Table:
    """A table: its name in files, a title, what a row is, its columns and rows. Text in it holds no control characters."""

    name: str
    title: str
    row: str
    columns: tuple[Column, ...]
    rows: tuple[tuple[Value, ...], ...] = field(default=())

    @property
    def shown(self) -> list[Column]:
        """The columns on the page."""
        return [column for column in self.columns if column.shown]

    def values(self, name: str) -> list[Value]:
        """One column."""
        number = [column.name for column in self.columns].index(name)
        return [row[number] for row in self.rows]

    def cells(self, row: Sequence[Value]) -> list[tuple[Column, Value]]:
        """A row's values on the page, with their columns."""
        return [(column, value) for column, value in zip(self.columns, row, strict=True) if column.shown]

    def largest(self, name: str) -> float:
        """What bars of a column are drawn to."""
        return max((float(value) for value in self.values(name) if value is not None), default=0.0) or 1.0

    def only(self, name: str, value: Value) -> "Table":
        """The rows with one value of a column, which is not shown then."""
        number = [column.name for column in self.columns].index(name)
        columns = tuple(replace(column, shown=column.shown and column.name != name) for column in self.columns)
        return replace(self, columns=columns, rows=tuple(row for row in self.rows if row[number] == value))

    def records(self) -> list[dict[str, Value]]:
        """Its rows by the names of the columns."""
        return [dict(zip((column.name for column in self.columns), row, strict=True)) for row in self.rows]


def table(name: str, title: str, row: str, columns: Sequence[Column], rows: Iterable[Sequence[Value]]) -> Table:
    """A Table whose texts are without control characters."""
    clean: Any = tuple(tuple(visible(value) for value in values) for values in rows)
    return Table(name, title, row, tuple(columns), clean)
