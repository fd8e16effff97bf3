"""A wind farm as it arrives: its intervals by day, and the faults that are tried on them.

They were thought of from what goes wrong with machines and what is joined to them, before any of
them was tried; what came of them has been looked at since.
"""

from __future__ import annotations

import zipfile
from collections.abc import Mapping
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
    both,
    everywhere,
    fault_of_data,
    in_part,
    known,
    moved,
    put,
    share,
    swap,
    value,
    without,
)
from benchmarks.skew.shipped import Package, rows_between
from benchmarks.skew.turbines import PIPELINE
from lockstep import Calendar, FunctionSource, PipelineAssets, Quality

PACKAGE = Package("openoa==3.2", "examples/data")
BEGIN, FIRST, LAST = date(2014, 1, 1), date(2014, 5, 1), date(2014, 8, 31)
"""The first day that is trained on, and the days that are scored."""
_TURBINE = {
    "Wind_turbine_name": "turbine",
    "P_avg": "power",
    "Ws_avg": "wind",
    "Va_avg": "vane",
    "Ya_avg": "nacelle",
    "Wa_avg": "wind_from",
    "Ba_avg": "pitch",
    "Ot_avg": "outdoors",
}
_FARM = {"net_energy_kwh": "farm_energy", "availability_kwh": "farm_lost"}
_WEATHER = {
    "u_100": "wind_u",
    "v_100": "wind_v",
    "ws_100m": "wind_100m",
    "t_2m": "air_temp",
    "surf_pres": "pressure",
    "dens_100m": "density",
}
TOLD = tuple(_TURBINE.values())[1:]
"""What a turbine tells of itself."""
WEATHER = tuple(_WEATHER.values())
"""What is joined from the reanalysis."""


@cache
def intervals() -> pd.DataFrame:
    """The intervals of the days from the first that is trained on to the last that is scored."""
    with zipfile.ZipFile(PACKAGE.file("la_haute_borne.zip")) as archive:
        told = _read(archive, "la-haute-borne-data-2014-2015.csv", "Date_time", _TURBINE)
        farm = _read(archive, "plant_data.csv", "time_utc", _FARM)
        weather = _read(archive, "era5_wind_la_haute_borne.csv", "datetime", _WEATHER)
    told = told.drop_duplicates(["turbine", "begun_at"])  # an hour of March is told twice
    told = told.sort_values(["begun_at", "turbine"], ignore_index=True)
    rows = told.assign(hour=told["begun_at"].dt.floor("h")).merge(farm, "left", "begun_at")
    rows = rows.merge(weather.rename(columns={"begun_at": "hour"}), "left", "hour")
    following = rows.groupby("turbine")["power"].shift(-1)
    rows = rows.assign(interval_id=_keys(rows), power_next=following)
    return rows[list(PIPELINE.joint_schema.names)]


def _read(archive: zipfile.ZipFile, name: str, time: str, names: Mapping[str, str]) -> pd.DataFrame:
    """Some columns of a file under other names, and when the interval or hour of a row began."""
    rows = pd.read_csv(archive.open(name), usecols=[time, *names]).rename(columns=names)
    times = pd.to_datetime(rows.pop(time), utc=True, format="ISO8601")
    return rows_between(rows.assign(begun_at=times.dt.as_unit("us")), "begun_at", BEGIN, LAST)


def _keys(rows: pd.DataFrame) -> pd.Series:
    keys: pd.Series = rows["turbine"] + rows["begun_at"].dt.strftime(" %Y-%m-%d %H:%M")
    return keys


def first_months() -> pd.DataFrame:
    """The intervals of January to April, with the power in those that follow."""
    return rows_between(intervals(), "begun_at", BEGIN, FIRST - timedelta(days=1))


def intervals_of(day: date) -> pd.DataFrame:
    """The intervals of a day."""
    return rows_between(intervals().drop(columns="power_next"), "begun_at", day, day)


TURBINES = PipelineAssets(
    pipeline=PIPELINE,
    history=FunctionSource(first_months),
    daily=FunctionSource(intervals_of),
    calendar=Calendar(FIRST, LAST),
    quality=(Quality("kilowatts", "power_to_come", "mae", threshold=100.0),),
)


def _turbines(*names: str) -> Where:
    return value("turbine", *names)


def _hours(first: int, last: int) -> Where:
    return lambda one: one.rows["begun_at"].dt.hour.between(first, last)


def _before(span: str, *columns: str) -> Change:
    """Values of some time before, by turbine, those of the evening of yesterday included."""

    def change(delivery: Delivery) -> pd.DataFrame:
        told = pd.concat([delivery.yesterday, delivery.rows])[["turbine", "begun_at", *columns]]
        told = told.assign(begun_at=told["begun_at"] + pd.Timedelta(span))
        keys = delivery.rows[["turbine", "begun_at"]]
        values = keys.merge(told, "left", ["turbine", "begun_at"])
        return delivery.rows.assign(**{name: values[name].to_numpy() for name in columns})

    return change


def _turned(degrees: float, *columns: str) -> Change:
    """Directions that are some degrees too large, from 0 to 360."""
    return lambda one: one.rows.assign(
        **{name: ((one.rows[name] + degrees) % 360.0).round(2) for name in columns}
    )


def _vane_off(delivery: Delivery) -> pd.DataFrame:
    """A vane that was put up twelve degrees off, and the direction that is reckoned from it."""
    turned = _turned(12.0, "wind_from")(delivery)
    return turned.assign(vane=(turned["vane"] + 12.0).round(2))


def _frozen(delivery: Delivery) -> pd.DataFrame:
    """From nine to three what the anemometer told last is told again."""
    wind = delivery.rows["wind"].mask(_hours(9, 14)(delivery))
    return delivery.rows.assign(wind=wind.groupby(delivery.rows["turbine"]).ffill())


def _zeros(delivery: Delivery) -> pd.DataFrame:
    return delivery.rows.assign(**dict.fromkeys(TOLD, 0.0))


def _exchanged(delivery: Delivery) -> pd.DataFrame:
    """Two turbines are taken for each other: each has what the other one told."""
    rows = delivery.rows.copy()
    first, second = (_turbines(name)(delivery) for name in ("R80711", "R80790"))
    rows.loc[first, list(TOLD)] = delivery.rows.loc[second, list(TOLD)].to_numpy()
    rows.loc[second, list(TOLD)] = delivery.rows.loc[first, list(TOLD)].to_numpy()
    return rows


def _of_three(delivery: Delivery) -> pd.DataFrame:
    """What the farm gave without one of its turbines."""
    rows = delivery.rows
    one = rows[_turbines("R80736")(delivery)].set_index("begun_at")["power"]
    energy = rows["farm_energy"] - rows["begun_at"].map(one).fillna(0.0) / 6.0
    return rows.assign(farm_energy=energy.round(3))


def _twice(delivery: Delivery) -> pd.DataFrame:
    """The hour from two to three comes twice, as in the night in which clocks go back."""
    again = delivery.rows[_hours(2, 2)(delivery)].copy()
    again["interval_id"] += " B"
    rows = pd.concat([delivery.rows, again])
    return rows.sort_values("begun_at", kind="stable", ignore_index=True)


_ALTITUDE = 411.0
"""Of the farm above the sea, metres."""
_SCALE_HEIGHT = 8434.0
"""Over which the pressure of the standard atmosphere falls to 1/e, metres."""


def _at_sea_level(pressure: pd.Series) -> object:
    return pressure * np.exp(_ALTITUDE / _SCALE_HEIGHT)


_CLOCK = ("begun_at", "interval_id")
_POWER = ("power", "efficiency", "share_of_farm")
_WIND = ("wind", "wind_power", "efficiency", "windier")
_FARM_ENERGY = ("farm_energy", "share_of_farm")
_fault = partial(fault_of_data, half="tuning")
TURBINE_FAULTS: tuple[DataFault, ...] = (
    # Times.
    _fault("turbines_by_the_clock_of_paris", "begun_at is the clock of Paris, called UTC", _CLOCK,
           moved("begun_at", timedelta(hours=2))),
    _fault("turbines_controller_an_hour_late", "what R80721 tells is that of an hour before",
           ("turbine", *TOLD), in_part(_before("1h", *TOLD), *TOLD, where=_turbines("R80721"))),
    _fault("turbines_farm_ten_minutes_late",
           "farm_energy and farm_lost are those of the ten minutes before",
           (*_FARM_ENERGY, "farm_lost"), _before("10min", "farm_energy", "farm_lost")),
    _fault("turbines_reanalysis_two_hours_late",
           "the reanalysis is joined by the clock of Paris, two hours late",
           (*WEATHER, "warmer", "windier"), _before("2h", *WEATHER)),
    # What turbines tell.
    _fault("turbines_power_in_watts_of_one", "power of R80790 comes in W", _POWER,
           alter("power", lambda values: values * 1000.0, _turbines("R80790"))),
    _fault("turbines_wind_in_knots_of_one", "wind of R80711 comes in knots", _WIND,
           alter("wind", lambda values: (values * 1.943844).round(2), _turbines("R80711"))),
    _fault("turbines_fahrenheit_of_two", "outdoors of R80721 and R80736 comes in Fahrenheit",
           ("outdoors", "warmer"), alter("outdoors", lambda values: values * 1.8 + 32.0,
                                         _turbines("R80721", "R80736"))),
    _fault("turbines_vane_put_up_askew", "vane of R80736 is 12 degrees too large, wind_from with "
           "it", ("vane", "wind_from"),
           in_part(_vane_off, "vane", "wind_from", where=_turbines("R80736"))),
    _fault("turbines_lost_their_north", "nacelle of R80721 is 40 degrees too large, wind_from with "
           "it", ("nacelle", "wind_from"),
           in_part(_turned(40.0, "nacelle", "wind_from"), "nacelle", "wind_from",
                   where=_turbines("R80721"))),
    _fault("turbines_anemometer_frozen", "wind of R80711 stands still from nine to three", _WIND,
           in_part(_frozen, "wind", where=_turbines("R80711"))),
    _fault("turbines_anemometer_worn", "wind of R80790 is 0.85 of itself", _WIND,
           alter("wind", lambda values: (values * 0.85).round(2), _turbines("R80790"))),
    _fault("turbines_directions_below_zero", "nacelle goes from -180 to 180", "nacelle",
           alter("nacelle", lambda values: (values + 180.0) % 360.0 - 180.0, known("nacelle"))),
    _fault("turbines_vane_without_sign", "vane lost its sign", "vane", alter("vane", abs)),
    _fault("turbines_pitch_in_whole_degrees", "pitch comes in whole degrees", "pitch",
           alter("pitch", lambda values: values.round())),
    _fault("turbines_power_saturated", "power is at most 500", _POWER,
           alter("power", lambda values: values.clip(upper=500.0))),
    _fault("turbines_zeros_after_timeouts", "all that a turbine tells is 0 in 2 % of the rows",
           TOLD, in_part(_zeros, *TOLD, where=share(0.02))),
    _fault("turbines_exchanged", "R80711 and R80790 are taken for each other in all they tell",
           ("turbine", *TOLD), _exchanged),
    _fault("turbines_vane_for_pitch", "vane and pitch are swapped from noon on",
           ("vane", "pitch"), swap("vane", "pitch", _hours(12, 23))),
    # What is joined.
    _fault("turbines_farm_of_three", "farm_energy lacks what R80736 gave", _FARM_ENERGY,
           _of_three),
    _fault("turbines_celsius_from_noon", "air_temp comes in Celsius from noon on",
           ("air_temp", "warmer"), alter("air_temp", lambda values: values - 273.15,
                                         _hours(12, 23))),
    _fault("turbines_pressure_at_sea_level", "pressure is that at sea level", "pressure",
           alter("pressure", _at_sea_level)),
    _fault("turbines_north_for_east", "wind_u and wind_v are swapped", ("wind_u", "wind_v"),
           swap("wind_u", "wind_v")),
    _fault("turbines_density_by_default", "density is 1.225, that of the standard atmosphere",
           ("density", "wind_power"), put("density", 1.225, everywhere)),
    # Rows and texts.
    _fault("turbines_one_lost_for_hours", "the intervals of R80736 from six to noon are lost",
           ("turbine", *_CLOCK, "rows"), without(both(_turbines("R80736"), _hours(6, 11))),
           blocks=False),
    _fault("turbines_each_second_lost", "of each two intervals the second is lost",
           (*_CLOCK, "rows"), without(lambda one: one.rows["begun_at"].dt.minute % 20 == 10),
           blocks=False),
    _fault("turbines_an_hour_twice",
           "the intervals from two to three come twice, under keys of their own",
           (*_CLOCK, "turbine", "rows"), _twice),
    _fault("turbines_one_renamed", "R80790 is told as T4", ("turbine", "interval_id"),
           alter("turbine", lambda texts: texts.replace({"R80790": "T4"})), blocks=False,
           population=True),
    _fault("turbines_in_lower_case_from_noon", "turbine comes in lower case from noon on",
           ("turbine", "interval_id"), alter("turbine", lambda texts: texts.str.lower(),
                                             _hours(12, 23)), population=True),
)  # fmt: skip
"""Faults of these intervals."""
