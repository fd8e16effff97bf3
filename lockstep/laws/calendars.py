"""Calendars: columns that say what day it is, such as its week, month or day of the week.

A number is tried as what each of some calendars counts on a date, and a constant. Several of them
may say the same of all training days: the week of the year by two conventions, and weeks counted
on. Where these differ, as at the end of the year, training does not tell which one it is, and
nothing is judged. Other values are tried as names of the days of the week, or of the months. Days
may begin some hours after midnight, as a bar's do, or where hours are told when they are over: in
the middle of the hours at which training parts them.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Iterator, Mapping
from typing import Any, ClassVar

import msgspec
import numpy as np
import pandas as pd

from lockstep.columns.kinds import Array, Floats, Ints
from lockstep.columns.plain import counted, show
from lockstep.laws.law import ENOUGH_DAYS, Broken, Law
from lockstep.laws.lookups import Cell, cells_of
from lockstep.laws.rows import Rows, TrainingRows, Values

ENOUGH_VALUES = 3
"""Different values that it takes to tell which calendar they follow."""
SAYS_ITSELF = 1_000
"""A number from which on few values tell that, too, if nothing is added: it is no chance that 2013
is the year."""
ENOUGH_TURNS = 3
"""Times at equal distances that a number goes on, until it is counted by periods."""
DAYS_A_NAME = 2
"""Days on which each name was there."""
_HOURS = 24
_COUNTED = "periods counted on"


def _since_monday(days: pd.DatetimeIndex) -> Ints:
    return np.asarray(days.day_of_week)


def _since_sunday(days: pd.DatetimeIndex) -> Ints:
    return (_since_monday(days) + 1) % 7


def _week(days: pd.DatetimeIndex, since: Callable[[pd.DatetimeIndex], Ints]) -> Ints:
    """The week of the year: one begins with a day of the week, and days before that are of 0."""
    return (np.asarray(days.day_of_year) + 6 - since(days)) // 7


CALENDARS: Mapping[str, Callable[[pd.DatetimeIndex], Any]] = {
    "year": lambda days: days.year,
    "quarter of the year": lambda days: days.quarter,
    "month of the year": lambda days: days.month,
    "months counted on": lambda days: days.year * 12 + days.month,
    "year and month": lambda days: days.year * 100 + days.month,
    "week of the year (ISO 8601)": lambda days: days.isocalendar().week,
    "week of the year from Monday": lambda days: _week(days, _since_monday),
    "week of the year from Sunday": lambda days: _week(days, _since_sunday),
    "day of the year": lambda days: days.day_of_year,
    "day of the month": lambda days: days.day,
    "day of the week from Monday": _since_monday,
    "day of the week from Sunday": _since_sunday,
    "date": lambda days: (days.year * 100 + days.month) * 100 + days.day,
}
"""What calendars count on a date."""
NAMED = ("day of the week from Monday", "month of the year")
"""What has names."""


class Rule(msgspec.Struct, frozen=True):
    """What a number is on a date, up to a constant.

    Attributes:
        counts: What is counted: one of `CALENDARS`, or periods.
        plus: What is added to it.
        period: Days of a period.
        start: A day on which one began, counted from 1970.
    """

    counts: str
    plus: float
    period: int = 1
    start: int = 0

    def on(self, days: Array) -> Floats:
        """The number on some days, datetime64[D]."""
        return _number(self.counts, days, self.period, self.start) + self.plus

    @property
    def says(self) -> str:
        """It in a sentence."""
        if self.counts == _COUNTED:
            return f"one more each {counted(self.period, 'day')}"
        apart = f", {'plus' if self.plus > 0 else 'less'} {abs(self.plus):g}" if self.plus else ""
        return f"the {self.counts}{apart}"


def _number(counts: str, days: Array, period: int, start: int) -> Floats:
    if counts == _COUNTED:
        return ((days.astype(np.int64) - start) // period).astype(np.float64)
    return np.asarray(CALENDARS[counts](pd.DatetimeIndex(days)), dtype=np.float64)


class Dated(Law, frozen=True, kw_only=True):
    """A law of what a column says of the date.

    Attributes:
        begins: Hours after midnight at which its days begin.
    """

    begins: int = 0

    @property
    @abstractmethod
    def what(self) -> str:
        """What it says."""

    @abstractmethod
    def compare(self, found: Array, days: Array) -> tuple[Array, Array]:
        """What values say, and what they should on some days, in numbers that may be compared.

        Args:
            found: Values, each once.
            days: Days, datetime64[D].

        Returns:
            Both float64; NaN where nobody knows.
        """

    @abstractmethod
    def expected(self, day: np.datetime64) -> str:
        """What it should say on a day, in a sentence; nothing where nobody knows."""

    @property
    def says(self) -> str:
        """It in a sentence."""
        return f"{self.columns[0]} is {self.what}{self._from}"

    @property
    def _from(self) -> str:
        return f", of days that begin at {self.begins:02}:00" if self.begins else ""

    def find(self, rows: Rows) -> Broken | None:
        """The rows that say something else; see `Law.find`."""
        values, days = rows.values(self.columns[0]), _days(rows, self.begins)
        said, meant = self.compare(values.found, days.found)
        meant_of = np.append(meant, np.nan)[days.places]
        is_odd = (np.append(said, np.nan)[values.places] != meant_of) & ~np.isnan(meant_of)
        odd = np.flatnonzero(is_odd & (values.places >= 0))
        if not len(odd):
            return None
        row = int(odd[0])
        told, day = values.found[values.places[row]], days.found[days.places[row]]
        return Broken(
            law=self,
            columns=self.columns,
            message=f"{self.columns[0]} is not {self.what}{self._from} in "
            f"{counted(len(odd), 'row')} of {len(rows):,}, such as {show(told)} on {day}"
            f"{self.expected(day)}",
            rows=odd,
            strict=self.is_strict,
            numbers={"rows": len(odd)},
        )

    def looks_at(self, rows: Rows) -> int:
        """See `Law.looks_at`; the rows of days of which it is known what it should say."""
        days = _days(rows, self.begins)
        _, meant = self.compare(rows.values(self.columns[0]).found, days.found)
        return int(np.count_nonzero(~np.isnan(np.append(meant, np.nan)[days.places])))


class Counted(Dated, frozen=True, kw_only=True, tag="counted by the calendar"):
    """A number is counted by the calendar.

    Attributes:
        rules: Those that all training days agree with.
    """

    lacks: ClassVar[str] = "calendars that agreed on all training days differ on its date"

    rules: tuple[Rule, ...]

    @property
    def what(self) -> str:
        """See `Dated.what`."""
        return self.rules[0].says

    def compare(self, found: Array, days: Array) -> tuple[Array, Array]:
        """See `Dated.compare`; nobody knows where rules differ."""
        meant = np.array([rule.on(days) for rule in self.rules])
        agree = (meant == meant[0]).all(axis=0)
        return found.astype(np.float64), np.where(agree, meant[0], np.nan)

    def expected(self, day: np.datetime64) -> str:
        """See `Dated.expected`."""
        return f" instead of {self.rules[0].on(np.array([day]))[0]:g}"


class Named(Dated, frozen=True, kw_only=True, tag="named by the calendar"):
    """A column has names for the days of the week, or for the months, each its own.

    Attributes:
        named: What has names: one of `NAMED`.
        numbers: What calendars count it as.
        names: The name of each.
    """

    named: str
    numbers: tuple[int, ...]
    names: tuple[Cell, ...]

    @property
    def what(self) -> str:
        """See `Dated.what`."""
        return f"the name of the {self.named.removesuffix(' from Monday')}"

    def compare(self, found: Array, days: Array) -> tuple[Array, Array]:
        """See `Dated.compare`; a name that is not known may be that of what is not known."""
        numbers = dict(zip(self.names, self.numbers, strict=True))
        said = np.array([numbers.get(cell, 0) for cell in cells_of(found)], dtype=np.float64)
        meant = _number(self.named, days, 1, 0)
        return said, np.where(np.isin(meant, self.numbers), meant, 0.0)

    def expected(self, day: np.datetime64) -> str:
        """See `Dated.expected`."""
        number = int(_number(self.named, np.array([day]), 1, 0)[0])
        names = dict(zip(self.numbers, self.names, strict=True))
        return f" instead of {show(names[number])}" if number in names else ""


def discover(training: TrainingRows) -> list[Counted | Named]:
    """Find what says on every training day what day it is.

    Args:
        training: The training rows.
    """
    return [*known(training)]


def known(training: TrainingRows) -> tuple[Counted | Named, ...]:
    """What says on every training day what day it is; looked for once.

    Args:
        training: The training rows.
    """
    rows, time = training.rows, training.rows.schema.event_time
    if time is None or not training.has_days or training.days < ENOUGH_DAYS:
        return ()
    return rows.once("calendars", lambda: tuple(_found(training, time)))


def _found(training: TrainingRows, time: str) -> Iterator[Counted | Named]:
    fields = (one for one in training.rows.schema if one.role == "value")
    laws = (_law(training, one.name, time) for one in fields)
    return (law for law in laws if law is not None)


def _law(training: TrainingRows, name: str, time: str) -> Counted | Named | None:
    """The law of a column, if it has one value each day and follows a calendar."""
    values = training.rows.values(name)
    if not 1 <= len(values.found) <= training.days:
        return None
    fits = []
    for begins in range(_HOURS):
        pairs = _pairs(values, _days(training.rows, begins))
        several = len(np.unique(pairs[0]))
        if several < ENOUGH_DAYS or pairs.shape[1] > 2 * several:
            return None  # too few days, or values that change more than once a day
        if pairs.shape[1] == several:
            fits.append(begins)
            if not begins:
                break
        elif fits:
            break
    if not fits:
        return None
    begins = fits[len(fits) // 2]  # as far as can be from rows of either day: one may be late
    days = _days(training.rows, begins)
    return _told(values, days, _pairs(values, days), (name, time), begins)


def _pairs(values: Values, days: Values) -> Ints:
    """The place of each day, and of each value that it has: 2 by pairs."""
    known = np.flatnonzero((values.places >= 0) & (days.places >= 0))
    both = np.unique(days.places[known] * len(values.found) + values.places[known])
    return np.stack(np.divmod(both, len(values.found)))


def _told(
    values: Values, days: Values, pairs: Array, columns: tuple[str, str], begins: int
) -> Counted | Named | None:
    """The law of a column that has one value each day.

    Args:
        values: Its values.
        days: The days.
        pairs: The place of each day, and of its value: 2 by days.
        columns: The column and the event time.
        begins: Hours after midnight at which days begin.
    """
    dates = days.found[pairs[0]]
    order = np.argsort(dates)
    dates, told = dates[order], values.found[pairs[1]][order]
    tried = len(dates)
    if told.dtype.kind in "iuf":
        rules = tuple(_rules(dates, told.astype(np.float64)))
        if len(values.found) < ENOUGH_VALUES:
            rules = tuple(rule for rule in rules if not rule.plus and told.min() >= SAYS_ITSELF)
        if rules:
            return Counted(columns=columns, days=tried, begins=begins, rules=rules)
    for named in NAMED:
        numbers = _number(named, dates, 1, 0).astype(np.int64)
        names = dict(zip(numbers.tolist(), cells_of(told), strict=True))
        kept = [names[number] for number in numbers.tolist()] == cells_of(told)
        if kept and _is_naming(names, numbers):
            return Named(
                columns=columns,
                days=tried,
                begins=begins,
                named=named,
                numbers=tuple(names),
                names=tuple(names.values()),
            )
    return None


def _is_naming(names: Mapping[int, Cell], numbers: Ints) -> bool:
    """Whether each has a name of its own, and was there often enough."""
    often = bool(np.unique(numbers, return_counts=True)[1].min() >= DAYS_A_NAME)
    return often and len(names) >= ENOUGH_VALUES and len({*names.values()}) == len(names)


def _rules(dates: Array, numbers: Floats) -> Iterator[Rule]:
    """What counts as numbers do on all dates."""
    for counts in CALENDARS:
        apart = np.unique(numbers - _number(counts, dates, 1, 0))
        if len(apart) == 1:
            yield Rule(counts, float(apart[0]))
    turns = np.diff(dates[1:][np.diff(numbers) != 0].astype(np.int64))
    if len(turns) < ENOUGH_TURNS:
        return
    period = int(np.median(turns))
    for start in range(period):
        apart = np.unique(numbers - _number(_COUNTED, dates, period, start))
        if len(apart) == 1:
            yield Rule(_COUNTED, float(apart[0]), period, start)


def _days(rows: Rows, begins: int) -> Values:
    """The day of each row.

    Args:
        rows: Some rows.
        begins: Hours after midnight at which days begin.
    """
    days, times = rows.days, rows.local_times
    assert days is not None, "rows that have days have an event time"
    assert times is not None, "rows that have days have an event time"
    what = f"day of {rows.schema.event_time}"
    if not begins:
        return rows.derived(what, lambda: days)
    earlier = np.timedelta64(begins, "h")
    return rows.derived(
        f"{what} from {begins} h", lambda: (times - earlier).astype("datetime64[D]")
    )
