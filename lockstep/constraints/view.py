"""The view: rows as constraints see them, with their calendar and the rows before.

A view of training rows and a view of a batch differ only in the past. For training rows it is other
rows of the view; for a batch it is also what was kept of the batches before.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import lru_cache, wraps
from typing import Any, Concatenate, ParamSpec, TypeVar

import numpy as np
import pandas as pd

from lockstep.columns.dates import moments
from lockstep.columns.digests import Digests, digests_of, mixed
from lockstep.columns.kinds import Array, Columns, Floats, Ints
from lockstep.columns.tables import is_missing, take_rows
from lockstep.constraints.layout import Layout
from lockstep.constraints.past import ANY_LACKS, Lacking, PastBatch, Things, may_lack
from lockstep.constraints.quantities import Entity, Quantity
from lockstep.constraints.thresholds import SHARED
from lockstep.stats.limits import STEPS

_AMONG_ALL = ("today", "count", "sum", "mean", "peers", "peers before", "moment before")
"""Quantities of all rows of the batch, which a sample takes from the whole view."""
_OF_ROWS_BEFORE = ("previous", "elapsed", "today")
"""Quantities that are not known where the rows before of the same thing are not."""
_NEVER = np.iinfo(np.int64).min
Made = TypeVar("Made")
Asked = ParamSpec("Asked")


def made_once(
    make: Callable[Concatenate[View, Asked], Made],
) -> Callable[Concatenate[View, Asked], Made]:
    """Have what a function makes of a view kept with that, by what the function is asked with."""

    @wraps(make)
    def kept(view: View, /, *asked: Asked.args, **named: Asked.kwargs) -> Made:
        return view.once((make.__qualname__, *asked), lambda: make(view, *asked, **named))

    return kept


@dataclass(frozen=True)
class Before:
    """Where the row before of the same thing is, for each row."""

    own: Ints  # int64, its position among all rows of the view; -1 where it is not there
    in_past: Array
    # for each past batch that has some: its place, the rows here, and their places there
    past: tuple[tuple[int, Ints, Ints], ...]


@dataclass(frozen=True)
class Cells:
    """Cells: the rows of a thing at a moment."""

    place: Ints
    moment: Ints
    follows: Ints  # int64, 0 where the cell before is of the same thing; -1 elsewhere

    def before(self, values: Floats) -> Floats:
        """The values of the cells before, of the same thing; NaN where there is none."""
        return np.where(self.follows == 0, np.roll(values, 1), np.nan)


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
        for what, made in self._made.items():
            if isinstance(made, np.ndarray) and len(made) == len(self):
                taken._made[what] = made[rows]
        return taken

    def sample(self, most: int) -> View:
        """A sample of about so many rows of each day that has more; the view where no day has.

        Rows with the smallest digests of keys are taken, so that parts of a day are sampled alike.
        Quantities of other rows, such as the row before, still look at all rows.
        """
        counts = np.bincount(self.group, minlength=1)
        if counts.max() <= most:
            return self
        key = self.layout.key
        digests = digests_of(np.arange(len(self))) if key is None else self.code(key)
        share = most / np.maximum(counts, most)
        rows = np.flatnonzero(digests <= (share * 2.0**64)[self.group])
        taken = take_rows(self.columns, rows)
        return replace(self, columns=taken, day=self.day[rows], sampled_from=(self, rows), _made={})

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
    @made_once
    def days(self) -> Ints:
        """The days of the rows, in order: int64."""
        return np.unique(self.day)

    @property
    @made_once
    def group(self) -> Ints:
        """The place of each row's day among the days: int64."""
        group: Ints = np.searchsorted(self.days, self.day)
        return group

    @property
    @made_once
    def local(self) -> Array:
        """Event times by the local clock: datetime64[us]; NaT where there is none."""
        name = self.layout.event_time
        if name is None:
            return np.full(len(self), np.datetime64("NaT", "us"))
        return by_clock(self.columns[name], self.layout.timezone)

    @property
    @made_once
    def micros(self) -> Ints:
        """Event times in microseconds since 1970: int64; positions of rows where there are none."""
        name = self.layout.event_time
        if name is None:
            return np.arange(len(self), dtype=np.int64)
        return self.columns[name].astype("datetime64[us]").astype(np.int64)

    @property
    @made_once
    def has_peers(self) -> bool:
        """Whether nearly all rows share their moment with others, as in a panel."""
        _, group, counts = np.unique(self.micros, return_inverse=True, return_counts=True)
        return bool(np.mean(counts[group] > 1) > SHARED)

    # --- values ---

    @made_once
    def missing(self, name: str) -> Array:
        """Which rows have no value of a field: bool."""
        return is_missing(self.columns[name])

    @made_once
    def code(self, name: str) -> Array:
        """A digest of each value of a field or part of the calendar: uint64; 0 where missing."""
        return digests_of(self.calendar(name) if name.startswith("@") else self.columns[name])

    def holds(self, name: str, value: str | float | None) -> Array:
        """Which rows hold a value in a field: bool."""
        if isinstance(value, str):  # digests compare faster than texts
            return np.asarray(self.code(name) == _digest(value))
        return np.asarray(self.columns[name] == value)

    @made_once
    def short_code(self, name: str) -> Array:
        """Half a digest of each value, enough to tell the values of a column apart: uint32."""
        return short(self.code(name))

    @made_once
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

    @made_once
    def calendar(self, unit: str) -> Floats:
        """A part of the event time by the local clock: float64; NaN where there is none."""
        return _calendar(self.local, unit)

    @made_once
    def number(self, quantity: Quantity) -> Floats:
        """A quantity of each row: float64; NaN where a row has none."""
        if self.whole is not self and quantity.made in _AMONG_ALL:
            return self.own(self.whole.number(quantity))
        name = quantity.fields[0] if quantity.fields else ""
        match quantity.made:
            case "value":
                own = self.columns[name].astype(np.float64)
                return np.where(np.isinf(own), np.nan, own) if np.isinf(own).any() else own
            case "clock":
                return self._clock(name)
            case "lapse":
                return self._lapse(name)
            case "span":
                first, second = (self._moments(name) for name in quantity.fields)
                return _hours(second - first)
            case "digits":
                return _digits(self.columns[name])
            case "calendar":
                return self.calendar(quantity.unit)
            case "peers" | "peers before" | "moment before":
                cells, values = self.by_cell(quantity)
                return values[cells.place]
            case "previous":
                return self._previous(quantity.entity, name)
            case "elapsed":
                return self._elapsed(quantity.entity)
            case "today":
                return self._today(quantity.entity)
            case "count":
                return self._window(quantity.entity, None, quantity.window)
            case "sum":
                return self._window(quantity.entity, name, quantity.window)
            case "mean":
                return self._window(quantity.entity, name, quantity.window) / quantity.window

    @made_once
    def _moments(self, name: str) -> Array:
        """The times of a field, by the clock that they are written in: datetime64[us]."""
        layout = self.layout.dates.get(name)
        if layout is None:
            return self.columns[name].astype("datetime64[us]")
        return _read(self.columns[name], layout)

    def _clock(self, name: str) -> Floats:
        if name == self.layout.event_time:
            return _of_day(self.local)
        if name in self.layout.clocks:
            numbers = self.columns[name].astype(np.float64)
            return np.floor(numbers / 100) + numbers % 100 / 60
        if name in self.layout.dates:
            return _of_day(self._moments(name))
        return _of_day(by_clock(self.columns[name], self.layout.timezone))

    def _lapse(self, name: str) -> Floats:
        """Hours from the event to a time; to a date without a zone, from the day of the event."""
        event = self.layout.event_time
        layout = self.layout.dates.get(name)
        if layout is None and event is not None:
            return _hours(self._moments(name) - self.columns[event].astype("datetime64[us]"))
        if event is None:
            return _hours(self._moments(name) - np.datetime64(0, "us"))
        return _hours(self._moments(name) - self.local.astype("datetime64[D]"))

    @made_once
    def cells(self, entity: Entity, unit: str) -> Cells:
        """The cells of the rows, each one thing at one moment, or at one hour.

        The unit is `hour`, or empty for the event time itself.
        """
        moment = self.day * 24 + self.calendar("@hour") if unit else self.micros
        thing = self.codes(entity) if entity else np.arange(len(self))
        moments, at = np.unique(moment, return_inverse=True)
        of = np.unique(thing, return_inverse=True)[1]
        keys, place = np.unique(of * len(moments) + at, return_inverse=True)
        of_thing, of_moment = np.divmod(keys, max(len(moments), 1))
        return Cells(place, of_moment, np.append(-1, np.where(np.diff(of_thing) == 0, 0, -1)))

    def _of_cells(self, quantity: Quantity) -> tuple[Cells, Floats]:
        """The mean of a field in each cell; NaN where it has none."""
        cells = self.cells(quantity.entity, quantity.unit)
        own = self.columns[quantity.fields[0]].astype(np.float64)
        known = np.isfinite(own)
        with np.errstate(all="ignore"):
            total = np.bincount(cells.place, np.where(known, own, 0.0), len(cells.moment))
            return cells, total / np.bincount(cells.place, known, len(cells.moment))

    def _of_peers(self, quantity: Quantity) -> tuple[Cells, Floats]:
        """The mean of the other cells of each cell's moment; NaN where there are none."""
        cells, own = self._of_cells(quantity)
        known = np.isfinite(own)
        total = np.bincount(cells.moment, np.where(known, own, 0.0))[cells.moment]
        rest = np.bincount(cells.moment, known)[cells.moment] - known
        with np.errstate(all="ignore"):
            means = (total - np.where(known, own, 0.0)) / rest
        return cells, np.where(rest > 0, means, np.nan)

    def by_cell(self, quantity: Quantity) -> tuple[Cells, Floats]:
        """The cells of the rows, and the value of a quantity in each cell: float64."""
        if self.whole is not self:
            cells, values = self.whole.by_cell(quantity)
            return replace(cells, place=self.own(cells.place)), values
        if quantity.made == "moment before":
            cells, values = self._of_cells(quantity)
            return cells, cells.before(values)
        cells, values = self._of_peers(quantity)
        return cells, cells.before(values) if quantity.made == "peers before" else values

    # --- the rows before ---

    def _before_sampled(self, entity: Entity) -> Before:
        before, positions = self.whole.before(entity), self.positions
        past = []
        for number, rows, places in before.past:
            at = np.minimum(np.searchsorted(positions, rows), max(len(positions) - 1, 0))
            own = positions[at] == rows
            past.append((number, at[own], places[own]))
        return Before(self.own(before.own), self.own(before.in_past), tuple(past))

    def _not_known(self, entity: Entity) -> Iterator[tuple[int, int, Digests]]:
        """Days, the first day that looks back at each, and the things whose rows are not known."""
        name = "+".join(entity)
        for batch in self.past:
            things = batch.things.get(name)
            yield batch.day, batch.day + 1, ANY_LACKS if things is None else things.not_known
        for day in self.lacking.days:
            yield day, day, self.lacking.of(day, name)

    @made_once
    def _lacked(self, entity: Entity, days_before: int) -> Ints:
        """The last day on which the thing of each row may lack rows, so long before its own."""
        codes = self.codes(entity)
        last = np.full(len(self), _NEVER)
        for day, since, lacking in self._not_known(entity):
            looks_back = self.day >= max(since, day + days_before)
            rows = np.flatnonzero(looks_back & (last < day))
            last[rows[may_lack(lacking, codes[rows])]] = day
        return last

    def lacks(self, quantity: Quantity) -> Array | None:
        """Which rows have no such number since rows before them are not known; None for none."""
        whole = self.whole
        if quantity.made not in _OF_ROWS_BEFORE or not (self.past or whole.lacking.days):
            return None
        lacks = whole._lacks(quantity.entity, quantity.made == "today")
        return self.own(lacks) if lacks.any() else None

    @made_once
    def _lacks(self, entity: Entity, of_day: bool, /) -> Array:
        """Which rows look back at rows of their thing that are not known, or count them: bool."""
        lacked, before = self._lacked(entity, 0), self.before(entity)
        is_open = (lacked > _NEVER) & (before.own < 0) & ~before.in_past
        lacks: Array = (lacked >= self.day if of_day else is_open) & (self.codes(entity) != 0)
        return lacks

    @made_once
    def before(self, entity: Entity) -> Before:
        """Where the row before of the same thing is, for each row; -1 where that is not known."""
        if self.whole is not self:
            return self._before_sampled(entity)
        codes = self.codes(entity)
        in_time = self._in_time
        order = in_time[np.argsort(codes[in_time], kind="stable")] if entity else in_time
        own = np.full(len(self), -1)
        same = (codes[order][1:] == codes[order][:-1]) & (codes[order][1:] != 0)
        own[order[1:][same]] = order[:-1][same]
        in_past, past = np.zeros(len(self), dtype=bool), []
        name = "+".join(entity)
        lacked = self._lacked(entity, 0)
        open_rows = np.flatnonzero((own < 0) & (codes != 0))
        own[lacked >= self.day[own]] = -1
        for number in range(len(self.past) - 1, -1, -1):
            things = self.past[number].things.get(name)
            if things is None or not len(open_rows):
                continue
            at = things.place(codes[open_rows])
            known = (at >= 0) & (self.past[number].day < self.day[open_rows])
            is_sure = known & (lacked[open_rows] < self.past[number].day)
            if is_sure.any():
                past.append((number, open_rows[is_sure], at[is_sure]))
                in_past[open_rows[is_sure]] = True
            open_rows = open_rows[~known]
        return Before(own, in_past, tuple(past))

    @property
    @made_once
    def _in_time(self) -> Ints:
        """The rows in order of time: positions."""
        in_time: Ints = np.lexsort((self.micros, self.day))
        return in_time

    def _from_past(
        self, entity: Entity, read: Callable[[Things], Array], dtype: Any, unknown: float = 0
    ) -> Array:
        """What the past has of the row before, where it is not in the view."""
        before, name = self.before(entity), "+".join(entity)
        of_rows = np.full(len(self), unknown, dtype=dtype)
        for number, rows, places in before.past:
            values = read(self.past[number].things[name])
            of_rows[rows] = values[places] if len(values) else unknown
        return of_rows

    def _previous(self, entity: Entity, name: str) -> Floats:
        before = self.before(entity)
        own = self.whole.columns[name].astype(np.float64, copy=False)
        numbers = np.where(before.own >= 0, own[before.own], np.nan)
        if self.past:
            of_past = self._from_past(
                entity, lambda things: _floats(things.last.get(name, b"")), np.float64, np.nan
            )
            numbers = np.where(before.in_past, of_past, numbers)
        return numbers

    def previous_code(self, entity: Entity, name: str) -> Array:
        """Half a digest of the value in the row before: uint32; 0 where it is not known."""
        before = self.before(entity)
        own = self.whole.short_code(name)
        codes = np.where(before.own >= 0, own[before.own], np.uint32(0))
        if before.past:
            of_past = self._from_past(
                entity,
                lambda things: np.frombuffer(things.texts.get(name, b""), dtype="<u4"),
                np.uint32,
            )
            codes = np.where(before.in_past, of_past, codes)
        return codes

    def row_before(self, quantity: Quantity) -> Floats:
        """A quantity of the row before, of whatever thing: float64; NaN where the day has none."""
        before = self.before(()).own
        is_there = (before >= 0) & (self.whole.day[before] == self.day)
        return np.where(is_there, self.whole.number(quantity)[before], np.nan)

    def _elapsed(self, entity: Entity) -> Floats:
        before, micros = self.before(entity), self.micros
        ago = micros - self.whole.micros[before.own]
        minutes = np.where(before.own >= 0, ago / 6e7, np.nan)
        if self.past:
            then = self._from_past(
                entity, lambda things: np.frombuffer(things.times, dtype="<i8"), np.int64
            )
            minutes = np.where(before.in_past, (micros - then) / 6e7, minutes)
        return minutes

    def _today(self, entity: Entity) -> Floats:
        codes = self.codes(entity)
        order = np.lexsort((self.micros, self.day, codes))
        sorted_codes, days = codes[order], self.day[order]
        starts = np.ones(len(self), dtype=bool)
        starts[1:] = (sorted_codes[1:] != sorted_codes[:-1]) | (days[1:] != days[:-1])
        place = np.arange(len(self))
        counts = np.empty(len(self))
        counts[order] = place - np.maximum.accumulate(np.where(starts, place, 0))
        return np.where((codes != 0) & (self._lacked(entity, 0) < self.day), counts, np.nan)

    def _window(self, entity: Entity, name: str | None, days: int) -> Floats:
        """Rows of the same thing on the days before, or a sum over them; NaN where not known."""
        place, first, grid = self._totals(entity, name)
        codes = self.codes(entity)
        at = self.day - first
        known = (at >= days) & (codes != 0) & self._covered(days)
        known &= self._lacked(entity, 1) < self.day - days
        total = np.zeros(len(self))
        for back in range(days, 0, -1):  # in one order, whatever days are known
            total += grid[place, np.maximum(at - back, 0)]
        return np.where(known, total, np.nan)

    @made_once
    def _totals(self, entity: Entity, name: str | None) -> tuple[Ints, int, Floats]:
        """The thing of each row, the first day, and sums by thing and day."""
        codes = self.codes(entity)
        things, place = np.unique(codes, return_inverse=True)
        days = [*self.days.tolist(), *(batch.day for batch in self.past)]
        first, last = (min(days), max(days)) if days else (0, 0)
        daily = np.zeros((len(things), last - first + 1))
        if name is None:
            values = np.ones(len(self))
        else:
            values = np.nan_to_num(self.columns[name].astype(np.float64))
        flat = place * daily.shape[1] + (self.day - first)
        daily += np.bincount(flat, values, daily.size).reshape(daily.shape)
        for batch in self.past:
            kept = batch.things.get("+".join(entity))
            if kept is None or not first <= batch.day <= last:
                continue
            of_past = _floats(kept.counts if name is None else kept.sums.get(name, b""))
            at = kept.place(things)
            kept_rows = np.flatnonzero(at >= 0)
            of_day = of_past[at[kept_rows]] if len(of_past) else np.nan
            daily[kept_rows, batch.day - first] += of_day
        return place, first, daily

    def _covered(self, days: int) -> Array:
        """Which rows have days before that are known: no gap is longer than a holiday."""
        had = np.union1d([batch.day for batch in self.past], self.days)
        covered = []
        for day in self.days.tolist():
            within = had[(had >= day - days) & (had < day)]
            edges = np.concatenate([[day - days - 1], within, [day]])
            covered.append(np.diff(edges).max() <= min(STEPS, days))
        return np.asarray(np.array(covered, dtype=bool)[self.group])


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


def _hours(spans: Array) -> Floats:
    return np.where(np.isnat(spans), np.nan, spans / np.timedelta64(1, "h"))


def _of_day(times: Array) -> Floats:
    return _hours(times - times.astype("datetime64[D]"))


def _read(texts: Array, layout: str) -> Array:
    places, distinct = pd.factorize(texts)
    read = np.append(moments(distinct, layout), np.datetime64("NaT"))
    return read.astype("datetime64[us]")[places]


def _digits(texts: Array) -> Floats:
    """The last digits of each text as a number; NaN where there are none."""
    if texts.dtype != object:
        return texts.astype(np.float64)
    import pyarrow as pa
    import pyarrow.compute as pc

    matches = pc.extract_regex(pa.array(texts, pa.string()), r"(?P<number>[0-9]{1,18})[^0-9]*$")
    digits = pc.struct_field(matches, "number").cast(pa.float64())
    return np.asarray(digits.to_numpy(zero_copy_only=False), dtype=np.float64)


def _floats(stored: bytes) -> Floats:
    return np.frombuffer(stored, dtype="<f8")
