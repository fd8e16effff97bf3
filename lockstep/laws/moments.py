"""Moments: on which steps of the clock things happen, such as once a day at nine.

Readings are taken by the hour, files are stamped at midnight, and a till prints seconds. Where all
training rows lie on steps of the clock, by the clock of the time zone or by UTC, a time between
them was moved: by another zone, or by a clock that was read otherwise. So are other times of a row,
such as the midnight of a date.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import ClassVar

import numpy as np
import pandas as pd

from lockstep.columns.kinds import Array, Ints, Kind
from lockstep.columns.plain import counted
from lockstep.laws.law import ENOUGH_DAYS, Broken, Law
from lockstep.laws.rows import Rows, TrainingRows, by_clock

STEPS = (1440, 720, 360, 180, 120, 60, 30, 15, 10, 5, 1)
"""Minutes of the steps that are looked for: each day, twice a day, each hour, and so on."""
MANY = 0.01
"""Share of rows between steps from which on they cannot be what they were."""
ENOUGH_TIMES = 20
"""Different times of a column, and of the day where they are not all at one, that it takes: of a
few, such as beginnings of shifts, another one may be between their steps."""
_DAY = 1440


class OnSteps(Law, frozen=True, kw_only=True, tag="on steps"):
    """Times of a column, such as when things happen, are on steps of the clock.

    Attributes:
        step: Minutes from one to the next.
        local: Minutes from midnight of the time zone to the first of a day; None where things do
            not go by its clock.
        utc: The same of UTC. Training of one season of the clock may not tell which one it is.
    """

    binds: ClassVar[bool] = False

    step: int
    local: int | None
    utc: int | None

    @property
    def says(self) -> str:
        """See `Law.says`."""
        starts = [(self.local, ""), (self.utc, " UTC")]
        start, zone = next((one, zone) for one, zone in starts if one is not None)
        at = f"{start // 60:02}:{start % 60:02}{zone}"
        if self.step == _DAY:
            return f"{self.columns[0]} is at {at} each day"
        return f"{self.columns[0]} is at {at} or each {counted(self.step, 'minute')} from then on"

    def find(self, rows: Rows) -> Broken | None:
        """The rows that lie between the steps; see `Law.find`."""
        off = np.flatnonzero(
            np.all([_off(one, start, self.step) for one, start in self._starts(rows)], axis=0)
        )
        if not len(off):
            return None
        time = pd.Timestamp(rows.columns[self.columns[0]][off[0]])
        return Broken(
            law=self,
            columns=self.columns,
            message=f"{counted(len(off), 'row')} of {len(rows):,} are at other times than all "
            f"training rows, such as {time:%H:%M:%S} UTC: {self.says}",
            rows=off,
            strict=self.is_strict and len(off) >= max(MANY * len(rows), 3),
            numbers={"rows between steps": len(off)},
        )

    def _starts(self, rows: Rows) -> Iterator[tuple[Ints, int]]:
        """The seconds of each time by each clock, and where the steps begin by it."""
        for start, is_utc in ((self.local, False), (self.utc, True)):
            if start is not None:
                yield _seconds(rows, self.columns[0], is_utc=is_utc), start


def _off(seconds: Ints, start: int, step: int) -> Array:
    """Which times lie between the steps."""
    off: Array = (seconds >= 0) & ((seconds - 60 * start) % (60 * step) != 0)
    return off


def _seconds(rows: Rows, column: str, *, is_utc: bool) -> Ints:
    """Seconds from midnight to each time of a column; -1 where that is not known."""
    what = ("seconds of the day", column, is_utc)
    return rows.once(what, lambda: _find_seconds(rows, column, is_utc=is_utc))


def _find_seconds(rows: Rows, column: str, *, is_utc: bool) -> Ints:
    values = rows.values(column)
    times = values.found if is_utc else by_clock(values.found, rows.timezone)
    of_day = (times - times.astype("datetime64[D]")) // np.timedelta64(1, "s")
    return np.append(of_day.astype(np.int64), -1)[values.places]


def discover(training: TrainingRows) -> list[OnSteps]:
    """Find the steps of the clock that all times of a column lie on: the widest ones.

    Args:
        training: The training rows.
    """
    if not training.has_days or training.days < ENOUGH_DAYS:
        return []
    there = (one for one in training.rows.schema if one.kind is Kind.TIME)
    found = (_law(one.name, training, is_event=one.role == "event_time") for one in there)
    return [law for law in found if law is not None]


def _law(column: str, training: TrainingRows, *, is_event: bool) -> OnSteps | None:
    values = training.rows.values(column)
    days = np.unique(training.day_of[(training.day_of >= 0) & (values.places >= 0)])
    if len(days) < ENOUGH_DAYS or len(values.found) < ENOUGH_TIMES:
        return None
    both = [np.unique(_seconds(training.rows, column, is_utc=one)) for one in (False, True)]
    known = [one[one >= 0] for one in both]
    if not is_event and 1 < min(map(len, known)) < ENOUGH_TIMES:
        return None
    for step in STEPS:
        local, utc = (_start(one, step) for one in known)
        if local is not None or utc is not None:
            return OnSteps(columns=(column,), days=len(days), step=step, local=local, utc=utc)
    return None


def _start(seconds: Ints, step: int) -> int | None:
    """The minute of the day from which steps go on; None where times lie between them."""
    start = int(seconds[0]) % (60 * step)
    return None if start % 60 or _off(seconds, start // 60, step).any() else start // 60
