"""Meters: how much electricity will a house use in the hour that follows? A table of sensors.

A year of 17 houses with panels on their roofs in Fontana, California, that was published for a
challenge (CityLearn Challenge 2022) and that the package CityLearn ships (MIT licence): what each
meter read in each hour, with the weather and its forecasts, which all houses have in common, prices
and emissions.
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


class Reading(Record):
    """What is known of a house when an hour is over."""

    reading_id: Key[str]  # such as "H07 2017-02-01 13"
    begun_at: EventTime  # by the clock of the place without summer time, taken for UTC
    house: str  # such as "H07"
    month: int
    hour: int  # 1 to 24; 24 is the first of the day, with month and day_type of the day before
    day_type: int  # 1 is Monday
    used: float  # in the hour, kWh
    solar: float  # what the panels gave, W per kW of their size
    panels: float  # their size, kW
    temp: float  # outdoors, degrees Celsius, as are its forecasts
    temp_in_6h: float
    temp_in_12h: float
    temp_in_24h: float
    humidity: float  # relative, percent
    diffuse: float  # radiation of the sky, W per square metre
    direct: float  # radiation of the sun, W per square metre, as are its forecasts
    direct_in_6h: float
    direct_in_12h: float
    direct_in_24h: float
    price: float  # of a kWh, dollars, as is its forecast
    price_in_6h: float
    carbon: float  # kg of carbon dioxide for a kWh


class Used(Outcome):
    """What became of it."""

    used_next: float  # in the hour that follows, kWh


@feature
def generated(solar: Floats, panels: Floats) -> Floats:
    """What the panels gave, kWh."""
    return solar * panels / 1000.0


@feature
def from_the_grid(used: Floats, generated: Floats) -> Floats:
    """What was used beyond what the panels gave, kWh; negative where it was less."""
    return used - generated


@feature
def spent(used: Floats, price: Floats) -> Floats:
    """What the use of the hour cost, dollars."""
    return used * price


@feature
def is_weekend(day_type: Ints) -> Bools:
    """Whether it is Saturday or Sunday."""
    return np.asarray(day_type >= 6, dtype=np.bool_)


@feature
def warming(temp: Floats, temp_in_6h: Floats) -> Floats:
    """How much warmer it is to be in six hours, degrees Celsius."""
    return temp_in_6h - temp


@feature
def home(house: Texts) -> Texts:
    """The house, as a category."""
    return house


@label
def use(used_next: Floats) -> Floats:
    """Used in the hour that follows, kWh."""
    return used_next


_NUMBERS = [
    *("hour", "used", "generated", "from_the_grid", "spent", "temp", "warming", "humidity"),
    *("direct", "direct_in_6h", "price_in_6h", "carbon"),
]


@model(learns=use, uses=["home", "is_weekend", *_NUMBERS])
def expected_use() -> Any:
    """Electricity expected to be used in the hour that follows, kWh."""
    encode = OrdinalEncoder(handle_unknown="use_encoded_value", unknown_value=np.nan)
    prepare = ColumnTransformer(
        [
            ("home", encode, ["home"]),
            ("flags", "passthrough", ["is_weekend"]),
            ("numbers", "passthrough", _NUMBERS),
        ]
    )
    return make_pipeline(prepare, HistGradientBoostingRegressor(max_iter=60, random_state=0))


@output
def kilowatt_hours(expected_use: Floats) -> Floats:
    """Electricity expected, none below 0, kWh."""
    return np.maximum(expected_use, 0.0)


PIPELINE = Pipeline(__name__, record=Reading, outcome=Used)
