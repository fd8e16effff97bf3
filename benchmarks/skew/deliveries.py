"""Faulty deliveries: what can go wrong with the rows of a day before they arrive.

Each fault takes what upstream would have delivered and gives what it delivers instead. They are
made of a few kinds of change; which rows change does not depend on chance but for a seed.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta

import numpy as np
import pandas as pd

from benchmarks.skew.faults import ABOUT_POPULATION, ABOUT_ROWS, Fault, Half

WEATHER = (
    *("temp", "dewp", "humid", "wind_dir", "wind_speed", "wind_gust"),
    *("precip", "pressure", "visib"),
)
PLANE = ("plane_year", "plane_seats", "plane_maker")
PLACE = ("dest_latitude", "dest_longitude", "dest_utc_offset")
NO_TRACE = (
    "The record holds no second source for it: each value is one that this hour and airport could "
    "have had, and goes with the others of its hour."
)


@dataclass(frozen=True, eq=False)
class Delivery:
    """What upstream has for a day.

    Attributes:
        rows: The rows of the day.
        yesterday: Those of the day before.
        tomorrow: Those of the day after; without rows on the last day.
    """

    rows: pd.DataFrame
    yesterday: pd.DataFrame
    tomorrow: pd.DataFrame

    @property
    def chance(self) -> np.random.Generator:
        """Numbers by chance, the same ones at every run."""
        return np.random.default_rng(len(self.rows))

    def some(self, share: float) -> pd.Series:
        """A mask of a share of the rows."""
        return pd.Series(self.chance.random(len(self.rows)) < share, index=self.rows.index)

    @property
    def from_noon(self) -> pd.Series:
        """A mask of the rows from noon on."""
        return self.rows["sched_dep_time"] >= 1200

    def of(self, column: str, value: str) -> pd.Series:
        """A mask of the rows of one segment."""
        return self.rows[column] == value


Change = Callable[[Delivery], pd.DataFrame]
Where = Callable[[Delivery], pd.Series]


@dataclass(frozen=True)
class DataFault:
    """A fault of a delivery.

    Attributes:
        fault: What it is.
        change: Gives what is delivered instead.
        again: Whether the day was published before as it should be, and is delivered again.
    """

    fault: Fault
    change: Change
    again: bool = False


def everywhere(delivery: Delivery) -> pd.Series:
    """A mask of all rows."""
    return pd.Series(True, index=delivery.rows.index)


def carrier(code: str) -> Where:
    """The rows of one airline."""
    return lambda one: one.of("carrier", code)


def origin(code: str) -> Where:
    """The rows of one airport."""
    return lambda one: one.of("origin", code)


def noon(delivery: Delivery) -> pd.Series:
    """The rows from noon on."""
    return delivery.from_noon


def share(size: float) -> Where:
    """A share of the rows."""
    return lambda one: one.some(size)


def known(column: str) -> Where:
    """The rows that have a value."""
    return lambda one: one.rows[column].notna()


def missing(column: str) -> Where:
    """The rows that have none."""
    return lambda one: one.rows[column].isna()


def both(*masks: Where) -> Where:
    """The rows that all of them choose."""

    def chosen(delivery: Delivery) -> pd.Series:
        mask = everywhere(delivery)
        for one in masks:
            mask &= one(delivery)
        return mask

    return chosen


def value(column: str, *values: object) -> Where:
    """The rows with one of these values."""
    return lambda one: one.rows[column].isin(values)


def between(column: str, low: float, high: float) -> Where:
    """The rows whose value is not below the one and below the other."""
    return lambda one: one.rows[column].between(low, high, inclusive="left")


def alter(column: str, how: Callable[[pd.Series], object], where: Where = everywhere) -> Change:
    """Compute a column anew in some rows."""

    def change(delivery: Delivery) -> pd.DataFrame:
        rows = delivery.rows.copy()
        mask = where(delivery)
        if mask.any():
            values = rows[column].astype(object)
            values[mask] = pd.Series(how(rows.loc[mask, column]), index=rows.index[mask])
            rows[column] = values.infer_objects()
        return rows

    return change


def put(column: str, value: object, where: Where) -> Change:
    """Put one value into a column of some rows."""
    return alter(column, lambda values: [value] * len(values), where)


def swap(first: str, second: str, where: Where = everywhere) -> Change:
    """Swap two columns of some rows."""

    def change(delivery: Delivery) -> pd.DataFrame:
        rows = delivery.rows.copy()
        mask = where(delivery)
        rows[first] = delivery.rows[first].astype(object).where(~mask, delivery.rows[second])
        rows[second] = delivery.rows[second].astype(object).where(~mask, delivery.rows[first])
        return rows.infer_objects()

    return change


def permute(*columns: str, within: str | None = None) -> Change:
    """Deal the values of some columns, together, to other rows: of all, or of the same segment."""

    def change(delivery: Delivery) -> pd.DataFrame:
        rows, chance = delivery.rows.copy(), delivery.chance
        groups = [rows.index] if within is None else rows.groupby(within).groups.values()
        for places in groups:
            dealt = chance.permutation(np.asarray(places))
            rows.loc[places, list(columns)] = delivery.rows.loc[dealt, list(columns)].to_numpy()
        return rows.astype(delivery.rows.dtypes.to_dict())

    return change


def shift(*columns: str, rows_on: int = 1) -> Change:
    """Give each row the values of some columns of the row before it."""

    def change(delivery: Delivery) -> pd.DataFrame:
        rows = delivery.rows.copy()
        for column in columns:
            rows[column] = np.roll(delivery.rows[column].to_numpy(dtype=object), rows_on)
        return rows.infer_objects()

    return change


def freeze(*columns: str, where: Where) -> Change:
    """Let some columns stand still from the first of these rows on, by airport."""

    def change(delivery: Delivery) -> pd.DataFrame:
        rows, mask = delivery.rows.copy(), where(delivery)
        for place in rows["origin"].unique():
            chosen = rows.index[mask & (rows["origin"] == place)]
            if len(chosen):
                for column in columns:
                    rows.loc[chosen, column] = rows[column].loc[chosen].iloc[0]
        return rows

    return change


def rejoined(hours: int, of: str = "rows", station: str | None = None) -> Change:
    """Join the weather of another hour or day, by airport and hour, or that of another airport.

    Args:
        hours: How many hours before the right one; missing where there is none.
        of: Whose weather: that of `rows`, or of `yesterday`.
        station: The airport whose weather all rows get; their own if it is not given.
    """

    def change(delivery: Delivery) -> pd.DataFrame:
        source = getattr(delivery, of)
        if of == "rows":
            source = pd.concat([delivery.yesterday, source])
        weather = source[["origin", "scheduled_at", *WEATHER]].copy()
        weather["hour"] = weather["scheduled_at"].dt.floor("h")
        weather = weather.drop_duplicates(["origin", "hour"]).drop(columns="scheduled_at")
        weather["hour"] += pd.Timedelta(hours=hours)
        rows = delivery.rows.drop(columns=list(WEATHER))
        rows["hour"] = rows["scheduled_at"].dt.floor("h")
        if station is None:
            rows = rows.merge(weather, "left", ["origin", "hour"])
        else:
            weather = weather[weather["origin"] == station].drop(columns="origin")
            rows = rows.merge(weather, "left", "hour")
        return rows[list(delivery.rows.columns)]

    return change


def in_part(change: Change, *columns: str, where: Where) -> Change:
    """Let a change of some columns, which keeps rows and their order, reach some rows alone."""

    def changed(delivery: Delivery) -> pd.DataFrame:
        rows, mask = delivery.rows.copy(), where(delivery)
        new = change(delivery)
        for name in columns:
            rows[name] = delivery.rows[name].astype(object).mask(mask, new[name].astype(object))
        return rows.infer_objects()

    return changed


def averaged(*columns: str, by: str) -> Change:
    """Put the mean of its group in the place of each row's own value."""

    def change(delivery: Delivery) -> pd.DataFrame:
        rows = delivery.rows.copy()
        for name in columns:
            means = rows.groupby(by)[name].transform("mean")
            rows[name] = rows[name].mask(rows[name].notna(), means)
        return rows

    return change


def in_order(column: str, by: str | None = None) -> Change:
    """Sort one column by itself and put it beside the others again: all of it, or by group."""

    def change(delivery: Delivery) -> pd.DataFrame:
        rows = delivery.rows.copy()
        groups = [rows.index] if by is None else rows.groupby(by).groups.values()
        for places in groups:
            rows.loc[places, column] = np.sort(rows.loc[places, column].to_numpy())
        return rows

    return change


def only(where: Where) -> Change:
    """Deliver some of the rows alone."""
    return lambda one: one.rows[where(one)].reset_index(drop=True)


def without(where: Where) -> Change:
    """Leave some rows out."""
    return lambda one: one.rows[~where(one)].reset_index(drop=True)


def repeated(size: float, ending: str | None = None) -> Change:
    """Deliver a share of the rows twice, under their own keys or under others."""

    def change(delivery: Delivery) -> pd.DataFrame:
        again = delivery.rows[delivery.some(size)].copy()
        if ending is not None:
            again["flight_id"] = again["flight_id"] + ending
        return pd.concat([delivery.rows, again], ignore_index=True)

    return change


def with_rows_of(day: str, size: float = 0.1) -> Change:
    """Deliver some rows of another day too."""

    def change(delivery: Delivery) -> pd.DataFrame:
        others: pd.DataFrame = getattr(delivery, day)
        count = min(int(size * len(delivery.rows)), len(others))
        return pd.concat([delivery.rows, others.iloc[:count]], ignore_index=True)

    return change


def yesterday_redated(delivery: Delivery) -> pd.DataFrame:
    """Yesterday's rows, with today's date in keys and times."""
    rows = delivery.yesterday.copy()
    rows["scheduled_at"] += pd.Timedelta(days=1)
    today, day = delivery.rows["flight_id"].iloc[0][:10], rows["flight_id"].str[:10].iloc[0]
    rows["flight_id"] = rows["flight_id"].str.replace(day, today, regex=False)
    return rows


def old_keys(delivery: Delivery) -> pd.DataFrame:
    """Today's rows under keys of yesterday."""
    rows = delivery.rows.copy()
    count = min(len(rows), len(delivery.yesterday))
    keys = rows["flight_id"].to_numpy(dtype=object).copy()
    keys[:count] = delivery.yesterday["flight_id"].to_numpy(dtype=object)[:count]
    rows["flight_id"] = keys
    return rows


def moved(column: str, by: timedelta) -> Change:
    """Move times by a span."""

    def change(delivery: Delivery) -> pd.DataFrame:
        rows = delivery.rows.copy()
        rows[column] = rows[column] + by
        return rows

    return change


def noisy(column: str, size: float) -> Change:
    """Add noise to the values of a column, each row its own."""
    return lambda one: one.rows.assign(
        **{column: one.rows[column] + size * one.chance.standard_normal(len(one.rows))}
    )


def _times(factor: float) -> Callable[[pd.Series], object]:
    return lambda values: values * factor


def _celsius(values: pd.Series) -> object:
    return (values - 32.0) / 1.8


def _rounded(digits: int) -> Callable[[pd.Series], object]:
    return lambda values: values.astype(float).round(digits)


def integers(kind: str) -> Callable[[pd.Series], object]:
    """Whole numbers that went through a type too small for them, and went round in it."""
    return lambda values: values.to_numpy(np.int64).astype(kind).astype(float)


def fault_of_data(
    name: str,
    story: str,
    where: tuple[str, ...] | str,
    change: Change,
    *,
    blocks: bool = True,
    again: bool = False,
    population: bool = False,
    unfound: str = "",
    half: Half | None = None,
) -> DataFault:
    """A fault of a delivery.

    Args:
        name: Its name.
        story: What happens.
        where: The columns that may be named for it.
        change: Gives what is delivered instead.
        blocks: Whether nothing of it may be published.
        again: Whether the day was published before as it should be.
        population: Whether a check of the population is a right one for it, too.
        unfound: Why nothing can find it.
        half: Of which half it is; its name tells it if this is not given.
    """
    places = (where,) if isinstance(where, str) else where
    checks = (*ABOUT_ROWS, *ABOUT_POPULATION) if population else ABOUT_ROWS
    fault = Fault(name, "data", story, places, checks, blocks, unfound, half)
    return DataFault(fault, change, again)


_data = fault_of_data
UNITS = (
    _data("temp_in_celsius", "temp comes in Celsius", "temp", alter("temp", _celsius)),
    _data("dewp_in_celsius", "dewp comes in Celsius", "dewp", alter("dewp", _celsius)),
    _data(
        "distance_in_km", "distance comes in km", "distance", alter("distance", _times(1.609344))
    ),
    _data(
        "wind_in_knots",
        "wind_speed comes in knots",
        "wind_speed",
        alter("wind_speed", _times(0.868976)),
    ),
    _data(
        "wind_in_metres",
        "wind_speed comes in m/s",
        "wind_speed",
        alter("wind_speed", _times(0.44704)),
    ),
    _data(
        "pressure_in_inches",
        "pressure comes in inches of mercury",
        "pressure",
        alter("pressure", _times(0.02953)),
    ),
    _data(
        "precip_in_mm", "precip comes in mm", "precip", alter("precip", _times(25.4)), blocks=False
    ),
    _data("visib_in_km", "visib comes in km", "visib", alter("visib", _times(1.609344))),
    _data("humid_as_share", "humid comes as a share", "humid", alter("humid", _times(0.01))),
    _data(
        "wind_dir_in_radians",
        "wind_dir comes in radians",
        "wind_dir",
        alter("wind_dir", np.radians),
    ),
    _data(
        "latitude_in_radians",
        "dest_latitude comes in radians",
        "dest_latitude",
        alter("dest_latitude", np.radians),
    ),
    _data(
        "offset_in_minutes",
        "dest_utc_offset comes in minutes",
        "dest_utc_offset",
        alter("dest_utc_offset", _times(60)),
    ),
    _data(
        "year_of_two_digits",
        "plane_year lost its century",
        "plane_year",
        alter("plane_year", lambda values: values % 100),
    ),
    _data(
        "celsius_at_one_origin",
        "temp comes in Celsius at LGA",
        "temp",
        alter("temp", _celsius, origin("LGA")),
    ),
    _data(
        "celsius_from_noon",
        "temp comes in Celsius from noon on",
        "temp",
        alter("temp", _celsius, noon),
    ),
    _data(
        "km_of_one_carrier",
        "distance comes in km of UA",
        "distance",
        alter("distance", _times(1.609344), carrier("UA")),
    ),
    _data(
        "knots_at_one_origin",
        "wind_speed comes in knots at JFK",
        "wind_speed",
        alter("wind_speed", _times(0.868976), origin("JFK")),
    ),
    _data(
        "humid_share_from_noon",
        "humid comes as a share from noon on",
        "humid",
        alter("humid", _times(0.01), noon),
    ),
)
SWAPS = (
    _data(
        "latitude_for_longitude",
        "latitude and longitude are swapped",
        ("dest_latitude", "dest_longitude"),
        swap("dest_latitude", "dest_longitude"),
    ),
    _data(
        "latitude_for_longitude_of_one_carrier",
        "latitude and longitude are swapped in rows of DL",
        ("dest_latitude", "dest_longitude"),
        swap("dest_latitude", "dest_longitude", carrier("DL")),
    ),
    _data("temp_for_dewp", "temp and dewp are swapped", ("temp", "dewp"), swap("temp", "dewp")),
    _data(
        "departure_for_arrival",
        "the scheduled times are swapped",
        ("sched_dep_time", "sched_arr_time", "clock_error"),
        swap("sched_dep_time", "sched_arr_time"),
    ),
    _data(
        "year_for_seats",
        "plane_year and plane_seats are swapped",
        ("plane_year", "plane_seats"),
        swap("plane_year", "plane_seats"),
    ),
    _data("humid_for_temp", "humid and temp are swapped", ("humid", "temp"), swap("humid", "temp")),
    _data(
        "humid_for_dewp_from_noon",
        "humid and dewp are swapped from noon on",
        ("humid", "dewp"),
        swap("humid", "dewp", noon),
    ),
    _data(
        "wind_for_visib",
        "wind_speed and visib are swapped",
        ("wind_speed", "visib"),
        swap("wind_speed", "visib"),
    ),
    _data(
        "carrier_for_dest_of_some",
        "carrier and dest are swapped in 2 % of the rows",
        ("carrier", "dest"),
        swap("carrier", "dest", share(0.02)),
    ),
    _data(
        "origins_swapped",
        "EWR and LGA are taken for each other",
        ("origin",),
        alter("origin", lambda values: values.replace({"EWR": "LGA", "LGA": "EWR"})),
    ),
    _data(
        "carriers_swapped",
        "UA and DL are taken for each other",
        ("carrier",),
        alter("carrier", lambda values: values.replace({"UA": "DL", "DL": "UA"})),
    ),
)
PERMUTATIONS = (
    _data(
        "distance_dealt_anew", "distances are dealt to other rows", "distance", permute("distance")
    ),
    _data(
        "distance_dealt_within_origin",
        "distances are dealt to other rows of the airport",
        "distance",
        permute("distance", within="origin"),
    ),
    _data(
        "arrival_time_dealt_anew",
        "sched_arr_time is dealt to other rows",
        "sched_arr_time",
        permute("sched_arr_time"),
    ),
    _data("plane_dealt_anew", "the aircraft are dealt to other rows", PLANE, permute(*PLANE)),
    _data(
        "seats_dealt_anew",
        "plane_seats is dealt to other rows",
        "plane_seats",
        permute("plane_seats"),
    ),
    _data(
        "seats_dealt_within_carrier",
        "plane_seats is dealt to other rows of the airline",
        "plane_seats",
        permute("plane_seats", within="carrier"),
    ),
    _data(
        "maker_dealt_anew",
        "plane_maker is dealt to other rows",
        "plane_maker",
        permute("plane_maker"),
    ),
    _data(
        "place_dealt_anew",
        "the places of destinations are dealt to other rows",
        PLACE,
        permute(*PLACE),
    ),
    _data(
        "latitude_dealt_within_origin",
        "dest_latitude is dealt to other rows of the airport",
        "dest_latitude",
        permute("dest_latitude", within="origin"),
    ),
    _data("temp_dealt_anew", "temp is dealt to other rows", "temp", permute("temp")),
    _data(
        "temp_dealt_within_origin",
        "temp is dealt to other rows of the airport",
        "temp",
        permute("temp", within="origin"),
    ),
    _data("weather_dealt_anew", "the weather is dealt to other rows", WEATHER, permute(*WEATHER)),
    _data(
        "carrier_dealt_anew",
        "carrier is dealt to other rows",
        ("carrier", "flight_id"),
        permute("carrier"),
    ),
    _data(
        "dest_dealt_anew",
        "dest is dealt to other rows",
        ("dest", *PLACE, "distance"),
        permute("dest"),
    ),
    _data(
        "offset_dealt_anew",
        "dest_utc_offset is dealt to other rows",
        "dest_utc_offset",
        permute("dest_utc_offset"),
    ),
)
JOINS = (
    _data("plane_of_the_row_before", "the aircraft are joined one row off", PLANE, shift(*PLANE)),
    _data(
        "place_of_the_row_before", "the destinations are joined one row off", PLACE, shift(*PLACE)
    ),
    _data(
        "distance_of_the_row_before",
        "distance is joined one row off",
        "distance",
        shift("distance"),
    ),
    _data(
        "weather_of_the_row_before", "the weather is joined one row off", WEATHER, shift(*WEATHER)
    ),
    _data(
        "arrival_time_of_the_row_before",
        "sched_arr_time is joined one row off",
        "sched_arr_time",
        shift("sched_arr_time"),
    ),
    _data(
        "weather_an_hour_late",
        "the weather joined is that of an hour earlier",
        WEATHER,
        rejoined(1),
        unfound=NO_TRACE,
    ),
    _data(
        "weather_six_hours_late",
        "the weather joined is that of six hours earlier",
        WEATHER,
        rejoined(6),
        unfound=NO_TRACE,
    ),
    _data(
        "weather_of_yesterday",
        "the weather joined is yesterday's",
        WEATHER,
        rejoined(24, of="yesterday"),
    ),
    _data(
        "weather_of_one_station",
        "all rows get the weather of JFK",
        WEATHER,
        rejoined(0, station="JFK"),
    ),
    _data(
        "winter_offset",
        "dest_utc_offset is that of winter",
        "dest_utc_offset",
        alter("dest_utc_offset", lambda values: values - 1),
    ),
)
MISSING = (
    _data(
        "temp_missing_of_a_third",
        "a third of temp is lost",
        "temp",
        put("temp", None, share(1 / 3)),
        blocks=False,
    ),
    _data(
        "pressure_lost",
        "all of pressure is lost",
        "pressure",
        put("pressure", None, known("pressure")),
        blocks=False,
    ),
    _data(
        "visib_lost_from_noon",
        "visib is lost from noon on",
        "visib",
        put("visib", None, noon),
        blocks=False,
    ),
    _data(
        "seats_lost_of_one_carrier",
        "plane_seats is lost of B6",
        "plane_seats",
        put("plane_seats", None, carrier("B6")),
        blocks=False,
    ),
    _data(
        "maker_lost_of_one_carrier",
        "plane_maker is lost of UA",
        "plane_maker",
        put("plane_maker", None, carrier("UA")),
        blocks=False,
    ),
    _data(
        "wind_lost_at_one_origin",
        "wind_speed is lost at EWR",
        "wind_speed",
        put("wind_speed", None, origin("EWR")),
        blocks=False,
    ),
    _data(
        "year_filled_with_zero",
        "plane_year is 0 where it is missing",
        "plane_year",
        put("plane_year", 0, missing("plane_year")),
    ),
    _data(
        "year_filled_with_mean",
        "plane_year is a mean where it is missing",
        "plane_year",
        put("plane_year", 2001, missing("plane_year")),
    ),
    _data(
        "seats_filled_with_median",
        "plane_seats is a median where it is missing",
        "plane_seats",
        put("plane_seats", 149, missing("plane_seats")),
    ),
    _data(
        "pressure_filled_with_norm",
        "pressure is 1013.2 where it is missing",
        "pressure",
        put("pressure", 1013.2, missing("pressure")),
        blocks=False,
    ),
    _data(
        "maker_filled_with_word",
        "plane_maker is UNKNOWN where it is missing",
        "plane_maker",
        put("plane_maker", "UNKNOWN", missing("plane_maker")),
    ),
    _data(
        "maker_filled_with_blank",
        "plane_maker is empty text where it is missing",
        "plane_maker",
        put("plane_maker", "", missing("plane_maker")),
    ),
    _data(
        "gust_filled_with_wind",
        "wind_gust is the wind where it is missing",
        "wind_gust",
        lambda one: one.rows.assign(wind_gust=one.rows["wind_gust"].fillna(one.rows["wind_speed"])),
    ),
    _data(
        "temp_of_some_is_zero",
        "temp is 0 in a tenth of the rows",
        "temp",
        put("temp", 0.0, share(0.1)),
    ),
    _data(
        "wind_of_some_is_sentinel",
        "wind_speed is -999 in 1 % of the rows",
        "wind_speed",
        put("wind_speed", -999.0, share(0.01)),
    ),
    _data(
        "wind_dir_of_some_is_zero",
        "wind_dir is 0 in a quarter of the rows",
        "wind_dir",
        put("wind_dir", 0.0, share(0.25)),
    ),
)
CUT = (
    _data(
        "distance_clipped",
        "distance is at most 1,000",
        "distance",
        alter("distance", lambda values: values.clip(upper=1000)),
    ),
    _data(
        "wind_clipped",
        "wind_speed is at most 8",
        "wind_speed",
        alter("wind_speed", lambda values: values.clip(upper=8.0)),
    ),
    _data(
        "seats_clipped",
        "plane_seats is at most 150",
        "plane_seats",
        alter("plane_seats", lambda values: values.clip(upper=150)),
    ),
    _data(
        "longitude_clipped",
        "dest_longitude is at least -100",
        "dest_longitude",
        alter("dest_longitude", lambda values: values.clip(lower=-100)),
    ),
    _data("temp_rounded", "temp comes in whole degrees", "temp", alter("temp", _rounded(0))),
    _data("humid_rounded", "humid comes in whole percents", "humid", alter("humid", _rounded(0))),
    _data(
        "latitude_rounded",
        "dest_latitude comes with one digit",
        "dest_latitude",
        alter("dest_latitude", _rounded(1)),
    ),
    _data(
        "distance_rounded", "distance comes in tens", "distance", alter("distance", _rounded(-1))
    ),
    _data(
        "pressure_rounded",
        "pressure comes in whole millibars",
        "pressure",
        alter("pressure", _rounded(0)),
    ),
    _data(
        "longitude_in_single_precision",
        "dest_longitude went through 32 bits",
        "dest_longitude",
        alter("dest_longitude", lambda values: values.astype("float32").astype(float)),
    ),
    _data(
        "arrival_time_to_the_hour",
        "sched_arr_time lost its minutes",
        "sched_arr_time",
        alter("sched_arr_time", lambda values: values // 100 * 100),
    ),
    _data("temp_frozen", "temp stands still all day", "temp", freeze("temp", where=everywhere)),
    _data(
        "weather_frozen_from_noon",
        "the weather stands still from noon on",
        WEATHER,
        freeze(*WEATHER, where=noon),
    ),
    _data(
        "pressure_frozen_at_one_origin",
        "pressure stands still at JFK",
        "pressure",
        freeze("pressure", where=origin("JFK")),
    ),
    _data(
        "wind_dir_constant",
        "wind_dir is 180 everywhere",
        "wind_dir",
        put("wind_dir", 180.0, known("wind_dir")),
    ),
)
ROWS = (
    _data("rows_twice", "a tenth of the rows comes twice", "flight_id", repeated(0.1)),
    _data(
        "rows_twice_under_other_keys",
        "a tenth of the rows comes twice, under other keys",
        "flight_id",
        repeated(0.1, " bis"),
    ),
    _data(
        "day_twice_under_other_keys",
        "all rows come twice, under other keys",
        "flight_id",
        repeated(1.1, "-2"),
    ),
    _data(
        "rows_of_yesterday",
        "some rows are yesterday's",
        ("flight_id", "scheduled_at"),
        with_rows_of("yesterday"),
    ),
    _data(
        "rows_of_tomorrow",
        "some rows are tomorrow's",
        ("flight_id", "scheduled_at"),
        with_rows_of("tomorrow"),
    ),
    _data(
        "yesterday_again",
        "all rows are yesterday's",
        ("flight_id", "scheduled_at"),
        lambda one: one.yesterday,
    ),
    _data(
        "yesterday_redated",
        "yesterday's rows come with today's date",
        ("flight_id", "scheduled_at", *WEATHER),
        yesterday_redated,
    ),
    _data("keys_of_yesterday", "today's rows come under keys of yesterday", "flight_id", old_keys),
    _data(
        "hours_lost",
        "the rows from 14 to 18 o'clock are lost",
        ("scheduled_at", "flight_id"),
        without(lambda one: one.rows["sched_dep_time"].between(1400, 1759)),
        blocks=False,
    ),
    _data(
        "morning_alone",
        "the rows from noon on are lost",
        ("scheduled_at", "flight_id"),
        without(noon),
        blocks=False,
    ),
    _data(
        "origin_lost", "the rows of LGA are lost", "origin", without(origin("LGA")), blocks=False
    ),
    _data(
        "carrier_lost", "the rows of US are lost", "carrier", without(carrier("US")), blocks=False
    ),
    _data(
        "half_lost",
        "half of the rows is lost",
        ("flight_id", "scheduled_at"),
        only(share(0.5)),
        blocks=False,
    ),
    _data(
        "first_hundred_alone",
        "the delivery breaks off after 100 rows",
        ("flight_id", "scheduled_at", "rows"),
        lambda one: one.rows.iloc[:100],
        blocks=False,
    ),
    _data(
        "carrier_lost_from_noon",
        "the rows of B6 are lost from noon on",
        "carrier",
        without(lambda one: one.of("carrier", "B6") & one.from_noon),
        blocks=False,
    ),
)
TEXTS = (
    _data(
        "carrier_in_lower_case",
        "carrier comes in lower case",
        "carrier",
        alter("carrier", lambda values: values.str.lower()),
    ),
    _data(
        "carrier_with_blank",
        "carrier comes with a blank",
        "carrier",
        alter("carrier", lambda values: values + " "),
    ),
    _data(
        "dest_with_blank_of_some",
        "dest comes with a blank in 5 % of the rows",
        "dest",
        alter("dest", lambda values: " " + values, share(0.05)),
    ),
    _data(
        "maker_in_title_case",
        "plane_maker comes in title case",
        "plane_maker",
        alter("plane_maker", lambda values: values.str.title(), known("plane_maker")),
    ),
    _data(
        "maker_with_trailing_blank",
        "plane_maker comes with a blank of BOEING",
        "plane_maker",
        alter(
            "plane_maker",
            lambda values: values + " ",
            lambda one: one.rows["plane_maker"] == "BOEING",
        ),
    ),
    _data(
        "maker_cut",
        "plane_maker is cut after 8 letters",
        "plane_maker",
        alter("plane_maker", lambda values: values.str[:8], known("plane_maker")),
    ),
    _data(
        "maker_in_mojibake",
        "plane_maker was read in another encoding",
        "plane_maker",
        alter("plane_maker", lambda values: values.str.replace("E", "Ã‰"), known("plane_maker")),
    ),
    _data(
        "maker_renamed",
        "AIRBUS is told as AIRBUS SAS",
        "plane_maker",
        alter("plane_maker", lambda values: values.replace({"AIRBUS": "AIRBUS SAS"})),
        population=True,
        blocks=False,
    ),
    _data(
        "carrier_renamed",
        "UA is told as CO, its old name",
        "carrier",
        alter("carrier", lambda values: values.replace({"UA": "CO"})),
    ),
    _data(
        "carrier_new",
        "a tenth of the rows is of a carrier never seen",
        "carrier",
        put("carrier", "ZZ", share(0.1)),
        population=True,
        blocks=False,
    ),
    _data(
        "dest_renamed",
        "ORD is told as CHI",
        "dest",
        alter("dest", lambda values: values.replace({"ORD": "CHI"})),
        blocks=False,
        population=True,
    ),
    _data(
        "dest_in_lower_case_of_one_carrier",
        "dest comes in lower case of AA",
        "dest",
        alter("dest", lambda values: values.str.lower(), carrier("AA")),
    ),
    _data(
        "keys_of_another_form",
        "keys come without their date",
        "flight_id",
        alter("flight_id", lambda values: values.str[11:]),
    ),
)
NUMBERS = (
    _data(
        "longitude_without_sign",
        "dest_longitude lost its sign",
        "dest_longitude",
        alter("dest_longitude", abs),
    ),
    _data(
        "offset_without_sign",
        "dest_utc_offset lost its sign",
        "dest_utc_offset",
        alter("dest_utc_offset", abs),
    ),
    _data("temp_with_other_sign", "temp has the other sign", "temp", alter("temp", _times(-1))),
    _data(
        "wind_times_ten",
        "wind_speed is ten times what it is",
        "wind_speed",
        alter("wind_speed", _times(10)),
    ),
    _data(
        "distance_times_ten_of_one_carrier",
        "distance is tenfold of EV",
        "distance",
        alter("distance", _times(10), carrier("EV")),
    ),
    _data(
        "seats_times_ten_of_some",
        "plane_seats is tenfold in 2 % of the rows",
        "plane_seats",
        alter("plane_seats", _times(10), share(0.02)),
    ),
    _data(
        "pressure_off_by_ten",
        "pressure is 10 too low",
        "pressure",
        alter("pressure", lambda values: values - 10),
        unfound="On nights on which slopes turn, pressure moves as much until the morning, and no "
        "other column tells it.",
    ),
    _data(
        "latitude_noisy",
        "dest_latitude comes with noise",
        "dest_latitude",
        noisy("dest_latitude", 0.05),
    ),
    _data("temp_noisy", "temp comes with noise, each row its own", "temp", noisy("temp", 1.0)),
    _data(
        "distance_off_by_one",
        "distance is one mile too much",
        "distance",
        alter("distance", lambda values: values + 1),
    ),
    _data(
        "scheduled_an_hour_late",
        "scheduled_at is an hour too late",
        ("scheduled_at", "clock_error"),
        moved("scheduled_at", timedelta(hours=1)),
    ),
    _data(
        "scheduled_in_local_time",
        "scheduled_at is New York's clock, called UTC",
        ("scheduled_at", "clock_error"),
        moved("scheduled_at", timedelta(hours=-4)),
    ),
    _data(
        "scheduled_seconds",
        "scheduled_at comes 30 seconds late",
        ("scheduled_at", "clock_error"),
        moved("scheduled_at", timedelta(seconds=30)),
    ),
    _data(
        "departure_time_an_hour_late",
        "sched_dep_time is an hour late at JFK",
        ("sched_dep_time", "clock_error", "departure_minute"),
        alter("sched_dep_time", lambda values: (values + 100) % 2400, origin("JFK")),
    ),
)
AGAIN = (
    _data(
        "restated_temp",
        "the day comes again, with other temp in a tenth of the rows",
        "temp",
        alter("temp", lambda values: values + 2.0, share(0.1)),
        again=True,
        blocks=False,
    ),
    _data(
        "restated_dest",
        "the day comes again, with other dest in 2 % of the rows",
        "dest",
        put("dest", "ATL", share(0.02)),
        again=True,
        blocks=False,
    ),
    _data(
        "restated_seats",
        "the day comes again, with all plane_seats known",
        "plane_seats",
        put("plane_seats", 150, missing("plane_seats")),
        again=True,
        blocks=False,
    ),
    _data(
        "withdrawn_rows",
        "the day comes again, and a tenth of the rows no more",
        "flight_id",
        without(share(0.1)),
        again=True,
        blocks=False,
    ),
)
DATA_FAULTS: tuple[DataFault, ...] = (
    *UNITS, *SWAPS, *PERMUTATIONS, *JOINS, *MISSING, *CUT, *ROWS, *TEXTS, *NUMBERS, *AGAIN,
)  # fmt: skip
