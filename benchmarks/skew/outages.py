"""Faults of deliveries of flights, held out after those of `lookups`.

Caches whose keys lack the airport, defaults after time-outs, times of the load, pages and parts of
a day that are lost or read too early, sensors that are wet, dirty, stiff or askew. They were
thought of from what goes wrong upstream, without a look at what the checks look for. Which column
has to be named for each, whether it has to be blocked and why was written down before any of them
was tried. What came of them has been looked at since, so all of them are of the half to tune on.
"""

from __future__ import annotations

from functools import partial
from zlib import crc32

import numpy as np
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
    fault_of_data,
    in_part,
    known,
    noon,
    only,
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
    hours_of,
    joined,
    minutes_of,
    places_of,
)

_DEPARTURE = ("sched_dep_time", "scheduled_at", "departure_minute", "clock_error")
_ARRIVAL = ("sched_arr_time", "arrival_minute")
_KEY = ("flight_id", "carrier", "origin", "dest", "sched_dep_time")
_DEFAULTS = {
    "temp": 55.3,
    "dewp": 41.4,
    "humid": 62.5,
    "wind_dir": 200.0,
    "wind_speed": 10.5,
    "precip": 0.0,
    "pressure": 1017.9,
    "visib": 9.3,
}
"""What a store of features answers when it does not know: about the means of the year."""
_PAGE = 100
"""How many rows a page of the source's interface has."""
_PARTS = 8
"""How many files a day is written to, by a digest of the key."""


# Numbers.


def _two_digits(values: pd.Series) -> object:
    return [float(f"{one:.2g}") for one in values]


def _with_crew(seats: pd.Series) -> object:
    """Two pilots, and a flight attendant for each 50 seats (14 CFR 121.391)."""
    return seats + 2 + np.ceil(seats / 50.0)


# Times.


def _durations(delivery: Delivery) -> pd.DataFrame:
    """How long the flight takes, hhmm."""
    rows = delivery.rows
    here = rows.loc[rows["dest"] == "ATL", "dest_utc_offset"].iloc[0]  # New York's clock, too
    zones = 60 * (rows["dest_utc_offset"].fillna(here) - here).astype(int)
    minutes = minutes_of(rows["sched_arr_time"]) - minutes_of(rows["sched_dep_time"]) - zones
    return rows.assign(sched_arr_time=clock_of(minutes % MINUTES_A_DAY))


def _when_loaded(delivery: Delivery) -> pd.DataFrame:
    """Times that could not be read are when the file was loaded: at 2:15 in the night after."""
    times = delivery.rows["scheduled_at"]
    loaded = times.iloc[0].tz_convert("America/New_York").normalize() + pd.Timedelta("26h15min")
    told = times.mask(delivery.some(0.03), loaded.tz_convert("UTC"))
    return delivery.rows.assign(scheduled_at=told)


def _of_the_flight_before(delivery: Delivery) -> pd.DataFrame:
    """Arrivals stand one line too low in the timetable of each airline and route."""
    route = [delivery.rows[name] for name in ("carrier", "origin", "dest")]
    before = delivery.rows["sched_arr_time"].groupby(route).shift()
    told = before.fillna(delivery.rows["sched_arr_time"]).astype(int)
    return delivery.rows.assign(sched_arr_time=told)


def _at_arrival(delivery: Delivery) -> pd.DataFrame:
    """The weather of the origin in the hour of the arrival, by its clock."""
    rows = delivery.rows
    source = pd.concat([rows, delivery.tomorrow])[["origin", "scheduled_at", *WEATHER]]
    weather = source.assign(hour=hours_of(source)).drop_duplicates(["origin", "hour"])
    on_its_way = minutes_of(rows["sched_arr_time"]) - minutes_of(rows["sched_dep_time"])
    landed = rows["scheduled_at"] + pd.to_timedelta(on_its_way % MINUTES_A_DAY, unit="min")
    keys = rows[["origin"]].assign(hour=landed.dt.floor("h"))
    told = keys.merge(weather, "left", ["origin", "hour"])
    return rows.assign(**{name: told[name].to_numpy() for name in WEATHER})


# Joins and reference data.


def _exchanged(delivery: Delivery) -> pd.DataFrame:
    """Two lines of the list of airports have each other's place."""
    dests = delivery.rows["dest"].replace({"MCO": "FLL", "FLL": "MCO"})
    return joined(delivery, dests, places_of(delivery))


def _cached_by_hour(delivery: Delivery) -> pd.DataFrame:
    """A cache whose key lacks the airport: who asks first in the hour asks for all."""
    first = delivery.rows.groupby(hours_of(delivery.rows))[list(WEATHER)]
    return delivery.rows.assign(**first.transform(lambda one: one.iloc[0]))


def _remembered(delivery: Delivery) -> pd.Series:
    """The rows of an airline from the first one on whose aircraft is not known."""
    is_unknown = delivery.rows["plane_seats"].isna().astype(int)
    return is_unknown.groupby(delivery.rows["carrier"]).cummax() == 1


def _mean_of_degrees(delivery: Delivery) -> pd.DataFrame:
    """The mean of the three airports, reckoned as if 350 and 10 degrees had the mean 180."""
    rows = delivery.rows
    stations = rows.assign(hour=hours_of(rows)).drop_duplicates(["origin", "hour"])
    means = stations.groupby("hour")["wind_dir"].mean().round()
    told = hours_of(rows).map(means).where(rows["wind_dir"].notna())
    return rows.assign(wind_dir=told)


def _null_island(delivery: Delivery) -> pd.DataFrame:
    return delivery.rows.assign(**{name: delivery.rows[name].fillna(0.0) for name in PLACE})


# Rows.


def _page_repeated(delivery: Delivery) -> pd.DataFrame:
    """The second page comes in the place of the third, too."""
    rows = delivery.rows
    pages = [rows[: 2 * _PAGE], rows[_PAGE : 2 * _PAGE], rows[3 * _PAGE :]]
    return pd.concat(pages, ignore_index=True)


def _of_one_part(delivery: Delivery) -> pd.Series:
    return delivery.rows["flight_id"].map(lambda key: crc32(key.encode()) % _PARTS == 0)


def _first_of_it(delivery: Delivery) -> pd.Series:
    places = np.arange(len(delivery.rows))
    return pd.Series(places < 0.7 * len(places), index=delivery.rows.index)


def _keys_in_pairs(delivery: Delivery) -> pd.DataFrame:
    """Two writers at once: now and then two neighbours have each other's key."""
    keys = delivery.rows["flight_id"].to_numpy(dtype=object).copy()
    first = 2 * np.flatnonzero(delivery.chance.random(len(keys) // 2) < 0.04)
    keys[first], keys[first + 1] = keys[first + 1], keys[first]
    return delivery.rows.assign(flight_id=keys)


def _by_default(delivery: Delivery) -> pd.DataFrame:
    return delivery.rows.assign(**_DEFAULTS)


# Sensors.


def _wet(delivery: Delivery) -> pd.DataFrame:
    """What a wet hygrometer tells: air that holds all the water it can."""
    humid = delivery.rows["humid"].mask(delivery.rows["humid"].notna(), 100.0)
    return delivery.rows.assign(humid=humid, dewp=delivery.rows["temp"])


def _a_quarter_off(values: pd.Series) -> object:
    """Directions of a vane that was put up a quarter of a turn off; 0 is calm."""
    return values.where(values == 0, (values + 90 - 1) % 360 + 1)


_afternoon = between("sched_dep_time", 1500, 2400)
_fault = partial(fault_of_data, half="tuning")
OUTAGE_FAULTS: tuple[DataFault, ...] = (
    # Numbers.
    _fault("distance_in_eleven_bits", "distance went round at 2,048", "distance",
           alter("distance", lambda values: values % 2048)),
    _fault("distance_of_two_digits_of_one_airline",
           "distance of B6 has two digits that are not 0, 1100 for 1069", "distance",
           alter("distance", _two_digits, carrier("B6"))),
    _fault("seats_with_crew_from_noon", "from noon on plane_seats counts the crew's seats, too",
           "plane_seats", alter("plane_seats", _with_crew, both(noon, known("plane_seats")))),
    _fault("half_the_resolution_for_none",
           "precip is 0.005 in dry hours, half of what a gauge can tell", "precip",
           put("precip", 0.005, value("precip", 0.0))),
    _fault("km_of_a_quarter_from_three_on",
           "from three in the afternoon one of four machines delivers distance in km", "distance",
           alter("distance", lambda values: values * 1.609344, both(share(0.25), _afternoon))),
    _fault("temp_converted_twice_from_three_on",
           "from three in the afternoon temp at EWR is taken for Celsius and converted once more",
           "temp", alter("temp", lambda values: (values * 1.8 + 32.0).round(2),
                         both(origin("EWR"), known("temp"), _afternoon))),
    # Times.
    _fault("durations_for_arrivals_of_one_airline",
           "sched_arr_time of MQ is how long the flight takes, hhmm", _ARRIVAL,
           in_part(_durations, "sched_arr_time", where=carrier("MQ"))),
    _fault("scheduled_when_loaded_of_some",
           "scheduled_at of 3 % of the rows is when the file was loaded, in the night after",
           (*_DEPARTURE, "flight_id"), _when_loaded),
    _fault("arrivals_of_the_flight_before",
           "sched_arr_time of B6 is that of its flight before to the same airport", _ARRIVAL,
           in_part(_of_the_flight_before, "sched_arr_time", where=carrier("B6"))),
    _fault("weather_of_the_hour_of_arrival",
           "the weather of DL is that of the origin in the hour of the arrival", WEATHER,
           in_part(_at_arrival, *WEATHER, where=carrier("DL"))),
    _fault("weather_by_a_clock_of_twelve_hours",
           "from five in the afternoon the weather joined is that of twelve hours earlier, by a "
           "clock without a.m. and p.m.", WEATHER,
           in_part(rejoined(12), *WEATHER, where=between("sched_dep_time", 1700, 2400))),
    # Joins and reference data.
    _fault("places_of_two_airports_exchanged", "MCO and FLL have each other's place", PLACE,
           _exchanged),
    _fault("weather_cached_by_hour_alone",
           "the weather of the airport that is asked for first in an hour is given to all",
           ("origin", *WEATHER), _cached_by_hour),
    _fault("unknown_aircraft_remembered",
           "after the first aircraft of an airline that is not known none of its others is", PLANE,
           lambda one: one.rows.assign(
               **{name: one.rows[name].mask(_remembered(one)) for name in PLANE}), blocks=False),
    _fault("wind_dir_averaged_as_a_number",
           "wind_dir is the mean of the degrees at the three airports", "wind_dir",
           _mean_of_degrees),
    _fault("null_island", "destinations without a place are at 0 degrees north, 0 degrees east",
           PLACE, _null_island),
    # Texts.
    _fault("maker_in_look_alike_letters", "AIRBUS begins with a Cyrillic letter", "plane_maker",
           alter("plane_maker", lambda texts: texts.replace({"AIRBUS": "\u0410IRBUS"})),
           population=True),
    _fault("dest_with_zeros_of_some", "dest has the digit 0 for the letter O in 5 % of the rows",
           "dest", alter("dest", lambda texts: texts.str.replace("O", "0"), share(0.05)),
           population=True),
    _fault("visib_open_ended", "visib is the text 10+ where it is 10", "visib",
           put("visib", "10+", value("visib", 10.0))),
    # Rows.
    _fault("page_repeated", "of pages of 100 rows the second one comes in the place of the third",
           ("flight_id", "scheduled_at", "rows"), _page_repeated),
    _fault("one_part_of_eight_lost", "one of the eight files of the day is lost",
           ("flight_id", "rows"), without(_of_one_part), blocks=False),
    _fault("restated_while_it_was_written",
           "the day comes again, read before its last three tenths were written",
           ("flight_id", "scheduled_at", "sched_dep_time", "rows"), only(_first_of_it), again=True,
           blocks=False),
    _fault("keys_exchanged_in_pairs", "in 4 % of the rows neighbours have each other's flight_id",
           _KEY, _keys_in_pairs),
    _fault("weather_by_default_after_timeouts",
           "from four in the afternoon the weather is a default in 8 % of the rows", WEATHER,
           in_part(_by_default, *_DEFAULTS,
                   where=both(share(0.08), between("sched_dep_time", 1600, 2400)))),
    # Sensors.
    _fault("hygrometer_wet_at_one_origin",
           "from six in the morning to noon humid at LGA is 100 and dewp is temp",
           ("humid", "dewp", "temp"),
           in_part(_wet, "humid", "dewp",
                   where=both(origin("LGA"), between("sched_dep_time", 600, 1200)))),
    _fault("vane_a_quarter_off_at_one_origin", "wind_dir at JFK is 90 degrees too large",
           "wind_dir", alter("wind_dir", _a_quarter_off, both(origin("JFK"), known("wind_dir")))),
    _fault("visib_through_a_dirty_window", "visib at EWR is seven tenths of what it is", "visib",
           alter("visib", lambda values: (values * 0.7).round(2),
                 both(origin("EWR"), known("visib")))),
    _fault("anemometer_sticks", "wind_speed below 8 is 0, and wind_dir is as it was",
           ("wind_speed", "wind_dir"), put("wind_speed", 0.0, between("wind_speed", 0.1, 8.0))),
)  # fmt: skip
"""Faults that were tried once as a part that nobody had looked at, after `LOOKUP_FAULTS`."""
