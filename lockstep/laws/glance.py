"""A glance at rows: what several laws ask of the same rows, found once.

Of a large batch it sees rows spread evenly over it, at most `MOST_ROWS` of them.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import pandas as pd

from lockstep.columns.kinds import Array, Floats, Ints, Kind
from lockstep.columns.schema import MADE, Schema
from lockstep.columns.tables import is_missing
from lockstep.laws.law import Law
from lockstep.laws.rows import Rows, TrainingRows

MOST_ROWS = 50_000
"""Rows of a batch that statistics are taken of: a share of them is known to 0.5 % then."""
MOST_SEGMENTS = 24
"""Values that a category has at most whose rows are judged by themselves."""
LARGEST = 1e70
"""What numbers beyond it, such as the largest that there is, are taken for: all have squares."""
GRAIN = 1e-6
"""Of the range of numbers, by how much two of them differ at most that are the same: those of
single precision differ in their last digits, and 0 may be a ten-millionth."""
_NUMBERS = (Kind.FLOAT, Kind.INT, Kind.BOOL)


def grain_of(numbers: Floats) -> float:
    """By how much two numbers that are the same differ at most; 0 where none ever moves.

    Args:
        numbers: Those of the training.
    """
    known = numbers[np.isfinite(numbers)]
    return float(f"{GRAIN * np.ptp(known):.3g}") if len(known) else 0.0


def as_numbers(array: Array) -> Floats:
    """Values as float64; NaN where there is none."""
    return np.clip(array.astype(np.float64, copy=False), -LARGEST, LARGEST)


def number_columns(schema: Schema) -> tuple[str, ...]:
    """The fields that hold numbers or booleans, but the key."""
    return tuple(
        one.name for one in schema if one.kind in _NUMBERS and one.role not in ("key", "event_time")
    )


def text_columns(schema: Schema) -> tuple[str, ...]:
    """The fields that hold texts, the key among them."""
    return tuple(one.name for one in schema if one.kind is Kind.TEXT)


def value_columns(schema: Schema) -> tuple[str, ...]:
    """The fields that hold neither the key nor times, and what is made of fields."""
    return tuple(
        one.name for one in schema if one.role in ("value", MADE) and one.kind is not Kind.TIME
    )


@dataclass(frozen=True, eq=False)
class Glance:
    """Rows, or an even sample of them.

    Attributes:
        rows: The rows that are looked at.
        positions: Where each of them is among all; None where they are all.
    """

    rows: Rows
    positions: Ints | None

    def __len__(self) -> int:
        return len(self.rows)

    def numbers(self, column: str) -> Floats:
        """A column as float64; NaN where it is missing."""
        return self.rows.once(("numbers", column), lambda: as_numbers(self.rows.columns[column]))

    def missing(self, column: str) -> Array:
        """Where a column is missing: bool, one a row."""
        return self.rows.once(("missing", column), lambda: is_missing(self.rows.columns[column]))

    def counts(self, column: str) -> Ints:
        """How often each of the column's values occurs, in the order of `Rows.values`."""
        return self.rows.once(("counts", column), lambda: self._counts(column))

    def _counts(self, column: str) -> Ints:
        values = self.rows.values(column)
        known = values.places[values.places >= 0]
        return np.bincount(known, minlength=len(values.found))

    @property
    def order(self) -> Ints | None:
        """Positions of the rows by event time; None where they have none."""
        name = self.rows.schema.event_time
        if name is None:
            return None
        columns = self.rows.columns
        return self.rows.once("order", lambda: np.argsort(columns[name], kind="stable"))

    @property
    def quarter(self) -> Ints | None:
        """The quarter of the day of each row by the local clock, 0 to 3; None without times.

        -1 where its time is missing.
        """
        return quarters(self.rows)

    def codes(self, column: str, labels: tuple[str, ...]) -> Ints:
        """Which of some values each row has: its place among them, -1 for none of them.

        Args:
            column: A column.
            labels: The values, as text.
        """
        return self.rows.once(
            ("codes", column, labels), lambda: codes_of(self.rows, column, labels)
        )

    def all_positions(self, mask: Array) -> Ints:
        """Positions among all rows of those in the sample where a mask is true."""
        found = np.flatnonzero(mask)
        return found if self.positions is None else self.positions[found]


def codes_of(rows: Rows, column: str, labels: tuple[str, ...]) -> Ints:
    """Which of some values each row has, of all rows: see `Glance.codes`."""
    values = rows.values(column)
    place = {label: code for code, label in enumerate(labels)}
    codes = [place.get(str(value), -1) for value in values.found.tolist()]
    return np.array([*codes, -1], dtype=np.int64)[values.places]


def glance(rows: Rows) -> Glance:
    """The glance at rows; the same sample for the same rows.

    Args:
        rows: Some rows.
    """
    if len(rows) <= MOST_ROWS:  # not kept: rows that keep themselves are freed late
        return Glance(rows, None)
    return rows.once("glance", lambda: _sample(rows))


def _sample(rows: Rows) -> Glance:
    positions = np.linspace(0, len(rows) - 1, MOST_ROWS).astype(np.int64)
    return Glance(rows.take(positions, rows.day), positions)


class Glancing(Law, frozen=True, kw_only=True):
    """A law that is tried on an even sample of a large batch."""

    def looks_at(self, rows: Rows) -> int:
        """See `Law.looks_at`."""
        return min(len(rows), MOST_ROWS)


@dataclass(frozen=True)
class Segments:
    """How a category parts rows.

    Attributes:
        column: The category; None for the quarters of the day.
        labels: Its values, the most frequent first.
    """

    column: str | None
    labels: tuple[str, ...]

    def __hash__(self) -> int:
        return self._hash

    @cached_property
    def _hash(self) -> int:
        """Found once: labels are many, and what is made of segments is looked up by them."""
        return hash((self.column, self.labels))

    def codes(self, seen: Glance) -> Ints:
        """The segment of each row: its place among the labels, -1 for none."""
        if self.column is None:
            assert seen.quarter is not None, "quarters need an event time"
            return seen.quarter
        return seen.codes(self.column, self.labels)


def quarters(rows: Rows) -> Ints | None:
    """The quarter of the day of each of all rows: see `Glance.quarter`.

    Args:
        rows: Some rows.
    """
    return rows.once("quarters", lambda: _quarters(rows))


def _quarters(rows: Rows) -> Ints | None:
    times = rows.local_times
    if times is None:
        return None
    hours = (times - times.astype("datetime64[D]")).astype("timedelta64[h]")
    return np.where(np.isnat(times), -1, hours.astype(np.int64) // 6)


def dated_columns(training: TrainingRows) -> frozenset[str]:
    """The columns that are the same all day on each training day, and another one on others.

    What they hold tells which day it is, such as its week or the rate of an exchange, and nothing
    of the rows: by which value is frequent, or round, days are not compared.

    Args:
        training: The training rows.
    """
    return training.rows.once("dated columns", lambda: _dated(training))


def _dated(training: TrainingRows) -> frozenset[str]:
    if not training.has_days:
        return frozenset()
    is_of_a_day = training.day_of >= 0
    found = []
    for name in value_columns(training.rows.schema):
        values = training.rows.values(name)
        known = is_of_a_day & (values.places >= 0)
        places, day_of = values.places[known], training.day_of[known]
        one = np.full(training.days, -1)
        one[day_of] = places  # the last one of each day
        if len(values.found) > 1 and np.array_equal(one[day_of], places):
            found.append(name)
    return frozenset(found)


QUARTERS = ("from 0 to 6 h", "from 6 to 12 h", "from 12 to 18 h", "from 18 to 24 h")


def categories(rows: Rows) -> list[Segments]:
    """Categories with few values, each on enough rows to be judged by itself.

    Args:
        rows: The training rows.
    """
    found = []
    for one in rows.schema:
        if one.role != "value" or one.kind is Kind.TIME:
            continue
        values = rows.values(one.name)
        if not 1 < len(values.found) <= MOST_SEGMENTS or one.declared == "float":
            continue
        counts = pd.Series(np.bincount(values.places[values.places >= 0]))
        counts = counts[counts >= 0.01 * len(rows)].sort_values(ascending=False, kind="stable")
        labels = tuple(str(values.found[place]) for place in counts.index)
        if len(labels) > 1:
            found.append(Segments(one.name, labels))
    return found
