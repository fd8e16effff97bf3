"""What was the same on all training days is known, and another value is named."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lockstep.columns.kinds import Columns
from lockstep.columns.schema import Field, Schema
from lockstep.laws import lookups
from lockstep.laws.lookups import LookUp, discover, shown
from lockstep.laws.rows import Rows, TrainingRows
from lockstep.laws.terms import Term

SCHEMA = Schema(
    "Trip",
    (
        Field("id", "str", role="key"),
        Field("at", "datetime", role="event_time"),
        Field("clock", "int"),
        Field("start", "str"),
        Field("stop", "str"),
        Field("miles", "float", optional=True),
    ),
)
MILES = "the miles that training knew for each start and stop"


def trips(seed: int = 0, days: int = 25, rows: int = 60) -> Columns:
    """Trips between places that have a distance, and leave by a clock."""
    generator = np.random.default_rng(seed)
    count = days * rows
    start, stop = generator.integers(0, 4, count), generator.integers(0, 5, count)
    minutes = generator.integers(0, 24, count) * 60 + 15
    return {
        "id": np.array([f"t{number}" for number in range(count)], dtype=object),
        "at": np.datetime64("2020-01-01", "us")
        + (np.arange(count) // rows).astype("timedelta64[D]")
        + minutes.astype("timedelta64[m]"),
        "clock": minutes // 60 * 100 + minutes % 60,
        "start": np.array([f"p{place}" for place in start], dtype=object),
        "stop": np.array([f"p{place}" for place in stop], dtype=object),
        "miles": np.where(start == stop, np.nan, 1.5 + start * 7 + stop),
    }


def found(columns: Columns) -> dict[str, LookUp]:
    return {law.says: law for law in discover(TrainingRows.of(Rows(columns, SCHEMA)))}


@pytest.fixture(scope="module")
def laws() -> dict[str, LookUp]:
    return found(trips())


def test_what_is_the_same_on_all_days_is_known(laws) -> None:
    assert set(laws) == {
        MILES,
        "the time of day of at that training knew for each clock",
        "the clock that training knew for each time of day of at",
    }


def test_a_day_that_agrees_breaks_nothing(laws) -> None:
    assert [law.find(Rows(trips(9, days=1), SCHEMA)) for law in laws.values()] == [None] * 3


def test_another_value_is_named_with_the_one_that_training_knew(laws) -> None:
    columns = trips(9, days=1)
    columns["start"][:2], columns["stop"][:2] = "p0", "p1"
    columns["miles"][:2] = [2.5, 4.0]
    broken = laws[MILES].find(Rows(columns, SCHEMA))
    assert broken is not None
    assert broken.rows.tolist() == [1]
    assert "miles is not what training knew in 1 row of 60, such as 4.0 instead of 2.5" in (
        broken.message
    )


def test_what_each_day_has_values_of_its_own_for_is_not_looked_up() -> None:
    columns = trips()
    numbers = np.arange(len(columns["id"])) // 10
    columns["start"] = np.array([f"trip {number}" for number in numbers], dtype=object)
    columns["miles"] = numbers % 7 * 1.5
    assert not any("miles" in says for says in found(columns))


def test_of_numbers_of_many_things_those_are_looked_up_that_were_there_most_often(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(lookups, "MOST_ENTRIES", 100)
    columns = trips(rows=100)
    numbers = np.random.default_rng(1).zipf(1.2, len(columns["id"])) % 900
    columns["start"] = np.array([f"n{number}" for number in numbers], dtype=object)
    columns["stop"] = np.array([f"p{number * 7 % 11}" for number in numbers], dtype=object)
    law = found(columns)["the stop that training knew for each start"]
    day = {name: array[:3].copy() for name, array in columns.items()}
    day["start"][:] = ["n1", "n2", "n899"]
    day["stop"][:] = ["p7", "p4", "p4"]
    broken = law.find(Rows(day, SCHEMA))

    assert len(law.then) == 100
    assert broken is not None
    assert broken.rows.tolist() == [1]  # the last one is not known


def test_a_value_that_is_gone_is_another_one(laws) -> None:
    columns = trips(9, days=1)
    columns["start"][0], columns["stop"][0], columns["miles"][0] = "p0", "p1", np.nan
    broken = laws[MILES].find(Rows(columns, SCHEMA))
    assert broken is not None
    assert broken.rows.tolist() == [0]


def test_what_training_did_not_know_is_not_judged(laws) -> None:
    columns = trips(9, days=1)
    columns["start"][:] = "elsewhere"
    assert laws[MILES].find(Rows(columns, SCHEMA)) is None


def test_times_that_are_an_hour_late_contradict_the_clock(laws) -> None:
    columns = trips(9, days=1)
    columns["at"] = columns["at"] + np.timedelta64(1, "h")
    broken = laws["the time of day of at that training knew for each clock"].find(
        Rows(columns, SCHEMA)
    )
    assert broken is not None
    assert len(broken.rows) == 60


def test_what_changes_from_day_to_day_is_not_known() -> None:
    columns = trips()
    columns["miles"] += np.arange(len(columns["miles"])) // 60
    assert MILES not in found(columns)


@settings(max_examples=20, deadline=None)
@given(st.dictionaries(st.integers(0, 3), st.floats(allow_nan=False), min_size=4, max_size=4))
def test_values_of_any_size_come_back_from_the_table_as_they_were(values) -> None:
    columns = trips()
    places = np.array([int(place[1]) for place in columns["start"]])
    columns["miles"] = np.array([values[place] for place in places])
    law = found(columns).get("the miles that training knew for each start")
    if len(set(values.values())) < 2:
        assert law is None
    else:
        assert law is not None
        assert law.find(Rows(columns, SCHEMA)) is None


def test_what_goes_with_the_clock_of_the_season_is_known_for_each_of_its_offsets() -> None:
    def by_clock(columns: Columns) -> Rows:
        summer = columns["at"] >= np.datetime64("2020-03-08T07:00")  # New York's clock moves on
        places = np.array([int(place[1]) for place in columns["start"]])
        return Rows({**columns, "miles": places - 5.0 + summer}, SCHEMA, "America/New_York")

    columns = trips(days=60)
    columns["at"] += np.timedelta64(37, "D")  # the middle of them is the day after
    laws = {law.says: law for law in discover(TrainingRows.of(by_clock(columns)))}
    law = laws["the miles that training knew for each start and clock offset of at"]
    batch = by_clock({**columns, "at": columns["at"] + np.timedelta64(60, "D")})
    assert law.find(batch) is None
    wintry = {**batch.columns, "miles": batch.columns["miles"] - 1}
    broken = law.find(Rows(wintry, SCHEMA, batch.timezone))
    assert broken is not None
    assert len(broken.rows) == len(batch)


def test_times_and_truth_values_are_told_as_they_are_declared() -> None:
    schema = Schema("Client", (Field("since", "datetime"), Field("police", "bool", optional=True)))
    assert shown(Term("since"), 1489536000000000, schema) == "2017-03-15"
    assert shown(Term("since"), 1489536060000000, schema) == "2017-03-15T00:01Z"
    assert shown(Term("police"), 1.0, schema) == "True"
    assert shown(Term("police"), None, schema) == "none"
