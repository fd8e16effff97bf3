"""Approximate dependencies: the value that a column mostly has where others are what they are.

The error of one is the share of rows that have another value than most of those that agree with
them (g3: Kivinen and Mannila, "Approximate inference of functional dependencies from relations",
Theoretical Computer Science 149, 1995). It is measured on days that had no part in the table of
usual values, half of the training apart; where it grows with that distance, the table would be out
of date and is not kept. What is found so: a column that is dealt to other rows where no dependency
is exact, and one that is a little off in all rows where a few values changed during training.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import combinations
from typing import ClassVar

import numpy as np
import pandas as pd

from lockstep.columns.kinds import Array, Ints
from lockstep.laws.bands import Band, Banded, Reading, share, training_days, with_bands
from lockstep.laws.cases import Cases, coded
from lockstep.laws.dependencies import Search
from lockstep.laws.glance import glance
from lockstep.laws.law import ENOUGH_DAYS
from lockstep.laws.lookups import MOST_ENTRIES, ROWS_AN_ENTRY, Cell, cells_of, shown
from lockstep.laws.rows import Rows, TrainingRows
from lockstep.laws.terms import Term, grouped, told

ENOUGH_ROWS = 20
"""Rows of a day with known values that the error takes."""
LARGEST_ERROR = 0.3
"""Error up to which a column is mostly told by others."""
LEAST_GAIN = 3.0
"""How many times as large the error of the commonest value has to be."""
OUT_OF_DATE = 1.5
"""How many times as large the error may be half a training apart as on neighbouring days."""
LITTLE = 0.01
"""Difference between errors that does not matter."""
TELLING = 0.9
"""Share of training days on which values dealt to other rows have to be found."""
_MOST_TERMS = 3
_MOST_LAWS = 2
"""Laws of one column."""
_TRIED = 4
"""Sets of terms, those of the smallest errors, to which another one is added."""
_BETTER = 0.8
"""Share of the error that another term leaves at most."""
_SAMPLE = 12_000
"""Rows on which candidates are compared."""
_MOST_ALONE = 0.6
"""Share of a sample's rows whose value no other row has, up to which others may mostly tell it."""
_DENSE = 16
"""Cells of a table of groups by values that are counted one by one, by rows: few are quick."""
_OTHER = "other values than usual"


class Mostly(Banded, frozen=True, kw_only=True, tag="mostly"):
    """Rows that agree in some terms mostly have one value in another.

    Attributes:
        determinants: What is looked up.
        dependent: What is found.
        labels: The values of each determinant.
        entries: The combinations of these that are known: see `Cases`.
        values: The values of what is found.
        then: The place among these of the one that usually goes with each combination.
    """

    only_above: ClassVar[bool] = True

    determinants: tuple[Term, ...]
    dependent: Term
    labels: tuple[tuple[Cell, ...], ...]
    entries: tuple[int, ...]
    values: tuple[Cell, ...]
    then: tuple[int, ...]

    @property
    def cases(self) -> Cases:
        """What is looked up."""
        return Cases(terms=self.determinants, labels=self.labels, entries=self.entries)

    @property
    def says(self) -> str:
        """See `Law.says`."""
        return f"mostly the usual {self.dependent.says} for each {told(self.determinants)}"

    def measure(self, rows: Rows) -> dict[str, Reading]:
        """See `Banded.measure`."""
        usual, odd = self._compared(rows)
        known = int(np.count_nonzero((usual >= 0) & (self._places(rows) >= 0)))
        return {} if known < ENOUGH_ROWS else {_OTHER: share(len(odd), known)}

    def tell(self, name: str, reading: Reading, usual: Band, rows: Rows) -> str:
        """See `Banded.tell`."""
        expected, odd = self._compared(rows)
        row, seen = int(odd[0]), glance(rows).rows
        values = self.dependent.values(seen)
        there = shown(self.dependent, cells_of(values.found)[values.places[row]], rows.schema)
        return (
            f"{self.dependent.says} is not what it usually is for each {told(self.determinants)} "
            f"in {reading.value:.1%} of the rows, such as {there} instead of "
            f"{shown(self.dependent, self.values[expected[row]], rows.schema)} for "
            f"{self.cases.told(seen, row)}; on training days in "
            f"{usual.lowest:.1%} to {usual.highest:.1%}"
        )

    def rows_of(self, rows: Rows, name: str) -> Array:
        """See `Banded.rows_of`."""
        seen, (_, odd) = glance(rows), self._compared(rows)
        return odd if seen.positions is None else seen.positions[odd]

    def _places(self, rows: Rows) -> Ints:
        return self.dependent.values(glance(rows).rows).places

    def _compared(self, rows: Rows) -> tuple[Ints, Ints]:
        """The place of each row's usual value, -1 where there is none; and rows of another."""
        return glance(rows).rows.once(
            ("mostly", self.determinants, self.dependent), lambda: self._compare(glance(rows).rows)
        )

    def _compare(self, rows: Rows) -> tuple[Ints, Ints]:
        usual = np.append(self.then, -1)[self.cases.places(rows)]
        values = self.dependent.values(rows)
        found = coded(values, self.values)
        return usual, np.flatnonzero((usual >= 0) & (values.places >= 0) & (found != usual))


@dataclass(frozen=True, eq=False)
class _Candidate:
    """Terms that may mostly tell a column, and the share of a sample's rows that they do not."""

    terms: tuple[Term, ...]
    error: float


def discover(training: TrainingRows) -> list[Mostly]:
    """Find what columns mostly follow from others.

    Args:
        training: The training rows.
    """
    days = training_days(training)
    if not days:
        return []
    search = Search(training)
    found = []
    for dependent in search.dependents:
        if dependent.part != "value":
            continue
        kept: list[_Candidate] = []
        for one in _candidates(search, dependent):
            if len(kept) == _MOST_LAWS:
                break
            if any(one.error > 2 * other.error + LITTLE for other in kept):
                break
            law = _law(search, dependent, one.terms, days)
            if law is not None:
                kept.append(one)
                found.append(law)
    return found


def _candidates(search: Search, dependent: Term) -> list[_Candidate]:
    """Terms that mostly tell a column, those of the smallest error first; none if some tell it."""
    sample = np.unique(np.linspace(0, len(search.rows) - 1, _SAMPLE).astype(np.int64))
    values = dependent.values(search.rows).places[sample]
    known = values[values >= 0]
    if not len(known) or np.mean(np.bincount(known)[known] == 1) > _MOST_ALONE:
        return []
    alone = 1 - float(np.bincount(known).max()) / len(known)
    singles = [
        term for term in search.singles if term.column != dependent.column and term.part != "hour"
    ]
    errors: dict[frozenset[Term], _Candidate] = {}

    def tried(terms: tuple[Term, ...]) -> None:
        groups = grouped(search.rows, terms)
        entries = int(groups.max(initial=-1)) + 1
        if not 1 < entries <= min(MOST_ENTRIES, len(groups) // ROWS_AN_ENTRY):
            return
        errors[frozenset(terms)] = _Candidate(terms, _error(groups[sample], values))

    for size in (1, 2):
        for terms in combinations(singles, size):
            tried(terms)
    for size in range(3, _MOST_TERMS + 1):
        best = sorted((one for one in errors.values() if len(one.terms) == size - 1), key=_by_error)
        for one in best[:_TRIED]:
            for term in singles:
                if term not in one.terms and frozenset((*one.terms, term)) not in errors:
                    tried((*one.terms, term))
    if any(not one.error for one in errors.values()):
        return []  # told by them, not mostly; or as good as
    return sorted(
        (
            one
            for one in errors.values()
            if one.error <= min(LARGEST_ERROR, alone / LEAST_GAIN)
            and all(
                one.error <= min(_BETTER * errors[fewer].error, errors[fewer].error - LITTLE)
                for fewer in (frozenset({*one.terms} - {term}) for term in one.terms)
                if fewer in errors
            )
        ),
        key=_by_error,
    )


def _by_error(one: _Candidate) -> tuple[float, int]:
    return one.error, len(one.terms)


def _error(groups: Ints, values: Ints) -> float:
    """The share of rows that have not the commonest value of their group; 1 where none is told."""
    most, sizes = _commonest(groups, values)
    several = sizes > 1
    if not several.any():
        return 1.0
    return float((sizes - most)[several].sum() / sizes[several].sum())


def _commonest(groups: Ints, values: Ints) -> tuple[Ints, Ints]:
    """How often the commonest value of each group occurs in it, and how many rows it has."""
    wide, many = int(groups.max(initial=-1)) + 2, int(values.max(initial=-1)) + 2
    cells = (groups + 1) * many + (values + 1)  # the first of each are those that are not known
    if wide * many <= _DENSE * len(cells):
        table = np.bincount(cells, minlength=wide * many).reshape(wide, many)[1:, 1:]
        return table.max(axis=1, initial=0), table.sum(axis=1)
    found, times = np.unique(cells[(groups >= 0) & (values >= 0)], return_counts=True)
    _, first = np.unique(found // many, return_index=True)
    return np.maximum.reduceat(times, first), np.add.reduceat(times, first)


def _usual(groups: Ints, values: Ints, size: int = 0) -> Ints:
    """The commonest value of each group; -1 where it has none."""
    many = int(values.max(initial=0)) + 1
    of_row, pairs = pd.factorize(groups * many + values)
    by_times = np.argsort(np.bincount(of_row, minlength=len(pairs)), kind="stable")
    usual = np.full(max(size, int(groups.max(initial=-1)) + 1), -1)
    usual[pairs[by_times] // many] = pairs[by_times] % many  # the last one written is the commonest
    return usual


def _law(
    search: Search, dependent: Term, terms: tuple[Term, ...], days: list[Rows]
) -> Mostly | None:
    """The law; None where its table goes out of date, or would not tell dealt values."""
    groups, values = grouped(search.rows, terms), dependent.values(search.rows).places
    half = search.day_of * 2 // search.days
    far = _errors(search, groups, values, half)
    near = _errors(search, groups, values, search.day_of % 2)
    counts = far[1] >= ENOUGH_ROWS
    if np.count_nonzero(counts) < ENOUGH_DAYS:
        return None
    typical = [float(np.median(one[0][one[1] > 0] / one[1][one[1] > 0])) for one in (far, near)]
    if typical[0] > OUT_OF_DATE * typical[1] + LITTLE:
        return None
    measured = [
        {_OTHER: share(float(odd), int(known))} if known >= ENOUGH_ROWS else {}
        for odd, known in zip(*far, strict=True)
    ]
    law = with_bands(_tabled(search.rows, dependent, terms), measured, days)
    if law is None:
        return None
    dealt = _errors(search, groups, values[search.order], half)
    band = law.bands[_OTHER]
    found = [
        band.is_impossible(band.beyond(share(float(odd), int(known))))
        for odd, known in zip(*dealt, strict=True)
        if known >= ENOUGH_ROWS
    ]
    return law if np.mean(found) >= TELLING else None


def _tabled(rows: Rows, dependent: Term, terms: tuple[Term, ...]) -> Mostly:
    """The usual value of each combination that training had."""
    groups, values = grouped(rows, terms), dependent.values(rows)
    is_known = (groups >= 0) & (values.places >= 0)
    usual = _usual(groups[is_known], values.places[is_known])
    cases, order = Cases.of(rows, terms, np.flatnonzero(usual >= 0))
    return Mostly(
        columns=(dependent.column, *(term.column for term in terms)),
        days=0,
        determinants=terms,
        dependent=dependent,
        labels=cases.labels,
        entries=cases.entries,
        values=tuple(cells_of(values.found)),
        then=tuple(usual[order].tolist()),
    )


def _errors(search: Search, groups: Ints, values: Ints, part: Ints) -> tuple[Ints, Ints]:
    """By day, how many rows have another value than is usual in the other part of the training.

    Returns:
        These, and how many rows have a value where one is usual.
    """
    days = search.days
    odd, known = np.zeros(days, dtype=np.int64), np.zeros(days, dtype=np.int64)
    told_of = (groups >= 0) & (values >= 0) & (search.day_of >= 0)
    size = int(groups.max(initial=-1)) + 1
    for one in (0, 1):
        own, other = told_of & (part == one), told_of & (part == 1 - one)
        usual = _usual(groups[other], values[other], size)[groups[own]]
        has = usual >= 0
        day = search.day_of[own][has]
        known += np.bincount(day, minlength=days)
        odd += np.bincount(day[usual[has] != values[own][has]], minlength=days)
    return odd, known
