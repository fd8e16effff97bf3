"""Two values of a category that have each other's share are known by the shares of a day."""

from __future__ import annotations

import numpy as np
import pytest

from lockstep.columns.kinds import Columns
from lockstep.columns.schema import Field, Schema
from lockstep.laws.margins import calibrated
from lockstep.laws.rows import Rows, TrainingRows
from lockstep.laws.swaps import Swapped, discover

SCHEMA = Schema(
    "Order",
    (
        Field("id", "str", role="key"),
        Field("at", "datetime", role="event_time"),
        Field("channel", "str"),
        Field("is_paid", "bool"),
    ),
)
DAYS, ROWS = 60, 400
CHANNELS = ("app", "web", "phone", "agent")
WORKDAY, WEEKEND = (0.42, 0.24, 0.2, 0.14), (0.54, 0.36, 0.1, 0.0)


def orders(first: int, days: int = 1) -> Columns:
    """Orders of some days; agents do not work on weekends, on which others order by the app."""
    generator = np.random.default_rng(first)
    day = np.repeat(np.arange(first, first + days), ROWS)
    channel = [
        generator.choice(CHANNELS, ROWS, p=WEEKEND if one % 7 > 4 else WORKDAY)
        for one in range(first, first + days)
    ]
    return {
        "id": np.array([f"{one}-{row}" for row, one in enumerate(day)], dtype=object),
        "at": np.datetime64("2021-03-01", "us") + day.astype("timedelta64[D]"),
        "channel": np.concatenate(channel).astype(object),
        "is_paid": generator.random(len(day)) < 0.7,
    }


def day_of(number: int, **renamed: str) -> Rows:
    """A day, some of whose channels have other names."""
    columns = orders(number)
    columns["channel"] = np.array(
        [renamed.get(one, one) for one in columns["channel"]], dtype=object
    )
    return Rows(columns, SCHEMA, day=str(np.datetime64("2021-03-01") + number))


@pytest.fixture(scope="module")
def law() -> Swapped:
    (found,) = calibrated(discover(TrainingRows.of(Rows(orders(0, DAYS), SCHEMA))))[0]
    return found


@pytest.mark.parametrize("number", [63, 68], ids=["on a Monday", "on a Saturday"])
def test_two_values_that_have_each_others_share_are_told(law, number) -> None:
    broken = law.find(day_of(number, app="web", web="app"))
    assert broken.columns == ("channel",)
    assert "have each other's share of channel" in broken.message
    assert set(orders(number)["channel"][broken.rows]) == {"app", "web"}


def test_days_of_either_kind_and_one_value_in_the_place_of_another_are_no_exchange(law) -> None:
    assert [law.find(day_of(number)) for number in range(60, 75)] == [None] * 15
    assert law.find(day_of(63, web="app")) is None
