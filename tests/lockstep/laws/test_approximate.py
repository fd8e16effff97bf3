"""What a column mostly is for what others are, and values that are dealt to other rows."""

import numpy as np
import pytest

from lockstep.columns.kinds import Columns
from lockstep.columns.schema import Field, Schema
from lockstep.laws.approximate import Mostly, discover
from lockstep.laws.rows import Rows, TrainingRows

SCHEMA = Schema(
    "Ride",
    (
        Field("id", "str", role="key"),
        Field("at", "datetime", role="event_time"),
        Field("line", "str"),
        Field("stop", "str"),
        Field("seats", "int"),  # goes with line and stop, but for one row in twelve
        Field("miles", "float"),  # goes with the stop; that of one stop changed within training
        Field("weight", "float"),  # goes with nothing
    ),
)
ROWS, DAYS = 200, 40


def rides(first: int = 0, days: int = DAYS) -> Columns:
    """Rides of some days, the first one counted from the first of training."""
    generator = np.random.default_rng(first)
    count = days * ROWS
    line, stop = generator.integers(0, 5, count), generator.integers(0, 8, count)
    day = first + np.arange(count) // ROWS
    other = generator.random(count) < 1 / 12
    return {
        "id": np.array([f"{first}-{number}" for number in range(count)], dtype=object),
        "at": np.datetime64("2020-01-01T06", "us")
        + day.astype("timedelta64[D]")
        + (np.arange(count) % ROWS).astype("timedelta64[m]"),
        "line": np.array([f"l{one}" for one in line], dtype=object),
        "stop": np.array([f"s{one}" for one in stop], dtype=object),
        "seats": 40
        + (line * 3 + stop * 7) % 11
        + np.where(other, generator.integers(1, 9, count), 0),
        "miles": 1.5 + 2.0 * stop + ((stop == 3) & (day >= 10)),
        "weight": generator.normal(100, 10, count).round(0),
    }


@pytest.fixture(scope="module")
def laws() -> list[Mostly]:
    return discover(TrainingRows.of(Rows(rides(), SCHEMA)))


def day(**changes: np.ndarray) -> Rows:
    return Rows({**rides(DAYS, 1), **changes}, SCHEMA)


def found(laws: list[Mostly], rows: Rows) -> dict[str, bool]:
    """The columns that are told of, and whether that is an error."""
    broken = [one for law in laws if (one := law.find(rows)) is not None]
    return {one.columns[0]: one.strict for one in broken}


def test_what_mostly_goes_with_others_is_found(laws) -> None:
    told = {(law.dependent.column, frozenset(law.columns[1:])) for law in laws}
    assert ("seats", frozenset({"line", "stop"})) in told
    assert ("miles", frozenset({"stop"})) in told
    assert "weight" not in {column for law in laws for column in law.columns}


@pytest.mark.parametrize("first", range(DAYS, DAYS + 30))
def test_later_days_break_nothing(laws, first) -> None:
    assert found(laws, Rows(rides(first, 1), SCHEMA)) == {}


def test_values_dealt_to_other_rows_are_an_error(laws) -> None:
    seats = day().columns["seats"]
    within = np.argsort(day().columns["line"].astype(str), kind="stable")
    dealt = seats.copy()
    dealt[within] = np.roll(seats[within], 1)
    assert found(laws, day(seats=dealt))["seats"]


def test_a_little_off_everywhere_is_an_error_where_a_few_values_ever_changed(laws) -> None:
    assert found(laws, day(miles=day().columns["miles"] + 1))["miles"]


def test_rows_are_named_with_what_is_usual(laws) -> None:
    law = next(law for law in laws if law.dependent.column == "miles")
    broken = law.find(day(miles=day().columns["miles"] + 1))
    assert broken is not None
    assert len(broken.rows) == ROWS
    row = day().columns["stop"][0]
    place = int(row[1:])
    usual = 1.5 + 2.0 * place + (place == 3)
    assert f"{usual + 1} instead of {usual} for stop '{row}'" in broken.message


def test_values_that_go_out_of_date_are_no_law() -> None:
    columns = rides()
    week = (np.arange(len(columns["seats"])) // ROWS // 7) % 11
    moving = {**columns, "seats": 40 + (columns["seats"] + week * 3) % 11}
    laws = discover(TrainingRows.of(Rows(moving, SCHEMA)))
    assert not [law for law in laws if "seats" in law.columns]


def test_a_day_of_combinations_that_training_never_had_says_nothing(laws) -> None:
    new = np.array(["other"] * ROWS, dtype=object)
    assert found(laws, day(line=new, stop=new)) == {}
