"""Cases: which combinations of values rows have, among those that training knew."""

from __future__ import annotations

import msgspec
import numpy as np

from lockstep.columns.kinds import Ints
from lockstep.laws.lookups import Cell, cells_of, shown
from lockstep.laws.rows import Rows, Values
from lockstep.laws.terms import Term, first_of, grouped


class Cases(msgspec.Struct, frozen=True, kw_only=True):
    """Combinations of the values of some terms.

    Attributes:
        terms: What is combined.
        labels: The values of each term.
        entries: The combinations that are known, in order: their places, as digits of a number.
    """

    terms: tuple[Term, ...]
    labels: tuple[tuple[Cell, ...], ...]
    entries: tuple[int, ...]

    @classmethod
    def of(cls, rows: Rows, terms: tuple[Term, ...], groups: Ints) -> tuple[Cases, Ints]:
        """The cases of some groups of rows.

        Args:
            rows: The rows.
            terms: What is combined.
            groups: Which of the groups that agree in all terms are kept: see `terms.grouped`.

        Returns:
            The cases, and the group that each of them is.
        """
        found = [term.values(rows) for term in terms]
        first = first_of(grouped(rows, terms))
        numbers = np.zeros(len(groups), dtype=np.int64)
        for one in found:
            numbers = numbers * len(one.found) + one.places[first[groups]]
        order = np.argsort(numbers)
        cases = cls(
            terms=terms,
            labels=tuple(tuple(cells_of(one.found)) for one in found),
            entries=tuple(numbers[order].tolist()),
        )
        return cases, groups[order]

    def places(self, rows: Rows) -> Ints:
        """Which of the cases each row is: its place among them, -1 for none."""
        number, is_known = np.zeros(len(rows), dtype=np.int64), np.ones(len(rows), dtype=bool)
        for term, labels in zip(self.terms, self.labels, strict=True):
            code = coded(term.values(rows), labels)
            number = number * len(labels) + code
            is_known &= code >= 0
        entries = np.array(self.entries)
        at = np.minimum(np.searchsorted(entries, number), len(entries) - 1)
        return np.where(is_known & (entries[at] == number), at, -1)

    def told(self, rows: Rows, row: int) -> str:
        """The case of a row in a sentence."""
        return ", ".join(
            f"{term.says} {shown(term, cells_of(values.found)[values.places[row]], rows.schema)}"
            for term, values in ((term, term.values(rows)) for term in self.terms)
        )


def coded(values: Values, labels: tuple[Cell, ...]) -> Ints:
    """The place of each row's value among some; -1 for others, and where it is missing."""
    places = {label: place for place, label in enumerate(labels)}
    codes = [places.get(cell, -1) for cell in cells_of(values.found)]
    return np.array([*codes, -1], dtype=np.int64)[values.places]
