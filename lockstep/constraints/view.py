"""The view: rows as constraints see them, with their calendar and the rows before.

A view of training rows and a view of a batch differ only in the past. For training rows it is other
rows of the view; for a batch it is also what was kept of the batches before.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass, field, replace
from functools import lru_cache, wraps
from typing import Any, Concatenate, ParamSpec, TypeVar

import numpy as np
import pandas as pd

from lockstep.columns.digests import digests_of, mixed
from lockstep.columns.kinds import Array, Columns, Floats, Ints
from lockstep.columns.tables import is_missing, take_rows
from lockstep.constraints.layout import Layout
from lockstep.constraints.past import Lacking, PastBatch
from lockstep.constraints.quantities import Entity
from lockstep.constraints.thresholds import SHARED

Made = TypeVar("Made")
Asked = ParamSpec("Asked")


def made_once(
    make: Callable[Concatenate[View, Asked], Made],
) -> Callable[Concatenate[View, Asked], Made]:
    """Have what a function makes of a view kept with that, by what the function is asked with."""

    @wraps(make)
    def kept(view: View, /, *asked: Asked.args, **named: Asked.kwargs) -> Made:
        return view.once((make, *asked), lambda: make(view, *asked, **named))

    return kept


def of_rows(
    make: Callable[Concatenate[View, Asked], Made],
) -> Callable[Concatenate[View, Asked], Made]:
    """Have it kept with the rows, whatever batches they come after."""

    @wraps(make)
    def kept(view: View, /, *asked: Asked.args, **named: Asked.kwargs) -> Made:
        value = view._of_rows.get((make, *asked))
        if value is None:
            value = view._of_rows[(make, *asked)] = make(view, *asked, **named)
        made: Made = value
        return made

    return kept


@dataclass(eq=False)
class View:
    """Rows of one or more days."""

    columns: Columns
    layout: Layout
    day: Ints  # int64, the day of each row's batch, counted from 1970
    past: Sequence[PastBatch] = ()  # the batches before, the oldest first; empty for training rows
    # for training rows, int64, the held-out block of days of each; else None
    fold: Ints | None = None
    # for a sample, the view of all rows and the positions there
    sampled_from: tuple[View, Ints] | None = None
    held_back: frozenset[int] = frozenset()
    lacking: Lacking = field(default_factory=Lacking)
    # number of rows of the day of which these are a part; 0 where they are whole days
    of_day: int = 0
    _made: dict[Hashable, Any] = field(default_factory=dict, repr=False)
    _of_rows: dict[Hashable, Any] = field(default_factory=dict, repr=False)

    def __len__(self) -> int:
        return len(self.day)

    def once(self, what: Hashable, make: Callable[[], Made]) -> Made:
        """A value that is made of the rows once, and kept by its name."""
        value = self._made.get(what)
        if value is None:
            value = self._made[what] = make()
        made: Made = value
        return made

    def take(self, rows: Array) -> View:
        """Some of the rows, with the arrays that were made of all of them so far."""
        fold = None if self.fold is None else self.fold[rows]
        taken = View(take_rows(self.columns, rows), self.layout, self.day[rows], fold=fold)
        for all_made, of_taken in ((self._made, taken._made), (self._of_rows, taken._of_rows)):
            for what, made in all_made.items():
                if isinstance(made, np.ndarray) and len(made) == len(self):
                    of_taken[what] = made[rows]
        return taken

    def after(self, past: Sequence[PastBatch], held_back: frozenset[int], lacking: Lacking) -> View:
        """The same rows after other batches; days may be held back, and things lack rows."""
        return replace(self, past=past, held_back=held_back, lacking=lacking, _made={})

    def sample(self, most: int) -> View:
        """A sample of about so many rows of each day that has more; the view where no day has.

        Rows with the smallest digests of keys are taken, so that parts of a day are sampled alike.
        Quantities of other rows, such as the row before, still look at all rows.
        """
        counts = np.array([self.of_day]) if self.of_day else np.bincount(self.group, minlength=1)
        if counts.max() <= most:
            return self
        key = self.layout.key
        digests = digests_of(np.arange(len(self))) if key is None else self.code(key)
        share = most / np.maximum(counts, most)
        rows = np.flatnonzero(digests <= (share * 2.0**64)[self.group])
        taken = take_rows(self.columns, rows)
        day = self.day[rows]
        return replace(
            self, columns=taken, day=day, sampled_from=(self, rows), _made={}, _of_rows={}
        )

    @property
    def whole(self) -> View:
        """The view of all rows: itself, where this is no sample."""
        return self if self.sampled_from is None else self.sampled_from[0]

    @property
    def positions(self) -> Ints:
        """The positions of its rows among all rows: int64."""
        return np.arange(len(self)) if self.sampled_from is None else self.sampled_from[1]

    def own(self, of_whole: Array) -> Array:
        """Values of all rows, taken for the rows of this view."""
        of_view: Array = of_whole if self.whole is self else of_whole[self.positions]
        return of_view

    # --- time ---

    @property
    @of_rows
    def days(self) -> Ints:
        """The days of the rows, in order: int64."""
        return np.unique(self.day)

    @property
    @of_rows
    def group(self) -> Ints:
        """The place of each row's day among the days: int64."""
        group: Ints = np.searchsorted(self.days, self.day)
        return group

    @property
    @of_rows
    def local(self) -> Array:
        """Event times by the local clock: datetime64[us]; NaT where there is none."""
        name = self.layout.event_time
        if name is None:
            return np.full(len(self), np.datetime64("NaT", "us"))
        return by_clock(self.columns[name], self.layout.timezone)

    @property
    @of_rows
    def micros(self) -> Ints:
        """Event times in microseconds since 1970: int64; positions of rows where there are none."""
        name = self.layout.event_time
        if name is None:
            return np.arange(len(self), dtype=np.int64)
        return self.columns[name].astype("datetime64[us]").astype(np.int64)

    @property
    @of_rows
    def has_peers(self) -> bool:
        """Whether nearly all rows share their moment with others, as in a panel."""
        _, group, counts = np.unique(self.micros, return_inverse=True, return_counts=True)
        return bool(np.mean(counts[group] > 1) > SHARED)

    # --- values ---

    @of_rows
    def missing(self, name: str) -> Array:
        """Which rows have no value of a field: bool."""
        return is_missing(self.columns[name])

    @of_rows
    def code(self, name: str) -> Array:
        """A digest of each value of a field or part of the calendar: uint64; 0 where missing."""
        return digests_of(self.calendar(name) if name.startswith("@") else self.columns[name])

    def holds(self, name: str, value: str | float | None) -> Array:
        """Which rows hold a value in a field: bool."""
        if isinstance(value, str):  # digests compare faster than texts
            return np.asarray(self.code(name) == _digest(value))
        return np.asarray(self.columns[name] == value)

    @of_rows
    def short_code(self, name: str) -> Array:
        """Half a digest of each value, enough to tell the values of a column apart: uint32."""
        return short(self.code(name))

    @of_rows
    def codes(self, names: Entity) -> Array:
        """A digest of each row's thing: uint64; 0 where a part is missing, 1 without columns."""
        if not names:
            return np.ones(len(self), dtype=np.uint64)
        parts = [self.code(name) for name in names]
        if len(parts) == 1:
            return parts[0]
        codes = mixed(parts, len(self))
        codes[np.any([part == 0 for part in parts], axis=0)] = 0
        return codes

    def by_day(self, digests: Array) -> Array:
        """Digests of the rows that tell their days apart, too: uint64."""
        return mixed((digests, self.day.astype(np.uint64)), len(self))

    @of_rows
    def calendar(self, unit: str) -> Floats:
        """A part of the event time by the local clock: float64; NaN where there is none."""
        return _calendar(self.local, unit)


@lru_cache(maxsize=4_096)
def _digest(text: str) -> np.uint64:
    return np.uint64(digests_of(np.array([text], dtype=object))[0])


def by_clock(times: Array, timezone: str) -> Array:
    """Times by the clock of a time zone: datetime64[us]."""
    if timezone == "UTC":
        return times.astype("datetime64[us]")
    local = pd.DatetimeIndex(times, tz="UTC").tz_convert(timezone)
    return local.tz_localize(None).to_numpy().astype("datetime64[us]")


def short(digests: Array) -> Array:
    """The first half of digests, enough to tell the values of a column apart: uint32."""
    return (digests >> np.uint64(32)).astype(np.uint32)


def _calendar(local: Array, unit: str) -> Floats:
    known = ~np.isnat(local)
    times = np.where(known, local, np.datetime64(0, "us"))
    days = times.astype("datetime64[D]")
    micros = (times - days).astype(np.int64)
    if unit in ("@weekday", "weekday"):
        parts = (days.astype(np.int64) + 3) % 7
    elif unit == "@clock":
        parts = micros // 60_000_000
    elif unit == "@hour":
        parts = micros // 3_600_000_000
    elif unit == "@quarter":
        parts = micros // 21_600_000_000
    elif unit == "@minute":
        parts = micros // 60_000_000 % 60
    elif unit == "@second":
        parts = micros // 1_000_000 % 60
    elif unit == "@weekend":
        parts = (days.astype(np.int64) + 3) % 7 // 5
    elif unit == "year":
        parts = times.astype("datetime64[Y]").astype(np.int64) + 1970
    elif unit == "month":
        parts = times.astype("datetime64[M]").astype(np.int64) % 12 + 1
    elif unit == "day":
        parts = (days - times.astype("datetime64[M]")).astype(np.int64) + 1
    elif unit == "day of the year":
        parts = (days - times.astype("datetime64[Y]")).astype(np.int64) + 1
    else:  # ISO week: of the year of its Thursday
        thursday = days - ((days.astype(np.int64) + 3) % 7 - 3).astype("timedelta64[D]")
        year = thursday.astype("datetime64[Y]").astype("datetime64[D]")
        parts = (thursday - year).astype(np.int64) // 7 + 1
    return np.where(known, parts.astype(np.float64), np.nan)
