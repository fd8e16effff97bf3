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
from typing import Any, ClassVar

import numpy as np
import pandas as pd

from lockstep.columns.kinds import Array, Ints, Kind
from lockstep.columns.plain import counted, listed, show
from lockstep.laws.cases import coded
from lockstep.laws.copies import is_more
from lockstep.laws.law import ENOUGH_DAYS, Broken, Law
from lockstep.laws.lookups import Cell, cells_of
from lockstep.laws.rows import Rows, TrainingRows

MOST_THINGS = 5_000
"""Things that a panel has at most."""
MOST_OFF = 0.02
"""Share of a training day's cells that are empty, or have two rows, at most."""
_NAMED = 3
"""Things without a row that a message names."""


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
        """The first day on which more cells are empty, or have two rows, than ever.

        Only of a day are all rows to be there: of a file, that may correct a few, cells that have
        two are looked at. As many empty cells as rows of the batch were set aside only warn.
        """
        thing, _ = self.columns
        for day in _days(rows, coded(rows.values(thing), self.things), self.always):
            empty, double = day.empty if rows.day is not None else 0, len(day.again)
            is_lost = is_more(empty - rows.aside, self.empty)
            is_double = is_more(double, self.double)
            if not is_double and not is_more(empty, self.empty):
                continue
            told = self._double(rows, day) if is_double and not is_lost else self._empty(rows, day)
            return Broken(
                law=self,
                columns=self.columns,
                message=f"{self.says} {told}",
                rows=day.again,
                strict=self.is_strict and (is_lost or is_double),
                numbers={"empty cells": empty, "rows of a cell that has one": double},
            )
        return None

    def _empty(self, rows: Rows, day: _Day) -> str:
        """What is told of a day with empty cells."""
        thing, _ = self.columns
        cells = f"{counted(day.empty, 'cell')} of {day.count:,} {_has(day.empty)} no row"
        usual = (
            f"on training days {self.empty} at most had none"
            if self.empty
            else "every cell of every training day had one"
        )
        aside = f"; {counted(rows.aside, 'row')} {_was(rows.aside)} set aside" if rows.aside else ""
        if len(day.gone):
            names = listed((show(self.things[one]) for one in day.gone), _NAMED)
            it_is = "it is" if len(day.gone) == 1 else "they are"
            return (
                f"{thing} {names} {_has(len(day.gone))} no row at all: if {it_is} gone for good, "
                f"accept that and train anew; {cells}, {usual}{aside}"
            )
        name, at = show(self.things[day.gap[0]]), pd.Timestamp(day.gap[1])
        return f"{cells}, such as that of {thing} {name} at {at:%H:%M} UTC; {usual}{aside}"

    def _double(self, rows: Rows, day: _Day) -> str:
        """What is told of a day with cells that have two rows."""
        thing, time = self.columns
        count, first = len(day.again), day.again[0]
        at = pd.Timestamp(rows.columns[time][first])
        usual = f"{self.double} at most were" if self.double else "none was"
        return (
            f"{counted(count, 'row')} of {day.count:,} {'is' if count == 1 else 'are'} the second "
            f"of one cell, such as that of {thing} {show(rows.columns[thing][first])} at "
            f"{at:%H:%M} UTC; on training days {usual}"
        )


def _has(count: int) -> str:
    return "has" if count == 1 else "have"


def _was(count: int) -> str:
    return "was" if count == 1 else "were"


@dataclass(frozen=True, eq=False)
class _Day:
    """The cells of a panel on a day: its things by its moments.

    Attributes:
        count: How many there are.
        empty: How many of them have no row.
        gap: The thing and the moment of the first one without; of no meaning where none is.
        gone: The things that are always there and have no row at all.
        again: Positions of the rows whose cell has another one before them.
    """

    count: int
    empty: int
    gap: tuple[int, Any]
    gone: Ints
    again: Ints

    @classmethod
    def of(cls, things: Ints, moments: Array, positions: Ints, always: int = 0) -> _Day:
        """The cells of some rows, in memory that grows with these, not with the cells.

        Args:
            things: Which thing each row is of.
            moments: When each row is.
            positions: Where each row is in its batch.
            always: How many things, the first ones, are always there.
        """
        those = np.unique(things)
        gone = np.setdiff1d(np.arange(always), those)
        if 2 * len(gone) > always:
            gone = gone[:0]  # a day of other rows
        those = np.union1d(those, gone)
        times, at = np.unique(moments, return_inverse=True)
        cells = np.searchsorted(those, things) * len(times) + at
        filled, size = np.unique(cells), len(those) * len(times)
        gaps = np.flatnonzero(filled != np.arange(len(filled)))
        thing, moment = divmod(int(gaps[0]) if len(gaps) else len(filled) % size, len(times))
        return cls(
            count=size,
            empty=size - len(filled),
            gap=(int(those[thing]), times[moment]),
            gone=gone,
            again=positions[pd.Series(cells).duplicated().to_numpy()],
        )


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
        found.append((sizes[1], day.empty, len(day.again), day.count))
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
