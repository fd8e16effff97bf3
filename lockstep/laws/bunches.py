"""Bunches: rows of a day that come together, such as the lines of a receipt or the rows of an hour.

Twenty lines of one receipt tell of one household, once: shares and means of them move by chance as
those of one row do. By how much, follows from how alike the rows of a bunch are: rows are divided
by the design effect of samples of clusters, 1 + (m - 1) rho, with rho the correlation of rows of a
bunch of m (Kish, "Survey Sampling", 1965). Of numbers it is that of their ranks within the day.

What a row has in common with the same bunch of another day is no chance: flights to an airport lie
where it lies every day, and there are as many. Receipts have new numbers, households come on other
days, and an hour has another weather the day after.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import msgspec
import numpy as np
import pandas as pd

from lockstep.columns.kinds import Array, Floats, Ints
from lockstep.laws.dependencies import Search
from lockstep.laws.glance import Glance, Segments, number_columns, value_columns
from lockstep.laws.rows import Rows, TrainingRows
from lockstep.laws.terms import Part, Term, grouped, grouped_by_day

_SAMPLE = 30_000
"""Training rows that are looked at, of whole days where these are small."""
_DAYS = 40
"""Days that they are of, at most."""
_LEAST_DAYS = 4
"""Days that it takes to tell what is by chance."""
_LEAST_BUNCHES = 20
"""Bunches of a day that it takes, by rows: fewer are segments, whose days differ anyway."""
_VALUES = 8
"""Values of a text, the commonest, in which rows may be alike."""
_TINY = 1e-12


class Bunches(msgspec.Struct, frozen=True):
    """Which rows of a day come together, and how alike they are in a column.

    Attributes:
        terms: What the rows of a bunch agree in; none where each row comes by itself.
        likeness: How alike they are: 0 as any rows of the day, 1 where they are the same.
    """

    terms: tuple[Term, ...] = ()
    likeness: float = 0.0

    def effect(self, rows: Rows) -> float:
        """How many rows tell as much as one that comes by itself would.

        Args:
            rows: The rows.
        """
        if not self.terms:
            return 1.0
        return 1 + self.likeness * rows.once(("in bunches", self.terms), lambda: self._others(rows))

    def _others(self, rows: Rows) -> float:
        """How many other rows are in the bunch of a row, on average."""
        sizes = np.bincount(_bunches(rows, self.terms))
        return float((sizes * (sizes - 1.0)).sum() / max(sizes.sum(), 1))

    def effects(self, seen: Glance, parted: Segments) -> Floats:
        """The same in each segment, and in all other rows: 2 by segments.

        Args:
            seen: The rows.
            parted: The segments.
        """
        if not self.terms:
            return np.ones((2, len(parted.labels)))
        told = ("in bunches", self.terms, parted)
        return 1 + self.likeness * seen.rows.once(told, lambda: self._others_by(seen, parted))

    def _others_by(self, seen: Glance, parted: Segments) -> Floats:
        bunches, codes = _bunches(seen.rows, self.terms), parted.codes(seen)
        width = len(parted.labels) + 1
        cells = np.bincount(bunches * width + codes + 1, minlength=width)
        whole = np.bincount(bunches)
        place = np.flatnonzero(cells)
        inside = cells[place].astype(np.float64)
        of, label = place // width, place % width
        size, square, joint = (
            np.bincount(label, weights, width)[1:]
            for weights in (inside, inside * inside, inside * whole[of])
        )
        rest = len(bunches) - size
        # Of a bunch of n rows k are in the segment, and (n - k)² pairs outside of it.
        without = (whole.astype(np.float64) ** 2).sum() - 2 * joint + square
        found: Floats = np.array(
            [
                (square - size) / np.maximum(size, 1),
                (without - rest) / np.maximum(rest, 1),
            ]
        )
        return found


ALONE = Bunches()
"""Rows that come by themselves."""


def _bunches(rows: Rows, terms: tuple[Term, ...]) -> Ints:
    """The bunch of each row; a row of which it is not known is one by itself."""
    return rows.once(("bunches", terms), lambda: _find_bunches(rows, terms))


def _find_bunches(rows: Rows, terms: tuple[Term, ...]) -> Ints:
    groups = grouped_by_day(rows, terms)
    alone = groups < 0
    if not alone.any():
        return groups
    return np.where(alone, groups.max() + np.cumsum(alone), groups)


def bunches_of(training: TrainingRows) -> dict[str, Bunches]:
    """In which bunches the rows come, by column: those in which they tell least.

    Args:
        training: The training rows.
    """
    return training.rows.once("bunches of", lambda: _discover(_sampled(training)))


def _discover(training: TrainingRows) -> dict[str, Bunches]:
    schema = training.rows.schema
    columns = [*value_columns(schema), *([schema.event_time] if schema.event_time else [])]
    if training.days < _LEAST_DAYS:
        return dict.fromkeys(columns, ALONE)
    groupings = {terms: _Grouping.of(training, terms) for terms in _candidates(training)}
    return {column: _most_alike(training, column, groupings) for column in columns}


def _most_alike(
    training: TrainingRows, column: str, groupings: Mapping[tuple[Term, ...], _Grouping]
) -> Bunches:
    """The bunches in which the rows tell least of a column."""
    features, found, most = _features(training, column), ALONE, 0.0
    told: dict[tuple[Term, ...], float] = {}

    def excess_of(terms: tuple[Term, ...]) -> float:
        if terms not in told:
            told[terms] = groupings[terms].excess(features)
        return told[terms]

    for terms, grouping in groupings.items():
        if not grouping.is_bunched or any(term.column == column for term in terms):
            continue
        # Parts of an hour that weigh each other out are no bunches, however alike their rows are.
        parts = [one for one in (terms, terms[1:]) if one]
        excess = min(excess_of(one) for one in parts)
        if excess > most:
            most = excess
            found = Bunches(terms, float(f"{min(excess / grouping.others, 1.0):.3g}"))
    return found


def _candidates(training: TrainingRows) -> Iterator[tuple[Term, ...]]:
    """What rows of a bunch may agree in: a term of few values, the hour, or one and the hour."""
    event_time = training.rows.schema.event_time
    singles = [one for one in Search(training).singles if one.part != "hour"]
    yield from ((one,) for one in singles)
    if event_time is not None:
        hour = Term(event_time, "hour of the day")
        yield (hour,)
        yield from ((one, hour) for one in singles if one.column != event_time)


def _features(training: TrainingRows, column: str) -> Floats:
    """In what rows may be alike, each of mean 0 in every day: features by rows.

    Of numbers that is their rank within the day, and whether they are missing; of others whether
    they are each of the commonest values.
    """
    rows, day_of = training.rows, training.day_of
    size = np.bincount(day_of, minlength=training.days)
    if column in number_columns(rows.schema):
        numbers = pd.Series(rows.columns[column].astype(np.float64))
        ranks = numbers.groupby(day_of).rank(pct=True)
        ranks -= ranks.groupby(day_of).transform("mean")
        found = np.array([ranks.fillna(0.0), numbers.isna()])
    else:
        part: Part = "hour of the day" if column == rows.schema.event_time else "value"
        places = Term(column, part).values(rows).places
        commonest = np.bincount(places + 1).argsort(kind="stable")[::-1][:_VALUES] - 1
        found = np.equal.outer(commonest, places).astype(np.float64)
    means = np.array([np.bincount(day_of, one, training.days) / size for one in found])
    deviations: Floats = found - means[:, day_of]
    return deviations


@dataclass(frozen=True)
class _Grouping:
    """Rows of some days in groups that may be there on other days, too.

    Attributes:
        kept: Which rows are of a group.
        cell_of: The group of a day that each of them is in, by its place.
        sizes: Rows of each group of a day.
        later: The place of the same group half of all the days later; -1 where that has none.
        days: How many days there are.
    """

    kept: Array
    cell_of: Ints
    sizes: Floats
    later: Ints
    days: int

    @classmethod
    def of(cls, training: TrainingRows, terms: tuple[Term, ...]) -> _Grouping:
        """The groups of rows that agree in terms."""
        groups, days = grouped(training.rows, terms), training.days
        kept = groups >= 0
        cells, cell_of, sizes = np.unique(
            groups[kept] * days + training.day_of[kept], return_inverse=True, return_counts=True
        )
        day = cells % days
        wanted = cells - day + (day + days // 2) % days
        places = np.minimum(np.searchsorted(cells, wanted), max(len(cells) - 1, 0))
        later = np.where(cells[places] == wanted, places, -1) if len(cells) else places
        return cls(kept, cell_of, sizes.astype(np.float64), later, days)

    @property
    def others(self) -> float:
        """How many other rows are in the group of a row, on average."""
        return float((self.sizes * (self.sizes - 1)).sum() / max(self.sizes.sum(), 1))

    @property
    def is_bunched(self) -> bool:
        """Whether rows come in groups, and in many each day."""
        of_a_day = self.sizes.sum() / self.days / (1 + self.others)
        return self.others > 0 and of_a_day >= _LEAST_BUNCHES

    def excess(self, features: Floats) -> float:
        """How many other rows of its group are the same as a row, beyond those on another day.

        Args:
            features: In what they may be alike: features by all rows.
        """
        squares = own = again = 0.0
        for one in features:
            values = one[self.kept]
            sums = np.bincount(self.cell_of, values, len(self.sizes))
            square = float(values @ values)
            squares += square
            own += float(sums @ sums) - square
            again += float(sums @ np.append(sums, 0.0)[self.later])
        if squares <= _TINY * len(self.cell_of):
            return 0.0
        return max(own - max(again, 0.0), 0.0) / squares


def _sampled(training: TrainingRows) -> TrainingRows:
    """Some of the days, spread evenly; of large ones not all rows."""
    known = training.day_of[training.day_of >= 0]
    usual = len(known) / max(training.days, 1)
    days = int(np.clip(_SAMPLE / max(usual, 1), 2, _DAYS))
    chosen = np.unique(np.linspace(0, training.days - 1, days).round().astype(np.int64))
    places = np.flatnonzero(np.isin(training.day_of, chosen))
    places = places[:: max(1, len(places) // (2 * _SAMPLE))]
    day_of = np.searchsorted(chosen, training.day_of[places])
    return TrainingRows(training.rows.take(places), day_of, len(chosen), training.has_days)
