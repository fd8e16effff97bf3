"""Bikes: how many bicycles are rented in an hour? A table of few rows a day.

The hours of 2011 in Washington, as the package ISLP ships them. Temperatures, humidity and wind
are shares of their largest values, as in that table.
"""

from __future__ import annotations

import csv
from datetime import date, datetime, timedelta
from functools import cache
from typing import Any

import numpy as np
import pandas as pd

import lockstep as ls
from benchmarks.skew.roles import Joined, Roles, Unit
from benchmarks.skew.shipped import Package, Span, boosted

PACKAGE = Package("ISLP==0.6.0", "ISLP/data")
_MONTHS = (
    *("Jan", "Feb", "March", "April", "May", "June"),
    *("July", "Aug", "Sept", "Oct", "Nov", "Dec"),
)
SPAN = Span(date(2011, 1, 1), date(2011, 7, 1), date(2011, 12, 31))


def _season(local: pd.Series) -> pd.Series:
    """1 from December 21 on, 2 from March 21 on, and so on."""
    day = local.dt.month * 100 + local.dt.day
    season: pd.Series = (day >= 321) * 1 + (day >= 621) + (day >= 923) - (day >= 1221) * 3 + 1
    return season


class Hour(ls.Record):
    """An hour, as known when it is over."""

    hour_id: ls.Key[str]  # such as "2011-05-01 07"
    started_at: ls.EventTime  # by the clock of the place, taken for UTC
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


class Rented(ls.Outcome):
    """What became of it."""

    bikers: float  # bicycles rented in the hour


@ls.feature
def is_commute(hr: ls.Ints, workingday: ls.Ints) -> ls.Bools:
    """Whether people go to work or home."""
    is_rush: ls.Bools = ((hr >= 7) & (hr <= 9)) | ((hr >= 16) & (hr <= 19))
    return np.asarray(is_rush & (workingday == 1), dtype=np.bool_)


@ls.feature
def felt_difference(temp: ls.Floats, atemp: ls.Floats) -> ls.Floats:
    """Felt temperature above the measured one, degrees Celsius."""
    return 50.0 * atemp - 41.0 * temp


@ls.feature
def sky(weathersit: ls.Texts) -> ls.Texts:
    """The weather without what falls."""
    return np.array([one.split("/")[0] for one in weathersit.tolist()], dtype=object)


@ls.label
def rented(bikers: ls.Floats) -> ls.Floats:
    """Bicycles rented in the hour."""
    return bikers


_NUMBERS = ["hr", "weekday", "temp", "hum", "windspeed", "felt_difference"]


@ls.model(learns=rented, uses=["sky", "is_commute", *_NUMBERS])
def expected_rents() -> Any:
    """Bicycles expected to be rented in the hour."""
    return boosted(["sky"], _NUMBERS, ["is_commute"])


@ls.output
def bicycles(expected_rents: ls.Floats) -> ls.Floats:
    """Bicycles expected, none below 0."""
    return np.maximum(expected_rents, 0.0)


PIPELINE = ls.Pipeline(__name__, record=Hour, outcome=Rented)
QUALITY = ("bicycles", "rented", "mae", 80.0)
ROLES = Roles(
    key="hour_id", time="started_at", reporter="weathersit",
    units={"temp": Unit(41.0), "atemp": Unit(50.0), "hum": Unit(100.0), "windspeed": Unit(67.0)},
    shares=("temp", "atemp", "hum", "windspeed"), categories=("weathersit",),
    words=("mnth", "weathersit"), zeroed=("hour_id",), flags=("holiday", "workingday"),
    joined=(Joined(("temp", "atemp", "hum", "windspeed", "weathersit")),),
    clocks={"hr": lambda local: local.dt.hour},
    calendar={
        "season": _season, "weekday": lambda local: (local.dt.dayofweek + 1) % 7,
        "mnth": lambda local: local.dt.month.map(dict(enumerate(_MONTHS, start=1)))
    },
    alike=(("temp", "atemp"), ("hum", "windspeed")), regular=True
)  # fmt: skip


@cache
def load() -> pd.DataFrame:
    """All hours of the year."""
    with PACKAGE.file("Bikeshare.csv").open(newline="") as lines:
        return pd.DataFrame([_hour(row) for row in csv.DictReader(lines)])


def _hour(row: dict[str, str]) -> dict[str, Any]:
    began = datetime(2011, 1, 1) + timedelta(days=int(row["day"]) - 1, hours=int(row["hr"]))  # noqa: DTZ001
    return {
        "hour_id": f"{began:%Y-%m-%d %H}",
        "started_at": pd.Timestamp(began, tz="UTC"),
        **{name: int(row[name]) for name in ("season", "hr", "holiday", "weekday", "workingday")},
        **{name: row[name] for name in ("mnth", "weathersit")},
        **{name: float(row[name]) for name in ("temp", "atemp", "hum", "windspeed", "bikers")},
    }
