"""The features of `flight_delay` as one writes them in pandas, to be timed beside them."""

from typing import Any

import numpy as np
import pandas as pd
from pandas.tseries.holiday import (
    AbstractHolidayCalendar,
    Holiday,
    USColumbusDay,
    USLaborDay,
    USMartinLutherKingJr,
    USMemorialDay,
    USPresidentsDay,
    USThanksgivingDay,
)

from transforms.flight_delay import (
    AIRCRAFT_CLASSES,
    AIRPORT_POSITIONS,
    CARRIER_GROUPS,
    MAKERS,
    MINUTES_A_DAY,
)


class _FederalHolidays(AbstractHolidayCalendar):
    rules = [  # noqa: RUF012
        Holiday("New Year's Day", month=1, day=1),
        USMartinLutherKingJr,
        USPresidentsDay,
        USMemorialDay,
        Holiday("Juneteenth", month=6, day=19, start_date=pd.Timestamp("2021-06-19")),
        Holiday("Independence Day", month=7, day=4),
        USLaborDay,
        USColumbusDay,
        Holiday("Veterans Day", month=11, day=11),
        USThanksgivingDay,
        Holiday("Christmas", month=12, day=25),
    ]


HOLIDAYS = _FederalHolidays().holidays("1990-01-01", "2060-12-31")
EPOCH = pd.Timestamp("1970-01-01")


def features(rows: pd.DataFrame) -> pd.DataFrame:
    """All features of departures.

    Args:
        rows: Records with typed columns, as they come from a Parquet file, and what is looked up
            for them.
    """
    found = pd.DataFrame(index=rows.index)

    found["departure_minute"] = rows["sched_dep_time"] // 100 * 60 + rows["sched_dep_time"] % 100
    found["arrival_minute"] = rows["sched_arr_time"] // 100 * 60 + rows["sched_arr_time"] % 100
    angle = 2 * np.pi * (found["departure_minute"] % MINUTES_A_DAY) / MINUTES_A_DAY
    found["departure_sine"] = np.sin(angle)
    found["departure_cosine"] = np.cos(angle)
    time = rows["scheduled_at"].dt.tz_convert(None)
    minute = time.dt.hour.astype("int64") * 60 + time.dt.minute
    found["clock_offset"] = (minute - found["departure_minute"]) % MINUTES_A_DAY
    day = (time - pd.to_timedelta(found["clock_offset"], unit="min")).dt.normalize()
    found["departure_day"] = (day - EPOCH).dt.days
    clock = rows["scheduled_at"].dt.tz_convert("America/New_York").dt.tz_localize(None)
    found["clock_error"] = found["clock_offset"] - (time - clock) // pd.Timedelta(minutes=1)
    found["weekday"] = day.dt.weekday.astype("int64")
    found["holiday_distance"] = _holiday_distance(day)
    found["is_overnight"] = found["arrival_minute"] < found["departure_minute"]

    is_summer = found["clock_offset"] == 240
    there = rows["destination_utc_offset"] + rows["destination_summer_time"] * is_summer
    found["time_difference"] = there + found["clock_offset"] / 60
    found["scheduled_duration"] = (
        found["arrival_minute"] - found["departure_minute"] - 60 * found["time_difference"]
    ) % MINUTES_A_DAY
    speed = 60 * rows["distance"] / found["scheduled_duration"]
    found["scheduled_speed"] = speed.where(found["scheduled_duration"] > 0)
    latitudes = {airport: north for airport, (north, _) in AIRPORT_POSITIONS.items()}
    longitudes = {airport: east for airport, (_, east) in AIRPORT_POSITIONS.items()}
    found["degrees_north"] = rows["destination_latitude"] - rows["origin"].map(latitudes)
    found["degrees_east"] = rows["destination_longitude"] - rows["origin"].map(longitudes)
    found["carrier_group"] = rows["carrier"].map(CARRIER_GROUPS).fillna("other")

    known = rows[["weather_temp", "weather_wind_speed", "weather_visib"]].notna()
    found["weather_known"] = known.all(axis=1)
    found["dew_point_spread"] = rows["weather_temp"] - rows["weather_dewp"]
    warmth, dew = (rows["weather_temp"] - 32) / 1.8, (rows["weather_dewp"] - 32) / 1.8
    implied = 100 * np.exp(17.625 * (dew / (243.04 + dew) - warmth / (243.04 + warmth)))
    found["humidity_ratio"] = rows["weather_humid"] / implied
    found["wind_from_east"] = rows["weather_wind_speed"] * np.sin(
        np.radians(rows["weather_wind_dir"])
    )
    found["wind_from_north"] = rows["weather_wind_speed"] * np.cos(
        np.radians(rows["weather_wind_dir"])
    )
    found["crosswind"] = (
        rows["weather_wind_speed"] * np.sin(np.radians(rows["weather_wind_dir"] - 30))
    ).abs()
    gust = rows[["weather_wind_gust", "weather_wind_speed"]].max(axis=1)
    found["gust_excess"] = gust - rows["weather_wind_speed"]
    found["is_wet"] = rows["weather_precip"] > 0
    found["is_freezing_wet"] = found["is_wet"] & (rows["weather_temp"] < 34)
    found["visibility_loss"] = 10 - rows["weather_visib"]
    found["is_low_visibility"] = rows["weather_visib"] < 3

    found["plane_age"] = day.dt.year - rows["aircraft_year"]
    *classes, unknown = AIRCRAFT_CLASSES
    sizes = pd.cut(
        rows["aircraft_seats"], [-np.inf, 20, 101, 241, np.inf], right=False, labels=classes
    )
    found["aircraft_class"] = sizes.astype(object).fillna(unknown)
    found["maker"] = rows["aircraft_maker"].map(MAKERS).fillna("other")
    return found


def _holiday_distance(days: "pd.Series[pd.Timestamp]") -> Any:
    following = np.minimum(HOLIDAYS.searchsorted(days), len(HOLIDAYS) - 1)
    after = (HOLIDAYS[following] - days).dt.days.abs()
    before = (days - HOLIDAYS[np.maximum(following - 1, 0)]).dt.days.abs()
    return np.minimum(after, before).clip(upper=7)
