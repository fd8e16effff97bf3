"""Meters: how much electricity will a house use in the hour that follows? A table of sensors.

A year of 17 houses with panels on their roofs in Fontana, California, that was published for a
challenge (CityLearn Challenge 2022) and that the package CityLearn ships (MIT licence): what each
meter read in each hour, with the weather and its forecasts, which all houses have in common, prices
and emissions.
"""

from __future__ import annotations

import json
from datetime import date
from functools import cache
from typing import Any

import numpy as np
import pandas as pd

import lockstep as ls
from benchmarks.skew.roles import Joined, Roles, Unit
from benchmarks.skew.shipped import Package, Span, boosted

PACKAGE = Package("CityLearn==1.8.0", "citylearn/data/citylearn_challenge_2022_phase_all")
SPAN = Span(date(2016, 10, 1), date(2017, 2, 1), date(2017, 5, 31))


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


class Used(ls.Outcome):
    """What became of it."""

    used_next: float  # in the hour that follows, kWh


@ls.feature
def generated(solar: ls.Floats, panels: ls.Floats) -> ls.Floats:
    """What the panels gave, kWh."""
    return solar * panels / 1000.0


@ls.feature
def warming(temp: ls.Floats, temp_in_6h: ls.Floats) -> ls.Floats:
    """How much warmer it is to be in six hours, degrees Celsius."""
    return temp_in_6h - temp


@ls.label
def use(used_next: ls.Floats) -> ls.Floats:
    """Used in the hour that follows, kWh."""
    return used_next


_NUMBERS = [
    "hour", "day_type", "used", "generated", "temp", "warming", "humidity", "direct",
    "direct_in_6h", "price_in_6h", "carbon"
]  # fmt: skip


@ls.model(learns=use, uses=["house", *_NUMBERS])
def expected_use() -> Any:
    """Electricity expected to be used in the hour that follows, kWh."""
    return boosted(["house"], _NUMBERS)


@ls.output
def kilowatt_hours(expected_use: ls.Floats) -> ls.Floats:
    """Electricity expected, none below 0, kWh."""
    return np.maximum(expected_use, 0.0)


PIPELINE = ls.Pipeline(__name__, record=Reading, outcome=Used)
QUALITY = ("kilowatt_hours", "use", "mae", 0.6)
_TEMPS = ("temp", "temp_in_6h", "temp_in_12h", "temp_in_24h")
_DIRECT = ("direct", "direct_in_6h", "direct_in_12h", "direct_in_24h")
ROLES = Roles(
    key="reading_id", time="begun_at", reporter="house",
    units={
        "used": Unit(1000.0), "solar": Unit(0.001), "panels": Unit(1000.0), "humidity": Unit(0.01),
        "diffuse": Unit(0.001), "carbon": Unit(1000.0),
        **dict.fromkeys(_TEMPS, Unit(1.8, 32.0 / 1.8)), **dict.fromkeys(_DIRECT, Unit(0.001))
    },
    money=("price", "price_in_6h"), codes=("house",), categories=("house",), words=("house",),
    zeroed=("reading_id", "house"), lookups={"house": ("panels",)},
    joined=(
        Joined((*_TEMPS, "humidity", "diffuse", *_DIRECT)), Joined(("price", "price_in_6h")),
        Joined(("carbon",))
    ),
    clocks={"hour": lambda local: (local.dt.hour - 1) % 24 + 1},
    calendar={
        "month": lambda local: (local - pd.Timedelta(hours=1)).dt.month,
        "day_type": lambda local: (local - pd.Timedelta(hours=1)).dt.dayofweek + 1
    },
    alike=(
        ("temp", "temp_in_6h"), ("direct", "diffuse"), ("used", "solar"), ("price", "price_in_6h"),
        ("direct_in_6h", "direct_in_12h")
    ),
    regular=True
)  # fmt: skip
_METER = {
    "Month": "month", "Hour": "hour", "Day Type": "day_type",
    "Equipment Electric Power [kWh]": "used", "Solar Generation [W/kW]": "solar"
}  # fmt: skip
_WEATHER = {
    "Outdoor Drybulb Temperature [C]": "temp", "Relative Humidity [%]": "humidity",
    "Diffuse Solar Radiation [W/m2]": "diffuse", "Direct Solar Radiation [W/m2]": "direct",
    **{
        f"{hours}h Prediction {title}": f"{name}_in_{hours}h" for hours in (6, 12, 24) for title,
        name in (
            ("Outdoor Drybulb Temperature [C]", "temp"), ("Direct Solar Radiation [W/m2]", "direct")
        )
    }
}  # fmt: skip
_PRICE = {
    "Electricity Pricing [$]": "price",
    "6h Prediction Electricity Pricing [$]": "price_in_6h",
}


@cache
def load() -> pd.DataFrame:
    """The readings of the days from the first that is trained on to the last that is scored."""
    hourly = [
        pd.read_csv(PACKAGE.file(file)).rename(columns=names)[list(names.values())]
        for file, names in (
            ("weather.csv", _WEATHER),
            ("pricing.csv", _PRICE),
            ("carbon_intensity.csv", {"kg_CO2/kWh": "carbon"}),
        )
    ]
    sizes = json.loads(PACKAGE.file("schema.json").read_text())["buildings"]
    of_houses = []
    for number, house in ((one, f"H{one:02}") for one in range(1, 18)):
        name = f"Building_{number}"
        meter = pd.read_csv(PACKAGE.file(f"{name}.csv")).rename(columns=_METER)
        rows = pd.concat([meter[list(_METER.values())], *hourly], axis=1)
        begun = pd.date_range("2016-08-01", periods=len(rows), freq="h", tz="UTC", unit="us")
        keys = [f"{house} {one:%Y-%m-%d %H}" for one in begun]
        panels = float(sizes[name]["pv"]["attributes"]["nominal_power"])
        of_houses.append(
            rows.assign(
                reading_id=keys,
                begun_at=begun,
                house=house,
                panels=panels,
                used_next=rows["used"].shift(-1),
            )
        )
    return pd.concat(of_houses).sort_values(["begun_at", "house"], ignore_index=True)
