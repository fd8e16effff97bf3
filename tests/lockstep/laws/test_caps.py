"""What is above a limit of rows an hour is lost: many hours are as busy as the busiest then."""

import numpy as np
import pytest
from msgspec.structs import replace

from lockstep.columns.kinds import Columns
from lockstep.columns.schema import Field, Schema
from lockstep.laws import caps
from lockstep.laws.caps import Uncapped
from lockstep.laws.rows import Rows, TrainingRows

SCHEMA = Schema(
    "Call",
    (
        Field("id", "str", role="key"),
        Field("at", "datetime", role="event_time"),
        Field("city", "str"),
    ),
)
START = np.datetime64("2020-01-06", "us")
DAYS = 30


def calls(first: int, days: int = 1, limit: int = 1_000) -> Columns:
    """Calls of some days in two cities, more of them towards the evening."""
    generator = np.random.default_rng(first)
    cells = days * 24 * 2
    hour = np.arange(cells) // 2
    counts = generator.poisson(10 + hour % 24)
    cell = np.repeat(np.arange(cells), np.minimum(counts, limit))
    return {
        "id": np.array([f"{first} {row}" for row in range(len(cell))], dtype=object),
        "at": START + np.timedelta64(first, "D") + hour[cell].astype("timedelta64[h]"),
        "city": np.array(["Ulm", "Bonn"], dtype=object)[cell % 2],
    }


@pytest.fixture(scope="module")
def law() -> Uncapped:
    (found,) = caps.discover(TrainingRows.of(Rows(calls(0, DAYS), SCHEMA)))
    return found


def test_a_day_of_which_busy_hours_are_cut_is_an_error(law) -> None:
    broken = law.find(Rows(calls(DAYS, limit=20), SCHEMA))
    assert broken.strict
    assert "pairs of an hour and a city have 20 rows each" in broken.message
    assert broken.columns == ("city", "at")


@pytest.mark.parametrize("day", range(DAYS, DAYS + 10))
def test_a_busiest_hour_is_usual(law, day) -> None:
    assert law.find(Rows(calls(day), SCHEMA)) is None


def test_hours_that_have_as_many_rows_as_any_of_training_are_whole(law) -> None:
    rows = Rows(calls(DAYS, limit=20), SCHEMA)
    assert replace(law, busiest=21).find(rows) is not None
    assert replace(law, busiest=20).find(rows) is None


def test_a_day_that_has_more_rows_than_any_of_training_is_whole(law) -> None:
    rows = Rows(calls(DAYS, limit=20), SCHEMA)
    assert replace(law, size=(900, len(rows))).find(rows) is not None
    assert replace(law, size=(900, len(rows) - 1)).find(rows) is None


def test_hours_that_all_have_as_many_rows_have_no_limit() -> None:
    columns = calls(0, DAYS, limit=10)
    assert caps.discover(TrainingRows.of(Rows(columns, SCHEMA))) == []
