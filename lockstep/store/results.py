"""Check results: what a check found, as plain data."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields
from typing import Any, Literal

from lockstep.columns.html import table, titled
from lockstep.columns.markdown import PICTURE
from lockstep.columns.plain import cut, plain

Severity = Literal["ERROR", "WARN"]
Result = Literal["passed", "warned", "failed", "not_judged"]
_MOST_ROWS = 50
"""Rows of a table that are kept: the worst ones come first."""
_LONGEST_CELL = 1_000
_LONGEST_NOTE = 20_000
"""Characters that are kept of a cell and of a note."""


@dataclass(frozen=True)
class CheckResult:
    """What a check found.

    A check with nothing to compare is not judged, which is neither passed nor failed: see
    `not_judged`.

    Attributes:
        summary: The result, in a line for someone who has never seen the project.
        severity: How bad a failure is; an ERROR of a blocking check keeps rows unpublished.
        column: The first column that the result names, if any.
        numbers: Figures, which Dagster plots over time.
        table: Details, a row each; all rows have the same keys.
        notes: Longer texts by title: a block of code, a picture (Markdown of either), or a text.
        unjudged: Columns that could not be judged, each with what was lacking.
        also: The other columns that the result names.
        where: The place of the finding besides the columns: a file with its line.
        keys: Keys of some of the rows.
        todo: What to do, where the check's own remedy does not fit; see `Check.remedy` for its
            placeholders.
        seconds: How long the check took. Equality ignores it.
    """

    passed: bool
    summary: str
    severity: Severity = "ERROR"
    column: str | None = None
    numbers: Mapping[str, float | int] = field(default_factory=dict)
    table: Sequence[Mapping[str, Any]] = ()
    notes: Mapping[str, str] = field(default_factory=dict)
    unjudged: Mapping[str, str] = field(default_factory=dict)
    judged: bool = True
    also: tuple[str, ...] = ()
    where: str = ""
    keys: tuple[str, ...] = ()
    todo: str = ""
    seconds: float = field(default=0.0, compare=False)

    @classmethod
    def not_judged(cls, lacking: str, unjudged: Mapping[str, str] | None = None) -> CheckResult:
        """The result of a check that had nothing to compare.

        Args:
            lacking: What was lacking, as a sentence.
        """
        return cls(passed=False, summary=lacking, unjudged=unjudged or {}, judged=False)

    @property
    def result(self) -> Result:
        """The result in a word."""
        if not self.judged:
            return "not_judged"
        if self.passed:
            return "passed"
        return "failed" if self.is_error else "warned"

    @property
    def is_error(self) -> bool:
        """Whether the check failed badly enough to block."""
        return self.judged and not self.passed and self.severity == "ERROR"

    @property
    def is_table_whole(self) -> bool:
        """Whether no row of the table is left out where the result is kept."""
        return len(self.table) < _MOST_ROWS

    def _repr_html_(self) -> str:
        """A notebook's form of it: the finding, its pictures and the first rows of its details."""
        drawn = filter(None, map(PICTURE.fullmatch, self.notes.values()))
        pictures = (f"<img alt='' src='{match[1]}'>" for match in drawn)
        titles = [*self.table[0]] if self.table else []
        rows = [titles, *([*row.values()] for row in self.table[:10])]
        differs = [(1, titles.index("actual"))] if "actual" in titles else ()
        return titled(self.result, [self.summary], *pictures, table(rows, differs))

    def to_json(self) -> dict[str, Any]:
        """The result as strict JSON, with a table's first rows and the beginning of long texts.

        A figure that is not finite becomes text, in a table too.
        """
        values = {attribute.name: getattr(self, attribute.name) for attribute in fields(self)}
        numbers = {name: plain(value, nan="NaN") for name, value in self.numbers.items()}
        table = [plain(row, longest=_LONGEST_CELL, nan="NaN") for row in self.table[:_MOST_ROWS]]
        notes = {title: cut(text, _LONGEST_NOTE) for title, text in self.notes.items()}
        keys = [cut(key, _LONGEST_CELL) for key in self.keys]
        shortened = {"numbers": numbers, "table": table, "notes": notes, "keys": keys}
        return {**values, "also": list(self.also), **shortened}

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> CheckResult:
        """The result from what `to_json` gave."""
        numbers = {
            name: float(value) if isinstance(value, str) else value
            for name, value in data["numbers"].items()
        }
        lists = {name: tuple(data[name]) for name in ("also", "keys")}
        return cls(**{**data, "numbers": numbers, **lists})
