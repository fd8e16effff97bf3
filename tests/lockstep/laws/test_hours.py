"""Events told by another clock are in other hours of the day than they were on training days."""

from __future__ import annotations

import numpy as np
import pytest

from lockstep.columns.schema import Field, Schema
from lockstep.laws.hours import UsualHours, discover
from lockstep.laws.rows import Rows, TrainingRows

DAYS = 30
SCHEMA = Schema(
    "Line", (Field("id", "str", role="key"), Field("at", "datetime", role="event_time"))
)


def lines(day: int = 0, days: int = 1, later: int = 0, receipts: int = 100) -> Rows:
    """Lines of receipts in New York from ten to eight, three a receipt.

    Args:
        day: The first day.
        days: How many days.
        later: By how many hours the times are later.
        receipts: Receipts of a day.
    """
    random = np.random.default_rng(day)
    of_day = np.repeat(np.arange(day, day + days), receipts)
    seconds = random.integers(10 * 3600, 20 * 3600, len(of_day)) + (5 + later) * 3600
    at = np.datetime64("2020-01-01", "us") + of_day * np.timedelta64(1, "D")
    at = np.repeat(at + seconds.astype("m8[s]"), 3)
    ids = np.array([f"r{number}" for number in range(len(at))], dtype=object)
    return Rows({"id": ids, "at": at}, SCHEMA, "America/New_York")


@pytest.fixture(scope="module")
def law() -> UsualHours:
    (found,) = discover(TrainingRows.of(lines(days=DAYS)))
    return found


@pytest.mark.parametrize("day", range(DAYS, DAYS + 5))
def test_a_later_day_is_in_the_usual_hours(law, day) -> None:
    assert law.find(lines(day)) is None


@pytest.mark.parametrize(
    ("later", "said"), [(-5, "5 hours behind"), (-2, "2 hours behind"), (4, "4 hours ahead")]
)
def test_another_clock_is_an_error_that_says_how_far_it_is_off(law, later, said) -> None:
    broken = law.find(lines(DAYS, later=later))

    assert broken is not None
    assert broken.columns == ("at",)
    assert broken.strict
    assert said in broken.message


def test_a_day_of_few_events_tells_nothing(law) -> None:
    assert law.measure(lines(DAYS, receipts=15)) == {}
