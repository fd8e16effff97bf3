"""How CSV files are written: what separates cells, decimals and times, and which encoding."""

from __future__ import annotations

import codecs
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields
from datetime import datetime
from typing import Any, Literal, TypeAlias

from lockstep.columns.converters import cell_parser
from lockstep.columns.plain import show
from lockstep.columns.schema import Field
from lockstep.columns.setting_checks import declaration
from lockstep.errors import DeclarationError

_DECIMALS = {".": None, ",": re.compile(r"[+-]?(\d+(,\d*)?|,\d+)([eE][+-]?\d+)?", re.ASCII)}
"""By decimal mark: how numbers are written; None for Python's own way."""
_GROUPED = {
    ",": re.compile(r"[+-]?[1-9]\d{0,2}(,\d{3})+(\.\d*)?", re.ASCII),
    ".": re.compile(r"[+-]?[1-9]\d{0,2}(\.\d{3})+(,\d*)?", re.ASCII),
}
"""By mark of thousands: numbers with groups of three digits, in whole."""
Mark: TypeAlias = Literal[".", ","]


@declaration
@dataclass(frozen=True)
class CsvFormat:
    """How CSV files are written.

    Attributes:
        separator: The character between cells.
        decimal: The decimal mark of numbers: `"."` or `","`.
        thousands: The mark between groups of three digits, `"."` or `","`, in numbers that have
            one; None where none has: then `1.250` is never 1250.
        encoding: The encoding of the text, as Python names it, such as `"cp1252"`.
        dates: The layout of times, as `strftime` writes it, such as `"%d.%m.%Y"`; or layouts by
            column of the file. Times in ISO 8601 are always read.
    """

    separator: str = ","
    decimal: Mark = "."
    encoding: str = "utf-8"
    dates: str | Mapping[str, str] | None = None
    thousands: Mark | None = None

    def __post_init__(self) -> None:
        if len(self.separator) != 1 or self.separator in '"\r\n':
            raise DeclarationError(
                f"CsvFormat: separator is {show(self.separator)}; give one character, such as ';'."
            )
        if self.thousands == self.decimal:
            raise DeclarationError(
                f"CsvFormat: thousands and decimal are both {show(self.decimal)}; give '.' and "
                "',', or leave out thousands."
            )
        try:
            "".encode(self.encoding)
        except (LookupError, ValueError):
            raise DeclarationError(
                f"CsvFormat: Python knows no encoding {show(self.encoding)}; give one such as "
                "'cp1252'."
            ) from None
        layouts = {"": self.dates} if isinstance(self.dates, str) else self.dates
        for layout in (layouts or {}).values():
            if "%" not in layout:
                raise DeclarationError(
                    f"CsvFormat: dates names {show(layout)}; give a layout such as '%d.%m.%Y'."
                )

    @property
    def is_utf8(self) -> bool:
        """Whether the text is in UTF-8."""
        return codecs.lookup(self.encoding).name == "utf-8"

    def options(self) -> dict[str, Any]:
        """The settings that are not the usual ones, by name."""
        given = {setting: getattr(self, setting.name) for setting in fields(self)}
        return {setting.name: value for setting, value in given.items() if value != setting.default}

    def layout(self, column: str) -> str | None:
        """The layout of the times of a column of the file; None where they are in ISO 8601."""
        return self.dates if isinstance(self.dates, str) else (self.dates or {}).get(column)

    def number(self, cell: str) -> str | None:
        """The cell of a number with a decimal point alone; None where it is written otherwise."""
        if self.thousands is not None and _GROUPED[self.thousands].fullmatch(cell):
            return cell.replace(self.thousands, "").replace(",", ".")
        written = _DECIMALS[self.decimal]
        if written is None:
            return cell
        return cell.replace(",", ".") if written.fullmatch(cell) else None

    def parser(self, field: Field, column: str) -> Callable[[str], Any]:
        """The function from a cell to the value that JSON would carry, or a `datetime`.

        It returns a cell that cannot be parsed unchanged, for `converter` to refuse.
        """
        parse = cell_parser(field)
        if field.declared in ("float", "int") and (self.decimal, self.thousands) != (".", None):
            return lambda cell: cell if (number := self.number(cell)) is None else parse(number)
        layout = self.layout(column)
        if field.declared == "datetime" and layout is not None:
            return lambda cell: time_by(cell, layout) or cell
        return parse


def time_by(text: str, layout: str) -> datetime | None:
    """The time that a text tells in a layout; None where it has another one."""
    try:
        return datetime.strptime(text, layout)  # noqa: DTZ007 - the field says in which zone
    except ValueError:
        return None


USUAL = CsvFormat()
"""Commas, decimal points, UTF-8 and times in ISO 8601."""
