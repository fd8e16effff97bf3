"""Limits of statistics: one calibration for every statistic of the population of a batch.

A statistic lies so many units outside of the range of earlier days. A unit holds what its days
differ by and what chance does at that number of rows: a funnel (Spiegelhalter, "Funnel plots for
comparing institutional performance", 2005). How often, and how far, held-out days lie outside is
learnt by kind of statistic; each statistic is shrunk towards its kind (empirical Bayes: Robbins,
1956). Batches come after training, so a block of training days is held out from the days before it.
The least likely statistic of a day counts (Westfall and Young, "Resampling-based multiple testing",
1993): of held-out days, one in 200 warns and one in 1,000 blocks. A sudden step from the days
before counts, too; a season moves a statistic slowly, which is no news.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import msgspec
import numpy as np

from lockstep.columns.kinds import Array, Bools, Floats, Ints

WARN_RATE, BLOCK_RATE = 1 / 200, 1 / 1000
"""Share of unchanged days on which some statistic passes its limit by chance."""
BLOCKS = 5
"""Blocks of training days, each held out (Stone, "Cross-validatory choice and assessment of
statistical predictions", 1974). Batches will do what the later blocks do."""
RECENT, STEPS = 14, 7
"""Batches that a range follows, and batches that a step is measured from."""
_PLACE = 2
"""Days that must go as far for a range to: a single day is an incident."""
ENOUGH_DAYS = 20
"""Days that it takes to know how much days differ."""
_MISSING = 0.25
"""Least share of the training days that have a value."""
_FLAT = 1e-6
"""A smaller difference is none."""
_DRAWN, _OUTSIDE = 60.0, 4.0
"""Days, and days outside, that the prior from like statistics weighs."""
_LEAST_SCALE, _LEAST_OF_ROWS = 0.4, 1.0
"""Least units by which a tail falls to 1/e: of most statistics; and of those that single rows move,
or that never moved."""
_TAIL = 0.7
"""Share of the held-out days below the tail that is fitted."""
_ROBUST = 4.0
"""Deviations beyond which a training day does not widen a unit (Huber, 1964)."""
_CAUTION = 1.35
"""Factor by which the limit that blocks goes beyond the fitted tail, whose days are those of the
calibration (measured on three tables: one clean day in 60 blocked without it)."""
_FAR = 40.0
"""Most units that a held-out day counts for, so that a single incident does not set the scale."""


class Trait(msgspec.Struct, frozen=True):
    """What limits know of a statistic.

    Attributes:
        kind: Statistics of a kind share what is learnt of their tails.
        by_row: Whether single rows may move it, such as a value that never was before.
        stepped: Whether a step from the days before counts by itself.
    """

    kind: str
    column: str = ""
    by_row: bool = False
    stepped: bool = False


@dataclass(frozen=True, eq=False)
class Judged:
    """How the statistics of a batch lie to their limits.

    Attributes:
        evidence: How unlikely each is, as a share of the limit that warns: 1 and more warns.
        blocks: The same as a share of the limit that blocks.
    """

    evidence: Floats
    blocks: Floats
    low: Floats
    high: Floats


class Tails(msgspec.Struct, frozen=True):
    """What each statistic does on held-out days: float64 arrays."""

    rate: Array  # the share of days outside of the range
    scale: Array  # by how many units they lie outside, on average
    low: Array  # the low end of the range of training, for days as large as the largest one
    high: Array
    spread: Array  # the variance between days, without chance
    # the median of the days; None, as of versions of before, where size counts for nothing
    middle: Array | None = None
    unit: Array | None = None  # the units of the largest day; None likewise

    def ends(
        self, errors: Floats, recent: Floats | None = None, then: Floats | None = None
    ) -> tuple[Floats, Floats]:
        """The usual range of a day.

        Args:
            recent: Days that the range follows: days x statistics.
        """
        low, high = self.low, self.high
        if recent is not None and then is not None:
            low, high = _along(low, high, self._as_largest(recent, then))
        if self.middle is None or self.unit is None:
            return low, high
        wider = _wider(self.unit, self.spread, errors)
        return _at_scale(low, self.middle, wider), _at_scale(high, self.middle, wider)

    def _as_largest(self, values: Floats, errors: Floats) -> Floats:
        if self.middle is None or self.unit is None:
            return values
        return _at_scale(values, self.middle, 1 / _wider(self.unit, self.spread, errors))

    def evidence(self, outside: Floats) -> Floats:
        """The logarithm of the chance to lie that far outside."""
        with np.errstate(all="ignore"):
            logarithm = np.log(self.rate) - outside / self.scale
        return np.where(np.isfinite(outside) & (outside > 0), logarithm, 0.0)


class Limits(msgspec.Struct, frozen=True, dict=True):
    """The limits of a table's statistics."""

    traits: tuple[Trait, ...]
    variance: Array  # the variance of a row's value, by statistic
    floor: Array  # the least that a row can move each by, times rows
    usable: Array  # whether training has a value of it on enough days
    level: Tails
    step: Tails
    warn: float  # the evidence that warns: a negative number
    block: float
    values: Array  # float32, the last training days x statistics
    sizes: Array  # float32, how many independent rows each value has
    days: int

    @classmethod
    def of(
        cls, traits: Sequence[Trait], values: Floats, sizes: Floats, variance: Floats, floor: Floats
    ) -> Limits:
        """Calibrate limits on training days.

        Args:
            values: Days x statistics, in order of time; NaN where a day has none.
            sizes: How many independent rows each value has.
            variance: The variance of a row's value, by statistic.
            floor: The least that a row can move each by, times rows.
        """
        errors = _errors(variance, floor, sizes)
        values = _as_kept(values)
        days = len(values)
        steps, step_errors = np.full_like(values, np.nan), errors.copy()
        for day in range(days):
            before = slice(max(0, day - RECENT - STEPS), day)
            steps[day], step_errors[day] = _step(
                values[day], errors[day], values[before], errors[before]
            )
        usable = np.isfinite(values).sum(axis=0) >= max(_MISSING * days, 1)
        usable &= days >= ENOUGH_DAYS
        block = np.arange(days) * BLOCKS // max(days, 1)
        late = block >= BLOCKS // 2
        level, outside = _tails(traits, values, errors, block, usable, follows=True)
        step, moved = _tails(traits, steps, step_errors, block, usable, follows=False)
        evidence = _together(_stepped(traits), level.evidence(outside), step.evidence(moved))
        evidence[:, ~usable] = 0.0
        warn, block_at = _limits(evidence[late].min(axis=1, initial=0.0), int(usable.sum()))
        kept = slice(-(RECENT + STEPS), None)
        return cls(
            traits=tuple(traits),
            variance=variance,
            floor=floor,
            usable=usable,
            level=level,
            step=step,
            warn=warn,
            block=block_at,
            values=values[kept].astype(np.float32),
            sizes=sizes[kept].astype(np.float32),
            days=days,
        )

    def judge(self, values: Floats, sizes: Floats, before: Floats, before_sizes: Floats) -> Judged:
        """How unusual the statistics of a batch are.

        Args:
            sizes: How many independent rows each value has.
            before: The values of the batches before, the newest last: batches x statistics.
        """
        before = np.concatenate([self.values, before])[-(RECENT + STEPS) :].astype(np.float64)
        counts = np.concatenate([self.sizes, before_sizes])[-(RECENT + STEPS) :].astype(np.float64)
        errors = _errors(self.variance, self.floor, sizes[np.newaxis])[0]
        then = _errors(self.variance, self.floor, counts)
        values = _as_kept(values)
        steps, step_errors = _step(values, errors, before, then)
        low, high = self.level.ends(errors, before[-RECENT:], then[-RECENT:])
        level = self.level.evidence(_outside(values, errors, low, high, self.level.spread))
        moved = _outside(steps, step_errors, *self.step.ends(step_errors), self.step.spread)
        evidence = _together(self._is_stepped, level, self.step.evidence(moved))
        evidence = np.where(self.usable, evidence, 0.0)
        return Judged(evidence / self.warn, evidence / self.block, low, high)

    def usual(self, sizes: Floats) -> tuple[Floats, Floats]:
        """The range of training of each statistic, for so many independent rows."""
        return self.level.ends(_errors(self.variance, self.floor, sizes[np.newaxis])[0])

    def away(self, values: Floats, sizes: Floats) -> Floats:
        """How far each statistic is from training alone, as a share of the limit that warns."""
        errors = _errors(self.variance, self.floor, sizes[np.newaxis])[0]
        far = _outside(_as_kept(values), errors, *self.level.ends(errors), self.level.spread)
        evidence = np.where(self.usable, self.level.evidence(far), 0.0)
        shares: Floats = evidence / self.warn
        return shares

    @cached_property
    def _is_stepped(self) -> Array:
        return _stepped(self.traits)


def _errors(variance: Floats, floor: Floats, sizes: Floats) -> Floats:
    known = np.maximum(sizes, 1e-9)
    errors: Floats = np.sqrt(variance / known + (floor / known) ** 2)
    return errors


def _as_kept(values: Floats) -> Floats:
    """Values as batches keep them.

    One that never moves is equal on all days only in the precision in which it is kept.
    """
    return values.astype(np.float32).astype(np.float64)


def _step(
    value: Floats, error: Floats, before: Floats, before_errors: Floats
) -> tuple[Floats, Floats]:
    """How far statistics are from the median of the last days, and the standard errors.

    What two of the days before did is no step, and neither is the end of an incident.
    """
    if len(before) < 3:
        return np.full(len(value), np.nan), error
    least, most = _range(before, _PLACE)
    before, before_errors = before[-STEPS:], before_errors[-STEPS:]
    known = np.isfinite(before)
    count = known.sum(axis=0)
    ordered = np.sort(np.where(known, before, np.inf), axis=0)
    at = np.arange(len(value))
    low, high = np.maximum((count - 1) // 2, 0), np.minimum(count // 2, len(before) - 1)
    with np.errstate(all="ignore"):
        middle = (ordered[low, at] + ordered[high, at]) / 2
        is_near = (value >= np.fmin(least, middle)) & (value <= np.fmax(most, middle))
        middle = np.where(is_near & (count >= 4), value, middle)
        weight = np.where(known, 1 / before_errors**2, 0.0).sum(axis=0)
        # the variance of a median is pi / 2 that of a mean (Laplace, 1818)
        errors = np.sqrt(error**2 + np.pi / 2 / np.maximum(weight, 1e-12))
        return np.where(count >= 3, value - middle, np.nan), errors


def _tails(
    traits: Sequence[Trait],
    values: Floats,
    errors: Floats,
    block: Ints,
    usable: Bools,
    *,
    follows: bool,
) -> tuple[Tails, Floats]:
    """The tails of held-out days, and how far each day lies outside of the days before it."""
    days = len(values)
    spread, middle = _spread(values, errors), _quantile(values, 0.5)
    unit = _least_unit(values, spread, errors)
    wider = _wider(unit, spread, errors)
    alike = _at_scale(values, middle, 1 / wider)
    place = _PLACE if days >= 2 * ENOUGH_DAYS else 1
    low, high = _range(alike, place)
    outside = np.full_like(values, np.nan)
    flat = np.zeros(values.shape, dtype=bool)
    for number in range(1, BLOCKS):
        own = np.flatnonzero(block == number)
        if not len(own):
            continue
        known = _range(alike[block < number], place)
        for day in own.tolist():
            recent = alike[max(0, day - RECENT) : day] if follows else alike[own[0] : day]
            ends = _along(*known, recent, _PLACE if follows else 1)
            ends = _at_scale(ends[0], middle, wider[day]), _at_scale(ends[1], middle, wider[day])
            outside[day] = _outside(values[day], errors[day], *ends, spread)
            flat[day] = ends[1] - ends[0] < _FLAT
    late = (block >= BLOCKS // 2)[:, np.newaxis]
    held = np.isfinite(outside) & usable & late
    kind = np.unique([trait.kind for trait in traits], return_inverse=True)[1]
    group = np.unique([f"{trait.kind} {trait.column}" for trait in traits], return_inverse=True)[1]
    still = np.nan_to_num(high - low) < _FLAT
    by_row = np.array([trait.by_row for trait in traits], dtype=bool)
    rate, scale = _learnt(np.minimum(outside, _FAR), held, flat, kind, group, still)
    scale = np.maximum(scale, np.where(by_row | still, _LEAST_OF_ROWS, _LEAST_SCALE))
    # what a row may do by chance it may do for the first time: half of a day of its kind
    tried = np.bincount(kind, held.sum(axis=0))[kind] + _DRAWN
    rate = np.where(by_row, rate, np.maximum(rate, 0.5 / tried))
    return Tails(rate, scale, low, high, spread, middle, unit), outside


def _learnt(
    outside: Floats, held: Array, flat: Array, kind: Ints, group: Ints, still: Bools
) -> tuple[Floats, Floats]:
    """How often and how far each statistic lies outside, shrunk towards like statistics.

    A statistic is shrunk towards its kind and column, these towards their kind, kinds towards all.
    Statistics that never moved before are a class of their own.
    """
    is_out = held & (outside > 0)
    far = np.where(is_out, outside, 0.0)
    usual = far.sum() / max(is_out.sum(), 1)
    rate, scale = np.empty(outside.shape[1]), np.empty(outside.shape[1])
    for is_flat in (False, True):
        own = held & (flat == is_flat)
        tried, out, total = own.sum(axis=0), (own & is_out).sum(axis=0), (far * own).sum(axis=0)
        of_all = (out.sum() + 0.5) / (tried.sum() + 1)  # Jeffreys, 1946: never seen is not never
        rates = np.full(len(tried), of_all)
        sizes = np.full(len(tried), usual)
        for of in (kind, group, np.arange(len(kind))):
            of_tried, of_out, of_total = (np.bincount(of, sums)[of] for sums in (tried, out, total))
            rates = (of_out + _DRAWN * rates) / (of_tried + _DRAWN)
            sizes = (of_total + _OUTSIDE * sizes) / (of_out + _OUTSIDE)
        rate, scale = (
            np.where(still == is_flat, learnt, known)
            for learnt, known in ((rates, rate), (sizes, scale))
        )
    return np.minimum(rate, 1.0), scale


def _spread(values: Floats, errors: Floats) -> Floats:
    """The variance between days, without chance; far days are drawn in.

    By moments: that of the values less the mean of what chance does (Hedges, 1983).
    """
    known = np.isfinite(values)
    count = np.maximum(known.sum(axis=0), 1)
    with np.errstate(all="ignore"):
        middle = _quantile(values, 0.5)
        far = np.abs(values - middle)
        deviation = 1.4826 * _quantile(far, 0.5)  # of a normal distribution, by its quantiles
        deviation = np.where(deviation > 0, deviation, _quantile(far, 0.9) / 1.6449)
        near = np.clip(values, middle - _ROBUST * deviation, middle + _ROBUST * deviation)
        robust = np.where(known, (near - middle) ** 2, 0.0).sum(axis=0) / np.maximum(count - 1, 1)
        mean = np.where(known, values, 0.0).sum(axis=0) / count
        plain = np.where(known, (values - mean) ** 2, 0.0).sum(axis=0) / np.maximum(count - 1, 1)
        variance = np.where(deviation > 0, np.minimum(robust, plain), plain)
        chance = np.where(known, errors**2, 0.0).sum(axis=0) / count
    return np.maximum(np.where(np.isfinite(variance), variance - chance, 1.0), 0.0)


def _least_unit(values: Floats, spread: Floats, errors: Floats) -> Floats:
    """The units of the largest day that has a value: the smallest."""
    least = np.where(np.isfinite(values), errors, np.inf).min(axis=0, initial=np.inf)
    known = np.where(np.isfinite(least), least, 1.0)
    unit: Floats = np.sqrt(np.maximum(spread + known**2, 1e-24))
    return unit


def _wider(unit: Floats, spread: Floats, errors: Floats) -> Floats:
    """How many times as wide the range of a day is as that of the largest one of training.

    What larger days would differ by is not known: theirs is no narrower.
    """
    wider: Floats = np.maximum(np.sqrt(spread + errors**2) / unit, 1.0)
    return wider


def _at_scale(values: Floats, middle: Floats, scale: Floats) -> Floats:
    """Values so many times as far from a middle; the same to the bit where that is once."""
    return values + (values - middle) * (scale - 1.0)


def _quantile(values: Floats, share: float) -> Floats:
    """A quantile of each column's known values; NaN where there are none."""
    if not len(values):
        return np.full(values.shape[1], np.nan)
    ordered = np.sort(np.where(np.isfinite(values), values, np.inf), axis=0)
    count = np.isfinite(values).sum(axis=0)
    at = np.maximum(np.ceil(share * count).astype(int) - 1, 0)
    quantiles = ordered[at, np.arange(values.shape[1])]
    return np.where(count > 0, quantiles, np.nan)


def _range(values: Floats, place: int) -> tuple[Floats, Floats]:
    """The range that at least so many days reach; NaN where no day has a value."""
    if len(values) < place:
        return np.full(values.shape[1], np.nan), np.full(values.shape[1], np.nan)
    known = np.isfinite(values)
    low = np.partition(np.where(known, values, np.inf), place - 1, axis=0)[place - 1]
    high = np.partition(np.where(known, values, -np.inf), -place, axis=0)[-place]
    # where fewer days have a value, all count
    low = np.where(np.isfinite(low), low, np.where(known, values, np.inf).min(axis=0))
    high = np.where(np.isfinite(high), high, np.where(known, values, -np.inf).max(axis=0))
    empty = ~known.any(axis=0)
    return np.where(empty, np.nan, low), np.where(empty, np.nan, high)


def _along(low: Floats, high: Floats, recent: Floats, place: int = _PLACE) -> tuple[Floats, Floats]:
    """The range, widened as far as some of the last batches went."""
    if len(recent) < place:
        return low, high
    known = np.isfinite(recent)
    least = np.partition(np.where(known, recent, np.inf), place - 1, axis=0)[place - 1]
    most = np.partition(np.where(known, recent, -np.inf), -place, axis=0)[-place]
    low = np.fmin(low, np.where(np.isfinite(least), least, np.nan))
    return low, np.fmax(high, np.where(np.isfinite(most), most, np.nan))


def _outside(value: Floats, error: Floats, low: Floats, high: Floats, spread: Floats) -> Floats:
    """By how many units values lie outside of a range."""
    far = np.maximum(np.maximum(low - value, value - high), 0.0)
    far = np.where(far < _FLAT, 0.0, far)
    units: Floats = far / np.sqrt(np.maximum(spread + error**2, 1e-24))
    return units


def _stepped(traits: Sequence[Trait]) -> Array:
    return np.array([trait.stepped for trait in traits], dtype=bool)


def _together(stepped: Array, level: Floats, step: Floats) -> Floats:
    """The weaker evidence, of level or step; of some statistics the step's alone."""
    evidence: Floats = np.where(stepped, step, np.maximum(level, step))
    return evidence


def _limits(least: Floats, statistics: int) -> tuple[float, float]:
    """The evidence that warns and that blocks, by the least likely statistic of held-out days."""
    far = np.sort(-least)
    base = float(np.quantile(far, _TAIL)) if len(far) else 0.0
    beyond = far[far > base] - base
    tail = max(float(beyond.mean()) if len(beyond) else 1.0, 1.0)
    by_chance = np.log(max(statistics / 50, 1.0))
    warn, block = (
        min(-(base + tail * float(np.log((1 - _TAIL) / rate))), float(np.log(rate) - by_chance))
        for rate in (WARN_RATE, BLOCK_RATE)
    )
    return warn, block * _CAUTION


def encode(value: Any) -> Any:
    """An array as plain data: its dtype, shape and bytes."""
    if isinstance(value, np.ndarray):
        return {"dtype": value.dtype.str, "shape": list(value.shape), "data": value.tobytes()}
    raise TypeError(f"{type(value).__name__} is not stored")


def decode(kind: type, value: Any) -> Any:
    """The array of the plain data from `encode`."""
    if kind is np.ndarray or getattr(kind, "__origin__", None) is np.ndarray:
        numbers = np.frombuffer(value["data"], dtype=value["dtype"])
        return numbers.reshape(value["shape"])
    raise TypeError(f"{kind} is not stored")
