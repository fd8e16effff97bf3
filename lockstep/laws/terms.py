"""Terms: what laws relate of a row, a field's value or its form, or a part of when it happened."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

import msgspec
import numpy as np
import pandas as pd

from lockstep.columns.kinds import Array, Ints
from lockstep.columns.plain import show
from lockstep.laws.patterns import patterns
from lockstep.laws.rows import Rows, Values, by_clock

Part = Literal[
    "value",
    "form",
    "hour",
    "30 minutes",
    "15 minutes",
    "10 minutes",
    "5 minutes",
    "minute",
    "time of day",
    "hour of the day",
    "minute of the hour",
    "clock offset",
]
MINUTES: Mapping[Part, int] = {
    "hour": 60,
    "30 minutes": 30,
    "15 minutes": 15,
    "10 minutes": 10,
    "5 minutes": 5,
    "minute": 1,
}
"""Minutes of the ticks that an event time is in, the coarsest first."""

_PLACES = 4
"""Combinations of codes that there may be, by rows, so that each has a place in a table: to look
there takes a quarter of the time that digesting them does."""
_MOST = 2**62
"""Combinations that numbers of 64 bits tell apart, and a bit to spare."""


class Term(msgspec.Struct, frozen=True):
    """A field's value, the form of its texts, or a part of the event time.

    Attributes:
        column: The field.
        part: Its value; of a text the character classes (see `patterns.pattern`); of an event
            time the hour that it is in, or a shorter tick of a clock (see `MINUTES`), or the time
            of day, or the hour of that or the minute of this (numbers), by the clock of the time
            zone; or the hours by which this clock is ahead of UTC then, which differ with daylight
            saving.
    """

    column: str
    part: Part = "value"

    @property
    def ticks(self) -> bool:
        """Whether it is a clock, which goes on from one event to the next whatever happens."""
        return self.part == "time of day" or self.is_tick

    @property
    def is_tick(self) -> bool:
        """Whether it is a tick of a clock, on one day alone."""
        return self.part in MINUTES

    @property
    def says(self) -> str:
        """The term in a sentence."""
        return self.column if self.part == "value" else f"{self.part} of {self.column}"

    @property
    def is_clock(self) -> bool:
        """Whether it is a part of the event time."""
        return self.part not in ("value", "form")

    def values(self, rows: Rows) -> Values:
        """The values of the term in rows, each by its place among those that there are."""
        if self.part == "value":
            return rows.values(self.column)
        if self.part == "form":
            return rows.told_by(self.column, self.says, _forms)
        return rows.told_by(self.column, self.says, lambda times: self._part(times, rows.timezone))

    def _part(self, utc: Array, timezone: str) -> Array:
        if self.part in MINUTES:
            ticks = utc.astype(f"datetime64[{MINUTES[self.part]}m]")
            return ticks.astype("datetime64[m]")
        times = by_clock(utc, timezone)
        if self.part == "clock offset":
            offset: Array = (times - utc) / np.timedelta64(1, "h")
            return offset
        time_of_day: Array = times - times.astype("datetime64[D]")
        if self.part == "time of day":
            return time_of_day
        if self.part == "minute of the hour":
            minutes: Array = np.floor(time_of_day / np.timedelta64(1, "m")) % 60
            return minutes
        return np.floor(time_of_day / np.timedelta64(1, "h"))

    def show(self, value: Any) -> str:
        """A value of the term in a sentence."""
        if self.part in MINUTES:
            return f"the {self.part} of {np.datetime_as_string(value, 'm')}Z"
        if self.part == "time of day":
            return str(pd.Timedelta(value)).rpartition(" ")[2]
        if self.part in ("hour of the day", "minute of the hour"):
            return f"{value:.0f}"
        return show(value)


def _forms(texts: Array) -> Array:
    return np.array(patterns(texts.tolist()), dtype=object)


def told(terms: tuple[Term, ...]) -> str:
    """Terms in a sentence."""
    return " and ".join(term.says for term in terms)


def grouped(rows: Rows, terms: tuple[Term, ...]) -> Array:
    """Which rows agree in all terms: int64, a small number each, alike where they agree.

    Those in which a term is missing agree with none: -1.
    """
    if len(terms) == 1:
        return terms[0].values(rows).places
    return rows.once(terms, lambda: combined(*(term.values(rows).places for term in terms)))


def grouped_by_day(rows: Rows, terms: tuple[Term, ...]) -> Array:
    """Which rows of a day agree in all terms: as `grouped`, rows of different days apart.

    Rows without event times are all taken to be of one day.
    """
    if any(term.is_tick for term in terms):  # no two days share one
        return grouped(rows, terms)
    return rows.once(("by day", terms), lambda: _parted(rows, grouped(rows, terms)))


def combined(*codes: Ints) -> Ints:
    """Which rows agree in all of several codes: small numbers, in the order in which they come.

    Rows of which a code is negative agree with none: -1.

    Args:
        codes: Small numbers, one a row each: int64.
    """
    numbers, places = codes[0].copy(), int(codes[0].max(initial=-1)) + 1
    for one in codes[1:]:
        size = int(one.max(initial=-1)) + 1
        if places * size > _MOST:  # those that there are, rather than all that there may be
            numbers, places = pd.factorize(numbers)[0], len(numbers)
        numbers, places = numbers * size + one, places * size
    for one in codes:
        numbers[one < 0] = -1
    if places > _PLACES * len(numbers):
        known = numbers >= 0
        numbers[known] = pd.factorize(numbers[known])[0]
        return numbers
    first = first_of(numbers)
    there = np.flatnonzero(first >= 0)
    place = np.full(len(first) + 1, -1)  # the last one is of those that agree with none
    place[there[np.argsort(first[there])]] = np.arange(len(there))
    return place[numbers]


def first_of(groups: Array) -> Array:
    """The first row of each group: int64, -1 for a group without any.

    Args:
        groups: The group of each row, a small number; -1 for none.
    """
    first = np.full(int(groups.max(initial=-1)) + 2, -1)  # the last one is of those of none
    first[groups[::-1]] = np.arange(len(groups) - 1, -1, -1)  # the first row is written last
    return first[:-1]


def firsts(rows: Rows, terms: tuple[Term, ...]) -> Array:
    """The first row of each group of `grouped_by_day`; found once."""
    return rows.once(("firsts", terms), lambda: first_of(grouped_by_day(rows, terms)))


def by_group(groups: Array) -> Array:
    """Positions of rows by their group, those of one group as they come: int64.

    By 16 bits at a time, the lowest first (radix sort): such are counted, larger ones compared.

    Args:
        groups: The group of each row, a small number; -1 for none, which comes first.
    """
    codes = groups + 1
    order: Array = np.argsort(codes.astype(np.uint16), kind="stable")
    highest, shift = int(codes.max(initial=0)), 16
    while highest >> shift:
        higher = (codes[order] >> shift).astype(np.uint16)
        order = order[np.argsort(higher, kind="stable")]
        shift += 16
    return order


def _parted(rows: Rows, groups: Array) -> Array:
    days = rows.days
    if days is None:
        return groups
    day = rows.derived(f"day of {rows.schema.event_time}", lambda: days)
    if len(day.found) < 2:
        return groups
    return combined(groups, day.places)
