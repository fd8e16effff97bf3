"""Segments that move together do so in the same hour."""

import numpy as np
import pytest

from lockstep.columns.kinds import Columns
from lockstep.columns.schema import Field, Schema
from lockstep.laws.lags import TRIED_DAYS, Apart, InStep, discover
from lockstep.laws.rows import Rows, TrainingRows

SCHEMA = Schema(
    "Reading",
    (
        Field("id", "str", role="key"),
        Field("at", "datetime", role="event_time"),
        Field("place", "str"),
        Field("pressure", "float", optional=True),
    ),
)
HOURS, ROWS = 18, 3
PLACES = ("hill", "shore", "town")
DAYS = 30


def readings(day: int, days: int = 1, alike: float = 1.0) -> Columns:
    """Three readings an hour of three places, whose pressures go together, or do not.

    Args:
        day: The first day.
        days: How many days.
        alike: By how much they share what moves them.
    """
    parts = [_day(one, alike) for one in range(day, day + days)]
    return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}


def _day(day: int, alike: float) -> Columns:
    generator = np.random.default_rng(day)
    shared = generator.normal(0, 1, HOURS).cumsum()
    own = generator.normal(0, 1, (len(PLACES), HOURS)).cumsum(axis=1)
    pressure = 1010 + alike * shared + (1 - alike) * own
    pressure += generator.normal(0, 0.2, pressure.shape)
    place, hour, _ = (one.ravel() for one in np.indices((len(PLACES), HOURS, ROWS)))
    at = np.datetime64("2020-01-01T05", "us") + np.timedelta64(day, "D")
    minutes = hour * 60 + generator.integers(0, 60, len(hour))
    return {
        "id": np.array([f"{day}-{number}" for number in range(len(place))], dtype=object),
        "at": at + minutes.astype("timedelta64[m]"),
        "place": np.array(PLACES, dtype=object)[place],
        "pressure": pressure[place, hour],
    }


def laws(alike: float) -> list[InStep]:
    return discover(TrainingRows.of(Rows(readings(0, DAYS, alike), SCHEMA)))


@pytest.fixture(scope="module")
def law() -> InStep:
    (found,) = laws(1.0)
    return found


def late(hours: int) -> Rows:
    """A day on which one place has what it had some hours before, and nothing at first."""
    rows = readings(DAYS)
    pressure = rows["pressure"].copy()
    shore = np.flatnonzero(rows["place"] == "shore")
    pressure[shore] = np.roll(pressure[shore], hours * ROWS)
    pressure[shore[: hours * ROWS]] = np.nan
    return Rows({**rows, "pressure": pressure}, SCHEMA)


def test_places_that_move_together_are_in_step(law) -> None:
    assert (law.sensors, law.category) == (("pressure",), "place")
    assert law.find(Rows(readings(DAYS), SCHEMA)) is None


@pytest.mark.parametrize("hours", [3, 5])
def test_a_place_by_another_clock_is_named_with_its_rows_and_the_hours(law, hours) -> None:
    rows = late(hours)
    broken = law.find(rows)
    assert broken.columns == ("pressure", "at")
    assert {*rows.columns["place"][broken.rows]} == {"shore"}
    assert f"where place is shore goes with what the others had {hours} hours before" in (
        broken.message
    )


def test_places_with_weathers_of_their_own_are_not_held_against_each_other() -> None:
    assert laws(0.0) == []


@pytest.mark.parametrize("hours", [2, 7])
def test_a_day_of_few_hours_is_not_judged(law, hours) -> None:
    rows = readings(DAYS)
    is_early = rows["at"] < np.datetime64("2020-01-31T05") + np.timedelta64(hours, "h")
    assert law.measure(Rows({name: one[is_early] for name, one in rows.items()}, SCHEMA)) == {}


def test_of_a_grid_moments_are_compared_and_not_hours() -> None:
    def grid(day: int, late: int = 0) -> Columns:
        chance = np.random.default_rng(day)
        gusts = chance.normal(0, 1, 72).cumsum()
        place, moment = (one.ravel() for one in np.indices((len(PLACES), 72)))
        pressure = gusts[np.maximum(moment - np.where(place == 1, late, 0), 0)]
        at = np.datetime64("2020-01-01", "us") + np.timedelta64(day, "D")
        return {
            "id": np.array([f"{day}-{one}" for one in range(len(place))], dtype=object),
            "at": at + moment * np.timedelta64(20, "m"),
            "place": np.array(PLACES, dtype=object)[place],
            "pressure": pressure + chance.normal(0, 0.2, len(place)),
        }

    days = [grid(day) for day in range(DAYS)]
    training = {name: np.concatenate([day[name] for day in days]) for name in days[0]}
    (law,) = discover(TrainingRows.of(Rows(training, SCHEMA)))
    assert not law.hourly
    assert law.find(Rows(grid(DAYS), SCHEMA)) is None
    broken = law.find(Rows(grid(DAYS, late=3), SCHEMA))
    assert "where place is shore goes with what the others had 3 moments before" in broken.message


def test_a_column_is_held_against_others_once_a_day_and_late_once_for_all_places(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    made, of = [], Apart.of
    monkeypatch.setattr(Apart, "of", lambda *both: made.append(0) or of(*both))
    assert len(laws(1.0)) == 1
    assert len(made) == DAYS + TRIED_DAYS
