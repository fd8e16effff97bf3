"""Bikeshare: how many bicycles are rented in an hour? A table of few rows a day.

The hours of 2011 in Washington, as the package ISLP ships them. Temperatures, humidity and wind
are shares of their largest values, as in that table.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from sklearn.compose import ColumnTransformer
from sklearn.ensemble import HistGradientBoostingRegressor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OrdinalEncoder

from lockstep import (
    Bools,
    EventTime,
    Floats,
    Ints,
    Key,
    Outcome,
    Pipeline,
    Record,
    Texts,
    feature,
    label,
    model,
    output,
)


class Hour(Record):
    """An hour, as known when it is over."""

    hour_id: Key[str]  # such as "2011-05-01 07"
    started_at: EventTime  # by the clock of the place, taken for UTC
    season: int  # 1 is winter
    mnth: str  # month, abbreviated
    hr: int  # hour of the day
    holiday: int  # 1 on a holiday
    weekday: int  # 0 is Sunday
    workingday: int  # 1 on a working day
    weathersit: str  # in words
    temp: float  # share of 41 degrees Celsius
    atemp: float  # felt, share of 50 degrees Celsius
    hum: float  # relative humidity, a share
    windspeed: float  # share of 67


class Rented(Outcome):
    """What became of it."""

    bikers: float  # bicycles rented in the hour


@feature
def is_commute(hr: Ints, workingday: Ints) -> Bools:
    """Whether people go to work or home."""
    is_rush: Bools = ((hr >= 7) & (hr <= 9)) | ((hr >= 16) & (hr <= 19))
    return np.asarray(is_rush & (workingday == 1), dtype=np.bool_)


@feature
def mugginess(temp: Floats, hum: Floats) -> Floats:
    """Warmth times humidity, no unit."""
    return temp * hum


@feature
def felt_difference(temp: Floats, atemp: Floats) -> Floats:
    """Felt temperature above the measured one, degrees Celsius."""
    return 50.0 * atemp - 41.0 * temp


@feature
def sky(weathersit: Texts) -> Texts:
    """The weather without what falls."""
    return np.array([one.split("/")[0] for one in weathersit.tolist()], dtype=object)


@label
def rented(bikers: Floats) -> Floats:
    """Bicycles rented in the hour."""
    return bikers


_NUMBERS = ["hr", "weekday", "temp", "hum", "windspeed", "mugginess", "felt_difference"]


@model(learns=rented, uses=["sky", "is_commute", *_NUMBERS])
def expected_rents() -> Any:
    """Bicycles expected to be rented in the hour."""
    encode = OrdinalEncoder(handle_unknown="use_encoded_value", unknown_value=np.nan)
    prepare = ColumnTransformer(
        [
            ("sky", encode, ["sky"]),
            ("flags", "passthrough", ["is_commute"]),
            ("numbers", "passthrough", _NUMBERS),
        ]
    )
    return make_pipeline(prepare, HistGradientBoostingRegressor(max_iter=60, random_state=0))


@output
def bicycles(expected_rents: Floats) -> Floats:
    """Bicycles expected, none below 0."""
    return np.maximum(expected_rents, 0.0)


PIPELINE = Pipeline(__name__, record=Hour, outcome=Rented)
