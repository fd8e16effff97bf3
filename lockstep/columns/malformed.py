"""Malformed lines: each is one row that is set aside, with its number, and no others are lost."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import NamedTuple

import numpy as np

from lockstep.columns.decode import Decoded
from lockstep.columns.kinds import Array
from lockstep.columns.plain import counted, show
from lockstep.columns.schema import Schema
from lockstep.refusals import Reason, Rejected

LINE = "line"
"""The rule that a malformed line breaks; its reason names no column."""
_LINE_END = re.compile(r"\r\n|[\r\n]")
_BLANK_LINES = re.compile(r"[\r\n]*+")
_ONE_LINE = re.compile(r"[^\r\n]*+(?:\r\n|[\r\n]|\Z)")
_UNDECODED = re.compile("[\udc80-\udcff]")
"""Bytes that are not in the encoding of the text, as `surrogateescape` keeps them."""
_OPEN_QUOTE = "begins a row with a quoted text that does not end"
_CSV_ERRORS = {"unexpected end of data": _OPEN_QUOTE}
"""Errors of Python's reader, in words that follow the number of a line."""


@dataclass(frozen=True)
class Malformed:
    """A line that is no row."""

    row: int  # its position among the rows, from 0
    line: int  # its number in the file, from 1
    why: str  # in words that follow its number
    text: str
    is_open: bool = False  # whether the file is cut off in it, or in a quoted text that it begins
    is_undecoded: bool = False  # whether it is not in the encoding of the file

    def __str__(self) -> str:
        return f"line {self.line} {self.why}"

    def rejected(self, schema: Schema) -> Rejected:
        """The row to set aside; its reason shows nothing of a row that tells of a person."""
        refusal = f"line {self.line} is malformed"
        reason = Reason("", LINE, refusal if schema.personal else str(self), refusal)
        return Rejected(self.row, None, (reason,), {"line": self.line, "text": self.text})


def among(decoded: Decoded, malformed: list[Malformed], schema: Schema) -> Decoded:
    """The decoded rows of a text, with the malformed lines between them."""
    if not malformed:
        return decoded
    rejected = (*decoded.rejected, *(line.rejected(schema) for line in malformed))
    return replace(
        decoded,
        rejected=tuple(sorted(rejected, key=lambda row: row.row)),
        total=decoded.total + len(malformed),
    )


@dataclass(frozen=True, eq=False)
class CsvRows:
    """The rows of a CSV text."""

    text: str  # the header and the well-formed rows
    positions: Array  # int64: of each of these among all rows
    malformed: list[Malformed]


def csv_rows(text: str, separator: str) -> CsvRows | None:
    """Part the well-formed rows of a CSV text from the lines that are none; None without a header.

    A quoted cell may hold line breaks, and then nothing stands after its closing quote. A row that
    has not as many cells as the header is malformed. Of what is no row, the first line is set
    aside, and the next one begins a row: a quote that no other one closes loses no other line. Only
    a quoted text that could go on after the end of the text is that of the last row, all of it.
    Bytes that are not in the encoding of the text are in it by `surrogateescape`.
    """
    header = _header(text, separator)
    if header is None:
        return None
    rows = list(_rows(text, header, separator))
    good = [(row.begin, row.end, number) for number, row in enumerate(rows) if row.why is None]
    well_formed = [header[0], *(text[begin:end] for begin, end, _ in good)]
    positions = np.array([number for *_, number in good], dtype=np.int64)
    return CsvRows("".join(well_formed), positions, list(_malformed(text, rows)))


def has_csv_row(text: str, separator: str) -> bool:
    """Whether a CSV text has a well-formed row; it is read up to the first one."""
    header = _header(text, separator)
    return header is not None and any(row.why is None for row in _rows(text, header, separator))


def _header(text: str, separator: str) -> re.Match[str] | None:
    """The first row of a text; None where it is no header."""
    header = _row_of(separator).match(text, _end(_BLANK_LINES, text, 0))
    return header if header and header[0] and not _UNDECODED.search(header[0]) else None


class _RowSpan(NamedTuple):
    """Where a row begins and ends, what is wrong with it, and whether the text ends within it."""

    begin: int
    end: int
    why: str | None = None
    is_open: bool = False


def _rows(text: str, header: re.Match[str], separator: str) -> Iterator[_RowSpan]:
    """The rows after the header."""
    cells = len(next(csv.reader(io.StringIO(header[0], newline=""), delimiter=separator)))
    well_formed, of_any_cells = _row_of(separator, cells), _row_of(separator)
    all_decoded, at = _UNDECODED.search(text) is None, header.end()
    while (at := _end(_BLANK_LINES, text, at)) < len(text):
        row = well_formed.match(text, at)
        whole = row or of_any_cells.match(text, at)
        if whole is None and _open_row(separator).match(text, at):
            yield _RowSpan(at, len(text), _OPEN_QUOTE, is_open=True)
            return
        end = whole.end() if whole is not None else _end(_ONE_LINE, text, at)
        why = None if row is not None else ""
        if not all_decoded and _UNDECODED.search(text, at, end):
            why = "is not in the encoding of the file"
        elif row is None:
            why = _why(text[at:end].rstrip("\r\n"), cells, separator)
        yield _RowSpan(at, end, why, is_open=end == len(text) and text[end - 1] not in "\r\n")
        at = end


def _malformed(text: str, rows: list[_RowSpan]) -> Iterator[Malformed]:
    line, counted_to = 1, 0
    for number, row in enumerate(rows):
        if row.why is not None:
            line += len(_LINE_END.findall(text, counted_to, row.begin))
            counted_to = row.begin
            content = text[row.begin : row.end].rstrip("\r\n")
            shown = _UNDECODED.sub("\N{REPLACEMENT CHARACTER}", content)
            yield Malformed(number, line, row.why, shown, row.is_open, content != shown)


def _end(pattern: re.Pattern[str], text: str, at: int) -> int:
    match = pattern.match(text, at)
    assert match is not None, "it matches anything"
    return match.end()


@lru_cache(maxsize=64)
def _row_of(separator: str, cells: int | None = None) -> re.Pattern[str]:
    """The pattern of a row with its line end; of any number of cells by default.

    Possessive throughout: it reads each character once.
    """
    mark, cell = re.escape(separator), _cell(separator)
    others = "*+" if cells is None else f"{{{cells - 1}}}+"
    return re.compile(rf"{cell}(?:{mark}{cell}){others}(?:\r\n|[\r\n]|\Z)")


@lru_cache(maxsize=64)
def _open_row(separator: str) -> re.Pattern[str]:
    """The pattern of a row whose last cell is a quoted text that goes on where the text ends."""
    mark, cell = re.escape(separator), _cell(separator)
    return re.compile(rf'(?:{cell}{mark})*+"(?:[^"]++|"")*+\Z')


def _cell(separator: str) -> str:
    ends = rf"{re.escape(separator)}\r\n"
    return (
        rf'(?:"(?:[^"\r\n]++|"")*+"[^{ends}]*+'  # in one line; pyarrow reads what follows, too
        rf'|"(?:[^"]++|"")*+"(?=[{ends}]|\Z)'  # over several lines
        rf'|[^"{ends}][^{ends}]*+)?+'
    )


def _why(line: str, cells: int, separator: str) -> str:
    try:
        row = next(csv.reader(io.StringIO(line, newline=""), strict=True, delimiter=separator))
    except csv.Error as error:
        return _CSV_ERRORS.get(str(error), f"begins a row that is none: {error}")
    return f"has {counted(len(row), 'cell')}, and the header {cells}: {show(line)}"
