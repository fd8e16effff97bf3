"""Check results: what a check found, as plain data."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence, Set
from dataclasses import dataclass, field, fields, replace
from functools import reduce
from operator import add
from time import perf_counter
from typing import (
    TYPE_CHECKING,
    Any,
    Concatenate,
    Generic,
    Literal,
    ParamSpec,
    Protocol,
    Self,
    TypeVar,
)

from lockstep.artifacts.disks import is_of_disk
from lockstep.checks.markdown import PICTURE, code_block
from lockstep.columns.html import table, titled
from lockstep.columns.plain import PERSONAL, cut, listed, plain
from lockstep.errors import LockstepError

if TYPE_CHECKING:
    from lockstep.parity.effect import Effect

Severity = Literal["ERROR", "WARN"]
Result = Literal["passed", "warned", "failed", "not_judged"]
Arguments = ParamSpec("Arguments")
Value = TypeVar("Value")
Added = TypeVar("Added", bound="Adds")
_MOST_ROWS = 50
"""Rows of a table that are kept: the worst ones come first."""
_MOST_TOLD = 4
"""Columns that a summary names; the others are in the details."""
_LONGEST_CELL = 1_000
_LONGEST_NOTE = 20_000
"""Characters that are kept of a cell and of a note."""


class Adds(Protocol):
    """A value that two parts of a batch have a sum of."""

    def __add__(self, other: Self, /) -> Self:
        """The value of both parts."""
        ...


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


def tell(unjudged: Mapping[str, str]) -> str:
    """List the columns that were not judged, a few of them with what was lacking."""
    return listed((f"{name} ({lacking})" for name, lacking in unjudged.items()), _MOST_TOLD)


def with_unjudged(summary: str, unjudged: Mapping[str, str], *, briefly: bool = False) -> str:
    """Add the columns that were not judged to a summary; `briefly` leaves out the reasons."""
    if not unjudged:
        return summary
    named = f"{listed(unjudged, _MOST_TOLD)} (see the details)" if briefly else tell(unjudged)
    return f"{summary} Not judged: {named}."


def untold(table: Iterable[Mapping[str, Any]], personal: Set[str]) -> list[Mapping[str, Any]]:
    """A table of changes, without the values before and now of personal columns."""
    hidden = {"before": PERSONAL, "now": PERSONAL}
    return [{**row, **hidden} if row["column"] in personal else row for row in table]


def coverage(rows: int, columns: int, unjudged: Mapping[str, str]) -> dict[str, float]:
    """The first figures of a check: how much of a batch it compared."""
    return {"rows": rows, "columns": columns, "columns not judged": len(unjudged)}


def impact_figures(effects: Iterable[Effect]) -> dict[str, float]:
    """Figures of effects on outputs, to plot."""
    return {f"{effect.output}: rows that differ": effect.differing for effect in effects}


def carry_out(
    check: Callable[Arguments, CheckResult],
    *arguments: Arguments.args,
    **options: Arguments.kwargs,
) -> CheckResult:
    """Run a check; return its result, or a failed result with the error that the check raised.

    Dagster records no evaluation of a check that raises, as if it had never run. So a broken check
    counts as failed.

    Raises:
        OSError: A disk is full, may only be read, or fails.
    """
    done = attempted(check, *arguments, **options)
    result = done.failure or done.value
    assert result is not None, "what did not fail gave a result"
    return replace(result, seconds=done.seconds)


@dataclass(frozen=True)
class Attempted(Generic[Value]):
    """A value that several checks look at, computed once; or the reason that there is none."""

    value: Value | None  # the value; None where computing it failed
    failure: CheckResult | None  # the result of each check of the value, where computing it failed
    seconds: float

    def check(
        self,
        check: Callable[Concatenate[Value, Arguments], CheckResult],
        *arguments: Arguments.args,
        **options: Arguments.kwargs,
    ) -> CheckResult:
        """The result of a check of the value."""
        if self.value is None:
            assert self.failure is not None, "what was not computed failed"
            return self.failure
        return carry_out(check, self.value, *arguments, **options)


def attempted(
    compute: Callable[Arguments, Value], *arguments: Arguments.args, **options: Arguments.kwargs
) -> Attempted[Value]:
    """Compute a value for several checks; if that breaks, the error is the result of each.

    Raises:
        OSError: A disk is full, may only be read, or fails.
    """
    begun = perf_counter()
    value = failure = None
    try:
        value = compute(*arguments, **options)
    except LockstepError as error:
        failure = CheckResult(
            False,
            f"The check could not be carried out: {error}",
            todo="Put that right, and have it carried out anew: AGAIN",
        )
    except Exception as error:
        if is_of_disk(error):
            raise  # another try may work: it is no finding
        failure = CheckResult(
            False,
            f"The check itself broke: {type(error).__name__}: {error}",
            todo="Please report it with the traceback, which is among the details.",
            notes=_traceback(error),
        )
    return Attempted(value, failure, round(perf_counter() - begun, 6))


def summed(parts: Sequence[Attempted[Added]]) -> Attempted[Added]:
    """The sum of the values of units, one or more; the first failure where computing one failed."""
    seconds = sum(part.seconds for part in parts)
    failure = next((part.failure for part in parts if part.failure is not None), None)
    values = [part.value for part in parts if part.value is not None]
    return Attempted(reduce(add, values) if failure is None else None, failure, seconds)


NOTHING_DEMANDED = CheckResult.not_judged(
    "Nothing is demanded: declare quality=[Quality(...)] for the pipeline's predictions."
)
"""The result of a check of quality where no demand is declared."""


def _traceback(error: Exception) -> dict[str, str]:
    from traceback import format_exception

    return {"traceback": code_block("".join(format_exception(error))[-4000:])}
