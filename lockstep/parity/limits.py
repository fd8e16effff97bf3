"""Limits of distances, calibrated on the training days themselves to a stated rate.

Each training day is left out in turn, and its distance from the others is measured, column by
column, as that of a batch will be: so a limit knows how much days of the column differ. Days are
also taken with fewer of their rows, drawn at random, so that it is known what a batch of any size
may differ by. Where the training has no days, or too few, blocks of rows as they came stand for
batches.

Limits are such that of batches without any change, a share of `RATE` passes *any* limit of the
version. The largest of many values of a day is Gumbel distributed (Coles, "An
Introduction to Statistical Modeling of Extreme Values", 2001, chapter 3), which has a heavier tail
than the normal distribution; it is fitted by its moments, and the rate is divided by the number of
limits (Bonferroni). What a training day did is never over its limit.

Where there are no days, two more distances have limits: how far the numbers of a batch are apart,
and whether most of them lie beyond all of training. How improbable that is has one distribution
whatever a column's, so that a batch may be larger than all blocks. Of days more is known: see
`lockstep.parity.shift` and `lockstep.laws`.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import cached_property
from typing import Any

import msgspec
import numpy as np
import pandas as pd

from lockstep.columns.dates import layout_of, moments, moves_on
from lockstep.columns.growth import grows
from lockstep.columns.kinds import Array, Columns, Floats, Kind
from lockstep.columns.tables import is_missing, take_rows
from lockstep.parity.distances import NORMS, OF_ROWS, Measure, distances, outside, scale
from lockstep.parity.profiles import Profile

RATE = 0.01
"""Share of batches without any change on which at least one limit is passed, by chance."""
ENOUGH_DAYS = 20
"""Days or blocks that it takes to tell how much they differ."""
MOST_DAYS = 200
"""Days that are looked at, spread evenly over the training: more would not move a limit."""
BLOCK = 1000
"""Rows of a block, where there are no days; fewer where that makes too few blocks."""
SMALLEST = 16
"""Rows of the smallest batches that are looked at."""


@dataclass(frozen=True)
class Spread:
    """How a distance varied over training days of one size.

    Attributes:
        mean: Its mean.
        deviation: Its standard deviation.
        most: The largest.
        again: The second largest: what more than one day did is no incident.
    """

    mean: float
    deviation: float
    most: float
    again: float

    @classmethod
    def of(cls, values: Sequence[float]) -> Spread:
        """The spread of a distance's values, one a day."""
        array = np.array(values)
        again, most = np.sort(array)[-2:].tolist()
        return cls(float(array.mean()), float(array.std(ddof=1)), most, again)

    def limit(self, reach: float, resolution: float) -> Limit:
        """From where on a distance is not usual; what a training day did always is.

        Args:
            reach: Standard deviations from the mean to the limit; see `reach_of`.
            resolution: The least that the distance varies by.
        """
        deviation = max(self.deviation, resolution)
        return Limit(self.mean, max(self.mean + reach * deviation, self.most))


@dataclass(frozen=True)
class Limit:
    """What is usual of a distance, and from where on it is not.

    Attributes:
        usual: Its mean over training days.
        limit: The distance that counts.
    """

    usual: float
    limit: float

    def share(self, distance: float) -> float:
        """How much of the way from what is usual to the limit a distance goes: 1 at the limit."""
        return (distance - self.usual) / (self.limit - self.usual)


@dataclass(frozen=True)
class Limits:
    """The limits of the distances of a version's columns.

    Attributes:
        rate: Share of unchanged batches that pass any of them.
        days: Days or blocks that they were calibrated on.
        has_days: Whether these were days, rather than blocks of rows.
        sizes: Rows of a batch that were looked at, the most first.
        spreads: By column and measure, the spread at each size.
        growing: The columns whose numbers, or dates, go on with time: of these only what is missing
            has limits.
    """

    rate: float
    days: int
    has_days: bool
    sizes: tuple[int, ...]
    spreads: Mapping[str, Mapping[Measure, tuple[Spread, ...]]]
    growing: tuple[str, ...] = ()

    @classmethod
    def none(cls) -> Limits:
        """No limits: nothing is judged by them."""
        return cls(RATE, 0, False, (), {})

    @classmethod
    def of(
        cls,
        profile: Profile,
        columns: Columns,
        kinds: Mapping[str, Kind],
        parts: Array,
        *,
        has_days: bool = True,
    ) -> Limits:
        """Calibrate limits.

        Args:
            profile: The profile of all training rows.
            columns: The training rows.
            kinds: The columns that have a profile.
            parts: int64, which day or block each row is of; see `parts_of`.
            has_days: Whether they are days.
        """
        days, counts = np.unique(parts[parts >= 0], return_counts=True)
        if len(days) < ENOUGH_DAYS:
            return cls(RATE, len(days), has_days, (), {})
        size = int(np.median(counts))
        sizes = [size]
        while sizes[-1] // 4 >= SMALLEST:
            sizes.append(sizes[-1] // 4)
        chosen = days[np.unique(np.linspace(0, len(days) - 1, MOST_DAYS).round().astype(int))]
        seen_once = {
            name: _seen_once(columns[name], parts)
            for name, one in profile.columns.items()
            if one.holds == "categories" and not one.rest
        }
        ends = {
            name: _Ends.of(columns[name].astype(np.float64, copy=False), parts, len(days))
            for name, one in profile.columns.items()
            if name in kinds and one.quantiles and not has_days
        }
        growing = tuple(
            name
            for name, one in profile.columns.items()
            if name in kinds and _goes_on(columns[name], kinds[name], parts)
        )
        measured: list[dict[tuple[str, Measure], list[float]]] = [{} for _ in sizes]
        random = np.random.default_rng(0)
        order = np.argsort(parts, kind="stable")
        bounds = (np.searchsorted(parts[order], chosen, side=side) for side in ("left", "right"))
        for day, start, end in zip(chosen.tolist(), *map(np.ndarray.tolist, bounds), strict=True):
            rows = order[start:end]
            for which, rows_wanted in enumerate(sizes):
                taken = rows if which == 0 else random.permutation(rows)[:rows_wanted]
                now = Profile.of(take_rows({name: columns[name] for name in kinds}, taken), kinds)
                found = _left_out(profile, now, len(rows), seen_once)
                if not has_days:
                    found |= _of_rows(profile, now, ends, day)
                for key, distance in found.items():
                    measured[which].setdefault(key, []).append(distance)
        spreads: dict[str, dict[Measure, tuple[Spread, ...]]] = {}
        for (name, measure), values in measured[0].items():
            if len(values) < ENOUGH_DAYS or (name in growing and measure != "missing"):
                continue
            lists = [found.get((name, measure), values) for found in measured]
            spreads.setdefault(name, {})[measure] = tuple(map(Spread.of, lists))
        return cls(RATE, len(days), has_days, tuple(sizes), spreads, growing)

    def at(self, column: str, measure: Measure, rows: int) -> Limit | None:
        """The limit of a distance for a batch; None where there is none.

        Between the sizes that were looked at, and below the smallest, it follows the line in
        1 / sqrt(rows) on which chance lies; a larger batch has the limit of whole days.

        Args:
            column: The column.
            measure: The distance.
            rows: Rows of the batch.
        """
        spreads = self.spreads.get(column, {}).get(measure)
        if not spreads or not rows:
            return None
        if measure == "outside":  # its distance knows how many rows there are
            by_chance = -math.log10(self.rate / self.count)
            return Limit(0.0, max(by_chance, spreads[0].most))
        ladder = [  # one row of the batch is the least that a share varies by
            one.limit(self._reach, 1 / size) for one, size in zip(spreads, self.sizes, strict=True)
        ]
        limits = np.array([(one.usual, one.limit) for one in ladder])
        steps = 1 / np.sqrt(self.sizes)
        step = 1 / math.sqrt(rows)
        if step > steps[-1]:  # chance grows as it does from infinitely many rows on
            usual, limit = (limits[-1] * step / steps[-1]).tolist()
            limit = max(limit, usual + self._reach / rows)
        else:
            usual, limit = (float(np.interp(step, steps, column)) for column in limits.T)
        return Limit(usual, limit)

    @property
    def count(self) -> int:
        """How many limits there are."""
        return sum(map(len, self.spreads.values()))

    @cached_property
    def _reach(self) -> float:
        return reach_of(self.rate, self.count)

    @property
    def total(self) -> float:
        """All limits of whole days together: wider ones are more."""
        if not self.sizes or not self.sizes[0]:
            return 0.0
        whole = (one[0] for measures in self.spreads.values() for one in measures.values() if one)
        return float(sum(one.limit(self._reach, 1 / self.sizes[0]).limit for one in whole))

    def to_json(self) -> dict[str, Any]:
        """The limits as a dict for JSON."""
        return asdict(self)

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Limits:
        """The limits from what `to_json` gave."""
        return msgspec.convert(data, cls)


def reach_of(rate: float, limits: int) -> float:
    """Standard deviations from the mean to a limit, so that any of some is passed at a rate.

    Args:
        rate: Share of batches, without any change, that pass any of the limits.
        limits: How many there are.
    """
    tail = -math.log(-math.log1p(-rate / max(limits, 1)))
    return (tail - float(np.euler_gamma)) * math.sqrt(6) / math.pi


def parts_of(times: Array | None, rows: int, timezone: str) -> tuple[Array, bool]:
    """Which day each row is of; or which block, where there are no days or too few of them.

    Args:
        times: Event times in UTC; None where rows have none.
        rows: Number of rows.
        timezone: Where a day begins and ends.

    Returns:
        int64, one a row, -1 where it has no time; and whether they are days.
    """
    order = np.arange(rows)
    if times is not None:
        known = ~is_missing(times)
        local = pd.DatetimeIndex(times[known], tz="UTC").tz_convert(timezone).tz_localize(None)
        parts = np.full(rows, -1)
        days, parts[known] = np.unique(
            local.to_numpy().astype("datetime64[D]"), return_inverse=True
        )
        if len(days) >= ENOUGH_DAYS:
            return parts, True
        order = np.argsort(np.argsort(times, kind="stable"), kind="stable")
    size = max(min(BLOCK, rows // ENOUGH_DAYS), 1)
    blocks = order // size
    return np.where(blocks < rows // size, blocks, -1), False


def _left_out(
    profile: Profile, now: Profile, left_out: int, seen_once: Mapping[str, frozenset[str]]
) -> dict[tuple[str, Measure], float]:
    """The distances of some rows of a day from the rows of all other days."""
    others = profile.rows / max(profile.rows - left_out, 1)
    measured: dict[tuple[str, Measure], float] = {}
    for name, column in now.columns.items():
        for measure, distance in distances(profile.columns[name], column).items():
            if measure == "new":
                once = seen_once[name]
                measured[name, measure] = sum(column.shares.get(one, 0.0) for one in once)
            elif measure not in OF_ROWS:
                measured[name, measure] = distance * (others if measure in NORMS else 1)
    return measured


@dataclass(frozen=True, eq=False)
class _Ends:
    """The smallest and the largest number of a column in each block, NaN where there are none.

    Attributes:
        lowest: The smallest numbers.
        highest: The largest.
        known: How many numbers there are in all blocks.
    """

    lowest: Floats
    highest: Floats
    known: int

    @classmethod
    def of(cls, numbers: Floats, blocks: Array, count: int) -> _Ends:
        """The ends of blocks.

        Args:
            numbers: A column, one a row.
            blocks: int64, the block of each row, counted from 0; -1 where it is of none.
            count: How many there are.
        """
        is_known = np.isfinite(numbers) & (blocks >= 0)
        lowest, highest = np.full(count, np.nan), np.full(count, np.nan)
        np.fmin.at(lowest, blocks[is_known], numbers[is_known])
        np.fmax.at(highest, blocks[is_known], numbers[is_known])
        return cls(lowest, highest, int(np.count_nonzero(is_known)))

    def without(self, block: int) -> tuple[float, float]:
        """The ends of all blocks but one."""
        others = np.arange(len(self.lowest)) != block
        return float(np.nanmin(self.lowest[others])), float(np.nanmax(self.highest[others]))


def _of_rows(
    profile: Profile, now: Profile, ends: Mapping[str, _Ends], block: int
) -> dict[tuple[str, Measure], float]:
    """The distances of a block from all others that take rows to stand for themselves."""
    measured: dict[tuple[str, Measure], float] = {}
    for name, one in ends.items():
        column = now.columns[name]
        if column.quantiles and one.known > column.values:
            known = one.known - column.values
            measured[name, "outside"] = outside(*one.without(block), known, column)
            apart = scale(profile.columns[name], column)
            if apart is not None:
                measured[name, "scale"] = apart
    return measured


def _goes_on(array: Array, kind: Kind, parts: Array) -> bool:
    """Whether a column has values of its own each day: rising numbers, or dates to come."""
    if kind is not Kind.TEXT:
        return kind is not Kind.BOOL and grows(array, parts)
    places, texts = pd.factorize(array)
    layout = layout_of(texts)
    if layout is None:
        return False
    days = (moments(texts, layout) - np.datetime64(0, "s")) / np.timedelta64(1, "D")
    return moves_on(np.append(days, np.nan)[places], np.where(parts < 0, np.nan, parts))


def _seen_once(values: Array, parts: Array) -> frozenset[str]:
    """The categories of which all values are of one day."""
    codes, found = pd.factorize(values)
    known = (codes >= 0) & (parts >= 0)
    pairs = np.unique(np.stack((codes[known], parts[known])), axis=1)
    days = np.bincount(pairs[0], minlength=len(found))
    return frozenset(str(value) for value in np.asarray(found)[days == 1].tolist())
