"""Turbines: how much will a wind turbine give in the ten minutes that follow? A table of machines.

The four turbines of La Haute Borne in France, as their operator (Engie) publishes what they told of
each ten minutes, with what the farm's meter counted and the weather of the ERA5 reanalysis. The
package OpenOA ships it (BSD licence, the data under the Licence Ouverte).
"""

from __future__ import annotations

from typing import Any

import numpy as np
from sklearn.compose import ColumnTransformer
from sklearn.ensemble import HistGradientBoostingRegressor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OrdinalEncoder

from lockstep import (
    EventTime,
    Floats,
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


class Interval(Record):
    """What is known of a turbine when ten minutes are over; means of them, but for the energy."""

    interval_id: Key[str]  # such as "R80711 2014-05-01 13:10"
    begun_at: EventTime
    turbine: str  # such as "R80711"
    power: float | None  # kW; below 0 where it takes power
    wind: float | None  # by the anemometer on its nacelle, m/s
    vane: float | None  # the wind's direction by the vane, degrees from that of the nacelle
    nacelle: float | None  # where it points to, degrees clockwise from north
    wind_from: float | None  # where the wind comes from, degrees clockwise from north
    pitch: float | None  # of the blades, degrees
    outdoors: float | None  # temperature, degrees Celsius
    farm_energy: float | None  # what the meter of all four counted, kWh
    farm_lost: float | None  # what turbines that stood would have given, kWh
    wind_u: float | None  # ERA5, of the hour: to the east, 100 m above ground, m/s
    wind_v: float | None  # to the north
    wind_100m: float | None  # speed, m/s
    air_temp: float | None  # 2 m above ground, Kelvin
    pressure: float | None  # at ground, Pascal
    density: float | None  # of the air, 100 m above ground, kg per cubic metre


class Given(Outcome):
    """What became of it."""

    power_next: float | None  # in the ten minutes that follow, kW


_SWEPT = np.pi * 41.0**2
"""Area that the blades sweep, square metres: the rotor of a Senvion MM82 is 82 m wide."""


@feature
def wind_power(wind: Floats, density: Floats) -> Floats:
    """What the wind carries through the blades, kW."""
    return density * _SWEPT * wind**3 / 2000.0


@feature
def efficiency(power: Floats, wind_power: Floats) -> Floats:
    """Share of it that becomes power; Betz's limit is 0.593."""
    return power / np.maximum(wind_power, 1.0)


@feature
def eastward(wind_from: Floats) -> Floats:
    """The wind's direction, as a part of its sine."""
    return np.asarray(np.sin(np.radians(wind_from)), dtype=np.float64)


@feature
def northward(wind_from: Floats) -> Floats:
    """The wind's direction, as a part of its cosine."""
    return np.asarray(np.cos(np.radians(wind_from)), dtype=np.float64)


@feature
def share_of_farm(power: Floats, farm_energy: Floats) -> Floats:
    """Share of what the meter counted that the turbine gave."""
    return power / 6.0 / np.maximum(farm_energy, 1.0)


@feature
def warmer(outdoors: Floats, air_temp: Floats) -> Floats:
    """How much warmer it is at the nacelle than in the reanalysis, degrees."""
    return outdoors - (air_temp - 273.15)


@feature
def windier(wind: Floats, wind_100m: Floats) -> Floats:
    """How much more wind there is at the nacelle than in the reanalysis, m/s."""
    return wind - wind_100m


@feature
def machine(turbine: Texts) -> Texts:
    """The turbine, as a category."""
    return turbine


@label
def power_to_come(power_next: Floats) -> Floats:
    """Power in the ten minutes that follow, kW."""
    return power_next


_NUMBERS = [
    *("power", "wind", "pitch", "outdoors", "wind_power", "efficiency", "eastward", "northward"),
    *("share_of_farm", "farm_lost", "warmer", "windier", "wind_100m", "pressure"),
]


@model(learns=power_to_come, uses=["machine", *_NUMBERS])
def expected_power() -> Any:
    """Power expected in the ten minutes that follow, kW."""
    encode = OrdinalEncoder(handle_unknown="use_encoded_value", unknown_value=np.nan)
    prepare = ColumnTransformer(
        [("machine", encode, ["machine"]), ("numbers", "passthrough", _NUMBERS)]
    )
    return make_pipeline(prepare, HistGradientBoostingRegressor(max_iter=60, random_state=0))


@output
def kilowatts(expected_power: Floats) -> Floats:
    """Power expected, none beyond what a turbine is rated for, kW."""
    return np.clip(expected_power, -20.0, 2050.0)


PIPELINE = Pipeline(__name__, record=Interval, outcome=Given)
