"""The search for the row of a key that counts at a time: one rule, for one row and for many."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterator
from datetime import timedelta
from functools import cached_property

import numpy as np

from lockstep.columns.kinds import Array, Ints, Times

FOREVER = 2**63 - 1
_LARGEST = 2**63


class OrderedTimes:
    """Times of groups, in microseconds: ascending within each, one group after the other.

    Attributes:
        starts: By group, and for the end: the position of its first time.
    """

    def __init__(self, times: Ints, starts: Ints) -> None:
        self.times, self.starts = times, starts

    def stops(self, groups: Ints, bounds: Times) -> Ints:
        """The position after the last time of each group that is at or before a bound.

        That of the group's first time where there is none; 0 for the group -1.
        """
        times, ranks = self.ranks
        if times is None:
            first, last = self._span
            places = np.clip(bounds.view(np.int64), first - 1, last) - (first - 1)
            wanted = groups * (last - first + 2) + places
        else:
            places = np.searchsorted(times, bounds.view(np.int64), "right")
            wanted = groups * (len(times) + 1) + places
        found: Ints = np.searchsorted(ranks, wanted, "right")
        found[groups < 0] = 0
        return found

    @cached_property
    def _span(self) -> tuple[int, int]:
        """The first and the last time."""
        return (int(self.times.min()), int(self.times.max())) if len(self.times) else (0, 0)

    @cached_property
    def ranks(self) -> tuple[Ints | None, Ints]:
        """For each time one number that orders by group and time; and the times, if it counts them.

        It counts the microseconds between the times, unless there are too many for an integer.
        """
        groups = np.repeat(np.arange(len(self.starts) - 1), np.diff(self.starts))
        first, last = self._span
        if (last - first + 2) * len(self.starts) < _LARGEST:
            return None, groups * (last - first + 2) + (self.times - (first - 1))
        times, ranks = np.unique(self.times, return_inverse=True)
        return times, groups * (len(times) + 1) + ranks + 1


class Timeline:
    """By group of a key, from when on which row is the last one that counts.

    A row counts once it is valid and known, until a row is known that takes its place.
    """

    def __init__(
        self, times: OrderedTimes, valid: Ints, rows: Ints | None = None, delay: int = 0
    ) -> None:
        """Keep when the row is another one.

        Args:
            valid: By row, from when it is valid.
            rows: By time, the row from then on, -1 for none; by default each time has its own.
            delay: Microseconds by which all times are later than `times` says.
        """
        self.times, self._valid, self._delay = times, valid, delay
        self._rows = None if rows is None else np.append(rows, -1)  # at -1 stands none
        self._data = times.times.data, times.starts.data, valid.data

    @classmethod
    def of(
        cls, starts: Ints, valid: Ints, known: Ints, until: Ints | None, withdrawn: Array
    ) -> Timeline:
        """That of rows by group and valid, of two of which that count the later one goes before."""
        groups = np.repeat(np.arange(len(starts) - 1), np.diff(starts))
        seen = np.maximum(valid, known)
        order = np.lexsort((seen, groups))
        if until is None or not withdrawn.any():  # who takes a place goes before who had it
            last = np.maximum.accumulate(order)
            return cls(OrderedTimes(seen[order], starts), valid, last)
        stays = order[until[order] == FOREVER]
        passing = np.flatnonzero((until < FOREVER) & (seen < until))
        steps = np.array([*_steps(passing, groups, seen, until)], np.int64).reshape(-1, 3).T
        is_step = np.arange(len(stays) + steps.shape[1]) >= len(stays)
        of, since, row = np.hstack([[groups[stays], seen[stays], stays], steps])
        order = np.lexsort((since, of))
        of, since, row, is_step = of[order], since[order], row[order], is_step[order]
        last = np.maximum.accumulate(np.where(is_step, -1, row))
        place = np.maximum.accumulate(np.where(is_step, np.arange(len(row)), 0))
        step = np.where(is_step[place] & (of[place] == of), row[place], -1)
        last = np.maximum(np.where(last < starts[of], -1, last), step)
        return cls(OrderedTimes(since, np.searchsorted(of, np.arange(len(starts)))), valid, last)

    def latest(
        self,
        groups: Ints,
        as_of: Times | None,
        within: timedelta | None = None,
        known_by: Times | None = None,
    ) -> Ints:
        """The position of the last row of each group that counts as of a time; -1 for none.

        Args:
            groups: -1 has no rows.
            as_of: The times; None for a static table.
            within: How long the row may have been valid.
            known_by: By when it has to be known, where that is before `as_of`.
        """
        starts = self.times.starts
        if as_of is None:
            found = starts[groups + 1] - 1
        else:
            at: Times = as_of if known_by is None else np.minimum(as_of, known_by)
            bounds: Times = at - np.timedelta64(self._delay, "us")
            found = self.times.stops(groups, bounds) - 1
        found[found < starts[groups]] = -1
        if self._rows is not None:
            found = self._rows[found]
        if within is not None and as_of is not None:
            oldest = (as_of - np.timedelta64(within)).view(np.int64)
            hits = np.flatnonzero(found >= 0)
            found[hits[self._valid[found[hits]] < oldest[hits]]] = -1
        return found

    def latest_of(self, group: int, as_of: int, within: int | None = None) -> int:
        """`latest` of a single group, with times in microseconds; 0 for a static table."""
        if group < 0:
            return -1
        times, starts, valid = self._data
        start = starts[group]
        row = bisect_right(times, as_of - self._delay, start, starts[group + 1]) - 1
        if row < start:
            return -1
        if self._rows is not None:
            row = self._rows.item(row)
        return -1 if within is not None and row >= 0 and as_of - valid[row] > within else row


def _steps(passing: Ints, groups: Ints, seen: Ints, until: Ints) -> Iterator[tuple[int, int, int]]:
    """Of rows that count for a while: by group and time, the last of them from then on."""
    spans = zip(*(array[passing].tolist() for array in (groups, seen, until)), strict=True)
    rows = zip(passing.tolist(), spans, strict=True)
    counting: list[int] = []
    for group, time, row in sorted((of, at, row) for row, (of, *span) in rows for at in span):
        place = bisect_left(counting, row)
        if counting[place : place + 1] == [row]:
            del counting[place]
        else:
            counting.insert(place, row)
        yield group, time, counting[-1] if counting else -1
