"""Which of two like numbers is which is told by all that tells them apart, on each day."""

import numpy as np
import pytest

from lockstep.columns.kinds import Columns
from lockstep.columns.schema import Field, Schema
from lockstep.laws import exchanges
from lockstep.laws.rows import Rows, TrainingRows

DAYS, A_DAY = 60, 48
SCHEMA = Schema(
    "Reading",
    (
        Field("id", "str", role="key"),
        Field("at", "datetime", role="event_time"),
        Field("load", "float"),
        Field("soon", "float"),  # what the load is to be in an hour, about
        Field("later", "float"),  # in three
        Field("noise", "float"),
        Field("other_noise", "float"),
    ),
)


def readings(day: int, days: int = 1) -> Columns:
    """Readings of every half an hour."""
    parts = [_day(one) for one in range(day, day + days)]
    return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}


def _day(day: int) -> Columns:
    random = np.random.default_rng(day)
    wave = np.convolve(random.normal(size=A_DAY + 20), np.ones(8) / np.sqrt(8), "valid")
    load = 10 + wave[:A_DAY] + random.normal(0, 0.3, A_DAY)
    soon, later = (10 + wave[by : A_DAY + by] + random.normal(0, 0.5, A_DAY) for by in (2, 6))
    at = np.datetime64("2021-01-01", "m") + day * 1_440 + np.arange(A_DAY) * 30
    return {
        "id": np.array([f"R{day}-{row}" for row in range(A_DAY)], dtype=object),
        "at": at.astype("datetime64[us]"),
        "load": load,
        "soon": soon,
        "later": later,
        "noise": random.normal(10, 1, A_DAY),
        "other_noise": random.normal(10, 1, A_DAY),
    }


def rows_of(columns: Columns, day: str | None = "2021-04-11") -> Rows:
    return Rows(columns, SCHEMA, day=day)


@pytest.fixture(scope="module")
def laws() -> dict[tuple[str, ...], exchanges.Exchanged]:
    training = TrainingRows.of(Rows(readings(0, DAYS), SCHEMA))
    return {law.columns: law for law in exchanges.discover(training)}


def test_numbers_that_are_told_apart_each_day_are_found(laws):
    assert ("soon", "later") in laws
    assert laws["soon", "later"].is_strict


def test_what_nothing_tells_apart_is_not(laws):
    assert ("noise", "other_noise") not in laws


@pytest.mark.parametrize("day", range(100, 110))
def test_days_that_go_on_as_before_break_nothing(laws, day):
    assert [law.columns for law in laws.values() if law.find(rows_of(readings(day)))] == []


def test_numbers_that_are_exchanged_are_an_error(laws):
    columns = readings(100)
    columns["soon"], columns["later"] = columns["later"], columns["soon"]
    broken = laws["soon", "later"].find(rows_of(columns))
    assert broken is not None
    assert broken.strict
    assert broken.columns == ("soon", "later")


def test_of_a_file_of_no_day_it_is_unusual_only(laws):
    columns = readings(100)
    columns["soon"], columns["later"] = columns["later"], columns["soon"]
    broken = laws["soon", "later"].find(rows_of(columns, day=None))
    assert broken is not None
    assert not broken.strict


def test_a_day_of_few_rows_is_not_judged(laws):
    columns = {name: one[:5] for name, one in readings(100).items()}
    assert laws["soon", "later"].looks_at(rows_of(columns)) == 0


@pytest.mark.parametrize(
    ("sums", "rows"),
    [([1.0, 0.5, 1.5, 1.0], [10, 10, 10, 10]), ([1.0, 1.2, 0.2, 1.8], [100, 100, 10, 10])],
    ids=["days of one size", "the fewer the farther"],
)
def test_days_of_fewer_rows_may_lie_farther_off_and_never_nearer(sums, rows):
    spread = exchanges.Spread.of(np.array(sums), np.array(rows))
    assert spread.at(10) >= spread.at(100) > 0
