"""What a quantity is in each row: of the row itself, of its moment, or of the rows before."""

from __future__ import annotations

import numpy as np
import pandas as pd

from lockstep.columns.dates import moments
from lockstep.columns.kinds import Array, Floats
from lockstep.constraints.cells import by_cell
from lockstep.constraints.quantities import Quantity
from lockstep.constraints.rows_before import (
    elapsed,
    previous,
    rows_before,
    rows_today,
    total_of_days,
)
from lockstep.constraints.view import View, by_clock, made_once

_AMONG_ALL = ("today", "count", "sum", "mean", "peers", "peers before", "moment before")
"""Quantities of all rows of the batch, which a sample takes from the whole view."""


@made_once
def evaluate(view: View, quantity: Quantity) -> Floats:
    """A quantity of each row: float64; NaN where a row has none."""
    if view.whole is not view and quantity.made in _AMONG_ALL:
        return view.own(evaluate(view.whole, quantity))
    name = quantity.fields[0] if quantity.fields else ""
    match quantity.made:
        case "value":
            own = view.columns[name].astype(np.float64)
            return np.where(np.isinf(own), np.nan, own) if np.isinf(own).any() else own
        case "clock":
            return _clock(view, name)
        case "lapse":
            return _lapse(view, name)
        case "span":
            first, second = (_moments(view, name) for name in quantity.fields)
            return _hours(second - first)
        case "digits":
            return _digits(view.columns[name])
        case "calendar":
            return view.calendar(quantity.unit)
        case "peers" | "peers before" | "moment before":
            cells, values = by_cell(view, quantity)
            return values[cells.place]
        case "previous":
            return previous(view, quantity.entity, name)
        case "elapsed":
            return elapsed(view, quantity.entity)
        case "today":
            return rows_today(view, quantity.entity)
        case "count":
            return total_of_days(view, quantity.entity, None, quantity.window)
        case "sum":
            return total_of_days(view, quantity.entity, name, quantity.window)
        case "mean":
            return total_of_days(view, quantity.entity, name, quantity.window) / quantity.window


@made_once
def _moments(view: View, name: str) -> Array:
    """The times of a field, by the clock that they are written in: datetime64[us]."""
    layout = view.layout.dates.get(name)
    if layout is None:
        return view.columns[name].astype("datetime64[us]")
    return _read(view.columns[name], layout)


def _clock(view: View, name: str) -> Floats:
    if name == view.layout.event_time:
        return _of_day(view.local)
    if name in view.layout.clocks:
        numbers = view.columns[name].astype(np.float64)
        return np.floor(numbers / 100) + numbers % 100 / 60
    if name in view.layout.dates:
        return _of_day(_moments(view, name))
    return _of_day(by_clock(view.columns[name], view.layout.timezone))


def _lapse(view: View, name: str) -> Floats:
    """Hours from the event to a time; to a date without a zone, from the day of the event."""
    event = view.layout.event_time
    layout = view.layout.dates.get(name)
    if layout is None and event is not None:
        return _hours(_moments(view, name) - view.columns[event].astype("datetime64[us]"))
    if event is None:
        return _hours(_moments(view, name) - np.datetime64(0, "us"))
    return _hours(_moments(view, name) - view.local.astype("datetime64[D]"))


def row_before(view: View, quantity: Quantity) -> Floats:
    """A quantity of the row before, of whatever thing: float64; NaN where the day has none."""
    before = rows_before(view, ()).own
    is_there = (before >= 0) & (view.whole.day[before] == view.day)
    return np.where(is_there, evaluate(view.whole, quantity)[before], np.nan)


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
