"""Drift: how far the columns of a batch are from training, whatever came since.

A column is as far as its farthest statistic of all rows. The number of distinct values does not
count, since it goes with the number of rows. The limits are from `lockstep.stats.limits`, but the
days before a batch do not move them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from lockstep.columns.kinds import Array, Columns, Floats
from lockstep.columns.plain import counted
from lockstep.constraints.constraint_set import ConstraintSet
from lockstep.constraints.features import Feature
from lockstep.constraints.layout import Layout
from lockstep.constraints.thresholds import SAMPLE
from lockstep.constraints.words import figure_of, range_of
from lockstep.stats.limits import ENOUGH_DAYS

_BEYOND = ("beyond", "far beyond")
_NAMED = ("level", "spread")
"""Kinds that name a figure and its column; the others describe rows."""
_RISES = 0.99
"""Rank correlation with the day (Spearman, 1904) from which on a column counts as growing."""
_ENOUGH_PARTS = 5
"""The fewest days, and distinct numbers, that can show growth."""


@dataclass(frozen=True)
class Drift:
    """How far a column of a batch is from training.

    Attributes:
        share: How far its farthest statistic is, as a share of its limit: 1 and more is beyond.
        what: The name of that statistic; empty where none is outside of its range.
        unjudged: Why its values cannot be judged; None where they can.
        is_measured: Whether there is any statistic, if only the share of missing values.
    """

    column: str
    share: float
    what: str = ""
    now: str = ""
    usual: str = ""
    unjudged: str | None = None
    is_measured: bool = True

    @property
    def is_far(self) -> bool:
        """Whether the column is beyond its limit."""
        return self.share >= 1

    @property
    def message(self) -> str:
        """The farthest statistic beside its range on training days."""
        return f"{self.what}: {self.now}, on training days {self.usual}" if self.what else "as ever"


def drift(constraints: ConstraintSet, columns: Columns) -> tuple[Drift, ...]:
    """Measure how far each column of a batch is from training.

    Returns:
        The drift of each column, in the order of declaration; none for a batch without rows.
    """
    layout = constraints.layout
    rows = len(next(iter(columns.values()), ()))
    if not rows:
        return ()
    if (days := constraints.limits.days) < ENOUGH_DAYS:
        parts = ("day", "days") if layout.event_time is not None else ("block", "blocks")
        lacking = f"training has {counted(days, *parts)} of rows, and it takes {ENOUGH_DAYS}"
        return tuple(
            Drift(name, 0.0, unjudged=lacking, is_measured=False) for name in layout.fields
        )
    values, sizes = _measured(constraints, _filled(layout, columns, rows))
    shares, usual = constraints.limits.away(values, sizes), constraints.limits.usual(sizes)
    known = constraints.limits.usable & np.isfinite(values)
    growing = _growing(constraints)
    places: dict[str, list[int]] = {name: [] for name in layout.fields}
    for place in np.flatnonzero(known).tolist():
        feature = constraints.features[place]
        name = feature.columns[0]
        is_beyond = feature.kind in _BEYOND and name in growing
        if name in places and not is_beyond and not feature.of_day:
            places[name].append(place)
    return tuple(
        _drift(constraints, name, own, values, usual, shares) for name, own in places.items()
    )


def _measured(constraints: ConstraintSet, columns: Columns) -> tuple[Floats, Floats]:
    """The statistics of values and their independent rows, of a sample of many rows.

    They are the first of all statistics; the others are NaN.
    """
    count = len(constraints.statistics)
    values, sizes = np.full(count, np.nan), np.zeros(count)
    rows = len(next(iter(columns.values())))
    view = constraints.view(columns, np.zeros(rows, dtype=np.int64), ()).sample(SAMPLE)
    for place, measured in enumerate(constraints.values.evaluate(view)):
        known = np.isfinite(measured.values)
        if known.any():
            values[place] = np.mean(measured.values, where=known, dtype=np.float64)
            sizes[place] = known.sum() / constraints.bunched[place]
    return values, sizes


def _filled(layout: Layout, columns: Columns, rows: int) -> Columns:
    """The columns, and those that are lacking as missing values."""
    names = (layout.key, layout.event_time, *layout.fields)
    return {
        name: columns[name] if name in columns else _no_values(layout, name, rows)
        for name in names
        if name is not None
    }


def _no_values(layout: Layout, name: str, rows: int) -> Array:
    if name in layout.numbers:
        return np.full(rows, np.nan)
    if name in (*layout.times, layout.event_time):
        return np.full(rows, np.datetime64("NaT", "us"))
    return np.full(rows, None, dtype=object)


def _growing(constraints: ConstraintSet) -> set[str]:
    """The columns whose numbers rise from day to day: later ones are beyond all of training."""
    days = constraints.limits.values.astype(np.float64)
    numbers = np.arange(len(days))
    return {
        feature.columns[0]
        for place, feature in enumerate(constraints.features)
        if feature.kind == "level" and _grows(days[:, place], numbers)
    }


def _drift(
    constraints: ConstraintSet,
    name: str,
    places: Sequence[int],
    values: Floats,
    ends: tuple[Floats, Floats],
    shares: Floats,
) -> Drift:
    """How far a column is, by those of its statistics that have a value."""
    features = constraints.features
    is_judged = any(features[place].kind != "missing" for place in places)
    unjudged = None if is_judged else _lacking(constraints, name, places, values)
    farthest = max(places, key=lambda place: float(shares[place]), default=None)
    if farthest is None or not shares[farthest] > 0:
        return Drift(name, 0.0, unjudged=unjudged, is_measured=bool(places))
    statistic = constraints.statistics[farthest]
    now = figure_of(constraints, statistic, float(values[farthest]))
    low, high = (float(end[farthest]) for end in ends)
    usual = range_of(constraints, statistic, low, high)
    return Drift(name, float(shares[farthest]), _what(features[farthest]), now, usual, unjudged)


def _what(feature: Feature) -> str:
    """The name of a statistic, to go before a figure."""
    if feature.kind == "length":
        return f"{feature.says} of {feature.columns[0]}"
    return feature.says if feature.kind in _NAMED else f"rows that {feature.says}"


def _lacking(constraints: ConstraintSet, name: str, places: Sequence[int], values: Floats) -> str:
    """Why the values of a column cannot be judged."""
    if name in constraints.layout.dated:
        return "in training it has one value in all rows of a day"
    if any(values[place] == 1 for place in places):
        return "it has no values"
    return "too few days of the training have values of it"


def _grows(numbers: Array, parts: Array) -> bool:
    """Whether numbers rise from day to day.

    Such a column has no level: every later day lies beyond all days before it.
    """
    is_known = np.isfinite(numbers.astype(np.float64, copy=False)) & (parts >= 0)
    values, days = pd.Series(numbers[is_known]), pd.Series(parts[is_known])
    if min(days.nunique(), values.nunique()) < _ENOUGH_PARTS:
        return False
    return bool(np.corrcoef(values.rank(), days.rank())[0, 1] >= _RISES)
