"""Meters: how much electricity will a house use in the hour that follows? A table of sensors.

A year of 17 houses with panels on their roofs in Fontana, California (CityLearn Challenge 2022), as
the package CityLearn ships it (MIT licence): what each meter read in each hour, with the weather,
its forecasts, prices and emissions, which all houses have in common.
"""

from __future__ import annotations

import json
from datetime import date
from functools import cache
from typing import Any

import pandas as pd

import lockstep as ls
from benchmarks.tables.roles import FAHRENHEIT, KILO, MILLI, Unit, roles_of
from benchmarks.tables.shipped import Package, Span, learned

PACKAGE = Package("CityLearn==1.8.0", "citylearn/data/citylearn_challenge_2022_phase_all")
SPAN = Span(date(2016, 10, 1), date(2017, 2, 1), date(2017, 5, 31))
METRIC = ("mae", 0.6)


class Reading(ls.Record):
    """What is known of a house when an hour is over."""

    reading_id: ls.Key[str]  # such as "H07 2017-02-01 13"
    begun_at: ls.EventTime  # by the clock of the place without summer time, taken for UTC
    house: str  # such as "H07"
    month: int
    hour: int  # 1 to 24; 24 is the first of the day, with month and day_type of the day before
    day_type: int  # 1 is Monday
    used: float  # in the hour, kWh
    solar: float  # what the panels gave, W per kW of their size
    panels: float  # their size, kW
    temp: float  # outdoors, degrees Celsius, as are its forecasts
    temp_in_6h: float
    temp_in_12h: float
    temp_in_24h: float
    humidity: float  # relative, percent
    diffuse: float  # radiation of the sky, W per square metre
    direct: float  # radiation of the sun, W per square metre, as are its forecasts
    direct_in_6h: float
    direct_in_12h: float
    direct_in_24h: float
    price: float  # of a kWh, dollars, as is its forecast
    price_in_6h: float
    carbon: float  # kg of carbon dioxide for a kWh


_USES = """house hour day_type used solar panels temp temp_in_6h humidity direct direct_in_6h
    price_in_6h carbon"""
_BECOMES = ("used_next", float)  # in the hour that follows, kWh
Outcome, actual, contrast, expected, prediction = learned(Reading, _BECOMES, _USES)
PIPELINE = ls.Pipeline(__name__, record=Reading, outcome=Outcome)
_TEMPS, _DIRECT = (
    f"{name} {name}_in_6h {name}_in_12h {name}_in_24h" for name in ("temp", "direct")
)
_HOUR = pd.Timedelta(hours=1)
ROLES = roles_of(
    Reading, reporter="house", regular=True,
    units={KILO: f"solar diffuse {_DIRECT}", MILLI: "used panels carbon", FAHRENHEIT: _TEMPS,
           Unit(0.01): "humidity"},
    money="price price_in_6h", codes="house", categories="house", words="house",
    zeroed="reading_id house", lookups={"house": "panels"},
    joined=[(f"{_TEMPS} humidity diffuse {_DIRECT}", None), ("price price_in_6h", None),
            ("carbon", None)],
    clocks={"hour": lambda local: (local.dt.hour - 1) % 24 + 1},
    calendar={
        "month": lambda local: (local - _HOUR).dt.month,
        "day_type": lambda local: (local - _HOUR).dt.dayofweek + 1
    },
    alike="temp temp_in_6h, direct diffuse, used solar, price price_in_6h, "
    "direct_in_6h direct_in_12h"
)  # fmt: skip
_METER = {
    "Month": "month", "Hour": "hour", "Day Type": "day_type",
    "Equipment Electric Power [kWh]": "used", "Solar Generation [W/kW]": "solar"
}  # fmt: skip
_JOINED = {
    "Outdoor Drybulb Temperature [C]": "temp", "Relative Humidity [%]": "humidity",
    "Diffuse Solar Radiation [W/m2]": "diffuse", "Direct Solar Radiation [W/m2]": "direct",
    "Electricity Pricing [$]": "price", "kg_CO2/kWh": "carbon"
}  # fmt: skip
_FORECAST = {
    f"{hours}h Prediction {title}": f"{name}_in_{hours}h"
    for hours in (6, 12, 24) for title, name in _JOINED.items()
}  # fmt: skip
_FIRST_OF_FILES = "2016-08-01"


@cache
def load() -> pd.DataFrame:
    """The readings of all days."""
    files = ("weather", "pricing", "carbon_intensity")
    common = pd.concat([pd.read_csv(PACKAGE.file(f"{name}.csv")) for name in files], axis=1)
    sizes = json.loads(PACKAGE.file("schema.json").read_text())["buildings"]
    houses = [_house(number, sizes, common) for number in range(1, 18)]
    return pd.concat(houses).sort_values(["begun_at", "house"], ignore_index=True)


def _house(number: int, sizes: dict[str, Any], common: pd.DataFrame) -> pd.DataFrame:
    name, house = f"Building_{number}", f"H{number:02}"
    meter = pd.read_csv(PACKAGE.file(f"{name}.csv"))[[*_METER]]
    rows = pd.concat([meter, common], axis=1).rename(columns=_METER | _JOINED | _FORECAST)
    begun = pd.date_range(_FIRST_OF_FILES, periods=len(rows), freq="h", tz="UTC", unit="us")
    return rows.assign(
        reading_id=begun.strftime(f"{house} %Y-%m-%d %H"),
        begun_at=begun,
        house=house,
        panels=float(sizes[name]["pv"]["attributes"]["nominal_power"]),
        used_next=rows["used"].shift(-1),
    )
