"""Faults of deliveries of flights that were written last, and that nothing is tuned on.

They were thought of from what goes wrong upstream, without a look at what the checks look for, and
are tried at the very end alone. Which column has to be named for each, whether it has to be blocked
and why was written down before any of them was tried: a value that is wrong must not be published,
while rows and look-ups that are merely lost need not be blocked.

What has been tried and looked at moves to a module of its own, as `later`, `once_held_out`,
`lookups` and `outages` did, and others are written.
"""

from __future__ import annotations

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
    alter,
    between,
    both,
    carrier,
    fault_of_data,
    in_part,
    known,
    noon,
    origin,
    put,
    rejoined,
    share,
    value,
    without,
)
from benchmarks.skew.timetable import (
    MINUTES_A_DAY,
    clock_of,
    in_order_of_time,
    minutes_of,
)
from transforms.flight_delay import AIRPORT_POSITIONS

_ZONE = "America/New_York"
_TIMES = ("scheduled_at", "clock_error")
_DEPARTURE = ("sched_dep_time", "scheduled_at", "departure_minute", "clock_error")
_ARRIVAL = ("sched_arr_time", "arrival_minute")
_SMOOTH = ("temp", "dewp", "humid", "wind_speed", "pressure", "visib")
"""Weather that can be averaged: not a direction, and known in nearly every hour."""
_LIMIT = 600
"""How many rows a query gives at most: fewer than there are flights on any day."""


def _numbers(rows: pd.DataFrame) -> pd.Series:
    """Airline, number and route of flights: their keys without date and time."""
    numbers: pd.Series = rows["flight_id"].str[11:].str.rpartition(" ")[0]
    return numbers


# Numbers.


def _by_way_of_km(miles: pd.Series) -> object:
    """Whole kilometres, and whole miles again, both cut."""
    return np.floor(np.floor(miles * 1.609344) / 1.609344)


def _transposed(values: pd.Series) -> object:
    """Numbers whose last two digits were typed in the other order."""
    return [float(f"{one:.0f}"[:-2] + f"{one:.0f}"[:-3:-1]) for one in values]


def _by_way_of_inches(millibars: pd.Series) -> object:
    """Pressures that were told in inches of mercury with two digits, as altimeters are set."""
    return ((millibars * 0.02953).round(2) / 0.02953).round(1)


def _of_the_type(delivery: Delivery) -> pd.DataFrame:
    """The year in which the type was made first, of those of a maker with as many seats."""
    planes = pd.concat([delivery.yesterday, delivery.rows])
    first = planes.groupby(["plane_maker", "plane_seats"])["plane_year"].min().rename("first")
    told = delivery.rows.join(first, ["plane_maker", "plane_seats"])["first"]
    years = delivery.rows["plane_year"]
    return delivery.rows.assign(plane_year=told.where(years.notna() & told.notna(), years))


# Times.


def _local_dates(delivery: Delivery) -> pd.DataFrame:
    """The date of New York and the time of UTC: a day early from eight in the evening on."""
    times = delivery.rows["scheduled_at"]
    is_tomorrow = times.dt.day != times.dt.tz_convert(_ZONE).dt.day
    return delivery.rows.assign(scheduled_at=times.mask(is_tomorrow, times - pd.Timedelta(days=1)))


def _in_single_precision(delivery: Delivery) -> pd.DataFrame:
    """Seconds since 1970 in a 32-bit float, which by now tells some two minutes apart."""
    times = delivery.rows["scheduled_at"]
    begin = pd.Timestamp(0, tz="UTC")
    seconds = ((times - begin) // pd.Timedelta(seconds=1)).astype("float32").astype("int64")
    told = begin + pd.to_timedelta(seconds, unit="s")
    return delivery.rows.assign(scheduled_at=told.astype(times.dtype))


def _fast(delivery: Delivery) -> pd.DataFrame:
    """A clock that was set at midnight gains twenty seconds an hour."""
    times = delivery.rows["scheduled_at"]
    midnight = times.iloc[0].tz_convert(_ZONE).normalize().tz_convert("UTC")
    return delivery.rows.assign(scheduled_at=(times + (times - midnight) / 180).dt.round("s"))


def _of_yesterday(delivery: Delivery) -> pd.DataFrame:
    """Flights that were flown yesterday, too, have the times that they had then."""
    columns = ["sched_dep_time", "sched_arr_time", "scheduled_at"]
    before = delivery.yesterday[columns].set_axis(_numbers(delivery.yesterday))
    before = before[~before.index.duplicated()]
    before["scheduled_at"] += pd.Timedelta(days=1)
    rows, numbers = delivery.rows.copy(), _numbers(delivery.rows)
    for name in columns:
        rows[name] = rows[name].mask(numbers.isin(before.index), numbers.map(before[name]))
    return rows.astype(delivery.rows.dtypes.to_dict())


def _at_the_runway(clock: pd.Series) -> object:
    """When wheels touch the ground, eight minutes before a flight is at its gate."""
    return clock_of((minutes_of(clock) - 8) % MINUTES_A_DAY)


# Joins.


def _between_hours(delivery: Delivery) -> pd.DataFrame:
    """The weather between that of the hour and of the next one, by the minute."""
    rows, following = delivery.rows, rejoined(-1)(delivery)
    part = rows["scheduled_at"].dt.minute / 60.0
    told = {name: rows[name] + part * (following[name] - rows[name]) for name in _SMOOTH}
    return rows.assign(**{name: told[name].round(2).fillna(rows[name]) for name in _SMOOTH})


def _blended(delivery: Delivery) -> pd.DataFrame:
    """The mean of the weather of the hour and of the same hour of yesterday."""
    rows, before = delivery.rows, rejoined(24, of="yesterday")(delivery)
    told = {name: (0.5 * (rows[name] + before[name])).round(2) for name in _SMOOTH}
    return rows.assign(**{name: told[name].fillna(rows[name]) for name in _SMOOTH})


def _by_place(delivery: Delivery) -> pd.DataFrame:
    """The weather was joined without flights of unknown aircraft, and put back line by line.

    It comes from a later line with each of these flights, and from none at the end.
    """
    rows = delivery.rows
    weather = rows.loc[rows["plane_seats"].notna(), list(WEATHER)].reset_index(drop=True)
    return rows.assign(**weather.reindex(rows.index))


def _by_longitude(delivery: Delivery) -> pd.DataFrame:
    """A zone for each fifteen degrees, and no summer time."""
    offsets = (delivery.rows["dest_longitude"] / 15.0).round()
    return delivery.rows.assign(dest_utc_offset=offsets)


def _unknown(*columns: str) -> Change:
    return lambda one: one.rows.assign(**dict.fromkeys(columns))


# Texts and rows.


def _one_letter_on(delivery: Delivery) -> pd.DataFrame:
    """Airline, origin and destination stand in a line without blanks, read one letter too late."""
    rows = delivery.rows
    line = rows["carrier"].str.ljust(2) + rows["origin"] + rows["dest"]
    return rows.assign(carrier=line.str[1:3], origin=line.str[3:6], dest=line.str[6:9])


def _with_a_header(delivery: Delivery) -> pd.DataFrame:
    """Two files were put together, and the second one begins with the names of its columns."""
    rows = delivery.rows.astype(object)
    header = pd.DataFrame([dict(zip(rows, rows, strict=True))])
    middle = len(rows) // 2
    return pd.concat([rows[:middle], header, rows[middle:]], ignore_index=True)


def _with_returns(delivery: Delivery) -> pd.DataFrame:
    """Some flights to New York come, too: those back, 45 minutes after they arrived.

    Their weather is not known, since no station of theirs is.
    """
    rows = delivery.rows
    here = rows.loc[rows["dest"] == "ATL", "dest_utc_offset"].iloc[0]  # New York's clock, too
    there = rows[delivery.some(0.05) & known("dest_utc_offset")(delivery)].copy()
    zones = (60 * (there["dest_utc_offset"] - here)).astype(int)
    departed, arrived = (minutes_of(there[name]) for name in ("sched_dep_time", "sched_arr_time"))
    flown = (arrived - zones - departed) % MINUTES_A_DAY
    back = there.assign(
        origin=there["dest"],
        dest=there["origin"],
        scheduled_at=there["scheduled_at"] + pd.to_timedelta(flown + 45, unit="min"),
        sched_dep_time=clock_of((arrived + 45) % MINUTES_A_DAY),
        sched_arr_time=clock_of((departed + 2 * flown + 45) % MINUTES_A_DAY),
        dest_latitude=[AIRPORT_POSITIONS[one][0] for one in there["origin"]],
        dest_longitude=[AIRPORT_POSITIONS[one][1] for one in there["origin"]],
        dest_utc_offset=here,
        **dict.fromkeys(WEATHER, np.nan),
    )
    number = back["flight_id"].str.split(" ").str[2].astype(int) + 1
    route = back["origin"] + "-" + back["dest"]
    keys = back["flight_id"].str[:11] + back["carrier"] + " " + number.astype(str) + " " + route
    back["flight_id"] = keys + back["sched_dep_time"].map(" {:04}".format)
    return in_order_of_time(pd.concat([rows, back]))


def _beyond_the_limit(delivery: Delivery) -> pd.Series:
    """What is not among the first rows by destination."""
    return delivery.rows["dest"].rank(method="first") > _LIMIT


def _told_yesterday(delivery: Delivery) -> pd.Series:
    """Flights of the numbers that left yesterday from eight in the evening on."""
    late = delivery.yesterday[delivery.yesterday["sched_dep_time"] >= 2000]
    return _numbers(delivery.rows).isin(_numbers(late))


# Weather.


def _celsius(fahrenheit: pd.Series) -> pd.Series:
    return (fahrenheit - 32.0) / 1.8


def _wet_bulb(delivery: Delivery) -> pd.DataFrame:
    """Temperatures of a wet bulb, by the formula of Stull, J. Appl. Meteor. Climatol. 50 (2011)."""
    warm, humid = _celsius(delivery.rows["temp"]), delivery.rows["humid"]
    wet = (
        warm * np.arctan(0.151977 * np.sqrt(humid + 8.313659))
        + np.arctan(warm + humid)
        - np.arctan(humid - 1.676331)
        + 0.00391838 * humid**1.5 * np.arctan(0.023101 * humid)
        - 4.686035
    )
    told = (1.8 * wet + 32.0).round(2)
    return delivery.rows.assign(dewp=told.fillna(delivery.rows["dewp"]))


def _felt(delivery: Delivery) -> pd.DataFrame:
    """Apparent temperatures, by the formula of Steadman that Australia's weather service uses."""
    rows, warm = delivery.rows, _celsius(delivery.rows["temp"])
    vapour = rows["humid"] / 100.0 * 6.105 * np.exp(17.27 * warm / (237.7 + warm))
    felt = warm + 0.33 * vapour - 0.70 * 0.44704 * rows["wind_speed"] - 4.0
    return rows.assign(temp=(1.8 * felt + 32.0).round(2).fillna(rows["temp"]))


def _held(values: pd.Series) -> pd.Series:
    """Values that are told anew when they have moved by three degrees only."""
    told, last = [], np.nan
    for one in values:
        if not abs(one - last) < 3.0:
            last = one
        told.append(last)
    return pd.Series(told, values.index)


def _within_a_deadband(delivery: Delivery) -> pd.DataFrame:
    held = delivery.rows.groupby("origin")["temp"].transform(_held)
    return delivery.rows.assign(temp=held.where(delivery.rows["temp"].notna()))


def _from_magnetic_north(values: pd.Series) -> object:
    """Degrees from where a compass points to, 13 to the west of north in New York; 0 is calm."""
    return values.where(values == 0, (values + 13 - 1) % 360 + 1)


def _in_whole_degrees(delivery: Delivery) -> pd.DataFrame:
    rows = delivery.rows
    return rows.assign(temp=rows["temp"].round(), dewp=rows["dewp"].round())


_mountains = between("dest_longitude", -115.0, -102.0)
_fault = partial(fault_of_data, half="fresh")
HELD_OUT_FAULTS: tuple[DataFault, ...] = (
    # Numbers.
    _fault("distance_by_way_of_km", "distance was whole kilometres, and is cut to miles again",
           "distance", alter("distance", _by_way_of_km)),
    _fault("distance_with_digits_transposed_of_some",
           "the last two digits of distance are exchanged in 3 % of the rows", "distance",
           alter("distance", _transposed, share(0.03))),
    _fault("distance_as_a_logarithm_of_one_airline",
           "distance of UA is the logarithm that a model had for it", "distance",
           alter("distance", lambda values: np.log1p(values).round(6), carrier("UA"))),
    _fault("seats_added_up_over_entries",
           "plane_seats of AIRBUS is twice what it is, a sum of two entries of the register",
           "plane_seats", alter("plane_seats", lambda values: values * 2,
                                both(value("plane_maker", "AIRBUS"), known("plane_seats")))),
    _fault("age_for_year_of_one_airline", "plane_year of DL is the age of the aircraft",
           "plane_year", alter("plane_year", lambda values: 2013 - values,
                               both(carrier("DL"), known("plane_year")))),
    _fault("year_of_the_type", "plane_year is when the first aircraft of the type was made", PLANE,
           _of_the_type),
    _fault("pressure_by_way_of_inches",
           "pressure was inches of mercury with two digits, and is millibars again", "pressure",
           alter("pressure", _by_way_of_inches, known("pressure"))),
    # Times.
    _fault("dates_of_here_and_times_of_utc",
           "scheduled_at has the date of New York and the time of UTC",
           (*_DEPARTURE, "flight_id"), _local_dates),
    _fault("scheduled_in_single_precision", "scheduled_at went through a 32-bit float of seconds",
           _TIMES, _in_single_precision),
    _fault("clock_of_one_origin_is_fast", "scheduled_at at JFK gains twenty seconds an hour",
           _TIMES, in_part(_fast, "scheduled_at", where=origin("JFK"))),
    _fault("timetable_of_yesterday", "the times of flights are those of the same numbers yesterday",
           (*_DEPARTURE, *_ARRIVAL, "flight_id"), _of_yesterday),
    _fault("arrivals_at_the_runway_of_one_airline",
           "sched_arr_time of AA is when it lands, eight minutes before it is at the gate",
           _ARRIVAL, alter("sched_arr_time", _at_the_runway, carrier("AA"))),
    # Joins.
    _fault("weather_between_hours",
           "the weather is reckoned for the minute from that of the hour and of the next one",
           WEATHER, _between_hours),
    _fault("weather_blended_with_yesterday_at_one_origin",
           "the weather at LGA is a mean with that of the same hour of yesterday", WEATHER,
           in_part(_blended, *_SMOOTH, where=origin("LGA"))),
    _fault("weather_put_back_after_a_filter",
           "the weather was joined without flights of unknown aircraft, and put back line by line",
           WEATHER, _by_place),
    _fault("offset_by_longitude", "dest_utc_offset is reckoned from dest_longitude",
           "dest_utc_offset", _by_longitude),
    _fault("places_unknown_in_the_mountains",
           "destinations from 102 to 115 degrees west have no place", PLACE,
           in_part(_unknown(*PLACE), *PLACE, where=_mountains), blocks=False),
    # Texts.
    _fault("origin_is_the_city_of_one_airline", "origin of 9E is NYC, the code of all three",
           "origin", put("origin", "NYC", carrier("9E")), population=True),
    _fault("dest_masked_of_one_airline", "dest of US is masked, ***", "dest",
           put("dest", "***", carrier("US")), population=True),
    _fault("read_one_letter_on", "from noon on carrier, origin and dest are read from columns of a "
           "fixed width, one letter too late", ("carrier", "origin", "dest", "flight_id"),
           in_part(_one_letter_on, "carrier", "origin", "dest", where=noon), population=True),
    # Rows.
    _fault("header_among_the_rows", "the names of the columns come among the rows",
           ("flight_id", "scheduled_at", "carrier", "origin", "dest", "sched_dep_time",
            "sched_arr_time", "distance", *PLACE, *WEATHER, *PLANE, "rows"), _with_a_header),
    _fault("returns_among_the_rows", "flights back to New York come, too, 5 % of the rows",
           ("origin", "dest", *PLACE, "flight_id", "scheduled_at", "sched_dep_time", *WEATHER,
            "rows"),
           _with_returns, population=True),
    _fault("limit_in_order_of_dest", f"the first {_LIMIT} rows by dest are delivered",
           ("dest", *PLACE, "flight_id", "rows"), without(_beyond_the_limit), blocks=False),
    _fault("duplicates_told_without_the_date",
           "a filter of duplicates takes flights for those that left yesterday evening",
           ("flight_id", "scheduled_at", "sched_dep_time", "departure_minute", "rows"),
           without(_told_yesterday), blocks=False),
    _fault("restated_in_whole_degrees",
           "the day comes again, with temp and dewp in whole degrees", ("temp", "dewp"),
           _in_whole_degrees, again=True),
    # Weather.
    _fault("wet_bulb_for_dewp", "dewp is the temperature of a wet bulb", ("dewp", "humid", "temp"),
           _wet_bulb),
    _fault("felt_for_temp", "temp is what it feels like", ("temp", "dewp", "humid"), _felt),
    _fault("temp_within_a_deadband", "temp is told anew when it has moved by three degrees",
           ("temp", "dewp", "humid"), _within_a_deadband),
    _fault("thermometer_in_the_sun_at_one_origin",
           "temp at LGA is five degrees too high from eleven to three", ("temp", "dewp", "humid"),
           alter("temp", lambda values: (values + 5.0).round(2),
                 both(origin("LGA"), known("temp"), between("sched_dep_time", 1100, 1500)))),
    _fault("wind_dir_from_magnetic_north", "wind_dir is counted from magnetic north, 13 degrees "
           "more", "wind_dir", alter("wind_dir", _from_magnetic_north, known("wind_dir"))),
)  # fmt: skip
"""A third part beside the two halves: tried on days of all months, at the very end alone."""
