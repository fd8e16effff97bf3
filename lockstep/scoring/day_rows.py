"""The rows of a batch, day by day: constraints are calibrated for a day."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import lru_cache

import numpy as np

from lockstep.columns.kinds import Columns, Ints, Kind
from lockstep.columns.tables import from_arrow, stacked, take_rows
from lockstep.store.attempts import Attempt

_UNITS = 2
"""Units that are in memory at a time: rows in order of time are of one, or of two neighbours."""


def by_day(
    attempt: Attempt,
    units: Sequence[Mapping[int, int]],
    kinds: Mapping[str, Kind],
    days_of: Callable[[Columns], Ints],
) -> Iterator[tuple[int, Columns]]:
    """The accepted rows of each day of a batch, in order of the days; those of a day as they came.

    Args:
        attempt: The attempt, which has the rows.
        units: By unit, how many of its rows are of each day, counted from 1970.
        kinds: The fields of the rows.
        days_of: Returns the day of each row.
    """

    @lru_cache(maxsize=_UNITS)
    def unit(number: int) -> tuple[Columns, Ints, Ints]:
        columns = from_arrow(attempt.read_part("batch", number), kinds)
        days = days_of(columns)
        order = np.argsort(days, kind="stable")
        return columns, order, days[order]

    def rows(number: int, day: int) -> Columns:
        columns, order, days = unit(number)
        begin, end = np.searchsorted(days, [day, day + 1])
        return columns if end - begin == len(days) else take_rows(columns, order[begin:end])

    for day in sorted({day for days in units for day in days}):
        yield day, stacked([rows(at, day) for at, days in enumerate(units) if day in days])
