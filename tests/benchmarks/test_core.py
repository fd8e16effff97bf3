"""What the benchmark of the core times."""

import sys
from types import FrameType
from typing import Any

import numpy as np
import pandas as pd
import pytest

from benchmarks import _flights_in_pandas
from benchmarks.core import Batch, parsed_json, stages
from expectations.flight_delay import SUITES
from lockstep.columns.decode import decode
from lockstep.rules.row_rules import RowRules, compile_rules
from lockstep.suites.suites import suite_json
from transforms.flight_delay import AIRPORT_POSITIONS, CARRIER_GROUPS, MAKERS, PIPELINE

SCHEMA = PIPELINE.record_schema
FEATURES = PIPELINE.graph.model_free


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
            "dest_latitude": random.uniform(20, 50, count),
            "dest_longitude": random.uniform(-120, -70, count),
            "dest_utc_offset": random.choice([-4.0, -5.0, -7.0, np.nan], count),
            "temp": random.uniform(10, 100, count),
            "dewp": random.uniform(-10, 10, count),
            "humid": random.uniform(10, 100, count),
            "wind_dir": random.uniform(0, 360, count),
            "wind_speed": random.uniform(0, 40, count),
            "wind_gust": np.where(random.random(count) < 0.5, np.nan, 50.0),
            "precip": random.choice([0.0, 0.1], count),
            "pressure": random.uniform(990, 1030, count),
            "visib": random.uniform(0, 10, count),
            "plane_year": random.choice([1985.0, 2010.0, np.nan], count),
            "plane_seats": random.choice([2.0, 20.0, 100.0, 101.0, 300.0, np.nan], count),
            "plane_maker": random.choice(np.array([*MAKERS, "CESSNA", None], object), count),
        }
    )
    weather = ["temp", "dewp", "humid", "wind_dir", "wind_speed", "precip", "visib"]
    frame.loc[random.random(count) < 0.1, weather] = np.nan
    return frame


@pytest.fixture(scope="module")
def rules() -> RowRules:
    return compile_rules(suite_json(SUITES.input()))


def batch(frame: pd.DataFrame) -> Batch:
    columns = decode(frame, SCHEMA).columns
    return Batch(parsed_json(frame), frame, columns, matrices={})


@pytest.mark.parametrize("name", FEATURES)
def test_pandas_computes_the_same_features(flights: pd.DataFrame, name: str) -> None:
    ours = PIPELINE.graph.evaluate(decode(flights, SCHEMA).columns, [name])[name]

    theirs = _flights_in_pandas.features(flights)[name]

    if ours.dtype == object:
        assert theirs.tolist() == ours.tolist()
    else:
        np.testing.assert_allclose(theirs.to_numpy(), ours, rtol=1e-12, atol=1e-12)


def test_pandas_computes_all_features(flights: pd.DataFrame) -> None:
    assert set(_flights_in_pandas.features(flights)) == set(FEATURES)


def test_parsed_json_holds_the_very_values_of_the_frame(flights: pd.DataFrame) -> None:
    of_json = decode(parsed_json(flights), SCHEMA)
    of_frame = decode(flights, SCHEMA)

    assert of_json.rejected == of_frame.rejected == ()
    for name in SCHEMA.names:
        assert repr(of_json.columns[name].tolist()) == repr(of_frame.columns[name].tolist())


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


@pytest.mark.parametrize("stage", ["decode", "rules", "features"])
def test_one_record_goes_through_without_pandas(
    flights: pd.DataFrame, rules: RowRules, stage: str
) -> None:
    run = stages(PIPELINE, rules)[stage]

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
