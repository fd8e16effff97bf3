"""Statistics of a batch: means of row features, in all and by segment, and figures of the whole.

states_of    rows to states: sums that merge
read         a state to the values of statistics
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import partial
from itertools import islice

import msgspec
import numpy as np

from lockstep.columns.digests import mixed
from lockstep.columns.kinds import Array, Floats, Ints
from lockstep.constraints import rules
from lockstep.constraints.aggregates import Aggregates
from lockstep.constraints.dependencies import OfDay
from lockstep.constraints.evidence import MOST_CATEGORIES
from lockstep.constraints.features import Feature, Measured
from lockstep.constraints.layout import Layout
from lockstep.constraints.past import PastBatch
from lockstep.constraints.quantities import Quantity
from lockstep.constraints.rules import Rules
from lockstep.constraints.segments import Segment, cells_of, masks_of
from lockstep.constraints.values import Values
from lockstep.constraints.view import View
from lockstep.stats.limits import Trait
from lockstep.stats.states import Frequent, Moments, Products, State

_BLOCK = 32_000_000
"""Values of features that are held at a time: 128 MB."""
SEGMENTED = ("missing", "level", "share", "residual")
"""Kinds that are looked at by segment, too: by these, all other kinds find nothing more there."""
_STEPPED = ("missing", "level", "spread", "zero", "negative", "round", "as before", "length")
"""Kinds of which a step from the days before counts by itself."""
_INDEPENDENT = ("missing", "count", "volume", "volume of the weekday", "lacking", "distinct")
"""Kinds to which each row adds by itself, though rows of an hour share values."""


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
        np.array([of(one)[rows] for one in whole.numbers]).T.reshape(len(rows), len(whole.numbers))
        for of in (partial(values.place, view=view), partial(values.place_before, view=view))
    )
    digits = _digits(view, whole)[rows]
    known = np.isfinite(digits)
    counts = {"cells": np.array([one[all_rows].sum() for one in cells], dtype=np.float64)}
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


def bunched_of(view: View, labels: Sequence[Statistic], kept: Rules) -> Floats:
    """How many rows are one observation: those that share a value of an hour.

    The design effect of clusters: Kish, "Survey Sampling", 1965.
    """
    hour = mixed((view.code("@hour"), view.day.astype(np.uint64)), len(view))
    effects: dict[str, float] = {}
    for rule in (one.rule for one in kept.rules):
        if isinstance(rule, OfDay) and {"@hour", "@clock"} & {*rule.left}:
            group = mixed((view.codes(rule.left), view.day.astype(np.uint64)), len(view))
            sizes = np.unique(group, return_counts=True)[1].astype(float)
            effect = float((sizes**2).sum() / sizes.sum())
            effects[rule.right] = max(effects.get(rule.right, 1.0), effect)
    for name in (one for one in view.layout.fields if one not in effects):
        code = view.code(name)
        if len(np.unique(code)) <= MOST_CATEGORIES:
            continue
        both = mixed((code, hour), len(view))[code != 0]
        sizes = np.unique(both, return_counts=True)[1].astype(float)
        effects[name] = max(float((sizes**2).sum() / sizes.sum()), 1.0) if len(sizes) else 1.0
    return np.array(
        [
            1.0
            if one.feature.kind in _INDEPENDENT or one.feature.family == rules.FAMILY
            else max((effects.get(name, 1.0) for name in one.columns), default=1.0)
            for one in labels
        ]
    )
