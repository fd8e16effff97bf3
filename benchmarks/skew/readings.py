"""Meters as they arrive: their readings by day, and the faults that are tried on them.

They were thought of from what goes wrong with meters and what is joined to them, before any of them
was tried. What came of them has been looked at since, so all of them are of the half to tune on.
"""

from __future__ import annotations

import json
from datetime import date, timedelta
from functools import cache, partial

import numpy as np
import pandas as pd

from benchmarks.skew.deliveries import (
    Change,
    DataFault,
    Delivery,
    Where,
    alter,
    averaged,
    both,
    fault_of_data,
    in_part,
    put,
    share,
    swap,
    value,
    without,
)
from benchmarks.skew.meters import PIPELINE
from benchmarks.skew.shipped import Package, rows_between
from lockstep import Calendar, FunctionSource, PipelineAssets, Quality

PACKAGE = Package("CityLearn==1.8.0", "citylearn/data/citylearn_challenge_2022_phase_all")
BEGIN, FIRST, LAST = date(2016, 10, 1), date(2017, 2, 1), date(2017, 5, 31)
"""The first day that is trained on, and the days that are scored."""
HOUSES = tuple(f"H{number:02}" for number in range(1, 18))
_METER = {
    "Month": "month",
    "Hour": "hour",
    "Day Type": "day_type",
    "Equipment Electric Power [kWh]": "used",
    "Solar Generation [W/kW]": "solar",
}
_WEATHER = {
    "Outdoor Drybulb Temperature [C]": "temp",
    "Relative Humidity [%]": "humidity",
    "Diffuse Solar Radiation [W/m2]": "diffuse",
    "Direct Solar Radiation [W/m2]": "direct",
    **{
        f"{hours}h Prediction {title}": f"{name}_in_{hours}h"
        for hours in (6, 12, 24)
        for title, name in (
            ("Outdoor Drybulb Temperature [C]", "temp"),
            ("Direct Solar Radiation [W/m2]", "direct"),
        )
    },
}
_PRICE = {
    "Electricity Pricing [$]": "price",
    "6h Prediction Electricity Pricing [$]": "price_in_6h",
}
TEMPS = ("temp_in_6h", "temp_in_12h", "temp_in_24h")
DIRECTS = ("direct_in_6h", "direct_in_12h", "direct_in_24h")
SKY = ("temp", *TEMPS, "humidity", "diffuse", "direct", *DIRECTS)


@cache
def readings() -> pd.DataFrame:
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
    for number, house in enumerate(HOUSES, start=1):
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
    known = rows_between(pd.concat(of_houses), "begun_at", BEGIN, LAST)
    ordered = known.sort_values(["begun_at", "house"], ignore_index=True)
    return ordered[list(PIPELINE.joint_schema.names)]


def first_months() -> pd.DataFrame:
    """The readings of October to January, with what was used in the hour that follows."""
    return rows_between(readings(), "begun_at", BEGIN, FIRST - timedelta(days=1))


def readings_of(day: date) -> pd.DataFrame:
    """The readings of a day."""
    return rows_between(readings().drop(columns="used_next"), "begun_at", day, day)


METERS = PipelineAssets(
    pipeline=PIPELINE,
    history=FunctionSource(first_months),
    daily=FunctionSource(readings_of),
    calendar=Calendar(FIRST, LAST),
    quality=(Quality("kilowatt_hours", "use", "mae", threshold=0.6),),
)


def _houses(*numbers: int) -> Where:
    return value("house", *(f"H{number:02}" for number in numbers))


def _hours(first: int, last: int) -> Where:
    return lambda one: one.rows["begun_at"].dt.hour.between(first, last)


def _by_house(*columns: str, how: Change) -> Change:
    """Let a change reach some columns, told of the rows of one house after another."""

    def change(delivery: Delivery) -> pd.DataFrame:
        rows = delivery.rows.copy()
        for _, of_house in delivery.rows.groupby("house"):
            new = how(Delivery(of_house, delivery.yesterday, delivery.tomorrow))
            rows.loc[of_house.index, list(columns)] = new[list(columns)].to_numpy()
        return rows

    return change


def _hours_before(hours: int, *columns: str) -> Change:
    """Values of some hours before, by house, those of the evening of yesterday included."""

    def change(delivery: Delivery) -> pd.DataFrame:
        known = pd.concat([delivery.yesterday, delivery.rows])[["house", "begun_at", *columns]]
        known = known.assign(begun_at=known["begun_at"] + pd.Timedelta(hours=hours))
        keys = delivery.rows[["house", "begun_at"]]
        told = keys.merge(known, "left", ["house", "begun_at"])
        return delivery.rows.assign(**{name: told[name].to_numpy() for name in columns})

    return change


def _an_hour_later(delivery: Delivery) -> pd.DataFrame:
    """Times and hours are those of the end of the interval."""
    later = delivery.rows["begun_at"] + pd.Timedelta(hours=1)
    return delivery.rows.assign(begun_at=later, hour=delivery.rows["hour"] % 24 + 1)


def _in_summer_time(delivery: Delivery) -> pd.DataFrame:
    """From the second Sunday in March on, the clock that people read."""
    begun = delivery.rows["begun_at"]
    later = begun + pd.Timedelta(hours=1)
    is_summer = begun >= pd.Timestamp("2017-03-12 02:00", tz="UTC")
    return delivery.rows.assign(begun_at=begun.mask(is_summer, later))


def _evening_of_yesterday(delivery: Delivery) -> pd.DataFrame:
    """From six in the evening the rows are yesterday's, with today's date."""
    before = delivery.yesterday.copy()
    before["begun_at"] += pd.Timedelta(days=1)
    before["reading_id"] = before["house"] + before["begun_at"].dt.strftime(" %Y-%m-%d %H")
    evening: pd.DataFrame = before[before["begun_at"].dt.hour >= 18]
    return pd.concat([delivery.rows[_hours(0, 17)(delivery)], evening], ignore_index=True)


def _added_up(delivery: Delivery) -> pd.DataFrame:
    """The counter of the meter since midnight rather than the use of the hour."""
    return delivery.rows.assign(used=delivery.rows["used"].cumsum())


def _caught_up(delivery: Delivery) -> pd.DataFrame:
    """Two hours were not read, and the next reading holds all three."""
    used, is_read = delivery.rows["used"].copy(), ~_hours(3, 4)(delivery)
    used[_hours(5, 5)(delivery)] = used[_hours(3, 5)(delivery)].sum()
    return delivery.rows.assign(used=used.where(is_read, 0.0))


def _stuck(delivery: Delivery) -> pd.DataFrame:
    """From noon on what was read last is read again."""
    used = delivery.rows["used"].mask(_hours(12, 23)(delivery)).ffill()
    return delivery.rows.assign(used=used)


def _exchanged(delivery: Delivery) -> pd.DataFrame:
    """Two meters are taken for each other: each house has what the other one used and gave."""
    rows = delivery.rows.copy()
    first, second = (_houses(number)(delivery) for number in (10, 17))
    for name in ("used", "solar"):
        rows.loc[first, name] = delivery.rows.loc[second, name].to_numpy()
        rows.loc[second, name] = delivery.rows.loc[first, name].to_numpy()
    return rows


def _net(delivery: Delivery) -> pd.DataFrame:
    """What went through the meter: the use less what the panels gave."""
    rows = delivery.rows
    return rows.assign(used=rows["used"] - rows["solar"] * rows["panels"] / 1000.0)


def _held(delivery: Delivery) -> pd.DataFrame:
    """Emissions are those of the first of six hours, from a cache."""
    blocks = delivery.rows["begun_at"].dt.floor("6h")
    return delivery.rows.assign(carbon=delivery.rows.groupby(blocks)["carbon"].transform("first"))


def _corrected(delivery: Delivery) -> pd.DataFrame:
    """Some readings come again under keys of their own, two percent larger."""
    again = delivery.rows[delivery.some(0.06)].copy()
    again["reading_id"] += " R"
    again["used"] = (again["used"] * 1.02).round(6)
    both_times = pd.concat([delivery.rows, again])
    return both_times.sort_values("begun_at", kind="stable", ignore_index=True)


def _spikes(delivery: Delivery) -> pd.Series:
    """Three readings."""
    chosen = delivery.chance.choice(len(delivery.rows), 3, replace=False)
    return pd.Series(np.isin(np.arange(len(delivery.rows)), chosen), index=delivery.rows.index)


_CLOCK = ("begun_at", "hour", "reading_id")
_night = value("solar", 0.0)
_fault = partial(fault_of_data, half="tuning")
METER_FAULTS: tuple[DataFault, ...] = (
    # Times.
    _fault("meters_end_for_beginning_of_some",
           "houses 10 to 17 tell the end of the hour rather than its beginning, in begun_at and "
           "hour", (*_CLOCK, "house", *SKY, "price", "carbon"),
           in_part(_an_hour_later, "begun_at", "hour", where=_houses(*range(10, 18)))),
    _fault("meters_in_summer_time", "begun_at has summer time, from 12 March on", _CLOCK,
           _in_summer_time),
    _fault("meters_clock_of_one_house", "used and solar of house 7 are those of the hour before",
           ("used", "solar", "generated"),
           in_part(_hours_before(1, "used", "solar"), "used", "solar", where=_houses(7))),
    _fault("meters_evening_of_yesterday",
           "from six in the evening the readings are yesterday's, with today's date",
           ("reading_id", "begun_at", "day_type", "used", "solar", *SKY), _evening_of_yesterday),
    _fault("meters_day_type_from_zero", "day_type begins with 0", ("day_type", "is_weekend"),
           alter("day_type", lambda values: values - 1)),
    # What meters read.
    _fault("meters_in_watt_hours_of_some", "used of houses 3, 8 and 14 comes in Wh", "used",
           alter("used", lambda values: values * 1000.0, _houses(3, 8, 14))),
    _fault("meters_quarter_of_an_hour", "used of houses 5 and 16 is that of the last quarter of an "
           "hour", "used", alter("used", lambda values: values / 4.0, _houses(5, 16))),
    _fault("meters_added_up", "used is added up since midnight", "used",
           _by_house("used", how=_added_up)),
    _fault("meters_net_of_panels", "used of houses 1 to 6 is net of what the panels gave",
           ("used", "from_the_grid"), in_part(_net, "used", where=_houses(*range(1, 7)))),
    _fault("meters_estimated", "used of houses 2, 6, 9 and 13 is estimated, alike in all hours",
           "used", in_part(averaged("used", by="house"), "used", where=_houses(2, 6, 9, 13))),
    _fault("meters_caught_up", "used is 0 at three and four, and at five holds all three hours",
           "used", _by_house("used", how=_caught_up)),
    _fault("meters_stuck", "used of house 11 stands still from noon on", "used",
           in_part(_by_house("used", how=_stuck), "used", where=_houses(11))),
    _fault("meters_exchanged", "houses 10 and 17 are taken for each other in used and solar",
           ("used", "solar", "house", "generated"), _exchanged),
    _fault("meters_zero_for_none", "used is 0 in 5 % of the rows", "used",
           put("used", 0.0, share(0.05))),
    _fault("meters_full_counter", "used is 65.535 in three rows", "used",
           put("used", 65.535, _spikes)),
    _fault("meters_of_old_firmware", "used of houses 1 to 8 comes with one digit", "used",
           alter("used", lambda values: values.round(1), _houses(*range(1, 9)))),
    # What panels give.
    _fault("meters_watts_for_share", "solar is what the panels gave, W, rather than W per kW",
           ("solar", "generated"), lambda one: one.rows.assign(
               solar=one.rows["solar"] * one.rows["panels"])),
    _fault("meters_of_the_inverter", "solar is -4 at night, what the inverter takes",
           ("solar", "generated"), put("solar", -4.0, _night)),
    _fault("meters_panels_by_default", "panels is 4 for all houses", ("panels", "generated"),
           put("panels", 4.0, value("panels", 5.0))),
    # What is joined.
    _fault("meters_diffuse_for_direct", "diffuse and direct are swapped from noon on",
           ("diffuse", "direct"), swap("diffuse", "direct", _hours(12, 23))),
    _fault("meters_forecasts_of_yesterday", "forecasts of temp and direct are those of yesterday",
           (*TEMPS, *DIRECTS, "warming"), _hours_before(24, *TEMPS, *DIRECTS)),
    _fault("meters_forecasts_swapped", "temp_in_6h and temp_in_12h are swapped",
           ("temp_in_6h", "temp_in_12h", "warming"), swap("temp_in_6h", "temp_in_12h")),
    _fault("meters_forecast_in_fahrenheit", "temp_in_24h comes in Fahrenheit", "temp_in_24h",
           alter("temp_in_24h", lambda values: (values * 1.8 + 32.0).round(1))),
    _fault("meters_humidity_zero_for_none", "humidity is 0 from one to four in the afternoon",
           "humidity", put("humidity", 0.0, _hours(13, 15))),
    _fault("meters_peak_an_hour_late", "price and its forecast are an hour late",
           ("price", "price_in_6h"), _hours_before(1, "price", "price_in_6h")),
    _fault("meters_price_in_cents_of_some", "price of houses 12 to 17 comes in cents",
           ("price", "spent"), alter("price", lambda values: values * 100.0,
                                     _houses(*range(12, 18)))),
    _fault("meters_carbon_from_a_cache", "carbon is renewed each six hours", "carbon", _held),
    # Rows.
    _fault("meters_of_one_house_lost", "the readings of house 13 are lost",
           ("house", "reading_id", "rows"), without(_houses(13)), blocks=False),
    _fault("meters_hours_of_some_lost",
           "the readings of houses 1 to 4 from two to four in the afternoon are lost",
           ("house", "begun_at", "hour", "reading_id", "rows"),
           without(both(_houses(1, 2, 3, 4), _hours(14, 15))), blocks=False),
    _fault("meters_corrected", "6 % of the readings come again, 2 % larger, under keys of their "
           "own", ("reading_id", "used", "house", "begun_at", "rows"), _corrected),
    _fault("meters_house_renamed", "house 16 is told as H16A, its new meter",
           ("house", "reading_id"), alter("house", lambda texts: texts.replace({"H16": "H16A"})),
           blocks=False, population=True),
    _fault("meters_house_without_zeros", "house lost the zero in it, H7 for H07", "house",
           alter("house", lambda texts: texts.str.replace("H0", "H")),
           population=True),
)  # fmt: skip
"""Faults of these readings."""
