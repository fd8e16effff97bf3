"""Numbers that stand still at some values do so for as long as the season lets them."""

from collections.abc import Callable

import numpy as np
import pytest

from lockstep.columns.kinds import Columns, Floats
from lockstep.columns.schema import Field, Schema
from lockstep.laws.law import Broken
from lockstep.laws.margins import calibrated
from lockstep.laws.order import Stuck, discover, resting
from lockstep.laws.rests import Stays, is_settled, rests_of
from lockstep.laws.rows import Rows, TrainingRows

DAYS, THINGS, MOMENTS = 25, 4, 96
SCHEMA = Schema(
    "Blades",
    (
        Field("id", "str", role="key"),
        Field("at", "datetime", role="event_time"),
        Field("mill", "str"),
        Field("angle", "float"),  # at 90 while there is no wind, never of all mills at once
        Field("tariff", "float"),  # another one each eight hours
    ),
)


def blades(day: int, days: int = 1, calm: float = 1.5) -> Columns:
    """The angle of each mill's blades in each quarter of an hour.

    Args:
        day: The first day.
        days: How many.
        calm: For how many hours on average each mill stands still.
    """
    size = days * MOMENTS
    generator = np.random.default_rng(day)
    angles = np.stack([_angles(generator, days, mill, calm) for mill in range(THINGS)], axis=1)
    at = np.datetime64("2021-01-01", "us") + np.timedelta64(day, "D")
    moment = np.repeat(np.arange(size), THINGS)
    return {
        "id": np.array([f"{day}-{row}" for row in range(size * THINGS)], dtype=object),
        "at": at + moment * np.timedelta64(15, "m"),
        "mill": np.tile(np.array(["A", "B", "C", "D"], dtype=object), size),
        "angle": angles.ravel(),
        "tariff": 10.0 + moment // 32 % 3,
    }


def _angles(generator: np.random.Generator, days: int, mill: int, calm: float) -> Floats:
    moving = np.cumsum(generator.normal(size=days * MOMENTS)).round(2)
    moment = np.arange(days * MOMENTS) % MOMENTS
    begins = mill * MOMENTS // THINGS
    stays = np.repeat(generator.uniform(0.5, 1.5, days) * calm * 4, MOMENTS)
    return np.where((moment >= begins) & (moment < begins + stays), 90.0, moving)


@pytest.fixture(scope="module")
def training() -> TrainingRows:
    return TrainingRows.of(Rows(blades(0, DAYS, calm=4.0), SCHEMA))


@pytest.fixture(scope="module")
def laws(training) -> list[Stuck]:
    found, _ = calibrated(discover(training))
    return [law for law in found if isinstance(law, Stuck)]


def errors(laws: list[Stuck], change: Callable[[Columns], Floats]) -> list[Broken]:
    columns = blades(DAYS, calm=4.0)
    rows = Rows({**columns, "angle": change(columns)}, SCHEMA)
    return [found for law in laws if (found := law.find(rows)) is not None and found.strict]


def hours(columns: Columns, first: int, last: int) -> np.ndarray:
    hour = columns["at"].astype("datetime64[h]").astype(np.int64) % 24
    return (hour >= first) & (hour <= last)


def test_the_value_at_which_a_number_rests_is_kept_with_the_law(laws) -> None:
    assert {law.rests.get("angle") for law in laws} == {(90.0,)}


def test_all_may_rest_for_longer_than_ever(laws) -> None:
    assert errors(laws, lambda one: np.where(hours(one, 4, 20), 90.0, one["angle"])) == []


def test_all_day_in_rest_is_no_day_on_which_nothing_moves(laws) -> None:
    assert errors(laws, lambda one: np.full(len(one["angle"]), 90.0)) == []


def test_so_may_what_is_clipped(laws) -> None:
    assert errors(laws, lambda one: np.where(hours(one, 4, 20), 120.0, one["angle"])) == []


def test_a_day_on_which_nothing_moves_is_an_error_elsewhere(laws) -> None:
    assert errors(laws, lambda one: np.full(len(one["angle"]), 3.2)) != []


@pytest.mark.parametrize("value", [3.2, 89.0])
def test_elsewhere_none_may(laws, value) -> None:
    found = errors(laws, lambda one: np.where(hours(one, 4, 20), value, one["angle"]))
    assert {one.columns for one in found} == {("angle",)}


def test_slopes_end_where_a_number_rests(training) -> None:
    assert resting(training) == {"angle"}


def test_what_moves_now_and_then_only_is_not_looked_at(laws) -> None:
    assert "tariff" not in {name for law in laws for name in law.measured}


def stays(*hours_of: tuple[float, float], told: float = 24.0) -> tuple[Stays, Floats]:
    """Stays of some values and hours, each of two rows."""
    values = np.array([value for value, _ in hours_of for _ in range(2)])
    starts = np.arange(len(hours_of)) * 2
    lengths = np.array([length for _, length in hours_of])
    return Stays(np.arange(len(values)), starts, starts + 1, lengths, told), values


@pytest.mark.parametrize(
    ("days", "values", "found"),
    [
        pytest.param([[(0.0, 6.0)], [(0.0, 7.0)]], 500, (0.0,), id="each night"),
        pytest.param([[(0.0, 6.0)], [(1.0, 7.0)]], 500, (), id="once"),
        pytest.param([[(0.0, 0.9)], [(0.0, 0.9)]], 500, (), id="for a short time"),
        pytest.param([[(0.0, 6.0)], [(0.0, 7.0)]], 8, (), id="of few values"),
        pytest.param([[(0.0, 9.0), (5.0, 1.1)]] * 2, 500, (0.0, 5.0), id="at two"),
        pytest.param(
            [[(float(value), 2.0) for value in range(60)]] * 2, 60, (), id="of whole degrees"
        ),
        pytest.param([], 500, (), id="on no day"),
    ],
)
def test_things_rest_where_they_stand_still_far_longer_than_at_other_values(
    days, values, found
) -> None:
    told = [stays(*one) for one in days]
    rests = rests_of([one for one, _ in told], [numbers for _, numbers in told], values)
    assert rests == found


def test_days_that_tell_nothing_have_no_rests() -> None:
    day, numbers = stays((0.0, 6.0))
    assert rests_of([day, None, day], [numbers] * 3, 500) == (0.0,)


@pytest.mark.parametrize(("length", "settled"), [(20.0, True), (12.0, False), (0.0, False)])
def test_what_stands_still_most_of_the_time_is_settled(length, settled) -> None:
    assert is_settled([stays((0.0, length))[0], None]) is settled
