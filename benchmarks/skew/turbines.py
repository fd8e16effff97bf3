"""Turbines: how much will a wind turbine give in the ten minutes that follow? A table of machines.

The four turbines of La Haute Borne in France, as their operator (Engie) publishes what they told of
each ten minutes, with what the farm's meter counted and the weather of the ERA5 reanalysis. The
package OpenOA ships it (BSD licence, the data under the Licence Ouverte).
"""

from __future__ import annotations

import zipfile
from collections.abc import Mapping
from datetime import date
from functools import cache
from typing import Any

import numpy as np
import pandas as pd

import lockstep as ls
from benchmarks.skew.roles import Joined, Roles, Unit
from benchmarks.skew.shipped import Package, Span, boosted, rows_between

PACKAGE = Package("openoa==3.2", "examples/data")
SPAN = Span(date(2014, 1, 1), date(2014, 5, 1), date(2014, 8, 31))


class Interval(ls.Record):
    """What is known of a turbine when ten minutes are over; means of them, but for the energy."""

    interval_id: ls.Key[str]  # such as "R80711 2014-05-01 13:10"
    begun_at: ls.EventTime
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


class Given(ls.Outcome):
    """What became of it."""

    power_next: float | None  # in the ten minutes that follow, kW


_SWEPT = np.pi * 41.0**2
"""Area that the blades sweep, square metres: the rotor of a Senvion MM82 is 82 m wide."""


@ls.feature
def wind_power(wind: ls.Floats, density: ls.Floats) -> ls.Floats:
    """What the wind carries through the blades, kW."""
    return density * _SWEPT * wind**3 / 2000.0


@ls.feature
def warmer(outdoors: ls.Floats, air_temp: ls.Floats) -> ls.Floats:
    """How much warmer it is at the nacelle than in the reanalysis, degrees."""
    return outdoors - (air_temp - 273.15)


@ls.label
def power_to_come(power_next: ls.Floats) -> ls.Floats:
    """Power in the ten minutes that follow, kW."""
    return power_next


_NUMBERS = [
    "power", "wind", "pitch", "outdoors", "wind_power", "warmer", "farm_energy", "wind_100m",
    "pressure"
]  # fmt: skip


@ls.model(learns=power_to_come, uses=["turbine", *_NUMBERS])
def expected_power() -> Any:
    """Power expected in the ten minutes that follow, kW."""
    return boosted(["turbine"], _NUMBERS)


@ls.output
def kilowatts(expected_power: ls.Floats) -> ls.Floats:
    """Power expected, none beyond what a turbine is rated for, kW."""
    return np.clip(expected_power, -20.0, 2050.0)


PIPELINE = ls.Pipeline(__name__, record=Interval, outcome=Given)
QUALITY = ("kilowatts", "power_to_come", "mae", 100.0)
_WEATHER = ("wind_u", "wind_v", "wind_100m", "air_temp", "pressure", "density")
ROLES = Roles(
    key="interval_id", time="begun_at", reporter="turbine",
    units={
        "power": Unit(0.001), "wind": Unit(3.6), "vane": Unit(0.0174533),
        "nacelle": Unit(0.0174533), "wind_from": Unit(0.0174533), "pitch": Unit(0.0174533),
        "outdoors": Unit(1.8, 32.0 / 1.8), "farm_energy": Unit(0.001), "farm_lost": Unit(0.001),
        "wind_u": Unit(3.6), "wind_100m": Unit(1.943844), "air_temp": Unit(1.0, -273.15),
        "pressure": Unit(0.01), "density": Unit(1000.0)
    },
    numbers=("wind_v",), codes=("turbine",), categories=("turbine",), words=("turbine",),
    zeroed=("interval_id",),
    sparse=(*("power", "wind", "vane", "nacelle", "wind_from"), *("pitch", "outdoors")),
    joined=(Joined(_WEATHER), Joined(("farm_energy", "farm_lost"))),
    alike=(
        ("wind", "wind_100m"), ("nacelle", "wind_from"), ("wind_u", "wind_v"),
        ("farm_energy", "farm_lost"), ("vane", "pitch")
    ),
    regular=True
)  # fmt: skip
_TURBINE = {
    "Wind_turbine_name": "turbine", "P_avg": "power", "Ws_avg": "wind", "Va_avg": "vane",
    "Ya_avg": "nacelle", "Wa_avg": "wind_from", "Ba_avg": "pitch", "Ot_avg": "outdoors"
}  # fmt: skip
_FARM = {"net_energy_kwh": "farm_energy", "availability_kwh": "farm_lost"}
_ERA5 = {
    "u_100": "wind_u", "v_100": "wind_v", "ws_100m": "wind_100m", "t_2m": "air_temp",
    "surf_pres": "pressure", "dens_100m": "density"
}  # fmt: skip


@cache
def load() -> pd.DataFrame:
    """The intervals of the days from the first that is trained on to the last that is scored."""
    with zipfile.ZipFile(PACKAGE.file("la_haute_borne.zip")) as archive:
        told = _read(archive, "la-haute-borne-data-2014-2015.csv", "Date_time", _TURBINE)
        farm = _read(archive, "plant_data.csv", "time_utc", _FARM)
        weather = _read(archive, "era5_wind_la_haute_borne.csv", "datetime", _ERA5)
    told = told.drop_duplicates(["turbine", "begun_at"])  # an hour of March is told twice
    told = told.sort_values(["begun_at", "turbine"], ignore_index=True)
    rows = told.assign(hour=told["begun_at"].dt.floor("h")).merge(farm, "left", "begun_at")
    rows = rows.merge(weather.rename(columns={"begun_at": "hour"}), "left", "hour")
    following = rows.groupby("turbine")["power"].shift(-1)
    return rows.assign(
        interval_id=rows["turbine"] + rows["begun_at"].dt.strftime(" %Y-%m-%d %H:%M"),
        power_next=following,
    )


def _read(archive: zipfile.ZipFile, name: str, time: str, names: Mapping[str, str]) -> pd.DataFrame:
    """Some columns of a file under other names, and when the interval or hour of a row began."""
    rows = pd.read_csv(archive.open(name), usecols=[time, *names]).rename(columns=names)
    times = pd.to_datetime(rows.pop(time), utc=True, format="ISO8601")
    return rows_between(
        rows.assign(begun_at=times.dt.as_unit("us")), "begun_at", SPAN.begin, SPAN.last
    )
