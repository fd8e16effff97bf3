"""Functional dependencies: columns that are a function of others, within a batch.

In all rows of a day that agree in some columns (an origin, and the hour of the event), another one
(the temperature) has one value. They are found level by level, one determinant and then two, what
fewer determine being left out (TANE: Huhtala et al., The Computer Journal 42, 1999). Candidates
are pruned on a sample by the share of rows that would have to go for the dependency to hold (the
error g3 of Kivinen and Mannila, Theoretical Computer Science 149, 1995, here its upper bound by
the first row of each group), then tried on every training day.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import combinations

import numpy as np
import pandas as pd

from lockstep.columns.kinds import Array, Kind
from lockstep.columns.plain import counted
from lockstep.laws.law import ENOUGH_DAYS, Broken, Law
from lockstep.laws.rows import Rows, TrainingRows
from lockstep.laws.terms import Part, Term, grouped, told

_SINGLES = 24
"""Terms that are tried as determinants, those of the fewest values: in wide tables all others are
left out, so that pairs of them stay few."""
_CELLS = 4_000_000
"""Cells of the sample on which candidates are pruned."""
_MOST_IN_SAMPLE = 0.02
"""Largest share of a sample's rows that may break a candidate that is looked at further."""
_MOST_DETERMINANTS = 2
"""Dependencies that are kept of one dependent."""


class Dependency(Law, frozen=True, kw_only=True):
    """Rows of a batch that agree in some terms agree in another.

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
        groups, values = grouped(rows, self.determinants), self.dependent.values(rows)
        if not len(groups) or not _differ(groups, values.places, missing=self.missing).any():
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
        )


def discover(training: TrainingRows) -> list[Dependency]:
    """Find the dependencies that hold on every training day.

    Args:
        training: The training rows.
    """
    return [*_Search(training).found()]


class _Search:
    """The search for dependencies in training rows."""

    def __init__(self, training: TrainingRows) -> None:
        self._training = training
        self._rows = training.rows
        self._day_of = training.day_of
        self._sample = _sample(training)
        self._orders = _shuffled_within(training.day_of)
        self._dependents = _dependents(self._rows)
        self._matrix = np.column_stack(
            [term.values(self._rows).places[self._sample] for term in self._dependents]
        )

    def found(self) -> Iterator[Dependency]:
        """What holds, a level of determinants after the other."""
        singles = self._singles()
        known: dict[Term, list[tuple[Term, ...]]] = {}
        for size in (1, 2):
            for terms in combinations(singles, size):
                for dependent in self._candidates(terms):
                    before = known.setdefault(dependent, [])
                    given = _closure(terms, known)
                    implied = any(given.issuperset(one) for one in before)
                    if implied or len(before) >= _MOST_DETERMINANTS:
                        continue
                    law = self._tried(terms, dependent)
                    if law is not None:
                        before.append(terms)
                        yield law

    def _singles(self) -> list[Term]:
        """Terms of few values: those in which many rows of a day agree."""
        schema, rows = self._rows.schema, self._rows
        terms = [
            Term(field.name)
            for field in schema
            if field.role == "value" and (field.kind is Kind.TEXT or field.declared != "float")
        ]
        if schema.event_time is not None:
            terms += [Term(schema.event_time, "hour"), Term(schema.event_time, "time of day")]
        sizes = {term: self._groups_a_row(rows, term) for term in terms}
        few = [term for term in terms if 0 < sizes[term] <= 0.5]
        return sorted(few, key=sizes.__getitem__)[:_SINGLES]

    def _groups_a_row(self, rows: Rows, term: Term) -> float:
        """How many values a day has by its rows."""
        groups = self._in_days((term,))
        known = groups >= 0
        return float(groups.max(initial=-1) + 1) / max(1, int(known.sum()))

    def _in_days(self, terms: tuple[Term, ...]) -> Array:
        """Which rows of a day agree in terms: int64, a small number each."""
        groups = grouped(self._rows, terms)
        known = (groups >= 0) & (self._day_of >= 0)
        found = np.full(len(groups), -1)
        numbers = self._day_of * (groups.max(initial=0) + 1) + groups
        found[known] = pd.factorize(numbers[known])[0]
        return found

    def _candidates(self, terms: tuple[Term, ...]) -> list[Term]:
        """Dependents of which few rows of the sample differ."""
        groups = self._in_days(terms)
        among = groups[self._sample]
        kept = among >= 0
        if not kept.any() or len(np.unique(among[kept])) > 0.7 * kept.sum():
            return []
        matrix = self._matrix[kept]
        first = matrix[_first(among[kept])]
        differ = (matrix != first) & (matrix >= 0) & (first >= 0)
        shares = differ.mean(axis=0)
        columns = {term.column for term in terms}
        return [
            term
            for term, share in zip(self._dependents, shares, strict=True)
            if share <= _MOST_IN_SAMPLE and term.column not in columns
        ]

    def _tried(self, terms: tuple[Term, ...], dependent: Term) -> Dependency | None:
        """The dependency, if every training day keeps it and most would break it by chance."""
        groups, places = self._in_days(terms), dependent.values(self._rows).places
        missing = True
        days = self._training.days
        broken = self._days_broken(groups, places, missing=True)
        if broken:
            missing = False
            broken = self._days_broken(groups, places, missing=False)
        if broken:
            return None
        # What shuffled values keep as well holds by chance.
        if self._days_broken(groups, places[self._orders], missing=missing) < ENOUGH_DAYS:
            return None
        return Dependency(
            columns=(dependent.column, *(term.column for term in terms)),
            days=days,
            broken=broken,
            determinants=terms,
            dependent=dependent,
            missing=missing,
        )

    def _days_broken(self, groups: Array, places: Array, *, missing: bool) -> int:
        differ = _differ(groups, places, missing=missing)
        return len(np.unique(self._day_of[differ]))


def _closure(terms: tuple[Term, ...], known: Mapping[Term, list[tuple[Term, ...]]]) -> set[Term]:
    """Terms, and what they determine by what is known."""
    found, size = set(terms), 0
    while len(found) > size:
        size = len(found)
        for dependent, determinants in known.items():
            if dependent not in found and any(found.issuperset(one) for one in determinants):
                found.add(dependent)
                parts: tuple[Part, ...] = ("hour", "time of day")
                found.update(Term(dependent.column, part) for part in parts)
    return found


def _dependents(rows: Rows) -> list[Term]:
    """What may depend on others: all fields but the key, and when it happened."""
    return [Term(field.name) for field in rows.schema if field.role != "key"]


def _counts(places: Array, *, missing: bool) -> Array:
    """Which rows are compared."""
    return np.ones(len(places), dtype=bool) if missing else places >= 0


def _first(groups: Array) -> Array:
    """The first row of each row's group."""
    first = np.empty(int(groups.max(initial=-1)) + 1, dtype=np.int64)
    first[groups[::-1]] = np.arange(len(groups))[::-1]
    return first[groups]


def _differ(groups: Array, places: Array, *, missing: bool) -> Array:
    """Rows whose value is another than that of the first row of their group."""
    kept = np.flatnonzero((groups >= 0) & _counts(places, missing=missing))
    among, values = groups[kept], places[kept]
    found = np.zeros(len(groups), dtype=bool)
    found[kept] = values != values[_first(among)]
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


def _sample(training: TrainingRows) -> Array:
    """Rows of some whole days, as many as candidates are pruned on."""
    columns = len(training.rows.schema.names)
    room = max(2_000, _CELLS // columns)
    order = np.argsort(training.day_of, kind="stable")
    order = order[training.day_of[order] >= 0]
    if len(order) <= room:
        return order
    parts = min(8, training.days)
    starts = np.linspace(0, len(order) - room // parts, parts).astype(int)
    return np.concatenate([order[start : start + room // parts] for start in starts])


def _shuffled_within(day_of: Array) -> Array:
    """Each row's place, and a row of the same day that stands in it: rows of a day shuffled."""
    keys = np.random.default_rng(0).random(len(day_of))
    shuffled = np.lexsort((keys, day_of))
    ordered = np.argsort(day_of, kind="stable")
    found = np.empty(len(day_of), dtype=np.int64)
    found[ordered] = shuffled
    return found
