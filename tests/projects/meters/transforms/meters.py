"""Heat meters: how much a flat will use on a day. So small that all can be computed by hand."""

from __future__ import annotations

from typing import Any

import numpy as np
from sklearn.linear_model import LinearRegression

from lockstep import (
    EventTime,
    Floats,
    Key,
    Outcome,
    Pipeline,
    Record,
    feature,
    label,
    model,
    output,
)


class Reading(Record):
    """One flat on one day, as forecast the evening before."""

    reading_id: Key[str]
    read_at: EventTime
    outside: float  # degrees Celsius
    rooms: int


class Use(Outcome):
    """What became of it."""

    used: float  # kilowatt hours


@feature
def cold(outside: Floats) -> Floats:
    """Degrees below the temperature at which people heat."""
    return np.maximum(18.0 - outside, 0.0)


@label
def use(used: Floats) -> Floats:
    """Kilowatt hours."""
    return used


@model(learns=use, uses=[cold, "rooms"], ulps=64)
def expected_use() -> Any:
    """Kilowatt hours that it will use."""
    return LinearRegression()


@output
def forecast(expected_use: Floats) -> Floats:
    """Kilowatt hours that it will use."""
    return expected_use


PIPELINE = Pipeline(__name__, record=Reading, outcome=Use)
