"""Bikes: how many bicycles are rented in an hour? A table of few rows a day.

The hours of 2011 in Washington, as the package ISLP ships them.
"""

from __future__ import annotations

from datetime import date
from functools import cache

import pandas as pd

import lockstep as ls
from benchmarks.tables.roles import Unit, roles_of
from benchmarks.tables.shipped import Package, Span, learned

PACKAGE = Package("ISLP==0.6.0", "ISLP/data")
SPAN = Span(date(2011, 1, 1), date(2011, 7, 1), date(2011, 12, 31))
METRIC = ("mae", 80.0)


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


_USES = "weathersit hr weekday workingday temp hum windspeed atemp"
_BECOMES = ("bikers", float)  # bicycles rented in the hour
Outcome, actual, contrast, expected, prediction = learned(Hour, _BECOMES, _USES)
PIPELINE = ls.Pipeline(__name__, record=Hour, outcome=Outcome)


_MONTHS = {"Mar": "March", "Jun": "June", "Jul": "July", "Apr": "April", "Sep": "Sept"}


def _season(local: pd.Series) -> pd.Series:
    """1 from December 21 on, 2 from March 21 on, and so on."""
    day = local.dt.month * 100 + local.dt.day
    season: pd.Series = (day >= 321) * 1 + (day >= 621) + (day >= 923) - (day >= 1221) * 3 + 1
    return season


ROLES = roles_of(
    Hour, reporter="weathersit", regular=True, shares="temp atemp hum windspeed",
    units={Unit(41.0): "temp", Unit(50.0): "atemp", Unit(100.0): "hum", Unit(67.0): "windspeed"},
    categories="weathersit", words="mnth weathersit", zeroed="hour_id", flags="holiday workingday",
    joined=[("temp atemp hum windspeed weathersit", None)],
    clocks={"hr": lambda local: local.dt.hour},
    calendar={
        "season": _season, "weekday": lambda local: (local.dt.dayofweek + 1) % 7,
        "mnth": lambda local: local.dt.strftime("%b").replace(_MONTHS)
    },
    alike="temp atemp, hum windspeed"
)  # fmt: skip


@cache
def load() -> pd.DataFrame:
    """All hours of the year."""
    rows = pd.read_csv(PACKAGE.file("Bikeshare.csv")).astype({"bikers": float})
    hours = pd.to_timedelta((rows["day"] - 1) * 24 + rows["hr"], unit="h")
    begun = pd.Timestamp("2011-01-01", tz="UTC") + hours.dt.as_unit("us")
    return rows.assign(hour_id=begun.dt.strftime("%Y-%m-%d %H"), started_at=begun)
