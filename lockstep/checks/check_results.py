"""Carrying out checks: their results, also where a check breaks, and the texts of these."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence, Set
from dataclasses import dataclass, replace
from functools import reduce
from operator import add
from time import perf_counter
from typing import (
    TYPE_CHECKING,
    Any,
    Concatenate,
    Generic,
    ParamSpec,
    Protocol,
    Self,
    TypeVar,
)

from lockstep.columns.markdown import code_block
from lockstep.columns.plain import PERSONAL, listed
from lockstep.errors import LockstepError
from lockstep.store.disks import is_of_disk
from lockstep.store.results import CheckResult

if TYPE_CHECKING:
    from lockstep.parity.effect import Effect

Arguments = ParamSpec("Arguments")
Value = TypeVar("Value")
Added = TypeVar("Added", bound="Adds")
_MOST_TOLD = 4
"""Columns that a summary names; the others are in the details."""


class Adds(Protocol):
    """A value that two parts of a batch have a sum of."""

    def __add__(self, other: Self, /) -> Self:
        """The value of both parts."""
        ...


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
