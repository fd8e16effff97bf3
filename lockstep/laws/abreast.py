"""Abreast: what a few like things have at the same moments, such as airports or turbines."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from lockstep.columns.kinds import Floats, Ints
from lockstep.laws.glance import Segments, categories, glance, number_columns
from lockstep.laws.panels import panel_of
from lockstep.laws.rows import Rows, TrainingRows
from lockstep.laws.twins import ENOUGH_HOURS, MOST_SEGMENTS, sensors_of

MOST_HOURS, MOST_MOMENTS = 48, 1440
"""Hours that rows of a day go over at most, and moments: each minute."""


@dataclass(frozen=True)
class Abreast:
    """Some things, and when each of them tells something.

    Attributes:
        parted: The things.
        hourly: Whether they are places whose sensors tell the same all hour, to which rows are
            joined; else they are a grid, of which each moment has one row.
    """

    parted: Segments
    hourly: bool

    def numbers(self, rows: Rows, column: str) -> Floats | None:
        """What things have: things by moments, NaN for nothing; None of too few or many moments.

        Hours are all that there are from the first to the last.

        Args:
            rows: The rows of a day.
            column: A number.
        """
        seen = glance(rows)
        grid = seen.rows.once(("grid of", self), lambda: self._grid(seen.rows))
        if grid is None:
            return None
        return seen.rows.once(("on grid", self, column), lambda: grid.filled(seen.numbers(column)))

    def _grid(self, rows: Rows) -> _Grid | None:
        time = rows.schema.event_time
        times = None if time is None else rows.hours if self.hourly else rows.columns[time]
        if times is None:
            return None
        codes = self.parted.codes(glance(rows))
        positions = np.flatnonzero((codes >= 0) & ~np.isnat(times))
        numbers = times[positions].astype(np.int64)
        if self.hourly and len(numbers):
            at = numbers - numbers.min()
            length = int(at.max()) + 1
        else:
            moments, at = np.unique(numbers, return_inverse=True)
            length = len(moments)
        if not ENOUGH_HOURS <= length <= (MOST_HOURS if self.hourly else MOST_MOMENTS):
            return None
        cells, first = np.unique(codes[positions] * length + at, return_index=True)
        return _Grid((len(self.parted.labels), length), cells, positions[first])


@dataclass(frozen=True, eq=False)
class _Grid:
    """The cells of things and moments that have a row.

    Attributes:
        shape: How many things and moments there are.
        cells: Those with a row.
        positions: The first row of each.
    """

    shape: tuple[int, int]
    cells: Ints
    positions: Ints

    def filled(self, numbers: Floats) -> Floats:
        """A number of each row, by things and moments."""
        found = np.full(self.shape, np.nan)
        found.ravel()[self.cells] = numbers[self.positions]
        return found


def abreast_of(training: TrainingRows) -> list[tuple[Abreast, list[str]]]:
    """The things that are few enough to be held against each other, and the numbers that they have.

    Args:
        training: The training rows.
    """
    return training.rows.once("abreast", lambda: _abreast_of(training))


def _abreast_of(training: TrainingRows) -> list[tuple[Abreast, list[str]]]:
    if training.rows.schema.event_time is None or not training.has_days:
        return []
    panel, found = panel_of(training), []
    for parted in categories(training.rows):
        if len(parted.labels) > MOST_SEGMENTS:
            continue
        hourly = panel is None or panel.column != parted.column
        columns = number_columns(training.rows.schema)
        names = sensors_of(training.rows, parted) if hourly else list(columns)
        found.append((Abreast(parted, hourly), [one for one in names if one != parted.column]))
    return [(things, names) for things, names in found if names]


def are_one(numbers: Floats) -> bool:
    """Whether all things have the same at each moment, so that it is of none of them.

    Args:
        numbers: Things by moments, NaN for nothing.
    """
    first = numbers[0]
    return bool(np.all((numbers == first) | np.isnan(numbers) | np.isnan(first)))
