"""Elapsed: a number is how long ago the row before it was, of all rows or of the same thing.

Stores of features join to an event how long it is since the one before it: of the same card, in the
same precinct, at the same sensor. The rows of the day tell that themselves. Where it is counted in
another unit, since another thing's event, or from a row that is not there, the two differ, and so
they do where a row is lost, comes twice, or has another time.

Which number it is, since which rows and in which unit, is found in the training days: what agrees
in hardly fewer rows than all of each. What came before the first row of a day of a thing is not
looked at, and of a file, that may correct a few rows, none is.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import ClassVar

import numpy as np

from lockstep.columns.kinds import Floats, Ints, Kind
from lockstep.columns.plain import counted, show
from lockstep.laws.glance import as_numbers, number_columns, value_columns
from lockstep.laws.law import ENOUGH_DAYS, Broken, Law
from lockstep.laws.recalled import (
    DECIMALS,
    GLANCED,
    MANY,
    MOST_BY_CHANCE,
    MOST_OFF,
    on_training_days,
    rounding_of,
)
from lockstep.laws.rows import Rows, TrainingRows
from lockstep.laws.trials import tried

UNITS = {"days": 86_400.0, "hours": 3_600.0, "minutes": 60.0, "seconds": 1.0, "milliseconds": 1e-3}
"""Seconds of each unit that is tried."""
ENOUGH_ROWS = 20
"""Rows of a day with another one before them that it takes to try, and different numbers."""
ENOUGH_TOLD = 100
"""Rows of training days that are looked at, at least."""
MOST_TRIED = 4
"""Training days, the largest of all, on which it is first seen what may hold."""
_ALIKE = 1e-9
"""By which share of it a number differs at most that is the same."""


class Elapsed(Law, frozen=True, kw_only=True, tag="elapsed"):
    """A number is the time since the row before, of the same thing if there is one.

    Attributes:
        thing: The column that names things; None where the row before is that of any.
        unit: In what it is counted: see `UNITS`.
        absolute: By how much it may differ: what rounding takes from it, up or down.
        usual: Largest share of a training day's rows that held something else.
    """

    binds: ClassVar[bool] = False
    lacks: ClassVar[str] = "it is of no day, or no row of it has another one before it"

    thing: str | None
    unit: str
    absolute: float
    usual: float = 0.0

    @property
    def says(self) -> str:
        """See `Law.says`."""
        return f"{self.columns[0]} is {self._source}."

    @property
    def _source(self) -> str:
        of_same = "" if self.thing is None else f" of the same {self.thing}"
        return f"how many {self.unit} ago the last row{of_same} was"

    def find(self, rows: Rows) -> Broken | None:
        """The rows that hold something else; see `Law.find`.

        Each row that was set aside may be the one before another.
        """
        if rows.day is None:
            return None
        known, off = self.compared(rows)
        size, count = len(known), len(off)
        if count <= max(self.usual * size, rows.aside):
            return None
        return Broken(
            law=self,
            columns=self.columns,
            message=f"{self.columns[0]} of {count:,} of {counted(size, 'row')} is not "
            f"{self._source}, such as {self._example(rows, int(off[0]))}; "
            f"{on_training_days(self.usual)}: it is counted from something else, "
            "rows are lost or come twice, or have other times",
            rows=off,
            strict=self.is_strict and count - rows.aside > max(1.0, (self.usual + MANY) * size),
            numbers={"rows that hold another time": count},
            cases={"rows": count / size},
        )

    def _example(self, rows: Rows, row: int) -> str:
        of_thing = "" if self.thing is None else f" of {show(rows.columns[self.thing][row])}"
        expected = gaps(rows, self.thing)[row] / UNITS[self.unit]
        return f"{show(rows.columns[self.columns[0]][row])}{of_thing} rather than {expected:.6g}"

    def looks_at(self, rows: Rows) -> int:
        """See `Law.looks_at`."""
        return len(self.compared(rows)[0]) if rows.day is not None else 0

    def compared(self, rows: Rows) -> tuple[Ints, Ints]:
        """Positions of rows of which it is known what they are to hold, and of those that do not.

        Args:
            rows: The rows.
        """
        expected = gaps(rows, self.thing) / UNITS[self.unit]
        numbers = as_numbers(rows.columns[self.columns[0]])
        known = np.flatnonzero(~np.isnan(expected) & ~np.isnan(numbers))
        off = np.abs(numbers[known] - expected[known])
        return known, known[off > self.absolute + _ALIKE * expected[known]]


def gaps(rows: Rows, thing: str | None) -> Floats:
    """How many seconds before each row the last one of the same day and thing was.

    Rows of one moment come in the order in which they are delivered.

    Args:
        rows: The rows.
        thing: The column that names the things; None where all rows are of one.

    Returns:
        float64, one a row; NaN where none was, or it is not known when or of what the row is.
    """
    return rows.once(("gaps", thing), lambda: _gaps(rows, thing))


def _gaps(rows: Rows, thing: str | None) -> Floats:
    name, days = rows.schema.event_time, rows.days
    assert name is not None, "there are rows before others of an event time"
    assert days is not None, "rows with an event time have days"
    times = rows.columns[name]
    of_thing = np.zeros(len(rows), dtype=np.int64) if thing is None else rows.values(thing).places
    known = np.flatnonzero(~np.isnat(times) & (of_thing >= 0))
    order = known[np.lexsort((times[known], of_thing[known]))]
    since = np.diff(times[order].astype("datetime64[us]").astype(np.int64)) / 1e6
    is_same = (np.diff(of_thing[order]) == 0) & (np.diff(days[order].astype(np.int64)) == 0)
    found = np.full(len(rows), np.nan)
    found[order[1:]] = np.where(is_same, since, np.nan)
    return found


def discover(training: TrainingRows) -> list[Elapsed]:
    """Find which numbers are the time since the row before.

    Args:
        training: The training rows.
    """
    if not training.has_days or training.days < ENOUGH_DAYS:
        return []
    sizes = np.bincount(training.day_of[training.day_of >= 0])
    tried = [
        training.rows.take(np.flatnonzero(training.day_of == day))
        for day in np.argsort(-sizes, kind="stable")[:MOST_TRIED]
    ]
    found: dict[str, Elapsed] = {}
    numbers = {
        name: np.concatenate([as_numbers(day.columns[name]) for day in tried])
        for name in number_columns(training.rows.schema)
    }
    for thing in things_of(training):
        since = np.concatenate([gaps(day, thing) for day in tried])
        names = [name for name in numbers if name not in found and name != thing]
        for column in _glanced({name: numbers[name] for name in names}, since):
            columns = (column, str(training.rows.schema.event_time))
            seeming = _seeming(numbers[column], since, columns, thing)
            laws = (_law(training, one) for one in seeming)
            found |= {law.columns[0]: law for law in laws if law is not None}
    return list(found.values())


def things_of(training: TrainingRows) -> Iterator[str | None]:
    """What may name things that have several rows; first none.

    Args:
        training: The training rows.
    """
    rows = training.rows
    yield None
    for name in value_columns(rows.schema):
        known = rows.values(name)
        if rows.schema[name].kind is not Kind.FLOAT and 1 < len(known.found) <= len(rows) / 2:
            yield name


def _glanced(numbers: Mapping[str, Floats], since: Floats) -> list[str]:
    """The columns that may be the time since the row before, as a few rows tell.

    Of a wide table hardly any is, and each is tried with each column that names things.
    """
    known = np.flatnonzero(since > 0)  # what is not known is not
    if not numbers or len(known) < ENOUGH_ROWS:
        return []
    some = known[np.linspace(0, len(known) - 1, min(GLANCED, len(known))).astype(np.int64)]
    values = np.stack([array[some] for array in numbers.values()])
    absolute = 2.02 * _roundings_of(values)[:, None]
    gone = [since[some] / seconds for seconds in UNITS.values()]
    # What is missing is none of what is off.
    off = np.stack([np.abs(values - one) > absolute + _ALIKE * one for one in gone])
    most = 2 * MOST_OFF * np.count_nonzero(~np.isnan(values), axis=1)
    may_be = np.count_nonzero(off, axis=2).min(axis=0) <= most
    return [name for name, is_one in zip(numbers, may_be.tolist(), strict=True) if is_one]


def _roundings_of(values: Floats) -> Floats:
    """The same as `rounding_of` of each row of values, some of which may be missing."""
    found = np.zeros(len(values))
    for decimals in reversed(range(DECIMALS + 1)):
        unit = 10.0**-decimals
        off = np.abs(values - np.round(values, decimals)) > 1e-3 * unit
        found[~off.any(axis=1)] = 0.5 * unit
    return found


def _seeming(
    numbers: Floats, since: Floats, columns: tuple[str, str], thing: str | None
) -> Iterator[Elapsed]:
    """What a number may be, as it seems on a few days.

    Args:
        numbers: What each row of these days holds.
        since: How long before it the last one was.
        columns: Of the number and of the time.
        thing: The column that names the things; None where all rows are of one.
    """
    known = ~np.isnan(numbers) & ~np.isnan(since) & (since > 0)
    numbers, since = numbers[known], since[known]
    if len(numbers) < ENOUGH_ROWS or len(np.unique(since)) < ENOUGH_ROWS:
        return
    absolute = 2.02 * rounding_of(numbers)
    for unit, seconds in UNITS.items():
        expected = since / seconds
        off, by_chance = (
            float(np.mean(np.abs(one - expected) > absolute + _ALIKE * expected))
            for one in (numbers, np.roll(numbers, 1))
        )
        if off <= MOST_OFF and by_chance >= MOST_BY_CHANCE:
            named = (*columns, *(() if thing is None else (thing,)))
            yield Elapsed(columns=named, days=0, thing=thing, unit=unit, absolute=absolute)


def _law(training: TrainingRows, law: Elapsed) -> Elapsed | None:
    """It as a law, held to all training days; None where on too many of them it does not hold."""
    known, off = law.compared(training.rows)
    return tried(training, law, known, off) if len(known) >= ENOUGH_TOLD else None
