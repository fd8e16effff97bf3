"""Numbers are new at each moment of a day, but for as many as come again by chance."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from lockstep.columns.kinds import Columns
from lockstep.columns.schema import Field, Schema
from lockstep.laws.book import Book, discover
from lockstep.laws.earlier import Digests, Earlier
from lockstep.laws.renewed import KEPT, Renewed
from lockstep.laws.renewed import discover as discover_renewed
from lockstep.laws.rows import Rows, TrainingRows

SCHEMA = Schema(
    "Reading",
    (
        Field("id", "str", role="key"),
        Field("at", "datetime", role="event_time"),
        Field("house", "str"),
        Field("panels", "float"),  # of a house, each day
        Field("used", "float"),  # of a house and an hour
        Field("sun", "float"),  # of a house and an hour, nothing at night
        Field("warmth", "float", optional=True),  # of an hour, in whole degrees
    ),
)
DAYS, TODAY = 30, 40
DAY = "2021-02-10"  # today
HOUSES = np.array(["H1", "H2", "H3"], dtype=object)


def readings(day: int = TODAY, days: int = 1) -> Columns:
    """What each house used in each hour, with the weather of the hour."""
    parts = [_day(one) for one in range(day, day + days)]
    return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}


def _day(day: int) -> Columns:
    generator = np.random.default_rng(day)
    hour, house = np.repeat(np.arange(24), len(HOUSES)), np.tile(np.arange(len(HOUSES)), 24)
    is_light = (hour >= 7) & (hour < 19)
    at = np.datetime64("2021-01-01", "us") + np.timedelta64(day, "D")
    warmth = np.round(
        generator.normal(0, 8) + 6 * np.sin(hour / 4) + generator.normal(size=24)[hour]
    )
    return {
        "id": np.array([f"{day}-{number}" for number in range(len(hour))], dtype=object),
        "at": at + hour.astype("timedelta64[h]"),
        "house": HOUSES[house],
        "panels": 2.0 + house,
        "used": generator.gamma(2, 1, len(hour)).round(2),
        "sun": np.where(is_light, generator.gamma(4, 50, len(hour)).round(1), 0.0),
        "warmth": warmth,
    }


@pytest.fixture(scope="module")
def book() -> Book:
    return discover(readings(0, DAYS), SCHEMA)


@pytest.fixture(scope="module")
def laws(book) -> dict[str, Renewed]:
    return {law.columns[0]: law for law in book.laws if isinstance(law, Renewed)}


def test_values_at_which_a_number_rests_do_not_come_again() -> None:
    columns = readings(0, DAYS)
    hour = columns["at"].astype("datetime64[h]").astype(np.int64) % 24
    columns["used"] = np.where(hour < 8, 1.0, np.where(hour < 15, 2.0, columns["used"]))
    (law,) = (one for one in learnt(columns) if one.columns[0] == "used")
    assert law.usual < 0.2


def learnt(columns: Columns) -> list[Renewed]:
    return discover_renewed(TrainingRows.of(Rows(columns, SCHEMA)))


@pytest.fixture(scope="module")
def earlier(book) -> tuple[Earlier, ...]:
    days = range(TODAY - 20, TODAY)
    return tuple(book.remembered(Rows(readings(day), SCHEMA), f"day {day}") for day in days)


def as_on(day: int, column: str, where: np.ndarray | bool = True) -> Columns:
    """Today's readings, a column of which is that of another day, in some rows."""
    today = readings()
    return {**today, column: np.where(where, readings(day)[column], today[column])}


def test_a_number_is_new_at_each_hour_or_at_each_of_a_house(laws):
    assert laws["used"].says == "used is new each day at each house and time of day of at"
    assert laws["warmth"].says == "warmth is new each day at each hour of at"


def test_what_is_the_same_each_day_is_never_new(laws):
    assert "panels" not in laws


def test_a_day_that_is_new_breaks_nothing(laws, earlier):
    rows = Rows(readings(), SCHEMA, earlier=earlier)

    assert [law for law in laws.values() if law.find(rows)] == []
    assert all(law.looks_at(rows) == len(rows) for law in laws.values())


@pytest.mark.parametrize("column", ["used", "sun", "warmth"])
@pytest.mark.parametrize("before", [1, 2, 14])
def test_a_column_of_a_day_before_is_an_error(laws, earlier, column, before):
    rows = Rows(as_on(TODAY - before, column), SCHEMA, day=DAY, earlier=earlier)

    found = laws[column].find(rows)

    assert found is not None
    assert found.strict
    assert found.columns[0] == column
    assert f"on day {TODAY - before};" in found.message
    assert [name for name, law in laws.items() if law.find(rows)] == [column]


def test_a_file_of_no_day_may_hold_one_before_corrected(laws, earlier):
    rows = Rows(as_on(TODAY - 1, "used"), SCHEMA, earlier=earlier)

    found = laws["used"].find(rows)

    assert found is not None
    assert not found.strict


def ending(day: int) -> Columns:
    """The readings of a day by where hours end: the last ones are stamped with the next day."""
    both = readings(day, 2)
    return {name: one[len(HOUSES) : (24 + 1) * len(HOUSES)] for name, one in both.items()}


def test_rows_of_the_next_midnight_are_none_of_the_day(book, laws):
    yesterday = Rows(ending(TODAY - 1), SCHEMA, day="2021-02-09")
    before = book.remembered(yesterday, "yesterday")
    copied = {**ending(TODAY), "used": ending(TODAY - 1)["used"]}

    clean = Rows(ending(TODAY), SCHEMA, day=DAY, earlier=(before,))
    found = laws["used"].find(Rows(copied, SCHEMA, day=DAY, earlier=(before,)))

    assert laws["used"].looks_at(clean) == len(clean)
    assert laws["used"].find(clean) is None
    assert found is not None
    assert found.strict
    assert found.numbers["values of a day before"] >= 60  # of 69, without the commonest value


def test_what_a_longer_time_ago_was_so_is_new(laws, earlier):
    rows = Rows(as_on(TODAY - 15, "used"), SCHEMA, earlier=earlier)

    assert laws["used"].find(rows) is None


def test_the_rows_that_were_not_renewed_are_told(laws, earlier):
    is_of_one = readings()["house"] == "H2"
    rows = Rows(as_on(TODAY - 1, "used", is_of_one), SCHEMA, earlier=earlier)

    found = laws["used"].find(rows)

    assert found is not None
    assert not found.strict  # a third of the rows
    assert np.count_nonzero(is_of_one[found.rows]) >= 22
    assert len(found.rows) <= 26


def test_the_commonest_value_of_a_day_tells_nothing(laws, earlier):
    is_night = readings()["sun"] == 0
    rows = Rows(as_on(TODAY - 1, "sun", is_night), SCHEMA, earlier=earlier)

    assert laws["sun"].find(rows) is None


def test_a_value_that_is_missing_is_not_the_same_again(book, laws):
    nothing = {**readings(), "warmth": np.full(72, np.nan)}
    before = book.remembered(Rows(nothing, SCHEMA), "yesterday")

    assert laws["warmth"].find(Rows(nothing, SCHEMA, earlier=(before,))) is None


def test_of_several_days_or_without_a_day_before_nothing_is_told(laws, earlier):
    several = Rows(readings(TODAY, 2), SCHEMA, earlier=earlier)
    alone = Rows(readings(), SCHEMA)

    assert laws["used"].looks_at(several) == 0
    assert laws["used"].looks_at(alone) == 0
    assert laws["used"].find(alone) is None


def test_batches_of_an_older_version_tell_nothing(laws, earlier):
    kept = tuple(replace_held(one) for one in earlier)

    assert laws["used"].find(Rows(as_on(TODAY - 1, "used"), SCHEMA, earlier=kept)) is None


def replace_held(batch: Earlier) -> Earlier:
    return Earlier(batch.partition, batch.rows, batch.outside, batch.keys, batch.contents)


@given(st.integers(2 * KEPT, 5 * KEPT), st.floats(0, 1), st.integers(0, 2**32 - 1))
@settings(max_examples=30, deadline=None)
def test_digests_of_a_part_tell_the_share_that_is_there_again(count, share, seed):
    generator = np.random.default_rng(seed)
    before = generator.integers(0, 2**64, count, dtype=np.uint64)
    is_again = generator.random(count) < share
    today = np.where(is_again, before, generator.integers(0, 2**64, count, dtype=np.uint64))

    copies, is_told = Digests.of(before, KEPT).hold(today)

    assert abs(copies.sum() / is_told.sum() - is_again.mean()) < 0.1


VISITS = Schema(
    "Visit",
    (
        Field("id", "str", role="key"),
        Field("at", "datetime", role="event_time"),
        Field("place", "str"),
        Field("before", "float"),  # of the visit before
        Field("bid", "float"),
    ),
)
MONDAY = 42


def visits(day: int) -> Columns:
    """Visits of sixty places, of eight of them on Sundays."""
    generator = np.random.default_rng((1, day))
    place = generator.permutation(60)[: 8 if day % 7 == 6 else 60]
    start = np.datetime64("2021-01-04", "us") + np.timedelta64(day, "D")
    return {
        "id": np.array([f"{day}-{one}" for one in place], dtype=object),
        "at": start + np.arange(len(place)) // 2 * np.timedelta64(30, "m"),
        "place": np.array([f"place {one}" for one in place], dtype=object),
        "before": generator.normal(20, 5, len(place)).round(3),
        "bid": generator.normal(20, 5, len(place)).round(3),
    }


def together(days: range) -> Columns:
    parts = [visits(day) for day in days]
    return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}


@pytest.fixture(scope="module")
def of_places() -> Renewed:
    laws = discover_renewed(TrainingRows.of(Rows(together(range(MONDAY - 7)), VISITS)))
    return next(law for law in laws if law.columns == ("before", "place"))


def monday(law: Renewed, like_sunday: int) -> Rows:
    """A Monday, on which some of the places that were there on Sunday have what they had then."""
    sunday, columns = visits(MONDAY - 1), visits(MONDAY)
    had = dict(zip(sunday["place"][:like_sunday], sunday["before"], strict=False))
    pairs = zip(columns["place"], columns["before"], strict=True)
    columns["before"] = np.array([had.get(place, before) for place, before in pairs])
    rows = Rows(sunday, VISITS)
    batch = replace(rows.remembered("2021-02-14"), held=law.remembered(rows))
    return Rows(columns, VISITS, "UTC", "2021-02-15", (batch,))


def test_what_few_things_had_on_a_small_day_before_is_not_renewed(of_places):
    broken = of_places.find(monday(of_places, 8))
    assert broken.strict
    assert len(broken.rows) == 7  # without the commonest one
    assert "that was there on 2021-02-14, too" in broken.message


def test_what_was_not_renewed_can_be_accepted(of_places):
    assert of_places.find(monday(of_places, 8)).cases == {"values": 7 / 8}


@pytest.mark.parametrize("like_sunday", [0, 2])
def test_a_few_things_may_have_what_they_had(of_places, like_sunday):
    assert of_places.find(monday(of_places, like_sunday)) is None
