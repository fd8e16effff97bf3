"""Counters: what is told of a thing again goes one way only, as what a car has run.

Odometers, meters and numbers of orders so far rise with each row of the same thing, debts that are
paid off fall. A number in another unit, of another thing or of an old table, is below what was told
of the thing before, though it lies where those of others do. Which column names the things, and
which way the number goes, is found in the training days: what hardly ever went the other way, from
one row of a thing to one of a later day, though those of other things are as often below as above.

What is counted since the beginning of a year begins anew. So a number is held to what training told
of its thing in the same year, unless training saw a year begin; and where most of them begin anew,
far below, that only warns.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from lockstep.columns.kinds import Array, Floats, Ints, Kind
from lockstep.columns.plain import counted, show
from lockstep.laws.copies import MORE, TIMES
from lockstep.laws.glance import as_numbers, glance, number_columns
from lockstep.laws.law import ENOUGH_DAYS, Broken, Law
from lockstep.laws.rows import Rows, TrainingRows

ENOUGH_THINGS = 20
"""Different things that it takes."""
ENOUGH_STEPS = 200
"""Times that a thing came again on a later day, with a number."""
MOST_BACK = 0.01
"""Share of these times in which the number went the other way, at most: odometers are misread."""
LEAST_ON = 0.5
"""Share of them in which it went on: what stands still is looked up."""
LEAST_OF_OTHERS = 0.2
"""Share of them in which the number of another thing would have gone back."""
MANY = 0.05
"""Share of the rows of known things, beyond what is usual, that cannot have gone back."""
ANEW = 0.2
"""Share of what it was below which a number has begun anew."""
MOST_THINGS = 20_000
"""Things whose last numbers are kept, those that were told last."""
_MOST_NAMES = 4
"""Columns that may name the things, of those whose things come again most often."""


class OneWay(Law, frozen=True, kw_only=True, tag="one way"):
    """The number of a thing goes one way.

    Attributes:
        thing: The column that names things.
        is_rising: Whether it rises, rather than falls.
        usual: In which share of the times that a thing came again it went the other way.
        first_day: The first training day, in ISO form.
        last_day: The last one.
        things: Digests of things, uint64, little-endian, in order.
        last: What was told of each of them last, float64, little-endian.
    """

    thing: str
    is_rising: bool
    usual: float
    first_day: str
    last_day: str
    things: bytes
    last: bytes

    @property
    def says(self) -> str:
        """See `Law.says`."""
        way = "falls" if self.is_rising else "rises"
        return f"{self.columns[0]} never {way} for one and the same {self.thing}."

    def find(self, rows: Rows) -> Broken | None:
        """See `Law.find`; of the rows later than training."""
        seen = glance(rows)
        numbers, before = seen.numbers(self.columns[0]), self._before(seen.rows)
        is_known = np.isfinite(numbers) & np.isfinite(before)
        sign = 1.0 if self.is_rising else -1.0
        is_back = is_known & (sign * (numbers - before) < 0)
        known, back = int(np.count_nonzero(is_known)), int(np.count_nonzero(is_back))
        if back < MORE or back <= TIMES * self.usual * known + MORE:
            return None
        first = int(np.flatnonzero(is_back)[0])
        name = show(seen.rows.columns[self.thing][first])
        side = "below" if self.is_rising else "above"
        begins = self.is_rising and np.median((numbers - ANEW * before)[is_back]) < 0
        return Broken(
            law=self,
            columns=self.columns,
            message=f"{self.columns[0]} is {side} what it was for the same {self.thing} in "
            f"{counted(back, 'row')} of {known:,} of which that is known, such as "
            f"{numbers[first]:.10g} after {before[first]:.10g} of {name}; in training it went "
            f"back in {self.usual:.2%} of such rows",
            rows=seen.all_positions(is_back),
            strict=self.is_strict
            and rows.day is not None
            and not begins
            and back > (TIMES * self.usual + MANY) * known,
            numbers={"share that went back": back / known},
            cases={"share": back / known},
        )

    def looks_at(self, rows: Rows) -> int:
        """See `Law.looks_at`."""
        return int(np.isfinite(self._before(glance(rows).rows)).sum())

    def _before(self, rows: Rows) -> Floats:
        """What training told last of the thing of each row; NaN where it told nothing."""
        return rows.once(("before", self.columns, self.last_day), lambda: self._find_before(rows))

    def _find_before(self, rows: Rows) -> Floats:
        things, last = np.frombuffer(self.things, "<u8"), np.frombuffer(self.last, "<f8")
        asked = rows.value_digests(self.thing)
        places = np.minimum(np.searchsorted(things, asked), len(things) - 1)
        told = np.where(things[places] == asked, last[places], np.nan)
        told[-1] = np.nan  # that of none
        before: Floats = told[rows.values(self.thing).places]
        return np.where(self._are_later(rows), before, np.nan)

    def _are_later(self, rows: Rows) -> Array:
        """Which rows are later than training, and of a year that it tells of."""
        assert rows.days is not None, "the law is about rows of days"
        last = np.datetime64(self.last_day)
        is_later: Array = rows.days > last
        if self.first_day[:4] == self.last_day[:4]:
            is_later &= rows.days.astype("datetime64[Y]") == last.astype("datetime64[Y]")
        return is_later


@dataclass(frozen=True, eq=False)
class _Again:
    """The training rows of a thing, one after the other.

    Attributes:
        name: The column that names things.
        order: Positions of the rows by thing, and by time.
        is_again: Which of these, but for the first, follow one of the same thing and an earlier
            day.
    """

    name: str
    order: Ints
    is_again: Array

    @classmethod
    def of(cls, name: str, training: TrainingRows, order: Ints) -> _Again:
        """Those of a column.

        Args:
            name: The column.
            training: The training rows.
            order: Their positions by time.
        """
        places, day_of = training.rows.values(name).places, training.day_of
        known = order[(places[order] >= 0) & (day_of[order] >= 0)]
        by_thing = known[np.argsort(places[known], kind="stable")]
        same = np.diff(places[by_thing]) == 0
        return cls(name, by_thing, same & (np.diff(day_of[by_thing]) > 0))


def discover(training: TrainingRows) -> list[OneWay]:
    """Find the numbers that go one way for each thing.

    Args:
        training: The training rows.
    """
    schema, time = training.rows.schema, training.rows.schema.event_time
    if time is None or not training.has_days or training.days < ENOUGH_DAYS:
        return []
    order = np.argsort(training.rows.columns[time], kind="stable")
    named = [
        one.name
        for one in schema
        if one.role == "value" and (one.kind is Kind.TEXT or one.declared == "int")
        if len(training.rows.values(one.name).found) >= ENOUGH_THINGS
    ]
    again = [_Again.of(name, training, order) for name in named]
    again = [one for one in again if np.count_nonzero(one.is_again) >= ENOUGH_STEPS]
    again.sort(key=lambda one: len(training.rows.values(one.name).found), reverse=True)
    numbers = [one for one in number_columns(schema) if schema[one].role == "value"]
    found = []
    for column in numbers:
        laws = list(_laws(column, again[:_MOST_NAMES], training))
        found += [min(laws, key=lambda law: law.usual)] if laws else []
    return found


def _laws(column: str, again: list[_Again], training: TrainingRows) -> Iterator[OneWay]:
    numbers = as_numbers(training.rows.columns[column])
    for one in again:
        if one.name == column:
            continue
        here, before = one.order[1:][one.is_again], one.order[:-1][one.is_again]
        change = numbers[here] - numbers[before]
        is_known = np.isfinite(change)
        steps = int(np.count_nonzero(is_known))
        days = len(np.unique(training.day_of[here[is_known]]))
        if steps < ENOUGH_STEPS or days < ENOUGH_DAYS:
            continue
        change = change[is_known]
        is_rising = bool(np.mean(change > 0) > 0.5)
        back = float(np.mean(change < 0 if is_rising else change > 0))
        if back > MOST_BACK or 1 - back - np.mean(change == 0) < LEAST_ON:
            continue
        of_others = np.roll(numbers[here[is_known]], steps // 2) - numbers[before[is_known]]
        if np.mean(of_others < 0 if is_rising else of_others > 0) < LEAST_OF_OTHERS:
            continue
        yield _law(column, one, numbers, training, days=days, usual=back, is_rising=is_rising)


def _law(
    column: str,
    again: _Again,
    numbers: Floats,
    training: TrainingRows,
    *,
    days: int,
    usual: float,
    is_rising: bool,
) -> OneWay:
    rows = training.rows
    assert rows.days is not None, "training has days"
    told = again.order[np.isfinite(numbers[again.order])]
    places = rows.values(again.name).places[told]
    last = told[np.append(np.diff(places) != 0, True)]  # the last row of each thing
    last = last[np.argsort(-training.day_of[last], kind="stable")[:MOST_THINGS]]
    digests = rows.value_digests(again.name)[rows.values(again.name).places[last]]
    order = np.argsort(digests)
    of_days = rows.days[training.day_of >= 0]
    return OneWay(
        columns=(column, again.name),
        days=days,
        thing=again.name,
        is_rising=is_rising,
        usual=float(f"{usual:.4g}"),
        first_day=str(of_days.min()),
        last_day=str(of_days.max()),
        things=digests[order].astype("<u8").tobytes(),
        last=numbers[last][order].astype("<f8").tobytes(),
    )
