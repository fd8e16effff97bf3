"""Statistics of a batch: means of row features, in all and by segment, and figures of the whole.

states_of    rows to states: sums that merge
read         a state to the values of statistics
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from functools import partial
from itertools import islice

import msgspec
import numpy as np

from lockstep.columns.kinds import Array, Floats, Ints
from lockstep.constraints import identity
from lockstep.constraints.aggregates import Aggregates
from lockstep.constraints.entities import Entities
from lockstep.constraints.features import Feature, Measured
from lockstep.constraints.layout import Layout
from lockstep.constraints.past import PastBatch
from lockstep.constraints.quantities import Quantity
from lockstep.constraints.segments import Segment, cells_of, masks_of
from lockstep.constraints.thresholds import ENOUGH_ROWS, SAMPLE
from lockstep.constraints.values import Values
from lockstep.constraints.view import View
from lockstep.stats.limits import Trait
from lockstep.stats.states import Frequent, Moments, Products, State

_BLOCK = 32_000_000
"""Values of features that are held at a time: 128 MB."""
SEGMENTED = ("missing", "level", "share", "residual")
"""Kinds that are looked at by segment, too: by these, all other kinds find nothing more there."""
_STEPPED = ("missing", "level", "spread", "length")
"""Kinds of which a step from the days before counts by itself: a season moves them slowly."""
_BY_ITSELF = ("missing", "equality", "dependency", "containment", "look-up")
"""Kinds of which each row is an observation: what is exact is so in each, and a column that is lost
is lost to each."""


class Statistic(msgspec.Struct, frozen=True):
    """A figure of a batch.

    Attributes:
        feature: What it is the mean of, or what it is as a whole.
        segment: The part of the batch that it is of, beside the rest; all rows of most.
        of_batch: Whether it is of the batch as a whole.
    """

    feature: Feature
    segment: Segment
    of_batch: bool = False

    @property
    def identity(self) -> str:
        """Tells it apart from all others."""
        part = f"@{self.segment.column}={self.segment.value}" if self.segment.column else ""
        return f"{self.feature.identity}{part}"

    @property
    def columns(self) -> tuple[str, ...]:
        """The fields to look at, the first suspect first."""
        return tuple(dict.fromkeys((*self.feature.columns, *self.segment.columns)))

    @property
    def trait(self) -> Trait:
        """What limits know of it."""
        kind, part = self.feature.kind, bool(self.segment.column)
        scope = "batch" if self.of_batch else "part" if part else "all"
        return Trait(
            kind=f"{kind}/{scope}",
            column=self.feature.columns[0] if self.feature.columns else "",
            is_part=part,
            by_row=self.feature.by_row,
            stepped=kind in _STEPPED,
        )


def days_of(view: View) -> list[tuple[int, Ints]]:
    """The days of a view, each with the positions of its rows in order of time."""
    return view.once("days of", lambda: _days_of(view))


def _days_of(view: View) -> list[tuple[int, Ints]]:
    order = np.lexsort((view.micros, view.group))
    edges = np.searchsorted(view.group[order], np.arange(len(view.days) + 1))
    return [
        (day, order[start:end])
        for day, start, end in zip(
            view.days.tolist(), edges[:-1].tolist(), edges[1:].tolist(), strict=True
        )
    ]


class Shown:
    """Which rows of a batch show a feature that single rows may show.

    They are kept as bits: there may be hundreds of such features, and a million rows.

    Args:
        view: Its rows, or a sample of them.
    """

    def __init__(self, view: View) -> None:
        self._of_whole = np.arange(len(view.whole))
        self._of_view = view.own(self._of_whole)
        self._bits: dict[int, tuple[Array, int]] = {}

    def keep(self, number: int, values: Array) -> None:
        """Keep where a feature is 1.

        Args:
            number: Which feature.
            values: Its value in each row, of the sample or of all.
        """
        self._bits[number] = np.packbits(values == 1), len(values)

    def rows(self, number: int) -> Array:
        """Positions of the rows that show a feature; none of one that rows do not show."""
        bits, count = self._bits.get(number, (np.empty(0, dtype=np.uint8), 0))
        among = self._of_whole if count == len(self._of_whole) else self._of_view[:count]
        found: Array = among[np.unpackbits(bits, count=count).astype(bool)]
        return found


def states_of(
    found: Iterable[Measured],
    view: View,
    values: Values,
    whole: Aggregates,
    strict: Iterable[tuple[int, Array]] = (),
) -> tuple[list[State], tuple[Feature, ...], Shown]:
    """The state of each day of a view, its features, and the rows that show them.

    Features are made and summed some at a time, so that memory is bounded by the view.

    Args:
        found: The features.
        view: The rows, or a sample of them.
        values: What training had of each number.
        whole: What else is told of a batch.
        strict: Of a sample, which features are told of all rows, with their values there.
    """
    masks = masks_of(whole.segments, view)
    days = [rows for _, rows in days_of(view)]
    all_days = [rows for _, rows in days_of(view.whole)]
    shown = Shown(view)
    features: list[Feature] = []
    sums: list[list[Moments]] = [[] for _ in days]
    at_a_time = max(_BLOCK // max(len(view), 1), 1)
    remaining = iter(found)
    while block := list(islice(remaining, at_a_time)):
        matrix = np.empty((len(block), len(view)), dtype=np.float32)
        for place, one in enumerate(block):
            matrix[place] = one.values
            if one.feature.by_row or one.feature.kind == "missing":
                shown.keep(len(features) + place, matrix[place])
        features += [one.feature for one in block]
        for number, rows in enumerate(days):
            is_fit = view.fold is not None
            sums[number].append(Moments.of(matrix[:, rows].T, masks[:, rows], squared=is_fit))
    moments = [Moments.beside(of_day) for of_day in sums]
    for number, broken in strict:
        shown.keep(number, broken)
        for of_all, rows in zip(moments, all_days, strict=True):
            of_all.count[0, number] = np.isfinite(broken[rows]).sum()
            of_all.total[0, number] = np.nansum(broken[rows])
    states = [
        _state(sums_of, view, rows, all_rows, values, whole)
        for sums_of, rows, all_rows in zip(moments, days, all_days, strict=True)
    ]
    return states, tuple(features), shown


def _state(
    moments: Moments, view: View, rows: Ints, all_rows: Ints, values: Values, whole: Aggregates
) -> State:
    """The state of a day: its rows are counted, and all else is told of those of the view."""
    cells = view.once("cells", lambda: cells_of(whole.segments, view.whole))
    things = view.once("things", lambda: whole.segments.counts(view.whole))
    numbers, then = (
        np.array([of(number)[rows] for number in whole.numbers]).T.reshape(
            len(rows), len(whole.numbers)
        )
        for of in (partial(values.place, view=view), partial(values.place_before, view=view))
    )
    digits = _digits(view, whole)[rows]
    known = np.isfinite(digits)
    counts = {"cells": np.array([cell[all_rows].sum() for cell in cells], dtype=np.float64)}
    for name, place in things.items():
        count = len(whole.segments.things[name]) // 8
        counts[name] = np.bincount(place[all_rows], minlength=count + 1)[:count].astype(np.float64)
    return State(
        rows=len(all_rows),
        moments=moments,
        products=Products.of(numbers, then),
        counts=counts,
        frequent={name: Frequent.of(view.code(name)[rows]) for name in whole.columns},
        digits=(int(known.sum()), float(digits[known].sum())),
    )


def _digits(view: View, whole: Aggregates) -> Floats:
    if view.layout.key is None or not (whole.numbered or view.fold is not None):
        return np.full(len(view), np.nan)
    return view.number(Quantity("digits", (view.layout.key,)))


def statistics_of(
    features: Sequence[Feature],
    parts: Sequence[tuple[int, int]],
    whole: Aggregates,
    layout: Layout,
) -> tuple[Statistic, ...]:
    """The statistics of a batch: means of all rows, of parts, and of the batch as a whole."""
    return (
        *(Statistic(feature, Segment()) for feature in features),
        *(Statistic(features[number], whole.segments.parts[place]) for place, number in parts),
        *(Statistic(feature, Segment(), of_batch=True) for feature in whole.features(layout)),
    )


def read(
    state: State,
    past: Sequence[PastBatch],
    day: int,
    parts: Ints,
    whole: Aggregates,
    bunched: Floats,
) -> tuple[Floats, Floats]:
    """The statistics of a batch, and of how many independent rows each tells.

    Args:
        state: What they are read from.
        past: What is kept of the batches before.
        day: Its day.
        parts: int64, statistics x 2: segment and feature of each statistic of a part.
        whole: What else is told of a batch.
        bunched: How many rows are one observation, by statistic.
    """
    moments = state.moments
    count, total = moments.count, moments.total
    with np.errstate(all="ignore"):
        mean = total / count
        rest_count = count[:1] - count
        beside = mean - (total[:1] - total) / rest_count
        size = 1 / (1 / count + 1 / rest_count)
    of_batch, errors = whole.read(state, past, day)
    values = np.concatenate([mean[0], beside[parts[:, 0], parts[:, 1]], of_batch])
    sizes = np.concatenate([count[0], size[parts[:, 0], parts[:, 1]], 1 / errors**2])
    return values, np.nan_to_num(sizes) / bunched


def variance_of(moments: Moments, parts: Ints, statistics: int) -> tuple[Floats, Floats]:
    """The variance of a row's value of each statistic, and what one row can move it by."""
    count = np.maximum(moments.count, 1.0)
    found = np.maximum(moments.square / count - (moments.total / count) ** 2, 0.0)
    found[1:] = (found[1:] + found[:1]) / 2
    found = np.where(moments.count > 0, np.maximum(found, 1 / np.maximum(moments.count, 50)), 1.0)
    of_rows = np.concatenate([found[0], found[parts[:, 0], parts[:, 1]]])
    rest = statistics - len(of_rows)
    variance = np.concatenate([of_rows, np.ones(rest)])
    floor = np.concatenate([np.ones(len(of_rows)), np.zeros(rest)])
    return variance, floor


class Bunches:
    """How many rows are one observation, by feature, learnt of training rows.

    The row before of the same thing, within a quarter of a day, tells a row in part: of so many
    rows, there are as many observations as leave the mean as well known (the effective size of a
    series whose rows are correlated with the one before: Bayley and Hammersley, 1946).

    Args:
        view: Training rows; the last of them are looked at.
        entities: What names things.

    Attributes:
        found: How many it is of each feature, in order.
    """

    def __init__(self, view: View, entities: Entities) -> None:
        newest = np.sort(np.argsort(view.day, kind="stable")[-SAMPLE:])
        self._orders = []
        for entity in (one for one in entities.full if "@clock" not in one):
            thing = view.codes(entity)[newest]
            order = newest[np.lexsort((view.micros[newest], view.day[newest], thing))]
            code, day = view.codes(entity)[order], view.day[order]
            part = view.calendar("@quarter")[order]
            same = (code[1:] == code[:-1]) & (day[1:] == day[:-1]) & (part[1:] == part[:-1])
            sizes = np.diff(np.concatenate([[0], np.flatnonzero(~same) + 1, [len(order)]]))
            most = float((sizes.astype(float) ** 2).sum() / max(sizes.sum(), 1))
            self._orders.append((order, same, most))
        self.found: list[float] = []
        self._columns = {name: self._of_values(view.code(name)) for name in view.layout.fields}

    def learnt(self, found: Iterable[Measured]) -> Iterator[Measured]:
        """Features, handed on as how many rows are one observation of each is learnt."""
        for one in found:
            self.found.append(self._of(one.feature, one.values))
            yield one

    def _of(self, feature: Feature, values: Array) -> float:
        """How many rows are one observation of a feature; of what never moved, of its column."""
        if feature.family == identity.FAMILY or feature.kind in _BY_ITSELF:
            return 1.0
        found = [self._effect(values, *order) for order in self._orders]
        known = [one for one in found if one is not None]
        if known:
            return max(known)
        return max((self._columns.get(name, 1.0) for name in feature.columns[:1]), default=1.0)

    def _effect(self, values: Array, order: Ints, same: Array, most: float) -> float | None:
        own = values[order].astype(np.float64)
        now, then = own[1:][same], own[:-1][same]
        known = np.isfinite(now) & np.isfinite(then)
        if known.sum() < ENOUGH_ROWS:
            return None
        now, then = now[known], then[known]
        middle = own[np.isfinite(own)].mean()
        spread = float(((own[np.isfinite(own)] - middle) ** 2).mean())
        if spread < 1e-12:
            return None
        return _effective(float(((now - middle) * (then - middle)).mean()) / spread, most)

    def _of_values(self, code: Array) -> float:
        """How many rows of a thing share a value, beyond those that do by chance."""
        found = []
        for order, same, most in self._orders:
            own = code[order]
            _, counts = np.unique(own, return_counts=True)
            chance = float(((counts / max(len(own), 1)) ** 2).sum())
            if same.any() and chance < 1:
                again = float((own[1:] == own[:-1])[same].mean())
                found.append(_effective((again - chance) / (1 - chance), most))
        return max(found, default=1.0)


def _effective(correlation: float, most: float) -> float:
    """How many rows are one observation, by their correlation with the row before; at most some."""
    kept = min(max(correlation, 0.0), 1.0)
    return min((1 + kept) / max(1 - kept, 1e-9), max(most, 1.0))
