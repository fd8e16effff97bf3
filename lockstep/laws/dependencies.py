"""Functional dependencies: columns that are a function of others, within a day.

In all rows of a day that agree in some columns (an origin, and the hour of the event), another one
(the temperature) has one value. They are found level by level, one determinant and then two, what
fewer determine being left out (TANE: Huhtala et al., The Computer Journal 42, 1999). Candidates
are pruned on a sample by the share of rows that would have to go for the dependency to hold (the
error g3 of Kivinen and Mannila, Theoretical Computer Science 149, 1995, here its upper bound by
the first row of each group), then tried on every training day.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import cached_property
from itertools import combinations

import numpy as np
import pandas as pd

from lockstep.columns.kinds import Array, Kind
from lockstep.columns.plain import counted
from lockstep.laws.law import ENOUGH_DAYS, Broken, Law
from lockstep.laws.rows import Rows, TrainingRows
from lockstep.laws.terms import (
    MINUTES,
    Part,
    Term,
    combined,
    first_of,
    firsts,
    grouped,
    grouped_by_day,
    told,
)

_SINGLES = 24
"""Terms that are tried as determinants, those of the fewest values: in wide tables all others are
left out, so that pairs of them stay few."""
_FEW = 0.5
"""Values that a term has on a day, by its rows, up to which many of these agree in it."""
_ROWS_A_VALUE = 20
"""Rows that a value has on all days together, where a term has more than that on a day."""
_CELLS = 1_000_000
"""Cells of the sample on which candidates are pruned."""
_MOST_IN_SAMPLE = 0.02
"""Largest share of a sample's rows that may break a candidate that is looked at further."""
_MOST_GROUPS = 0.7
"""Largest number of groups by rows: where hardly two rows agree, none can differ."""
BY_CHANCE = 0.02
"""How probable it is at most that things drawn anew agree as well: else they do by chance."""
MOST_CASES = 50
"""Places that a batch tells one by one: more are no news of the world."""
_DRAWN, _DRAWN_FIRST = 400, 40
"""How often they are drawn, and after how often that is told if they never agreed."""
_OFTEN = 0.5
"""Share of the days that have a thing, on average: where others come each day, days are told by."""
_MOST_THINGS = 20_000
"""Things that are drawn, at most."""
_MOST_DETERMINANTS = 2
"""Dependencies that are kept of one dependent."""
_TELLING_DAYS = 2 * ENOUGH_DAYS
"""Days on which a tick twice as long has to be broken, of ticks shorter than an hour: of what
changes slowly at any time, a quarter as many days, or ten, would break the tick itself, and none
does by chance once in 20,000 times (Poisson, 1837)."""


class Dependency(Law, frozen=True, kw_only=True):
    """Rows of a day that agree in some terms agree in another.

    Attributes:
        determinants: What they agree in.
        dependent: What they then agree in.
        missing: Whether a missing value is one like others: it is missing in all of the rows, or
            in none. Otherwise rows that have a value agree in it.
    """

    determinants: tuple[Term, ...]
    dependent: Term
    missing: bool

    @property
    def says(self) -> str:
        """It in a sentence."""
        return f"one {self.dependent.says} for each {told(self.determinants)}"

    def find(self, rows: Rows) -> Broken | None:
        """The rows that differ from most of the rows with which they should agree."""
        groups, values = grouped_by_day(rows, self.determinants), self.dependent.values(rows)
        if not len(groups) or not self._differ(rows, groups, values.places).any():
            return None
        odd, group = _odd(groups, values.places, missing=self.missing)
        there = np.flatnonzero((groups == group) & _counts(values.places, missing=self.missing))
        found, times = np.unique(values.places[there], return_counts=True)
        shown = " and ".join(
            f"{'none' if place < 0 else self.dependent.show(values.found[place])} in "
            f"{counted(int(time), 'row')}"
            for place, time in sorted(zip(found, times, strict=True), key=lambda one: -one[1])[:3]
        )
        place = {
            term.says: term.show(one.found[one.places[there[0]]])
            for term, one in ((term, term.values(rows)) for term in self.determinants)
        }
        where = ", ".join(f"{name} {value}" for name, value in place.items())
        return Broken(
            law=self,
            columns=self.columns,
            message=f"{self.dependent.says} is not one for each {told(self.determinants)}: in "
            f"{counted(len(odd), 'row')} it is another than in most with which they agree, such "
            f"as {shown} at {where}",
            rows=odd,
            strict=self.is_strict,
            numbers={"rows": len(odd)},
            cases=self._cases(rows, odd, groups),
        )

    def _cases(self, rows: Rows, odd: Array, groups: Array) -> dict[str, float]:
        """Where rows differ, and which share of those there do; none if in too many places.

        The days that follow have the same places and times of day, but none of the hours.
        """
        found, first, counts = np.unique(groups[odd], return_index=True, return_counts=True)
        if len(found) > MOST_CASES:
            return {}
        shares = counts / np.bincount(groups[groups >= 0])[found]
        terms = [(term, term.values(rows)) for term in map(_daily, self.determinants)]
        cases: dict[str, float] = {}
        for row, share in zip(odd[first].tolist(), shares.tolist(), strict=True):
            case = ", ".join(term.show(one.found[one.places[row]]) for term, one in terms)
            cases[case] = max(share, cases.get(case, 0.0))
        return cases

    def _differ(self, rows: Rows, groups: Array, places: Array) -> Array:
        """Rows whose value is another than that of the first row of their group.

        That row is found once for all that it determines, where it has a value.
        """
        first = np.append(places[firsts(rows, self.determinants)], -1)
        if not self.missing and (first[:-1] < 0).any():
            return rows_differ(groups, places, missing=False)
        differ: Array = (places != first[groups]) & (groups >= 0)
        return differ if self.missing else differ & (places >= 0)


def _daily(term: Term) -> Term:
    """A term that days have in common: the hour of the day rather than the hour that it is in."""
    return Term(term.column, "hour of the day") if term.is_tick else term


def discover(training: TrainingRows) -> list[Dependency]:
    """Find the dependencies that hold on every training day.

    Args:
        training: The training rows.
    """
    return [*known(training)]


def known(training: TrainingRows) -> tuple[Dependency, ...]:
    """The dependencies that hold on every training day; looked for once.

    Args:
        training: The training rows.
    """
    if training.days < ENOUGH_DAYS:
        return ()
    return training.rows.once("dependencies", lambda: tuple(Search(training).found()))


class Search:
    """The search for what depends on what in training rows.

    Attributes:
        rows: All rows.
        day_of: The day of each.
        days: How many days there are.
        singles: Terms that are tried as determinants, those of the fewest values first.
        recurring: Terms that tell most rows of a day apart, but whose values come again on other
            days, such as the places of which there is a row each day; those of the fewest first.
        dependents: Terms that may depend on them: all fields but the key that have two values or
            more, and the time of day.
    """

    def __init__(self, training: TrainingRows) -> None:
        self.rows = training.rows
        self.day_of = training.day_of
        self.days = training.days
        event_time = self.rows.schema.event_time
        self._times = [] if event_time is None else [Term(event_time, "time of day")]
        fields = [
            Term(field.name) for field in self.rows.schema if field.role in ("value", "event_time")
        ]
        terms = [*fields, *self._times]
        self.dependents = [term for term in terms if len(term.values(self.rows).found) > 1]
        self.singles, self.recurring = self._determinants()

    def found(self) -> Iterator[Dependency]:
        """What holds in each day, a level of determinants after the other."""
        known: dict[Term, list[tuple[Term, ...]]] = {}
        singles = [(term,) for term in (*self.singles, *self._ticks())]
        for terms in (*singles, *combinations(self.singles, 2)):
            for dependent in self.candidates(terms, self._in_days(terms)):
                if dependent.part != "value":
                    continue
                before = known.setdefault(dependent, [])
                given = _closure(terms, known)
                implied = any(given.issuperset(one) for one in before)
                if implied or len(before) >= _MOST_DETERMINANTS:
                    continue
                law = self._tried(terms, dependent)
                if law is not None:
                    before.append(terms)
                    yield law

    def _ticks(self) -> list[Term]:
        """Ticks shorter than an hour, the longest first, in which rows of several moments are.

        What is measured anew at each of them has one value in each.
        """
        event_time = self.rows.schema.event_time
        if event_time is None:
            return []
        moments = self._times[0].values(self.rows).places
        terms = [Term(event_time, part) for part in MINUTES if part != "hour"]
        told = ((term, term.values(self.rows).places) for term in terms)
        return [term for term, ticks in told if rows_differ(ticks, moments, missing=True).any()]

    def _determinants(self) -> tuple[list[Term], list[Term]]:
        """Terms in which many rows of a day agree, and those in which rows of many days do."""
        schema = self.rows.schema
        terms = [
            Term(field.name)
            for field in schema
            if field.role == "value" and (field.kind is Kind.TEXT or field.declared != "float")
        ]
        if schema.event_time is not None:
            terms += [Term(schema.event_time, "hour"), *self._times]
        sizes = {term: self._groups_a_row(term) for term in terms}
        few = [term for term in terms if 0 < sizes[term] <= _FEW]
        counts = {term: len(term.values(self.rows).found) for term in terms if sizes[term] > _FEW}
        most = len(self.rows) // _ROWS_A_VALUE
        again = [term for term, count in counts.items() if 1 < count <= most]
        return (
            sorted(few, key=sizes.__getitem__)[:_SINGLES],
            sorted(again, key=counts.__getitem__)[:_SINGLES],
        )

    @cached_property
    def order(self) -> Array:
        """For each row another one of its day: see `shuffled`."""
        return shuffled(self.day_of)

    @cached_property
    def _sample(self) -> Array:
        return _sample(self.day_of, self.days, len(self.dependents))

    @cached_property
    def _matrix(self) -> Array:
        """The sample: the place of each row's value, a dependent a column."""
        return np.column_stack(
            [term.values(self.rows).places[self._sample] for term in self.dependents]
        )

    def _groups_a_row(self, term: Term) -> float:
        """How many values a day has by its rows."""
        groups = self._in_days((term,))
        known = groups >= 0
        return float(groups.max(initial=-1) + 1) / max(1, int(known.sum()))

    def _in_days(self, terms: tuple[Term, ...]) -> Array:
        """Which rows of a day agree in terms: int64, a small number each."""
        return combined(self.day_of, grouped(self.rows, terms))

    def candidates(self, terms: tuple[Term, ...], groups: Array) -> list[Term]:
        """Dependents that are of one value in nearly every group of a sample.

        Args:
            terms: What the rows of a group agree in.
            groups: The group of each row; -1 where it is of none.
        """
        among = groups[self._sample]
        kept = among >= 0
        if not kept.any() or len(np.unique(among[kept])) > _MOST_GROUPS * kept.sum():
            return []
        matrix = self._matrix[kept]
        first = matrix[first_of(among[kept])[among[kept]]]
        differ = (matrix != first) & (matrix >= 0) & (first >= 0)
        few = differ.mean(axis=0) <= _MOST_IN_SAMPLE
        few &= (matrix != matrix[0]).any(axis=0)
        columns = {term.column for term in terms}
        return [
            term
            for term, is_candidate in zip(self.dependents, few, strict=True)
            if is_candidate and term.column not in columns
        ]

    def _tried(self, terms: tuple[Term, ...], dependent: Term) -> Dependency | None:
        """The dependency, if every training day keeps it and most would break it by chance."""
        groups, places = self._in_days(terms), dependent.values(self.rows).places
        missing = True
        days = self.days
        broken = days_broken(groups, places, self.day_of)
        if broken:
            missing = False
            broken = days_broken(groups, places, self.day_of, missing=False)
        if broken or self._days_tested(terms, groups, places, missing=missing) < ENOUGH_DAYS:
            return None
        if terms[0].is_tick and terms[0].part != "hour":
            slower = combined(self.day_of, self._slow(terms[0]))
            if days_broken(slower, places, self.day_of, missing=missing) < _TELLING_DAYS:
                return None
        if self.just_miss(terms, dependent):
            return None
        return Dependency(
            columns=(dependent.column, *(term.column for term in terms)),
            days=days,
            broken=broken,
            determinants=terms,
            dependent=dependent,
            missing=missing,
        )

    def _days_tested(
        self, terms: tuple[Term, ...], groups: Array, places: Array, *, missing: bool
    ) -> int:
        """On how many days a dependency could have been broken: on others it holds by chance.

        Shuffled values tell. Rows of one moment may be one event, such as the lines of a receipt,
        and agree as that: of those of a group, one is shuffled. Where each group has one moment,
        and it is the clock that says so, a clock that ticks half as often tells: events that did
        not meet, as those of two receipts in one second, just missed each other as seldom.

        Args:
            terms: The determinants.
            groups: Which rows of a day agree in them.
            places: The value of each row.
            missing: Whether a missing value counts as one.
        """
        if not self._times:
            return days_broken(groups, places[self.order], self.day_of, missing=missing)
        moments = self._times[0].values(self.rows).places
        if rows_differ(groups, moments, missing=True).any():
            seen = np.flatnonzero((groups >= 0) & _counts(places, missing=missing))
            seen = seen[_is_first(groups[seen], moments[seen])]
            day_of = self.day_of[seen]
            dealt = places[seen][shuffled(day_of)]
            return days_broken(groups[seen], dealt, day_of, missing=missing)
        clock = next((term for term in terms if term.ticks), None)
        if clock is None:
            return days_broken(groups, places[self.order], self.day_of, missing=missing)
        others = tuple(term for term in terms if term != clock)
        slower = combined(self._in_days(others) if others else self.day_of, self._slow(clock))
        return days_broken(slower, places, self.day_of, missing=missing)

    def just_miss(self, terms: tuple[Term, ...], dependent: Term) -> bool:
        """Whether things that come again each day may agree in terms by no more than chance.

        Rows of a timetable are the same things on all days: that no two lines leave one station at
        the same minute is kept by each of the days, and still is chance of a few dozen lines. So
        it is things that are counted, each with terms that are drawn from all there are (a Monte
        Carlo test: Barnard, Journal of the Royal Statistical Society B 25, 1963).

        Args:
            terms: The determinants; of one alone, each of its values is a thing.
            dependent: What they determine.
        """
        if len(terms) == 1:
            return False
        codes = [one.values(self.rows).places for one in (*map(_daily, terms), dependent)]
        known = np.logical_and.reduce([one >= 0 for one in codes])
        told = pd.DataFrame({place: one[known] for place, one in enumerate(codes)})
        things = told.drop_duplicates()
        times = len(told.assign(day=self.day_of[known]).drop_duplicates())
        if times < _OFTEN * self.days * len(things):
            return False
        random = np.random.default_rng(0)
        found = random.permutation(things.to_numpy())[:_MOST_THINGS]
        *agreeing, values = found.T
        there = [np.unique(one) for one in agreeing]
        kept = 0
        for tried in range(1, _DRAWN + 1):
            drawn = combined(*(random.choice(one, len(values)) for one in there))
            kept += not rows_differ(drawn, values, missing=True).any()
            if kept > BY_CHANCE * _DRAWN or (tried == _DRAWN_FIRST and not kept):
                break
        return kept > BY_CHANCE * _DRAWN

    def _slow(self, clock: Term) -> Array:
        """The ticks of a clock that ticks half as often; -1 where the time is not known."""
        values = clock.values(self.rows)
        ticks = values.found.astype(np.int64)
        step = int(np.gcd.reduce(np.diff(np.sort(ticks)))) or 1
        return np.append((ticks - ticks.min()) // step // 2, -1)[values.places]


def _closure(terms: tuple[Term, ...], known: Mapping[Term, list[tuple[Term, ...]]]) -> set[Term]:
    """Terms, and what they determine by what is known."""
    found, size = set(terms), 0
    found.update(Term(one.column, part) for one in terms if one.is_tick for part in _longer(one))
    while len(found) > size:
        size = len(found)
        for dependent, determinants in known.items():
            if dependent not in found and any(found.issuperset(one) for one in determinants):
                found.add(dependent)
                parts: tuple[Part, ...] = (*MINUTES, "time of day")
                found.update(Term(dependent.column, part) for part in parts)
    return found


def _longer(tick: Term) -> list[Part]:
    """The ticks of which each of a tick lies in one."""
    return [part for part, minutes in MINUTES.items() if minutes % MINUTES[tick.part] == 0]


def _counts(places: Array, *, missing: bool) -> Array:
    """Which rows are compared."""
    return np.ones(len(places), dtype=bool) if missing else places >= 0


def _is_first(groups: Array, others: Array) -> Array:
    """Which rows are the first of their pair of groups."""
    pairs = pd.Series(groups * (int(others.max(initial=0)) + 2) + others + 1)
    found: Array = ~pairs.duplicated().to_numpy()
    return found


def days_broken(groups: Array, places: Array, day_of: Array, *, missing: bool = True) -> int:
    """On how many days rows of a group differ.

    Args:
        groups: The group of each row; -1 where it is of none.
        places: The value of each row.
        day_of: The day of each row.
        missing: Whether a missing value counts as one.
    """
    return len(np.unique(day_of[rows_differ(groups, places, missing=missing)]))


def rows_differ(groups: Array, places: Array, *, missing: bool) -> Array:
    """Rows whose value is another than that of the first row of their group.

    Args:
        groups: The group of each row; -1 where it is of none.
        places: The value of each row; -1 where it is missing.
        missing: Whether a missing value counts as one.
    """
    among = groups if missing else np.where(places >= 0, groups, -1)
    first = np.empty(int(among.max(initial=-1)) + 2, dtype=places.dtype)  # the last one is of -1
    first[among[::-1]] = places[::-1]  # the last one written is that of the first row
    found: Array = (places != first[among]) & (among >= 0)
    return found


def _odd(groups: Array, places: Array, *, missing: bool) -> tuple[Array, int]:
    """Rows whose value is not the most frequent of their group, and the group with most of them."""
    kept = np.flatnonzero((groups >= 0) & _counts(places, missing=missing))
    among, values = groups[kept], places[kept] + 1
    pairs, inverse, times = np.unique(
        among * (int(values.max(initial=0)) + 1) + values, return_inverse=True, return_counts=True
    )
    of = pairs // (int(values.max(initial=0)) + 1)
    most = np.zeros(int(of.max()) + 1, dtype=np.int64)
    by_times = np.argsort(times, kind="stable")
    most[of[by_times]] = by_times  # the last one written has the most rows
    odd = kept[most[among] != inverse]
    return odd, int(np.bincount(groups[odd]).argmax())


def _sample(day_of: Array, days: int, columns: int) -> Array:
    """Rows of some days, as many as candidates are pruned on."""
    room = max(2_000, _CELLS // columns)
    order = np.argsort(day_of, kind="stable")
    order = order[day_of[order] >= 0]
    if len(order) <= room:
        return order
    parts = min(8, days)
    starts = np.linspace(0, len(order) - room // parts, parts).astype(int)
    return np.concatenate([order[start : start + room // parts] for start in starts])


def shuffled(day_of: Array) -> Array:
    """For each row another one of the same day, each of them once."""
    keys = np.random.default_rng(0).random(len(day_of))
    shuffled = np.lexsort((keys, day_of))
    ordered = np.argsort(day_of, kind="stable")
    found = np.empty(len(day_of), dtype=np.int64)
    found[ordered] = shuffled
    return found
