"""Column states: what expectations about whole columns need of all rows.

A state is taken of the rows of a unit, and states add up to that of the batch, however its rows are
cut. From it the figures are read that Great Expectations computes of a whole column.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any, ClassVar, Protocol, Self

import numpy as np
import pandas as pd

from lockstep.columns.digests import KEPT, Digests, digests_of
from lockstep.columns.kinds import Array, Columns
from lockstep.columns.tables import is_missing, to_frame
from lockstep.stats.states import Summed
from lockstep.stats.sums import ExactSum

Figures = Mapping[str, Any]
"""Values, by the names that the types of expectations have for them, such as `"mean"`."""
Key = tuple[str, str]
"""The column that a state is of, and the name of the state's class."""

_MOST_VALUES = 1_000
"""Distinct values that are kept of a column: more than a person lists in a suite."""
_FAR = 3 / math.sqrt(KEPT)
"""How far an estimated number of distinct values may lie from the true one: three standard errors,
1.7 %."""


class ColumnState(Protocol):
    """What is taken of a column's rows; two of them add up."""

    kinds: ClassVar[str]
    """The kinds of NumPy's dtypes of which there is such a state."""

    @classmethod
    def of(cls, array: Array) -> Self:
        """The state of some rows."""
        ...

    def __add__(self, other: Self, /) -> Self:
        """The state of both parts."""
        ...

    def figures(self) -> Sequence[Figures]:
        """The figures; where they are an estimate, the most likely ones first, then its limits."""
        ...


@dataclass(frozen=True, eq=False)
class Bounds:
    """The least and the greatest value."""

    values: Array  # these two, and a missing value if there is one
    kinds: ClassVar[str] = "fibOM"

    @classmethod
    def of(cls, array: Array) -> Bounds:
        """The bounds of some rows."""
        missing = is_missing(array)
        present = np.flatnonzero(~missing)
        rows = np.flatnonzero(missing)[:1]
        if len(present):
            own = array[present]
            rows = np.append(present[[own.argmin(), own.argmax()]], rows)
        return cls(array[rows])

    def __add__(self, other: Bounds) -> Bounds:
        """The bounds of both parts."""
        return Bounds.of(np.concatenate([self.values, other.values]))

    def figures(self) -> Sequence[Figures]:
        """The least and the greatest value, as pandas has them."""
        column = to_frame({"values": self.values})["values"]
        return ({"min": column.min(), "max": column.max()},)


@dataclass(frozen=True, eq=False)
class DistinctValues:
    """The distinct values of a column that has few."""

    values: Array | None  # without missing ones; None where there are too many
    kinds: ClassVar[str] = "fibOM"

    @classmethod
    def of(cls, array: Array) -> DistinctValues:
        """The distinct values of some rows."""
        values = pd.unique(array[~is_missing(array)])
        return cls(values if len(values) <= _MOST_VALUES else None)

    def __add__(self, other: DistinctValues) -> DistinctValues:
        """The distinct values of both parts."""
        if self.values is None or other.values is None:
            return DistinctValues(None)
        return DistinctValues.of(np.concatenate([self.values, other.values]))

    def figures(self) -> Sequence[Figures]:
        """None: an expectation about a set is asked of the values."""
        return ()


@dataclass(frozen=True)
class Presence(Summed):
    """How many rows there are, and how many of them have no value."""

    rows: int
    missing: int
    kinds: ClassVar[str] = "fibOM"

    @classmethod
    def of(cls, array: Array) -> Presence:
        """The numbers of some rows."""
        return cls(len(array), int(is_missing(array).sum()))

    def figures(self) -> Sequence[Figures]:
        """The proportion of rows with a value."""
        present = self.rows - self.missing
        return ({"proportion_of_non_null_values": present / self.rows if self.rows else 0},)


@dataclass(frozen=True)
class Total:
    """The sum of a column of numbers, flags or times."""

    numbers: ExactSum  # of the finite ones; of a time, of its microseconds
    infinite: float  # the sum of the infinite ones, NaN where there are both; 0 without any
    kind: str  # of NumPy's dtype
    kinds: ClassVar[str] = "fibM"

    @classmethod
    def of(cls, array: Array) -> Total:
        """The sum of some rows."""
        kind = array.dtype.kind
        if kind == "M":
            array = array[~is_missing(array)].astype(np.int64)
        return cls(ExactSum.of(array), _infinite(array), kind)

    def __add__(self, other: Total) -> Total:
        """The sum of both parts."""
        return Total(self.numbers + other.numbers, self.infinite + other.infinite, self.kind)

    def figures(self) -> Sequence[Figures]:
        """The mean; and the sum, which times have not."""
        if self.kind == "M":
            return ({"mean": _mean_time(self.numbers)},)
        total = self.numbers.total
        return (
            {
                "mean": self.infinite or self.numbers.mean,
                "sum": self.infinite or (_rounded(total) if self.kind == "f" else int(total)),
            },
        )


@dataclass(frozen=True)
class Spread(Summed):
    """What the standard deviation of a column of numbers or flags needs."""

    numbers: ExactSum  # the sum of the finite ones, as floats
    squares: ExactSum
    infinite: float  # as for `Total`
    kinds: ClassVar[str] = "fib"

    @classmethod
    def of(cls, array: Array) -> Spread:
        """What some rows have."""
        floats = array.astype(np.float64, copy=False)
        return cls(ExactSum.of(floats), ExactSum.of_squares(floats), _infinite(floats))

    def figures(self) -> Sequence[Figures]:
        """The standard deviation, with n - 1; NaN of fewer than two numbers."""
        count, total = self.numbers.count, self.numbers.total
        if count < 2 or self.infinite:
            return ({"stdev": math.nan},)
        variance = (self.squares.total - total * total / count) / (count - 1)
        return ({"stdev": _root(variance)},)


@dataclass(frozen=True)
class DistinctCount(Summed):
    """The number of distinct values: exact for some 32,000, and an estimate of more."""

    present: int  # number of rows with a value
    digests: Digests
    kinds: ClassVar[str] = "fibOM"

    @classmethod
    def of(cls, array: Array) -> DistinctCount:
        """The distinct values of some rows."""
        digests = digests_of(array)
        digests = digests[digests != 0]
        return cls(len(digests), Digests.of(digests))

    def figures(self) -> Sequence[Figures]:
        """The number, and the proportion of rows with a value; of an estimate its limits, too."""
        counts = [self.digests.count]
        if not self.digests.complete:
            counts += [counts[0] * (1 - _FAR), counts[0] * (1 + _FAR)]
        return tuple(self._figures(min(round(count), self.present)) for count in counts)

    def _figures(self, count: int) -> Figures:
        return {
            "unique_value_count": count,
            "proportion_of_unique_values": count / self.present if self.present else 0,
        }


_STATES: Mapping[str, type[ColumnState]] = {
    "max_to_be_between": Bounds,
    "min_to_be_between": Bounds,
    "mean_to_be_between": Total,
    "sum_to_be_between": Total,
    "stdev_to_be_between": Spread,
    "unique_value_count_to_be_between": DistinctCount,
    "proportion_of_unique_values_to_be_between": DistinctCount,
    "proportion_of_non_null_values_to_be_between": Presence,
    "distinct_values_to_be_in_set": DistinctValues,
    "distinct_values_to_contain_set": DistinctValues,
    "distinct_values_to_equal_set": DistinctValues,
}
"""By what an expectation demands of a column, the state that it is judged by."""


def state_key(expectation: Mapping[str, Any]) -> Key | None:
    """Which state an expectation in a suite's JSON is judged by; None if there is none."""
    kwargs, state = expectation["kwargs"], _STATES.get(_demand(expectation))
    if state is None or kwargs.get("row_condition") is not None:
        return None
    return kwargs["column"], state.__name__


def figures_of(expectation: Mapping[str, Any], states: Mapping[Key, ColumnState]) -> list[Any]:
    """The values of the figure that an expectation is about, as `ColumnState.figures` has them.

    None where there is no such state, or it has no such figure.
    """
    key, name = state_key(expectation), _demand(expectation).removesuffix("_to_be_between")
    if key is None or key not in states:
        return []
    return [figures[name] for figures in states[key].figures() if name in figures]


def _demand(expectation: Mapping[str, Any]) -> str:
    return str(expectation["type"]).removeprefix("expect_column_")


def column_states(suite: Mapping[str, Any], columns: Columns) -> dict[Key, ColumnState]:
    """The states that the expectations of a suite are judged by.

    There is none of a column that is absent, or holds what the state is not of: Great Expectations
    says so of any sample of the rows.
    """
    states: dict[Key, ColumnState] = {}
    for expectation in suite["expectations"]:
        key = state_key(expectation)
        if key is None or key in states or (array := columns.get(key[0])) is None:
            continue
        state = _STATES[_demand(expectation)]
        if array.dtype.kind in state.kinds:
            states[key] = state.of(array)
    return states


def _infinite(numbers: Array) -> float:
    if numbers.dtype.kind != "f":
        return 0.0
    return sum(set(numbers[np.isinf(numbers)].tolist()), 0.0)


def _rounded(number: Fraction) -> float:
    try:
        return float(number)
    except OverflowError:
        return math.inf if number > 0 else -math.inf


def _root(number: Fraction) -> float:
    """The square root, also of what is beyond the floats."""
    shift = (number.numerator.bit_length() - number.denominator.bit_length()) // 2
    with np.errstate(over="ignore"):
        return float(np.ldexp(math.sqrt(number / Fraction(4) ** shift), shift))


def _mean_time(microseconds: ExactSum) -> Any:
    mean = microseconds.total // microseconds.count if microseconds.count else "NaT"
    return to_frame({"mean": np.array([mean], dtype="datetime64[us]")})["mean"].iloc[0]
