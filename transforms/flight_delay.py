"""Flight delay: will a departure from New York arrive late, and by how much?

Everything here is known when a flight is scheduled to leave: the timetable, the route, and what is
looked up in tables as of then: the weather at the origin, the aircraft, the destination, and how
late the aircraft landed before. Units are those of the sources: miles, miles per hour, degrees
Fahrenheit, inches, millibars, minutes.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from datetime import timedelta
from typing import Any, Literal

import numpy as np
from sklearn.compose import ColumnTransformer
from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, OrdinalEncoder, StandardScaler

from lockstep import (
    Asked,
    Bools,
    Event,
    EventTime,
    Floats,
    Ints,
    Key,
    Outcome,
    Pipeline,
    Record,
    Table,
    Texts,
    Times,
    feature,
    label,
    lookup,
    model,
    output,
    window,
)


class Departure(Record):
    """One scheduled departure, as known before it leaves."""

    flight_id: Key[str]  # such as "2013-04-01 UA 1545 EWR-IAH 0515"
    scheduled_at: EventTime  # scheduled departure, UTC
    carrier: str  # airline, IATA code
    origin: Literal["EWR", "JFK", "LGA"]  # airport, FAA code
    dest: str  # airport, FAA code
    sched_dep_time: int  # local clock at the origin, hhmm
    sched_arr_time: int  # local clock at the destination, hhmm
    distance: float  # between the airports, miles
    tail: str | None  # registration of the aircraft, such as "N14228"


class Arrival(Outcome):
    """What became of it, known later."""

    arr_delay: float | None  # minutes late, negative if early; missing if it never arrived


class Weather(Table, known_after=timedelta(hours=1)):
    """What the station of an airport reports of an hour, up to minute 51 of it."""

    origin: Key[Literal["EWR", "JFK", "LGA"]]  # airport, FAA code
    hour: EventTime  # when it begins, UTC
    temp: float | None  # degrees Fahrenheit
    dewp: float | None  # dew point, degrees Fahrenheit
    humid: float | None  # relative humidity, percent
    wind_dir: float | None  # where the wind comes from, degrees clockwise from north
    wind_speed: float | None  # miles per hour
    wind_gust: float | None  # miles per hour; missing where there are no gusts
    precip: float | None  # in that hour, inches of water
    pressure: float | None  # at sea level, millibars
    visib: float | None  # visibility, miles; 10 means 10 and more


class Aircraft(Table, static=True):
    """An aircraft in the register."""

    tail: Key[str]  # registration
    year: int | None  # when it was made
    seats: int
    maker: str  # manufacturer, as registered


class Airport(Table, static=True):
    """An airport."""

    faa: Key[str]  # FAA code
    latitude: float  # degrees north
    longitude: float  # degrees east
    utc_offset: float  # of its clock in winter, hours
    summer_time: bool  # whether its clock is put forward as in New York


class Landing(Event, known_after=timedelta(minutes=30)):
    """The arrival of a flight from New York."""

    tail: Key[str]  # registration of the aircraft
    landed_at: EventTime  # UTC
    arr_delay: float  # minutes late, negative if early


@lookup(Weather, within=timedelta(hours=3))
def weather(origin: Texts, scheduled_at: Times) -> Asked:
    """Weather at the origin, as known at the scheduled departure: of the hour before, at best."""
    return Asked(origin, as_of=scheduled_at)


@lookup(Aircraft)
def aircraft(tail: Texts) -> Asked:
    """The aircraft."""
    return Asked(tail)


@lookup(Airport)
def destination(dest: Texts) -> Asked:
    """The airport of destination."""
    return Asked(dest)


@window(Landing, over=timedelta(days=7), of="arr_delay", how=("count", "mean", "max", "last"))
def late_before(tail: Texts, scheduled_at: Times) -> Asked:
    """Delays of the aircraft's landings of a week."""
    return Asked(tail, as_of=scheduled_at)


MINUTES_A_DAY = 1440
CARRIER_GROUPS = {
    **dict.fromkeys(("AA", "AS", "DL", "HA", "UA", "US"), "network"),
    **dict.fromkeys(("B6", "F9", "FL", "VX", "WN"), "low-cost"),
    **dict.fromkeys(("9E", "EV", "MQ", "OO", "YV"), "regional"),
}
"""What kind of airline each was in 2013; those that fly for others are regional."""
AIRPORT_POSITIONS = {
    "EWR": (40.6925, -74.168667),
    "JFK": (40.639751, -73.778925),
    "LGA": (40.777245, -73.872608),
}
"""Degrees north and degrees east of the origins."""
MAKERS = {
    "AIRBUS": "Airbus",
    "AIRBUS INDUSTRIE": "Airbus",
    "BOEING": "Boeing",
    "BOMBARDIER INC": "Bombardier",
    "CANADAIR": "Bombardier",
    "CANADAIR LTD": "Bombardier",
    "EMBRAER": "Embraer",
    "MCDONNELL DOUGLAS": "McDonnell Douglas",
    "MCDONNELL DOUGLAS AIRCRAFT CO": "McDonnell Douglas",
    "MCDONNELL DOUGLAS CORPORATION": "McDonnell Douglas",
}
"""Manufacturers of airliners by their names in the register; Canadair became Bombardier's."""
AIRCRAFT_CLASSES = ("small", "regional", "narrow-body", "wide-body", "unknown")
_SEATS = np.array([20.0, 101.0, 241.0, math.inf])
"""Where the next class begins; searching places NaN behind infinity, at "unknown"."""
_SUMMER_OFFSET = 240
"""Minutes by which UTC is ahead of New York's clock in summer."""
_MAIN_RUNWAY = 30.0
"""True heading of runway 4, which all three airports have, in degrees (FAA diagrams: 26 to 31)."""
_INSTRUMENT_VISIBILITY = 3.0
"""Miles below which flight is by instruments (14 CFR 91.155)."""
_FREEZING = 34.0
"""Degrees Fahrenheit below which precipitation may freeze on an aircraft or on the ground."""

_CLASS_NAMES: Texts = np.array(AIRCRAFT_CLASSES, dtype=object)
_ANGLES = 2 * np.pi * np.arange(MINUTES_A_DAY) / MINUTES_A_DAY
_SINES, _COSINES = np.sin(_ANGLES), np.cos(_ANGLES)


def _numbers(table: Mapping[str, float], keys: Texts) -> Floats:
    """The table's number of each key; NaN where it has none."""
    return np.array([table.get(key, math.nan) for key in keys.tolist()], dtype=np.float64)


def _texts(table: Mapping[str, str], keys: Texts, otherwise: str) -> Texts:
    """The table's text of each key; otherwise where it has none."""
    return np.array([table.get(key, otherwise) for key in keys.tolist()], dtype=object)


def _federal_holidays(years: Iterable[int]) -> Ints:
    """Federal holidays of the United States (5 U.S.C. 6103), as days since 1970-01-01."""
    days: list[Any] = []
    for year in years:
        fixed = ["01-01", "07-04", "11-11", "12-25", *(["06-19"] if year >= 2021 else [])]
        days += [np.datetime64(f"{year}-{day}") for day in fixed]
        for month, weekday, which in (
            ("01", "Mon", 2),
            ("02", "Mon", 2),
            ("09", "Mon", 0),
            ("10", "Mon", 1),
            ("11", "Thu", 3),
        ):
            days.append(np.busday_offset(f"{year}-{month}", which, "forward", weekmask=weekday))
        days.append(np.busday_offset(f"{year}-06", -1, "forward", weekmask="Mon"))
    return np.sort(np.array(days, dtype="datetime64[D]")).astype(np.int64)


def _clock_changes(years: Iterable[int]) -> Ints:
    """Begin and end of summer time by turns (15 U.S.C. 260a), as local minutes since 1970-01-01."""
    days = [
        np.busday_offset(f"{year}-{month}", which, "forward", weekmask="Sun")
        for year in years
        for month, which in (("03", 1), ("11", 0))
    ]
    return np.array(days, dtype="datetime64[D]").astype(np.int64) * MINUTES_A_DAY + 120


_HOLIDAYS = _federal_holidays(range(1990, 2061))
_CLOCK_CHANGES = _clock_changes(range(2007, 2061))


# Schedule


@feature
def departure_minute(sched_dep_time: Ints) -> Ints:
    """Scheduled departure, minutes after local midnight."""
    return sched_dep_time // 100 * 60 + sched_dep_time % 100


@feature
def arrival_minute(sched_arr_time: Ints) -> Ints:
    """Scheduled arrival, minutes after midnight at the destination."""
    return sched_arr_time // 100 * 60 + sched_arr_time % 100


@feature
def departure_sine(departure_minute: Ints) -> Floats:
    """Sine of the time of departure, a day being a full turn; no unit."""
    return _SINES[departure_minute % MINUTES_A_DAY]


@feature
def departure_cosine(departure_minute: Ints) -> Floats:
    """Cosine of the time of departure, a day being a full turn; no unit."""
    return _COSINES[departure_minute % MINUTES_A_DAY]


@feature
def clock_offset(scheduled_at: Times, departure_minute: Ints) -> Ints:
    """Minutes by which UTC is ahead of the origin's clock: 300 in winter, 240 in summer."""
    minutes = scheduled_at.astype("datetime64[m]").astype(np.int64)
    return (minutes - departure_minute) % MINUTES_A_DAY


@feature
def departure_day(scheduled_at: Times, clock_offset: Ints) -> Ints:
    """Local calendar day of the scheduled departure, days since 1970-01-01."""
    minutes = scheduled_at.astype("datetime64[m]").astype(np.int64)
    return (minutes - clock_offset) // MINUTES_A_DAY


@feature
def clock_error(departure_day: Ints, departure_minute: Ints, clock_offset: Ints) -> Ints:
    """Minutes between UTC and the origin's clock beyond what they should be; 0 but for mistakes."""
    local = departure_day * MINUTES_A_DAY + departure_minute
    is_summer = np.searchsorted(_CLOCK_CHANGES, local, side="right") % 2
    return clock_offset - 300 + 60 * is_summer


@feature
def weekday(departure_day: Ints) -> Ints:
    """Day of the week of the departure, Monday being 0."""
    return (departure_day + 3) % 7


@feature
def holiday_distance(departure_day: Ints) -> Ints:
    """Days to the nearest federal holiday of the United States, before or after; at most 7."""
    following = np.minimum(np.searchsorted(_HOLIDAYS, departure_day), len(_HOLIDAYS) - 1)
    after = np.abs(_HOLIDAYS[following] - departure_day)
    before = np.abs(departure_day - _HOLIDAYS[np.maximum(following - 1, 0)])
    days: Ints = np.minimum(np.minimum(before, after), 7)
    return days


@feature
def is_overnight(departure_minute: Ints, arrival_minute: Ints) -> Bools:
    """Whether the destination's clock shows less at arrival than the origin's at departure."""
    return arrival_minute < departure_minute


# Route


@feature
def time_difference(
    destination_utc_offset: Floats, destination_summer_time: Floats, clock_offset: Ints
) -> Floats:
    """Hours by which the destination's clock is ahead of the origin's; negative in the west."""
    summer_time = destination_summer_time * (clock_offset == _SUMMER_OFFSET)
    difference: Floats = destination_utc_offset + summer_time + clock_offset / 60.0
    return difference


@feature
def scheduled_duration(
    departure_minute: Ints, arrival_minute: Ints, time_difference: Floats
) -> Floats:
    """Minutes from scheduled departure to scheduled arrival; missing where the zone is."""
    return (arrival_minute - departure_minute - 60.0 * time_difference) % MINUTES_A_DAY


@feature
def scheduled_speed(distance: Floats, scheduled_duration: Floats) -> Floats:
    """Miles an hour from gate to gate by the timetable: low where it leaves time in reserve."""
    return np.where(scheduled_duration > 0, 60.0 * distance / scheduled_duration, np.nan)


@feature
def degrees_north(origin: Texts, destination_latitude: Floats) -> Floats:
    """How far north of the origin the destination lies, degrees of latitude."""
    return destination_latitude - _numbers(_LATITUDES, origin)


@feature
def degrees_east(origin: Texts, destination_longitude: Floats) -> Floats:
    """How far east of the origin the destination lies, degrees of longitude."""
    return destination_longitude - _numbers(_LONGITUDES, origin)


@feature
def carrier_group(carrier: Texts) -> Texts:
    """Kind of airline: network, low-cost, regional, or other if it is not known."""
    return _texts(CARRIER_GROUPS, carrier, "other")


_LATITUDES = {airport: position[0] for airport, position in AIRPORT_POSITIONS.items()}
_LONGITUDES = {airport: position[1] for airport, position in AIRPORT_POSITIONS.items()}


# Weather


@feature
def weather_known(weather_temp: Floats, weather_wind_speed: Floats, weather_visib: Floats) -> Bools:
    """Whether the station at the origin reported temperature, wind and visibility."""
    return ~np.isnan(weather_temp + weather_wind_speed + weather_visib)


@feature
def dew_point_spread(weather_temp: Floats, weather_dewp: Floats) -> Floats:
    """Temperature above the dew point, degrees Fahrenheit; fog forms near 0."""
    return weather_temp - weather_dewp


@feature(ulps=4)
def humidity_ratio(weather_humid: Floats, weather_temp: Floats, weather_dewp: Floats) -> Floats:
    """Reported relative humidity over that which temperature and dew point imply; 1 if they agree.

    Saturation weather_pressure by the Magnus formula, with the constants of Alduchov and Eskridge
    (Journal of Applied Meteorology 35, 1996). A unit or a station mixed up shows here.
    """
    warmth = (weather_temp - 32.0) / 1.8
    dew = (weather_dewp - 32.0) / 1.8
    implied = 100.0 * np.exp(17.625 * (dew / (243.04 + dew) - warmth / (243.04 + warmth)))
    return weather_humid / implied


@feature(ulps=4)
def wind_from_east(weather_wind_speed: Floats, weather_wind_dir: Floats) -> Floats:
    """Wind from the east, miles per hour; negative if from the west."""
    return weather_wind_speed * np.sin(np.radians(weather_wind_dir))


@feature(ulps=4)
def wind_from_north(weather_wind_speed: Floats, weather_wind_dir: Floats) -> Floats:
    """Wind from the north, miles per hour; negative if from the south."""
    return weather_wind_speed * np.cos(np.radians(weather_wind_dir))


@feature(ulps=4)
def crosswind(weather_wind_speed: Floats, weather_wind_dir: Floats) -> Floats:
    """Wind across runway 4, which all three airports have, miles per hour."""
    return np.abs(weather_wind_speed * np.sin(np.radians(weather_wind_dir - _MAIN_RUNWAY)))


@feature
def gust_excess(weather_wind_speed: Floats, weather_wind_gust: Floats) -> Floats:
    """Gusts above the steady wind, miles per hour; 0 where there are none."""
    return np.fmax(weather_wind_gust, weather_wind_speed) - weather_wind_speed


@feature
def is_wet(weather_precip: Floats) -> Bools:
    """Whether it rained or snowed in the hour; no if that is not known."""
    return weather_precip > 0


@feature
def is_freezing_wet(is_wet: Bools, weather_temp: Floats) -> Bools:
    """Whether what fell may freeze: below 34 degrees Fahrenheit."""
    return is_wet & (weather_temp < _FREEZING)


@feature
def visibility_loss(weather_visib: Floats) -> Floats:
    """Miles of visibility lacking to the 10 that are reported at most."""
    return 10.0 - weather_visib


@feature
def is_low_visibility(weather_visib: Floats) -> Bools:
    """Whether flight is by instruments for lack of visibility: less than 3 miles."""
    return weather_visib < _INSTRUMENT_VISIBILITY


# Aircraft


@feature
def plane_age(departure_day: Ints, aircraft_year: Floats) -> Floats:
    """Years since the aircraft was made."""
    years = departure_day.astype("datetime64[D]").astype("datetime64[Y]").astype(np.int64) + 1970
    return years - aircraft_year


@feature
def aircraft_class(aircraft_seats: Floats) -> Texts:
    """Size by seats: small to 19, regional to 100, narrow-body to 240, wide-body above, unknown."""
    return _CLASS_NAMES[np.searchsorted(_SEATS, aircraft_seats, side="right")]


@feature
def maker(aircraft_maker: Texts) -> Texts:
    """Manufacturer of the aircraft, one name each; other for small ones or if not known."""
    return _texts(MAKERS, aircraft_maker, "other")


# Labels

LATE_AFTER = 15.0
"""Minutes after which an arrival counts as late (14 CFR 234.2, "on time")."""
NEVER_ARRIVED = 180.0
"""Minutes that stand for no arrival and cap longer delays: a delay of three hours is treated like
a cancellation in EU law (C-402/07, Sturgeon)."""


@label
def late(arr_delay: Floats) -> Bools:
    """Whether it arrived more than 15 minutes late, or not at all."""
    return np.isnan(arr_delay) | (arr_delay > LATE_AFTER)


@label
def delay_minutes(arr_delay: Floats) -> Floats:
    """Minutes of delay at arrival, at most 180; 180 if it never arrived, negative if early."""
    return np.fmin(arr_delay, NEVER_ARRIVED)


# Models

_CATEGORIES = {
    "carrier": tuple(CARRIER_GROUPS),
    "origin": tuple(AIRPORT_POSITIONS),
    "carrier_group": ("network", "low-cost", "regional", "other"),
    "aircraft_class": AIRCRAFT_CLASSES,
    "maker": (*dict.fromkeys(MAKERS.values()), "other"),
}
_FLAGS = (
    is_overnight,
    weather_known,
    is_wet,
    is_freezing_wet,
    is_low_visibility,
)
_NUMBERS: tuple[Any, ...] = (
    departure_minute,
    departure_sine,
    departure_cosine,
    arrival_minute,
    weekday,
    holiday_distance,
    time_difference,
    scheduled_duration,
    scheduled_speed,
    "distance",
    degrees_north,
    degrees_east,
    "weather_temp",
    "weather_dewp",
    "weather_humid",
    dew_point_spread,
    wind_from_east,
    wind_from_north,
    crosswind,
    "weather_wind_speed",
    gust_excess,
    "weather_precip",
    "weather_pressure",
    visibility_loss,
    plane_age,
    "aircraft_seats",
    *late_before.gives,
)


def _names(columns: Iterable[Any]) -> list[str]:
    return [column if isinstance(column, str) else column.name for column in columns]


@model(learns=late, uses=[*_CATEGORIES, *_FLAGS, *_NUMBERS])
def boosted_late() -> Any:
    """Probability that the flight is late, by boosted trees."""
    encode = OrdinalEncoder(
        categories=[list(known) for known in _CATEGORIES.values()],
        handle_unknown="use_encoded_value",
        unknown_value=np.nan,
    )
    prepare = ColumnTransformer(
        [
            ("categories", encode, list(_CATEGORIES)),
            ("flags", "passthrough", _names(_FLAGS)),
            ("numbers", "passthrough", _names(_NUMBERS)),
        ]
    )
    classify = HistGradientBoostingClassifier(
        max_iter=80,
        max_leaf_nodes=15,
        categorical_features=list(range(len(_CATEGORIES))),
        random_state=0,
    )
    return make_pipeline(prepare, classify)


@model(learns=late, uses=["dest", *_CATEGORIES, *_FLAGS, *_NUMBERS], ulps=64)
def linear_late() -> Any:
    """Probability that the flight is late, by logistic regression."""
    encode = OneHotEncoder(
        categories=[list(known) for known in _CATEGORIES.values()],
        handle_unknown="ignore",
        sparse_output=False,
    )
    destinations = OneHotEncoder(
        min_frequency=200, handle_unknown="infrequent_if_exist", sparse_output=False
    )
    scale = make_pipeline(SimpleImputer(strategy="median"), StandardScaler())
    prepare = ColumnTransformer(
        [
            ("destinations", destinations, ["dest"]),
            ("categories", encode, list(_CATEGORIES)),
            ("flags", "passthrough", _names(_FLAGS)),
            ("numbers", scale, _names(_NUMBERS)),
        ]
    )
    return make_pipeline(prepare, LogisticRegression(C=0.1, solver="newton-cholesky"))


@output
def late_probability(boosted_late: Floats, linear_late: Floats) -> Floats:
    """Probability that the flight arrives more than 15 minutes late or not at all."""
    return (boosted_late + linear_late) / 2


@model(
    learns=delay_minutes,
    uses=[late_probability, departure_minute, scheduled_duration, weekday, is_wet, visibility_loss],
)
def expected_delay() -> Any:
    """Expected minutes of delay at arrival, none counted above 180; a second stage."""
    return HistGradientBoostingRegressor(max_iter=60, max_leaf_nodes=15, random_state=0)


# Outputs

LATE_FROM = 0.5
"""Probability from which a flight is called late: more likely than not."""
RISK_BANDS = ("low", "moderate", "high", "severe")
_BAND_LIMITS = np.array([0.15, 0.3, 0.5])
"""Probabilities at which the next band begins; about a quarter of all flights are late."""
_BAND_NAMES = np.array(RISK_BANDS, dtype=object)


@output
def will_be_late(late_probability: Floats) -> Bools:
    """Whether the flight is more likely late than not."""
    return late_probability >= LATE_FROM


@output
def risk_band(late_probability: Floats) -> Texts:
    """Risk of a late arrival: low below 0.15, moderate below 0.3, high below 0.5, or severe."""
    return _BAND_NAMES[np.searchsorted(_BAND_LIMITS, late_probability, side="right")]


PIPELINE = Pipeline(__name__, record=Departure, outcome=Arrival)
