"""The flight pipeline's columns, each by hand, and all of them row by row."""

import math
from datetime import UTC, datetime

import numpy as np
import pytest

from lockstep.columns.decode import decode
from transforms import flight_delay as flights

NAN = math.nan
GRAPH = flights.PIPELINE.graph


FLIGHT = {
    "flight_id": "2013-07-04 UA 1545 EWR-IAH 0515",
    "scheduled_at": datetime(2013, 7, 4, 9, 15, tzinfo=UTC),
    "carrier": "UA",
    "origin": "EWR",
    "dest": "IAH",
    "sched_dep_time": 515,
    "sched_arr_time": 819,
    "distance": 1400.0,
    "tail": "N14228",
}
"""A flight on Thursday, 4 July 2013, 5:15 in New York, from Newark to Houston."""
LOOKED_UP = {
    "destination_latitude": 29.98,
    "destination_longitude": -95.34,
    "destination_utc_offset": -6.0,
    "destination_summer_time": 1.0,
    "weather_temp": 77.0,
    "weather_dewp": 59.0,
    "weather_humid": 54.0,
    "weather_wind_dir": 120.0,
    "weather_wind_speed": 10.0,
    "weather_wind_gust": NAN,
    "weather_precip": 0.0,
    "weather_pressure": 1012.0,
    "weather_visib": 10.0,
    "aircraft_year": 1998.0,
    "aircraft_seats": 149.0,
    "aircraft_maker": "BOEING",
}
"""What is looked up for it."""


def value(column, **changes):
    """The value of a column for that flight, with some fields or looked-up values changed."""
    record = {name: changes.get(name, one) for name, one in FLIGHT.items()}
    columns = decode(record, flights.PIPELINE.record_schema).columns
    given = {name: changes.get(name, one) for name, one in LOOKED_UP.items()}
    looked_up = {
        name: np.array([NAN if one is None and name != "aircraft_maker" else one], dtype=kind)
        for name, one in given.items()
        for kind in [GRAPH.kind(name).dtype]
    }
    return GRAPH.evaluate({**columns, **looked_up}, (column,))[column][0]


@pytest.mark.parametrize(
    ("column", "changes", "expected"),
    [
        ("departure_minute", {}, 5 * 60 + 15),
        ("departure_minute", {"sched_dep_time": 2359}, 1439),
        ("arrival_minute", {}, 8 * 60 + 19),
        ("departure_sine", {"sched_dep_time": 600}, 1.0),
        ("departure_cosine", {"sched_dep_time": 0}, 1.0),
        ("departure_cosine", {"sched_dep_time": 1200}, -1.0),
        ("clock_offset", {}, 240),
        ("clock_offset", {"scheduled_at": datetime(2013, 1, 4, 10, 15, tzinfo=UTC)}, 300),
        ("clock_error", {}, 0),
        ("clock_error", {"scheduled_at": datetime(2013, 7, 4, 10, 15, tzinfo=UTC)}, 60),
        ("weekday", {}, 3),
        ("holiday_distance", {}, 0),
        ("is_overnight", {}, False),
        ("is_overnight", {"sched_dep_time": 2359, "sched_arr_time": 344}, True),
        ("time_difference", {}, -1.0),
        ("scheduled_duration", {}, 244.0),
        ("scheduled_duration", {"destination_utc_offset": None}, NAN),
        ("scheduled_speed", {}, 1400 / 244 * 60),
        ("scheduled_speed", {"sched_arr_time": 415}, NAN),
        ("degrees_north", {}, 29.98 - 40.6925),
        ("degrees_east", {}, -95.34 + 74.168667),
        ("degrees_north", {"destination_latitude": None}, NAN),
        ("weather_known", {}, True),
        ("weather_known", {"weather_wind_speed": None}, False),
        ("dew_point_spread", {}, 18.0),
        ("dew_point_spread", {"weather_dewp": None}, NAN),
        ("humidity_ratio", {"weather_dewp": 77.0, "weather_humid": 100.0}, 1.0),
        ("humidity_ratio", {"weather_dewp": 77.0, "weather_humid": 50.0}, 0.5),
        ("wind_from_east", {"weather_wind_dir": 90.0}, 10.0),
        ("wind_from_east", {"weather_wind_dir": 270.0}, -10.0),
        ("wind_from_north", {"weather_wind_dir": 0.0}, 10.0),
        ("wind_from_north", {"weather_wind_dir": 180.0}, -10.0),
        ("wind_from_north", {"weather_wind_dir": None}, NAN),
        ("crosswind", {"weather_wind_dir": 120.0}, 10.0),
        ("crosswind", {"weather_wind_dir": 300.0}, 10.0),
        ("crosswind", {"weather_wind_dir": 60.0}, 5.0),
        ("gust_excess", {}, 0.0),
        ("gust_excess", {"weather_wind_gust": 23.0}, 13.0),
        ("gust_excess", {"weather_wind_speed": None}, NAN),
        ("is_wet", {}, False),
        ("is_wet", {"weather_precip": 0.01}, True),
        ("is_wet", {"weather_precip": None}, False),
        ("is_freezing_wet", {"weather_precip": 0.01, "weather_temp": 33.9}, True),
        ("is_freezing_wet", {"weather_precip": 0.01, "weather_temp": 34.0}, False),
        ("is_freezing_wet", {"weather_precip": 0.0, "weather_temp": 20.0}, False),
        ("visibility_loss", {"weather_visib": 2.5}, 7.5),
        ("is_low_visibility", {"weather_visib": 2.99}, True),
        ("is_low_visibility", {"weather_visib": 3.0}, False),
        ("is_low_visibility", {"weather_visib": None}, False),
        ("plane_age", {}, 15.0),
        ("plane_age", {"aircraft_year": None}, NAN),
    ],
)
def test_a_feature_has_the_value_worked_out_by_hand(column, changes, expected):
    assert value(column, **changes) == pytest.approx(expected, rel=1e-12, abs=1e-12, nan_ok=True)


@pytest.mark.parametrize(
    ("column", "changes", "expected"),
    [
        ("carrier_group", {}, "network"),
        ("carrier_group", {"carrier": "B6"}, "low-cost"),
        ("carrier_group", {"carrier": "EV"}, "regional"),
        ("carrier_group", {"carrier": "ZZ"}, "other"),
        ("aircraft_class", {"aircraft_seats": 19}, "small"),
        ("aircraft_class", {"aircraft_seats": 20}, "regional"),
        ("aircraft_class", {"aircraft_seats": 100}, "regional"),
        ("aircraft_class", {"aircraft_seats": 240}, "narrow-body"),
        ("aircraft_class", {"aircraft_seats": 241}, "wide-body"),
        ("aircraft_class", {"aircraft_seats": None}, "unknown"),
        ("maker", {"aircraft_maker": "AIRBUS INDUSTRIE"}, "Airbus"),
        ("maker", {"aircraft_maker": "CESSNA"}, "other"),
        ("maker", {"aircraft_maker": None}, "other"),
    ],
)
def test_a_feature_of_text_has_the_group_that_the_table_says(column, changes, expected):
    assert value(column, **changes) == expected


LATE_EVENING = {
    "scheduled_at": datetime(2013, 7, 5, 3, 0, tzinfo=UTC),
    "sched_dep_time": 2300,
    "sched_arr_time": 133,
}
"""11 pm in New York, when it is the next day in UTC and will be at arrival."""


def test_the_day_of_a_departure_is_that_of_the_local_calendar():
    day = value("departure_day", **LATE_EVENING)
    assert np.datetime64(int(day), "D") == np.datetime64("2013-07-04")


def test_a_duration_over_midnight_is_counted_through():
    assert value("scheduled_duration", **LATE_EVENING) == 213


@pytest.mark.parametrize(
    ("local", "utc"),
    [
        ("2013-03-10T01:59", "2013-03-10T06:59"),
        ("2013-03-10T03:00", "2013-03-10T07:00"),
        ("2013-11-03T00:59", "2013-11-03T04:59"),
        ("2013-11-03T02:00", "2013-11-03T07:00"),
        ("2024-03-10T03:00", "2024-03-10T07:00"),
    ],
)
def test_clocks_are_right_on_both_sides_of_their_change(local, utc):
    hhmm = int(local[11:13] + local[14:])
    assert value("clock_error", scheduled_at=f"{utc}Z", sched_dep_time=hhmm) == 0


def test_the_holidays_of_2013_are_those_of_the_law():
    days = np.arange("2013-01-01", "2014-01-01", dtype="datetime64[D]")
    distance = flights.holiday_distance(days.astype(np.int64))
    # Office of Personnel Management, "2013 Holiday Schedule"
    assert days[distance == 0].astype(str).tolist() == [
        "2013-01-01",
        "2013-01-21",
        "2013-02-18",
        "2013-05-27",
        "2013-07-04",
        "2013-09-02",
        "2013-10-14",
        "2013-11-11",
        "2013-11-28",
        "2013-12-25",
    ]


def test_the_distance_to_a_holiday_counts_both_ways_and_ends_at_a_week():
    days = np.array(["2013-07-02", "2013-07-06", "2013-07-20"], dtype="datetime64[D]")
    assert flights.holiday_distance(days.astype(np.int64)).tolist() == [2, 2, 7]


def test_temperatures_in_another_unit_show_in_the_humidity_ratio():
    celsius = (77.0 - 32) / 1.8
    assert value("humidity_ratio", weather_temp=celsius) < 0.4
    assert value("humidity_ratio", weather_dewp=(59.0 - 32) / 1.8) > 1.9


def test_late_is_more_than_fifteen_minutes_or_never():
    delays = np.array([-3.0, 15.0, 15.1, NAN])
    assert flights.late(delays).tolist() == [False, False, True, True]


def test_delays_count_up_to_three_hours_and_no_arrival_as_three_hours():
    delays = np.array([-3.0, 179.0, 900.0, NAN])
    assert flights.delay_minutes(delays).tolist() == [-3.0, 179.0, 180.0, 180.0]


def test_bands_and_verdict_change_at_their_limits():
    probabilities = np.array([0.0, 0.15, 0.3, 0.4999, 0.5, 1.0])
    assert flights.risk_band(probabilities).tolist() == [
        "low",
        "moderate",
        "high",
        "high",
        "severe",
        "severe",
    ]
    assert flights.will_be_late(probabilities).tolist() == [False] * 4 + [True] * 2


def test_every_field_has_a_description():
    tables = [table.schema for table in flights.PIPELINE.tables.values()]
    fields = [field for schema in (flights.PIPELINE.joint_schema, *tables) for field in schema]
    assert [field.name for field in fields if not field.doc] == ["seats"]
