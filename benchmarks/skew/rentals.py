"""Bikeshare as it arrives: its hours by day, and the faults that are tried on them."""

from __future__ import annotations

import csv
from datetime import date, datetime, timedelta
from functools import cache, partial
from typing import Any

import pandas as pd

from benchmarks.skew.bikeshare import PIPELINE
from benchmarks.skew.deliveries import (
    DataFault,
    Delivery,
    Where,
    alter,
    fault_of_data,
    known,
    only,
    permute,
    put,
    share,
    shift,
    swap,
    with_rows_of,
    without,
)
from benchmarks.skew.shipped import Package, rows_between
from lockstep import Calendar, FunctionSource, PipelineAssets, Quality

PACKAGE = Package("ISLP==0.6.0", "ISLP/data")
FIRST, LAST = date(2011, 7, 1), date(2011, 12, 31)
"""The days that are scored; the half year before them is trained on."""


@cache
def table() -> pd.DataFrame:
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


def half_year() -> pd.DataFrame:
    """The hours of January to June, with what was rented."""
    return rows_between(table(), "started_at", date(2011, 1, 1), FIRST - timedelta(days=1))


def hours_of(day: date) -> pd.DataFrame:
    """The hours of a day."""
    return rows_between(table().drop(columns="bikers"), "started_at", day, day)


BIKES = PipelineAssets(
    pipeline=PIPELINE,
    history=FunctionSource(half_year),
    daily=FunctionSource(hours_of),
    calendar=Calendar(FIRST, LAST),
    quality=(Quality("bicycles", "rented", "mae", threshold=80.0),),
)


def _hours(first: int, last: int) -> Where:
    return lambda one: one.rows["hr"].between(first, last)


def _redated(delivery: Delivery) -> pd.DataFrame:
    rows = delivery.yesterday.copy()
    rows["started_at"] = rows["started_at"] + pd.Timedelta(days=1)
    rows["hour_id"] = rows["started_at"].dt.strftime("%Y-%m-%d %H")
    return rows


def _twice(delivery: Delivery) -> pd.DataFrame:
    again = delivery.rows.copy()
    again["hour_id"] = again["hour_id"] + "b"
    return pd.concat([delivery.rows, again], ignore_index=True)


_fault = partial(fault_of_data, half="tuning")
BIKE_FAULTS: tuple[DataFault, ...] = (
    _fault("bikes_temp_in_celsius", "temp comes in degrees", "temp",
           alter("temp", lambda values: values * 41)),
    _fault("bikes_humidity_in_percent", "hum comes in percent", "hum",
           alter("hum", lambda values: values * 100)),
    _fault("bikes_humidity_in_percent_from_noon", "hum comes in percent from noon on", "hum",
           alter("hum", lambda values: values * 100, _hours(12, 23))),
    _fault("bikes_temp_for_felt", "temp and atemp are swapped", ("temp", "atemp"),
           swap("temp", "atemp")),
    _fault("bikes_humidity_for_wind", "hum and windspeed are swapped", ("hum", "windspeed"),
           swap("hum", "windspeed")),
    _fault("bikes_temp_dealt_anew", "temp is dealt to other hours", ("temp", "atemp"),
           permute("temp")),
    _fault("bikes_felt_off_by_one", "atemp is that of the hour before", ("atemp", "temp"),
           shift("atemp")),
    _fault("bikes_hour_off_by_one", "hr is an hour late", "hr",
           alter("hr", lambda values: (values + 1) % 24)),
    _fault("bikes_weekday_off_by_one", "weekday begins on another day",
           ("weekday", "workingday"), alter("weekday", lambda values: (values + 1) % 7)),
    _fault("bikes_workingday_turned", "workingday says the contrary",
           ("workingday", "weekday", "holiday"), alter("workingday", lambda values: 1 - values)),
    _fault("bikes_season_off_by_one", "season begins with 0", ("season", "mnth"),
           alter("season", lambda values: values - 1)),
    _fault("bikes_month_in_lower_case", "mnth comes in lower case", "mnth",
           alter("mnth", lambda values: values.str.lower())),
    _fault("bikes_weather_in_upper_case", "weathersit comes in upper case", "weathersit",
           alter("weathersit", lambda values: values.str.upper())),
    _fault("bikes_weather_with_blank", "weathersit comes with a blank", "weathersit",
           alter("weathersit", lambda values: values + " ")),
    _fault("bikes_weather_lost", "weathersit is empty text", "weathersit",
           put("weathersit", "", known("weathersit"))),
    _fault("bikes_temp_rounded", "temp comes with one digit", "temp",
           alter("temp", lambda values: values.round(1))),
    _fault("bikes_humidity_frozen", "hum stands still all day", "hum",
           alter("hum", lambda values: [values.iloc[0]] * len(values))),
    _fault("bikes_wind_with_other_sign", "windspeed has the other sign", "windspeed",
           alter("windspeed", lambda values: -values)),
    _fault("bikes_wind_of_some_is_zero", "windspeed is 0 in a third of the hours", "windspeed",
           put("windspeed", 0.0, share(1 / 3)), blocks=False),
    _fault("bikes_yesterday_again", "all rows are yesterday's", ("hour_id", "started_at"),
           lambda one: one.yesterday),
    _fault("bikes_yesterday_redated", "yesterday's rows come with today's date",
           ("hour_id", "started_at", "weekday", "workingday"), _redated),
    _fault("bikes_rows_of_tomorrow", "some rows are tomorrow's", ("hour_id", "started_at"),
           with_rows_of("tomorrow", 0.25)),
    _fault("bikes_hours_lost", "the hours from 14 to 19 are lost", ("started_at", "hr", "hour_id"),
           without(_hours(14, 19)), blocks=False),
    _fault("bikes_half_lost", "the hours from noon on are lost", ("started_at", "hr", "hour_id"),
           only(_hours(0, 11)), blocks=False),
    _fault("bikes_twice_under_other_keys", "all rows come twice, under other keys", "hour_id",
           _twice),
)  # fmt: skip
"""Faults of these hours. They are so few a day that less can be told of them."""
