"""A number of an hour does not stay the same for longer than chance lets it, but where it rests."""

import msgspec
import numpy as np
import pytest

from lockstep.columns.kinds import Array, Columns
from lockstep.columns.schema import Field, Schema
from lockstep.laws import runs
from lockstep.laws.rows import Rows, TrainingRows
from lockstep.laws.runs import ShortRuns

SCHEMA = Schema(
    "Hour",
    (
        Field("id", "str", role="key"),
        Field("at", "datetime", role="event_time"),
        Field("rain", "float"),  # 0 in most hours
        Field("damp", "float", optional=True),  # percent, in whole ones
        Field("flag", "int"),  # the same all day
    ),
)
DAYS = 60


def hours(first: int = DAYS, days: int = 1) -> Columns:
    """Some days of hours, each by itself."""
    parts = [_day(day) for day in range(first, first + days)]
    return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}


def _day(day: int) -> Columns:
    generator = np.random.default_rng(day)
    is_wet = (np.arange(24) - generator.integers(24)) % 24 < 8 * (day % 2)
    return {
        "id": np.array([f"{day}-{hour}" for hour in range(24)], dtype=object),
        "at": np.datetime64("2021-01-01", "us") + np.timedelta64(24 * day, "h") + _HOURS,
        "rain": np.where(is_wet, generator.exponential(5, 24).round() / 100, 0.0),
        "damp": np.clip(60 + generator.integers(-1, 2, 24).cumsum(), 0, 100).astype(float),
        "flag": np.full(24, day % 3),
    }


_HOURS = np.arange(24).astype("timedelta64[h]")


@pytest.fixture(scope="module")
def laws() -> dict[str, ShortRuns]:
    return learnt(hours(0, DAYS))


def with_rain(rain: Array) -> Rows:
    """A wet day, with other rain."""
    return Rows({**hours(DAYS + 1), "rain": rain}, SCHEMA)


def test_a_number_rests_where_a_day_kept_it(laws) -> None:
    assert {*laws} == {"rain", "damp"}
    assert laws["rain"].rests == (0.0,)
    assert laws["damp"].rests == ()


def test_days_like_those_of_training_break_nothing(laws) -> None:
    later = [Rows(hours(day), SCHEMA) for day in range(DAYS, DAYS + 60)]
    assert [law.find(rows) for law in laws.values() for rows in later] == [None] * 120


def test_rain_that_is_added_up_or_the_largest_so_far_is_an_error(laws) -> None:
    fallen = np.where(np.arange(24) == 3, 0.07, 0.0)
    assert laws["rain"].find(with_rain(fallen)) is None
    for told in (np.cumsum(fallen), np.maximum.accumulate(fallen)):
        broken = laws["rain"].find(with_rain(told))
        assert broken.strict
        assert broken.columns == ("rain",)
        assert broken.rows.tolist() == list(range(3, 24))
        assert "rain is 0.07 for 21 moments in a row" in broken.message


def test_where_and_for_how_long_it_stands_still_is_what_may_be_accepted(laws) -> None:
    fallen = np.cumsum(np.where(np.arange(24) == 3, 0.07, 0.0))
    assert laws["rain"].find(with_rain(fallen)).cases == {"0.07": 21.0}


def test_what_is_missing_or_rests_is_not_the_same(laws) -> None:
    assert laws["rain"].find(with_rain(np.zeros(24))) is None
    assert laws["damp"].find(Rows({**hours(), "damp": np.full(24, np.nan)}, SCHEMA)) is None


def test_days_are_looked_at_one_by_one(laws) -> None:
    columns = hours(DAYS, 2)
    most = int(laws["damp"].most)
    columns["damp"][24 - most : 24 + most] = 42.0
    assert laws["damp"].find(Rows(columns, SCHEMA)) is None
    columns["damp"][24 : 24 + most + 1] = 42.0
    assert laws["damp"].find(Rows(columns, SCHEMA)) is not None


def test_a_coarse_number_that_stays_warns_and_a_fine_one_is_an_error(laws) -> None:
    fine = hours(0, DAYS)
    fine["damp"] += np.random.default_rng(0).integers(0, 100, len(fine["damp"])) / 100
    still = Rows({**hours(), "damp": np.full(24, 42.0)}, SCHEMA)
    assert not laws["damp"].find(still).strict
    assert learnt(fine)["damp"].find(still).strict


def learnt(columns: Columns) -> dict[str, ShortRuns]:
    laws = runs.discover(TrainingRows.of(Rows(columns, SCHEMA)))
    return {law.columns[0]: law for law in laws}


def test_a_number_rests_at_what_it_has_far_longer_than_others_for_part_of_a_day() -> None:
    columns = hours(0, DAYS)
    is_night = np.tile(np.arange(24) < 5, DAYS)  # of summer
    columns["rain"] = np.where(is_night, 0.0, np.random.default_rng(0).random(24 * DAYS))
    law = learnt(columns)["rain"]
    assert law.rests == (0.0,)
    winter = np.where(np.arange(24) < 16, 0.0, np.random.default_rng(1).random(24))
    assert law.find(with_rain(winter)) is None


def test_a_number_that_stays_at_another_value_each_time_does_not_rest() -> None:
    columns = hours(0, DAYS)
    is_open = np.arange(24 * DAYS) // 24 % 7 < 6
    sold = is_open & (np.arange(24 * DAYS) % 24 > 6)
    columns["rain"] = np.where(sold, np.random.default_rng(0).random(24 * DAYS), 0.0).cumsum()
    assert "rain" not in learnt(columns)


def test_a_law_that_is_stored_is_the_same(laws) -> None:
    for law in laws.values():
        assert msgspec.json.decode(msgspec.json.encode(law), type=ShortRuns) == law
