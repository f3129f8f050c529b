"""CSV and TSV: one record per row below a header, with its separator and charset found out.

A quote that is not closed, or closed in the middle of a field, costs the line it stands in: reading goes on with the next.
"""

import codecs
import csv
import io
import re
from collections.abc import Iterator, Sequence
from typing import Any

from textmill.pipelines.contract.lines import Line, json_value, read_lines
from textmill.pipelines.extract.files.inflated import Chunks, pieces
from textmill.pipelines.extract.files.raw_file import Range
from textmill.pipelines.extract.formats.format import of_rows, whole
from textmill.pipelines.extract.formats.rows import PlainRow
from textmill.pipelines.extract.pages.charset import detected_charset
from textmill.pipelines.extract.rows import Rejected
from textmill.pipelines.extract.settings import ExtractSettings

_SAMPLE = 1 << 16           # bytes that decide the charset and the separator
_SEPARATORS = ",\t;|"
_MOST_COLUMNS = 10_000
_ANNOUNCED = re.compile("\ufeff?sep=(.)\r?\n")      # the first line that Excel writes and reads
_QUOTED = re.compile(r'(?:^|\t)"(?:[^"]|"")*+"(?=\t|\r?$)', re.M)      # a field of TSV in quotes


class _Lines:
    """The lines that a csv.reader takes for one row; what it took in vain can be put back."""

    def __init__(self, lines: Iterator[Line], codec: str, most: int):
        self.lines, self.codec, self.most = lines, codec, most
        self.ahead: list[Line] = []
        self.taken: list[Line] = []
        self.rejected: list[Line] = []
        self.size = 0

    def __iter__(self) -> "_Lines":
        return self

    def __next__(self) -> str:
        line = self.ahead.pop() if self.ahead else next(self.lines)
        if line.data is None:
            self.rejected.append(line)
            raise StopIteration
        self.taken.append(line)
        self.size += len(line.data) + 1
        if self.size > self.most:
            raise csv.Error("it is longer than a row may be")
        return text_of(line.data, self.codec) + "\n"

    def begin(self) -> None:
        self.taken, self.size = [], 0

    def put_back(self) -> None:
        """All lines of this row but the first."""
        self.ahead += reversed(self.taken[1:])
        del self.taken[1:]


def rows(file: Any, part: Range, limits: ExtractSettings) -> Iterator[PlainRow | Rejected]:
    """The rows below the header, each a mapping of its columns; a row that does not fit the header is rejected."""
    file.seek(0)
    sample = file.read(_SAMPLE)
    codec, file = _as_lines(file, sample)
    bounded = read_lines(file, 0, 1 << 62, limits.max_record_bytes)
    lines = _Lines(bounded, codec, limits.max_record_bytes)
    file.seek(0)
    start = text_of(file.read(_SAMPLE), codec)
    announced = _ANNOUNCED.match(start)
    tabs = re.search(r"\.(tsv|tab)(\.\w+)?$", part.path, re.I)
    separator = announced[1] if announced else "\t" if tabs else separator_of(start)
    quotes = separator != "\t" or bool(_QUOTED.search(start))
    header: list[str] | None = None
    columns = limits.dialogue_columns
    turns = frozenset(name.lower() for part in (columns.messages, columns.prompt, columns.response, columns.chosen,
                                                columns.rejected) for name in part)
    csv.field_size_limit(limits.max_record_bytes)
    for offset, length, fields in _records(lines, separator, quotes, part.path):
        if isinstance(fields, Rejected):
            yield fields
        elif announced and not offset:
            continue
        elif header is None:
            if len(fields) > _MOST_COLUMNS:
                yield Rejected(part.path, offset, "too_many_values", length, value=str(len(fields)), bound=str(_MOST_COLUMNS),
                               detail="columns of the header")
                return
            header = column_names(fields)
        elif len(fields) > len(header) and any(fields[len(header):]):
            yield Rejected(part.path, offset, "bad_row", length, value=str(len(fields)), bound=str(len(header)),
                           detail=f"the row has {len(fields)} fields, the header {len(header)}")
        else:
            row = {name: _value(field) for name, field in zip(header, fields, strict=False)}
            yield PlainRow(offset, length, _with_lists(row, turns))


def _records(lines: _Lines, separator: str, quotes: bool, path: str) -> Iterator[tuple[int, int, list[str] | Rejected]]:
    """(offset, bytes, fields) of each row; a Rejected in place of the fields where it cannot be read."""
    quoting: Any = csv.QUOTE_MINIMAL if quotes else csv.QUOTE_NONE
    while True:
        lines.begin()
        try:
            # A fresh reader for each row: one that failed would go on in the middle of its field.
            fields: Any = next(csv.reader(lines, delimiter=separator, strict=True, quoting=quoting), None)
        except csv.Error as error:
            lines.put_back()
            first = lines.taken[0]
            fields = Rejected(path, first.offset, "broken_quotes", len(first.data or b""), detail=_reason(error))
        for line in lines.rejected:
            yield line.offset, 0, Rejected(path, line.offset, line.rule or "damaged", detail=line.detail)
        if fields is None and not lines.rejected:
            return
        lines.rejected = []
        if fields and lines.taken:
            size = sum(len(line.data or b"") for line in lines.taken) + len(lines.taken) - 1
            yield lines.taken[0].offset, size, fields


def _reason(error: csv.Error) -> str:
    said = str(error)
    if "expected after" in said:
        return "a quote stands in the middle of a quoted field"
    if "new-line character" in said:
        return "a carriage return stands in a field without quotes"
    return "a quote is not closed" if "unexpected end" in said else said


def separator_of(sample: str) -> str:
    r"""The separator that cuts the first rows into most fields, equally many; a comma where none cuts them.

    >>> separator_of('text;n\nOne, two;3\n')
    ';'
    """
    best, fields = ",", 1
    for separator in _SEPARATORS:
        try:
            found = [len(row) for row, _ in zip(csv.reader(io.StringIO(sample), delimiter=separator), range(20), strict=False)
                     if row]
        except csv.Error:
            continue
        found = found[:-1] if len(found) > 2 else found        # the last may be cut
        if found and found[0] > fields and sum(count == found[0] for count in found) >= 0.8 * len(found):
            best, fields = separator, found[0]
    return best


def column_names(header: Sequence[str]) -> list[str]:
    """Names of the columns, each once: an empty one by its number, a repeated one with a number.

    >>> column_names(["text", "", "text"])
    ['text', 'column_2', 'text_3']
    """
    names: dict[str, None] = {}
    for number, name in enumerate(header, 1):
        name = name.strip().lstrip("\ufeff") or f"column_{number}"
        while name in names:
            name = f"{name}_{number}"
        names[name] = None
    return list(names)


def text_of(data: bytes, codec: str) -> str:
    """Decoded text; bytes that are none in this charset are kept as lone surrogates."""
    return data.decode(codec, "surrogateescape" if codec.startswith("utf-8") else "replace")


def _value(field: str) -> str | bytes:
    """A field; its bytes where these were no UTF-8, so that what decoding loses is counted."""
    if field.isascii() or not any("\udc80" <= character <= "\udcff" for character in field):
        return field
    return field.encode("utf-8", "surrogateescape")


def _with_lists(row: dict[str, Any], wanted: frozenset[str]) -> dict[str, Any]:
    """The row, with the lists that columns of these names, in small letters, have as JSON."""
    for name, value in row.items():
        if name.lower() in wanted and isinstance(value, str) and value.lstrip()[:1] == "[":
            try:
                row = {**row, name: json_value(value.encode())}
            except (ValueError, UnicodeEncodeError):
                continue
    return row


def _as_lines(file: Any, sample: bytes) -> tuple[str, Any]:
    """The charset of a table, and the table in one in which lines end with LF."""
    if sample.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return "utf-8", io.BufferedReader(Chunks(lambda: _recoded(file, "utf-16")))
    if b"\r" in sample and b"\n" not in sample:
        return _charset(sample), io.BufferedReader(Chunks(lambda: (piece.replace(b"\r", b"\n") for piece in _pieces(file))))
    return _charset(sample), file


def _charset(sample: bytes) -> str:
    if sample.startswith(codecs.BOM_UTF8):
        return "utf-8"
    try:
        codecs.getincrementaldecoder("utf-8")().decode(sample)     # which may end within a character
    except UnicodeDecodeError:
        return detected_charset(sample)
    return "utf-8"


def _recoded(file: Any, codec: str) -> Iterator[bytes]:
    decoder = codecs.getincrementaldecoder(codec)("replace")
    for piece in _pieces(file):
        yield decoder.decode(piece).encode("utf-8", "replace")
    yield decoder.decode(b"", True).encode("utf-8", "replace")


def _pieces(file: Any) -> Iterator[bytes]:
    file.seek(0)
    return pieces(file)


CSV = of_rows("csv", r"\.(csv|tsv|tab)$", None, whole, rows)
