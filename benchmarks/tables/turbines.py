"""Turbines: how much will a wind turbine give in the ten minutes that follow? A table of machines.

The four turbines of La Haute Borne in France, as their operator (Engie) publishes what they told of
each ten minutes, with the farm's meter and the weather of the ERA5 reanalysis. The package OpenOA
ships it (BSD licence, the data under the Licence Ouverte).
"""

from __future__ import annotations

import zipfile
from collections.abc import Mapping
from datetime import date
from functools import cache

import pandas as pd

import lockstep as ls
from benchmarks.tables.roles import FAHRENHEIT, KILO, MILLI, RADIANS, Unit, roles_of
from benchmarks.tables.shipped import Package, Span, learned, rows_between

PACKAGE = Package("openoa==3.2", "examples/data")
SPAN = Span(date(2014, 1, 1), date(2014, 5, 1), date(2014, 8, 31))
METRIC = ("mae", 100.0)


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


_USES = "turbine power wind pitch outdoors air_temp density farm_energy wind_100m pressure"
_BECOMES = ("power_next", float | None)  # in the ten minutes that follow, kW
Outcome, actual, contrast, expected, prediction = learned(Interval, _BECOMES, _USES)
PIPELINE = ls.Pipeline(__name__, record=Interval, outcome=Outcome)
ROLES = roles_of(
    Interval, reporter="turbine", regular=True,
    units={
        KILO: "power farm_energy farm_lost", Unit(3.6): "wind wind_u", FAHRENHEIT: "outdoors",
        RADIANS: "vane nacelle wind_from pitch", Unit(1.943844): "wind_100m",
        Unit(1.0, -273.15): "air_temp", Unit(0.01): "pressure", MILLI: "density"
    },
    numbers="wind_v", codes="turbine", categories="turbine", words="turbine", zeroed="interval_id",
    sparse="power wind vane nacelle wind_from pitch outdoors",
    joined=[("wind_u wind_v wind_100m air_temp pressure density", None),
            ("farm_energy farm_lost", None)],
    alike="wind wind_100m, nacelle wind_from, wind_u wind_v, farm_energy farm_lost, vane pitch"
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
    return rows.assign(
        interval_id=rows["turbine"] + rows["begun_at"].dt.strftime(" %Y-%m-%d %H:%M"),
        power_next=rows.groupby("turbine")["power"].shift(-1),
    )


def _read(archive: zipfile.ZipFile, name: str, time: str, names: Mapping[str, str]) -> pd.DataFrame:
    """Some columns of a file under other names, and when the interval or hour of a row began."""
    rows = pd.read_csv(archive.open(name), usecols=[time, *names]).rename(columns=names)
    rows["begun_at"] = pd.to_datetime(rows.pop(time), utc=True, format="ISO8601").dt.as_unit("us")
    return rows_between(rows, "begun_at", SPAN.begin, SPAN.last)
