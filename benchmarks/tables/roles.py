"""Roles: what each column of a table is."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import pandas as pd

import lockstep as ls

Derived = Callable[[pd.Series], pd.Series]
"""Computes a column of local times, such as the hour of the day."""


class Unit(NamedTuple):
    """How a number is told in another unit: an offset is added, then it is multiplied."""

    factor: float
    offset: float = 0.0


RADIANS = Unit(0.0174533)
FAHRENHEIT = Unit(1.8, 32.0 / 1.8)
CELSIUS = Unit(1 / 1.8, -32.0)
KILO = Unit(0.001)
MILLI = Unit(1000.0)


class Joined(NamedTuple):
    """Values that are joined by the time of a row."""

    columns: tuple[str, ...]
    place: str | None = None  # the column of the place they are of; None if they are of all places


@dataclass(frozen=True)
class Roles:
    """What each column of a table is; one column may have several roles."""

    key: str  # of a row
    time: str  # when it happened; none in a table without a time
    reporter: str  # what reports or what a row is about: a sensor, a shop, a site
    zone: str = "UTC"  # whose calendar days are of
    segment: str = ""  # a column of few values that parts the rows; the reporter if none is named
    units: Mapping[str, Unit] = field(default_factory=dict)  # numbers with another unit
    numbers: tuple[str, ...] = ()  # those that have no other unit
    counts: tuple[str, ...] = ()  # whole numbers that count something
    shares: tuple[str, ...] = ()  # numbers from 0 to 1
    money: tuple[str, ...] = ()  # prices and values
    codes: tuple[str, ...] = ()  # names of things, be they texts or numbers without a meaning
    categories: tuple[str, ...] = ()  # columns of a few values
    flags: tuple[str, ...] = ()  # columns of two values
    texts: tuple[str, ...] = ()  # free texts
    lookups: Mapping[str, tuple[str, ...]] = field(default_factory=dict)  # attributes by their key
    joined: tuple[Joined, ...] = ()
    sums: Mapping[str, str] = field(default_factory=dict)  # of a window of days, and of what
    lags: Mapping[str, str] = field(default_factory=dict)  # what was before, and of what
    clocks: Mapping[str, Derived] = field(default_factory=dict)  # derived of the time of the day
    calendar: Mapping[str, Derived] = field(default_factory=dict)  # derived of the day
    times: tuple[str, ...] = ()  # other times
    dates: tuple[str, ...] = ()  # days as ISO texts
    alike: tuple[tuple[str, ...], ...] = ()  # pairs that are easily taken for each other
    words: tuple[str, ...] = ()  # codes, categories and texts that are written with letters
    zeroed: tuple[str, ...] = ()  # texts in which numbers begin with zeros
    sparse: tuple[str, ...] = ()  # columns that are missing in some rows
    regular: bool = False  # whether each thing reports once in each interval

    @property
    def parts(self) -> str:
        """The column that parts the rows into segments."""
        return self.segment or self.reporter

    @property
    def measured(self) -> tuple[str, ...]:
        """Numbers that are measured, in the order of their names."""
        return tuple(sorted({*self.units, *self.numbers, *self.shares, *self.money}))

    @property
    def attributes(self) -> tuple[str, ...]:
        """What is looked up by a key."""
        return tuple(name for names in self.lookups.values() for name in names)

    @property
    def sensed(self) -> tuple[str, ...]:
        """Those of the measured numbers that are not looked up by a key."""
        return tuple(one for one in self.measured if one not in self.attributes)

    @property
    def amounts(self) -> tuple[str, ...]:
        """All numbers with a meaning."""
        return tuple(sorted({*self.measured, *self.counts, *self.sums, *self.lags}))

    @property
    def sparse_amounts(self) -> tuple[str, ...]:
        """Numbers that are missing in some rows."""
        return tuple(amount for amount in self.amounts if amount in self.sparse)

    @property
    def sparse_names(self) -> tuple[str, ...]:
        """Names that are missing in some rows."""
        names = (*self.codes, *self.categories, *self.texts, *self.flags)
        return tuple(name for name in names if name in self.sparse)

    @property
    def numbered(self) -> tuple[str, ...]:
        """Names that are written as numbers."""
        return tuple(code for code in self.codes if code not in self.words)

    @property
    def derived(self) -> Mapping[str, Derived]:
        """All that is derived of the local time."""
        return {**self.clocks, **self.calendar}

    @property
    def told_by_time(self) -> tuple[str, ...]:
        """The time, and all that is derived of it."""
        return (*filter(None, [self.time]), *self.derived)

    @property
    def attribute_groups(self) -> tuple[tuple[str, ...], ...]:
        """The columns that are looked up by the same key."""
        return tuple(self.lookups.values())

    @property
    def joined_groups(self) -> tuple[tuple[str, ...], ...]:
        """The columns that are joined together by time."""
        return tuple(one.columns for one in self.joined)

    @property
    def placed_groups(self) -> tuple[tuple[str, ...], ...]:
        """Those of them that are joined by a place, too."""
        return tuple(one.columns for one in self.joined if one.place is not None)

    def key_of(self, column: str) -> str | None:
        """The column by which one is looked up, if it is."""
        return next((key for key, names in self.lookups.items() if column in names), None)

    def joined_with(self, column: str) -> Joined | None:
        """What is joined together with a column, if it is."""
        return next((one for one in self.joined if column in one.columns), None)


def roles_of(record: type[ls.Record], **given: Any) -> Roles:
    """The roles of a record's columns, of which several are named in a text with blanks.

    Key, time, other times and flags that are true or false follow from the record. Units, sums and
    lags are given as the columns of each unit or thing, pairs that are alike with commas.

    Args:
        record: The record.
        given: The other roles.
    """
    schema = record.schema()
    kinds = {one.name: one.declared for one in schema if one.role == "value"}
    times = tuple(name for name, kind in kinds.items() if kind == "datetime")
    flags = tuple(name for name, kind in kinds.items() if kind == "bool")
    told = {role: _told(role, value) for role, value in given.items()}
    told["flags"] = (*flags, *told.get("flags", ()))
    return Roles(**{"key": schema.key, "time": schema.event_time or "", "times": times} | told)


def _told(role: str, given: Any) -> Any:
    """A role as it is kept."""
    match role:
        case "units" | "sums" | "lags":
            return {name: of for of, names in given.items() for name in names.split()}
        case "lookups":
            return {key: tuple(names.split()) for key, names in given.items()}
        case "joined":
            return tuple(Joined(tuple(names.split()), place) for names, place in given)
        case "alike":
            return tuple(tuple(pair.split()) for pair in given.split(","))
    is_list = isinstance(given, str) and role not in ("reporter", "segment", "zone")
    return tuple(given.split()) if is_list else given
