"""A value that lasts for many days, and has passed, does not come back."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from msgspec.structs import replace

from lockstep.columns.schema import Field, Schema
from lockstep.laws.lasting import Lasts, discover
from lockstep.laws.rows import Rows, TrainingRows

DAYS, ROWS = 90, 4
SCHEMA = Schema(
    "Hour",
    (
        Field("id", "str", role="key"),
        Field("at", "datetime", role="event_time"),
        Field("season", "int"),
    ),
)


def hours(season: Callable[[int], int], first: int = 0, days: int = 1) -> Rows:
    """Hours of some days that are of a season."""
    day = np.arange(first, first + days).repeat(ROWS)
    at = np.datetime64("2021-01-05", "us") + day * np.timedelta64(1, "D")
    return Rows(
        {
            "id": np.array([f"r{number}" for number in range(len(day))], dtype=object),
            "at": at,
            "season": np.array([season(one) for one in day.tolist()]),
        },
        SCHEMA,
        day=str(at[0].astype("datetime64[D]")),
    )


def found(season: Callable[[int], int]) -> list[Lasts]:
    return discover(TrainingRows.of(hours(season, days=DAYS)))


def after(law: Lasts, said: int, *published: int) -> bool:
    """Whether a season is told of, after others that were published."""
    batches = [hours(lambda _, one=one: one, DAYS + place) for place, one in enumerate(published)]
    earlier = tuple(
        replace(one.remembered(one.day or ""), lasting={"season": law.value_of(one)})
        for one in batches
    )
    rows = hours(lambda _: said, DAYS + len(published))
    broken = law.find(Rows(rows.columns, SCHEMA, day=rows.day, earlier=earlier))
    assert broken is None or not broken.strict
    return broken is not None


@pytest.fixture(scope="module")
def law() -> Lasts:
    (one,) = found(lambda day: 1 + (day > 20) + (day > 71))
    return one


@pytest.mark.parametrize(
    ("published", "said", "is_told"),
    [
        ((), 3, False),
        ((), 4, False),
        ((), 2, True),
        ((3, 4), 3, True),
        ((3, 4), 4, False),
        ((3, 4), 1, False),  # a cycle begins anew
        ((3, 4, 1), 2, False),
        ((3, 4, 1, 2), 4, False),
        ((2, 2), 3, False),  # it was published all the same
    ],
)
def test_what_has_passed_is_told_of_when_it_comes_back(law, published, said, is_told) -> None:
    assert after(law, said, *published) is is_told


@pytest.mark.parametrize(
    "season",
    [
        lambda day: 1 + (day > 40),  # one change may go back
        lambda day: day // 30 % 2 + (day > 80),
        lambda day: 1 + day // 7 + (day > 20),  # changes often
    ],
)
def test_what_comes_back_or_changes_often_does_not_last(season) -> None:
    assert found(season) == []
