"""Next to 0 a number lies on either side, wherever a season moves it."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lockstep.columns.kinds import Array, Columns
from lockstep.columns.schema import Field, Schema
from lockstep.laws import signs
from lockstep.laws.rows import Rows, TrainingRows
from lockstep.laws.signs import BothSigns

SCHEMA = Schema(
    "Reading",
    (
        Field("id", "str", role="key"),
        Field("at", "datetime", role="event_time"),
        Field("angle", "float", optional=True),
        Field("warmth", "float"),  # of a winter that ends
        Field("load", "float"),
    ),
)
DAYS, ROWS = 30, 200


def readings(day: int = DAYS, days: int = 1, **changes: Array) -> Columns:
    """Readings of some days."""
    generator = np.random.default_rng(day)
    of_day = np.repeat(np.arange(day, day + days), ROWS)
    return {
        "id": np.array([f"{day}-{row}" for row in range(len(of_day))], dtype=object),
        "at": np.datetime64("2021-01-01", "us") + of_day.astype("timedelta64[D]"),
        "angle": generator.normal(0, 10, len(of_day)),
        "warmth": generator.normal(0, 1, len(of_day)) + (of_day - 15) / 2,
        "load": generator.random(len(of_day)),
        **changes,
    }


@pytest.fixture(scope="module")
def law() -> BothSigns:
    (found,) = signs.discover(TrainingRows.of(Rows(readings(0, DAYS), SCHEMA)))
    return found


def test_numbers_that_a_season_moves_to_one_side_do_not_lie_on_both(law) -> None:
    assert law.columns == ("angle",)
    assert 0.2 < law.least < 0.5


@pytest.mark.parametrize(("change", "side"), [(np.abs, "below"), (lambda one: -abs(one), "above")])
def test_numbers_that_lost_their_sign_are_an_error(law, change, side) -> None:
    angle = change(readings()["angle"])
    broken = law.find(Rows(readings(angle=angle), SCHEMA, day="2021-01-31"))
    assert broken.strict
    assert f"no angle is {side} 0" in broken.message
    assert np.abs(angle[broken.rows]).max() <= law.near


@given(st.floats(-1e3, 1e3), st.floats(0.01, 100))
def test_it_takes_numbers_next_to_0_and_none_on_one_side(law, middle, spread) -> None:
    angle = middle + spread * readings()["angle"]
    near = angle[np.abs(angle) <= law.near]
    if law.find(Rows(readings(angle=angle), SCHEMA)) is not None:
        assert len(near) >= 20
        assert near.min() > 0 or near.max() < 0


def test_what_is_missing_or_is_0_is_on_no_side(law) -> None:
    for value in (0.0, np.nan):
        assert law.find(Rows(readings(angle=np.full(ROWS, value)), SCHEMA)) is None


def test_a_file_of_one_side_is_a_warning_and_one_of_few_rows_tells_nothing(law) -> None:
    columns = readings(angle=np.abs(readings()["angle"]))
    assert not law.find(Rows(columns, SCHEMA)).strict
    half = {name: values[: ROWS // 2] for name, values in columns.items()}
    assert law.find(Rows(half, SCHEMA, day="2021-01-31")) is None


@pytest.mark.parametrize("what", ["kind", "sign", "hour"])
def test_a_sign_that_another_column_tells_is_of_no_law(what) -> None:
    columns = readings(0, DAYS)
    is_above = columns["angle"] > 0
    told = {
        "kind": {"kind": np.where(is_above, "sale", "refund").astype(object)},
        "sign": {"load": np.where(is_above, 1, -1) * (1 + columns["load"])},
        "hour": {"at": columns["at"] + is_above.astype("timedelta64[h]")},
    }[what]
    fields = (*SCHEMA.fields, Field("kind", "str"))
    nothing = {"kind": np.full(len(is_above), "sale", dtype=object)}
    training = TrainingRows.of(Rows({**columns, **nothing, **told}, Schema("Booking", fields)))
    assert "angle" not in {law.columns[0] for law in signs.discover(training)}
