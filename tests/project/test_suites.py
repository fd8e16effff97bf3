"""What the suites of the flight pipeline let pass and what they refuse."""

from datetime import UTC, datetime, timedelta

import numpy as np
import pytest

from expectations.flight_delay import SUITES, aircraft_suite, airport_suite, weather_suite
from lockstep.columns.decode import decode
from lockstep.rules.row_rules import compile_rules
from lockstep.suites.suites import suite_json
from lockstep.suites.validation import validate
from lockstep.tables.rows import TableRows
from transforms.flight_delay import PIPELINE

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
WEATHER = {
    "origin": "EWR",
    "hour": datetime(2013, 7, 4, 8, tzinfo=UTC),
    "temp": 77.0,
    "dewp": 59.0,
    "humid": 53.8,
    "wind_dir": 120.0,
    "wind_speed": 10.0,
    "wind_gust": 20.0,
    "precip": 0.0,
    "pressure": 1012.0,
    "visib": 10.0,
}
AIRCRAFT = {"tail": "N14228", "year": 1998, "seats": 149, "maker": "BOEING"}
AIRPORT = {
    "faa": "IAH",
    "latitude": 29.98,
    "longitude": -95.34,
    "utc_offset": -6.0,
    "summer_time": True,
}
LANDING = {"tail": "N14228", "landed_at": datetime(2013, 7, 3, tzinfo=UTC), "arr_delay": 4.0}
TABLES = {"weather": WEATHER, "aircraft": AIRCRAFT, "airport": AIRPORT, "landing": LANDING}
SUITES_OF_TABLES = {
    "weather": weather_suite,
    "aircraft": aircraft_suite,
    "airport": airport_suite,
}
MAY_BE_MISSING = [field.name for field in PIPELINE.record_schema if field.optional]
PREDICTION = {
    "flight_id": np.array(["a", "b"], dtype=object),
    "late_probability": np.array([0.2, 0.6]),
    "expected_delay": np.array([-3.0, 40.0]),
    "will_be_late": np.array([False, True]),
    "risk_band": np.array(["moderate", "severe"], dtype=object),
}


def columns(**changes):
    return decode(FLIGHT | changes, PIPELINE.record_schema).columns


def celsius(fahrenheit):
    return (fahrenheit - 32) / 1.8


@pytest.fixture(scope="module")
def rules():
    return compile_rules(suite_json(SUITES.input()))


def at_fault(rules, **changes):
    refusals = rules.apply(columns(**changes))
    return {reason.column for reason in refusals.reasons(0)} if refusals.mask.any() else set()


def critical_failures(suite, rows):
    return {finding.column for finding in validate(rows, suite, key="flight_id").failed("critical")}


def table_at_fault(table, **changes):
    schema = PIPELINE.tables[table].schema
    refusals = compile_rules(suite_json(SUITES_OF_TABLES[table]())).apply(
        decode(TABLES[table] | changes, schema).columns
    )
    return {reason.column for reason in refusals.reasons(0)} if refusals.mask.any() else set()


def feature_failures(**changes):
    """Critical failures for the flight, where fields of it or of what is looked up change."""
    rows = {}
    for name, schema in PIPELINE.tables.items():
        changed = {key: one for key, one in changes.items() if key in schema.values}
        decoded = decode(TABLES[name] | changed, schema.schema).columns
        rows[name] = TableRows.of(schema, decoded)
    record = {key: one for key, one in changes.items() if key in FLIGHT}
    found = PIPELINE.with_tables(rows).evaluate(columns(**record), PIPELINE.graph.features)
    return critical_failures(SUITES.features(), found)


def test_a_flight_that_may_be_passes_the_row_rules(rules):
    assert at_fault(rules) == set()


def test_a_flight_of_which_little_is_known_passes_the_row_rules(rules):
    assert at_fault(rules, **dict.fromkeys(MAY_BE_MISSING)) == set()


@pytest.mark.parametrize(
    ("column", "value"),
    [
        ("carrier", "ua"),
        ("dest", "Houston"),
        ("sched_dep_time", 2360),
        ("sched_arr_time", -1),
        ("distance", 0.0),
    ],
)
def test_a_value_that_cannot_be_is_refused_by_its_column(rules, column, value):
    assert column in at_fault(rules, **{column: value})


@pytest.mark.parametrize(
    ("table", "column", "value"),
    [
        ("weather", "temp", 350.0),
        ("weather", "humid", 101.0),
        ("weather", "wind_dir", -10.0),
        ("weather", "wind_speed", -1.0),
        ("weather", "wind_gust", 999.0),
        ("weather", "precip", -0.1),
        ("weather", "pressure", 29.9),
        ("weather", "visib", 16.1),
        ("aircraft", "year", 15),
        ("aircraft", "seats", 0),
        ("airport", "latitude", -95.34),
        ("airport", "longitude", 200.0),
        ("airport", "utc_offset", -300.0),
    ],
)
def test_a_value_that_no_row_of_a_table_can_have_is_refused(table, column, value):
    assert column in table_at_fault(table, **{column: value})


@pytest.mark.parametrize("table", list(SUITES_OF_TABLES))
def test_a_row_of_a_table_that_may_be_passes(table):
    assert table_at_fault(table) == set()


def test_a_dew_point_above_the_temperature_is_refused():
    assert table_at_fault("weather", dewp=77.1) != set()


def test_gusts_below_the_steady_wind_are_refused():
    assert table_at_fault("weather", wind_gust=9.9) != set()


def test_every_critical_expectation_about_rows_is_a_row_rule(rules):
    expectations = suite_json(SUITES.input())["expectations"]
    critical = [each["type"] for each in expectations if each["severity"] == "critical"]
    compiled = [rule.expectation for rule in rules.rules]
    assert [name for name in critical if name not in compiled] == [
        "expect_table_row_count_to_be_between"
    ]
    assert len(critical) == len(compiled) + 1


def test_features_of_a_flight_that_may_be_meet_the_feature_suite():
    assert feature_failures() == set()


@pytest.mark.parametrize(
    ("changes", "column"),
    [
        ({"scheduled_at": FLIGHT["scheduled_at"] + timedelta(hours=1)}, "clock_error"),
        ({"sched_dep_time": 915}, "clock_error"),
        ({"sched_dep_time": 5 * 60 + 15}, "clock_error"),
        ({"temp": celsius(77.0)}, "humidity_ratio"),
        ({"dewp": celsius(59.0)}, "humidity_ratio"),
        ({"humid": 0.538}, "humidity_ratio"),
        ({"year": 2015}, "plane_age"),
    ],
    ids=[
        "time an hour late",
        "local time in UTC",
        "minutes for hhmm",
        "temp in Celsius",
        "dewp in Celsius",
        "humidity as a fraction",
        "plane of the future",
    ],
)
def test_fields_that_contradict_each_other_are_named(changes, column):
    assert feature_failures(**changes) == {column}


def test_predictions_that_may_be_meet_the_output_suite():
    assert critical_failures(SUITES.outputs(), PREDICTION) == set()


@pytest.mark.parametrize(
    ("column", "values"),
    [
        ("late_probability", np.array([0.2, np.nan])),
        ("late_probability", np.array([0.2, 1.01])),
        ("expected_delay", np.array([np.nan, 0.0])),
        ("expected_delay", np.array([0.0, 241.0])),
        ("risk_band", np.array(["low", "unknown"], dtype=object)),
    ],
)
def test_a_prediction_that_cannot_be_is_named(column, values):
    assert critical_failures(SUITES.outputs(), PREDICTION | {column: values}) == {column}


def test_predictions_all_on_one_side_are_a_warning():
    rows = PREDICTION | {"late_probability": np.array([0.01, 0.02])}
    verdict = validate(rows, SUITES.outputs(), key="flight_id")
    assert [finding.column for finding in verdict.failed("warning")] == ["late_probability"]


@pytest.mark.parametrize("suite", [SUITES.input, SUITES.features, SUITES.outputs])
def test_a_suite_names_columns_that_exist(suite):
    names = {
        value
        for expectation in suite_json(suite())["expectations"]
        for argument, value in expectation["kwargs"].items()
        if argument in ("column", "column_A", "column_B")
    }
    assert names
    assert names <= set(PIPELINE.graph.served)
