"""One of a few like things that is apart from the others all day."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from lockstep.columns.kinds import Columns
from lockstep.columns.schema import Field, Schema
from lockstep.laws.beside import Beside, Curve, beside, correlations, discover, goes_round, wrapped
from lockstep.laws.rows import Rows, TrainingRows

SCHEMA = Schema(
    "Interval",
    (
        Field("id", "str", role="key"),
        Field("at", "datetime", role="event_time"),
        Field("machine", "str"),
        Field("wind", "float", optional=True),
        Field("power", "float", optional=True),  # a curve of the wind
        Field("towards", "float", optional=True),  # degrees
        Field("air", "float", optional=True),  # the same for all
        Field("own", "float", optional=True),  # of each alone
    ),
)
MACHINES = ("A", "B", "C", "D")
MOMENTS, DAYS, STEP = 48, 30, np.timedelta64(30, "m")


def readings(day: int, days: int = 1) -> Columns:
    """What four machines tell each half hour, of winds that differ from one to the other."""
    parts = [_day(one) for one in range(day, day + days)]
    return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}


def _day(day: int) -> Columns:
    chance = np.random.default_rng(day)
    moment, machine = (one.ravel() for one in np.indices((MOMENTS, len(MACHINES))))
    wind = 40 + chance.normal(0, 1.5, MOMENTS).cumsum()[moment] + chance.normal(0, 1, len(moment))
    turn = chance.uniform(0, 360) + chance.normal(0, 10, MOMENTS).cumsum()
    return {
        "id": np.array([f"{day}/{a}/{b}" for a, b in zip(moment, machine, strict=True)], object),
        "at": np.datetime64("2021-01-01", "us") + np.timedelta64(day, "D") + moment * STEP,
        "machine": np.array(MACHINES, dtype=object)[machine],
        "wind": wind,
        "power": wind**2 + chance.normal(0, 10, len(wind)),
        "towards": (turn[moment] + 3 * machine + chance.normal(0, 5, len(moment))) % 360,
        "air": chance.normal(0, 1, MOMENTS)[moment],
        "own": chance.normal(0, 1, len(moment)),
    }


@pytest.fixture(scope="module")
def laws() -> dict[str, Beside]:
    found = discover(TrainingRows.of(Rows(readings(0, DAYS), SCHEMA)))
    return {"|".join(law.columns[:-2]): law for law in found}


def changed(column: str, change, day: int = DAYS) -> Rows:
    """A day on which what machine C tells is changed, moment by moment."""
    columns = readings(day)
    is_it = columns["machine"] == "C"
    columns[column][is_it] = change(columns[column][is_it])
    return Rows(columns, SCHEMA)


def test_what_tells_a_thing_and_what_a_curve_leaves_of_it_are_compared(laws) -> None:
    assert {*laws} == {"wind", "power", "towards", "wind|power", "power|wind"}
    assert [name for name, law in laws.items() if law.turns] == ["towards"]
    for law in laws.values():
        assert [law.find(Rows(readings(day), SCHEMA)) for day in (DAYS, 90, 200)] == [None] * 3


def test_a_worn_sensor_is_told_by_the_curve_and_not_by_winds_that_differ_as_much(laws) -> None:
    worn = changed("wind", lambda wind: 0.98 * wind)
    assert laws["wind"].find(worn) is None
    broken = laws["wind|power"].find(worn)
    assert broken.strict
    assert broken.columns == ("wind", "power", "machine")
    assert {*worn.columns["machine"][broken.rows]} == {"C"}
    assert "wind beyond what power tells where machine is C" in broken.message


def test_a_direction_that_is_off_is_told_wherever_north_is(laws) -> None:
    for day in range(DAYS, DAYS + 5):
        broken = laws["towards"].find(changed("towards", lambda one: (one + 40) % 360, day))
        assert broken is not None
        assert broken.columns == ("towards", "machine")


def test_what_passes_within_a_third_of_the_day_is_no_finding(laws) -> None:
    front = np.where(np.arange(MOMENTS) < MOMENTS / 3, 10.0, 0.0)
    assert laws["wind"].find(changed("wind", lambda wind: wind + front)) is None


def test_a_thing_that_rests_only_warns(laws) -> None:
    assert laws["wind"].find(changed("wind", lambda wind: wind + 30)).strict
    broken = laws["wind"].find(changed("wind", lambda wind: np.full_like(wind, 70)))
    assert broken is not None
    assert not broken.strict


def test_what_was_so_in_parts_of_training_days_only_warns_where_it_lasts_all_day() -> None:
    columns = readings(0, DAYS)
    since = columns["at"] - np.datetime64("2021-01-01")
    in_wake = (since // np.timedelta64(1, "D") % 3 == 0) & (
        since % np.timedelta64(1, "D") < 12 * STEP
    )
    columns["wind"][in_wake & (columns["machine"] == "C")] -= 10
    laws = discover(TrainingRows.of(Rows(columns, SCHEMA)))
    (law,) = (one for one in laws if one.columns == ("wind", "machine", "at"))
    broken = law.find(changed("wind", lambda wind: wind - 10))
    assert broken is not None
    assert not broken.strict
    assert law.find(changed("wind", lambda wind: wind - 20)).strict


def test_of_two_numbers_the_one_that_rests_is_suspected_first_and_only_warned_of(laws) -> None:
    broken = laws["wind|power"].find(changed("power", lambda power: np.full_like(power, 900)))
    assert broken.columns == ("power", "wind", "machine")
    assert not broken.strict


def test_a_curve_tells_nothing_in_its_end_steps_and_those_that_leave_too_much() -> None:
    curve = Curve((0.0, 2.0, 4.0, 6.0, 8.0, 10.0), (1.0, 3.0, None, 7.0, 9.0))
    told = curve.of(np.array([1.9, 2.0, 3.5, 5.0, 6.5, 7.5, 8.0, 12.0, np.nan]))
    np.testing.assert_array_equal(told, [np.nan, 2, 3.5, np.nan, 6.5, 7.5, *[np.nan] * 3])


def test_a_day_of_which_little_is_known_is_not_judged(laws) -> None:
    few = np.where(np.arange(MOMENTS) < MOMENTS / 4, 0.0, np.nan)
    measured = laws["wind"].measure(changed("wind", lambda wind: wind + few))
    assert {name.rpartition(" ")[2] for name in measured} == {"A", "B", "D"}


def test_a_number_is_told_by_the_one_that_goes_with_it_most_and_by_no_other() -> None:
    columns = readings(0, DAYS)
    chance = np.random.default_rng(1)
    columns["own"] = columns["wind"] + chance.normal(0, 0.5, len(columns["wind"]))
    found = discover(TrainingRows.of(Rows(columns, SCHEMA)))
    told = {law.columns[0]: law.columns[1] for law in found if law.curves}
    assert told == {"wind": "power", "power": "wind", "own": "wind"}
    assert len([law for law in found if law.curves]) == len(told)


@given(st.permutations(range(4)), st.integers(0, 3))
def test_correlations_are_of_ranks_and_of_what_is_known(order, missing) -> None:
    numbers = np.array([[1.0, 5.0, 2.0, 9.0]])
    alike = correlations([numbers, -np.exp(numbers), numbers[:, order]])
    np.testing.assert_allclose(alike[0, 1], 1)
    np.testing.assert_allclose(alike, alike.T)
    assert np.all((alike >= 0) & (alike <= 1 + 1e-9))
    np.testing.assert_array_equal(np.diag(alike), 0)
    known = numbers.copy()
    known[0, missing] = np.nan
    np.testing.assert_allclose(correlations([known, known])[0, 1], 1)


def test_of_two_things_none_is_told_to_be_apart() -> None:
    columns = readings(0, DAYS)
    is_kept = np.isin(columns["machine"], ["A", "B"])
    two = {name: one[is_kept] for name, one in columns.items()}
    assert discover(TrainingRows.of(Rows(two, SCHEMA))) == []


NUMBERS = arrays.arrays(
    np.float64, (4, 6), elements=st.integers(0, 359).map(float) | st.just(np.nan)
)


@given(NUMBERS, st.integers(-720, 720))
def test_what_all_have_more_is_in_no_difference(numbers, more) -> None:
    off, apart = beside(numbers, turns=False)
    moved_off, moved_apart = beside(numbers + more, turns=False)
    np.testing.assert_allclose(moved_off, off, atol=1e-9)
    np.testing.assert_allclose(moved_apart, apart, atol=1e-9)


@given(st.floats(-1e4, 1e4), st.integers(-20, 20))
def test_whole_turns_are_no_difference(degrees, turns) -> None:
    apart = wrapped(np.array([degrees + 360.0 * turns, degrees]))
    assert np.all((apart >= -180) & (apart < 180))
    assert abs(wrapped(np.diff(apart)))[0] < 1e-6


def test_numbers_that_fill_a_circle_by_chance_do_not_go_round() -> None:
    chance = np.random.default_rng(0)
    numbers = chance.uniform(0, 360, (3, 2_000))
    numbers[:, 0] = 359.5
    assert not goes_round(numbers)
    assert goes_round((numbers[:1] + chance.normal(0, 20, (3, 2_000))) % 360)
