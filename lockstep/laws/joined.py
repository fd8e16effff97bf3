"""What was joined: records that several columns hold together, such as the weather of a place.

Where two or more columns are one for each value of what determines them (an origin and an hour:
see `dependencies`), what they hold is a record of its own, that was joined to the rows. Joined from
another hour or day it is a record that was there before, though no row is: records of what is
measured hardly ever come twice to the last digit. They are counted by what determines them, not by
rows, of which a busy hour has more.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from lockstep.columns.kinds import Array, Ints
from lockstep.columns.plain import listed
from lockstep.laws import dependencies
from lockstep.laws.copies import (
    FEW,
    MOST_USUAL,
    TIMES,
    WINDOW,
    by_chance,
    copies_of_days_before,
    days_of,
    repeats,
    shares_of_copies,
)
from lockstep.laws.earlier import held_by, mixed
from lockstep.laws.glance import value_columns
from lockstep.laws.law import Broken, Law
from lockstep.laws.rows import Rows, TrainingRows
from lockstep.laws.terms import Term, first_of, grouped_by_day, told

ENOUGH_A_DAY = 10
"""Records that a usual day has at least."""
BY_CHANCE = 3
"""Copies more than usual that are merely unusual, however few records there are."""


class NewJoined(Law, frozen=True, kw_only=True):
    """What was joined to the rows is not what was joined before, but for as much as ever.

    Attributes:
        determinants: What determines the record that is joined.
        joined: The columns that hold it.
        within: Largest share of a training day's records that repeat one before them; None where
            that is so large that it says nothing.
        across: Largest share that repeat one of the days before; None likewise.
    """

    binds: ClassVar[bool] = False

    determinants: tuple[Term, ...]
    joined: tuple[str, ...]
    within: float | None
    across: float | None

    @property
    def says(self) -> str:
        """See `Law.says`."""
        return f"no two {told(self.determinants)} have the same {listed(self.joined)}"

    @property
    def what(self) -> str:
        """What records are kept of for it."""
        return f"{', '.join(self.joined)} by {told(self.determinants)}"

    def digests(self, rows: Rows) -> Array:
        """A digest of each record: uint64."""
        return _records(rows, self.determinants, self.joined).digests

    def find(self, rows: Rows) -> Broken | None:
        """The rows whose record was there before, where there are more than training days had."""
        records = _records(rows, self.determinants, self.joined)
        if not len(records.first):
            return None
        every = days_of(rows)
        days = None if every is None else every[records.first]
        if self.within is not None:
            copies = repeats(records.digests, days)
            found = self._beyond(
                rows, records, copies, self.within, "another one before, on that day"
            )
            if found is not None:
                return found
        if self.across is None:
            return None
        copies = copies_of_days_before(records.digests, days)
        published = [one.joined for one in rows.earlier[-WINDOW:] if self.what in one.joined]
        copies |= held_by([joined[self.what] for joined in published], records.digests)
        return self._beyond(rows, records, copies, self.across, "another one on the days before")

    def _beyond(
        self, rows: Rows, records: _Records, copies: Array, usual: float, where: str
    ) -> Broken | None:
        count, size = int(copies.sum()), len(copies)
        if count <= 1 or count / size <= by_chance(usual, size):
            return None
        groups = np.flatnonzero(copies)
        positions = np.flatnonzero(np.isin(records.record_of, groups))
        place = ", ".join(
            f"{term.says} {term.show(values.found[values.places[records.first[groups[0]]]])}"
            for term in self.determinants
            for values in (term.values(rows),)
        )
        return Broken(
            law=self,
            columns=(*self.joined, *dict.fromkeys(one.column for one in self.determinants)),
            message=f"{count:,} of {size:,} {told(self.determinants)} have exactly the "
            f"{listed(self.joined, 3)} of {where}, such as {place}; on training days at most "
            f"{100 * usual:.3g} % had: it was joined from elsewhere, or was not renewed",
            rows=positions,
            strict=self.is_strict and count / size > TIMES * usual + max(FEW, BY_CHANCE / size),
            numbers={"joined before": count},
        )

    def looks_at(self, rows: Rows) -> int:
        """See `Law.looks_at`."""
        return int(np.count_nonzero(_records(rows, self.determinants, self.joined).record_of >= 0))


@dataclass(frozen=True, eq=False)
class _Records:
    """What was joined to some rows.

    Attributes:
        first: The first row of each record.
        digests: A digest of each.
        record_of: Which record each row has; -1 where it has none, or hardly any value of it.
    """

    first: Ints
    digests: Array
    record_of: Ints


def _records(rows: Rows, determinants: tuple[Term, ...], joined: tuple[str, ...]) -> _Records:
    return rows.once(("joined", determinants, joined), lambda: _find(rows, determinants, joined))


def _find(rows: Rows, determinants: tuple[Term, ...], joined: tuple[str, ...]) -> _Records:
    groups = grouped_by_day(rows, determinants)
    values = [rows.values(name) for name in joined]
    first = first_of(groups)
    found = np.flatnonzero(first >= 0)
    known = np.sum([one.places[first[found]] >= 0 for one in values], axis=0)
    found = found[2 * known > len(joined)]
    number = np.full(len(first) + 1, -1)  # the last one is that of rows of no group
    number[found] = np.arange(len(found))
    first = first[found]
    digests = mixed(
        (
            rows.value_digests(name)[one.places[first]]
            for name, one in zip(joined, values, strict=True)
        ),
        len(first),
    )
    return _Records(first, digests, number[groups])


def discover(training: TrainingRows) -> list[NewJoined]:
    """Find what was joined to training rows, and how often that came again.

    Args:
        training: The training rows.
    """
    parts: defaultdict[tuple[Term, ...], list[str]] = defaultdict(list)
    may_be = value_columns(training.rows.schema)
    for one in dependencies.known(training):
        if one.dependent.column in may_be:
            parts[one.determinants].append(one.dependent.column)
    if not training.has_days:
        return []
    tried = (_law(training, terms, names) for terms, names in parts.items() if names[1:])
    return [law for law in tried if law is not None]


def _law(
    training: TrainingRows, determinants: tuple[Term, ...], joined: Sequence[str]
) -> NewJoined | None:
    """What never came again; None where it often does, or where there is little of it."""
    records = _records(training.rows, determinants, tuple(joined))
    day_of = training.day_of[records.first]
    known = day_of >= 0
    counts = np.bincount(day_of[known], minlength=training.days)
    if np.median(counts) < ENOUGH_A_DAY:
        return None
    shares = shares_of_copies(records.digests[known], day_of[known], training.days)
    within, across = (share if share <= MOST_USUAL else None for share in shares)
    if within is None and across is None:
        return None
    return NewJoined(
        columns=(*joined, *dict.fromkeys(term.column for term in determinants)),
        days=training.days,
        determinants=determinants,
        joined=tuple(joined),
        within=within,
        across=across,
    )
