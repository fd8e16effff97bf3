"""Gaps: missing values that are there after known ones, and before them, wherever rows are alike.

What upstream does not know it may fill with the value of the row before, within an airline and
route, say, or of the row after. Each value is then one that the row could have had, and a few more
of them are known than usual. But no gap is left that comes after a known value: where every day had
many, within each combination of some categories, a day without them was filled. That is so for
every combination of which those are parts within which it was filled.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import combinations

import numpy as np

from lockstep.columns.kinds import Array, Floats, Ints
from lockstep.columns.plain import counted
from lockstep.columns.tables import is_missing
from lockstep.laws.bands import days_like, training_days
from lockstep.laws.dependencies import Search
from lockstep.laws.glance import glance, value_columns
from lockstep.laws.law import Broken, Law
from lockstep.laws.rows import Rows, TrainingRows
from lockstep.laws.terms import Term, by_group, grouped, told

ENOUGH_ROWS = 20
"""Gaps that every day has that is judged."""
STEADY = 0.5
"""Smallest share of gaps on any training day, by that of a usual one, of those that there have to
be."""
GONE = 0.1
"""Share of the fewest gaps that there ever were below which they are gone."""
_MOST_LAWS = 3
"""Combinations that are kept of a column: those with the fewest gaps, which are parted most."""
_WAYS = ("after", "before")


class Gaps(Law, frozen=True, kw_only=True, tag="gaps"):
    """A column is missing in rows that come after ones of their kind in which it is known.

    Attributes:
        terms: What rows of a kind agree in.
        fewest: The smallest share of a day's rows that are gaps after a known value; and before
            one.
        usual: Share of the rows of a usual day in which the column is missing. Where more are,
            none was filled.
        size: Rows of the smallest and of the largest training day.
    """

    terms: tuple[Term, ...]
    fewest: tuple[float, float]
    usual: float
    size: tuple[int, int]

    @property
    def says(self) -> str:
        """See `Law.says`."""
        return f"{self.columns[0]} is missing after known values of each {told(self.terms)}."

    def find(self, rows: Rows) -> Broken | None:
        """See `Law.find`; each day of a batch is judged by itself."""
        for part in days_like(rows, self.size):
            seen = glance(part.rows)
            missing = seen.missing(self.columns[0])
            if missing.mean() > self.usual:
                continue
            order, kinds = _ordered(seen.rows, self.terms)
            gaps = _gaps(missing, order, kinds)
            for way, fewest, is_gap in zip(_WAYS, self.fewest, gaps, strict=True):
                found, expected = int(is_gap.sum()), fewest * len(order)  # of those of a kind
                if expected >= ENOUGH_ROWS and found < GONE * expected:
                    return self._broken(way, found, len(seen), fewest)
        return None

    def _broken(self, way: str, found: int, rows: int, fewest: float) -> Broken:
        return Broken(
            law=self,
            columns=self.columns[:1],
            message=f"{self.columns[0]} is missing in {counted(found, 'row')} of {rows:,} that "
            f"come {way} one of the same {told(self.terms)} in which it is known; on every "
            f"training day in {fewest:.1%} of the rows or more: what is not known was filled with "
            f"the value {'before' if way == 'after' else 'after'}",
            strict=self.is_strict,
            numbers={f"gaps {way} known values": found},
        )

    def looks_at(self, rows: Rows) -> int:
        """See `Law.looks_at`."""
        return sum(len(glance(part.rows)) for part in days_like(rows, self.size))


def _ordered(rows: Rows, terms: tuple[Term, ...]) -> tuple[Ints, Ints]:
    """Rows by their kind and then by time, those of none left out; and the kind of each."""
    return rows.once(("by kind and time", terms), lambda: _order(rows, grouped(rows, terms)))


def _order(rows: Rows, groups: Array) -> tuple[Ints, Ints]:
    by_time = rows.once("by time", lambda: _by_time(rows))
    order = by_time[by_group(groups[by_time])]
    order = order[groups[order] >= 0]
    return order, groups[order]


def _by_time(rows: Rows) -> Ints:
    time = rows.schema.event_time
    return np.arange(len(rows)) if time is None else np.argsort(rows.columns[time], kind="stable")


def _gaps(missing: Array, order: Ints, groups: Ints) -> tuple[Array, Array]:
    """Which rows, in this order, are gaps after a known value of their kind, and before one."""
    gone = missing[order]
    starts = np.r_[True, groups[1:] != groups[:-1]][: len(groups)]
    place = np.flatnonzero(starts)
    kind = np.cumsum(starts) - 1
    known = np.cumsum(~gone)
    first = known[place] - ~gone[place]  # those of the kinds before
    last = np.r_[first[1:], known[-1:]]
    return gone & (known > first[kind]), gone & (known < last[kind])


def discover(training: TrainingRows) -> list[Gaps]:
    """Find where values are missing after known ones on all training days.

    Args:
        training: The training rows.
    """
    days = training_days(training)
    if not days:
        return []
    search = Search(training)
    size = (min(map(len, days)), max(map(len, days)))
    names = [
        name
        for name in value_columns(training.rows.schema)
        if ENOUGH_ROWS * search.days <= int(is_missing(training.rows.columns[name]).sum())
    ]
    return [law for name in names for law in _of_column(search, name, size)]


def _of_column(search: Search, column: str, size: tuple[int, int]) -> list[Gaps]:
    """The laws of a column: of the combinations with the fewest gaps, as long as they are many."""
    missing = is_missing(search.rows.columns[column])
    usual = float(f"{np.median(_by_day(search, missing)):.4g}")
    found: list[tuple[float, Gaps]] = []
    for terms in _kinds(search, column, missing):
        shares = _shares(search, missing, terms)
        lowest = shares.min(axis=1)
        if np.all(lowest * size[0] < ENOUGH_ROWS):
            continue
        if np.any(lowest < STEADY * np.median(shares, axis=1)):
            continue
        fewest = float(f"{lowest[0]:.4g}"), float(f"{lowest[1]:.4g}")
        columns = (column, *(term.column for term in terms))
        law = Gaps(
            columns=columns,
            days=search.days,
            terms=terms,
            fewest=fewest,
            usual=usual,
            size=size,
        )
        found.append((float(lowest.min()), law))
    finest = sorted(found, key=lambda one: one[0])[:_MOST_LAWS]
    return [law for _, law in finest]


def _kinds(search: Search, column: str, missing: Array) -> Iterator[tuple[Term, ...]]:
    """Terms of which rows are of a kind: none that is missing where the column is."""
    singles = [
        term
        for term in search.singles
        if term.part == "value"
        and term.column != column
        and np.mean(is_missing(search.rows.columns[term.column])[missing]) < STEADY
    ]
    yield from combinations(singles, 2)
    yield from ((term,) for term in singles)


def _shares(search: Search, missing: Array, terms: tuple[Term, ...]) -> Floats:
    """The share of gaps in the rows of each day, after known values and before them."""
    groups = grouped(search.rows, terms)
    is_of_day = search.day_of >= 0
    by_day = np.where(is_of_day & (groups >= 0), groups * search.days + search.day_of, -1)
    order, kinds = _order(search.rows, by_day)
    found = []
    for is_gap in _gaps(missing, order, kinds):
        is_one = np.zeros(len(missing), dtype=bool)
        is_one[order[is_gap]] = True
        found.append(_by_day(search, is_one))
    return np.array(found)


def _by_day(search: Search, chosen: Array) -> Floats:
    """The share of each day's rows that are chosen."""
    is_of_day = search.day_of >= 0
    rows, some = (
        np.bincount(search.day_of[one], minlength=search.days)
        for one in (is_of_day, is_of_day & chosen)
    )
    return some / np.maximum(rows, 1)
