"""Lasting values: codes that are the same all day and seldom change, such as a season or a release.

On training days each change was to a value that had not been there before. So a value that has
passed does not come back, but for the first one, with which a cycle begins anew; one that was
published all the same is where the values go on from.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import ClassVar

import numpy as np

from lockstep.columns.kinds import Kind
from lockstep.columns.plain import counted, show
from lockstep.laws import calendars
from lockstep.laws.law import ENOUGH_DAYS, Broken, Law
from lockstep.laws.lookups import Cell, cells_of
from lockstep.laws.rows import Rows, TrainingRows

ENOUGH_CHANGES = 2
"""Changes that it takes to tell that values do not come back."""
MOST_CHANGES = 0.05
"""Share of the training days on which a value that lasts changes, at most."""


class Lasts(Law, frozen=True, kw_only=True):
    """A value that lasted for many days, and has passed, does not come back.

    Attributes:
        values: What followed each other on the training days.
    """

    binds: ClassVar[bool] = False

    values: tuple[Cell, ...]

    @property
    def says(self) -> str:
        """See `Law.says`."""
        return f"{self.columns[0]} does not go back to a value that it had"

    def find(self, rows: Rows) -> Broken | None:
        """The rows of a value that has passed; see `Law.find`: it is unusual only."""
        if rows.day is None:
            return None
        before = (batch.lasting.get(self.columns[0]) for batch in rows.earlier)
        history = _since_the_first((*self.values, *(one for one in before if one is not None)))
        passed = {*history[1:-1]}
        values = rows.values(self.columns[0])
        is_odd = np.array([*(cell in passed for cell in cells_of(values.found)), False])
        odd = np.flatnonzero(is_odd[values.places])
        if not len(odd):
            return None
        return Broken(
            law=self,
            columns=self.columns,
            message=f"{self.columns[0]} is {show(values.found[values.places[odd[0]]])} in "
            f"{counted(len(odd), 'row')} of {len(rows):,}, after it was {show(history[-1])}: on "
            "training days no value that had passed came back",
            rows=odd,
            strict=False,
            numbers={"rows": len(odd)},
        )

    def value_of(self, rows: Rows) -> Cell:
        """The value of all rows of a batch; None where there are several."""
        found = cells_of(rows.values(self.columns[0]).found)
        cell: Cell = found[0] if len(found) == 1 else None
        return cell


def _since_the_first(values: Iterable[Cell]) -> list[Cell]:
    """The different values since one came back the last time, in the order in which they did."""
    history: list[Cell] = []
    for value in values:
        if value in history[:-1]:
            history = [value]
        elif value not in history:
            history.append(value)
    return history


def discover(training: TrainingRows) -> list[Lasts]:
    """Find what lasts for many days, and does not come back.

    Args:
        training: The training rows.
    """
    if not training.has_days or training.days < ENOUGH_DAYS:
        return []
    dated = {law.columns[0] for law in calendars.known(training)}
    fields = (one for one in training.rows.schema if one.role == "value" and one.name not in dated)
    names = [one.name for one in fields if one.kind is Kind.TEXT or one.declared != "float"]
    found = ((name, _lasting(training, name)) for name in names)
    return [
        Lasts(columns=(name,), days=training.days, values=values)
        for name, values in found
        if values
    ]


def _lasting(training: TrainingRows, name: str) -> tuple[Cell, ...]:
    """The values that followed each other; none where they do not last, or come back."""
    values = training.rows.values(name)
    most = 1 + MOST_CHANGES * training.days
    if not ENOUGH_CHANGES < len(values.found) <= most:
        return ()
    known = (values.places >= 0) & (training.day_of >= 0)
    pairs = np.unique(np.stack((training.day_of[known], values.places[known])), axis=1)
    several = pairs.shape[1] > len(np.unique(pairs[0]))
    changes = np.count_nonzero(np.diff(pairs[1]))
    if several or changes != len(values.found) - 1:
        return ()
    cells = cells_of(values.found)
    return tuple(cells[place] for place in dict.fromkeys(pairs[1].tolist()))
