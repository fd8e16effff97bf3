"""Layout: what the values of training rows show of each column, beyond its declaration.

Which numbers are clock times, which texts are dates, which columns hold categories, and which have
one value all day. Names of columns do not count.
"""

from __future__ import annotations

import msgspec
import numpy as np
import pandas as pd

from lockstep.columns.dates import layout_of
from lockstep.columns.kinds import Array, Columns, Kind
from lockstep.columns.schema import Schema
from lockstep.columns.tables import is_missing
from lockstep.constraints.thresholds import COMMON, MOST_CATEGORIES, SAME


class Layout(msgspec.Struct, frozen=True):
    """What columns hold."""

    key: str | None
    event_time: str | None
    timezone: str  # the time zone by whose clock a day begins and ends
    fields: tuple[str, ...]  # all fields but key and event time, in the order of their declaration
    numbers: tuple[str, ...]  # fields with numbers; yes and no is 1 and 0
    clocks: tuple[str, ...]  # numbers that are times of day, such as 1530
    texts: tuple[str, ...]  # fields with texts that are no dates
    times: tuple[str, ...]
    dates: dict[str, str]  # texts that are dates, each with its layout
    # common values of columns with few, the most frequent first
    categories: dict[str, tuple[str | float, ...]]
    # columns with one value in all rows of a day; none where rows have no event time
    dated: tuple[str, ...]

    @classmethod
    def of(cls, columns: Columns, schema: Schema, day: Array, timezone: str) -> Layout:
        """Learn the layout of training rows."""
        values = [value for value in schema if value.role == "value"]
        texts = {value.name for value in values if value.kind is Kind.TEXT}
        times = tuple(value.name for value in values if value.kind is Kind.TIME)
        numbers = tuple(value.name for value in values if value.name not in texts | {*times})
        dates = {}
        for name in (value.name for value in values if value.name in texts):
            layout = layout_of(pd.unique(columns[name][~is_missing(columns[name])]))
            if layout is not None:
                dates[name] = layout
        plain = tuple(
            value.name for value in values if value.name in texts and value.name not in dates
        )
        return cls(
            key=schema.key,
            event_time=schema.event_time,
            timezone=timezone,
            fields=tuple(value.name for value in values),
            numbers=numbers,
            clocks=tuple(name for name in numbers if _is_clock(columns[name])),
            texts=plain,
            times=times,
            dates=dates,
            categories={
                name: common
                for name in (*plain, *numbers)
                if (common := _common(columns[name], few=name in numbers))
            },
            dated=tuple(
                value.name
                for value in values
                if schema.event_time is not None and _is_dated(columns[value.name], day)
            ),
        )


def _is_clock(numbers: Array) -> bool:
    known = numbers[np.isfinite(numbers)] if numbers.dtype.kind == "f" else numbers
    if known.dtype == bool or not len(known):
        return False
    distinct = np.unique(known)
    return bool(
        len(distinct) >= MOST_CATEGORIES
        and np.all(distinct % 1 == 0)
        and distinct[0] >= 0
        and distinct[-1] <= 2400
        and distinct[-1] >= 1000
        and np.all(distinct % 100 < 60)
    )


def _common(values: Array, *, few: bool) -> tuple[str | float, ...]:
    """The common values of a column; none of a column of numbers with many values."""
    counts = pd.Series(values).value_counts()
    if len(counts) < 2 or (few and len(counts) > MOST_CATEGORIES):
        return ()
    least = max(COMMON * len(values), 5)
    common = counts.index[counts >= least][:MOST_CATEGORIES].tolist()
    return tuple(value if isinstance(value, str) else float(value) for value in common)


def _is_dated(values: Array, day: Array) -> bool:
    places = pd.factorize(values)[0]
    days, of_day = np.unique(day, return_inverse=True)
    if len(values) < 2 * len(days) or places.max(initial=-1) < 1:
        return False
    first = np.full(len(days), -2)
    first[of_day[::-1]] = places[::-1]
    return bool(np.mean(first[of_day] == places) > SAME)
