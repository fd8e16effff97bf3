"""Alongside: two numbers of a row move together, at the same moments.

How warm it is and how warm it feels rise in the same hours. Where one of them is that of the hour
before, each value is one that was there, the relation between both holds nearly as well, and both
move as much as ever; what gives it away is that they move together an hour off. The changes from
each moment to the next are correlated, as they are and with one of both some moments late (a cross-
correlation of differences: Box and Jenkins, "Time Series Analysis", 1970): told is by how much they
go together better so. By chance alone a correlation is off by one over the root of the changes,
without those of 0 of the number that has more of these.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import chain
from math import sqrt
from typing import ClassVar

import numpy as np

from lockstep.columns.kinds import Floats
from lockstep.laws.bands import training_days
from lockstep.laws.earlier import mixed
from lockstep.laws.glance import as_numbers
from lockstep.laws.law import ENOUGH_DAYS, Broken, Law
from lockstep.laws.rows import Rows, TrainingRows
from lockstep.laws.series import in_order, moments_at, terms_of_columns
from lockstep.laws.terms import Term

LAGS = (-3, -2, -1, 1, 2, 3)
"""Moments off that are tried."""
ENOUGH_CHANGES = 15
"""Changes of a day that it takes."""
ENOUGH_MOVES = 5
"""Of these, how many it takes of each number that are not 0: two that move once each, some moments
apart, go together perfectly so; of five in fifteen moments, one of 3,003 choices is as another."""
ENOUGH_NUMBERS = 20
"""Different numbers of a column that moves."""
STRONG = 0.8
"""Correlation of changes on the usual day, at least."""
TOGETHER = 0.95
"""Share of the training days on which two columns go together best as they are, at least."""
STRONGEST = 4
"""Pairs of each column, those whose changes are correlated most, of which it is tried what they
tell: of more that are alike, each tells the same."""
TELLING = 0.5
"""Share of the training days on which one moment late has to be unusual."""
UNUSUAL, TOO_MUCH = 0.5, 1.0
"""How much better than on any training day is unusual, and too much: by what chance does to a
correlation (a standard deviation)."""


class Alongside(Law, frozen=True, kw_only=True, tag="alongside"):
    """Two numbers move together, at the same moments.

    Attributes:
        moments: For each of which both have one value.
        sign: Whether both rise together, 1, or one while the other falls, -1.
        usual: By how much their changes were correlated better some moments off, on the training
            day on which that was most.
    """

    lacks: ClassVar[str] = "the batch has too few moments"

    moments: tuple[Term, ...]
    sign: int
    usual: float

    @property
    def says(self) -> str:
        """See `Law.says`."""
        first, second = self.columns
        return f"{first} {'rises' if self.sign > 0 else 'falls'} when {second} rises"

    def find(self, rows: Rows) -> Broken | None:
        """What is correlated better some moments off; see `Law.find`."""
        changes = _changes(rows, self.moments, self.columns)
        together = self.sign * _correlations(changes)[:, 0, 1]
        if np.isnan(together).any():
            return None
        better = float(together[1:].max() - together[0])
        chance = _chance(changes)
        if better <= self.usual + UNUSUAL * chance:
            return None
        lag = LAGS[int(together[1:].argmax())]
        late, other = self.columns if lag > 0 else self.columns[::-1]
        off = "the moment" if abs(lag) == 1 else f"{abs(lag)} moments"
        return Broken(
            law=self,
            columns=self.columns,
            message=f"{late} goes with what {other} was {off} before: their changes are "
            f"correlated by {self.sign * together[1:].max():.2f} so, and by "
            f"{self.sign * together[0]:.2f} as they are; on training days that was "
            f"{self.usual:.2f} better at most",
            strict=self.is_strict and better > self.usual + TOO_MUCH * chance,
            numbers={"correlated better some moments off": better},
        )

    def looks_at(self, rows: Rows) -> int:
        """See `Law.looks_at`."""
        changes = _changes(rows, self.moments, self.columns)
        return 0 if np.isnan(_correlations(changes)).any() else len(rows)


def _changes(rows: Rows, terms: tuple[Term, ...], columns: Sequence[str]) -> Floats:
    """The changes of columns from each moment to the next: changes by columns, NaN for none.

    Those of one series, such as a place, follow each other, then some that are not known.
    """
    first, ends = in_order(rows, terms)
    numbers = np.array([as_numbers(rows.columns[name][first]) for name in columns]).T
    changes = np.diff(numbers, axis=0)
    changes[ends] = np.nan
    return np.insert(changes, np.repeat(ends, max(LAGS)), np.nan, axis=0)


def _correlations(changes: Floats, lags: Sequence[int] = (0, *LAGS)) -> Floats:
    """How columns move together: as they are, and one of two late by each of the lags.

    Args:
        changes: Changes by columns, NaN where one is not known.
        lags: By how many moments the first of two is late; of less than 0, the second.

    Returns:
        Lags by columns by columns; NaN where one of both has too few changes.
    """
    known = ~np.isnan(changes)
    own = np.where(known, changes, 0.0)
    sizes = np.sqrt(np.sum(own * own, axis=0))
    sizes[known.sum(axis=0) < ENOUGH_CHANGES] = np.nan
    sizes[np.count_nonzero(own, axis=0) < ENOUGH_MOVES] = np.nan
    scale = np.maximum(np.outer(sizes, sizes), 1e-300)
    found = []
    for lag in lags:
        late, early = max(lag, 0), max(-lag, 0)
        size = max(len(own) - abs(lag), 0)
        found.append(own[late : late + size].T @ own[early : early + size] / scale)
    return np.array(found)


def _chance(changes: Floats) -> float:
    """What chance does to a correlation of changes, of which those of 0 tell nothing."""
    moves = np.count_nonzero(np.nan_to_num(changes), axis=0)
    return 1 / sqrt(int(moves.min()))


def discover(training: TrainingRows) -> list[Alongside]:
    """Find which numbers move together.

    Args:
        training: The training rows.
    """
    time, days = training.rows.schema.event_time, training_days(training)
    if time is None or not training.has_days or not days:
        return []
    parts: dict[tuple[Term, ...], list[str]] = {}
    for name, terms in terms_of_columns(training, time).items():
        if len(training.rows.values(name).found) >= ENOUGH_NUMBERS:
            parts.setdefault(terms, []).append(name)
    return [
        law
        for terms, names in parts.items()
        if names[1:] and _is_by_clock(training.rows, terms)
        for law in _of(terms, names, [_changes(day, terms, names) for day in days])
    ]


def _is_by_clock(rows: Rows, terms: tuple[Term, ...]) -> bool:
    """Whether each of the moments of a day is in the same hour on every day."""
    every, times = moments_at(rows, terms), rows.local_times
    assert times is not None, "rows that have days have an event time"
    own = times[every.first]
    hours = (own - own.astype("datetime64[D]")).astype("timedelta64[h]").astype(np.int64)
    return len(np.unique(mixed((every.digests, hours.view(np.uint64)), len(hours)))) == len(
        np.unique(every.digests)
    )


def _of(
    terms: tuple[Term, ...], names: Sequence[str], changes: Sequence[Floats]
) -> Iterator[Alongside]:
    """The laws of columns of the same moments: of each the pair that tells most."""
    first, second = np.triu_indices(len(names), 1)
    as_they_are = np.array([_correlations(one, (0,))[0, first, second] for one in changes])
    known = np.count_nonzero(~np.isnan(as_they_are), axis=0)
    as_they_are.sort(axis=0)  # what is not known comes last
    middle = np.maximum(known - 1, 0)[None] // 2
    typical = np.nan_to_num(np.take_along_axis(as_they_are, middle, axis=0)[0])
    usual, best_so = np.zeros(len(first)), np.zeros(len(first), dtype=np.int64)
    for one in changes:  # day by day: all lags of all pairs of all days are too many to hold
        together = np.sign(typical) * _correlations(one)[:, first, second]
        better = together[1:].max(axis=0) - together[0]
        usual = np.fmax(usual, better)
        best_so += better < 0
    is_one = (known >= ENOUGH_DAYS) & (np.abs(typical) >= STRONG) & (best_so >= TOGETHER * known)
    found = {
        pair: Alongside(
            columns=(names[first[pair]], names[second[pair]]),
            days=int(known[pair]),
            moments=terms,
            sign=int(np.sign(typical[pair])),
            usual=float(f"{usual[pair]:.4g}"),
        )
        for pair in np.flatnonzero(is_one).tolist()
    }
    strongest = sorted(found, key=np.abs(typical).__getitem__, reverse=True)
    of_each = [
        [pair for pair in strongest if place in (first[pair], second[pair])][:STRONGEST]
        for place in range(len(names))
    ]
    telling = {
        pair: (_telling(found[pair], changes, (first[pair], second[pair])), abs(typical[pair]))
        for pair in {*chain.from_iterable(of_each)}
    }
    kept = {
        max(own, key=telling.__getitem__)
        for pairs in of_each
        if (own := [pair for pair in pairs if telling[pair][0] >= TELLING])
    }
    yield from (found[pair] for pair in sorted(kept))


def _telling(law: Alongside, changes: Sequence[Floats], pair: tuple[int, int]) -> float:
    """On which share of days it is unusual if one of both is a moment late."""
    told = []
    for one in changes:
        late = one[:, pair]
        late[1:, 0] = one[:-1, pair[0]]
        together = law.sign * _correlations(late)[:, 0, 1]
        if not np.isnan(together).any():
            limit = law.usual + UNUSUAL * _chance(late)
            told.append(together[1:].max() - together[0] > limit)
    return float(np.mean(told)) if told else 0.0
