"""Drift: how far the columns of a batch are from those of the training rows."""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import dataclass

import numpy as np

from lockstep.columns.kinds import Array, Columns, Floats
from lockstep.parity.profiles import ColumnProfile, Profile

DISTANCE_LIMIT = 2.0
"""Interquartile ranges by which numbers are off, on average, that count. Single days of weather
lie up to 2 from three months of it; single days of a timetable up to 0.1."""
INDEX_LIMIT = 0.25
"""Population stability index of categories that counts as a major change (Siddiqi, "Credit Risk
Scorecards", 2006; below 0.1 there is none)."""
MISSING_LIMIT = 0.1
"""Change of the share of missing values that counts, beyond what chance alone does: see
`_missing_reasons`."""
UNSEEN_LIMIT = 0.01
"""Share of values in categories that training did not have that counts."""

_EXAMPLES = 5
_FAR = 1_000_000
"""Interquartile ranges from which on digits after the point tell nothing."""


@dataclass(frozen=True)
class Drift:
    """How far one column of a batch is from the training rows.

    Attributes:
        column: The column.
        index: Population stability index over categories, or over the training rows' tenths;
            None without values. Of numbers it is told, but does not count: it takes the rows to
            be independent, and those of one day share their weather.
        distance: Wasserstein distance of numbers, in interquartile ranges of the training rows;
            None for categories, without values, or where that range is 0.
        missing: Share of missing values.
        missing_before: That of the training rows.
        unseen: Share of values in categories that no training row had; 0 for numbers, and where
            training had too many categories to list.
        unseen_values: A few of them.
        reasons: What counts as drift, for a person; empty if nothing does.
        unjudged: Why its values cannot be compared with those of the training rows; None if they
            can, or if something counts as drift all the same.
    """

    column: str
    index: float | None
    distance: float | None
    missing: float
    missing_before: float
    unseen: float
    unseen_values: tuple[str, ...]
    reasons: tuple[str, ...]
    unjudged: str | None

    @property
    def drifted(self) -> bool:
        """Whether the column is distributed otherwise than in training."""
        return bool(self.reasons)


def drift(profile: Profile, columns: Columns) -> tuple[Drift, ...]:
    """Measure how far a batch is from the training rows, column by column.

    A drifted column is no fault of any code: the population changed. So this warns, and
    `sudden_shift` blocks.

    Args:
        profile: The profile of the training rows.
        columns: The batch, in canonical form; columns without a profile are left out.

    Returns:
        One entry a profiled column of the batch, in the profile's order; none for an empty batch.
    """
    return tuple(
        _drift(name, before, columns[name])
        for name, before in profile.columns.items()
        if name in columns and len(columns[name]) and before.rows
    )


def _drift(name: str, before: ColumnProfile, array: Array) -> Drift:
    if before.holds == "numbers":
        numbers = array.astype(np.float64, copy=False)
        return _drift_of_numbers(name, before, np.sort(numbers[~np.isnan(numbers)]), len(array))
    texts = [str(value) for value in array.tolist() if value is not None]
    return _drift_of_categories(name, before, texts, len(array))


def _drift_of_numbers(name: str, before: ColumnProfile, values: Floats, rows: int) -> Drift:
    distance = _distance(before, values)
    reasons = _missing_reasons(before, len(values), rows)
    if distance is not None and distance >= DISTANCE_LIMIT:
        median, median_before = (
            values[len(values) // 2],
            before.quantiles[len(before.quantiles) // 2],
        )
        reasons.append(
            f"values lie {distance:{'.1f' if distance < _FAR else '.3g'}} interquartile ranges "
            f"off: median {median:.5g}, in training {median_before:.5g}"
        )
    return Drift(
        column=name,
        index=_stability_index(*_tenths(before, values), before, len(values)),
        distance=distance,
        missing=1 - len(values) / rows,
        missing_before=before.missing,
        unseen=0.0,
        unseen_values=(),
        reasons=tuple(reasons),
        unjudged=None if distance is not None or reasons else _lacking(before, len(values)),
    )


def _drift_of_categories(name: str, before: ColumnProfile, values: list[str], rows: int) -> Drift:
    expected, actual = _categories(before, values)
    index = _stability_index(expected, actual, before, len(values))
    unseen, unseen_values = (0.0, ()) if before.rest else _unseen(before, values)
    reasons = _missing_reasons(before, len(values), rows)
    if unseen >= UNSEEN_LIMIT:
        reasons.append(f"{unseen:.0%} in categories new since training: {', '.join(unseen_values)}")
    unjudged = None
    if index is None:
        unjudged = _lacking(before, len(values))
    else:
        limit = INDEX_LIMIT + _chance(before, len(values), len(expected))
        if index >= limit:
            reasons.append(f"population stability index {index:.2f}, over {limit:.2f}")
        elif _largest_index(expected, before, len(values)) < limit:
            unjudged = f"{len(values)} values are too few for {len(expected)} categories"
    return Drift(
        column=name,
        index=index,
        distance=None,
        missing=1 - len(values) / rows,
        missing_before=before.missing,
        unseen=unseen,
        unseen_values=unseen_values,
        reasons=tuple(reasons),
        unjudged=None if reasons else unjudged,
    )


def _lacking(before: ColumnProfile, values: int) -> str:
    """Why values cannot be compared with those of the training rows, where they cannot."""
    if before.missing == 1:
        return "it has no values in training"
    if not values:
        return "it has no values"
    return "half of its values in training are one and the same"


def _missing_reasons(before: ColumnProfile, values: int, rows: int) -> list[str]:
    """Whether another share of values is missing.

    Values are often missing for a whole batch together, as when a station fails: the share then
    varies from batch to batch with the standard deviation sqrt(p (1 - p)). Where no share is that
    far from p, a batch with all or with none of them missing counts, unless it has so few rows
    that this is no more than three standard deviations from p.
    """
    missing, expected = 1 - values / rows, before.missing
    deviation = math.sqrt(expected * (1 - expected))
    limit = min(MISSING_LIMIT + deviation, max(expected, 1 - expected))
    if abs(missing - expected) < max(limit, 3 * deviation / math.sqrt(rows)):
        return []
    return [f"{missing:.0%} missing, in training {expected:.0%}"]


def _stability_index(
    expected: Floats, actual: Floats, before: ColumnProfile, values: int
) -> float | None:
    """Sum of (actual - expected) ln(actual / expected); an empty bin counts as half a row."""
    if not values or before.missing == 1:
        return None
    actual = np.maximum(actual, 0.5 / values)
    expected = np.maximum(expected, 0.5 / before.rows)
    return float(((actual - expected) * np.log(actual / expected)).sum())


def _largest_index(expected: Floats, before: ColumnProfile, values: int) -> float:
    """The index of a batch whose values are all of the category that is rarest in training."""
    actual = np.zeros(len(expected))
    actual[np.argmin(expected)] = 1.0
    return _stability_index(expected, actual, before, values) or 0.0


def _chance(before: ColumnProfile, values: int, bins: int) -> float:
    """What chance alone gives: twice the index's mean, about its 95 percent quantile.

    Without a change it is distributed like chi-squared with bins - 1 degrees of freedom, times
    the sum of the reciprocal sample sizes (Yurdakul and Naranjo, "Statistical properties of the
    population stability index", Journal of Risk Model Validation 14, 2020).
    """
    return 2 * (bins - 1) * (1 / values + 1 / before.rows)


def _tenths(before: ColumnProfile, values: Floats) -> tuple[Floats, Floats]:
    """Shares of the training rows and of the batch between the training rows' deciles."""
    if not before.quantiles or not len(values):
        return np.zeros(0), np.zeros(0)
    edges = np.unique(before.quantiles[10:100:10])
    expected = np.searchsorted(before.quantiles, edges, side="right") / len(before.quantiles)
    actual = np.searchsorted(values, edges, side="right") / len(values)
    return np.diff(np.r_[0, expected, 1]), np.diff(np.r_[0, actual, 1])


def _distance(before: ColumnProfile, values: Floats) -> float | None:
    if not before.quantiles or not len(values):
        return None
    width = before.quantiles[75] - before.quantiles[25]
    if not width:
        return None
    grid = np.rint(np.linspace(0, len(values) - 1, len(before.quantiles))).astype(np.int64)
    return float(np.abs(values[grid] - before.quantiles).mean() / width)


def _categories(before: ColumnProfile, values: list[str]) -> tuple[Floats, Floats]:
    """Shares of the training rows' categories, all others last."""
    counts = Counter(values)
    known = sum(counts[name] for name in before.shares)
    found = np.array([*(counts[name] for name in before.shares), len(values) - known])
    expected = np.array([*before.shares.values(), before.rest])
    occurs = (expected > 0) | (found > 0)
    return expected[occurs], found[occurs] / max(len(values), 1)


def _unseen(before: ColumnProfile, values: list[str]) -> tuple[float, tuple[str, ...]]:
    counts = Counter(value for value in values if value not in before.shares)
    names = tuple(name for name, _ in counts.most_common(_EXAMPLES))
    return sum(counts.values()) / max(len(values), 1), names
