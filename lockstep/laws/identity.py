"""Identity: rows that are new, of their day, and no copies of others under other keys."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from itertools import pairwise
from typing import ClassVar

import numpy as np

from lockstep.columns.kinds import Array, Floats
from lockstep.columns.plain import counted, listed
from lockstep.columns.tables import is_missing
from lockstep.laws import calendars, lapses
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
from lockstep.laws.earlier import Digests, held_by
from lockstep.laws.glance import value_columns
from lockstep.laws.law import ENOUGH_DAYS, Broken, Law
from lockstep.laws.rows import Rows, TrainingRows

_ENOUGH_BATCHES = 5
"""Published batches that it takes to tell what is usual of them."""
_NEVER = 0.01
"""Share of a day's rows with a value of the day before, up to which each day has its own."""
_SELDOM = 0.5
"""Share of a day's rows with a value of the day before, below which values tell days apart."""


class NewKeys(Law, frozen=True, kw_only=True):
    """Keys are new: no other batch of the stream was published with them.

    Files may come corrected under another name, so that their keys repeat: that is unusual only.

    Attributes:
        last_day: The last training day, in ISO form.
        keys: Digests of the keys of the training rows.
    """

    binds: ClassVar[bool] = False

    last_day: str
    keys: Digests

    @property
    def says(self) -> str:
        """It in a sentence."""
        return f"each {self.columns[0]} is there once, in all days"

    def find(self, rows: Rows) -> Broken | None:
        """The rows whose key was published with another batch, or is one of training."""
        in_training = self._in_training(rows)
        published = held_by([batch.keys for batch in rows.earlier], rows.key_digests)
        found = np.flatnonzero(in_training | published)
        if not len(found):
            return None
        again = rows.key_digests[published]
        where = ["the training rows"] if in_training.any() else []
        where += [one.partition for one in rows.earlier[::-1] if one.keys.hold(again)[0].any()]
        return Broken(
            law=self,
            columns=self.columns,
            message=f"{counted(len(found), 'row')} of {len(rows):,} have a {self.columns[0]} that "
            f"was there before, in {listed(where, 3)}",
            rows=found,
            strict=self.is_strict and rows.day is not None,
            numbers={"rows with old keys": len(found)},
        )

    def _in_training(self, rows: Rows) -> Array:
        """Rows later than training whose key is one of training; its own days may come again."""
        days = rows.days
        if days is None:
            return np.zeros(len(rows), dtype=bool)
        held, _ = self.keys.hold(rows.key_digests)
        return held & (days > np.datetime64(self.last_day))


class OwnDay(Law, frozen=True, kw_only=True):
    """Rows of a day happened on that day.

    Attributes:
        first_day: The first training day, in ISO form.
        last_day: The last one.
    """

    binds: ClassVar[bool] = False

    first_day: str
    last_day: str

    @property
    def says(self) -> str:
        """It in a sentence."""
        return f"{self.columns[0]} is in the day of the rows"

    def find(self, rows: Rows) -> Broken | None:
        """The rows of other days, where there are more of them than there ever were."""
        outside, days = rows.outside, rows.days
        if outside is None or days is None or not outside.any():
            return None
        shares = [batch.outside for batch in rows.earlier if batch.outside is not None]
        share, usual = float(outside.mean()), max(shares, default=0.0)
        if share <= by_chance(usual, len(rows)):
            return None
        found, times = np.unique(days[outside], return_counts=True)
        told = [f"{day} ({count:,})" for day, count in zip(found, times, strict=True)]
        return Broken(
            law=self,
            columns=self.columns,
            message=f"{counted(int(outside.sum()), 'row')} of {len(rows):,} are not of {rows.day} "
            f"by {self.columns[0]}, but of {listed(told, 3)}; of "
            f"{counted(len(shares), 'day')} before, at "
            f"most {100 * usual:.3g} % were",
            rows=np.flatnonzero(outside),
            strict=self.is_strict
            and share > TIMES * usual + FEW
            and (len(shares) >= _ENOUGH_BATCHES or self._known(found, rows)),
            numbers={"rows of other days": int(outside.sum())},
        )

    def _known(self, days: Array, rows: Rows) -> bool:
        """Whether days had their rows before: as training days, or published."""
        before = {batch.partition for batch in rows.earlier}
        return any(
            self.first_day <= str(day) <= self.last_day or str(day) in before for day in days
        )


class NewContent(Law, frozen=True, kw_only=True):
    """Rows are no copies of others under another key, but for as many as training days had.

    Attributes:
        within: Largest share of a training day's rows that are copies of rows before them.
        across: Largest share that are copies of rows of the days before, but for what dates them;
            None where it was not measured, or is so large that it says nothing.
        telling: The columns that usually tell the rows of a day from those of the day before,
            those that do so most first: where they agree, they may be what was taken from there.
        dated: The columns that date a row as its event time does, such as the number of a receipt,
            and the times that go on with it: rows of another day may have been moved to this one.
        moved: Largest share of a training day's rows that are copies of rows before them but for
            these; None where nothing dates rows, or so many are that it says nothing, and of a
            version that an older Lockstep fitted.
    """

    binds: ClassVar[bool] = False

    within: float
    across: float | None
    telling: tuple[str, ...] = ()
    dated: tuple[str, ...] = ()
    moved: float | None = None

    @property
    def says(self) -> str:
        """It in a sentence."""
        return "rows do not come again under other keys"

    def digests(self, rows: Rows) -> Array:
        """A digest of what each row holds but for its key and what dates it: uint64."""
        return rows.digests_without(self.dated)

    def find(self, rows: Rows) -> Broken | None:
        """The rows that are copies, where there are more of them than training days ever had.

        Those of a day are looked for in that day, also at times that were moved within it, and in
        the days before it.
        """
        days, digests = days_of(rows), self.digests(rows)
        copies = repeats(rows.digests_without(), days)
        within = self._beyond(rows, copies, self.within, "rows before them")
        if within is None and self.moved is not None:
            copies = repeats(digests, days)
            within = self._beyond(rows, copies, self.moved, "rows before them", self.dated)
        if within is not None or self.across is None:
            return within
        before = copies_of_days_before(digests, days)
        before |= held_by([batch.contents for batch in rows.earlier[-WINDOW:]], digests)
        found = self._beyond(rows, before, self.across, "rows of days before", self.dated)
        if found is None or not self.telling:
            return found
        return replace(
            found,
            columns=(*self.columns, *self.telling),
            message=f"{found.message}: either the rows are those of another day, or what usually "
            f"tells days apart is, such as {listed(self.telling, 3)}",
        )

    def _beyond(
        self, rows: Rows, copies: Array, usual: float, where: str, dated: tuple[str, ...] = ()
    ) -> Broken | None:
        """What is said of copies; a single one is told of a small day, and merely unusual."""
        count = int(copies.sum())
        share = count / max(len(rows), 1)
        is_one = count == 1 and rows.day is not None
        most = max(FEW, TIMES * usual) if is_one else by_chance(usual, max(len(rows), 1))
        if share <= most or (count == 1 and not is_one):
            return None
        *others, last = "key", "event time", *dated
        return Broken(
            law=self,
            columns=self.columns,
            message=f"{counted(count, 'row')} of {len(rows):,} have, but for "
            f"{', '.join(others)} and {last}, all values of {where}; on training days at "
            f"most {100 * usual:.3g} % had",
            rows=np.flatnonzero(copies),
            strict=self.is_strict and count > 1 and share > TIMES * usual + FEW,
            numbers={"copies": count},
        )


def discover(training: TrainingRows) -> list[NewKeys | OwnDay | NewContent]:
    """What training days say of the identity of rows.

    Args:
        training: The training rows.
    """
    rows, days = training.rows, training.days
    if not training.has_days or days < ENOUGH_DAYS or rows.days is None:
        return []
    key, time = rows.schema.key, rows.schema.event_time
    assert key is not None, "rows that are scored have a key"
    assert time is not None, "rows that have days have an event time"
    known = rows.days[~is_missing(rows.days)]
    first, last = str(known.min()), str(known.max())
    found: list[NewKeys | OwnDay | NewContent] = [
        NewKeys(columns=(key,), days=days, last_day=last, keys=Digests.of(rows.key_digests)),
        OwnDay(columns=(time,), days=days, first_day=first, last_day=last),
    ]
    within, _ = shares_of_copies(rows.digests_without(), training.day_of, days)
    if within <= MOST_USUAL:
        found.append(_new_content(training, key, within))
    return found


def _new_content(training: TrainingRows, key: str, within: float) -> NewContent:
    """What training days say of copies; what dates rows counts where others are too much alike."""
    again = _again(training)
    dating = _dated(training, again)
    with_times = tuple(dict.fromkeys((*dating, *_moving(training))))
    for dated in dict.fromkeys((with_times, dating, ())):
        digests = training.rows.digests_without(dated)
        moved, across = shares_of_copies(digests, training.day_of, training.days)
        if across <= (MOST_USUAL if set(dated) <= set(dating) else FEW):
            typical = {name: float(np.median(shares)) for name, shares in again.items()}
            telling = sorted(typical, key=typical.__getitem__)
            return NewContent(
                columns=(key,),
                days=training.days,
                within=within,
                across=across,
                telling=tuple(name for name in telling if typical[name] < _SELDOM),
                dated=dated,
                moved=moved if dated and moved <= FEW else None,
            )
    return NewContent(columns=(key,), days=training.days, within=within, across=None)


def _dated(training: TrainingRows, again: Mapping[str, Floats]) -> tuple[str, ...]:
    """The columns that date a row: numbers and names that are new each day, and calendars."""
    schema = training.rows.schema
    new = {name for name, shares in again.items() if shares.max() <= _NEVER}
    told = {law.columns[0] for law in calendars.known(training)}
    return tuple(
        field.name
        for field in schema
        if field.name in told or (field.name in new and field.declared != "float")
    )


def _moving(training: TrainingRows) -> Iterator[str]:
    """The columns of dates and times that go on with the event time, as does the end of a stay."""
    event_time = training.rows.schema.event_time
    for one in lapses.found(training):
        if one.is_alone and one.since is not None and one.since.column == event_time:
            yield one.until.column


def _again(training: TrainingRows) -> dict[str, Floats]:
    """The shares of a day's rows that have a value of the day before, by column and day."""
    order = np.argsort(training.day_of, kind="stable")
    edges = np.searchsorted(training.day_of[order], np.arange(training.days + 1))
    shares = {}
    for name in value_columns(training.rows.schema):
        places = training.rows.values(name).places[order]
        days = [places[start:end] for start, end in pairwise(edges.tolist())]
        known = [day[day >= 0] for day in days]
        again = [np.isin(day, before).mean() for before, day in pairwise(known) if len(day)]
        shares[name] = np.array(again or [1.0])
    return shares
