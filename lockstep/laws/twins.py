"""Twins: segments whose sensors tell the same, though they never did.

Two places have weathers of their own. Where one is given the other's, nothing is wrong with any
column, any row or any relation within a row: what gives it away is that both agree at every hour.
What is counted is the share of hours in which two segments of a category agree, in a column and in
all of the category's columns together; near duplicates of time series are found alike (Hernandez
and Stolfo, "The merge/purge problem for large databases", SIGMOD 1995, of records).
"""

from __future__ import annotations

from itertools import combinations
from typing import ClassVar

import msgspec
import numpy as np

from lockstep.columns.kinds import Array, Ints
from lockstep.columns.plain import counted, listed
from lockstep.laws.bands import Band, Banded, Reading, days_like, fitted, share, training_days
from lockstep.laws.glance import Glance, Segments, categories, codes_of, glance, number_columns
from lockstep.laws.law import ENOUGH_DAYS, Broken
from lockstep.laws.rows import Rows, TrainingRows

MOST_SEGMENTS = 8
"""Segments of a category of which each pair is compared."""
MOST_USUAL = 0.5
"""Share of the hours in which two segments agree on a usual day at most."""
TIMES, MORE = 3, 3
"""How many times as many hours as on any training day, and how many more, in which two segments
are the same, are no chance."""
ENOUGH_HOURS = 8
"""Hours that two segments have both, which it takes to tell."""
ONE_VALUE = 0.95
"""Share of the hours of a segment in which a column of a sensor has one value in all rows."""


class Twins(Banded, frozen=True, kw_only=True, tag="twins"):
    """How often two segments agree in the same hour.

    Attributes:
        category: The column that parts the rows.
        labels: The segments.
        ever: In how many hours of a training day any two segments agreed, at most; -1 of a
            version that an older Lockstep fitted.
    """

    only_above: ClassVar[bool] = True
    category: str
    labels: tuple[str, ...]
    ever: int = -1

    @property
    def says(self) -> str:
        """See `Law.says`."""
        return f"No two {self.category} have the same {listed(self._sensors)} for long."

    @property
    def _sensors(self) -> tuple[str, ...]:
        return tuple(name for name in self.columns if name != self.category)

    @property
    def _pairs(self) -> dict[str, tuple[int, int]]:
        """The places of each two segments among the labels, by what the two are called."""
        return {
            f"{self.labels[first]} and {self.labels[second]}": (first, second)
            for first, second in combinations(range(len(self.labels)), 2)
        }

    def suspects(self, name: str, reading: Reading, usual: Band) -> tuple[str, ...]:
        """See `Banded.suspects`; those that are measured."""
        return self._sensors

    def measure(self, rows: Rows) -> dict[str, Reading]:
        """See `Banded.measure`."""
        return {
            name: share(int(np.count_nonzero(agree)), len(agree))
            for name, (_, agree) in self.agreeing(rows).items()
            if len(agree) >= ENOUGH_HOURS
        }

    def agreeing(self, rows: Rows) -> dict[str, tuple[Ints, Array]]:
        """The hours of each two segments in which either is known, and in which of them they agree.

        Args:
            rows: The rows of a day.
        """
        return rows.once(("agreeing", self.columns), lambda: self._agreeing(rows))

    def _agreeing(self, rows: Rows) -> dict[str, tuple[Ints, Array]]:
        if not len(rows) or rows.hours is None:
            return {}
        hours, values = _by_hour(rows, self.category, self.labels, self._sensors)
        told = {}
        for name, (first, second) in self._pairs.items():
            both = _common(hours[first], hours[second])
            one, other = values[first][:, both[0]], values[second][:, both[1]]
            is_known = ((one >= 0) | (other >= 0)).any(axis=0)
            agree = (one == other).all(axis=0)
            told[name] = hours[first][both[0]][is_known], agree[is_known]
        return told

    def find_besides(self, rows: Rows) -> Broken | None:
        """See `Banded.find_besides`; two that agree in far more hours than by chance."""
        if self.ever < 0:
            return None
        told = [
            (part, name, hours[agree], len(agree))
            for part in days_like(rows, self.size)
            for name, (hours, agree) in self.agreeing(part.rows).items()
            if np.count_nonzero(agree) >= TIMES * self.ever + MORE
        ]
        if not told:
            return None
        part, name, same, known = told[0]
        those, at = self.rows_of(part.rows, name), part.rows.hours
        assert at is not None
        positions = those[np.isin(at[those].astype(np.int64), same)]
        return Broken(
            law=self,
            columns=self._sensors,
            message=(
                f"{listed(self._sensors)} of {self.category} {name} are all the same in "
                f"{counted(len(same), 'hour')}, on training days in {self.ever} at most"
            ),
            rows=part.in_batch(positions),
            strict=self.days >= ENOUGH_DAYS,
            numbers={name: len(same) / known},
            cases={f"{pair} are the same": float(len(one)) for _, pair, one, _ in told},
        )

    def tell(self, name: str, reading: Reading, usual: Band, rows: Rows) -> str:
        """See `Banded.tell`."""
        return (
            f"{listed(self._sensors)} of {self.category} {name} are the same in "
            f"{reading.value:.0%} of the hours, on training days in {usual.highest:.0%} at most"
        )

    def rows_of(self, rows: Rows, name: str) -> Ints:
        """See `Banded.rows_of`."""
        seen = glance(rows)
        codes = Segments(self.category, self.labels).codes(seen)
        return seen.all_positions(np.isin(codes, self._pairs[name]))


def _by_hour(
    rows: Rows, category: str, labels: tuple[str, ...], columns: tuple[str, ...]
) -> tuple[list[Ints], list[Ints]]:
    """Of each segment its hours, and the first value in each of them: columns by hours."""
    seen = glance(rows)
    hours = seen.rows.hours
    assert hours is not None
    places_of = firsts(rows, category, labels)
    places = [seen.rows.values(name).places for name in columns]
    return (
        [hours[one].astype(np.int64) for one in places_of],
        [np.array([place[one] for place in places]) for one in places_of],
    )


def firsts(rows: Rows, category: str, labels: tuple[str, ...]) -> list[Ints]:
    """Of each segment the position of the first row of each hour, among those that are looked at.

    Args:
        rows: The rows.
        category: The column that parts them.
        labels: The segments.
    """
    seen = glance(rows)
    return seen.rows.once(("hours of", category, labels), lambda: _firsts(seen, category, labels))


def _firsts(seen: Glance, category: str, labels: tuple[str, ...]) -> list[Ints]:
    hours = seen.rows.hours
    assert hours is not None
    numbers = hours.astype(np.int64)
    codes = Segments(category, labels).codes(seen)
    found = []
    for code in range(len(labels)):
        positions = np.flatnonzero((codes == code) & ~np.isnat(hours))
        found.append(positions[np.unique(numbers[positions], return_index=True)[1]])
    return found


def _common(first: Ints, second: Ints) -> tuple[Ints, Ints]:
    _, one, other = np.intersect1d(first, second, assume_unique=True, return_indices=True)
    return one, other


def discover(training: TrainingRows) -> list[Twins]:
    """Find categories whose segments have sensors of their own, and how often these agree.

    Args:
        training: The training rows.
    """
    days = training_days(training)
    if not days or training.rows.schema.event_time is None:
        return []
    candidates: list[Twins] = []
    for one in categories(training.rows):
        if one.column is None or len(one.labels) > MOST_SEGMENTS:
            continue
        sensors = sensors_of(training.rows, one)
        groups = [*((name,) for name in sensors), *([tuple(sensors)] if sensors[1:] else [])]
        candidates += [
            Twins(columns=(*group, one.column), days=0, category=one.column, labels=one.labels)
            for group in groups
        ]
    laws = fitted(candidates, days)
    kept = [law for law in laws if max(one.middle for one in law.bands.values()) <= MOST_USUAL]
    return [msgspec.structs.replace(law, ever=_most_hours(law, days)) for law in kept]


def _most_hours(law: Twins, days: list[Rows]) -> int:
    """In how many hours of a day any two segments agreed, at most."""
    told = (agree for day in days for _, agree in law.agreeing(day).values())
    return max((int(np.count_nonzero(agree)) for agree in told), default=0)


def sensors_of(rows: Rows, parted: Segments) -> list[str]:
    """The numbers of which all rows of a segment and an hour have the same, and hours do not.

    Args:
        rows: The training rows.
        parted: The segments.
    """
    return rows.once(("sensors", parted), lambda: _sensors_of(rows, parted))


def _sensors_of(rows: Rows, parted: Segments) -> list[str]:
    assert parted.column is not None
    assert rows.hours is not None
    codes = codes_of(rows, parted.column, parted.labels)
    known = (codes >= 0) & ~np.isnat(rows.hours)
    groups = np.unique(
        rows.hours[known].astype(np.int64) * len(parted.labels) + codes[known], return_inverse=True
    )[1]
    found = []
    for name in number_columns(rows.schema):
        places = rows.values(name).places[known]
        lowest = np.full(groups.max(initial=0) + 1, np.iinfo(np.int64).max)
        highest = np.full_like(lowest, -2)
        np.minimum.at(lowest, groups, places)
        np.maximum.at(highest, groups, places)
        is_one = np.mean(lowest == highest)
        of_segments = len(np.unique(lowest)) > 2 * len(parted.labels)
        if is_one >= ONE_VALUE and of_segments and len(groups) >= 3 * len(lowest):
            found.append(name)
    return found
