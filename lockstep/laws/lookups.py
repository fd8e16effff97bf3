"""Look-ups: columns that are a function of others on all days, as training knew it.

A dependency (`lockstep.laws.dependencies`) says that rows of a batch agree with each other. A
look-up says more: with which value, since every training day gave the same (a destination has one
position). With daylight saving, some of them hold for each offset of the clock (a place's own
offset). It is kept as a table of bounded size. What training did not know, it does not judge.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import combinations
from typing import Any

import numpy as np
import pandas as pd

from lockstep.columns.kinds import Array, Kind
from lockstep.columns.plain import counted
from lockstep.columns.schema import Schema
from lockstep.laws.dependencies import (
    MOST_CASES,
    Search,
    days_broken,
    rows_differ,
    shuffled,
)
from lockstep.laws.law import ENOUGH_DAYS, Broken, Law
from lockstep.laws.rows import Rows, TrainingRows, Values
from lockstep.laws.terms import Term, combined, grouped, told

Cell = str | int | float | bool | None
"""A value in a table: NaN and NaT are None, times of day are microseconds."""
MOST_ENTRIES = 5_000
"""Entries of one table."""
_MOST_OF_ALL = 50_000
"""Entries of all tables of a version."""
ROWS_AN_ENTRY = 5
"""Rows that it takes, on average, until a value is known for what determines it."""
ROWS_A_NUMBER = 2
"""The same where only those are kept that were there most often, such as numbers of articles."""
_MOST_NUMBERS = 8
"""Columns of such numbers that are tried, those of the fewest different ones."""
DAYS_AN_ENTRY = 2.0
"""Days on which an entry was seen, on average: on one alone, rows agree as they do within it."""


class LookUp(Law, frozen=True, kw_only=True):
    """Rows that agree in some terms have the value in another that training knew.

    Attributes:
        determinants: What is looked up.
        dependent: What is found.
        given: The values of each determinant, an entry each.
        then: The value that goes with them.
    """

    determinants: tuple[Term, ...]
    dependent: Term
    given: tuple[tuple[Cell, ...], ...]
    then: tuple[Cell, ...]

    @property
    def says(self) -> str:
        """It in a sentence."""
        return f"the {self.dependent.says} that training knew for each {told(self.determinants)}"

    def find(self, rows: Rows) -> Broken | None:
        """The rows that have another value than training knew."""
        what = ("entries", self.determinants, self.given)
        entries = rows.once(what, lambda: self._entries(rows))
        values = self.dependent.values(rows)
        known = {value: place for place, value in enumerate(self.then)}
        cells = cells_of(values.found)
        codes = np.array([*(known.get(cell, -1) for cell in cells), known.get(None, -1)])
        meant = np.array([known[value] for value in self.then])
        odd = np.flatnonzero((entries >= 0) & (codes[values.places] != meant[entries]))
        if not len(odd):
            return None
        row, entry = int(odd[0]), int(entries[odd[0]])
        where = ", ".join(
            f"{term.says} {shown(term, cells[entry], rows.schema)}"
            for term, cells in zip(self.determinants, self.given, strict=True)
        )
        place = int(values.places[row])
        there = shown(self.dependent, cells[place] if place >= 0 else None, rows.schema)
        return Broken(
            law=self,
            columns=self.columns,
            message=f"{self.dependent.says} is not what training knew in "
            f"{counted(len(odd), 'row')} of {len(rows):,}, such as {there} instead of "
            f"{shown(self.dependent, self.then[entry], rows.schema)} for {where}",
            rows=odd,
            strict=self.is_strict,
            numbers={"rows": len(odd)},
            cases=self._cases(entries, odd, values.places[odd], [*cells, None]),
        )

    def _cases(
        self, entries: Array, odd: Array, places: Array, cells: Sequence[Cell]
    ) -> dict[str, float]:
        """Which value an entry has, in which share of its rows; none if there are too many.

        An entry is told by its values: in the table of another version it has another place.
        """
        pairs, counts = np.unique(np.stack((entries[odd], places)), axis=1, return_counts=True)
        if len(counts) > MOST_CASES:
            return {}
        sizes = np.bincount(entries[entries >= 0])[pairs[0]]
        return {
            f"{[given[entry] for given in self.given]}: {cells[place]}": share
            for entry, place, share in zip(*pairs.tolist(), (counts / sizes).tolist(), strict=True)
        }

    def _entries(self, rows: Rows) -> Array:
        """The entry of each row, -1 where there is none.

        Entries are told apart together with the rows, and come first.
        """
        codes = []
        for term, given in zip(self.determinants, self.given, strict=True):
            places = {value: place for place, value in enumerate(dict.fromkeys(given))}
            values = term.values(rows)
            known = np.array([*(places.get(cell, -1) for cell in cells_of(values.found)), -1])
            own = np.array([places[value] for value in given])
            codes.append(np.concatenate([own, known[values.places]]))
        found = combined(*codes)[len(self.then) :]
        found[found >= len(self.then)] = -1
        return found


def discover(training: TrainingRows) -> list[LookUp]:
    """Find what was the same on every training day.

    Args:
        training: The training rows.
    """
    if training.days < ENOUGH_DAYS:
        return []
    found: list[LookUp] = []
    entries = 0
    for law in _found(Search(training)):
        entries += len(law.then)
        if entries > _MOST_OF_ALL:
            break
        found.append(law)
    return found


def _found(search: Search) -> Iterator[LookUp]:
    """What holds on all days, by one determinant, by two, and then by numbers of many things."""
    known: set[tuple[Term, Term]] = set()
    everywhere = np.zeros(len(search.rows), dtype=np.int64)
    order = shuffled(everywhere)
    for terms in _determinants(search):
        groups = grouped(search.rows, terms)
        often = _often(groups, search.day_of)
        if often.sum() < DAYS_AN_ENTRY * np.count_nonzero(often):
            continue
        for dependent in search.candidates(terms, groups):
            if any((term, dependent) in known for term in terms):
                continue
            if any((terms[0], one) in known for one, other in known if other == dependent):
                continue  # told by what is told
            places = dependent.values(search.rows).places
            if rows_differ(groups, places, missing=True).any():
                continue
            if days_broken(groups, places[order], search.day_of) < ENOUGH_DAYS:
                continue  # what shuffled values keep as well holds by chance
            if search.just_miss(terms, dependent):
                continue
            if len(terms) == 1:
                known.add((terms[0], dependent))
            yield _law(search, terms, dependent, groups, often)


def _determinants(search: Search) -> Iterator[tuple[Term, ...]]:
    """What may be looked up: terms of few values, two of them, and then such of many values."""
    few = [term for term in search.singles if term.part != "hour"]
    few += _clock_offset(search)
    most = min(MOST_ENTRIES, len(search.rows) // ROWS_AN_ENTRY)
    for size in (1, 2):
        for terms in combinations(few, size):
            if 1 < _count(search, terms) <= most:
                yield terms
    fields = (one for one in search.rows.schema if one.role == "value")
    named = [Term(one.name) for one in fields if one.kind is Kind.TEXT or one.declared != "float"]
    sizes = {(term,): _count(search, (term,)) for term in named}
    many = [
        terms
        for terms, size in sizes.items()
        if (terms[0] not in few or size > most) and 1 < size <= len(search.rows) // ROWS_A_NUMBER
    ]
    yield from sorted(many, key=sizes.__getitem__)[:_MOST_NUMBERS]


def _count(search: Search, terms: tuple[Term, ...]) -> int:
    """How many entries a table has."""
    return int(grouped(search.rows, terms).max(initial=-1)) + 1


def _often(groups: Array, day_of: Array) -> Array:
    """On how many days each group was seen."""
    known = (groups >= 0) & (day_of >= 0)
    days = int(day_of.max(initial=0)) + 1
    pairs = np.unique(groups[known] * days + day_of[known])
    return np.bincount(pairs // days, minlength=int(groups.max(initial=-1)) + 1)


def _clock_offset(search: Search) -> list[Term]:
    """The offset of the clock, where enough training days had each of them."""
    event_time = search.rows.schema.event_time
    if event_time is None:
        return []
    term = Term(event_time, "clock offset")
    values = term.values(search.rows)
    days = [
        len(np.unique(search.day_of[values.places == place])) for place in range(len(values.found))
    ]
    return [term] if len(days) > 1 and min(days) >= ENOUGH_DAYS else []


def _law(
    search: Search, terms: tuple[Term, ...], dependent: Term, groups: Array, often: Array
) -> LookUp:
    """The law, with the entries that were there most often."""
    found, first = np.unique(groups, return_index=True)
    found, first = found[found >= 0], first[found >= 0]
    first = first[np.sort(np.argsort(-often[found], kind="stable")[:MOST_ENTRIES])]
    return LookUp(
        columns=(dependent.column, *(term.column for term in terms)),
        days=search.days,
        determinants=terms,
        dependent=dependent,
        given=tuple(cells_at(term.values(search.rows), first) for term in terms),
        then=cells_at(dependent.values(search.rows), first),
    )


def cells_at(values: Values, rows: Array) -> tuple[Cell, ...]:
    """The values at some rows, as tables keep them."""
    cells = [*cells_of(values.found), None]
    return tuple(cells[place] for place in values.places[rows].tolist())


def cells_of(found: Array) -> list[Any]:
    """Values as plain data; times of day in microseconds."""
    cells: list[Any] = (found.astype(np.int64) if found.dtype.kind in "mM" else found).tolist()
    return cells


def shown(term: Term, cell: Cell, schema: Schema) -> str:
    """A value of a table in a sentence, as its field is declared."""
    if cell is None:
        return "none"
    is_field = term.part == "value" and term.column in schema
    declared = schema[term.column].declared if is_field else None
    if declared == "datetime":
        time = np.datetime_as_string(np.datetime64(int(cell), "us"), "auto")
        return f"{time}Z" if "T" in time else time
    if declared == "bool":
        return str(bool(cell))
    if term.part == "time of day":
        return term.show(pd.Timedelta(int(cell), "us"))
    return term.show(cell)
