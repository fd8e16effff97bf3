"""What the benchmark of the core times."""

import sys
from types import FrameType
from typing import Any

import numpy as np
import pandas as pd
import pytest

from benchmarks import _flights_in_pandas
from benchmarks.core import Batch, names_looked_up, parsed_json, stages
from expectations.flight_delay import SUITES
from lockstep.columns.decode import decode
from lockstep.columns.kinds import Kind
from lockstep.rules.row_rules import RowRules, compile_rules
from lockstep.suites.suites import suite_json
from lockstep.tables.rows import TableRows
from transforms.flight_delay import AIRPORT_POSITIONS, CARRIER_GROUPS, MAKERS, PIPELINE

SCHEMA = PIPELINE.record_schema
FEATURES = [name for name in PIPELINE.graph.model_free if name not in names_looked_up(PIPELINE)]


@pytest.fixture(scope="module")
def flights() -> pd.DataFrame:
    """Made-up departures, some with missing values."""
    count = 500
    random = np.random.default_rng(0)
    day = pd.Timestamp("2013-01-01") + pd.to_timedelta(random.integers(0, 365, count), "D")
    local = day + pd.to_timedelta(random.integers(5 * 60, 24 * 60, count), "min")
    frame = pd.DataFrame(
        {
            "flight_id": [f"flight {number}" for number in range(count)],
            "scheduled_at": local.tz_localize("America/New_York").tz_convert("UTC"),
            "carrier": random.choice([*CARRIER_GROUPS, "XX"], count),
            "origin": random.choice(list(AIRPORT_POSITIONS), count),
            "dest": random.choice(["LAX", "IAH", "BOS"], count),
            "sched_dep_time": local.hour * 100 + local.minute,
            "sched_arr_time": random.integers(0, 24, count) * 100 + random.integers(0, 60, count),
            "distance": random.integers(100, 3000, count),
            "tail": random.choice(np.array(["N1", "N2", None], object), count),
            "destination_latitude": random.uniform(20, 50, count),
            "destination_longitude": random.uniform(-120, -70, count),
            "destination_utc_offset": random.choice([-4.0, -5.0, -7.0, np.nan], count),
            "destination_summer_time": random.choice([0.0, 1.0], count),
            "weather_temp": random.uniform(10, 100, count),
            "weather_dewp": random.uniform(-10, 10, count),
            "weather_humid": random.uniform(10, 100, count),
            "weather_wind_dir": random.uniform(0, 360, count),
            "weather_wind_speed": random.uniform(0, 40, count),
            "weather_wind_gust": np.where(random.random(count) < 0.5, np.nan, 50.0),
            "weather_precip": random.choice([0.0, 0.1], count),
            "weather_visib": random.uniform(0, 10, count),
            "aircraft_year": random.choice([1985.0, 2010.0, np.nan], count),
            "aircraft_seats": random.choice([2.0, 20.0, 100.0, 101.0, 300.0, np.nan], count),
            "aircraft_maker": random.choice(np.array([*MAKERS, "CESSNA", None], object), count),
        }
    )
    names = ("temp", "dewp", "humid", "wind_dir", "wind_speed", "precip", "visib")
    frame.loc[random.random(count) < 0.1, [f"weather_{name}" for name in names]] = np.nan
    return frame


@pytest.fixture(scope="module")
def rules() -> RowRules:
    return compile_rules(suite_json(SUITES.input()))


def batch(frame: pd.DataFrame) -> Batch:
    records = frame[list(SCHEMA.names)]
    columns = decode(records, SCHEMA).columns
    given = {
        name: frame[name].to_numpy()
        if name in frame
        else np.zeros(len(frame), dtype=PIPELINE.graph.kind(name).dtype)
        for name in names_looked_up(PIPELINE)
    }
    return Batch(parsed_json(records), frame, columns, {**columns, **given}, matrices={})


@pytest.mark.parametrize("name", FEATURES)
def test_pandas_computes_the_same_features(flights: pd.DataFrame, name: str) -> None:
    ours = PIPELINE.graph.evaluate(batch(flights).looked_up, [name])[name]

    theirs = _flights_in_pandas.features(flights)[name]

    if ours.dtype == object:
        assert theirs.tolist() == ours.tolist()
    else:
        np.testing.assert_allclose(theirs.to_numpy(), ours, rtol=1e-12, atol=1e-12)


def test_pandas_computes_all_features(flights: pd.DataFrame) -> None:
    assert set(_flights_in_pandas.features(flights)) == set(FEATURES)


def test_parsed_json_holds_the_very_values_of_the_frame(flights: pd.DataFrame) -> None:
    records = flights[list(SCHEMA.names)]
    of_json = decode(parsed_json(records), SCHEMA)
    of_frame = decode(records, SCHEMA)

    assert of_json.rejected == of_frame.rejected == ()
    for name in SCHEMA.names:
        assert repr(of_json.columns[name].tolist()) == repr(of_frame.columns[name].tolist())


def few_rows() -> dict[str, TableRows]:
    """A row of each table, and a second aircraft's."""
    when = np.array(["2013-06-01T12:00"] * 2, dtype="datetime64[us]")
    texts: dict[str, list[str]] = {
        "origin": ["EWR", "LGA"],
        "tail": ["N1", "N2"],
        "faa": ["LAX", "IAH"],
        "maker": ["BOEING", "AIRBUS"],
    }
    made = {
        Kind.TEXT: lambda name: np.array(texts[name], dtype=object),
        Kind.TIME: lambda name: when,
    }
    return {
        name: TableRows.of(
            table,
            {
                field.name: made[field.kind](field.name)
                if field.kind in made
                else np.array([0, 1]).astype(field.kind.dtype)
                for field in table.schema
            },
        )
        for name, table in PIPELINE.tables.items()
    }


def called_in_pandas(function: Any, *arguments: Any) -> set[str]:
    """Functions of pandas, in Python or in C, that a call comes through."""
    found: set[str] = set()

    def note(frame: FrameType, event: str, argument: Any) -> None:
        if event == "call":
            module, name = frame.f_globals.get("__name__", ""), frame.f_code.co_qualname
        elif event == "c_call":
            owner = getattr(argument, "__self__", None)
            module = getattr(argument, "__module__", None) or type(owner).__module__
            name = argument.__qualname__
        else:
            return
        if str(module).partition(".")[0] == "pandas":
            found.add(f"{module}.{name}")

    sys.setprofile(note)
    try:
        function(*arguments)
    finally:
        sys.setprofile(None)
    return found


@pytest.mark.parametrize("stage", ["decode", "rules", "lookups", "features"])
def test_one_record_goes_through_without_pandas(
    flights: pd.DataFrame, rules: RowRules, stage: str
) -> None:
    run = stages(PIPELINE.with_tables(few_rows()), rules)[stage]

    for row in range(0, len(flights), 10):
        assert called_in_pandas(run, batch(flights.iloc[row : row + 1])) == set()


@pytest.mark.parametrize(
    "make",
    [
        lambda: pd.Series([1.0]),
        lambda: pd.DataFrame({"x": [1.0]}),
        lambda: pd.Index([1.0]),
    ],
)
def test_an_object_of_pandas_would_be_noticed(make: Any) -> None:
    assert called_in_pandas(make)
