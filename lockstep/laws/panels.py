"""Panels: things of which each has one row at each moment, such as meters that are read hourly.

A panel (balanced, in the word of econometrics: Baltagi, "Econometric Analysis of Panel Data", 1995)
is a grid of the things and the moments of a day, with one row in each cell. Where a few cells are
empty, each thing and each moment may still have nearly as many rows as ever: what gives that away
is the grid alone. Which column names the things is found in the training days.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from typing import ClassVar

import numpy as np
import pandas as pd

from lockstep.columns.kinds import Array, Ints, Kind
from lockstep.columns.plain import counted, show
from lockstep.laws.cases import coded
from lockstep.laws.law import ENOUGH_DAYS, Broken, Law
from lockstep.laws.lookups import Cell, cells_of
from lockstep.laws.rows import Rows, TrainingRows

MOST_THINGS = 5_000
"""Things that a panel has at most."""
MOST_OFF = 0.02
"""Share of a training day's cells that are empty, or have two rows, at most."""
TIMES, MORE = 3, 3
"""How many times as many cells as on any training day, and how many more, are no chance, where
there were any. Where every day was a whole grid, one is none."""


class WholeGrid(Law, frozen=True, kw_only=True, tag="whole grid"):
    """Each of some things has one row at each moment of a day at which any has.

    Things that training did not know may begin at any moment, and are not looked at. A day that has
    less than half of those that are always there is one of other rows.

    Attributes:
        things: Those that training knew; first those that are always there.
        always: How many things each training day had: they are to be there, the others may be.
        empty: How many cells of a training day had no row, at most.
        double: How many had two.
    """

    binds: ClassVar[bool] = False

    things: tuple[Cell, ...]
    always: int
    empty: int
    double: int

    @property
    def says(self) -> str:
        """See `Law.says`."""
        thing, time = self.columns
        return f"Each {thing} has one row at each moment of a day, by {time}."

    def find(self, rows: Rows) -> Broken | None:
        """The first day on which more cells are empty, or have two rows, than ever."""
        thing, time = self.columns
        for day in _days(rows, coded(rows.values(thing), self.things), self.always):
            empty, double = day.empty.shape[1], len(day.again)
            too_empty = is_more(empty, self.empty)
            if not too_empty and not is_more(double, self.double):
                continue
            if too_empty:
                thing_at, moment_at = day.empty[:, 0]
                at = pd.Timestamp(day.moments[moment_at])
                told = (
                    f"{counted(empty, 'cell')} of {day.count:,} {'has' if empty == 1 else 'have'} "
                    f"no row, such as that of {thing} {show(self.things[thing_at])} at {at:%H:%M} "
                    f"UTC; on training days {self.empty} at most had none"
                )
            else:
                value = show(rows.columns[thing][day.again[0]])
                at = pd.Timestamp(rows.columns[time][day.again[0]])
                told = (
                    f"{counted(double, 'row')} of {day.count:,} {'is' if double == 1 else 'are'} "
                    f"the second of one cell, such as that of {thing} {value} at {at:%H:%M} UTC; "
                    f"on training days {self.double} at most were"
                )
            return Broken(
                law=self,
                columns=self.columns,
                message=f"{self.says} {told}",
                rows=day.again,
                strict=self.is_strict,
                numbers={"empty cells": empty, "rows of a cell that has one": double},
            )
        return None


def is_more(count: int, ever: int) -> bool:
    """Whether so many cannot be, where a training day had no more than others.

    Args:
        count: How many there are.
        ever: How many a training day had, at most.
    """
    return count > (TIMES * ever + MORE if ever else 0)


@dataclass(frozen=True, eq=False)
class _Day:
    """The cells of a panel on a day: its things by its moments.

    Attributes:
        count: How many there are.
        moments: The moments.
        empty: Things and moments, as places among all, of those without a row: 2 by cells.
        again: Positions of the rows whose cell has another one before them.
    """

    count: int
    moments: Array
    empty: Ints
    again: Ints

    @classmethod
    def of(cls, things: Ints, moments: Array, positions: Ints, always: int = 0) -> _Day:
        """The cells of some rows.

        Args:
            things: Which thing each row is of.
            moments: When each row is.
            positions: Where each row is in its batch.
            always: How many things, the first ones, are always there.
        """
        those = np.unique(things)
        if 2 * np.searchsorted(those, always) >= always:
            those = np.union1d(those, np.arange(always))
        row = np.searchsorted(those, things)
        at, times = pd.factorize(moments)
        is_there = np.zeros((len(those), len(times)), dtype=bool)
        is_there[row, at] = True
        thing, moment = np.nonzero(~is_there)
        again = pd.Series(row * len(times) + at).duplicated().to_numpy()
        return cls(is_there.size, times, np.stack([those[thing], moment]), positions[again])


def _days(rows: Rows, things: Ints, always: int) -> Iterator[_Day]:
    """The cells of each day of a batch; of a batch of one day, of that.

    Args:
        rows: The batch.
        things: Which thing each row is of; -1 for none that is looked at.
        always: How many things, the first ones, are always there.
    """
    days = rows.days
    assert days is not None, "a panel has moments"
    kept = (things >= 0) & ~np.isnat(days)
    if rows.day is not None:
        kept &= days == np.datetime64(rows.day)
    positions = np.flatnonzero(kept)
    positions = positions[np.argsort(days[positions], kind="stable")]
    edges = np.flatnonzero(np.diff(days[positions].astype(np.int64))) + 1
    moments = rows.columns[str(rows.schema.event_time)]
    for start, end in pairwise([0, *edges.tolist(), len(positions)]):
        if start < end:
            one = positions[start:end]
            yield _Day.of(things[one], moments[one], one, always)


@dataclass(frozen=True, eq=False)
class Panel:
    """The things of which each has one row at each moment.

    Attributes:
        column: What names them.
        days: On how many training days each was there, in the order of `Rows.values`.
        moments: How many moments a day has, by the median of the training days.
        empty: How many cells of a training day had no row, at most.
        double: How many rows were the second one of a cell.
    """

    column: str
    days: Ints
    moments: int
    empty: int
    double: int


def panel_of(training: TrainingRows) -> Panel | None:
    """The panel that training rows are; None where they are none.

    Args:
        training: The training rows.
    """
    return training.rows.once("panel", lambda: _panel_of(training))


def _panel_of(training: TrainingRows) -> Panel | None:
    schema, rows = training.rows.schema, training.rows
    if schema.event_time is None or not training.has_days or training.days < ENOUGH_DAYS:
        return None
    names = [
        one.name
        for one in schema
        if one.role == "value"
        and one.kind in (Kind.TEXT, Kind.INT)
        and 1 < len(rows.values(one.name).found) <= MOST_THINGS
    ]
    return next((one for name in names if (one := _panel(training, name)) is not None), None)


def _panel(training: TrainingRows, column: str) -> Panel | None:
    """A column as what names the things of a panel; None where a day is no grid of them."""
    rows = training.rows
    time = rows.schema.event_time
    assert time is not None, "the rows have days"
    things, moments = rows.values(column).places, rows.values(time)
    order = np.argsort(training.day_of, kind="stable")
    starts = np.searchsorted(training.day_of[order], np.arange(training.days + 1))
    found, days = [], np.zeros(len(rows.values(column).found), dtype=np.int64)
    for start, end in pairwise(starts.tolist()):
        one = order[start:end]
        sizes = [len(np.unique(places[one])) for places in (things, moments.places)]
        if min(things[one]) < 0 or sizes[0] < 2:
            return None
        if abs(len(one) - sizes[0] * sizes[1]) > MOST_OFF * len(one):
            return None
        day = _Day.of(things[one], moments.places[one], one)
        days[np.unique(things[one])] += 1
        found.append((sizes[1], day.empty.shape[1], len(day.again), day.count))
    several, empty, double, count = np.array(found).T
    if np.any(np.maximum(empty, double) > MOST_OFF * count):
        return None
    if several.min() == 1 and days.min() < training.days:
        return None  # rows of one moment are a grid whatever names them, if it changes
    return Panel(column, days, int(np.median(several)), int(empty.max()), int(double.max()))


def discover(training: TrainingRows) -> list[WholeGrid]:
    """Find of which things each has one row at each moment.

    Args:
        training: The training rows.
    """
    panel = panel_of(training)
    time = training.rows.schema.event_time
    if panel is None or time is None:
        return []
    order = np.argsort(-panel.days, kind="stable")
    return [
        WholeGrid(
            columns=(panel.column, time),
            days=training.days,
            things=tuple(cells_of(training.rows.values(panel.column).found[order])),
            always=int(np.count_nonzero(panel.days == training.days)),
            empty=panel.empty,
            double=panel.double,
        )
    ]
