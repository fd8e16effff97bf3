"""Caps: an hour of a category has as many rows as happen, rather than as many as get through.

A queue that is full, a limit of messages an hour or of rows a page cuts what is above it. What is
left of a busy hour is the same number in each, and no hour has more (a censored number has mass at
its bound: Tobin, "Estimation of relationships for limited dependent variables", 1958), while the
largest number of rows of a day is else that of one hour, or of a few that happen to have as many.
Sensors that tell each minute have as many rows in each hour of which none is lost: where hours have
as many as an hour of training ever had, or a day has more, nothing was cut.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from lockstep.columns.kinds import Array, Ints
from lockstep.columns.plain import counted
from lockstep.laws.bands import days_like, training_days
from lockstep.laws.copies import is_more, still_chance
from lockstep.laws.glance import categories
from lockstep.laws.law import Broken, Law
from lockstep.laws.rows import Rows, TrainingRows
from lockstep.laws.terms import Term, grouped

LEAST = 10
"""Rows of a day's busiest hour from which on it says something that others have as many."""
TELLING = 0.5
"""Of the hours of a day, those that it takes to tell, at most."""


class Uncapped(Law, frozen=True, kw_only=True, tag="uncapped"):
    """The largest number of rows of an hour of a category is that of a few hours of a day.

    Attributes:
        most: How many of them on a training day had as many rows as the busiest one, at most.
        busiest: How many rows an hour of a training day had, at most.
        size: Rows of the smallest and of the largest training day.
    """

    binds: ClassVar[bool] = False

    most: int
    busiest: int
    size: tuple[int, int]

    @property
    def says(self) -> str:
        """See `Law.says`."""
        category, _ = self.columns
        return f"Few hours of a day and {category} have as many rows as the busiest one."

    def find(self, rows: Rows) -> Broken | None:
        """See `Law.find`; the first day that a limit has cut.

        There are then also more hours that have as many rows as the limit than have one less.
        """
        category, time = self.columns
        for part in days_like(rows, self.size):
            busy = _Busiest.of(part.rows, _terms(category, time))
            is_whole = busy.rows >= self.busiest or len(part.rows) > self.size[1]
            if is_whole or not self._is_cut(busy):
                continue
            found = np.flatnonzero(busy.is_in)
            return Broken(
                law=self,
                columns=self.columns,
                message=f"{counted(busy.hours, 'pair')} of an hour and a {category} have "
                f"{counted(busy.rows, 'row')} "
                f"each, and none has more; on training days {self.most} at most had as many as the "
                "busiest: what was above a limit is lost",
                rows=part.in_batch(found),
                strict=self.is_strict,
                numbers={"hours as busy as the busiest": busy.hours},
            )
        return None

    def _is_cut(self, busy: _Busiest) -> bool:
        return busy.rows >= LEAST and is_more(busy.hours, max(self.most, busy.nearly))

    def looks_at(self, rows: Rows) -> int:
        """See `Law.looks_at`."""
        return sum(len(part.rows) for part in days_like(rows, self.size))


@dataclass(frozen=True, eq=False)
class _Busiest:
    """The hours of a day and category with most rows.

    Attributes:
        rows: How many rows each of them has.
        hours: How many hours have as many.
        nearly: How many have one less.
        every: How many hours there are.
        is_in: Which rows are in them: bool.
    """

    rows: int
    hours: int
    nearly: int
    every: int
    is_in: Array

    @classmethod
    def of(cls, rows: Rows, terms: tuple[Term, ...]) -> _Busiest:
        """Those of some rows.

        Args:
            rows: The rows of a day.
            terms: The category and the hour.
        """
        groups = grouped(rows, terms)
        sizes: Ints = np.bincount(groups[groups >= 0])
        most = int(sizes.max(initial=0))
        is_most = sizes == most
        return cls(
            rows=most,
            hours=int(is_most.sum()),
            nearly=int((sizes == most - 1).sum()),
            every=len(sizes),
            is_in=np.append(is_most, False)[groups],
        )


def _terms(category: str, time: str) -> tuple[Term, ...]:
    return Term(category), Term(time, "hour")


def discover(training: TrainingRows) -> list[Uncapped]:
    """Find the categories of which few hours of a day are as busy as the busiest one.

    Args:
        training: The training rows.
    """
    days, time = training_days(training), training.rows.schema.event_time
    if not days or time is None or not training.has_days:
        return []
    size = (min(map(len, days)), max(map(len, days)))
    found = []
    for category in categories(training.rows):
        name = str(category.column)
        busy = [_Busiest.of(day, _terms(name, time)) for day in days]
        most = max(one.hours for one in busy)
        enough = min(one.rows for one in busy) >= LEAST
        if enough and still_chance(most) <= TELLING * np.median([one.every for one in busy]):
            busiest = max(one.rows for one in busy)
            found.append(
                Uncapped(
                    columns=(name, time), days=len(days), most=most, busiest=busiest, size=size
                )
            )
    return found
