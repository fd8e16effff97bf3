"""Combinations: pairs of categories that training never saw together, though it saw each of them.

Only pairs of columns whose values go together in few of the ways in which they might, and of which
training saw nearly all: each day of its second half has few rows with a pair that the first half
does not have. The world has new ones now and then (a new route in summer), so only far more of
them are an error.
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
    """

    binds: ClassVar[bool] = False

    first: tuple[str | float | bool, ...]
    second: tuple[str | float | bool, ...]
    pairs: tuple[int, ...]
    usual: float

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
        odd = np.flatnonzero(judged & ~known[places[0] * len(self.second) + places[1]])
        share = len(odd) / max(1, len(rows))
        if len(odd) < 2 or share <= _TIMES * self.usual:
            return None
        values = " and ".join(f"{name} {show(rows.columns[name][odd[0]])}" for name in self.columns)
        return Broken(
            law=self,
            columns=self.columns,
            message=f"{self.columns[0]} and {self.columns[1]} go together in "
            f"{counted(len(odd), 'row')} of {len(rows):,} as they never did in training, such as "
            f"{values}; in training at most {100 * self.usual:.3g} % of a day's rows were new",
            rows=odd,
            strict=self.is_strict and share > _FAR_TIMES * self.usual + _FAR_BEYOND,
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
    return [msgspec.structs.replace(law, usual=max(usual, _LEAST_USUAL)) for law in found]


def _law(training: TrainingRows, columns: tuple[str, str]) -> KnownPairs | None:
    one, other = (training.rows.values(name) for name in columns)
    known = (one.places >= 0) & (other.places >= 0) & (training.day_of >= 0)
    numbers = one.places[known] * len(other.found) + other.places[known]
    pairs, pair_of = np.unique(numbers, return_inverse=True)
    if len(pairs) > min(_MOST_PAIRS, _MOST_OF_ALL * len(one.found) * len(other.found)):
        return None
    usual = _most_new(pair_of, training.day_of[known], training)
    if usual > _COMPLETE:
        return None
    return KnownPairs(
        columns=columns,
        days=training.days,
        first=tuple(one.found.tolist()),
        second=tuple(other.found.tolist()),
        pairs=tuple(pairs.tolist()),
        usual=usual,
    )


def _most_new(pair_of: Array, day_of: Array, training: TrainingRows) -> float:
    """The largest share of a day's rows whose pair the first half of the days does not have."""
    half = training.days // 2
    first = np.full(int(pair_of.max(initial=-1)) + 1, training.days)
    np.minimum.at(first, pair_of, day_of)
    new = np.bincount(day_of[first[pair_of] >= half], minlength=training.days)
    rows = np.bincount(training.day_of[training.day_of >= 0], minlength=training.days)
    return float((new / rows)[half:].max())


def _placed(values: Values, known: tuple[str | float | bool, ...]) -> Array:
    """The place of each row's value among those that are known; -1 where it is not among them."""
    places = {value: place for place, value in enumerate(known)}
    return np.array([*(places.get(one, -1) for one in values.found.tolist()), -1])[values.places]
