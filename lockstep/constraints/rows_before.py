"""The rows before: where the last row of the same thing is, and what it holds."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from lockstep.columns.digests import Digests
from lockstep.columns.kinds import Array, Floats, Ints
from lockstep.constraints.past import ANY_LACKS, Things, may_lack
from lockstep.constraints.quantities import Entity, Quantity
from lockstep.constraints.view import View, made_once
from lockstep.stats.limits import STEPS

_OF_ROWS_BEFORE = ("previous", "elapsed", "today")
"""Quantities that are not known where the rows before of the same thing are not."""
_NEVER = np.iinfo(np.int64).min


@dataclass(frozen=True)
class Before:
    """Where the row before of the same thing is, for each row."""

    own: Ints  # int64, its position among all rows of the view; -1 where it is not there
    in_past: Array
    # for each past batch that has some: its place, the rows here, and their places there
    past: tuple[tuple[int, Ints, Ints], ...]


def _before_sampled(view: View, entity: Entity) -> Before:
    before, positions = rows_before(view.whole, entity), view.positions
    past = []
    for number, rows, places in before.past:
        at = np.minimum(np.searchsorted(positions, rows), max(len(positions) - 1, 0))
        own = positions[at] == rows
        past.append((number, at[own], places[own]))
    return Before(view.own(before.own), view.own(before.in_past), tuple(past))


def _days_not_known(view: View, entity: Entity) -> Iterator[tuple[int, int, Digests]]:
    """Days, the first day that looks back at each, and the things whose rows are not known."""
    name = "+".join(entity)
    for batch in view.past:
        things = batch.things.get(name)
        yield batch.day, batch.day + 1, ANY_LACKS if things is None else things.not_known
    for day in view.lacking.days:
        yield day, day, view.lacking.of(day, name)


@made_once
def _lacked(view: View, entity: Entity, days_before: int) -> Ints:
    """The last day on which the thing of each row may lack rows, so long before its own."""
    codes = view.codes(entity)
    last = np.full(len(view), _NEVER)
    for day, since, lacking in _days_not_known(view, entity):
        looks_back = view.day >= max(since, day + days_before)
        rows = np.flatnonzero(looks_back & (last < day))
        last[rows[may_lack(lacking, codes[rows])]] = day
    return last


def not_known(view: View, quantity: Quantity) -> Array | None:
    """Which rows have no such number since rows before them are not known; None for none."""
    whole = view.whole
    if quantity.made not in _OF_ROWS_BEFORE or not (view.past or whole.lacking.days):
        return None
    lacks = _lacks(whole, quantity.entity, quantity.made == "today")
    return view.own(lacks) if lacks.any() else None


@made_once
def _lacks(view: View, entity: Entity, of_day: bool, /) -> Array:
    """Which rows look back at rows of their thing that are not known, or count them: bool."""
    lacked, before = _lacked(view, entity, 0), rows_before(view, entity)
    is_open = (lacked > _NEVER) & (before.own < 0) & ~before.in_past
    lacks: Array = (lacked >= view.day if of_day else is_open) & (view.codes(entity) != 0)
    return lacks


@made_once
def rows_before(view: View, entity: Entity) -> Before:
    """Where the row before of the same thing is, for each row; -1 where that is not known."""
    if view.whole is not view:
        return _before_sampled(view, entity)
    codes = view.codes(entity)
    in_time = _in_time(view)
    order = in_time[np.argsort(codes[in_time], kind="stable")] if entity else in_time
    own = np.full(len(view), -1)
    same = (codes[order][1:] == codes[order][:-1]) & (codes[order][1:] != 0)
    own[order[1:][same]] = order[:-1][same]
    in_past, past = np.zeros(len(view), dtype=bool), []
    name = "+".join(entity)
    lacked = _lacked(view, entity, 0)
    open_rows = np.flatnonzero((own < 0) & (codes != 0))
    own[lacked >= view.day[own]] = -1
    for number in range(len(view.past) - 1, -1, -1):
        things = view.past[number].things.get(name)
        if things is None or not len(open_rows):
            continue
        at = things.place(codes[open_rows])
        known = (at >= 0) & (view.past[number].day < view.day[open_rows])
        is_sure = known & (lacked[open_rows] < view.past[number].day)
        if is_sure.any():
            past.append((number, open_rows[is_sure], at[is_sure]))
            in_past[open_rows[is_sure]] = True
        open_rows = open_rows[~known]
    return Before(own, in_past, tuple(past))


@made_once
def _in_time(view: View) -> Ints:
    """The rows in order of time: positions."""
    in_time: Ints = np.lexsort((view.micros, view.day))
    return in_time


def _from_past(
    view: View, entity: Entity, read: Callable[[Things], Array], dtype: Any, unknown: float = 0
) -> Array:
    """What the past has of the row before, where it is not in the view."""
    before, name = rows_before(view, entity), "+".join(entity)
    of_rows = np.full(len(view), unknown, dtype=dtype)
    for number, rows, places in before.past:
        values = read(view.past[number].things[name])
        of_rows[rows] = values[places] if len(values) else unknown
    return of_rows


def previous(view: View, entity: Entity, name: str) -> Floats:
    """The number in the row before: float64; NaN where it is not known."""
    before = rows_before(view, entity)
    own = view.whole.columns[name].astype(np.float64, copy=False)
    numbers = np.where(before.own >= 0, own[before.own], np.nan)
    if view.past:
        of_past = _from_past(
            view, entity, lambda things: _floats(things.last.get(name, b"")), np.float64, np.nan
        )
        numbers = np.where(before.in_past, of_past, numbers)
    return numbers


def previous_code(view: View, entity: Entity, name: str) -> Array:
    """Half a digest of the value in the row before: uint32; 0 where it is not known."""
    before = rows_before(view, entity)
    own = view.whole.short_code(name)
    codes = np.where(before.own >= 0, own[before.own], np.uint32(0))
    if before.past:
        of_past = _from_past(
            view,
            entity,
            lambda things: np.frombuffer(things.texts.get(name, b""), dtype="<u4"),
            np.uint32,
        )
        codes = np.where(before.in_past, of_past, codes)
    return codes


def elapsed(view: View, entity: Entity) -> Floats:
    """Minutes since the row before: float64; NaN where it is not known."""
    before, micros = rows_before(view, entity), view.micros
    ago = micros - view.whole.micros[before.own]
    minutes = np.where(before.own >= 0, ago / 6e7, np.nan)
    if view.past:
        then = _from_past(
            view, entity, lambda things: np.frombuffer(things.times, dtype="<i8"), np.int64
        )
        minutes = np.where(before.in_past, (micros - then) / 6e7, minutes)
    return minutes


def rows_today(view: View, entity: Entity) -> Floats:
    """Rows of the same thing earlier on the day: float64; NaN where they are not known."""
    codes = view.codes(entity)
    order = np.lexsort((view.micros, view.day, codes))
    sorted_codes, days = codes[order], view.day[order]
    starts = np.ones(len(view), dtype=bool)
    starts[1:] = (sorted_codes[1:] != sorted_codes[:-1]) | (days[1:] != days[:-1])
    place = np.arange(len(view))
    counts = np.empty(len(view))
    counts[order] = place - np.maximum.accumulate(np.where(starts, place, 0))
    return np.where((codes != 0) & (_lacked(view, entity, 0) < view.day), counts, np.nan)


def total_of_days(view: View, entity: Entity, name: str | None, days: int) -> Floats:
    """Rows of the same thing on the days before, or a sum over them; NaN where not known."""
    place, first, grid = _totals(view, entity, name)
    codes = view.codes(entity)
    at = view.day - first
    known = (at >= days) & (codes != 0) & _covered(view, days)
    known &= _lacked(view, entity, 1) < view.day - days
    total = np.zeros(len(view))
    for back in range(days, 0, -1):  # in one order, whatever days are known
        total += grid[place, np.maximum(at - back, 0)]
    return np.where(known, total, np.nan)


@made_once
def _totals(view: View, entity: Entity, name: str | None) -> tuple[Ints, int, Floats]:
    """The thing of each row, the first day, and sums by thing and day."""
    codes = view.codes(entity)
    things, place = np.unique(codes, return_inverse=True)
    days = [*view.days.tolist(), *(batch.day for batch in view.past)]
    first, last = (min(days), max(days)) if days else (0, 0)
    daily = np.zeros((len(things), last - first + 1))
    if name is None:
        values = np.ones(len(view))
    else:
        values = np.nan_to_num(view.columns[name].astype(np.float64))
    flat = place * daily.shape[1] + (view.day - first)
    daily += np.bincount(flat, values, daily.size).reshape(daily.shape)
    for batch in view.past:
        kept = batch.things.get("+".join(entity))
        if kept is None or not first <= batch.day <= last:
            continue
        of_past = _floats(kept.counts if name is None else kept.sums.get(name, b""))
        at = kept.place(things)
        kept_rows = np.flatnonzero(at >= 0)
        of_day = of_past[at[kept_rows]] if len(of_past) else np.nan
        daily[kept_rows, batch.day - first] += of_day
    return place, first, daily


def _covered(view: View, days: int) -> Array:
    """Which rows have days before that are known: no gap is longer than a holiday."""
    had = np.union1d([batch.day for batch in view.past], view.days)
    covered = []
    for day in view.days.tolist():
        within = had[(had >= day - days) & (had < day)]
        edges = np.concatenate([[day - days - 1], within, [day]])
        covered.append(np.diff(edges).max() <= min(STEPS, days))
    return np.asarray(np.array(covered, dtype=bool)[view.group])


def _floats(stored: bytes) -> Floats:
    return np.frombuffer(stored, dtype="<f8")
