"""Still more faults of deliveries of flights, held out until the checks were nearly done.

They were thought of from what goes wrong upstream, without a look at what the checks look for.
Which column has to be named for each, whether it has to be blocked and what can leave no trace was
written down before any of them was tried. What came of them has been looked at since, so all of
them are of the half to tune on.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import numpy as np
import pandas as pd

from benchmarks.skew.deliveries import (
    PLACE,
    PLANE,
    WEATHER,
    Change,
    DataFault,
    Delivery,
    Where,
    alter,
    between,
    both,
    carrier,
    everywhere,
    fault_of_data,
    in_part,
    known,
    missing,
    noon,
    origin,
    put,
    rejoined,
    share,
    value,
    without,
    yesterday_redated,
)
from benchmarks.skew.timetable import (
    MINUTES_A_DAY,
    clock_of,
    hours_of,
    in_order_of_time,
    joined,
    minutes_of,
    places_of,
)

_POSITION = ("dest_latitude", "dest_longitude")
_SAME_CITY = {"IAD": "DCA", "MDW": "ORD", "HOU": "IAH", "PWM": "PDX"}
"""Airports, and the one that comes first in a list of cities; there are two Portlands."""


def _each(columns: tuple[str, ...], how: Callable[[pd.Series], object], where: Where) -> Change:
    """Compute some columns anew, each by itself, in some rows."""

    def change(delivery: Delivery) -> pd.DataFrame:
        rows = delivery.rows
        for name in columns:
            rows = rows.assign(**{name: alter(name, how, where)(delivery)[name]})
        return rows

    return change


def _nothing(values: pd.Series) -> object:
    return [None] * len(values)


# Places and distances.


def _by_city(delivery: Delivery) -> pd.DataFrame:
    return joined(delivery, delivery.rows["dest"].replace(_SAME_CITY), places_of(delivery))


def _by_two_letters(delivery: Delivery) -> pd.DataFrame:
    places = places_of(delivery)
    cut = places.set_axis(places.index.str[:2])
    return joined(delivery, delivery.rows["dest"].str[:2], cut[~cut.index.duplicated()])


def _of_yesterdays_file(delivery: Delivery) -> pd.DataFrame:
    """From the middle on, places are those that stood in the same line of yesterday's file."""
    rows = delivery.rows.copy()
    first, last = len(rows) // 2, min(len(rows), len(delivery.yesterday))
    for name in PLACE:
        values = rows[name].to_numpy().copy()
        values[first:last] = delivery.yesterday[name].to_numpy()[first:last]
        rows[name] = values
    return rows


def _in_summer(delivery: Delivery) -> pd.Series:
    """All rows while New York, and Atlanta with it, has summer time; none else."""
    offsets = delivery.rows.loc[delivery.of("dest", "ATL"), "dest_utc_offset"]
    return everywhere(delivery) & bool((offsets == -4).any())


def _degrees_and_minutes(values: pd.Series) -> object:
    """30 minutes are written as .30 rather than .50."""
    whole = np.trunc(values)
    return (whole + 0.6 * (values - whole)).round(6)


def _first_letters(delivery: Delivery) -> pd.Series:
    return delivery.rows["dest"] < "E"


_RADIUS = 3958.8  # of the Earth, miles


def _by_way_of_atlanta(delivery: Delivery) -> pd.DataFrame:
    """Distances of one airline are those of the journey with a change at its hub."""
    rows, mask = delivery.rows.copy(), delivery.of("carrier", "DL")
    hub = rows["dest"] == "ATL"
    to_hub = rows["origin"].map(rows[hub].groupby("origin")["distance"].first())
    here = np.radians(places_of(delivery).loc["ATL", list(_POSITION)].to_numpy(dtype=float))
    there = np.radians(rows[list(_POSITION)].to_numpy())
    apart = np.sin((there - here) / 2) ** 2
    angle = apart[:, 0] + np.cos(here[0]) * np.cos(there[:, 0]) * apart[:, 1]
    onward = pd.Series(2 * _RADIUS * np.arcsin(np.sqrt(angle)), index=rows.index)
    journey = (to_hub + onward).round().where(mask & ~hub).fillna(rows["distance"])
    rows["distance"] = journey.astype(int)
    return rows


# Times and keys.


def _to_the_quarter(delivery: Delivery) -> pd.DataFrame:
    """Departures of one airline are cut to quarters of an hour, in both columns."""
    rows, mask = delivery.rows.copy(), delivery.of("carrier", "UA")
    beyond = (minutes_of(rows["sched_dep_time"]) % 15).where(mask, 0)
    rows["sched_dep_time"] -= beyond
    rows["scheduled_at"] -= pd.to_timedelta(beyond, unit="min")
    return rows


def _an_hour_late(delivery: Delivery) -> pd.DataFrame:
    """Departures from one airport are an hour late, in both columns."""
    rows = delivery.rows.copy()
    mask = delivery.of("origin", "LGA") & (rows["sched_dep_time"] < 2300)
    rows["sched_dep_time"] = rows["sched_dep_time"].mask(mask, rows["sched_dep_time"] + 100)
    later = rows["scheduled_at"] + pd.Timedelta(hours=1)
    rows["scheduled_at"] = rows["scheduled_at"].mask(mask, later)
    return rows


def _as_they_landed(delivery: Delivery) -> pd.DataFrame:
    """Arrivals of one airline are the real ones: most some minutes early, one in five late."""
    rows, mask, chance = delivery.rows.copy(), delivery.of("carrier", "EV"), delivery.chance
    late = chance.normal(-6, 9, len(rows))
    late += np.where(chance.random(len(rows)) < 0.2, chance.exponential(45, len(rows)), 0)
    minutes = minutes_of(rows["sched_arr_time"]) + late.round().astype(int)
    landed = clock_of(minutes % MINUTES_A_DAY)
    rows["sched_arr_time"] = rows["sched_arr_time"].mask(mask, landed)
    return rows


def _after_midnight(delivery: Delivery) -> pd.Series:
    return delivery.rows["sched_arr_time"] < 100


def _days_of_utc(delivery: Delivery) -> pd.DataFrame:
    """Keys begin with the date in UTC, which is another one from eight in the evening."""
    days = delivery.rows["scheduled_at"].dt.strftime("%Y-%m-%d")
    return delivery.rows.assign(flight_id=days + delivery.rows["flight_id"].str[10:])


def _with_a_mark(delivery: Delivery) -> pd.DataFrame:
    """The mark of byte order at the beginning of a file is read as part of its first key."""
    keys = delivery.rows["flight_id"].to_numpy(dtype=object).copy()
    keys[0] = "\ufeff" + keys[0]
    return delivery.rows.assign(flight_id=keys)


# Rows.


def _with_tests(delivery: Delivery) -> pd.DataFrame:
    """Flights made to test a form: copied ones, without aircraft, distance or duration."""
    tests = delivery.rows[delivery.of("carrier", "UA")].iloc[20:25].copy()
    parts = tests["flight_id"].str.split(" ")
    tests["flight_id"] = [
        " ".join([day, airline, f"{9990 + place}", *rest])
        for place, (day, airline, _, *rest) in enumerate(parts)
    ]
    tests["distance"] = 0
    tests["sched_arr_time"] = tests["sched_dep_time"]
    tests[list(PLANE)] = None
    return in_order_of_time(pd.concat([delivery.rows, tests.astype(delivery.rows.dtypes)]))


def _with_subtotals(delivery: Delivery) -> pd.DataFrame:
    """A sheet's line of sums for each airline, its other columns as in the line above."""
    rows = delivery.rows
    sums = rows.groupby("carrier")[["distance", "plane_seats"]].sum()
    lines = rows.drop_duplicates("carrier", keep="last").copy()
    lines["flight_id"] = lines["flight_id"].str[:10] + " " + lines["carrier"] + " total"
    for name in sums:
        lines[name] = lines["carrier"].map(sums[name]).astype(rows[name].dtype)
    return pd.concat([rows, lines], ignore_index=True)


def _sold_by_another(delivery: Delivery) -> pd.DataFrame:
    """Flights of one airline come again under the numbers under which another one sells them."""
    again = delivery.rows[delivery.of("carrier", "9E")].copy()
    again["carrier"] = "DL"
    again["flight_id"] = again["flight_id"].str.replace(" 9E ", " DL ", regex=False)
    return in_order_of_time(pd.concat([delivery.rows, again]))


def _under_the_seller(delivery: Delivery) -> pd.DataFrame:
    """Flights that EV flies for UA are told as flights of UA, in keys too."""
    rows = delivery.rows.copy()
    rows["carrier"] = rows["carrier"].replace({"EV": "UA"})
    rows["flight_id"] = rows["flight_id"].str.replace(" EV ", " UA ", regex=False)
    return rows


def _one_a_minute(delivery: Delivery) -> pd.DataFrame:
    """Rows count as repeated that have airport and time in common."""
    return delivery.rows.drop_duplicates(["origin", "scheduled_at"], ignore_index=True)


def _one_airline_of_yesterday(delivery: Delivery) -> pd.DataFrame:
    """The part of one airline is yesterday's, with today's date."""
    before = yesterday_redated(delivery)
    others = delivery.rows[~delivery.of("carrier", "B6")]
    return in_order_of_time(pd.concat([others, before[before["carrier"] == "B6"]]))


# Weather.


def _to_the_left(delivery: Delivery) -> pd.DataFrame:
    """In a file whose columns are parted by blanks, what is missing lets the others move up."""
    rows, mask = delivery.rows.copy(), delivery.of("origin", "JFK")
    values = rows.loc[mask, list(WEATHER)].to_numpy(dtype=float)
    up = np.argsort(np.isnan(values), axis=1, kind="stable")
    rows.loc[mask, list(WEATHER)] = np.take_along_axis(values, up, axis=1)
    return rows


def _second_half_hours(delivery: Delivery) -> pd.Series:
    return delivery.rows["sched_dep_time"] % 100 >= 30


def _added_up(delivery: Delivery) -> pd.DataFrame:
    """Rain since the first flight of the day rather than that of the hour, by airport."""
    rows = delivery.rows
    hours = rows.assign(hour=hours_of(rows)).drop_duplicates(["origin", "hour"])
    hours = hours.sort_values("hour")
    sums = hours["precip"].fillna(0).groupby(hours["origin"]).cumsum().round(2)
    told = dict(zip(zip(hours["origin"], hours["hour"], strict=True), sums, strict=True))
    keys = zip(rows["origin"], hours_of(rows), strict=True)
    added = pd.Series([told[key] for key in keys], index=rows.index)
    return rows.assign(precip=added.where(rows["precip"].notna()))


def _largest_so_far(delivery: Delivery) -> pd.DataFrame:
    """Gusts are the largest since the first flight of the day, and stay."""
    origins = delivery.rows["origin"]
    largest = delivery.rows["wind_gust"].groupby(origins).cummax().groupby(origins).ffill()
    return delivery.rows.assign(wind_gust=largest)


def _points_of_the_compass(values: pd.Series) -> object:
    """Directions went through names such as SSW, of which there are sixteen; 0 is calm."""
    points = (values / 22.5).round() % 16 * 22.5
    return points.mask(points == 0, 360.0).mask(values == 0, 0.0)


def _whole_celsius(values: pd.Series) -> object:
    return (((values - 32.0) / 1.8).round() * 1.8 + 32.0).round(2)


def _vapour(fahrenheit: pd.Series) -> pd.Series:
    """Logarithm of the pressure of saturated vapour, by the formula of Magnus."""
    celsius = (fahrenheit - 32.0) / 1.8
    return 17.625 * celsius / (243.04 + celsius)


def _drifting(delivery: Delivery) -> pd.DataFrame:
    """A thermometer in the sun: from eight on half a degree more an hour, and drier air."""
    rows, mask = delivery.rows.copy(), delivery.of("origin", "JFK")
    warmer = rows["temp"] + 0.5 * (rows["sched_dep_time"] // 100 - 8).clip(lower=0)
    drier = rows["humid"] * np.exp(_vapour(rows["temp"]) - _vapour(warmer))
    rows["temp"] = rows["temp"].mask(mask, warmer.round(2))
    rows["humid"] = rows["humid"].mask(mask, drier.round(2))
    return rows


def _pasted_over(delivery: Delivery) -> pd.DataFrame:
    """The weather of 60 lines was pasted over 60 later ones."""
    rows = delivery.rows.copy()
    first = len(rows) // 2
    source = delivery.rows.iloc[first - 120 : first - 60]
    for name in WEATHER:
        rows.loc[rows.index[first : first + 60], name] = source[name].to_numpy()
    return rows


def _of_the_region(delivery: Delivery) -> pd.DataFrame:
    """What is measured is the mean of the three airports in the hour."""
    rows = delivery.rows.assign(hour=hours_of(delivery.rows))
    stations = rows.drop_duplicates(["origin", "hour"])
    names = ["temp", "dewp", "humid", "wind_speed", "pressure", "visib"]
    means = rows[["hour"]].join(stations.groupby("hour")[names].mean(), on="hour")
    return delivery.rows.assign(
        **{name: means[name].round(2).where(rows[name].notna()) for name in names}
    )


# Aircraft.


def _new_ones(delivery: Delivery) -> pd.Series:
    return delivery.rows["plane_year"] >= 2012


def _sorted_by_age(delivery: Delivery) -> pd.DataFrame:
    """The aircraft of one airline were sorted by year, and put beside its flights again."""
    rows, mask = delivery.rows.copy(), delivery.of("carrier", "DL")
    planes = rows.loc[mask, list(PLANE)].sort_values("plane_year", kind="stable")
    for name in PLANE:
        rows.loc[mask, name] = planes[name].to_numpy()
    return rows


def _registered_again(delivery: Delivery) -> pd.DataFrame:
    """The year is that of the last registration: a later one for those that are old."""
    rows = delivery.rows.copy()
    later = pd.Series(delivery.chance.integers(2001, 2013, len(rows)), index=rows.index)
    rows["plane_year"] = rows["plane_year"].mask(rows["plane_year"] < 1998, later.astype(float))
    return rows


def _of_two_digits(values: pd.Series) -> object:
    return [float(f"{one:.0f}"[:2]) for one in values]


_fault = partial(fault_of_data, half="tuning")
ONCE_HELD_OUT_FAULTS: tuple[DataFault, ...] = (
    # Places and distances.
    _fault("places_by_city", "airports are joined by city: IAD gets DCA's place, MDW that of ORD, "
           "PWM in Maine that of Portland in Oregon", PLACE, _by_city),
    _fault("places_by_two_letters", "airports are joined by the first two letters of their codes",
           PLACE, _by_two_letters),
    _fault("places_of_yesterdays_file",
           "in the second half of the file places are those of the same line of yesterday", PLACE,
           _of_yesterdays_file),
    _fault("places_in_minutes_of_some", "positions of airports from A to D are degrees and "
           "minutes, 29.59 for 29.98", _POSITION,
           _each(_POSITION, _degrees_and_minutes, _first_letters)),
    _fault("phoenix_with_summer_time", "dest_utc_offset of PHX has summer time, as it has not",
           "dest_utc_offset", alter("dest_utc_offset", lambda values: values + 1,
                                    both(value("dest", "PHX"), _in_summer))),
    _fault("distance_by_way_of_a_hub", "distance of DL is that by way of ATL", "distance",
           _by_way_of_atlanta),
    _fault("dest_is_the_origin", "dest is the origin in 2 % of the rows", "dest",
           lambda one: one.rows.assign(
               dest=one.rows["dest"].mask(one.some(0.02), one.rows["origin"]))),
    # Times and keys.
    _fault("departures_to_the_quarter", "departures of UA are cut to quarters of an hour, in both "
           "columns", ("sched_dep_time", "scheduled_at", "departure_minute", "flight_id"),
           _to_the_quarter),
    _fault("departures_late_in_both_columns", "departures from LGA are an hour late, in both "
           "columns", ("sched_dep_time", "scheduled_at", "departure_minute", "flight_id"),
           _an_hour_late),
    _fault("arrivals_as_they_were", "sched_arr_time of EV is when they landed", "sched_arr_time",
           _as_they_landed),
    _fault("midnight_as_24", "sched_arr_time in the hour after midnight is 2400 and more",
           ("sched_arr_time", "arrival_minute"),
           alter("sched_arr_time", lambda values: values + 2400, _after_midnight)),
    _fault("dates_of_keys_in_utc", "flight_id begins with the date in UTC",
           ("flight_id", "scheduled_at"), _days_of_utc),
    _fault("mark_before_the_first_key", "the first flight_id begins with a mark of byte order",
           "flight_id", _with_a_mark),
    _fault("carrier_read_as_number", "9E was read as a number, 9.0", "carrier",
           alter("carrier", lambda texts: texts.replace({"9E": "9.0"})), population=True),
    # Rows.
    _fault("flights_of_a_test", "five flights were made to test a form",
           ("flight_id", "distance", "sched_arr_time", "arrival_minute"), _with_tests),
    _fault("subtotals_among_rows", "a line of sums comes for each airline",
           ("flight_id", "distance", "plane_seats"), _with_subtotals),
    _fault("flights_of_another_seller", "flights of 9E come again under numbers of DL",
           ("flight_id", "carrier"), _sold_by_another),
    _fault("flights_under_their_seller", "flights of EV are told as those of UA",
           ("carrier", "flight_id"), _under_the_seller),
    _fault("one_row_a_minute", "of the flights of an airport and minute one is delivered",
           ("origin", "scheduled_at", "sched_dep_time", "flight_id", "rows"), _one_a_minute,
           blocks=False),
    _fault("unknown_aircraft_lost", "flights whose aircraft is not known are lost",
           (*PLANE, "flight_id", "rows"), without(missing("plane_seats")), blocks=False),
    _fault("one_row_in_twenty_lost", "one row in twenty is lost", ("flight_id", "rows"),
           without(share(0.05)), blocks=False,
           unfound="So many flights more or fewer are flown from one week to the next, and they "
                   "lack everywhere alike."),
    _fault("one_airline_of_yesterday", "rows of B6 are yesterday's, with today's date",
           ("flight_id", "scheduled_at", *WEATHER), _one_airline_of_yesterday),
    _fault("restated_without_aircraft", "the day comes again, from noon on without aircraft",
           PLANE, _each(PLANE, _nothing, noon), again=True, blocks=False),
    # Weather.
    _fault("weather_of_the_neighbour_for_hours",
           "from three to six in the afternoon the weather at LGA is that of JFK", WEATHER,
           in_part(rejoined(0, station="JFK"), *WEATHER,
                   where=both(origin("LGA"), between("sched_dep_time", 1500, 1800)))),
    _fault("weather_to_the_nearest_hour",
           "from half past on the weather joined is that of an hour later", WEATHER,
           in_part(rejoined(-1), *WEATHER, where=_second_half_hours)),
    _fault("weather_pasted_over", "the weather of 60 lines was pasted over 60 later ones", WEATHER,
           _pasted_over),
    _fault("weather_of_the_region", "what is measured is the mean of the three airports",
           ("temp", "dewp", "humid", "wind_speed", "pressure", "visib"), _of_the_region),
    _fault("blanks_taken_together",
           "in rows of JFK the weather moves one column up where a gust is missing",
           ("wind_dir", "wind_speed", "wind_gust", "precip", "pressure", "visib"), _to_the_left),
    _fault("zeros_taken_for_none", "0 is missing in wind_dir, wind_speed and precip",
           ("wind_dir", "wind_speed", "precip"),
           _each(("wind_dir", "wind_speed", "precip"), lambda values: values.where(values != 0),
                 everywhere), blocks=False),
    _fault("rain_added_up", "precip is added up since the first flight of the day", "precip",
           _added_up),
    _fault("largest_gust_so_far", "wind_gust is the largest one so far, and stays", "wind_gust",
           _largest_so_far),
    _fault("wind_dir_in_points_of_the_compass",
           "wind_dir went through the sixteen points of the compass", "wind_dir",
           alter("wind_dir", _points_of_the_compass, known("wind_dir"))),
    _fault("whole_celsius_at_one_origin", "temp and dewp at LGA went through whole degrees Celsius",
           ("temp", "dewp"), _each(("temp", "dewp"), _whole_celsius, origin("LGA"))),
    _fault("temp_drifts_at_one_origin",
           "temp at JFK rises by half a degree an hour too much, humid falls with it",
           ("temp", "humid"), _drifting),
    _fault("pressure_of_a_cut_code", "pressure is 999.9 where it is missing, a code for that",
           "pressure", put("pressure", 999.9, missing("pressure"))),
    # Aircraft.
    _fault("aircraft_of_an_old_register", "aircraft made since 2012 are not known", PLANE,
           _each(PLANE, _nothing, _new_ones), blocks=False),
    _fault("aircraft_sorted_by_age", "the aircraft of DL were sorted by year", PLANE,
           _sorted_by_age),
    _fault("year_of_registration", "plane_year is that of the last registration", "plane_year",
           _registered_again),
    _fault("seats_of_one_type_mistyped", "plane_seats is 194 for the type that has 149",
           "plane_seats", alter("plane_seats", lambda values: values.replace({149.0: 194.0}))),
    _fault("seats_cut_of_one_airline", "plane_seats of B6 is cut to two digits", "plane_seats",
           alter("plane_seats", _of_two_digits, both(carrier("B6"), known("plane_seats")))),
)  # fmt: skip
"""Faults that were tried once as a part that nobody had looked at, after those of `later`."""
