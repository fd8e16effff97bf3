"""Numbers that go round: from 350 degrees to 10 it is 20, whatever a turn is told in."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lockstep.columns.kinds import Floats
from lockstep.columns.schema import Field, Schema
from lockstep.laws.bounds import Within
from lockstep.laws.bounds import discover as bounds_of
from lockstep.laws.order import Smooth
from lockstep.laws.order import discover as orders_of
from lockstep.laws.rows import Rows, TrainingRows
from lockstep.laws.turns import around, deviation, means, turn_of, unrolled

DAYS = 25
SCHEMA = Schema(
    "Vane",
    (
        Field("id", "str", role="key"),
        Field("at", "datetime", role="event_time"),
        Field("from", "float", optional=True),
    ),
)
turns = st.sampled_from([1.0, 24.0, 2 * np.pi, 360.0])
shares = st.floats(0, 1, exclude_max=True)


def rows(values: Floats) -> Rows:
    """Values of each quarter of an hour."""
    size = len(values)
    at = np.datetime64("2021-01-01", "us") + np.arange(size) * np.timedelta64(15, "m")
    key = np.array([f"R{row}" for row in range(size)], dtype=object)
    return Rows({"id": key, "at": at, "from": values}, SCHEMA)


def directions(days: int = DAYS, seed: int = 0) -> Floats:
    """Of a vane, in turns, that goes all around."""
    steps = np.random.default_rng(seed).normal(0.003, 0.02, days * 96)
    return np.cumsum(steps) % 1


def turn(values: Floats) -> float:
    return turn_of("from", TrainingRows.of(rows(values)))


@given(turns)
def test_a_turn_is_told_by_steps_over_its_end(size) -> None:
    assert turn(directions() * size) == size


def test_a_turn_may_begin_half_a_turn_back_and_miss_values() -> None:
    values = directions() * 360 - 180
    values[::7] = np.nan
    assert turn(values) == 360


@pytest.mark.parametrize(
    "values",
    [
        pytest.param(np.random.default_rng(0).random(2_400) * 360, id="values without order"),
        pytest.param(np.abs(directions() * 720 - 360), id="back and forth"),
        pytest.param(np.random.default_rng(0).integers(0, 2, 2_400) * 1.0, id="a flag"),
        pytest.param(directions() * 300, id="less than a turn"),
        pytest.param(
            np.random.default_rng(0).beta(0.15, 0.15, 2_400).round(2), id="mostly all or nothing"
        ),
        pytest.param(np.full(2_400, np.nan), id="nothing known"),
    ],
)
def test_no_other_number_goes_round(values) -> None:
    assert turn(values) == 0


@given(turns, shares, shares)
def test_steps_go_the_shorter_way(size, one, other) -> None:
    step = around(np.array([(one - other) * size]), size)[0]
    assert abs(step) <= size / 2 * (1 + 1e-12)
    apart = (one - other - step / size) % 1
    assert min(apart, 1 - apart) == pytest.approx(0, abs=1e-9)


@given(turns, shares, st.lists(st.floats(-0.2, 0.2), min_size=1, max_size=9))
def test_means_and_deviations_do_not_depend_on_where_a_turn_begins(size, begin, apart) -> None:
    values, known = np.array(apart) * size, np.ones(len(apart), dtype=bool)
    found = means((values + begin * size) % size, known, np.zeros(1, dtype=np.int64), size)
    same = means(values % size, known, np.zeros(1, dtype=np.int64), size)
    assert around(found - same - begin * size, size)[0] == pytest.approx(0, abs=1e-6 * size)
    assert deviation((values + begin * size) % size, size) == pytest.approx(
        deviation(values % size, size), abs=1e-6 * size
    )


def test_means_are_those_of_what_is_known() -> None:
    numbers, known = np.array([350.0, 10.0, np.nan, 5.0]), np.array([True, True, False, True])
    found = means(numbers, known, np.array([0, 2, 3]), 360.0)
    assert around(found - np.array([0.0, np.nan, 5.0]), 360.0) == pytest.approx(
        [0, np.nan, 0], abs=1e-9, nan_ok=True
    )


def test_values_are_unrolled() -> None:
    assert unrolled([350.0, 10.0, 30.0], 360.0).tolist() == [350.0, 370.0, 390.0]
    assert unrolled([350.0, 10.0], 0.0).tolist() == [350.0, 10.0]


def test_a_day_of_northerly_winds_is_as_smooth_as_any() -> None:
    laws = orders_of(TrainingRows.of(rows(directions() * 360)))
    (law,) = (one for one in laws if isinstance(one, Smooth))
    assert law.turn == 360
    around_north = np.cumsum(np.random.default_rng(1).normal(0, 0.02, 96)) * 360 % 360
    assert law.find(rows(around_north)) is None
    assert law.find(rows(np.random.default_rng(1).random(96) * 360)) is not None


@pytest.mark.parametrize("further", [-360.0, 360.0])
def test_outside_of_a_turn_there_is_nothing(further) -> None:
    laws = bounds_of(TrainingRows.of(rows(directions() * 360)))
    (law,) = (one for one in laws if isinstance(one, Within))
    values = directions(1, seed=1) * 360
    assert law.find(rows(values)) is None
    values[:10] += further
    found = law.find(rows(values))
    assert found is not None
    assert found.strict
