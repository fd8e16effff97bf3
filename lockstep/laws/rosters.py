"""Rosters: things that have a row on every day, such as each product of each shop.

Where several columns name a thing, or it has several rows a day, a table is no grid (see `panels`),
and still each of its things is there every day. One that is not has been lost, or goes by another
name: too few rows of too many for any share of rows to tell. What names the things is found by how
many come again each day (see `things`).
"""

from __future__ import annotations

from typing import ClassVar

import numpy as np

from lockstep.columns.kinds import Ints
from lockstep.columns.plain import counted, listed
from lockstep.columns.schema import Schema
from lockstep.laws.cases import Cases
from lockstep.laws.dependencies import MOST_CASES
from lockstep.laws.law import ENOUGH_DAYS, Broken, Law
from lockstep.laws.lookups import shown
from lockstep.laws.panels import MOST_THINGS, panel_of
from lockstep.laws.rows import Rows, TrainingRows
from lockstep.laws.terms import grouped, told
from lockstep.laws.things import names_of_things

ALWAYS = 0.9
"""Things that are there on every training day, of as many as a usual day has, at least."""
LEARNT = 2 / 3
"""Share of the training days, the first ones, after which none that was always there is lost."""
_NAMED = 3
"""Things without a row that a message names."""


class Roster(Law, frozen=True, kw_only=True, tag="roster"):
    """Each of some things has a row every day.

    One that has none may be gone for good: that is unusual, and blocks nothing.

    Attributes:
        always: The things that were there on every training day.
    """

    binds: ClassVar[bool] = False
    lacks: ClassVar[str] = "it is of no one day"

    always: Cases

    @property
    def says(self) -> str:
        """See `Law.says`."""
        return (
            f"Each of {len(self.always.entries):,} {told(self.always.terms)} has a row every day."
        )

    def find(self, rows: Rows) -> Broken | None:
        """The things without a row, if they are more than rows were set aside; see `Law.find`."""
        if rows.day is None:
            return None
        of_day = self.always.places(rows)
        if rows.outside is not None:
            of_day = of_day[~rows.outside]
        gone = np.setdiff1d(np.arange(len(self.always.entries)), of_day)
        if len(gone) <= rows.aside:
            return None
        called = [self._name(one, rows.schema) for one in gone[: MOST_CASES + 1].tolist()]
        names = listed(called[:_NAMED], _NAMED)
        return Broken(
            law=self,
            columns=self.columns,
            message=f"{counted(len(gone), 'thing')} of {len(self.always.entries):,} "
            f"({told(self.always.terms)}) {'has' if len(gone) == 1 else 'have'} no row, such as "
            f"{names}; each had one on every training day: lost, told by another name, or gone for "
            "good",
            strict=False,
            numbers={"things without a row": len(gone)},
            cases=dict.fromkeys(called, 1.0) if len(gone) <= MOST_CASES else {},
        )

    def looks_at(self, rows: Rows) -> int:
        """See `Law.looks_at`."""
        return len(rows) if rows.day is not None else 0

    def _name(self, thing: int, schema: Schema) -> str:
        """What a thing is called in a sentence."""
        number, said = self.always.entries[thing], []
        terms = zip(self.always.terms, self.always.labels, strict=True)
        for term, labels in reversed(list(terms)):
            number, place = divmod(number, len(labels))
            said.append(f"{term.says} {shown(term, labels[place], schema)}")
        return " of ".join(said)


def discover(training: TrainingRows) -> list[Roster]:
    """Find whether things that columns name are there every day; those of a grid are told by that.

    Args:
        training: The training rows.
    """
    if not training.has_days or training.days < ENOUGH_DAYS or panel_of(training) is not None:
        return []
    terms = names_of_things(training)
    groups = grouped(training.rows, terms) if terms else np.empty(0, dtype=np.int64)
    things = int(groups.max(initial=-1)) + 1
    if not 1 < things <= MOST_THINGS:
        return []
    kept = _always(groups, things, training)
    if not len(kept):
        return []
    always, _ = Cases.of(training.rows, terms, kept)
    return [Roster(columns=tuple(term.column for term in terms), days=training.days, always=always)]


def _always(groups: Ints, things: int, training: TrainingRows) -> Ints:
    """The things that are there every day; none where later days lack some that seemed to be.

    Args:
        groups: Which thing each training row is of; -1 for none.
        things: How many there are.
        training: The training rows.
    """
    known = (groups >= 0) & (training.day_of >= 0)
    is_there = np.zeros((training.days, things), dtype=bool)
    is_there[training.day_of[known], groups[known]] = True
    always = np.flatnonzero(is_there.all(axis=0))
    seemed = np.count_nonzero(is_there[: int(LEARNT * training.days)].all(axis=0))
    usual = float(np.median(is_there.sum(axis=1)))
    return always if seemed == len(always) >= ALWAYS * usual else always[:0]
