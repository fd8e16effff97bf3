"""Names that are found together as ever, and names that are dealt to other rows."""

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from lockstep.columns.kinds import Array, Columns
from lockstep.columns.schema import Field, Schema
from lockstep.laws.marks import Marks
from lockstep.laws.names import PairsOfNames, discover
from lockstep.laws.rows import Rows, TrainingRows

SCHEMA = Schema(
    "Look",
    (
        Field("id", "str", role="key"),
        Field("at", "datetime", role="event_time"),
        Field("market", "int"),
        Field("market_code", "str"),  # another name of the market
        Field("hotel", "int"),  # five or six of each market, some more seldom than others
        Field("offer", "str"),  # goes with the market, with others from the middle of training on
        Field("user", "int"),  # goes with nothing
        Field("degrees", "float"),  # of the hour, for all rows
    ),
)
ROWS, DAYS, MARKETS, HOTELS = 240, 40, 60, 40
HALF = DAYS // 2


def looks(first: int = 0, days: int = DAYS) -> Columns:
    """Looks of some days, the first one counted from the first of training."""
    generator = np.random.default_rng(first)
    count = days * ROWS
    day, minute = first + np.arange(count) // ROWS, 4 * (np.arange(count) % ROWS)
    market = (MARKETS * generator.random(count) ** 2).astype(np.int64)
    which = generator.geometric(0.4, count)
    season = (day >= HALF).astype(np.int64)
    degrees = np.random.default_rng(7).normal(60, 9, (DAYS + 100, 24)).round(0)
    return {
        "id": np.array([f"{first}-{number}" for number in range(count)], dtype=object),
        "at": np.datetime64("2020-01-01T06", "us")
        + day.astype("timedelta64[D]")
        + minute.astype("timedelta64[m]"),
        "market": market,
        "market_code": np.array([f"M{one:03}" for one in market], dtype=object),
        "hotel": (market * 17 + which * which) % HOTELS,
        "offer": np.array([f"o{one}" for one in (market * 7 + which + 9 * season) % 45], object),
        "user": generator.integers(0, 50, count),
        "degrees": degrees[day, minute // 60],
    }


@pytest.fixture(scope="module")
def laws() -> list[PairsOfNames]:
    return discover(TrainingRows.of(Rows(looks(), SCHEMA)))


def of_a_day(first: int = DAYS, **changes: Array) -> Rows:
    return Rows({**looks(first, 1), **changes}, SCHEMA)


def found(laws: list[PairsOfNames], rows: Rows) -> dict[tuple[str, ...], bool]:
    """The columns that are told of, and whether that is an error."""
    broken = [one for law in laws if (one := law.find(rows)) is not None]
    return {one.columns: one.strict for one in broken}


def test_names_that_go_together_are_found_and_no_others(laws) -> None:
    assert [law.columns for law in laws] == [("market", "hotel")]


@pytest.mark.parametrize("first", range(DAYS, DAYS + 30))
def test_later_days_break_nothing(laws, first) -> None:
    assert found(laws, of_a_day(first)) == {}


def test_names_dealt_to_other_rows_are_an_error(laws) -> None:
    hotel = np.random.default_rng(1).permutation(of_a_day().columns["hotel"])
    assert found(laws, of_a_day(hotel=hotel)) == {("market", "hotel"): True}


def test_a_block_that_is_off_by_a_row_is_an_error(laws) -> None:
    hotel = of_a_day().columns["hotel"].copy()
    hotel[100:160] = np.roll(hotel[100:160], 1)
    assert found(laws, of_a_day(hotel=hotel)) == {("market", "hotel"): True}


def test_a_new_pair_is_counted_once_however_many_rows_have_it(laws) -> None:
    rows = of_a_day()
    market, hotel = rows.columns["market"], rows.columns["hotel"].copy()
    seen = set(zip(looks()["market"].tolist(), looks()["hotel"].tolist(), strict=True))
    often = int(np.bincount(market).argmax())
    hotel[market == often] = next(one for one in range(HOTELS) if (often, one) not in seen)
    assert np.count_nonzero(market == often) > ROWS / 10
    assert found(laws, of_a_day(hotel=hotel)) == {}


def test_rows_with_new_pairs_are_told(laws) -> None:
    hotel = of_a_day().columns["hotel"].copy()
    hotel[100:160] = np.roll(hotel[100:160], 1)
    (broken,) = (law.find(of_a_day(hotel=hotel)) for law in laws)
    assert broken is not None
    assert np.mean((broken.rows >= 100) & (broken.rows < 160)) > 0.9


def test_names_that_training_hardly_had_are_not_judged(laws) -> None:
    hotel = of_a_day().columns["hotel"] + 1_000
    assert [law.measure(of_a_day(hotel=hotel)) for law in laws] == [{}]


def test_a_law_is_stored(laws) -> None:
    stored = msgspec.json.encode(laws)
    assert msgspec.json.encode(msgspec.json.decode(stored, type=list[PairsOfNames])) == stored


@given(arrays.arrays(np.uint64, st.integers(0, 50), elements=st.integers(0, 2**64 - 1)))
def test_marks_hold_what_they_are_made_of(digests) -> None:
    assert Marks.of(digests).hold(digests).all()


@given(
    arrays.arrays(np.uint64, 20, elements=st.integers(0, 2**31)),
    arrays.arrays(np.uint64, 20, elements=st.integers(2**31 + 1, 2**32 - 1)),
)
def test_marks_hold_nothing_else(known, others) -> None:
    high = np.uint64(32)
    assert not Marks.of(known << high).hold(others << high).any()
