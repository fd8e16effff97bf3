"""Surprise: how likely names are for what they go with, by segment.

Reference data that are wrong for one maker have values that are common, and often those of another
of its aircraft: each of them could be. But less likely ones come more often then. How surprising a
value is, is the logarithm of how seldom training had it for what determines it (Shannon, "A
mathematical theory of communication", 1948), drawn to how seldom it is at all where that is told by
few rows. What is judged of a segment is the mean by which its values surprise more than those of
the same determinants did on other days: what is flown more often this season changes nothing.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import combinations, pairwise
from typing import ClassVar

import msgspec
import numpy as np

from lockstep.columns.kinds import Array, Floats, Ints
from lockstep.laws import dependencies
from lockstep.laws.approximate import TELLING
from lockstep.laws.bands import Band, Banded, Reading, training_days, with_bands
from lockstep.laws.cases import Cases, coded
from lockstep.laws.glance import MOST_SEGMENTS, codes_of, glance
from lockstep.laws.joint import MOST_CLASSES
from lockstep.laws.law import ENOUGH_DAYS
from lockstep.laws.lookups import MOST_ENTRIES, Cell, cells_of
from lockstep.laws.names import COMMON, PARTS, Days, columns_of_names
from lockstep.laws.rows import Rows, TrainingRows
from lockstep.laws.terms import Term, grouped, told

ENOUGH_ROWS = 20
"""Rows of a segment that a mean takes."""
LARGE = 0.05
"""Share of the training rows that a segment has at least."""
DRAWN = 3.0
"""Rows that how frequent a value is at all counts for."""
MOST = float(np.log(1_000))
"""Largest surprise of a row, in nats: what is rarer is not known to be."""
LEAST = 0.1
"""Surprise up to which a column is as good as looked up, in nats."""
TWO_MONTHS = 60
"""Training days that it takes: in a month, what goes with what may be the timetable's of it."""
OUT_OF_DATE = 0.1
"""How much more half of a training surprises the other than every other day does, in nats."""
_SEGMENTED = 3
"""Columns by which rows are parted into segments: those that tell most of what is judged."""
_BEST = 4
"""Determinants of the least surprise of which pairs are tried."""


class Surprise(Banded, frozen=True, kw_only=True, tag="surprise"):
    """Values of a column are as likely for what determines them as they ever were.

    Attributes:
        dependent: The column.
        determinants: What determines it.
        cases: The combinations of their values that are known.
        values: The values of the column that are common.
        pairs: Which cases training had which values in: the place of the case, times how many
            values there are, plus that of the value; in order.
        counts: In how many rows.
        segments: By column, the values of it whose rows are judged by themselves.
    """

    only_above: ClassVar[bool] = True

    dependent: Term
    determinants: tuple[Term, ...]
    cases: Cases
    values: tuple[Cell, ...]
    pairs: tuple[int, ...]
    counts: tuple[int, ...]
    segments: dict[str, tuple[str, ...]]

    @property
    def says(self) -> str:
        """See `Law.says`."""
        return f"{self.dependent.says} is as likely for each {told(self.determinants)} as it was."

    def measure(self, rows: Rows) -> dict[str, Reading]:
        """See `Banded.measure`."""
        seen = glance(rows)
        usual = _Usual.of(np.array(self.pairs), np.array(self.counts), len(self.values))
        case = self.cases.places(seen.rows)
        value = coded(self.dependent.values(seen.rows), self.values)
        codes = {name: seen.codes(name, labels) for name, labels in self.segments.items()}
        return _read(self.segments, codes, *usual.excess(case, value))

    def tell(self, name: str, reading: Reading, usual: Band, rows: Rows) -> str:
        """See `Banded.tell`."""
        least, most = (np.exp(one) for one in (usual.lowest, usual.highest))
        return (
            f"where {name}, {self.dependent.says} is {np.exp(reading.value):.2f} times as unlikely "
            f"as is usual for the {told(self.determinants)} of the rows; on training days "
            f"{least:.2f} to {most:.2f} times"
        )


def _named(column: str, label: str) -> str:
    return f"{column} is {label}"


def _read(
    segments: Mapping[str, tuple[str, ...]],
    codes: Mapping[str, Ints],
    excess: Floats,
    spread: Floats,
) -> dict[str, Reading]:
    """The mean surprise beyond what is usual of each segment.

    Args:
        segments: By column, the values whose rows are judged.
        codes: By column, which of them each row of a day has: its place, -1 for none.
        excess: The surprise of each row beyond what is usual; NaN where that is not known.
        spread: The variance of that by chance.
    """
    found = {}
    known = ~np.isnan(excess)
    for column, labels in segments.items():
        there = known & (codes[column] >= 0)
        rows, total, variance = (
            np.bincount(codes[column][there], weights, len(labels))
            for weights in (None, excess[there], spread[there])
        )
        for label, many, sum_, square in zip(labels, rows, total, variance, strict=True):
            if many >= ENOUGH_ROWS:  # one row may surprise as much as can be
                noise = float(np.sqrt(square + MOST**2)) / float(many)
                found[_named(column, label)] = Reading(float(sum_ / many), noise)
    return found


@dataclass(frozen=True, eq=False)
class _Usual:
    """How surprising each value is in each case.

    Attributes:
        pairs: Which cases had which values, in order: see `Surprise`.
        counts: In how many rows.
        rows: How many rows each case has.
        shares: How frequent each value is.
        mean: The mean surprise of each case.
        variance: Its variance.
    """

    pairs: Ints
    counts: Ints
    rows: Floats
    shares: Floats
    mean: Floats
    variance: Floats

    @classmethod
    def of(cls, pairs: Ints, counts: Ints, size: int) -> _Usual:
        """What some rows tell.

        Args:
            pairs: See above.
            counts: See above.
            size: How many values there are.
        """
        case, value = np.divmod(pairs, size)
        rows = np.bincount(case, counts).astype(np.float64)
        shares = np.bincount(value, counts, size) / max(counts.sum(), 1)
        surprise = _surprise(counts, shares[value], rows[case])
        part = counts / rows[case]
        mean = np.bincount(case, part * surprise).astype(np.float64)
        square = np.bincount(case, part * surprise**2).astype(np.float64)
        variance: Floats = np.maximum(square - mean**2, 0.0)
        return cls(pairs, counts, rows, shares, mean, variance)

    def surprise(self, case: Ints, value: Ints) -> tuple[Ints, Floats]:
        """The rows of which it is known, and how surprising each is."""
        judged = np.flatnonzero((case >= 0) & (case < len(self.rows)) & (value >= 0))
        of, what = case[judged], value[judged]
        is_known = (self.rows[of] >= ENOUGH_ROWS) & (self.shares[what] > 0)
        judged, of, what = judged[is_known], of[is_known], what[is_known]
        numbers = of * len(self.shares) + what
        at = np.minimum(np.searchsorted(self.pairs, numbers), len(self.pairs) - 1)
        counts = np.where(self.pairs[at] == numbers, self.counts[at], 0)
        return judged, _surprise(counts, self.shares[what], self.rows[of])

    def excess(self, case: Ints, value: Ints) -> tuple[Floats, Floats]:
        """The surprise of each row beyond what is usual in its case, and its variance there."""
        judged, surprise = self.surprise(case, value)
        found, spread = np.full((2, len(case)), np.nan)
        found[judged] = surprise - self.mean[case[judged]]
        spread[judged] = self.variance[case[judged]]
        return found, spread


def _surprise(counts: Ints, shares: Floats, rows: Floats) -> Floats:
    return np.minimum(-np.log((counts + DRAWN * shares) / (rows + DRAWN)), MOST)


@dataclass(frozen=True, eq=False)
class _Search:
    """Training rows, in which columns are looked for that determine others.

    Attributes:
        rows: The rows.
        days: Their days.
    """

    rows: Rows
    days: Days

    def usual(self, case: Ints, value: Ints, base: Array) -> _Usual | None:
        """What some rows tell; None if they are none."""
        known = base & (case >= 0) & (value >= 0)
        size = int(value.max(initial=0)) + 1
        pairs, counts = np.unique(case[known] * size + value[known], return_counts=True)
        return _Usual.of(pairs, counts, size) if len(pairs) else None

    def loss(self, case: Ints, value: Ints, part: Ints) -> float:
        """The mean surprise of rows, each part of which is judged by the others."""
        total, known = 0.0, 0
        for one in range(int(part.max()) + 1):
            usual = self.usual(case, value, (part >= 0) & (part != one))
            if usual is not None:
                own = part == one
                judged, surprise = usual.surprise(case[own], value[own])
                total, known = total + float(surprise.sum()), known + len(judged)
        return total / known if known > len(case) / 2 else np.inf

    def excess(self, case: Ints, value: Ints, judged: Ints) -> tuple[Floats, Floats]:
        """The excess of each row, and its variance: each part judged by the others.

        Args:
            case: The case of each row.
            value: The value of each row.
            judged: The value that each row is judged with.
        """
        part = self.days.in_turn(PARTS)
        found, spread = np.full((2, len(case)), np.nan)
        for one in range(PARTS):
            usual, own = self.usual(case, value, (part >= 0) & (part != one)), part == one
            if usual is not None:
                found[own], spread[own] = usual.excess(case[own], judged[own])
        return found, spread


def discover(training: TrainingRows) -> list[Surprise]:
    """Find columns of names of which it is told how likely they are.

    Args:
        training: The training rows.
    """
    of_days = training_days(training)
    if len(of_days) < TWO_MONTHS:
        return []
    search = _Search(training.rows, Days(training.day_of, of_days))
    names = columns_of_names(training)
    follow = {law.dependent.column for law in dependencies.known(training)}
    found = []
    for name in names:
        if name in follow:  # what differs from that is found row by row
            continue
        terms, others = _terms(search, name, names)
        large = {one: labels for one in others if (labels := _large(training.rows, one))}
        segments = dict([*large.items()][:_SEGMENTED])
        law = _law(search, Term(name), terms, segments) if terms else None
        found += [] if law is None else [law]
    return found


def _large(rows: Rows, column: str) -> tuple[str, ...]:
    """The values of a column that many rows have, the most frequent first."""
    found, counts = rows.counted(column)
    places = np.argsort(-counts, kind="stable")[:MOST_SEGMENTS]
    large = [place for place in places.tolist() if counts[place] >= LARGE * len(rows)]
    return tuple(str(found[place]) for place in large) if len(large) > 1 else ()


def _common(rows: Rows, column: str) -> Ints:
    """The value of each row, -1 where it is not common or missing."""
    _, counts = rows.counted(column)
    places = rows.values(column).places
    return np.where((places >= 0) & (counts[places] >= COMMON), places, -1)


def _terms(
    search: _Search, dependent: str, names: Iterable[str]
) -> tuple[tuple[Term, ...], list[str]]:
    """What determines a column best, one column or two, and which do at all, the best ones first.

    None where it is told, or goes out of date.
    """
    rows, part = search.rows, search.days.in_turn(2)
    if len(rows.values(dependent).found) <= MOST_CLASSES:
        return (), []
    value = _common(rows, dependent)

    def tried(terms: tuple[Term, ...]) -> float:
        case = grouped(rows, terms)
        known = (case >= 0) & (value >= 0)
        many = len(np.unique(case[known] * (int(value.max()) + 1) + value[known]))
        return search.loss(case, value, part) if 1 < many <= MOST_ENTRIES else np.inf

    singles: list[tuple[Term, ...]] = [(Term(one),) for one in names if one != dependent]
    losses = {terms: tried(terms) for terms in singles}
    best = sorted((terms for terms in losses if losses[terms] < np.inf), key=losses.__getitem__)
    if not best or losses[best[0]] <= LEAST:
        return (), []
    for first, second in combinations(best[:_BEST], 2):
        losses[first + second] = tried(first + second)
    terms = min(losses, key=losses.__getitem__)
    near = search.loss(grouped(rows, terms), value, search.days.mixed(2))
    if losses[terms] <= LEAST or losses[terms] > near + OUT_OF_DATE:
        return (), []
    return terms, [one.column for (one,) in best]


def _law(
    search: _Search, dependent: Term, terms: tuple[Term, ...], segments: dict[str, tuple[str, ...]]
) -> Surprise | None:
    """The law, with those segments in which it would tell values dealt to other rows of them."""
    rows, days = search.rows, search.days
    case, value = grouped(rows, terms), _common(rows, dependent.column)
    others = {name: labels for name, labels in segments.items() if name != dependent.column}
    codes = {name: codes_of(rows, name, labels) for name, labels in others.items()}
    usual = [*_by_day(days, others, codes, *search.excess(case, value, value))]
    empty = _stored(rows, dependent, terms, case, value)
    law = with_bands(empty, usual, days.rows)
    if law is None:
        return None
    telling: dict[str, tuple[str, ...]] = {}
    for name, labels in others.items():
        dealt = dependencies.shuffled(days.of * (len(labels) + 1) + codes[name] + 1)
        excess = search.excess(case, value, value[dealt])
        found = [*_by_day(days, {name: labels}, codes, *excess)]
        kept = tuple(one for one in labels if _tells(law, _named(name, one), found))
        telling |= {name: kept} if kept else {}
    told_of = {_named(name, label) for name, kept in telling.items() for label in kept}
    measured = [{name: one[name] for name in one if name in told_of} for one in usual]
    return with_bands(msgspec.structs.replace(empty, segments=telling), measured, days.rows)


def _by_day(
    days: Days,
    segments: Mapping[str, tuple[str, ...]],
    codes: Mapping[str, Ints],
    excess: Floats,
    spread: Floats,
) -> Iterator[dict[str, Reading]]:
    """What each day tells: see `_read`."""
    ends = np.searchsorted(days.of[days.ordered], np.arange(len(days.rows) + 1)).tolist()
    for start, end in pairwise(ends):
        own = days.ordered[start:end]
        of_day = {name: codes[name][own] for name in segments}
        yield _read(segments, of_day, excess[own], spread[own])


def _tells(law: Surprise, name: str, dealt: list[dict[str, Reading]]) -> bool:
    """Whether values dealt to other rows of a segment are unusual on most days."""
    if name not in law.bands:
        return False
    band = law.bands[name]
    found = [band.beyond(one[name]) > band.warns_beyond for one in dealt if name in one]
    return len(found) >= ENOUGH_DAYS and float(np.mean(found)) >= TELLING


def _stored(
    rows: Rows, dependent: Term, terms: tuple[Term, ...], case: Ints, value: Ints
) -> Surprise:
    """The law with all that training knew, and no bands."""
    known = (case >= 0) & (value >= 0)
    cases, groups = Cases.of(rows, terms, np.unique(case[known]))
    places, values = np.unique(value[known]), dependent.values(rows).found
    numbers = np.argsort(groups)[np.searchsorted(np.sort(groups), case[known])] * len(places)
    pairs, counts = np.unique(numbers + np.searchsorted(places, value[known]), return_counts=True)
    return Surprise(
        columns=(dependent.column, *(term.column for term in terms)),
        days=0,
        dependent=dependent,
        determinants=terms,
        cases=cases,
        values=tuple(cells_of(values[places])),
        pairs=tuple(pairs.tolist()),
        counts=tuple(counts.tolist()),
        segments={},
    )
