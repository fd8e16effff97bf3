"""Arithmetic rules: a number is another one, a product or a sum of two, or at most another one.

Terms are all quantities of a row, also those read from earlier rows. A rule is found where training
rows keep it and shuffled rows do not: a denial constraint (Chu, Ilyas and Papotti, "Discovering
denial constraints", VLDB 2013) of one or two terms.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations
from typing import Literal

import msgspec
import numpy as np

from lockstep.columns.kinds import Array, Floats, Ints
from lockstep.constraints.quantities import Quantity
from lockstep.constraints.quantity_values import evaluate
from lockstep.constraints.thresholds import (
    BEST,
    BROKEN,
    BY_CHANCE,
    ENOUGH_ROWS,
    MOST_TERMS,
    MOVES,
    NEARLY,
    SHARED,
)
from lockstep.constraints.values import grid_of, is_on
from lockstep.constraints.view import View


class Equal(msgspec.Struct, frozen=True, tag="equal"):
    """A number is another one, times a factor, plus an offset."""

    target: Quantity
    other: Quantity
    factor: float
    offset: float
    tolerance: float

    @property
    def quantities(self) -> tuple[Quantity, ...]:
        """The quantities of the rule, the first suspect first."""
        return (self.target, self.other)

    @property
    def says(self) -> str:
        """The rule for a person."""
        times = "" if self.factor == 1 else f"{self.factor:.6g} x "
        plus = "" if not self.offset else f" {'+' if self.offset > 0 else '-'} {abs(self.offset):g}"
        return f"{self.target.title} = {times}{self.other.title}{plus}"

    def breaks(self, view: View) -> Array:
        """Which rows break the rule: float64, 0 or 1; NaN where it does not apply."""
        difference = (
            evaluate(view, self.target) - self.factor * evaluate(view, self.other) - self.offset
        )
        distance = np.abs(difference)
        return np.where(np.isfinite(distance), distance > self.tolerance, np.nan)


Operation = Literal["+", "-", "x", "/"]


class Combined(msgspec.Struct, frozen=True, tag="combined"):
    """A number is the sum, difference, product or ratio of two others, times a factor."""

    target: Quantity
    first: Quantity
    second: Quantity
    operation: Operation
    factor: float
    tolerance: float
    unit: float

    @property
    def quantities(self) -> tuple[Quantity, ...]:
        """The quantities of the rule, the first suspect first."""
        return (self.target, self.first, self.second)

    @property
    def says(self) -> str:
        """The rule for a person."""
        times = "" if abs(self.factor - 1) < 1e-6 else f"{self.factor:.6g} x "
        made = f"{self.first.title} {self.operation} {self.second.title}"
        return f"{self.target.title} = {times}{f'({made})' if times else made}"

    def breaks(self, view: View) -> Array:
        """Which rows break the rule: float64, 0 or 1; NaN where it does not apply."""
        target = evaluate(view, self.target)
        made = _combined(self.operation, evaluate(view, self.first), evaluate(view, self.second))
        far = np.abs(target - self.factor * made)
        limit = self.tolerance * np.maximum(np.abs(target), self.unit)
        return np.where(np.isfinite(far), far > limit, np.nan)


class AtMost(msgspec.Struct, frozen=True, tag="at most"):
    """A number is at most another one."""

    low: Quantity
    high: Quantity
    tolerance: float

    @property
    def quantities(self) -> tuple[Quantity, ...]:
        """The quantities of the rule."""
        return (self.low, self.high)

    @property
    def says(self) -> str:
        """The rule for a person."""
        return f"{self.low.title} <= {self.high.title}"

    def breaks(self, view: View) -> Array:
        """Which rows break the rule: float64, 0 or 1; NaN where it does not apply."""
        low, high = evaluate(view, self.low), evaluate(view, self.high)
        applies = np.isfinite(low) & np.isfinite(high)
        return np.where(applies, low > high + self.tolerance, np.nan)


def equalities(
    view: View, sample: Ints, targets: Sequence[Quantity], others: Sequence[Quantity]
) -> list[Equal]:
    """Find numbers that equal others."""
    few = sample[:: max(len(sample) // (4 * ENOUGH_ROWS), 1)]
    at_few = np.array([evaluate(view, other)[few] for other in others])
    rules = []
    for target in targets:
        numbers = evaluate(view, target)[sample]
        known = np.isfinite(numbers)
        if known.sum() < ENOUGH_ROWS or np.ptp(numbers[known]) == 0:
            continue
        candidates = np.flatnonzero(_may_equal(evaluate(view, target)[few], at_few))
        best = []
        for place in candidates.tolist():
            other = others[place]
            if other == target or (other in targets and other.title > target.title):
                continue
            if other.fields[:1] == target.fields[:1] and other.made != "previous":
                continue
            rule = _equal(view, sample, target, other)
            if rule is not None:
                best.append(rule)
        best.sort(key=lambda scored: -scored[0])
        rules += [rule for _, rule in best[:BEST]]
    return rules


def _may_equal(target: Floats, others: Array) -> Array:
    """Which numbers a target may equal, by a few rows: often the same difference or ratio."""
    known = target[np.isfinite(target)]
    if not len(known):
        return np.zeros(len(others), dtype=bool)
    usual = 0.02 * float(np.mean(np.abs(known - known.mean()))) + 1e-9
    with np.errstate(all="ignore"):
        steps = target - others
        ratios = np.where((others != 0) & (target != 0), target / others, np.nan)
        may_equal = np.zeros(len(others), dtype=bool)
        for values, unit in ((steps, usual), (ratios, None)):
            finite = np.isfinite(values)
            count = finite.sum(axis=1)
            middle = _medians(values)[:, np.newaxis]
            within = 0.02 * np.abs(middle) if unit is None else unit
            near = (np.abs(values - middle) <= within) & finite
            share = near.sum(axis=1) / np.maximum(count, 1)
            may_equal |= (share > 0.6) & (count >= 15)
    return may_equal


def _medians(values: Array) -> Floats:
    """The lower median of each row's known numbers; infinite where it has none."""
    ordered = np.sort(np.where(np.isfinite(values), values, np.inf), axis=1)
    count = np.isfinite(values).sum(axis=1)
    medians: Floats = ordered[np.arange(len(values)), np.maximum((count - 1) // 2, 0)]
    return medians


def _equal(
    view: View, sample: Ints, target: Quantity, other: Quantity
) -> tuple[float, Equal] | None:
    """The equality of two numbers, and its score; None where there is none."""
    a, b = evaluate(view, target)[sample], evaluate(view, other)[sample]
    both = np.isfinite(a) & np.isfinite(b)
    if both.sum() < max(ENOUGH_ROWS, 0.1 * np.isfinite(a).sum()):
        return None
    shuffled = np.random.default_rng(1).permutation(a[both])
    grid = grid_of(a)
    scale = float(np.nanmedian(np.abs(a - np.nanmedian(a))) + 1e-3 * np.nanmean(np.abs(a)) + 1e-12)
    best = None
    for factor in (1.0, _ratio(a[both], b[both])):
        if factor is None:
            continue
        offset = 0.0
        if factor == 1.0:
            offset = float(np.median(a[both] - b[both]))
            offset = round(offset / grid) * grid if grid else offset
        off = grid and not np.all(is_on(b[both][:500] * factor, grid))
        if off and 0.51 * grid < 0.2 * scale:
            tolerance = 0.51 * grid
        else:
            tolerance = min(1e-6 * max(float(np.nanmax(np.abs(a))), 1.0), 0.01 * scale)
        kept = float(np.mean(np.abs(a[both] - factor * b[both] - offset) <= tolerance))
        if kept < SHARED:
            continue
        chance = float(np.mean(np.abs(shuffled - factor * b[both] - offset) <= tolerance))
        if (kept - chance) / max(1 - chance, 1e-9) < SHARED:
            continue
        score = kept - 0.02 * (not other.is_raw) + 0.1 * float(both.mean())
        if best is None or score > best[0]:
            best = (score, Equal(target, other, factor, offset, tolerance))
    return best


def _ratio(a: Floats, b: Floats) -> float | None:
    large = (np.abs(a) > 1e-9) & (np.abs(b) > 1e-9)
    if large.sum() < ENOUGH_ROWS:
        return None
    ratio = float(np.median(a[large] / b[large]))
    return ratio if abs(ratio - 1) > 1e-6 and 1e-6 < abs(ratio) < 1e6 else None


def _combined(operation: Operation, first: Floats, second: Floats) -> Floats:
    with np.errstate(all="ignore"):
        match operation:
            case "+":
                return first + second
            case "-":
                return first - second
            case "x":
                return first * second
            case "/":
                return first / np.where(second == 0, np.nan, second)


def combinations_of(view: View, sample: Ints, targets: Sequence[Quantity]) -> list[Combined]:
    """Find numbers that are the sum, difference, product or ratio of two others."""
    sample = sample[:: max(len(sample) // 1500, 1)]
    numbers = {quantity: evaluate(view, quantity)[sample] for quantity in targets}
    usable = [quantity for quantity in targets if np.nanstd(numbers[quantity]) > 0][:MOST_TERMS]
    rules: list[Combined] = []
    for target in usable:
        a = numbers[target]
        grid, unit = grid_of(a), float(np.nanmedian(np.abs(a))) + 1e-9
        tolerance = max(0.51 * grid / unit, 2e-3)
        others = [quantity for quantity in usable if quantity != target]
        for first, second in combinations(others, 2):
            for operation, terms in _ways(first, second):
                b, c = (numbers[term] for term in terms)
                if not _is_steady(a[:150], _combined(operation, b[:150], c[:150])):
                    continue
                made = _combined(operation, b, c)
                with np.errstate(all="ignore"):
                    both = np.isfinite(a) & np.isfinite(made) & (np.abs(made) > 1e-9)
                    if both.sum() < 2 * ENOUGH_ROWS or np.std(made[both]) == 0:
                        continue
                    factor = float(np.median(a[both] / made[both]))
                    limit = tolerance * np.maximum(np.abs(a[both]), unit)
                    kept = np.mean(np.abs(a[both] - factor * made[both]) <= limit)
                    dealt = np.roll(a[both], 11)
                    chance = np.mean(np.abs(dealt - factor * made[both]) <= limit)
                if kept > 1 - NEARLY and chance < 0.3 and abs(factor) > 1e-9:
                    rules.append(Combined(target, *terms, operation, factor, tolerance, unit))
    return rules[:MOST_TERMS]


def _ways(first: Quantity, second: Quantity) -> list[tuple[Operation, tuple[Quantity, Quantity]]]:
    both, turned = (first, second), (second, first)
    return [("+", both), ("x", both), ("-", both), ("-", turned), ("/", both), ("/", turned)]


def _is_steady(a: Floats, b: Floats) -> bool:
    """Whether the ratio of two numbers is nearly constant, by a few rows."""
    with np.errstate(all="ignore"):
        ratio = np.sort((a / b)[np.isfinite(a / b) & (b != 0)])
    if len(ratio) < 12:
        return False
    middle = ratio[len(ratio) // 2]
    return bool(np.mean(np.abs(ratio - middle) <= 0.03 * abs(middle)) > 0.6)


def orders(
    view: View, sample: Ints, targets: Sequence[Quantity], others: Sequence[Quantity]
) -> list[AtMost]:
    """Find numbers that are at most others: two raw ones, or one and that of the row before."""
    numbers = {quantity: evaluate(view, quantity)[sample] for quantity in (*targets, *others)}
    usable = [quantity for quantity in targets if np.nanstd(numbers[quantity]) > 0]
    rules = []
    for place, target in enumerate(usable):
        own = [
            quantity
            for quantity in others
            if quantity.made == "previous" and quantity.fields == target.fields
            and np.mean(np.abs(numbers[quantity] - numbers[target]) > 0) >= MOVES
        ]  # fmt: skip
        for other in [*usable[place + 1 :], *own]:
            a, b = numbers[target], numbers[other]
            both = np.isfinite(a) & np.isfinite(b)
            if both.sum() < 3 * ENOUGH_ROWS:
                continue
            tolerance = 1e-6 * max(float(np.max(np.abs(b[both]))), 1e-9)
            for low, high, names in ((a, b, (target, other)), (b, a, (other, target))):
                kept = np.mean(low[both] > high[both] + tolerance) <= BROKEN
                dealt = np.roll(low, 17)[both]
                if kept and np.nanmean(dealt > high[both] + tolerance) >= BY_CHANCE:
                    rules.append(AtMost(*names, tolerance))
    return rules
