"""Names: which values of two columns are found together, where these are names of many things.

A cluster of hotels, an airport or a product is a name: it has no rank, and there are too many of
them to say of each two how often they should be found together (see `joint`). But most of what a
day has together, training has seen together before. How many pairs of two common names are new is
counted on days that had no part in the table of pairs, as the error of an approximate dependency is
(see `approximate`): of the whole day, and of the quarter of its rows that has most of them, as a
block of a file that is off by a row. Each is counted once: what is new in the world, such as an
aircraft of a type that an airline did not have, is so again and again, and the lines of a receipt
are of one household. Kept is what does not go out of date, and would tell names that are dealt to
other rows. Names and pairs are told by digests.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from itertools import combinations, pairwise
from types import MappingProxyType
from typing import ClassVar

import msgspec
import numpy as np
import pandas as pd

from lockstep.columns.kinds import Array, Floats, Ints, Kind
from lockstep.columns.plain import show
from lockstep.laws.approximate import LITTLE, OUT_OF_DATE, TELLING
from lockstep.laws.bands import Band, Banded, Reading, training_days, with_bands
from lockstep.laws.bunches import bunches_of
from lockstep.laws.dependencies import shuffled
from lockstep.laws.earlier import mixed
from lockstep.laws.glance import glance
from lockstep.laws.joint import MOST_CLASSES
from lockstep.laws.lookups import ROWS_A_NUMBER
from lockstep.laws.marks import Marks
from lockstep.laws.mass import share_up_to
from lockstep.laws.rows import Rows, TrainingRows

ENOUGH_ROWS = 20
"""Rows of a day, both of whose names are common, that a share takes."""
COMMON = 5
"""Rows that a name has in training from which on it is common: of rarer ones most pairs are new."""
MOST_NAMES = 5_000
"""Names of a column that are kept, the commonest."""
MOST_PAIRS = 20_000
"""Pairs of two columns that are kept, the commonest."""
PARTS = 4
"""Parts of the training, of which each is judged by the others, and of a day, wherever each begins,
that are judged by themselves."""
_ALIKE = 0.5
"""How alike the rows of a bunch are in what is measured of them all, such as the weather."""
_COLUMNS = 24
"""Columns that are looked at, those of the fewest names."""
_MOST_LAWS = 3
"""Laws of one column: those that take the fewest dealt rows."""
_NEW = "new pairs"
_RUN = "new pairs in a run"


class PairsOfNames(Banded, frozen=True, kw_only=True, tag="pairs of names"):
    """Names of two columns are mostly found together as training saw them.

    Attributes:
        names: The names of each column that are common.
        pairs: Which of them training saw together.
    """

    only_above: ClassVar[bool] = True
    titles: ClassVar[Mapping[str, str]] = {_RUN: "new pairs in the quarter with most of them"}

    names: tuple[Marks, Marks] = (Marks(), Marks())
    pairs: Marks = Marks()

    @property
    def says(self) -> str:
        """See `Law.says`."""
        return f"{self.columns[0]} and {self.columns[1]} mostly go together as they did."

    def measure(self, rows: Rows) -> dict[str, Reading]:
        """See `Banded.measure`."""
        judged, _, first = self._judged(glance(rows).rows)
        is_first = np.zeros(len(judged), dtype=bool)
        is_first[first] = True
        return _read(is_first, {name: band.highest for name, band in self.bands.items()})

    def sort_of(self, name: str) -> str:
        """See `Banded.sort_of`; a part of the day varies more than all of it."""
        return name

    def tell(self, name: str, reading: Reading, usual: Band, rows: Rows) -> str:
        """See `Banded.tell`."""
        seen = glance(rows).rows
        judged, new, _ = self._judged(seen)
        row = judged[new[0]]
        pair = " and ".join(f"{one} {show(seen.columns[one][row])}" for one in self.columns)
        among = "rows" if name == _NEW else "rows that follow each other"
        return (
            f"in 100 {among}, with common {self.columns[0]} and {self.columns[1]}, there are "
            f"{100 * reading.value:.1f} pairs that training never had together, each counted once, "
            f"such as {pair}; on training days {100 * usual.lowest:.1f} to "
            f"{100 * usual.highest:.1f} were new"
        )

    def rows_of(self, rows: Rows, name: str) -> Array:
        """See `Banded.rows_of`."""
        seen = glance(rows)
        judged, new, _ = self._judged(seen.rows)
        return judged[new] if seen.positions is None else seen.positions[judged[new]]

    def _judged(self, rows: Rows) -> tuple[Ints, Ints, Ints]:
        """The rows whose names are both common; which of these have a new pair, and which first."""
        return rows.once(("pairs of names", id(self)), lambda: self._judge(rows))

    def _judge(self, rows: Rows) -> tuple[Ints, Ints, Ints]:
        is_judged = np.ones(len(rows), dtype=bool)
        for column, names in zip(self.columns, self.names, strict=True):
            is_judged &= _is_common(rows, column, names)[rows.values(column).places]
        judged = np.flatnonzero(is_judged)
        digests = (rows.value_digests(one)[rows.values(one).places[judged]] for one in self.columns)
        pairs = mixed(digests, len(judged))
        new = np.flatnonzero(~self.pairs.hold(pairs))
        return judged, new, new[np.unique(pairs[new], return_index=True)[1]]


def _is_common(rows: Rows, column: str, names: Marks) -> Array:
    """Which values of a column are common names; none, the last one, is not."""
    what = ("common names", column, names)
    return rows.once(what, lambda: np.append(names.hold(rows.value_digests(column)[:-1]), False))


def _read(is_new: Array, most: Mapping[str, float] = MappingProxyType({})) -> dict[str, Reading]:
    """How many new pairs there are by rows, and in the part of the rows that has most of them.

    Args:
        is_new: Of each row with common names, in order, whether it is the first of a new pair.
        most: The largest figure of training days of each; none while these are measured.
    """
    rows, part = len(is_new), len(is_new) // PARTS
    if rows < ENOUGH_ROWS:
        return {}
    before = np.append(0, np.cumsum(is_new))
    told = {_NEW: share_up_to(float(before[-1]), rows, most.get(_NEW, 1.0))}
    if part >= ENOUGH_ROWS:
        in_a_run = float((before[part:] - before[:-part]).max())
        told[_RUN] = share_up_to(in_a_run, part, most.get(_RUN, 1.0))
    return told


@dataclass(frozen=True, eq=False)
class Days:
    """The days of training rows, and how these are parted.

    Attributes:
        of: The day of each row; -1 where it is not known.
        rows: The rows of each day.
    """

    of: Ints
    rows: list[Rows]

    def in_turn(self, parts: int) -> Ints:
        """The part of each row, -1 for none: of parts that follow each other."""
        return np.where(self.of < 0, -1, self.of * parts // len(self.rows))

    def mixed(self, parts: int) -> Ints:
        """The part of each row, -1 for none: of parts with days of all of the training."""
        return np.where(self.of < 0, -1, self.of % parts)

    @cached_property
    def dealt(self) -> Ints:
        """For each row another one of its day."""
        return shuffled(self.of)

    @cached_property
    def ordered(self) -> Ints:
        """All rows, by day."""
        return np.argsort(self.of, kind="stable")


@dataclass(frozen=True, eq=False)
class _Judged:
    """Training rows whose two names are common in other parts of the training, by day.

    Attributes:
        day_of: The day of each.
        is_new: Whether its pair is new to the other parts.
        is_first: Whether it is the first of its day with a new pair.
    """

    day_of: Ints
    is_new: Array
    is_first: Array

    @property
    def share(self) -> float:
        """How many new pairs there are by rows, each counted once a day."""
        return np.count_nonzero(self.is_first) / max(len(self.is_first), 1)

    @property
    def by_day(self) -> Floats:
        """The share of rows with a new pair, by day; NaN of a day without rows."""
        rows = np.bincount(self.day_of)
        new = np.bincount(self.day_of, self.is_new)
        found: Floats = np.divide(new, rows, out=np.full(len(rows), np.nan), where=rows > 0)
        return found

    def read(
        self, days: int, most: Mapping[str, float] = MappingProxyType({})
    ) -> list[dict[str, Reading]]:
        """What each day tells: see `_read`."""
        ends = np.searchsorted(self.day_of, np.arange(days + 1)).tolist()
        return [_read(self.is_first[start:end], most) for start, end in pairwise(ends)]


@dataclass(frozen=True, eq=False)
class _Pairs:
    """The names of two columns in training rows.

    Attributes:
        names: The name of each row, -1 for none, of each column.
        sizes: How many names each has.
        pair: The pair of each row, -1 for none.
        found: The pairs, each by the places of its names: that of the first, times how many names
            the second column has, plus that of the second.
    """

    names: tuple[Ints, Ints]
    sizes: tuple[int, int]
    pair: Ints
    found: Ints

    @classmethod
    def of(cls, rows: Rows, columns: tuple[str, str]) -> _Pairs:
        """Those of some rows."""
        first, second = (rows.values(one) for one in columns)
        sizes = len(first.found), len(second.found)
        numbers = _numbers(first.places, second.places, sizes[1])
        known = numbers >= 0
        pair = np.full(len(numbers), -1)
        pair[known], found = pd.factorize(numbers[known])
        return cls((first.places, second.places), sizes, pair, found)

    @property
    def are_one(self) -> bool:
        """Whether the columns are two names of the same things."""
        many = len(self.found)
        return many > 1 and all(len(pd.unique(one)) == many for one in self._apart)

    def follow(self, days: Days) -> bool:
        """Whether one of the columns follows from the other within each day."""
        known = (self.pair >= 0) & (days.of >= 0)
        day, pair = days.of[known], self.pair[known]
        many = len(days.rows)
        pairs = len(pd.unique(pair * many + day))
        return any(len(pd.unique(one[pair] * many + day)) == pairs for one in self._apart)

    @property
    def _apart(self) -> tuple[Ints, Ints]:
        """The first and the second name of each pair."""
        return np.divmod(self.found, self.sizes[1])

    def judged(self, days: Days, part: Ints, dealt: Ints | None = None) -> _Judged:
        """The rows whose two names are common in other parts, judged by these.

        Args:
            days: The days.
            part: The part of each row, -1 for none.
            dealt: From which row each is given the second name; its own if there is none.
        """
        common = [
            _elsewhere(names, part, size, COMMON, MOST_NAMES)
            for names, size in zip(self.names, self.sizes, strict=True)
        ]
        together = _elsewhere(self.pair, part, len(self.found), 1, MOST_PAIRS)
        (first, second), pair, number = self.names, self.pair, self.pair
        if dealt is not None:
            second = second[dealt]
            number = _numbers(first, second, self.sizes[1])
            pair = pd.Index(self.found).get_indexer(pd.Index(number))
        is_judged = (part >= 0) & (first >= 0) & (second >= 0)
        is_judged &= common[0][first, part] & common[1][second, part]
        rows = days.ordered[is_judged[days.ordered]]
        is_new = ~((pair[rows] >= 0) & together[pair[rows], part[rows]])
        of_day = pd.Series(number[rows] * len(days.rows) + days.of[rows])
        return _Judged(days.of[rows], is_new, is_new & ~of_day.duplicated().to_numpy())

    def marks(self, digests: list[Array]) -> tuple[tuple[Marks, Marks], Marks]:
        """The common names of each column, and the pairs of them.

        Args:
            digests: A digest of each name, of each column.
        """
        first, second = (
            _often(_counts(names, size), COMMON, MOST_NAMES)
            for names, size in zip(self.names, self.sizes, strict=True)
        )
        one, other = self._apart
        counts = _counts(self.pair, len(self.found)) * (first[one] & second[other])
        kept = _often(counts, 1, MOST_PAIRS)
        both = mixed((digests[0][one[kept]], digests[1][other[kept]]), int(np.count_nonzero(kept)))
        return (Marks.of(digests[0][first]), Marks.of(digests[1][second])), Marks.of(both)


def _numbers(first: Ints, second: Ints, size: int) -> Ints:
    """A number for each row's two names, -1 where one is missing."""
    return np.where((first >= 0) & (second >= 0), first * size + second, -1)


def _counts(things: Ints, size: int) -> Ints:
    return np.bincount(things[things >= 0], minlength=size)


def _often(counts: Ints, least: int, most: int) -> Array:
    """Which things are there so often, and among those that are there most often."""
    found: Array = counts >= least
    if np.count_nonzero(found) > most:
        found[np.argsort(-counts, kind="stable")[most:]] = False
    return found


def _elsewhere(things: Ints, part: Ints, size: int, least: int, most: int) -> Array:
    """Which things are often there in other parts than each: bool, things by parts.

    Args:
        things: The thing of each row, -1 for none.
        part: The part of each row, -1 for none.
        size: How many things there are.
        least: Rows that a thing has in the other parts.
        most: How many are kept, the commonest.
    """
    known, parts = (things >= 0) & (part >= 0), int(part.max(initial=0)) + 1
    counts = _counts(things[known] * parts + part[known], size * parts).reshape(size, parts)
    others = counts.sum(axis=1, keepdims=True) - counts
    return np.column_stack([_often(of_part, least, most) for of_part in others.T])


def discover(training: TrainingRows) -> list[PairsOfNames]:
    """Find the columns whose names mostly are found together as they were before.

    Args:
        training: The training rows.
    """
    rows = training_days(training)
    if not rows:
        return []
    days = Days(training.day_of, rows)
    found, again = [], set()
    for columns in combinations(columns_of_names(training), 2):
        pairs = _Pairs.of(training.rows, columns)
        if pairs.are_one:
            again.add(columns[pairs.sizes[0] >= pairs.sizes[1]])
        elif max(pairs.sizes) > MOST_CLASSES and not pairs.follow(days):
            law = _law(training.rows, columns, pairs, days)
            found += [] if law is None else [law]
    return _most_telling([(needed, law) for needed, law in found if again.isdisjoint(law.columns)])


def columns_of_names(training: TrainingRows) -> list[str]:
    """The columns of names that come again, of the fewest names.

    Numbers with fractions are, such as prices; not what is measured of a moment, which all of its
    rows have: dealt to others, that makes many pairs of one.
    """
    rows, bunches = training.rows, bunches_of(training)
    fields = [
        one
        for one in rows.schema
        if one.role == "value"
        and one.kind is not Kind.TIME
        and (one.declared != "float" or bunches[one.name].likeness < _ALIKE)
    ]
    sizes = {one.name: len(rows.values(one.name).found) for one in fields}
    again = [name for name, size in sizes.items() if 1 < size <= len(rows) // ROWS_A_NUMBER]
    return sorted(sorted(again, key=sizes.__getitem__)[:_COLUMNS], key=rows.schema.names.index)


def _law(
    rows: Rows, columns: tuple[str, str], pairs: _Pairs, days: Days
) -> tuple[float, PairsOfNames] | None:
    """The law, and what part of the rows has to be dealt until it tells; None if it does not."""
    far, near = (pairs.judged(days, part).share for part in (days.in_turn(2), days.mixed(2)))
    if far > OUT_OF_DATE * near + LITTLE:
        return None
    parts = days.in_turn(PARTS)
    usual, dealt = pairs.judged(days, parts), pairs.judged(days, parts, days.dealt)
    if not len(usual.day_of) or not len(dealt.day_of):
        return None
    if np.mean(dealt.by_day > np.nanmax(usual.by_day)) < TELLING:
        return None
    empty = PairsOfNames(columns=columns, days=0)
    law = with_bands(empty, usual.read(len(days.rows)), days.rows)
    if law is None or _NEW not in law.bands:
        return None
    band = law.bands[_NEW]
    found = [one[_NEW] for one in dealt.read(len(days.rows), {_NEW: band.highest}) if one]
    if not found or np.mean([band.beyond(one) > band.warns_beyond for one in found]) < TELLING:
        return None
    limit = band.limits(band.warns_beyond, _median([one.noise for one in found]))[1]
    needed = (limit - band.middle) / (_median([one.value for one in found]) - band.middle)
    names, together = pairs.marks([rows.value_digests(one)[:-1] for one in columns])
    return needed, msgspec.structs.replace(law, names=names, pairs=together)


def _median(numbers: list[float]) -> float:
    return float(np.median(numbers))


def _most_telling(found: list[tuple[float, PairsOfNames]]) -> list[PairsOfNames]:
    """The laws that take the fewest dealt rows, some of each column."""
    kept: list[PairsOfNames] = []
    taken: Counter[str] = Counter()
    for _, law in sorted(found, key=lambda one: one[0]):
        if any(taken[column] < _MOST_LAWS for column in law.columns):
            kept.append(law)
            taken.update(law.columns)
    return kept
