"""Differences: two numbers that are nearly equal, and by how much one exceeds the other.

Of length and width, or two thermometers, the relation is that they are the same, and what that
leaves over is small beside either of them: exchanged for each other, neither moves, nor does how
much of it the other explains. What is left over need not be chance, though: it is above 0 in some
segments, and below in others, as it ever was. What is judged is how far its means by segment are
from where they usually are, all of them together (the root mean square over the rows).

Means are Winsorised (Tukey, "The future of data analysis", 1962), as those of `segments` are: a row
that lies far out moves none.
"""

from __future__ import annotations

from itertools import combinations
from typing import ClassVar

import numpy as np

from lockstep.columns.kinds import Array, Floats, Ints, Kind
from lockstep.laws.bands import Band, Banded, Reading, training_days, with_bands
from lockstep.laws.glance import QUARTERS, Glance, Segments, categories, glance, number_columns
from lockstep.laws.rows import Rows, TrainingRows
from lockstep.laws.segments import sums_of, winsorised

NEAR = 0.25
"""How large the difference of nearly equal numbers is over the spread of either, at most."""
TOLD = 3.0
"""Where two numbers that are exchanged lie, over the farthest training day, at least."""
LEAST = 0.01
"""Share of the spread of a difference that tells nothing."""
ENOUGH_ROWS = 30
_ALL = Segments(None, ())
_APART = "apart"


class Difference(Banded, frozen=True, kw_only=True, tag="difference"):
    """By how much one number exceeds another that is nearly equal, by segment.

    Attributes:
        category: The column that parts the rows; None for the quarters of the day, or for none.
        labels: The segments; none where all rows are one.
        usual: The mean difference in each of them.
    """

    only_above: ClassVar[bool] = True

    category: str | None
    labels: tuple[str, ...]
    usual: tuple[float, ...]

    @property
    def says(self) -> str:
        """See `Law.says`."""
        first, second = self.columns[:2]
        by = f", by {self.category or 'time of day'}," if self.labels else ""
        return f"{first} is {second} but for small differences, of which the means{by} stay."

    def measure(self, rows: Rows) -> dict[str, Reading]:
        """See `Banded.measure`."""
        count, total, spread = _sums(glance(rows), self._pair, Segments(self.category, self.labels))
        if count.sum() < ENOUGH_ROWS:
            return {}
        away = np.sqrt((total / np.maximum(count, 1) - self.usual) ** 2 @ count / count.sum())
        # Of a root of a sum of squares the standard deviation is as large for many as for few.
        by_chance = spread / np.sqrt(2 * count.sum())
        return {_APART: Reading(float(away), LEAST * spread + float(by_chance))}

    @property
    def _pair(self) -> tuple[str, str]:
        return self.columns[0], self.columns[1]

    def tell(self, name: str, reading: Reading, usual: Band, rows: Rows) -> str:
        """See `Banded.tell`; with the segment that tells most."""
        count, total, _ = _sums(glance(rows), self._pair, Segments(self.category, self.labels))
        means = total / np.maximum(count, 1)
        place = int(np.argmax(count * (means - self.usual) ** 2))
        where = f" where {self.category or 'it'} is {self.labels[place]}" if self.labels else ""
        return (
            f"{self.columns[0]} less {self.columns[1]} is {means[place]:.4g} on average{where}, "
            f"usually {self.usual[place]:.4g}: means are {reading.value:.4g} from where they "
            f"usually are, on training days {usual.highest:.4g} at most"
        )


def _sums(seen: Glance, pair: tuple[str, str], parted: Segments) -> tuple[Ints, Floats, float]:
    """How many rows each segment has, the sums of their differences, and the spread of all."""
    left, known = seen.rows.once(("difference", pair), lambda: _find(seen, pair))
    if parted == _ALL:
        codes = np.zeros(len(left), dtype=np.int64)
    else:
        codes = parted.codes(seen)
        known = known & (codes >= 0)
    codes, left = codes[known], left[known]
    size = max(len(parted.labels), 1)
    return *sums_of(left, codes, size), float(np.std(left)) if len(left) else 0.0


def _find(seen: Glance, pair: tuple[str, str]) -> tuple[Floats, Array]:
    """The differences, Winsorised, and where there are any."""
    left = seen.numbers(pair[0]) - seen.numbers(pair[1])
    return winsorised(left), ~np.isnan(left)


def discover(training: TrainingRows) -> list[Difference]:
    """Find the nearly equal numbers whose differences tell which is which.

    Args:
        training: The training rows.
    """
    days = training_days(training)
    if not days:
        return []
    parts = [_ALL, *categories(training.rows)]
    if training.rows.schema.event_time is not None:
        parts.append(Segments(None, QUARTERS))
    found = (_clearest(pair, parts, days) for pair in _nearly_equal(training.rows))
    return [law for law in found if law is not None]


def _nearly_equal(rows: Rows) -> list[tuple[str, str]]:
    """The pairs of numbers whose difference is small against the spread of either.

    Of those of which one is hardly ever above the other, bounds tell which is which.
    """
    seen = glance(rows)
    names = [
        name for name in number_columns(rows.schema) if rows.schema[name].kind is not Kind.BOOL
    ]
    spread = {name: float(np.std(_kept(seen.numbers(name)))) for name in names}
    found = []
    for first, second in combinations(names, 2):
        left = _kept(seen.numbers(first) - seen.numbers(second))
        size = float(np.sqrt(np.mean(left**2)))
        if left.min() < 0 < left.max() and size <= NEAR * min(spread[first], spread[second]):
            found.append((first, second))
    return found


def _kept(numbers: Floats) -> Floats:
    """Those that are known, Winsorised; 0 alone where there are too few."""
    known = numbers[~np.isnan(numbers)]
    return winsorised(known) if len(known) >= ENOUGH_ROWS else np.zeros(1)


def _clearest(pair: tuple[str, str], parts: list[Segments], days: list[Rows]) -> Difference | None:
    """The law by the segments that would tell best that two numbers were exchanged, if any do."""
    best: tuple[float, Difference] | None = None
    for parted in parts:
        if parted.column in pair:
            continue
        told = [_sums(glance(day), pair, parted) for day in days]
        count, total = (np.array([one[place] for one in told]) for place in (0, 1))
        laws = [
            _law(pair, parted, count.sum(axis=0) - own, total.sum(axis=0) - sums)
            for own, sums in zip(count, total, strict=True)
        ]
        measured = [law.measure(day) for law, day in zip(laws, days, strict=True)]
        law = with_bands(_law(pair, parted, count.sum(axis=0), total.sum(axis=0)), measured, days)
        if law is None:
            continue
        shares = count.sum(axis=0) / count.sum()
        exchanged = 2 * float(np.sqrt(np.square(law.usual) @ shares))
        clear = exchanged / max(law.bands[_APART].highest, 1e-12)
        if clear >= TOLD and (best is None or clear > best[0]):
            best = (clear, law)
    return None if best is None else best[1]


def _law(pair: tuple[str, str], parted: Segments, count: Ints, total: Floats) -> Difference:
    means = total / np.maximum(count, 1)
    return Difference(
        columns=(*pair, *([] if parted.column is None else [parted.column])),
        days=0,
        category=parted.column,
        labels=parted.labels,
        usual=tuple(float(f"{one:.6g}") for one in means.tolist()),
    )
