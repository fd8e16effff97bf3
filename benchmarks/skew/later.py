"""More faults of deliveries of flights, written when the first checks were built.

They were thought of from what goes wrong upstream, without a look at what the checks look for. What
has to name each, and whether it has to be blocked, was written down before any of them was tried.
What came of them has been looked at since, so all of them are of the half to tune on.
"""

from __future__ import annotations

from functools import partial

import numpy as np
import pandas as pd

from benchmarks.skew.deliveries import (
    PLACE,
    PLANE,
    WEATHER,
    DataFault,
    Delivery,
    alter,
    averaged,
    between,
    both,
    carrier,
    fault_of_data,
    in_order,
    in_part,
    integers,
    known,
    noon,
    only,
    origin,
    put,
    rejoined,
    share,
    swap,
    without,
)
from transforms.flight_delay import AIRPORT_POSITIONS

_MEASURED = tuple(name for name in WEATHER if name != "wind_gust")
"""What is measured in nearly every hour."""
_TIMES = ("scheduled_at", "clock_error")


def _places_of_origins(delivery: Delivery) -> pd.DataFrame:
    rows = delivery.rows.copy()
    offset = rows.loc[rows["dest"] == "ATL", "dest_utc_offset"].iloc[0]  # New York's clock, too
    for name, place in AIRPORT_POSITIONS.items():
        rows.loc[rows["origin"] == name, list(PLACE)] = (*place, offset)
    return rows


def _places_carried_on(delivery: Delivery) -> pd.DataFrame:
    rows = delivery.rows.copy()
    rows[list(PLACE)] = rows[list(PLACE)].ffill()
    return rows


def _planes_of_yesterday(delivery: Delivery) -> pd.DataFrame:
    """The aircraft that flew under the same number yesterday; today's where none did."""
    numbers = delivery.yesterday["flight_id"].str[11:].str.rpartition(" ")[0]
    planes = delivery.yesterday[list(PLANE)].set_axis(numbers)
    planes = planes[~planes.index.duplicated()]
    rows = delivery.rows.copy()
    wanted = rows["flight_id"].str[11:].str.rpartition(" ")[0]
    is_known = wanted.isin(planes.index)
    for name in PLANE:
        rows[name] = rows[name].mask(is_known, wanted.map(planes[name]))
    return rows


def _planes_of_the_route(delivery: Delivery) -> pd.DataFrame:
    """Aircraft that are not known are filled with the one before of the airline and route."""
    rows = delivery.rows.copy()
    rows[list(PLANE)] = rows.groupby(["carrier", "dest"])[list(PLANE)].ffill()
    return rows


def _twice_in_the_register(delivery: Delivery) -> pd.DataFrame:
    """Each row of one maker finds two aircraft in the register, of different years."""
    again = delivery.rows[(delivery.rows["plane_maker"] == "EMBRAER")].copy()
    again["plane_year"] = again["plane_year"] - 8
    return pd.concat([delivery.rows, again], ignore_index=True)


def _one_off_in_a_block(delivery: Delivery) -> pd.DataFrame:
    """In one block of rows the aircraft are one row off, as where two pages of a list meet."""
    rows = delivery.rows.copy()
    start = len(rows) // 3
    block = rows.index[start : start + 80]
    for name in PLANE:
        rows.loc[block, name] = np.roll(delivery.rows.loc[block, name].to_numpy(), 1)
    return rows


def _keys_used_again(delivery: Delivery) -> pd.DataFrame:
    rows = delivery.rows.copy()
    keys = rows["flight_id"].to_numpy(dtype=object).copy()
    places = np.flatnonzero(delivery.some(0.03).to_numpy())
    keys[places] = keys[(places + 7) % len(keys)]
    rows["flight_id"] = keys
    return rows


def _other_numbers(delivery: Delivery) -> pd.DataFrame:
    """Some rows come under another flight number."""
    rows, mask = delivery.rows.copy(), delivery.some(0.05)
    parts = rows.loc[mask, "flight_id"].str.split(" ")
    rows.loc[mask, "flight_id"] = [
        " ".join([day, airline, f"{int(number) + 9000}", *rest])
        for day, airline, number, *rest in parts
    ]
    return rows


def _in_new_yorks_clock(delivery: Delivery) -> pd.DataFrame:
    """Arrivals of one airline are told by the clock of the origin."""
    rows = delivery.rows.copy()
    here = rows.loc[rows["dest"] == "ATL", "dest_utc_offset"].iloc[0]
    mask = (rows["carrier"] == "UA") & rows["dest_utc_offset"].notna()
    later = 100 * (here - rows["dest_utc_offset"].fillna(here)).astype(int)
    rows["sched_arr_time"] = rows["sched_arr_time"].mask(
        mask, (rows["sched_arr_time"] + later) % 2400
    )
    return rows


def _hours_of_mornings(delivery: Delivery) -> pd.DataFrame:
    """Times of a clock of twelve hours that lost its a.m. and p.m."""
    rows = delivery.rows.copy()
    times = rows["sched_dep_time"]
    rows["sched_dep_time"] = times.mask(times >= 1300, times - 1200)
    return rows


def _on_the_hour(delivery: Delivery) -> pd.DataFrame:
    rows, mask = delivery.rows.copy(), delivery.of("carrier", "DL")
    rows["scheduled_at"] = rows["scheduled_at"].mask(mask, rows["scheduled_at"].dt.floor("h"))
    return rows


def _clock_of_one_origin(delivery: Delivery) -> pd.DataFrame:
    rows, mask = delivery.rows.copy(), delivery.of("origin", "LGA")
    later = rows["scheduled_at"] + pd.Timedelta(hours=1)
    rows["scheduled_at"] = rows["scheduled_at"].mask(mask, later)
    return rows


def _milliseconds(delivery: Delivery) -> pd.DataFrame:
    """Times of one airline are milliseconds that were read as microseconds."""
    rows, mask = delivery.rows.copy(), delivery.of("carrier", "MQ")
    begin = pd.Timestamp(0, tz="UTC")
    wrong = begin + (rows["scheduled_at"] - begin) // 1000
    rows["scheduled_at"] = rows["scheduled_at"].mask(mask, wrong.astype(rows["scheduled_at"].dtype))
    return rows


def _with_commas(delivery: Delivery) -> pd.DataFrame:
    return delivery.rows.assign(distance=[f"{one:,.0f}" for one in delivery.rows["distance"]])


def _without_points(values: pd.Series) -> object:
    """Numbers whose decimal point was taken for one between thousands."""
    return [float(f"{one:.15g}".replace(".", "")) for one in values]


def _airline_codes(delivery: Delivery) -> pd.DataFrame:
    """A dictionary of airlines that begins one entry later than the rows that refer to it."""
    names = sorted(delivery.rows["carrier"].unique())
    following = dict(zip(names, [*names[1:], names[0]], strict=True))
    return delivery.rows.assign(carrier=delivery.rows["carrier"].map(following))


def _airline_numbers(delivery: Delivery) -> pd.DataFrame:
    names = sorted(delivery.rows["carrier"].unique())
    numbers = {name: str(number) for number, name in enumerate(names)}
    return delivery.rows.assign(carrier=delivery.rows["carrier"].map(numbers))


def _gusts_between(delivery: Delivery) -> pd.DataFrame:
    """Gusts are filled from one to the next, row by row."""
    gusts = delivery.rows["wind_gust"].interpolate(limit_area="inside")
    return delivery.rows.assign(wind_gust=gusts)


def _smoothed(delivery: Delivery) -> pd.DataFrame:
    temp = delivery.rows["temp"].rolling(9, min_periods=1, center=True).mean()
    return delivery.rows.assign(temp=temp.where(delivery.rows["temp"].notna()))


def _held_for_hours(delivery: Delivery) -> pd.DataFrame:
    """The weather at one airport comes from a cache that is renewed each four hours."""
    rows, mask = delivery.rows.copy(), delivery.of("origin", "EWR")
    blocks = rows["sched_dep_time"] // 400
    for name in WEATHER:
        first = rows[name].groupby([rows["origin"], blocks]).transform(lambda one: one.iloc[0])
        rows[name] = rows[name].mask(mask, first)
    return rows


def _rule_of_thumb(delivery: Delivery) -> pd.DataFrame:
    """Humidity is reckoned from temperature and dew point: 5 % less for each degree between."""
    spread = (delivery.rows["temp"] - delivery.rows["dewp"]) / 1.8
    return delivery.rows.assign(humid=(100.0 - 5.0 * spread).clip(lower=0.0).round(2))


_RADIUS = 3958.8  # of the Earth, miles


def _as_the_crow_flies(delivery: Delivery) -> pd.DataFrame:
    """Distances are reckoned from the places, on a sphere, rather than taken from the timetable."""
    rows = delivery.rows.copy()
    here = np.radians([AIRPORT_POSITIONS[one] for one in rows["origin"]])
    there = np.radians(rows[["dest_latitude", "dest_longitude"]].to_numpy())
    apart = np.sin((there - here) / 2) ** 2
    angle = apart[:, 0] + np.cos(here[:, 0]) * np.cos(there[:, 0]) * apart[:, 1]
    miles = pd.Series(2 * _RADIUS * np.arcsin(np.sqrt(angle)), index=rows.index)
    rows["distance"] = miles.round(1).fillna(rows["distance"])
    return rows


def _rare_ones_together(delivery: Delivery) -> pd.DataFrame:
    count = delivery.rows["dest"].map(delivery.rows["dest"].value_counts())
    return delivery.rows.assign(dest=delivery.rows["dest"].mask(count <= 3, "OTHER"))


def _short_ones_thinned(delivery: Delivery) -> pd.Series:
    return delivery.some(0.6) & (delivery.rows["distance"] < 500)


def _late_ones(delivery: Delivery) -> pd.Series:
    return delivery.of("origin", "EWR") & (delivery.rows["sched_dep_time"] >= 1900)


def _turned(values: pd.Series) -> object:
    return values.where(values == 0, (values + 180 - 1) % 360 + 1)


_later = partial(fault_of_data, half="tuning")
LATER_FAULTS: tuple[DataFault, ...] = (
    # What is joined.
    _later("weather_by_another_clock_at_one_origin",
           "the weather at JFK is joined by New York's clock taken for UTC, four hours off",
           WEATHER, in_part(rejoined(4), *WEATHER, where=origin("JFK"))),
    _later("weather_of_yesterday_after_midnight_utc",
           "from eight in the evening, when UTC has another date, the weather is yesterday's",
           WEATHER, in_part(rejoined(24, of="yesterday"), *WEATHER,
                            where=between("sched_dep_time", 2000, 2400))),
    _later("places_of_the_origin", "the airports are joined by origin", PLACE, _places_of_origins),
    _later("places_carried_on", "a destination without a place gets that of the row before",
           PLACE, _places_carried_on),
    _later("planes_of_the_flight_number", "the aircraft are those of the same numbers yesterday",
           PLANE, _planes_of_yesterday, blocks=False),
    _later("planes_of_the_route", "an aircraft not known is that of the row before on its route",
           PLANE, _planes_of_the_route),
    _later("planes_one_off_in_a_block", "the aircraft of 80 rows are one row off", PLANE,
           _one_off_in_a_block),
    _later("planes_twice_in_the_register",
           "the rows of EMBRAER come twice, with aircraft of different years",
           ("flight_id", "plane_year"), _twice_in_the_register),
    _later("years_sorted", "plane_year was sorted by itself", PLANE, in_order("plane_year")),
    _later("arrivals_sorted_by_carrier", "sched_arr_time was sorted by itself in each airline",
           "sched_arr_time", in_order("sched_arr_time", by="carrier")),
    # Times.
    _later("summer_time_forgotten_at_one_origin", "scheduled_at is an hour late at LGA", _TIMES,
           _clock_of_one_origin),
    _later("arrivals_in_new_yorks_clock", "sched_arr_time of UA is told by New York's clock",
           "sched_arr_time", _in_new_yorks_clock),
    _later("clock_of_twelve_hours", "sched_dep_time lost its a.m. and p.m.",
           ("sched_dep_time", "departure_minute", "clock_error"), _hours_of_mornings),
    _later("scheduled_on_the_hour", "scheduled_at of DL lost its minutes", _TIMES, _on_the_hour),
    _later("milliseconds_of_one_carrier",
           "scheduled_at of MQ is milliseconds read as microseconds", (*_TIMES, "flight_id"),
           _milliseconds),
    # How values are written.
    _later("distance_with_commas", "distance is text with a comma between thousands", "distance",
           _with_commas),
    _later("temp_without_points", "from noon on temp lost its decimal point", "temp",
           alter("temp", _without_points, both(noon, known("temp")))),
    _later("maker_escaped", "the blanks of plane_maker are written for a browser", "plane_maker",
           alter("plane_maker", lambda texts: texts.str.replace(" ", "&nbsp;"),
                 known("plane_maker")), population=True),
    _later("dest_in_other_codes", "dest of B6 is a code of four letters, KMCO for MCO", "dest",
           alter("dest", lambda texts: "K" + texts, carrier("B6")), population=True),
    _later("carrier_as_number", "carrier is the place of the airline in a list", "carrier",
           _airline_numbers, population=True),
    _later("carrier_of_a_shifted_dictionary", "carrier is the next one of the dictionary",
           ("carrier", "flight_id"), _airline_codes),
    _later("makers_merged", "AIRBUS INDUSTRIE is told as AIRBUS", "plane_maker",
           alter("plane_maker", lambda texts: texts.replace({"AIRBUS INDUSTRIE": "AIRBUS"})),
           population=True, blocks=False),
    _later("rare_dests_together", "destinations of at most three rows are OTHER", "dest",
           _rare_ones_together, population=True, blocks=False),
    # Keys and rows.
    _later("keys_cut", "flight_id is cut after 26 letters", "flight_id",
           alter("flight_id", lambda texts: texts.str[:26])),
    _later("keys_used_again", "3 % of the rows come under the key of another", "flight_id",
           _keys_used_again),
    _later("late_rows_lost_at_one_origin", "the rows of EWR from seven in the evening are lost",
           ("origin", "flight_id", "scheduled_at", "sched_dep_time"), without(_late_ones),
           blocks=False),
    _later("short_flights_thinned", "60 % of the flights under 500 miles are lost",
           ("distance", "dest"), without(_short_ones_thinned), blocks=False),
    _later("northern_half_alone", "only destinations north of 36 degrees are delivered",
           ("dest", *PLACE), only(lambda one: ~(one.rows["dest_latitude"] < 36)), blocks=False),
    _later("restated_keys", "the day comes again, 5 % of the rows under other flight numbers",
           "flight_id", _other_numbers, again=True, blocks=False),
    # Numbers.
    _later("seats_in_eight_bits", "plane_seats went through eight bits, 149 is -107",
           "plane_seats", alter("plane_seats", integers("int8"), known("plane_seats"))),
    _later("pressure_in_half_precision", "pressure went through 16 bits", "pressure",
           alter("pressure", lambda values: values.astype("float16").astype(float))),
    _later("longitude_without_sign_of_some", "dest_longitude of B6 lost its sign",
           "dest_longitude", alter("dest_longitude", abs, carrier("B6"))),
    _later("gust_for_wind_where_known", "wind_speed and wind_gust are swapped where gusts are",
           ("wind_speed", "wind_gust"), swap("wind_speed", "wind_gust", known("wind_gust"))),
    _later("gusts_between", "wind_gust is filled from one gust to the next", "wind_gust",
           _gusts_between),
    _later("weather_of_the_day", "temp, dewp, humid and pressure are means of the day",
           _MEASURED, averaged("temp", "dewp", "humid", "pressure", by="origin")),
    _later("weather_from_a_cache", "the weather at EWR is renewed each four hours", WEATHER,
           _held_for_hours),
    _later("temp_smoothed", "temp is the mean of nine rows, whatever their airport", "temp",
           _smoothed),
    _later("seats_of_the_fleet", "plane_seats is the mean of the airline", "plane_seats",
           averaged("plane_seats", by="carrier")),
    _later("humid_by_a_rule_of_thumb", "humid is reckoned from temp and dewp by a rule of thumb",
           "humid", _rule_of_thumb),
    _later("distance_as_the_crow_flies", "distance is reckoned on a sphere", "distance",
           _as_the_crow_flies),
    _later("humid_at_most_seventy", "humid is at most 70", "humid",
           alter("humid", lambda values: values.clip(upper=70.0))),
    _later("offset_of_some_is_zero", "dest_utc_offset is 0 in 3 % of the rows",
           "dest_utc_offset", put("dest_utc_offset", 0.0, share(0.03))),
    _later("year_of_some_is_1970", "plane_year is 1970 in 2 % of the rows", "plane_year",
           put("plane_year", 1970, share(0.02))),
    _later("visib_of_some_is_best", "visib is 10 in half of the rows", "visib",
           put("visib", 10.0, both(share(0.5), known("visib")))),
    _later("wind_dir_turned", "wind_dir tells where the wind blows to, 0 in calm as before",
           "wind_dir", alter("wind_dir", _turned), blocks=False,
           unfound="A wind may blow from anywhere: each direction is one that the hour could have "
                   "had, and no other column tells it."),
)  # fmt: skip
"""Faults that were tried once as a part that nobody had looked at."""
