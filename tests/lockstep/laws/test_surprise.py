"""Values that are common, and less likely for what they go with than ever."""

import msgspec
import numpy as np
import pytest

from lockstep.columns.kinds import Array, Columns
from lockstep.columns.schema import Field, Schema
from lockstep.laws.rows import Rows, TrainingRows
from lockstep.laws.surprise import Surprise, discover

SCHEMA = Schema(
    "Flight",
    (
        Field("id", "str", role="key"),
        Field("at", "datetime", role="event_time"),
        Field("airline", "str"),
        Field("seats", "int"),  # of the type of the aircraft
        Field("maker", "str"),  # follows from the type
        Field("made", "int"),  # the year: three or four of each airline and type
        Field("gate", "int"),  # goes with nothing
    ),
)
ROWS, DAYS, AIRLINES, TYPES, MAKERS = 600, 60, 5, 15, 3


def flights(first: int = 0, days: int = DAYS, favoured: int = 0) -> Columns:
    """Flights of some days, the first one counted from the first of training.

    Args:
        first: The first day.
        days: How many.
        favoured: The airline that has half of the flights.
    """
    generator = np.random.default_rng(first)
    count = days * ROWS
    airline = generator.integers(0, AIRLINES, count)
    airline[generator.random(count) < 0.4] = favoured
    kind = (airline * 3 + generator.integers(0, 6, count)) % TYPES
    which = np.minimum(generator.geometric(0.5, count), 4)
    return {
        "id": np.array([f"{first}-{number}" for number in range(count)], dtype=object),
        "at": np.datetime64("2020-01-01T06", "us")
        + (first + np.arange(count) // ROWS).astype("timedelta64[D]")
        + (np.arange(count) % ROWS).astype("timedelta64[m]"),
        "airline": np.array([f"A{one}" for one in airline], dtype=object),
        "seats": 50 + 10 * kind,
        "maker": np.array([f"m{one % MAKERS}" for one in kind], dtype=object),
        "made": 1990 + (airline * 7 + kind * 5 + 3 * which) % 24,
        "gate": generator.integers(1, 40, count),
    }


@pytest.fixture(scope="module")
def laws() -> list[Surprise]:
    return discover(TrainingRows.of(Rows(flights(), SCHEMA)))


def of_a_day(first: int = DAYS, **changes: Array) -> Rows:
    return Rows({**flights(first, 1), **changes}, SCHEMA)


def found(laws: list[Surprise], rows: Rows) -> dict[str, bool]:
    """The columns that are told of, and whether that is an error."""
    broken = [one for law in laws if (one := law.find(rows)) is not None]
    return {one.columns[0]: one.strict for one in broken}


def test_what_tells_how_likely_a_column_is_is_found(laws) -> None:
    told = {law.columns[0]: {*law.columns[1:]} for law in laws}
    assert told["made"] == {"airline", "seats"}
    assert "gate" not in told


def test_a_month_does_not_tell_what_the_next_timetable_has() -> None:
    assert discover(TrainingRows.of(Rows(flights(days=31), SCHEMA))) == []


@pytest.mark.parametrize("first", range(DAYS, DAYS + 30))
def test_later_days_break_nothing(laws, first) -> None:
    assert found(laws, of_a_day(first)) == {}


def test_another_mix_of_what_determines_it_breaks_nothing(laws) -> None:
    assert found(laws, Rows(flights(DAYS, 1, favoured=3), SCHEMA)) == {}


def test_values_of_one_maker_that_are_one_off_are_an_error(laws) -> None:
    rows = of_a_day()
    made, maker = rows.columns["made"], rows.columns["maker"]
    later = np.where(maker == "m1", 1990 + (made + 1 - 1990) % 24, made)
    assert np.isin(later, flights()["made"]).all()
    (broken,) = (
        one
        for law in laws
        if law.columns[0] == "made" and (one := law.find(of_a_day(made=later))) is not None
    )
    assert broken.strict
    assert "maker is m1" in broken.message


def test_values_of_the_same_likelihood_are_no_finding(laws) -> None:
    rows = of_a_day()
    key = rows.columns["seats"] * 10 + np.unique(rows.columns["airline"], return_inverse=True)[1]
    made = rows.columns["made"].copy()
    for one in np.unique(key):
        made[key == one] = np.random.default_rng(2).permutation(made[key == one])
    assert found(laws, of_a_day(made=made)) == {}


def test_too_few_rows_of_a_segment_tell_nothing(laws) -> None:
    rows = of_a_day().take(np.arange(15))
    assert [law.measure(rows) for law in laws] == [{} for _ in laws]


def test_a_law_is_stored(laws) -> None:
    stored = msgspec.json.encode(laws)
    assert msgspec.json.encode(msgspec.json.decode(stored, type=list[Surprise])) == stored
