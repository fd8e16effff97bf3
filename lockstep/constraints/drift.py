"""Drift: how far the columns of a batch are from training, whatever came since.

A column is as far as the farthest of its statistics of all rows: what is missing, where its numbers
lie and how far apart, the shares of its values, those that training never had. How many different
values there are is not among them: it goes with the number of rows. Limits are those of
`lockstep.stats.limits`; the days before a batch do not move them here, as they do for constraints.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from lockstep.columns.growth import grows
from lockstep.columns.kinds import Array, Columns, Floats
from lockstep.columns.plain import counted
from lockstep.constraints import values
from lockstep.constraints.constraint_set import ConstraintSet, DayJudged, Statistic
from lockstep.constraints.layout import Layout
from lockstep.constraints.view import by_clock
from lockstep.constraints.words import figure_of

ENOUGH_DAYS = 20
"""Training days, or blocks of rows, that it takes to tell how much they differ."""
_NAMED = ("level", "spread", "length")
"""Kinds that name a figure; all others say what some of the rows do."""


@dataclass(frozen=True)
class Drift:
    """How far a column of a batch is from training.

    Attributes:
        column: The column.
        share: How far its farthest statistic is, as a share of its limit: 1 and more is beyond.
        what: What that statistic tells; empty where none is away.
        now: Its figure in the batch.
        usual: From where to where it went on training days.
        unjudged: Why its values cannot be judged; None if they can.
        is_measured: Whether any statistic could be, if only how many values are missing.
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
        """Whether it is beyond its limit."""
        return self.share >= 1

    @property
    def message(self) -> str:
        """Its farthest statistic beside what training had."""
        return f"{self.what}: {self.now}, on training days {self.usual}" if self.what else "as ever"


def drift(constraints: ConstraintSet, judged: Sequence[DayJudged]) -> tuple[Drift, ...]:
    """Measure how far each column of a batch is from training.

    Args:
        constraints: What training had.
        judged: The days of the batch; together they are one.

    Returns:
        One entry a column, in the order of their declaration; none of a batch without rows.
    """
    if not judged:
        return ()
    fields = constraints.layout.fields
    if (days := constraints.limits.days) < ENOUGH_DAYS:
        parts = (
            ("day", "days") if constraints.layout.event_time is not None else ("block", "blocks")
        )
        lacking = f"training has {counted(days, *parts)} of rows, and it takes {ENOUGH_DAYS}"
        return tuple(Drift(name, 0.0, unjudged=lacking, is_measured=False) for name in fields)
    found, sizes = _together(judged)
    shares = constraints.limits.away(found, sizes)
    known = constraints.limits.usable & np.isfinite(found)
    growing = _growing(constraints)
    places: dict[str, list[int]] = {name: [] for name in fields}
    for place, one in enumerate(constraints.statistics):
        if not known[place] or not _tells_of_a_column(one) or one.columns[0] not in places:
            continue
        if one.feature.kind != "beyond" or one.columns[0] not in growing:
            places[one.columns[0]].append(place)
    return tuple(
        _drift(constraints, name, own, found, shares, judged) for name, own in places.items()
    )


def judge_together(constraints: ConstraintSet, columns: Columns) -> list[DayJudged]:
    """Judge rows as one batch, of whichever days they are.

    Args:
        constraints: What training had.
        columns: The rows; a field that is not among them is taken to have no values.
    """
    layout = constraints.layout
    rows = len(next(iter(columns.values()), ()))
    if not rows:
        return []
    names = (layout.key, layout.event_time, *layout.fields)
    filled = {
        name: columns[name] if name in columns else _no_values(layout, name, rows)
        for name in names
        if name is not None
    }
    day = np.full(rows, _day_of(constraints, filled))
    return constraints.judge(constraints.view(filled, day, ()))


def _day_of(constraints: ConstraintSet, columns: Columns) -> int:
    """The last day of some rows; where they have none, the day after training."""
    layout = constraints.layout
    after = max((one.day for one in constraints.past), default=-1) + 1
    if layout.event_time is None:
        return after
    times = columns[layout.event_time]
    known = times[~np.isnat(times)]
    if not len(known):
        return after
    return int(
        by_clock(known.max(keepdims=True), layout.timezone).astype("datetime64[D]")[0].astype(int)
    )


def _no_values(layout: Layout, name: str, rows: int) -> Array:
    if name in layout.numbers:
        return np.full(rows, np.nan)
    if name in (*layout.times, layout.event_time):
        return np.full(rows, np.datetime64("NaT", "us"))
    return np.full(rows, None, dtype=object)


def _tells_of_a_column(one: Statistic) -> bool:
    return one.feature.family == values.FAMILY and not one.segment.column


def _growing(constraints: ConstraintSet) -> set[str]:
    """The columns whose numbers rise from day to day: later ones are beyond all of training."""
    days = constraints.limits.values.astype(np.float64)
    numbers = np.arange(len(days))
    return {
        one.columns[0]
        for place, one in enumerate(constraints.statistics)
        if one.feature.kind == "level"
        and _tells_of_a_column(one)
        and grows(days[:, place], numbers)
    }


def _together(judged: Sequence[DayJudged]) -> tuple[Floats, Floats]:
    """The statistics of days together, and of how many rows each tells."""
    found = np.array([one.values for one in judged])
    sizes = np.where(np.isfinite(found), np.array([one.sizes for one in judged]), 0.0)
    total = sizes.sum(axis=0)
    weighted = (np.nan_to_num(found) * sizes).sum(axis=0)
    return np.where(total > 0, weighted / np.maximum(total, 1e-9), np.nan), total


def _drift(
    constraints: ConstraintSet,
    name: str,
    places: Sequence[int],
    found: Floats,
    shares: Floats,
    judged: Sequence[DayJudged],
) -> Drift:
    """How far a column is, by those of its statistics that could be told."""
    kinds = {constraints.statistics[place].feature.kind for place in places}
    unjudged = None if kinds - {"missing"} else _lacking(constraints, name, places, found)
    farthest = max(places, key=lambda place: float(shares[place]), default=None)
    if farthest is None or not shares[farthest] > 0:
        return Drift(name, 0.0, unjudged=unjudged, is_measured=bool(places))
    level = constraints.limits.level
    now, low, high = (
        figure_of(constraints, judged[-1], farthest, float(one[farthest]))
        for one in (found, level.low, level.high)
    )
    return Drift(
        name,
        float(shares[farthest]),
        _what(constraints.statistics[farthest]),
        now,
        low if low == high else f"{low} to {high}",
        unjudged,
    )


def _what(one: Statistic) -> str:
    """What a statistic tells, to go before a figure."""
    feature = one.feature
    if feature.kind in _NAMED:
        return (
            f"{feature.says} of {feature.columns[0]}" if feature.kind == "length" else feature.says
        )
    is_sentence = any(feature.says.startswith(f"{name} ") for name in feature.columns)
    return f"rows {'where' if is_sentence else 'that'} {feature.says}"


def _lacking(constraints: ConstraintSet, name: str, places: Sequence[int], found: Floats) -> str:
    """Why the values of a column cannot be judged."""
    if name in constraints.layout.dated:
        return "in training it has one value in all rows of a day"
    if any(found[place] == 1 for place in places):
        return "it has no values"
    return "too few days of the training have values of it"
