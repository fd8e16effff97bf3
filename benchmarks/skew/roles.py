"""Roles: what each column of a table is."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

import pandas as pd

Derived = Callable[[pd.Series], pd.Series]
"""Computes a column of local times, such as the hour of the day."""


class Unit(NamedTuple):
    """How a number is told in another unit.

    Attributes:
        factor: What it is multiplied by.
        offset: What is added before that.
    """

    factor: float
    offset: float = 0.0


class Joined(NamedTuple):
    """Values that are joined by the time of a row.

    Attributes:
        columns: Their columns.
        place: The column of the place they are of; None if they are the same everywhere.
    """

    columns: tuple[str, ...]
    place: str | None = None


@dataclass(frozen=True)
class Roles:
    """What each column of a table is; one column may have several roles.

    Attributes:
        key: The key of a row.
        time: When it happened.
        reporter: What reports or what a row is about: a sensor, a shop, a site.
        zone: Whose calendar days are of.
        segment: A column of few values that parts the rows; the reporter if none is named.
        units: Numbers, each with another unit in which it could come.
        numbers: Numbers that have no other unit.
        counts: Whole numbers that count something.
        shares: Numbers from 0 to 1.
        money: Prices and values.
        codes: Names of things, be they texts or numbers without a meaning.
        categories: Columns of a few values.
        flags: Columns of two values.
        texts: Free texts.
        lookups: Attributes by the column of the key by which they are looked up.
        joined: Values that are joined by time.
        sums: Counts and sums over a window of days, each with the column of what they are of.
        lags: What was before of the same thing, each with the column of the thing.
        clocks: What is derived of the local time of the day, each with how.
        calendar: What is derived of the local day, such as the weekday, each with how.
        times: Other times.
        dates: Days as ISO texts.
        words: Those of codes, categories and texts that are written with letters.
        zeroed: Texts in which numbers begin with zeros.
        sparse: Columns that are missing in some rows.
        regular: Whether each thing reports once in each interval, so that its volume stays.
        alike: Pairs of columns that are easily taken for each other.
    """

    key: str
    time: str
    reporter: str
    zone: str = "UTC"
    segment: str = ""
    units: Mapping[str, Unit] = field(default_factory=dict)
    numbers: tuple[str, ...] = ()
    counts: tuple[str, ...] = ()
    shares: tuple[str, ...] = ()
    money: tuple[str, ...] = ()
    codes: tuple[str, ...] = ()
    categories: tuple[str, ...] = ()
    flags: tuple[str, ...] = ()
    texts: tuple[str, ...] = ()
    lookups: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    joined: tuple[Joined, ...] = ()
    sums: Mapping[str, str] = field(default_factory=dict)
    lags: Mapping[str, str] = field(default_factory=dict)
    clocks: Mapping[str, Derived] = field(default_factory=dict)
    calendar: Mapping[str, Derived] = field(default_factory=dict)
    times: tuple[str, ...] = ()
    dates: tuple[str, ...] = ()
    alike: tuple[tuple[str, str], ...] = ()
    words: tuple[str, ...] = ()
    zeroed: tuple[str, ...] = ()
    sparse: tuple[str, ...] = ()
    regular: bool = False

    @property
    def parts(self) -> str:
        """The column that parts the rows into segments."""
        return self.segment or self.reporter

    @property
    def measured(self) -> tuple[str, ...]:
        """Numbers that are measured, in the order of their names."""
        return tuple(sorted({*self.units, *self.numbers, *self.shares, *self.money}))

    @property
    def sensed(self) -> tuple[str, ...]:
        """Those of the measured numbers that are not looked up by a key."""
        looked_up = {name for names in self.lookups.values() for name in names}
        return tuple(one for one in self.measured if one not in looked_up)

    @property
    def amounts(self) -> tuple[str, ...]:
        """All numbers with a meaning."""
        return tuple(sorted({*self.measured, *self.counts, *self.sums, *self.lags}))

    @property
    def sparse_amounts(self) -> tuple[str, ...]:
        """Numbers that are missing in some rows."""
        return tuple(one for one in self.amounts if one in self.sparse)

    @property
    def sparse_names(self) -> tuple[str, ...]:
        """Names that are missing in some rows."""
        names = (*self.codes, *self.categories, *self.texts, *self.flags)
        return tuple(one for one in names if one in self.sparse)

    @property
    def numbered(self) -> tuple[str, ...]:
        """Names that are written as numbers."""
        return tuple(one for one in self.codes if one not in self.words)

    @property
    def told_by_time(self) -> tuple[str, ...]:
        """The time, and all that is derived of it."""
        return (self.time, *self.clocks, *self.calendar)

    @property
    def joined_columns(self) -> tuple[tuple[str, ...], ...]:
        """The columns that are joined together by time."""
        return tuple(one.columns for one in self.joined)

    @property
    def placed_columns(self) -> tuple[tuple[str, ...], ...]:
        """Those of them that are joined by a place, too."""
        return tuple(one.columns for one in self.joined if one.place is not None)
