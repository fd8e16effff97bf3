"""Rows of several values that are lost together are missed, though none is missed by itself."""

from collections.abc import Iterable

import numpy as np
import pytest

from lockstep.columns.kinds import Array, Columns
from lockstep.columns.schema import Field, Schema
from lockstep.laws import coverage
from lockstep.laws.coverage import Covered
from lockstep.laws.rows import Rows, TrainingRows

SCHEMA = Schema(
    "Visit",
    (
        Field("id", "str", role="key"),
        Field("at", "datetime", role="event_time"),
        Field("desk", "int"),
        Field("room", "str"),
        Field("campaign", "str"),  # another one each ten days
        Field("is_new", "bool"),
    ),
)
START = np.datetime64("2021-01-04", "us")  # a Monday
DAYS, DESKS = 60, 40


def visits(days: Iterable[int]) -> Columns:
    """Visits of some days: a hundred on weekdays, fifteen on others, of desks of four a room."""
    parts = [_day(day) for day in days]
    return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}


def _day(day: int) -> Columns:
    random = np.random.default_rng((5, day))
    rows = random.poisson(100 if day % 7 < 5 else 15)
    desk = random.choice(DESKS, rows, p=np.arange(1, DESKS + 1) / (DESKS * (DESKS + 1) / 2))
    minutes = np.sort(random.normal(780, 180, rows).clip(0, 1439)).astype(int)
    return {
        "id": np.array([f"{day}-{row}" for row in range(rows)], dtype=object),
        "at": START + np.timedelta64(day, "D") + minutes * np.timedelta64(1, "m"),
        "desk": desk,
        "room": np.array([f"room {one // 4}" for one in desk], dtype=object),
        "campaign": np.array([f"{day // 10} {one % 12}" for one in desk], dtype=object),
        "is_new": random.random(rows) < 0.5,
    }


def rows_of(day: int, kept: Array | None = None) -> Rows:
    columns = visits([day])
    if kept is not None:
        columns = {name: values[kept] for name, values in columns.items()}
    return Rows(columns, SCHEMA, "UTC", str(START.astype("datetime64[D]") + day))


@pytest.fixture(scope="module")
def laws() -> dict[str, Covered]:
    found = coverage.discover(TrainingRows.of(Rows(visits(range(DAYS)), SCHEMA)))
    return {law.columns[0]: law for law in found}


def test_it_is_of_columns_of_many_values_that_do_not_go_out_of_use(laws) -> None:
    assert set(laws) == {"desk", "room", "at"}


@pytest.mark.parametrize("day", range(DAYS, DAYS + 14))
def test_another_day_lacks_as_much_as_days_of_its_size(laws, day) -> None:
    assert [law.find(rows_of(day)) for law in laws.values()] == [None] * 3


MONDAY, SATURDAY = 63, 68


def test_values_that_are_lost_together_are_told(laws) -> None:
    desk = visits([MONDAY])["desk"]
    broken = laws["desk"].find(rows_of(MONDAY, ~np.isin(desk, range(30, 38))))
    assert not broken.strict
    assert (
        "none has 36, 37, 35 and 14 more as desk, which usually have 47.3% of them"
        in broken.message
    )


def test_an_afternoon_that_is_lost_is_told(laws) -> None:
    at = visits([MONDAY])["at"]
    noon = at.astype("datetime64[D]") + np.timedelta64(12, "h")
    broken = laws["at"].find(rows_of(MONDAY, at < noon))
    assert "as hour of the day of at" in broken.message


def test_one_value_that_is_lost_is_nothing_new(laws) -> None:
    desk = visits([MONDAY])["desk"]
    assert laws["desk"].find(rows_of(MONDAY, desk != 20)) is None


def test_a_few_rows_of_a_small_day_say_nothing(laws) -> None:
    desk = visits([SATURDAY])["desk"]
    assert laws["desk"].find(rows_of(SATURDAY, ~np.isin(desk, range(30, 38)))) is None


def test_a_file_of_no_day_lacks_nothing(laws) -> None:
    columns = visits([MONDAY])
    kept = columns["desk"] < 20
    few = {name: values[kept] for name, values in columns.items()}
    assert laws["desk"].find(Rows(few, SCHEMA)) is None
