"""The benchmark of look-ups: what it demands of all that are compared, and what it tells."""

import sys
from datetime import timedelta
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from benchmarks._rounds import BenchmarkError
from benchmarks.lookups.__main__ import demand_same, report, run, targets
from benchmarks.lookups.systems import SYSTEMS, TASKS, VALUES

pytestmark = pytest.mark.long

ROWS = 300
BEGIN = pd.Timestamp("2013-01-05", tz="UTC")


@pytest.fixture
def questions(tmp_path: Path) -> Path:
    """A few flights, hours and landings in files as the systems read them."""
    random = np.random.default_rng(0)

    def times(hours: np.ndarray) -> pd.Series:
        return pd.Series(BEGIN + pd.to_timedelta(hours, "h")).astype("datetime64[us, UTC]")

    asked = pd.DataFrame(
        {
            "row": np.arange(ROWS),
            "origin": random.choice(["EWR", "JFK"], ROWS),
            "tail": random.choice(np.array(["N1", "N2", "N3", None], object), ROWS),
            "as_of": times(random.uniform(0, 2_000, ROWS)),
        }
    )
    hours = np.flatnonzero(random.random(2_000) < 0.8)
    weather = pd.DataFrame({"origin": "EWR", "hour": times(hours)})
    for name in VALUES:
        known = random.random(len(hours)) < 0.9
        weather[name] = np.where(known, random.normal(size=len(hours)), np.nan)
    landings = pd.DataFrame(
        {
            "tail": random.choice(["N1", "N2"], 400),
            "landed_at": times(np.unique(random.uniform(0, 2_000, 500))[:400]),
            "arr_delay": random.integers(-30, 300, 400).astype(float),
        }
    )
    for name, rows in (("asked", asked), ("weather", weather), ("landings", landings)):
        rows.to_parquet(tmp_path / f"{name}.parquet", index=False)
    return tmp_path


@pytest.fixture
def answered(questions: Path) -> Path:
    """The same, with what this library and pandas found."""
    for name in ("lockstep", "pandas"):
        system = SYSTEMS[name](questions)
        for task in ("join", "window"):
            system.write(getattr(system, task)(), questions / f"{task}-{name}.parquet")
    return questions


@pytest.mark.parametrize("task", ["join", "window"])
def test_pandas_finds_what_this_library_finds(answered: Path, task: str) -> None:
    demand_same(answered, task, "pandas")
    found = pd.read_parquet(answered / f"{task}-lockstep.parquet")
    assert 0 < found.notna().all(axis=1).sum() < ROWS


@pytest.mark.parametrize(("task", "column"), [("join", "visib"), ("window", "last")])
def test_another_answer_is_refused_with_its_row(answered: Path, task: str, column: str) -> None:
    path = answered / f"{task}-pandas.parquet"
    found = pd.read_parquet(path)
    row = int(np.flatnonzero(found[column].notna())[0])
    found.loc[row, column] += 1
    found.to_parquet(path, index=False)
    with pytest.raises(BenchmarkError, match=f"other values of {column} in 1 rows.* in row {row}"):
        demand_same(answered, task, "pandas")


def test_a_prepared_table_gives_the_same(questions: Path) -> None:
    system = SYSTEMS["lockstep"](questions)
    for task in ("join", "window"):
        found, prepared = (getattr(system, name)() for name in (task, f"prepared_{task}"))
        for name, values in found.items():
            np.testing.assert_array_equal(prepared[name], values)


def test_who_ends_with_an_error_is_told(tmp_path: Path) -> None:
    with pytest.raises(BenchmarkError, match=r"pandas: status 1: [\s\S]*asked\.parquet"):
        run("pandas", Path(sys.executable), tmp_path)


def test_ours_is_measured_against_the_fastest_other() -> None:
    seconds = {"lockstep": 1.0, "pandas": 4.0, "polars": 2.0}
    told = {
        **dict.fromkeys(TASKS, seconds),
        "spread": {task: {name: [took, took] for name, took in seconds.items()} for task in TASKS},
        "machine": "a machine",
        "versions": {"pandas": "3"},
        "record_us": {"lookup": 1.0, "window": 2.0},
        "request_added_us": {"lookup": 30.0, "window": 30.0},
    }
    outcomes = {outcome.target: outcome.measured for outcome in targets(told)}
    assert outcomes["join: of the time of the fastest other"] == 0.5
    assert "FALLS SHORT" in str(next(one for one in targets(told) if "lookup" in one.target))
    assert sum("pandas" in line for line in report(told)) == 1 + len(TASKS)


def test_the_systems_are_asked_for_the_declared_spans() -> None:
    from benchmarks.lookups import systems, tables

    known = [table.declaration().known_after for table in (tables.Weather, tables.Landing)]
    assert known == [systems._WEATHER_KNOWN, systems._LANDING_KNOWN]
    assert systems._TOLERANCE + known[0] == tables.WITHIN == timedelta(hours=3)
    assert systems._REACH + known[1] == tables.OVER
