"""Combinations: pairs of categories that training never saw together, though it saw each of them.

Only pairs of columns whose values go together in few of the ways in which they might, and of which
training saw nearly all: each day of its second half has few rows with a pair that the first half
does not have. The world has new ones now and then (a new route in summer), so only far more of
them are an error; or many different ones in neighbouring rows (a scan statistic; Naus, "The
distribution of the size of the maximum cluster of points on a line", 1965): what is new in the
world comes here and there, or is one combination again and again.
"""

from __future__ import annotations

from itertools import combinations
from typing import ClassVar

import msgspec
import numpy as np

from lockstep.columns.kinds import Array, Kind
from lockstep.columns.plain import counted, show
from lockstep.laws.law import ENOUGH_DAYS, Broken, Law
from lockstep.laws.rows import Rows, TrainingRows, Values

_CATEGORIES = 500
"""Values of a column that is looked at."""
_COLUMNS = 24
"""Columns that are looked at, those of the fewest values."""
_MOST_PAIRS = 5_000
"""Pairs that are kept of two columns."""
_MOST_OF_ALL = 0.8
"""Largest share of all possible pairs that occur, so that another one says anything."""
_COMPLETE = 0.02
"""Largest share of a later training day's rows with a pair that the first half does not have."""
_LEAST_USUAL = 0.01
"""What is taken for that share where training had fewer."""
_TIMES = 3.0
"""How many times that share is unusual. In the nine months after a training of three, new routes
are in no more rows than in its second half."""
_FAR_TIMES = 10.0
_FAR_BEYOND = 0.02
"""How many times that share, and what share of the rows beyond, no new custom explains."""

_WINDOW = 40
"""Neighbouring rows, as they are delivered, in which new pairs are counted, each once."""
_CROWDED_TIMES = 2
_CROWDED_BEYOND = 3
"""How many times as many as there ever were, and how many beyond, no new custom brings."""
_LEAST_CROWDED = 2
"""What is taken for as many as there ever were where training had fewer."""


class KnownPairs(Law, frozen=True, kw_only=True):
    """Values of two columns go together as training saw them.

    Attributes:
        first: The values of the first column.
        second: Those of the second.
        pairs: Which go together: the place among the first times the number of the second, plus
            the place among these.
        usual: Largest share of a training day's rows, in the second half of the days, with a pair
            that no day of the first half had: of whichever two columns have most of them, since
            the customs of a table change in all of them.
        crowded: Most new pairs, each counted once, in neighbouring rows of that half, of whichever
            two columns have most; None of a version that an older Lockstep fitted.
    """

    binds: ClassVar[bool] = False

    first: tuple[str | float | bool, ...]
    second: tuple[str | float | bool, ...]
    pairs: tuple[int, ...]
    usual: float
    crowded: int | None = None

    @property
    def says(self) -> str:
        """It in a sentence."""
        return f"{self.columns[0]} and {self.columns[1]} go together as they did in training"

    def find(self, rows: Rows) -> Broken | None:
        """The rows whose two values training saw, but not together, where these are many."""
        if not len(rows):
            return None
        one, other = (rows.values(name) for name in self.columns)
        places = _placed(one, self.first), _placed(other, self.second)
        known = np.zeros(len(self.first) * len(self.second), dtype=bool)
        known[list(self.pairs)] = True
        judged = (places[0] >= 0) & (places[1] >= 0)
        pairs = places[0] * len(self.second) + places[1]
        odd = np.flatnonzero(judged & ~known[pairs])
        share = len(odd) / max(1, len(rows))
        crowded = _most_in_a_window(odd, pairs[odd])
        is_crowded = self.crowded is not None and (
            crowded > _CROWDED_TIMES * self.crowded + _CROWDED_BEYOND
        )
        if len(odd) < 2 or not (is_crowded or share > _TIMES * self.usual):
            return None
        values = " and ".join(f"{name} {show(rows.columns[name][odd[0]])}" for name in self.columns)
        near = f", and {self.crowded} pairs in {_WINDOW} neighbouring rows, now {crowded}"
        return Broken(
            law=self,
            columns=self.columns,
            message=f"{self.columns[0]} and {self.columns[1]} go together in "
            f"{counted(len(odd), 'row')} of {len(rows):,} as they never did in training, such as "
            f"{values}; in training at most {100 * self.usual:.3g} % of a day's rows were new"
            f"{near if is_crowded else ''}",
            rows=odd,
            strict=self.is_strict and (is_crowded or share > _FAR_TIMES * self.usual + _FAR_BEYOND),
            numbers={"rows of new pairs": len(odd)},
        )


def discover(training: TrainingRows) -> list[KnownPairs]:
    """Find the columns whose values go together in few ways.

    Args:
        training: The training rows.
    """
    rows, schema = training.rows, training.rows.schema
    if training.days < ENOUGH_DAYS:
        return []
    sizes = {
        field.name: len(rows.values(field.name).found)
        for field in schema
        if field.kind in (Kind.TEXT, Kind.BOOL) and field.role == "value"
    }
    few = [name for name, size in sizes.items() if 1 < size <= _CATEGORIES]
    names = sorted(sorted(few, key=sizes.__getitem__)[:_COLUMNS], key=schema.names.index)
    pairs = combinations(names, 2)
    found = [law for pair in pairs if (law := _law(training, pair)) is not None]
    usual = max((law.usual for law in found), default=0.0)
    crowded = max((law.crowded or 0 for law in found), default=0)
    crowded = max(crowded, _LEAST_CROWDED)
    return [
        msgspec.structs.replace(law, usual=max(usual, _LEAST_USUAL), crowded=crowded)
        for law in found
    ]


def _law(training: TrainingRows, columns: tuple[str, str]) -> KnownPairs | None:
    one, other = (training.rows.values(name) for name in columns)
    known = (one.places >= 0) & (other.places >= 0) & (training.day_of >= 0)
    numbers = one.places[known] * len(other.found) + other.places[known]
    pairs, pair_of = np.unique(numbers, return_inverse=True)
    if len(pairs) > min(_MOST_PAIRS, _MOST_OF_ALL * len(one.found) * len(other.found)):
        return None
    new = _new_in_second_half(pair_of, training.day_of[known], training)
    usual = _most_new(training.day_of[known][new], training)
    if usual > _COMPLETE:
        return None
    return KnownPairs(
        columns=columns,
        days=training.days,
        first=tuple(one.found.tolist()),
        second=tuple(other.found.tolist()),
        pairs=tuple(pairs.tolist()),
        usual=usual,
        crowded=_most_in_a_window(np.flatnonzero(known)[new], pair_of[new]),
    )


def _new_in_second_half(pair_of: Array, day_of: Array, training: TrainingRows) -> Array:
    """Which rows have a pair that the first half of the days does not have."""
    first = np.full(int(pair_of.max(initial=-1)) + 1, training.days)
    np.minimum.at(first, pair_of, day_of)
    return np.flatnonzero(first[pair_of] >= training.days // 2)


def _most_new(days_of_new: Array, training: TrainingRows) -> float:
    """The largest share of a day's rows, in the second half, that are new."""
    new = np.bincount(days_of_new, minlength=training.days)
    rows = np.bincount(training.day_of[training.day_of >= 0], minlength=training.days)
    return float((new / rows)[training.days // 2 :].max())


def _most_in_a_window(places: Array, pairs: Array) -> int:
    """How many different pairs there are in neighbouring rows, at most.

    Args:
        places: Rows, in order.
        pairs: The pair of each.
    """
    if not len(places):
        return 0
    by_pair = np.lexsort((places, pairs))
    again = np.r_[False, pairs[by_pair][1:] == pairs[by_pair][:-1]]
    before = np.full(len(places), -1)  # the row before of the same pair
    before[by_pair[again]] = by_pair[np.flatnonzero(again) - 1]
    start = np.arange(len(places))[:, None]
    near = np.minimum(start + np.arange(_WINDOW), len(places) - 1)
    is_in = (start + np.arange(_WINDOW) < len(places)) & (places[near] < places[start] + _WINDOW)
    return int((is_in & (before[near] < start)).sum(axis=1).max())


def _placed(values: Values, known: tuple[str | float | bool, ...]) -> Array:
    """The place of each row's value among those that are known; -1 where it is not among them."""
    places = {value: place for place, value in enumerate(known)}
    return np.array([*(places.get(one, -1) for one in values.found.tolist()), -1])[values.places]
