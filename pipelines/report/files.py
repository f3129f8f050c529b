"""The report's tables as files: report.json, report.md, and a CSV file for each table.

The same values as on the page: JSON and CSV have them plainly (a share is 0 to 1, a size is bytes), Markdown as people read
them. A text in CSV that a spreadsheet would run as a formula begins with an apostrophe.
"""

import csv
import io
import json
import re
from collections.abc import Iterable, Sequence
from typing import Any

from textmill.pipelines.report.headline import Tile
from textmill.pipelines.report.provenance import Provenance
from textmill.pipelines.report.tables import Table, Value

TABLES = "tables"
JSON, MARKDOWN = "report.json", "report.md"
MOST_ROWS = 50          # of a table in Markdown, which is to be read
LONGEST = 200           # characters of a cell there
SPECIAL = re.compile(r"([\\`*_\[\]<>|#~&])")
FORMULA = re.compile(r"[=+\-@\t\r]")
# Tables that only draw a figure of the page: too long to be read, and in the other files.
FIGURES = ("rule_bins", "length_bins", "curves", "reasons_by_group", "extractions", "near_bounds")


def files(tables: Iterable[Table], provenance: Provenance, tiles: Sequence[Tile]) -> dict[str, str]:
    """Path in the report's folder → content."""
    tables = list(tables)
    return {f"{TABLES}/{table.name}.csv": to_csv(table) for table in tables} | {
        JSON: to_json(tables, provenance, tiles), MARKDOWN: to_markdown(tables, provenance, tiles)}


def to_csv(table: Table) -> str:
    """A header and a line for each row, RFC 4180 but for ends of lines; nothing for null, true and false for flags."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow([column.name for column in table.columns])
    writer.writerows([[_plain(value) for value in row] for row in table.rows])
    return out.getvalue()


def _plain(value: Value) -> Value:
    if isinstance(value, bool):
        return "true" if value else "false"
    return f"'{value}" if isinstance(value, str) and FORMULA.match(value) else value


def to_json(tables: Sequence[Table], provenance: Provenance, tiles: Sequence[Tile]) -> str:
    """`citation`, `bibtex`, `headline`, and `tables`: of each its title, what a row is, its columns, its rows as objects."""
    content = {
        "textmill": provenance.version, "mixture": provenance.mixture, "citation": provenance.citation,
        "bibtex": provenance.bibtex,
        "headline": [{"title": tile.title, "figure": tile.figure, "sentence": tile.said} for tile in tiles]}
    head = ",\n".join(f"{_json(name)}: {_json(value)}" for name, value in content.items())
    return f"{{{head},\n\"tables\": {{\n" + ",\n".join(map(_table_json, tables)) + "}}\n"


def _table_json(table: Table) -> str:
    """A table with a row a line."""
    columns = [{"name": column.name, "kind": column.kind, "meaning": column.meaning} for column in table.columns]
    rows = ",\n".join(map(_json, table.records()))
    return (f'{_json(table.name)}: {{"title": {_json(table.title)}, "row": {_json(table.row)}, "columns": {_json(columns)}, '
            f'"rows": [\n{rows}]}}')


def _json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False)


def to_markdown(tables: Sequence[Table], provenance: Provenance, tiles: Sequence[Tile]) -> str:
    """The report to be read in a terminal or a repository; of a long table its first rows."""
    lines = [f"# Corpus report: {_escaped(provenance.mixture)}", "", _escaped(provenance.citation), ""]
    lines += [f"- **{tile.title}: {tile.figure}.** {_escaped(tile.said)}" for tile in tiles]
    for table in tables:
        if table.rows and table.name not in FIGURES:
            lines += ["", f"## {table.title}", "", *_rows(table)]
    return "\n".join([*lines, "", "## Cite as", "", "```bibtex", provenance.bibtex, "```", ""])


def _rows(table: Table) -> list[str]:
    columns = table.shown
    lines = [_line(column.heading for column in columns), _line("---:" if column.is_number else "---" for column in columns)]
    lines += [_line(_cell(column.formatted(value)) for column, value in table.cells(row)) for row in table.rows[:MOST_ROWS]]
    left = len(table.rows) - MOST_ROWS
    return lines + (["", f"And {left:,} more in {TABLES}/{table.name}.csv."] if left > 0 else [])


def _line(cells: Iterable[str]) -> str:
    return f"| {' | '.join(cells)} |"


def _cell(text: str) -> str:
    line = " ".join(text.split())
    return _escaped(line if len(line) <= LONGEST else f"{line[:LONGEST - 1]}…")


def _escaped(text: str) -> str:
    r"""Text in which no character means something in Markdown or HTML.

    >>> _escaped("<b>|a_b")
    '\\<b\\>\\|a\\_b'
    """
    return SPECIAL.sub(r"\\\1", text)
