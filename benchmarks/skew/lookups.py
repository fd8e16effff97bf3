"""Faults of deliveries of flights, held out after those of `once_held_out`.

Lists that are one line or one order off, look-ups by half of a key, other zones and windows of the
day, limits and replays of messages, columns that are joined or calibrated by themselves. They were
thought of from what goes wrong upstream, without a look at what the checks look for. Which column
has to be named for each, whether it has to be blocked and why was written down before any of them
was tried. What came of them has been looked at since, so all of them are of the half to tune on.
"""

from __future__ import annotations

from functools import partial

import pandas as pd

from benchmarks.skew.deliveries import (
    PLACE,
    PLANE,
    WEATHER,
    DataFault,
    Delivery,
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
)
from benchmarks.skew.timetable import (
    clock_of,
    hours_of,
    in_order_of_time,
    joined,
    minutes_of,
    places_of,
)

_POSITION = ("dest_latitude", "dest_longitude")
_DEPARTURE = ("sched_dep_time", "scheduled_at", "departure_minute", "clock_error")
_CITIES = {
    "BOS": (42.3601, -71.0589),
    "DFW": (32.7767, -96.7970),
    "LAX": (34.0522, -118.2437),
    "MIA": (25.7617, -80.1918),
    "ORD": (41.8781, -87.6298),
}
"""Positions of cities rather than of their airports, which are up to 25 miles off."""
_MAIN_AIRPORTS = {"HOU": "IAH", "IAD": "DCA", "MDW": "ORD", "OAK": "SFO"}
_PER_HOUR = 20
"""How many messages of an airport an hour get through."""


# Places and distances.


def _one_entry_off(delivery: Delivery) -> pd.DataFrame:
    """A list that lost a line: airports from M on get the place of the next one in it."""
    places = places_of(delivery)
    following = dict(zip(places.index[:-1], places.index[1:], strict=True))
    dests = delivery.rows["dest"]
    return joined(delivery, dests.map(following).where(dests >= "M", dests), places)


def _of_the_city(delivery: Delivery) -> pd.DataFrame:
    rows = delivery.rows.copy()
    is_known = rows["dest"].isin(list(_CITIES))
    for place, name in enumerate(_POSITION):
        told = rows["dest"].map({dest: position[place] for dest, position in _CITIES.items()})
        rows[name] = rows[name].mask(is_known, told)
    return rows


def _six_letters(values: pd.Series) -> object:
    return [float(f"{one:.6f}"[:6]) for one in values]


def _of_the_first_origin(delivery: Delivery) -> pd.DataFrame:
    """Distances are looked up by destination alone: the first that the file has for it."""
    distances = delivery.rows.groupby("dest")["distance"].transform("first")
    return delivery.rows.assign(distance=distances)


# Times and keys.


def _hundredths(clock: pd.Series) -> object:
    """Times whose minutes are hundredths of an hour, 1550 for half past three."""
    return clock // 100 * 100 + clock % 100 * 100 // 60


def _noon_for_midnight(delivery: Delivery) -> pd.DataFrame:
    """12:30 p.m. is read as 0:30."""
    times, mask = delivery.rows["scheduled_at"], between("sched_dep_time", 1200, 1300)(delivery)
    return delivery.rows.assign(scheduled_at=times.mask(mask, times - pd.Timedelta(hours=12)))


def _by_the_clock_of_the_destination(delivery: Delivery) -> pd.DataFrame:
    """Departures of one airline went from local time to UTC by the zone of the destination."""
    rows = delivery.rows.copy()
    here = rows.loc[rows["dest"] == "ATL", "dest_utc_offset"].iloc[0]
    hours = (here - rows["dest_utc_offset"]).where(rows["carrier"] == "AA", 0.0).fillna(0.0)
    rows["scheduled_at"] = rows["scheduled_at"] + pd.to_timedelta(hours, unit="h")
    return rows


# Rows.


def _day_of_utc(delivery: Delivery) -> pd.DataFrame:
    """The window of the day is that of UTC: yesterday's late flights come, today's do not."""
    rows = pd.concat([delivery.yesterday, delivery.rows, delivery.tomorrow], ignore_index=True)
    day = delivery.rows["scheduled_at"].iloc[0].floor("D")
    is_of_the_day = rows["scheduled_at"].dt.floor("D") == day
    of_the_day: pd.DataFrame = rows[is_of_the_day].reset_index(drop=True)
    return of_the_day


def _last_minutes(delivery: Delivery) -> pd.Series:
    return delivery.rows["sched_dep_time"] % 100 == 59


def _over_the_limit(delivery: Delivery) -> pd.Series:
    hours = [delivery.rows["origin"], hours_of(delivery.rows)]
    return delivery.rows.groupby(hours).cumcount() >= _PER_HOUR


def _replayed(delivery: Delivery) -> pd.DataFrame:
    """Forty flights come again as flights two hours later, under keys with the later time."""
    first = len(delivery.rows) // 3
    again = delivery.rows.iloc[first : first + 40].copy()
    again["scheduled_at"] += pd.Timedelta(hours=2)
    again["sched_dep_time"] += 200
    times = again["sched_dep_time"].map("{:04}".format)
    again["flight_id"] = again["flight_id"].str[:-4] + times
    return in_order_of_time(pd.concat([delivery.rows, again]))


def _five_minutes_later(delivery: Delivery) -> pd.DataFrame:
    """Some flights were put five minutes later in the timetable, in both columns."""
    rows, mask = delivery.rows.copy(), delivery.some(0.04)
    later = clock_of(minutes_of(rows["sched_dep_time"]) + 5)
    mask &= later > rows["sched_dep_time"]  # not beyond midnight
    rows["sched_dep_time"] = rows["sched_dep_time"].mask(mask, later)
    moved = rows["scheduled_at"] + pd.Timedelta(minutes=5)
    rows["scheduled_at"] = rows["scheduled_at"].mask(mask, moved)
    return rows


# Weather.


def _of_three_hours(delivery: Delivery) -> pd.DataFrame:
    """The wind is the mean of the three hours up to its own, by airport."""
    rows = pd.concat([delivery.yesterday, delivery.rows], ignore_index=True)
    table = rows.assign(hour=hours_of(rows)).pivot_table("wind_speed", "hour", "origin", "first")
    table = table.asfreq("h").rolling(3, min_periods=1).mean().round(5)
    means = table.melt(ignore_index=False, value_name="mean").reset_index()
    hours = delivery.rows[["origin", "wind_speed"]].assign(hour=hours_of(delivery.rows))
    told = hours.merge(means, "left", ["hour", "origin"])["mean"]
    return delivery.rows.assign(wind_speed=told.where(hours["wind_speed"].notna()))


def _kelvin(fahrenheit: pd.Series) -> object:
    return ((fahrenheit - 32.0) / 1.8 + 273.15).round(2)


def _with_a_comma(values: pd.Series) -> object:
    return [f"{one:.2f}".replace(".", ",") for one in values]


# Aircraft.


def _makers_reordered(delivery: Delivery) -> pd.DataFrame:
    """Codes of makers by the alphabet are read by a list that begins with the most frequent."""
    rows, mask = delivery.rows.copy(), delivery.of("origin", "EWR")
    names = rows["plane_maker"].value_counts().sort_index()
    frequent = names.sort_values(ascending=False, kind="stable").index
    told = rows["plane_maker"].map(dict(zip(names.index, frequent, strict=True)))
    rows["plane_maker"] = rows["plane_maker"].mask(mask, told)
    return rows


def _seats_of_the_maker(delivery: Delivery) -> pd.DataFrame:
    """Seats are looked up by maker rather than by type: the first that the file has for it."""
    seats = delivery.rows.groupby("plane_maker")["plane_seats"].transform("first")
    known_maker = delivery.rows["plane_maker"].notna()
    return delivery.rows.assign(plane_seats=delivery.rows["plane_seats"].mask(known_maker, seats))


def _by_number_alone(delivery: Delivery) -> pd.DataFrame:
    """Aircraft are joined by flight number without airline: the first flight of each has them."""
    rows = delivery.rows.copy()
    numbers = rows["flight_id"].str.split(" ").str[2]
    planes = rows[list(PLANE)].set_axis(numbers)
    planes = planes[~planes.index.duplicated()]
    for name in PLANE:
        rows[name] = numbers.map(planes[name])
    return rows


def _of_the_next_century(years: pd.Series) -> object:
    """Two digits below 90 are taken for years from 2000 on."""
    return years + 100


_old = both(known("plane_year"), between("plane_year", 1900, 1990))
_west = between("dest_longitude", -180, -100)
_fault = partial(fault_of_data, half="tuning")
LOOKUP_FAULTS: tuple[DataFault, ...] = (
    # Places and distances.
    _fault("places_one_entry_off_from_m",
           "airports from M on get the place of the next one in the list", PLACE, _one_entry_off),
    _fault("longitude_counted_eastward_in_the_west",
           "dest_longitude is counted from 0 to 360 beyond 100 degrees west", "dest_longitude",
           alter("dest_longitude", lambda values: values + 360.0, _west)),
    _fault("positions_of_cities", "five large airports have the position of their city", _POSITION,
           _of_the_city),
    _fault("offset_by_state", "dest_utc_offset of Nashville and Memphis is that of the east of "
           "Tennessee, an hour more", "dest_utc_offset",
           alter("dest_utc_offset", lambda values: values + 1, value("dest", "BNA", "MEM"))),
    _fault("longitude_cut_at_length", "dest_longitude is cut after six letters, -104.6",
           "dest_longitude", alter("dest_longitude", _six_letters, known("dest_longitude"))),
    _fault("distance_by_destination_alone",
           "distance is that of the first flight to the destination, from whatever airport",
           "distance", _of_the_first_origin),
    _fault("dest_is_the_main_airport",
           "dest is the main airport of its region, ORD for MDW; its place is as before",
           ("dest", *PLACE, "distance", "flight_id"),
           alter("dest", lambda texts: texts.replace(_MAIN_AIRPORTS))),
    _fault("origin_by_default", "origin is JFK in 4 % of the rows",
           ("origin", "flight_id", "distance", *WEATHER), put("origin", "JFK", share(0.04))),
    # Times and keys.
    _fault("arrivals_in_minutes_of_one_airline", "sched_arr_time of WN is minutes after midnight",
           ("sched_arr_time", "arrival_minute"), alter("sched_arr_time", minutes_of,
                                                       carrier("WN"))),
    _fault("departures_in_hundredths_of_an_hour",
           "minutes of sched_dep_time of DL are hundredths of an hour", _DEPARTURE,
           alter("sched_dep_time", _hundredths, carrier("DL"))),
    _fault("noon_read_as_midnight",
           "scheduled_at is twelve hours early from noon to one", _DEPARTURE, _noon_for_midnight),
    _fault("departures_by_the_destinations_clock",
           "scheduled_at of AA is reckoned by the clock of the destination", _DEPARTURE,
           _by_the_clock_of_the_destination),
    _fault("keys_without_zeros", "the time at the end of flight_id lost the zero before it",
           "flight_id",
           alter("flight_id", lambda texts: texts.str.replace(r" 0(\d{3})$", r" \1", regex=True))),
    # Rows.
    _fault("day_of_utc", "the flights are those of the day by UTC",
           ("scheduled_at", "flight_id", "sched_dep_time"), _day_of_utc),
    _fault("last_minutes_lost", "flights in the last minute of each hour are lost",
           ("sched_dep_time", "scheduled_at", "departure_minute", "flight_id", "rows"),
           without(_last_minutes), blocks=False),
    _fault("destinations_without_a_place_lost", "flights whose destination has no place are lost",
           ("dest", *PLACE, "flight_id", "rows"), without(missing("dest_latitude")), blocks=False),
    _fault("busy_hours_cut", f"of an airport and hour {_PER_HOUR} flights are delivered at most",
           ("scheduled_at", "sched_dep_time", "departure_minute", "origin", "flight_id", "rows"),
           without(_over_the_limit), blocks=False),
    _fault("flights_replayed_two_hours_later",
           "forty flights come again, two hours later, under keys of that time",
           ("flight_id", *_DEPARTURE, "sched_arr_time", *WEATHER, "rows"), _replayed),
    _fault("restated_timetable",
           "the day comes again, 4 % of the flights five minutes later", (*_DEPARTURE, "flight_id"),
           _five_minutes_later, again=True, blocks=False),
    _fault("restated_with_the_weather_of_yesterday",
           "the day comes again, from noon on with the weather of yesterday", WEATHER,
           in_part(rejoined(24, of="yesterday"), *WEATHER, where=noon), again=True),
    # Weather.
    _fault("weather_of_tomorrow_at_one_origin",
           "from noon on the weather at EWR is that of tomorrow", WEATHER,
           in_part(rejoined(-24, of="tomorrow"), *WEATHER, where=both(noon, origin("EWR")))),
    _fault("temp_two_hours_late", "temp alone is joined two hours late", ("temp", "dewp", "humid"),
           in_part(rejoined(2), "temp", where=everywhere)),
    _fault("dewp_of_the_neighbour", "dewp at LGA is that of EWR", ("dewp", "humid", "temp"),
           in_part(rejoined(0, station="EWR"), "dewp", where=origin("LGA"))),
    _fault("humid_calibrated_anew_at_one_origin", "humid at EWR is 4 % of itself too high", "humid",
           alter("humid", lambda values: (values * 1.04).round(2),
                 both(origin("EWR"), known("humid")))),
    _fault("pressure_of_another_datum_at_one_origin", "pressure at JFK is 1.5 millibars too low",
           "pressure", alter("pressure", lambda values: (values - 1.5).round(1),
                             both(origin("JFK"), known("pressure")))),
    _fault("wind_of_three_hours", "wind_speed is the mean of the last three hours", "wind_speed",
           _of_three_hours),
    _fault("gust_zero_for_none", "wind_gust is 0 where there are no gusts", "wind_gust",
           put("wind_gust", 0.0, missing("wind_gust"))),
    _fault("temp_in_kelvin_of_some", "temp comes in Kelvin in 1 % of the rows", "temp",
           alter("temp", _kelvin, both(share(0.01), known("temp")))),
    _fault("temp_with_a_decimal_comma_at_one_origin", "temp at LGA is text with a decimal comma",
           "temp", alter("temp", _with_a_comma, both(origin("LGA"), known("temp")))),
    # Aircraft.
    _fault("makers_reordered_at_one_origin",
           "codes of plane_maker at EWR are read by a list in another order", PLANE,
           _makers_reordered),
    _fault("seats_of_the_maker", "plane_seats is that of the first aircraft of the maker", PLANE,
           _seats_of_the_maker),
    _fault("year_of_the_first_flight_of_one_maker",
           "plane_year of BOEING is that of the first flight, a year later", "plane_year",
           alter("plane_year", lambda years: years + 1,
                 both(value("plane_maker", "BOEING"), known("plane_year")))),
    _fault("years_of_the_next_century", "plane_year below 1990 is a hundred years later",
           "plane_year", alter("plane_year", _of_the_next_century, _old)),
    _fault("aircraft_by_number_alone", "the aircraft are joined by flight number without airline",
           PLANE, _by_number_alone),
)  # fmt: skip
"""Faults that were tried once as a part that nobody had looked at, after `ONCE_HELD_OUT_FAULTS`."""
