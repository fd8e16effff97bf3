"""Ranges: between which numbers a number lies, given the category that its row is of.

Compound conformance constraints (Fariha et al., "Conformance constraint discovery: measuring trust
in data-driven systems", SIGMOD 2021), of the simplest projection: a number, or the minutes between
two clock times, in a range for each value of a category, or of two. The aircraft of one maker were
built in some years, and flights of one route take about as long; a year that other makers' may
have, or an arrival that is told by another clock, lies far outside.

A range goes from near the smallest to near the largest number of a category's training rows, and
beyond that by a margin on both sides: half of that, as much again, twice or four times as much. The
categories and the margin are those that tell most: with which the fewest rows have to be wrong
until more lie outside than ever did on days that had no part in the ranges. It is counted how many
rows lie outside, and in how many categories any, without those of the one value that has most of
them: what is new in the world, as another kind of aircraft that one airline flies, is new in one of
them, and what goes wrong is wrong in many.

Numbers that stay within their ranges may lie farther apart in them than ever, in the rows of one
airline. How far they are from the mean of their category on that day is held against the same of
all other rows: a season that moves ranges moves both.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from itertools import combinations, pairwise
from typing import ClassVar

import numpy as np

from lockstep.columns.growth import grows
from lockstep.columns.kinds import Array, Floats, Ints
from lockstep.laws.bands import Band, Banded, Reading, training_days, with_bands
from lockstep.laws.cases import Cases
from lockstep.laws.dependencies import Search
from lockstep.laws.glance import Segments, categories, glance, number_columns
from lockstep.laws.law import ENOUGH_DAYS
from lockstep.laws.lookups import MOST_ENTRIES
from lockstep.laws.quantities import Quantity, clock_quantities, middle, wrapped
from lockstep.laws.rows import Rows, TrainingRows
from lockstep.laws.terms import Term, by_group, grouped, told
from lockstep.laws.zones import minutes_to_come

ENOUGH_ROWS = 20
"""Rows of a category that its range takes, and rows of a day or a segment that a share takes."""
ENDS = 0.005
"""Share of a category's rows on each side that its range, before the margin, leaves out."""
MARGINS = (0.5, 1.0, 2.0, 4.0)
"""Margins that are tried: widths of the range on each side of it."""
LEAST_WIDTH = 0.05
"""Share of the column's own width that is taken for that of a narrower range."""
MOST_OUTSIDE = 0.02
"""Share of the rows of any training day outside, from which on ranges go out of date."""
FEW_OUTSIDE = 2
"""Rows outside that any training day may have, however few rows there are."""
LEAST_GAIN = 0.25
"""Share of the numbers dealt to other rows that lie outside, of ranges that tell anything."""
KNOWN = 0.9
"""Share of the rows that are of categories with a range."""
_WIDEST = 0.7
"""Share of the column's own width that ranges have on average, at most."""
LEAST_USUAL = 0.003
"""Share of the rows, and of the cases, that is expected outside though training had none: each case
may be another one some day, and the more cases there are, the more of them are."""
FEWEST_ROWS = 1.0
"""Rows by which chance alone differs, at least: one case that is new brings some a day."""
FEWEST_CASES = math.sqrt(3 / ENOUGH_DAYS)
"""Cases by which it does: as of what comes on 3 days of as many as laws take at least, which these
would hardly tell from what never does (rule of three: Hanley and Lippman-Hand, "If nothing goes
wrong, is everything all right?", 1983), by chance (Poisson)."""
FAR = 4.0
"""About how many half widths beyond its band a share cannot be."""
_TRIED = 3
"""Sets of terms that are tried of a number, those of the narrowest ranges."""
_PAIRED = 4
"""Terms that are tried in pairs, those of the narrowest ranges."""
_SAMPLE = 20_000
"""Rows on which they are compared."""
_VARIES = math.sqrt(math.pi / 2 - 1)
"""By how much distances from a mean vary, by their mean: as those of a normal distribution."""
_ROUNDED = 1e-9
"""How far from their mean equal numbers may be, by it."""
_ROWS = "rows outside"
_CASES = "cases outside"
_APART = "apart where "


class Ranges(Banded, frozen=True, kw_only=True, tag="ranges"):
    """Numbers lie in the range that is usual for the case that their row is.

    Attributes:
        target: The number.
        around: Its middle, where it is minutes of the clock.
        cases: The categories, or combinations of two.
        lowest: The least number of each case.
        highest: The largest one.
        usual: Share of the rows outside on training days, and of the cases with any; without those
            of the one value that has most of them, as on the day that is judged.
        segments: Other categories, in whose rows it is judged how far numbers of one case lie
            apart; none of a version that an older Lockstep fitted.
    """

    only_above: ClassVar[bool] = True

    target: Quantity
    around: float
    cases: Cases
    lowest: tuple[float, ...]
    highest: tuple[float, ...]
    usual: tuple[float, float]
    segments: tuple[Segments, ...] = ()

    @property
    def says(self) -> str:
        """See `Law.says`."""
        return f"{self.target.says} lies where it does for each {told(self.cases.terms)}"

    def measure(self, rows: Rows) -> dict[str, Reading]:
        """See `Banded.measure`."""
        return {**_readings(self._judged(rows), self.usual), **self.apart(rows)}

    def apart(self, rows: Rows) -> dict[str, Reading]:
        """How far numbers of one case lie apart in each segment, by the other rows of the day.

        A logarithm, of the ratio of mean distances from the means of cases.
        """
        seen = glance(rows)
        distance, usual = _distances(self._values(seen.rows), grouped(seen.rows, self.cases.terms))
        told = {}
        for one in self.segments:
            codes, size = one.codes(seen), len(one.labels) + 1
            count, sums, scales = (
                np.bincount(codes + 1, weights=weights, minlength=size)
                for weights in (usual > 0, distance, usual)
            )
            others = count.sum() - count, sums.sum() - sums, scales.sum() - scales
            for place, label in enumerate(one.labels, start=1):
                rows_of = count[place], others[0][place]
                far = sums[place], others[1][place]
                if min(rows_of) >= ENOUGH_ROWS and min(far) > 0:
                    of_all = math.log(far[0] / scales[place] / (far[1] / others[2][place]))
                    noise = _VARIES * math.sqrt(sum(1 / rows for rows in rows_of))
                    told[f"{_APART}{one.column} is {label}"] = Reading(of_all, noise)
        return told

    def sort_of(self, name: str) -> str:
        """See `Banded.sort_of`; rows, cases, and how far they lie apart in segments."""
        return _APART if name.startswith(_APART) else name

    def tell(self, name: str, reading: Reading, usual: Band, rows: Rows) -> str:
        """See `Banded.tell`."""
        if name.startswith(_APART):
            return (
                f"where {name[len(_APART) :]}, {self.target.says} of one {told(self.cases.terms)} "
                f"lies {math.exp(reading.value):.3g} times as far apart as in the other rows of "
                f"the day; on training days {math.exp(usual.highest):.3g} times at most"
            )
        judged, seen = self._judged(rows), glance(rows).rows
        row = int(np.flatnonzero(judged.is_outside)[0])
        case = int(judged.cases[row])
        among = told(self.cases.terms)
        how_many = "of the rows" if name == _ROWS else f"of what there is of {among}"
        return (
            f"{self.target.says} lies far from where it does for each {among} in "
            f"{reading.value:.1%} {how_many}, without the value that has most of that, such as "
            f"{self._values(seen)[row]:.5g} for {self.cases.told(seen, row)}, where it lies from "
            f"{self.lowest[case]:.5g} to {self.highest[case]:.5g}; on training days in "
            f"{usual.highest:.1%} at most"
        )

    def rows_of(self, rows: Rows, name: str) -> Array:
        """See `Banded.rows_of`."""
        seen = glance(rows)
        for one in self.segments if name.startswith(_APART) else ():
            for place, label in enumerate(one.labels):
                if name == f"{_APART}{one.column} is {label}":
                    return seen.all_positions(one.codes(seen) == place)
        return seen.all_positions(self._judged(rows).is_outside)

    def _judged(self, rows: Rows) -> _Judged:
        seen = glance(rows).rows
        return seen.once(("ranges", id(self)), lambda: self._judge(seen))

    def _judge(self, rows: Rows) -> _Judged:
        values, cases = self._values(rows), self.cases.places(rows)
        cases = np.where(np.isnan(values), -1, cases)
        lowest, highest = (np.append(one, np.nan)[cases] for one in (self.lowest, self.highest))
        outside = (values < lowest) | (values > highest)
        return _Judged(cases, outside, _places(rows, self.cases.terms))

    def _values(self, rows: Rows) -> Floats:
        values = self.target.of(rows)
        return wrapped(values, self.around) if self.target.form == "minutes" else values


@dataclass(frozen=True, eq=False)
class _Judged:
    """Rows that were held against ranges.

    Attributes:
        cases: The case of each row, a small number; -1 where it has no range, or no number.
        is_outside: Whether its number lies outside.
        terms: What its case is made of: small numbers for the values of each term.
    """

    cases: Ints
    is_outside: Array
    terms: tuple[Ints, ...]

    def of(self, rows: Ints) -> _Judged:
        """Some of the rows."""
        return _Judged(
            self.cases[rows], self.is_outside[rows], tuple(one[rows] for one in self.terms)
        )

    def by_day(self, day_of: Ints, days: int) -> tuple[tuple[Ints, Ints], tuple[Ints, Ints]]:
        """How many rows of each day lie outside, and have a range; and the same of cases.

        Those outside are counted without what is of the one value that has most of them.

        Args:
            day_of: The day of each row; -1 where it is of none.
            days: How many days there are.
        """
        known = (self.cases >= 0) & (day_of >= 0)
        outside = np.flatnonzero(known & self.is_outside)
        size = int(self.cases.max(initial=-1)) + 1
        case = day_of * size + self.cases
        first = np.unique(case[outside], return_index=True)[1]
        there = np.zeros((days, size), dtype=bool)
        there[day_of[known], self.cases[known]] = True
        return (
            (self._but_one(outside, day_of, days), _of_days(day_of[known], days)),
            (self._but_one(outside[first], day_of, days), np.count_nonzero(there, axis=1)),
        )

    def all_outside(self, day_of: Ints, days: int) -> Ints:
        """How many rows of each day lie outside, of whatever value."""
        outside = (self.cases >= 0) & (day_of >= 0) & self.is_outside
        return _of_days(day_of[outside], days)

    def _but_one(self, rows: Ints, day_of: Ints, days: int) -> Ints:
        """How many of some rows each day has, without those of the value that has most of them."""
        most = np.zeros(days, dtype=np.int64)
        for places in self.terms:
            size = int(places.max(initial=-1)) + 1
            of_value, counts = np.unique(day_of[rows] * size + places[rows], return_counts=True)
            np.maximum.at(most, of_value // max(size, 1), counts)
        return _of_days(day_of[rows], days) - most


def _distances(values: Floats, groups: Ints) -> tuple[Floats, Floats]:
    """How far each number is from the mean of its case, and by how much less since it is in it.

    Args:
        values: Numbers; NaN where there is none.
        groups: The case of each row; -1 for none.

    Returns:
        Both are 0 where there is no other number of the case.
    """
    known = (groups >= 0) & ~np.isnan(values)
    number = np.bincount(groups[known])
    sums = np.bincount(groups[known], weights=values[known])
    distance, usual = np.zeros(len(values)), np.zeros(len(values))
    rows = number[groups[known]]
    means = sums[groups[known]] / rows
    distance[known] = np.abs(values[known] - means)
    distance[known] *= distance[known] > _ROUNDED * np.abs(means)
    usual[known] = np.sqrt(1 - 1 / rows)
    return np.where(usual > 0, distance, 0.0), usual


def _of_days(day_of: Ints, days: int) -> Ints:
    return np.bincount(day_of, minlength=days)


def _places(rows: Rows, terms: tuple[Term, ...]) -> tuple[Ints, ...]:
    """Which value of each term a row has, as a small number."""
    return tuple(term.values(rows).places for term in terms)


def _readings(judged: _Judged, usual: tuple[float, float]) -> dict[str, Reading]:
    """The statistics of some rows.

    Args:
        judged: The rows.
        usual: Share of the rows outside on training days, and of the cases with any.
    """
    everywhere = np.zeros(len(judged.cases), dtype=np.int64)
    rows, cases = judged.by_day(everywhere, 1)
    if rows[1][0] < ENOUGH_ROWS:
        return {}
    of = {_ROWS: (rows, usual[0], FEWEST_ROWS), _CASES: (cases, usual[1], FEWEST_CASES)}
    return {
        name: Reading(float(outside[0] / there[0]), _chance(share_of, int(there[0]), fewest))
        for name, ((outside, there), share_of, fewest) in of.items()
    }


def _chance(usual: float, of: int, fewest: float) -> float:
    """By how much a share of so many differs by chance (Poisson), at what it usually is.

    At what it is, where it is unusual, it would be by more than chance ever does; what it usually
    is, is more than nothing even where training had nothing.
    """
    return max(math.sqrt(max(usual, LEAST_USUAL) * of), fewest) / of


@dataclass(frozen=True, eq=False)
class _Target:
    """A number of the training rows that ranges are looked for of.

    Attributes:
        quantity: The number.
        around: Its middle, where it is minutes of the clock.
        values: It, of each row.
        width: How far it reaches, but for its ends.
        slack: Minutes by which clocks may move against each other in a season that training did
            not see; 0 of other numbers.
    """

    quantity: Quantity
    around: float
    values: Floats
    width: float
    slack: float = 0.0

    @cached_property
    def order(self) -> Ints:
        """Positions of the rows that have a number, by its size."""
        order = np.argsort(self.values, kind="stable")
        return order[np.isfinite(self.values[order])]


def discover(training: TrainingRows) -> list[Ranges]:
    """Find the numbers that lie in narrow ranges for each category.

    Args:
        training: The training rows.
    """
    days = training_days(training)
    if not days:
        return []
    search = Search(training)
    best: dict[tuple[str, str], _Tried] = {}
    for target in _targets(training):
        tried = _best(search, target)
        what = (
            target.quantity.column,
            target.quantity.form,
        )  # of clock times that are the same, one
        if tried is not None and (what not in best or tried.share < best[what].share):
            best[what] = tried
    found = (_law(search, one, days) for one in best.values())
    return [law for law in found if law is not None]


def _targets(training: TrainingRows) -> Iterator[_Target]:
    rows = training.rows
    slack = minutes_to_come(training) if training.has_days else 0.0
    quantities = [Quantity(name) for name in number_columns(rows.schema)]
    for one in [*quantities, *clock_quantities(rows)]:
        values = one.of_all(rows)
        around = 0.0
        if one.form == "minutes":
            around = middle(values)
            values = wrapped(values, around)
        known = values[np.isfinite(values)]
        if len(known) < ENOUGH_ROWS or grows(values, training.day_of):
            continue
        width = float(np.subtract(*np.quantile(known, [1 - ENDS, ENDS])))
        if width > 0 and len(np.unique(known[:_SAMPLE])) > 2:
            yield _Target(one, around, values, width, slack if one.form == "minutes" else 0.0)


@dataclass(frozen=True, eq=False)
class _Spans:
    """The range of each group of rows that has enough of them.

    Attributes:
        groups: The groups, in order.
        rows: How many rows each has.
        lowest: The least number of each.
        highest: The largest one.
    """

    groups: Ints
    rows: Ints
    lowest: Floats
    highest: Floats

    @classmethod
    def of(cls, groups: Ints, values: Floats, enough: int) -> _Spans:
        """The ranges of groups, without margins, and without their ends.

        Args:
            groups: The group of each row, 0 or more.
            values: Its number; rows come by its size.
            enough: How many rows it takes.
        """
        order = by_group(groups)
        groups, values = groups[order], values[order]
        starts = np.flatnonzero(np.r_[True, groups[1:] != groups[:-1]])
        rows = np.diff(np.r_[starts, len(groups)])
        last = rows - 1
        lowest = values[starts + np.floor(ENDS * last).astype(np.int64)]
        highest = values[starts + np.ceil((1 - ENDS) * last).astype(np.int64)]
        kept = rows >= enough
        return cls(groups[starts][kept], rows[kept], lowest[kept], highest[kept])

    def width(self, least: float) -> Floats:
        """How wide each is."""
        return np.maximum(self.highest - self.lowest, least)

    def widened(self, margin: float, least: float, slack: float) -> _Spans:
        """The ranges with a margin on both sides.

        Args:
            margin: Widths.
            least: The width of narrower ones.
            slack: What is added to it.
        """
        more = margin * self.width(least) + slack
        return _Spans(self.groups, self.rows, self.lowest - more, self.highest + more)

    def judge(self, groups: Ints, values: Floats) -> tuple[Ints, Array]:
        """The group of each row, -1 where it has no range or no number; and which lie outside."""
        size = int(max(groups.max(initial=-1), self.groups.max(initial=-1))) + 2
        lowest, highest = np.full(size, np.nan), np.full(size, np.nan)
        lowest[self.groups], highest[self.groups] = self.lowest, self.highest
        low, high = lowest[groups], highest[groups]  # those of -1 are the last: none
        is_known = ~np.isnan(low) & ~np.isnan(values)
        return np.where(is_known, groups, -1), (values < low) | (values > high)


@dataclass(frozen=True, eq=False)
class _Tried:
    """Ranges that were tried: of each row of the training by the other half of the days.

    Attributes:
        target: The number.
        terms: The categories.
        margin: Widths on both sides.
        judged: The rows.
        share: Of which share of the rows the numbers have to be dealt to others, about, until
            that is found.
    """

    target: _Target
    terms: tuple[Term, ...]
    margin: float
    judged: _Judged
    share: float


def _candidates(search: Search, target: _Target) -> list[tuple[Term, ...]]:
    """Categories in which a number's ranges are narrow, the narrowest first."""
    chosen = np.unique(np.linspace(0, len(search.rows) - 1, _SAMPLE).astype(np.int64))
    chosen = chosen[np.argsort(target.values[chosen], kind="stable")]
    values = target.values[chosen]
    widths: dict[tuple[Term, ...], float] = {}

    def tried(terms: tuple[Term, ...]) -> None:
        groups = grouped(search.rows, terms)
        if 1 < int(groups.max(initial=-1)) + 1 <= min(MOST_ENTRIES, len(groups) // ENOUGH_ROWS):
            widths[terms] = _width(groups[chosen], values, target.width)

    singles = [
        (term,)
        for term in (*search.singles, *search.recurring)
        if term.part == "value" and term.column not in target.quantity.columns
    ]
    for one in singles:
        tried(one)
    if any(width == 0 for width in widths.values()):
        return []  # it is told by them
    narrowest = sorted(widths, key=widths.__getitem__)
    for first, second in combinations(narrowest[:_PAIRED], 2):
        tried((*first, *second))
    return [one for one in sorted(widths, key=widths.__getitem__) if widths[one] <= _WIDEST][
        :_TRIED
    ]


def _width(groups: Ints, values: Floats, of_all: float) -> float:
    """How wide ranges are on average, by that of all rows; 1 where there are too few to tell.

    Rows come by the size of their numbers.
    """
    kept = (groups >= 0) & np.isfinite(values)
    if np.count_nonzero(kept) < ENOUGH_ROWS:
        return 1.0
    spans = _Spans.of(groups[kept], values[kept], ENOUGH_ROWS // 2)
    if spans.rows.sum() < KNOWN / 2 * np.count_nonzero(kept):
        return 1.0
    return float(np.average(spans.width(0.0), weights=spans.rows)) / of_all


def _tried(search: Search, target: _Target, terms: tuple[Term, ...]) -> Iterator[_Tried]:
    """Ranges of either half of the days with each margin, where they tell anything."""
    groups, half = grouped(search.rows, terms), search.day_of * 2 // search.days
    spans = [_spans(groups, target, half == one) for one in (0, 1)]
    for margin in MARGINS:
        widened = [_widened(one, target, margin) for one in spans]
        found = _try(search, target, terms, margin, widened)
        if found is not None:
            yield found


def _try(
    search: Search, target: _Target, terms: tuple[Term, ...], margin: float, halves: list[_Spans]
) -> _Tried | None:
    """Ranges, each half of the days held against those of the other; None if they tell nothing."""
    groups, half = grouped(search.rows, terms), search.day_of * 2 // search.days
    cases, is_outside = np.full(len(groups), -1), np.zeros(len(groups), dtype=bool)
    told_of = would = 0
    for one in (0, 1):
        own = half == one
        spans = halves[1 - one]
        cases[own], is_outside[own] = spans.judge(groups[own], target.values[own])
        dealt = spans.judge(groups[own], target.values[search.order[own]])
        told_of += int(np.count_nonzero(dealt[0] >= 0))
        would += int(np.count_nonzero(dealt[1]))
    there = (groups >= 0) & np.isfinite(target.values) & (search.day_of >= 0)
    judged = _Judged(cases, is_outside, _places(search.rows, terms))
    outside = judged.all_outside(search.day_of, search.days)
    rows, of_cases = judged.by_day(search.day_of, search.days)
    enough = rows[1] >= ENOUGH_ROWS
    if np.count_nonzero(enough) < ENOUGH_DAYS or rows[1].sum() < KNOWN * there.sum():
        return None
    most = np.maximum(MOST_OUTSIDE * rows[1], FEW_OUTSIDE)
    if would < LEAST_GAIN * told_of or np.any((outside > most)[enough]):
        return None
    needed = min(
        _needed(rows[0][enough], rows[1][enough], FEWEST_ROWS),
        _needed(of_cases[0][enough], of_cases[1][enough], FEWEST_CASES),
    )
    share = needed / float(np.median(rows[1][enough])) * told_of / would
    return _Tried(target, terms, margin, judged, share)


def _needed(outside: Ints, known: Ints, fewest: float) -> float:
    """How many have to lie outside, about, of so many on each day, until that cannot be."""
    shares = outside / known
    of = int(np.median(known))
    chance = _chance(float(outside.sum() / known.sum()), of, fewest)
    highest = float(shares.max())
    return of * (highest + FAR * math.hypot(highest - float(np.median(shares)), 3 * chance))


def _spans(groups: Ints, target: _Target, kept: Array) -> _Spans:
    """Ranges of some rows, without margins."""
    rows = target.order[(kept & (groups >= 0))[target.order]]
    return _Spans.of(groups[rows], target.values[rows], ENOUGH_ROWS)


def _widened(spans: _Spans, target: _Target, margin: float) -> _Spans:
    return spans.widened(margin, LEAST_WIDTH * target.width, target.slack)


def _best(search: Search, target: _Target) -> _Tried | None:
    """The ranges that tell most of a number; None where none tell anything."""
    tried = (one for terms in _candidates(search, target) for one in _tried(search, target, terms))
    return min(tried, key=lambda one: one.share, default=None)


def _law(search: Search, best: _Tried, days: list[Rows]) -> Ranges | None:
    target = best.target
    columns = dict.fromkeys((*target.quantity.columns, *(term.column for term in best.terms)))
    spans = _spans(grouped(search.rows, best.terms), target, search.day_of >= 0)
    spans = _widened(spans, target, best.margin)
    cases, groups = Cases.of(search.rows, best.terms, spans.groups)
    places = np.searchsorted(spans.groups, groups)
    counted = best.judged.by_day(search.day_of, search.days)
    usual = [float(f"{outside.sum() / known.sum():.4g}") for outside, known in counted]
    law = Ranges(
        columns=tuple(columns),
        days=0,
        target=target.quantity,
        around=target.around,
        cases=cases,
        lowest=tuple(_short(spans.lowest[places])),
        highest=tuple(_short(spans.highest[places])),
        usual=(usual[0], usual[1]),
        segments=tuple(one for one in categories(search.rows) if one.column not in columns),
    )
    measured = zip(_measured(search, best, law.usual), days, strict=True)
    return with_bands(law, [{**told, **law.apart(day)} for told, day in measured], days)


def _short(numbers: Floats) -> list[float]:
    return [float(f"{one:.10g}") for one in numbers.tolist()]


def _measured(
    search: Search, best: _Tried, usual: tuple[float, float]
) -> Iterator[dict[str, Reading]]:
    """The statistics of each training day, by ranges that it had no part in."""
    order = np.argsort(search.day_of, kind="stable")
    starts = np.searchsorted(search.day_of[order], np.arange(search.days + 1))
    for start, end in pairwise(starts.tolist()):
        if start < end:
            day = order[start:end]
            yield _readings(best.judged.of(day), usual)
