"""Statistics of a batch: means of row features, and figures of the whole.

states_of    from rows to states, which merge
read         from a state to the values of statistics
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import islice, pairwise

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
from lockstep.constraints.quantity_values import evaluate
from lockstep.constraints.thresholds import ENOUGH_ROWS, SAMPLE
from lockstep.constraints.values import Values
from lockstep.constraints.view import View, made_once
from lockstep.stats.limits import Trait
from lockstep.stats.number_runs import NO_RUNS, Gap
from lockstep.stats.states import Frequent, Moments, Products, State

_BLOCK = 8_000_000
"""Most values of features in memory at a time: 32 MB."""
_STEPPED = ("missing", "level", "spread", "length")
"""Kinds whose steps from the days before count by themselves: a season moves them slowly."""
_BY_ITSELF = ("missing", "equality", "dependency", "containment", "look-up")
"""Kinds of which each row is an observation: exact rules hold in each, and lost columns are lost to
each."""


class Statistic(msgspec.Struct, frozen=True):
    """A figure of a batch."""

    feature: Feature
    of_batch: bool = False  # whether it is of the batch as a whole

    @property
    def identity(self) -> str:
        """A text that no other statistic has."""
        return self.feature.identity

    @property
    def columns(self) -> tuple[str, ...]:
        """The fields to look at, the first suspect first."""
        return tuple(dict.fromkeys(self.feature.columns))

    @property
    def trait(self) -> Trait:
        """What limits know of it."""
        kind = self.feature.kind
        scope = "batch" if self.of_batch else "all"
        scope = "day" if self.feature.of_day else scope
        return Trait(
            kind=f"{kind}/{scope}",
            column=self.feature.columns[0] if self.feature.columns else "",
            by_row=self.feature.by_row,
            stepped=kind in _STEPPED,
        )


@made_once
def days_of(view: View) -> list[tuple[int, Ints]]:
    """The days of a view, each with the positions of its rows in order of time."""
    order = np.lexsort((view.micros, view.group))
    edges = np.searchsorted(view.group[order], np.arange(len(view.days) + 1))
    spans = zip(view.days.tolist(), pairwise(edges.tolist()), strict=True)
    return [(day, order[start:end]) for day, (start, end) in spans]


class Shown:
    """Which rows of a batch show a feature, for features that single rows may show.

    Rows are kept as bits: there may be hundreds of such features, and a million rows.
    """

    def __init__(self, view: View) -> None:
        self._count = len(view.whole)
        self._sampled = None if view.whole is view else view.positions
        self._bits: dict[int, tuple[Array, int]] = {}

    def keep(self, number: int, values: Array) -> None:
        """Keep the rows where a feature is 1."""
        self._bits[number] = np.packbits(values == 1), len(values)

    def rows(self, number: int) -> Array:
        """The positions of the rows that show a feature; none where it was not kept."""
        bits, count = self._bits.get(number, (np.empty(0, dtype=np.uint8), 0))
        shown = np.flatnonzero(np.unpackbits(bits, count=count))
        return shown if self._sampled is None or count == self._count else self._sampled[shown]


def states_of(
    measurements: Iterable[Measured],
    view: View,
    values: Values,
    whole: Aggregates,
    strict: Iterable[tuple[int, Array]] = (),
) -> tuple[list[State], tuple[Feature, ...], Shown]:
    """The state of each day of a view, its features, and the rows that show them.

    Features are made and summed some at a time, so that memory is bounded. For a sample, `strict`
    has the places of strict rules with their values in all rows.
    """
    days = [_together(rows) for _, rows in days_of(view)]
    all_days = [rows for _, rows in days_of(view.whole)]
    shown = Shown(view)
    features: list[Feature] = []
    lacking: list[list[float]] = [[] for _ in days]
    sums: list[list[Moments]] = [[] for _ in days]
    at_a_time = max(_BLOCK // max(len(view), 1), 1)
    remaining = iter(measurements)
    while block := list(islice(remaining, at_a_time)):
        matrix = np.empty((len(block), len(view)), dtype=np.float32)
        for place, measured in enumerate(block):
            matrix[place] = measured.values
            if measured.feature.by_row or measured.feature.kind == "missing":
                shown.keep(len(features) + place, matrix[place])
        features += [measured.feature for measured in block]
        for number, rows in enumerate(days):
            lacking[number] += [
                0.0 if lacks is None else float(lacks[rows].sum()) for _, _, lacks in block
            ]
            is_fit = view.fold is not None
            sums[number].append(Moments.of(matrix[:, rows].T, squared=is_fit))
    moments = [Moments.beside(of_day) for of_day in sums]
    for number, broken in strict:
        shown.keep(number, broken)
        for of_all, rows in zip(moments, all_days, strict=True):
            of_all.count[number] = np.isfinite(broken[rows]).sum()
            of_all.total[number] = np.nansum(broken[rows])
    states = [
        _state(sums_of, np.array(lacks), view, rows, all_rows, values, whole)
        for sums_of, lacks, rows, all_rows in zip(moments, lacking, days, all_days, strict=True)
    ]
    return states, tuple(features), shown


def _together(rows: Ints) -> Ints | slice:
    """Rows as a slice, where they stand together: their values are then not copied."""
    if len(rows) and np.array_equal(rows, np.arange(rows[0], rows[0] + len(rows))):
        return slice(int(rows[0]), int(rows[-1]) + 1)
    return rows


def _state(
    moments: Moments,
    lacking: Floats,
    view: View,
    rows: Ints | slice,
    all_rows: Ints,
    values: Values,
    whole: Aggregates,
) -> State:
    """The state of a day: counts of all its rows, and all else of its rows in the view."""
    segments = whole.segments
    cells = view.once("cells", lambda: np.array([cell.mask(view.whole) for cell in segments.cells]))
    things = view.once("things", lambda: segments.counts(view.whole))
    shape = (len(view.day[rows]), len(whole.numbers))
    numbers = np.array([values.place(number, view)[rows] for number in whole.numbers])
    then = np.array([values.place_before(number, view)[rows] for number in whole.numbers])
    if view.of_day:  # the row before is of another part
        then[:] = np.nan
    digits = _digits(view, whole)[rows]
    numbering, key = whole.numbering, view.layout.key
    keys = view.whole.columns[key][all_rows] if numbering is not None and key is not None else None
    known = np.isfinite(digits)
    counts = {"cells": np.array([cell[all_rows].sum() for cell in cells], dtype=np.float64)}
    for name, place in things.items():
        count = len(segments.things[name]) // 8
        counts[name] = np.bincount(place[all_rows], minlength=count + 1)[:count].astype(np.float64)
    return State(
        rows=len(all_rows),
        moments=moments,
        lacking=lacking,
        products=Products.of(numbers.T.reshape(shape), then.T.reshape(shape)),
        counts=counts,
        frequent={name: Frequent.of(view.code(name)[rows]) for name in whole.columns},
        digits=(int(known.sum()), float(digits[known].sum())),
        runs=NO_RUNS if numbering is None or keys is None else numbering.runs(keys),
    )


def _digits(view: View, whole: Aggregates) -> Floats:
    if view.layout.key is None or not (whole.numbered or view.fold is not None):
        return np.full(len(view), np.nan)
    return evaluate(view, Quantity("digits", (view.layout.key,)))


def statistics_of(
    features: Sequence[Feature], whole: Aggregates, layout: Layout
) -> tuple[Statistic, ...]:
    """The statistics of a batch, in order: of its rows, and of the batch as a whole."""
    return (
        *(Statistic(feature) for feature in features),
        *(Statistic(feature, of_batch=True) for feature in whole.features(layout)),
    )


def read(
    state: State,
    past: Sequence[PastBatch],
    day: int,
    whole: Aggregates,
    bunched: Floats,
    gaps: Sequence[Gap] = (),
) -> tuple[Floats, Floats]:
    """The values of the statistics of a batch, and how many independent rows each has.

    `bunched` is infinite where all rows of a day are one observation.
    """
    moments = state.moments
    count, total = moments.count, moments.total
    with np.errstate(all="ignore"):
        mean = total / count
    of_batch, errors = whole.read(state, past, day, gaps)
    values = np.concatenate([mean, of_batch])
    sizes = np.concatenate([count, 1 / errors**2])
    sizes = np.nan_to_num(sizes)
    sizes = np.where(np.isinf(bunched), sizes > 0, sizes / bunched)
    return values, _with_those_lacking(sizes, state)


def _with_those_lacking(sizes: Floats, state: State) -> Floats:
    """How many independent rows a mean has whose other rows are not known.

    What is known is no sample: it may be just the rows whose last row is near. A mean is then off
    by up to its deviation times the root of unknown rows for a known one (Meng, "Statistical
    paradises and paradoxes in big data", 2018).
    """
    if not state.lacking.any():
        return sizes
    with np.errstate(all="ignore"):
        of_rows = state.lacking / state.moments.count
        sizes[: len(of_rows)] = 1 / (1 / sizes[: len(of_rows)] + of_rows)
    return np.nan_to_num(sizes)


def variance_of(
    moments: Moments, features: Sequence[Feature], statistics: int
) -> tuple[Floats, Floats]:
    """The variance of a row's value, by statistic, and the least that a row can move each by.

    The number that all rows of a day have is in units of what chance moves it by; no row moves it.
    """
    count = np.maximum(moments.count, 1.0)
    spread = np.maximum(moments.square / count - (moments.total / count) ** 2, 0.0)
    of_rows = np.where(
        moments.count > 0, np.maximum(spread, 1 / np.maximum(moments.count, 50)), 1.0
    )
    rest = statistics - len(of_rows)
    variance = np.concatenate([of_rows, np.ones(rest)])
    floor = np.concatenate([np.ones(len(of_rows)), np.zeros(rest)])
    of_day = np.array([feature.of_day for feature in features], dtype=bool)
    variance[: len(of_day)][of_day], floor[: len(of_day)][of_day] = 1.0, 0.0
    return variance, floor


class Bunches:
    """How many rows are one observation, by feature, learnt of training rows.

    Rows of a thing within a quarter of a day are correlated with the row before. The mean is then
    known only as well as by fewer independent rows (the effective size of an autocorrelated series:
    Bayley and Hammersley, 1946).

    Attributes:
        sizes: How many rows are one observation of each feature, in order; infinite for a number
            that all rows of a day have.
    """

    def __init__(self, view: View, entities: Entities) -> None:
        newest = np.sort(np.argsort(view.day, kind="stable")[-SAMPLE:])
        self._orders = []
        for entity in (entity for entity in entities.full if "@clock" not in entity):
            thing = view.codes(entity)[newest]
            order = newest[np.lexsort((view.micros[newest], view.day[newest], thing))]
            code, day = view.codes(entity)[order], view.day[order]
            part = view.calendar("@quarter")[order]
            same = (code[1:] == code[:-1]) & (day[1:] == day[:-1]) & (part[1:] == part[:-1])
            sizes = np.diff(np.concatenate([[0], np.flatnonzero(~same) + 1, [len(order)]]))
            most = float((sizes.astype(float) ** 2).sum() / max(sizes.sum(), 1))
            self._orders.append((order, same, most))
        self.sizes: list[float] = []
        self._columns = {name: self._of_values(view.code(name)) for name in view.layout.fields}

    def learnt(self, measurements: Iterable[Measured]) -> Iterator[Measured]:
        """The same features; the size of each is learnt as it passes."""
        for measured in measurements:
            self.sizes.append(self._of(measured.feature, measured.values))
            yield measured

    def _of(self, feature: Feature, values: Array) -> float:
        """How many rows are one observation of a feature; of its column, where it never moved."""
        if feature.of_day:
            return np.inf
        if feature.family == identity.FAMILY or feature.kind in _BY_ITSELF:
            return 1.0
        effects = [self._effect(values, *order) for order in self._orders]
        known = [effect for effect in effects if effect is not None]
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
        """How many rows are one observation of a column, by how often they repeat beyond chance."""
        effects = []
        for order, same, most in self._orders:
            own = code[order]
            _, counts = np.unique(own, return_counts=True)
            chance = float(((counts / max(len(own), 1)) ** 2).sum())
            if same.any() and chance < 1:
                again = float((own[1:] == own[:-1])[same].mean())
                effects.append(_effective((again - chance) / (1 - chance), most))
        return max(effects, default=1.0)


def _effective(correlation: float, most: float) -> float:
    """How many rows are one observation, by the correlation with the row before; bounded."""
    kept = min(max(correlation, 0.0), 1.0)
    return min((1 + kept) / max(1 - kept, 1e-9), max(most, 1.0))
