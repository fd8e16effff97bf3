"""Joint shape: which values of two columns go together, whatever each column's own values are.

Of every pair of columns training tells which values are found together more often than chance
would have it: the logarithm of that ratio is the pointwise mutual information (Church and Hanks,
1990). Numbers count by their rank within the day, as in a copula (Sklar, 1959), so that neither a
season nor a trend changes what is compared. What is judged of a day is how much of that it shows
beyond its own marginals; where a column's values are at other rows than theirs, it is near 0.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

import numpy as np

from lockstep.columns.kinds import Array, Floats, Ints
from lockstep.laws.bands import Band, Banded, Reading, fitted, training_days
from lockstep.laws.glance import Glance, glance, value_columns
from lockstep.laws.rows import Rows, TrainingRows

TENTHS = 8
"""Classes of the ranks of numbers."""
MOST_CLASSES = 14
"""Values of a category that are told apart."""
MOST_PAIRS = 6
"""Pairs that are kept of each column: the steadiest."""
WEAKEST = 0.4
"""Share of what they usually show that the weakest training day shows at least, of a kept pair."""
LEAST = 0.02
"""Share of what is shown that tells nothing, however steady it is."""
LARGEST_RATIO = 3.0
"""Where the logarithm of a ratio is cut, in which few rows tell much."""
ENOUGH_ROWS = 50
_ROUNDS = 4
_TINY = 1e-300
_LOST = "lost"
_TIME = "time of day"
_SHOWN = 0.005
"""Share of what a usual day shows that is told as nothing where it is smaller."""


class Together(Banded, frozen=True, kw_only=True, tag="together"):
    """Which classes of two columns go together.

    Attributes:
        sides: The two, each a field, or the event time's time of day.
        labels: The classes of each that is a category; none of a number.
        ratios: Logarithm of how much more often than by chance classes are found together: a row
            a class of the first one, the last of them for missing values.
        strength: What a usual day shows of it.
    """

    only_above: ClassVar[bool] = True
    titles: ClassVar[Mapping[str, str]] = {_LOST: "share of it that is gone"}
    sides: tuple[str, str]
    labels: tuple[tuple[str, ...], tuple[str, ...]]
    ratios: list[list[float]]
    strength: float

    @property
    def says(self) -> str:
        """See `Law.says`."""
        return f"Values of {' and '.join(self.sides)} go together as they always did."

    def measure(self, rows: Rows) -> dict[str, Reading]:
        """See `Banded.measure`."""
        seen = glance(rows)
        if len(seen) < ENOUGH_ROWS:
            return {}
        ratios = np.array(self.ratios)
        first, second = (
            _classes(seen, side, labels)
            for side, labels in zip(self.sides, self.labels, strict=True)
        )
        counts = _crossed(first, second, ratios.shape)
        shown, noise = _shown(counts, ratios)
        expected = _expected(counts, ratios)
        if expected < self.strength / 2:  # too few classes of one of the two to tell
            return {}
        return {_LOST: Reading(1 - float(shown) / expected, LEAST + float(noise) / expected)}

    def tell(self, name: str, reading: Reading, usual: Band, rows: Rows) -> str:
        """See `Banded.tell`."""
        left, least = (min(max(1 - lost, 0.0), 1.0) for lost in (reading.value, usual.highest))
        much = f"{left:.0%} of what they usually do" if left >= _SHOWN else "not at all"
        return (
            f"{self.sides[0]} and {self.sides[1]} go together far less than they did: {much}, on "
            f"every training day {least:.0%} or more; values are at other rows than theirs"
        )


def _classes(seen: Glance, side: str, labels: tuple[str, ...]) -> Ints:
    """The class of each row; the one after the last where it is none of them or missing."""
    return seen.rows.once(("classes", side, labels), lambda: _find_classes(seen, side, labels))


def _find_classes(seen: Glance, side: str, labels: tuple[str, ...]) -> Ints:
    if labels:
        codes = seen.codes(side, labels)
        missing = seen.missing(side)
        return np.where(missing, len(labels) + 1, np.where(codes < 0, len(labels), codes))
    if side == _TIME:
        times = seen.rows.local_times
        assert times is not None
        numbers = (times - times.astype("datetime64[D]")).astype(np.float64)
        numbers[np.isnat(times)] = np.nan
    else:
        numbers = seen.numbers(side)
    # Rows of one value that lies over an edge are dealt to both sides, so that a day on which it is
    # somewhat more frequent moves a few of them, not all.
    dealt = np.random.default_rng(0).permutation(len(numbers))
    order = dealt[np.argsort(numbers[dealt], kind="stable")]  # what is missing comes last
    known = len(numbers) - int(np.count_nonzero(np.isnan(numbers)))
    classes = np.full(len(numbers), TENTHS)
    classes[order[:known]] = np.arange(known) * TENTHS // max(known, 1)
    return classes


def _crossed(first: Ints, second: Ints, shape: tuple[int, ...]) -> Floats:
    cells = np.bincount(first * shape[1] + second, minlength=shape[0] * shape[1])
    return cells.reshape(shape).astype(np.float64)


def _shown(counts: Floats, ratios: Floats) -> tuple[Floats, Floats]:
    """What rows show of the ratios beyond their marginals, and what chance alone does to it.

    Args:
        counts: How often classes are found together: of one day, or of several, a table each.
        ratios: The ratios.
    """
    by_first, by_second = counts.sum(axis=-1), counts.sum(axis=-2)
    total = by_first.sum(axis=-1)
    together = (counts * ratios).sum(axis=(-2, -1)) / total
    mean, square = (
        ((by_first @ one) * by_second).sum(axis=-1) / total**2 for one in (ratios, ratios**2)
    )
    return together - mean, np.sqrt(np.maximum(square - mean**2, 0.0) / total)


def _expected(counts: Floats, ratios: Floats) -> float:
    """What the ratios lead to with these marginals (fitted to both; Deming and Stephan, 1940)."""
    by_first, by_second = counts.sum(axis=1), counts.sum(axis=0)
    kernel = np.exp(ratios)
    second = by_second
    for _ in range(_ROUNDS):
        first = by_first / np.maximum(kernel @ second, _TINY)
        second = by_second / np.maximum(first @ kernel, _TINY)
    together = first[:, None] * kernel * second
    return float(_shown(together, ratios)[0])


def _ratios(counts: Floats) -> Floats:
    """Logarithm of counts over those by chance, cut, and drawn to 0 where there are few."""
    total = counts.sum()
    by_chance = np.outer(counts.sum(axis=1), counts.sum(axis=0)) / total
    few = 10.0
    ratios: Floats = np.log((counts + few) / (by_chance + few))
    return np.clip(ratios, -LARGEST_RATIO, LARGEST_RATIO)


def _labels(rows: Rows, column: str) -> tuple[str, ...]:
    """The most frequent values of a category; none of a number, which counts by its rank."""
    values = rows.values(column)
    counts = np.bincount(values.places[values.places >= 0], minlength=len(values.found))
    few = len(values.found) <= MOST_CLASSES
    if rows.columns[column].dtype != object and not few:
        return ()
    places = np.argsort(-counts, kind="stable")[:MOST_CLASSES]
    return tuple(str(values.found[place]) for place in places.tolist())


def discover(training: TrainingRows) -> list[Together]:
    """Find which values of two columns go together on all training days.

    Args:
        training: The training rows.
    """
    all_days = training_days(training)
    days = [day for day in all_days if len(day) >= ENOUGH_ROWS]
    if not days:
        return []
    rows = training.rows
    sides = [*value_columns(rows.schema)]
    labels = {side: _labels(rows, side) for side in sides}
    if rows.schema.event_time is not None:
        sides.append(_TIME)
        labels[_TIME] = ()
    sizes = {side: len(labels[side]) + 2 if labels[side] else TENTHS + 1 for side in sides}
    classes = {
        side: np.concatenate([_classes(glance(day), side, labels[side]) for day in days])
        for side in sides
    }
    day_of = np.repeat(np.arange(len(days)), [len(glance(day)) for day in days])
    candidates = []
    for place, first in enumerate(sides):
        for second in sides[place + 1 :]:
            shape = (len(days) * sizes[first], sizes[second])
            counts = _crossed(day_of * sizes[first] + classes[first], classes[second], shape)
            by_day = counts.reshape(len(days), sizes[first], sizes[second])
            law = _together((first, second), (labels[first], labels[second]), by_day, training)
            candidates += [] if law is None else [law]
    return _steadiest(fitted(candidates, all_days))


def _together(
    sides: tuple[str, str],
    labels: tuple[tuple[str, ...], tuple[str, ...]],
    by_day: Array,
    training: TrainingRows,
) -> Together | None:
    ratios = np.round(_ratios(by_day.sum(axis=0)), 2)
    shown, noise = _shown(by_day, ratios)
    strength = float(np.median(shown))
    if strength <= 0 or shown.min() < WEAKEST * strength or np.median(noise) * 5 > strength:
        return None
    event_time = training.rows.schema.event_time or ""
    return Together(
        columns=tuple(event_time if side == _TIME else side for side in sides),
        days=0,
        sides=sides,
        labels=labels,
        ratios=ratios.tolist(),
        strength=strength,
    )


def _steadiest(laws: list[Together]) -> list[Together]:
    """The pairs that the weakest day shows most of, some of each column."""
    kept: list[Together] = []
    taken: dict[str, int] = {}
    for law in sorted(laws, key=lambda law: law.bands[_LOST].highest):
        if any(taken.get(side, 0) < MOST_PAIRS for side in law.sides):
            kept.append(law)
            for side in law.sides:
                taken[side] = taken.get(side, 0) + 1
    return kept
