"""Presence: a number of what is there is no less than what is known to have been there.

A row that tells how long a space has been free, and how long the car before stood there (see
`spans`), tells from when to when that car was in the garage. So a number of the cars that are there
(see `stocks`) is at least that of the stays that are known so, by the rows of the same day: of a
garage that is counted from midnight on, or without some of its cars, it may be less.

Which of two numbers is the stay, and which came after it, is found in the training days: what none
of their rows breaks, and the number of another row would.
"""

from __future__ import annotations

from typing import ClassVar

import numpy as np
from msgspec.structs import replace

from lockstep.columns.kinds import Bools, Floats, Ints
from lockstep.columns.plain import counted, show
from lockstep.laws import spans, stocks
from lockstep.laws.elapsed import UNITS
from lockstep.laws.glance import as_numbers
from lockstep.laws.law import ENOUGH_DAYS, Broken, Law
from lockstep.laws.rows import Rows, TrainingRows
from lockstep.laws.spans import Spanned
from lockstep.laws.stocks import Stock

OF_ONE_ROW = 1
"""How many rows have a number that is wrong where one row is, and by how many others are less where
its stay was corrected, if the row before does not tell when that began: no more is unusual only."""
LEAST_OF_OTHERS = 0.02
"""Share of the rows in which the number of another row would be less than is known, at least."""


class Present(Law, frozen=True, kw_only=True, tag="present"):
    """A number is no less than how many stays are known to last then.

    Attributes:
        thing: The column that names what has a stock; None where all rows are of one.
        after: What came after a stay, and in which unit: see `UNITS`.
        stay: How long it was, and in which unit.
        absolute: Seconds by which beginnings and ends may differ: what rounding takes.
        own: How many of its own rows a number counts.
        of: The column that names whose stays they are, such as spaces; None of a version that an
            older Lockstep fitted.
    """

    binds: ClassVar[bool] = False
    lacks: ClassVar[str] = "it is of no day, or none of its rows tells of a stay"

    thing: str | None
    after: tuple[str, str]
    stay: tuple[str, str]
    absolute: float
    own: int = 0
    of: str | None = None

    @property
    def says(self) -> str:
        """See `Law.says`."""
        return f"{self.columns[0]} is no less than how many stays{self._of_same} are known then."

    @property
    def _of_same(self) -> str:
        return "" if self.thing is None else f" of the same {self.thing}"

    def find(self, rows: Rows) -> Broken | None:
        """The rows whose number is less; see `Law.find`. Of the stays `spans` tells."""
        if rows.day is None:
            return None
        known, stays = self.compared(rows)
        is_less = self._numbers(rows)[known] < stays
        if not is_less.any():
            return None
        off, least = known[is_less], stays[is_less]
        lacking = least - self._numbers(rows)[off]
        most = int(lacking.argmax())
        holds = show(rows.columns[self.columns[0]][off[most]])
        return Broken(
            law=self,
            columns=(self.columns[0], *(() if self.thing is None else (self.thing,))),
            message=f"{self.columns[0]} is less than how many stays{self._of_same} are known by "
            f"{self.after[0]} and {self.stay[0]} in {len(off):,} of {counted(len(known), 'row')}, "
            f"such as {holds} of {least[most]:.0f}; on no training day it is: some are not counted",
            rows=off,
            strict=self.is_strict and self._is_of_several(rows, lacking),
            numbers={"rows with less": len(off)},
            cases={"rows": len(off) / len(known)},
        )

    def _is_of_several(self, rows: Rows, lacking: Floats) -> bool:
        """Whether several rows are at fault: one may have another number, or a stay corrected.

        Args:
            rows: The rows of a batch.
            lacking: By how much numbers are less than the stays that are known.
        """
        known, stays = self.compared(rows, is_sure=True)
        is_less = self._numbers(rows)[known] < stays
        return max(int(one.sum()) for one in (lacking > OF_ONE_ROW, is_less)) > OF_ONE_ROW

    def looks_at(self, rows: Rows) -> int:
        """See `Law.looks_at`."""
        return len(self.compared(rows)[0]) if rows.day is not None else 0

    def compared(self, rows: Rows, *, is_sure: bool = False) -> tuple[Ints, Ints]:
        """Positions of rows at whose moment stays are known to last, and how many, with themselves.

        Args:
            rows: The rows of a day, or of training days, each of which is looked at by itself.
            is_sure: Whether only stays are counted that began when the row before tells.
        """
        moments, groups = self._moments(rows)
        ends = moments - self._seconds(rows, self.after)
        begins = ends - self._seconds(rows, self.stay)
        order = np.argsort(groups, kind="stable")
        is_told = ~np.isnan(begins) & (groups >= 0)
        if is_sure:
            is_told &= self._are_sure(rows)
        told = order[is_told[order]]
        begun, over = (
            _before(groups, moments, groups[told], at)
            for at in (begins[told] + self.absolute, ends[told] - self.absolute)
        )
        stays = begun - over
        known = np.flatnonzero((stays > 0) & (groups >= 0) & ~np.isnan(self._numbers(rows)))
        return known, stays[known] + self.own

    def _are_sure(self, rows: Rows) -> Bools:
        """Of which rows the stay and what came after it reach back to the last row of the same."""
        if self.of is None:
            return np.zeros(len(rows), dtype=bool)
        told = self._seconds(rows, self.stay) + self._seconds(rows, self.after)
        off = np.abs(told - spans.since_last(rows, self.of))
        are_sure: Bools = off <= self.absolute
        return are_sure

    def _numbers(self, rows: Rows) -> Floats:
        return as_numbers(rows.columns[self.columns[0]])

    def _seconds(self, rows: Rows, part: tuple[str, str]) -> Floats:
        return as_numbers(rows.columns[part[0]]) * UNITS[part[1]]

    def _moments(self, rows: Rows) -> tuple[Floats, Ints]:
        """When each row was, in seconds, and of which day and thing it is; -1 of none."""
        name, days = rows.schema.event_time, rows.days
        assert name is not None, "there are stays of an event time"
        assert days is not None, "rows with an event time have days"
        times = rows.columns[name].astype("datetime64[us]")
        things = (
            np.zeros(len(rows), np.int64) if self.thing is None else rows.values(self.thing).places
        )
        is_known = ~np.isnat(times) & (things >= 0)
        since = np.where(is_known, days.astype("datetime64[D]").astype(np.int64), 0)
        since -= int(since.min(initial=0))
        groups = np.where(is_known, since * (int(things.max(initial=0)) + 1) + things, -1)
        return times.astype(np.int64) / 1e6, groups


def _before(groups: Ints, moments: Floats, of: Ints, at: Floats) -> Ints:
    """How many of some moments are before each row, among those of its group.

    Args:
        groups: The group of each row.
        moments: When it was.
        of: The groups of the moments that are counted.
        at: These moments.
    """
    both = np.lexsort(
        (
            np.repeat(
                [0, 1], [len(groups), len(of)]
            ),  # what is at the moment of a row is not before
            np.append(moments, at),
            np.append(groups, of),
        )
    )
    is_counted = both >= len(groups)
    counts = np.cumsum(is_counted)
    firsts = np.searchsorted(np.sort(of), groups)  # how many are of groups before
    found = np.empty(len(groups), dtype=np.int64)
    found[both[~is_counted]] = counts[~is_counted]
    return found - firsts


def discover(training: TrainingRows) -> list[Present]:
    """Find which numbers of what is there are no less than stays that are known.

    Args:
        training: The training rows.
    """
    found = []
    counts = [law for law in stocks.known(training) if law.is_rising and law.is_strict]
    told = [law for law in spans.known(training) if law.is_strict and len(law.units) == 2]
    for stock in counts:
        tried = [law for span in told for law in _orders(stock, span)]
        laws = [law for one in tried if (law := _law(training, one)) is not None]
        found += [max(laws, key=lambda law: len(law.compared(training.rows)[0]))] if laws else []
    return found


def _orders(stock: Stock, span: Spanned) -> list[Present]:
    """A stay and what came after it, whichever of two numbers is which."""
    first, second = zip(span.numbers, span.units, strict=True)
    return [
        Present(
            columns=tuple(dict.fromkeys((*stock.columns, *span.columns))),
            days=0,
            thing=stock.thing,
            after=after,
            stay=stay,
            absolute=span.absolute,
            own=int(stock.counts_itself),
            of=span.thing,
        )
        for after, stay in ((first, second), (second, first))
    ]


def _law(training: TrainingRows, law: Present) -> Present | None:
    """It as a law, held to all training days; None where any breaks it, or too few could."""
    known, stays = law.compared(training.rows)
    numbers = as_numbers(training.rows.columns[law.columns[0]])[known]
    if not len(known) or (numbers < stays).any():
        return None
    others = np.roll(numbers, len(numbers) // 2) < stays
    days = len(np.unique(training.day_of[known]))
    if days < ENOUGH_DAYS or np.mean(others) < LEAST_OF_OTHERS:
        return None
    return replace(law, days=days)
