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
        rows: Records with typed columns, as they come from a Parquet file.
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

    found["time_difference"] = rows["dest_utc_offset"] + found["clock_offset"] / 60
    found["scheduled_duration"] = (
        found["arrival_minute"] - found["departure_minute"] - 60 * found["time_difference"]
    ) % MINUTES_A_DAY
    speed = 60 * rows["distance"] / found["scheduled_duration"]
    found["scheduled_speed"] = speed.where(found["scheduled_duration"] > 0)
    latitudes = {airport: north for airport, (north, _) in AIRPORT_POSITIONS.items()}
    longitudes = {airport: east for airport, (_, east) in AIRPORT_POSITIONS.items()}
    found["degrees_north"] = rows["dest_latitude"] - rows["origin"].map(latitudes)
    found["degrees_east"] = rows["dest_longitude"] - rows["origin"].map(longitudes)
    found["carrier_group"] = rows["carrier"].map(CARRIER_GROUPS).fillna("other")

    known = rows[["temp", "wind_speed", "visib"]].notna()
    found["weather_known"] = known.all(axis=1)
    found["dew_point_spread"] = rows["temp"] - rows["dewp"]
    warmth, dew = (rows["temp"] - 32) / 1.8, (rows["dewp"] - 32) / 1.8
    implied = 100 * np.exp(17.625 * (dew / (243.04 + dew) - warmth / (243.04 + warmth)))
    found["humidity_ratio"] = rows["humid"] / implied
    found["wind_from_east"] = rows["wind_speed"] * np.sin(np.radians(rows["wind_dir"]))
    found["wind_from_north"] = rows["wind_speed"] * np.cos(np.radians(rows["wind_dir"]))
    found["crosswind"] = (rows["wind_speed"] * np.sin(np.radians(rows["wind_dir"] - 30))).abs()
    gust = rows[["wind_gust", "wind_speed"]].max(axis=1)
    found["gust_excess"] = gust - rows["wind_speed"]
    found["is_wet"] = rows["precip"] > 0
    found["is_freezing_wet"] = found["is_wet"] & (rows["temp"] < 34)
    found["visibility_loss"] = 10 - rows["visib"]
    found["is_low_visibility"] = rows["visib"] < 3

    found["plane_age"] = day.dt.year - rows["plane_year"]
    *classes, unknown = AIRCRAFT_CLASSES
    sizes = pd.cut(
        rows["plane_seats"], [-np.inf, 20, 101, 241, np.inf], right=False, labels=classes
    )
    found["aircraft_class"] = sizes.astype(object).fillna(unknown)
    found["maker"] = rows["plane_maker"].map(MAKERS).fillna("other")
    return found


def _holiday_distance(days: "pd.Series[pd.Timestamp]") -> Any:
    following = np.minimum(HOLIDAYS.searchsorted(days), len(HOLIDAYS) - 1)
    after = (HOLIDAYS[following] - days).dt.days.abs()
    before = (days - HOLIDAYS[np.maximum(following - 1, 0)]).dt.days.abs()
    return np.minimum(after, before).clip(upper=7)
