"""Rows are new, of their day, and no copies: as far as training days were."""

from collections.abc import Mapping
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lockstep.columns.kinds import Columns
from lockstep.columns.schema import Field, Schema
from lockstep.laws.earlier import Digests, Earlier, digests_of
from lockstep.laws.identity import NewContent, NewKeys, OwnDay, discover
from lockstep.laws.rows import Rows, TrainingRows

SCHEMA = Schema(
    "Sale",
    (
        Field("id", "str", role="key"),
        Field("at", "datetime", role="event_time"),
        Field("till", "int"),
        Field("price", "float", optional=True),
    ),
)
START = np.datetime64("2020-01-01", "us")
Identity = NewKeys | OwnDay | NewContent


def sales(days: range = range(25), rows: int = 40) -> Columns:
    """Sales in New York; of each day's, the first two are alike but for their key."""
    day = np.repeat(np.array(days), rows)
    generator = np.random.default_rng(days.start)
    price = generator.normal(size=len(day))
    price[1::rows] = price[0::rows]
    minutes = generator.integers(0, 1440, len(day)) + 5 * 60
    return {
        "id": np.array([f"{one}-{number % rows}" for number, one in enumerate(day)], dtype=object),
        "at": START + day.astype("timedelta64[D]") + minutes.astype("timedelta64[m]"),
        "till": np.arange(len(day)) % rows // 2,
        "price": price,
    }


def laws_of(columns: Columns) -> Mapping[type[Identity], Identity]:
    rows = Rows(columns, SCHEMA, "America/New_York")
    return {type(law): law for law in discover(TrainingRows.of(rows))}


@pytest.fixture(scope="module")
def laws() -> Mapping[type[Identity], Identity]:
    return laws_of(sales())


def day_of(number: int, earlier: tuple[Earlier, ...] = (), **changes: np.ndarray) -> Rows:
    day = str(START.astype("datetime64[D]") + number)
    columns = {**sales(range(number, number + 1)), **changes}
    return Rows(columns, SCHEMA, "America/New_York", day, earlier)


def published(*numbers: int) -> tuple[Earlier, ...]:
    days = [day_of(number) for number in numbers]
    return tuple(rows.remembered(rows.day or "") for rows in days)


BEFORE = published(25, 26, 27, 28, 29)


def test_a_new_day_is_new_and_of_its_day(laws) -> None:
    assert [law.find(day_of(30, BEFORE)) for law in laws.values()] == [None] * 3


def test_keys_of_another_day_are_named_with_it(laws) -> None:
    ids = day_of(30).columns["id"].copy()
    ids[3] = "28-3"
    broken = laws[NewKeys].find(day_of(30, BEFORE, id=ids))
    assert (broken.rows.tolist(), broken.strict) == ([3], True)
    assert "in 2020-01-29" in broken.message


def test_keys_of_training_rows_are_old_unless_a_training_day_comes_again(laws) -> None:
    ids = day_of(30).columns["id"].copy()
    ids[3] = "7-3"
    assert laws[NewKeys].find(day_of(30, id=ids)).rows.tolist() == [3]
    assert laws[NewKeys].find(day_of(7)) is None


def test_a_file_may_come_corrected_under_another_name(laws) -> None:
    rows = Rows(sales(range(30, 31)), SCHEMA, "America/New_York", None, published(30))
    assert not laws[NewKeys].find(rows).strict


def test_a_share_of_rows_of_other_days_that_is_usual_breaks_nothing(laws) -> None:
    at = day_of(30).columns["at"].copy()
    at[:4] += np.timedelta64(1, "D")
    rows = day_of(30, BEFORE, at=at)
    broken = laws[OwnDay].find(rows)
    assert (broken.rows.tolist(), broken.strict) == ([0, 1, 2, 3], True)
    assert "but of 2020-02-01 (4)" in broken.message
    usual = (*BEFORE, rows.remembered("2020-01-31"))
    assert laws[OwnDay].find(day_of(30, usual, at=at)) is None


def test_on_the_first_days_only_rows_of_known_days_are_certainly_wrong(laws) -> None:
    late = day_of(30).columns["at"] + np.timedelta64(1, "D")
    assert not laws[OwnDay].find(day_of(30, at=late)).strict
    assert laws[OwnDay].find(day_of(25, at=day_of(24).columns["at"])).strict


def test_copies_under_other_keys_are_found_within_and_across_batches(laws) -> None:
    assert laws[NewContent].find(day_of(30, BEFORE)) is None
    price = day_of(30).columns["price"].copy()
    till = day_of(30).columns["till"].copy()
    price[20:], till[20:] = price[:20], till[:20]
    within = laws[NewContent].find(day_of(30, BEFORE, price=price, till=till))
    assert (len(within.rows), within.strict) == (21, True)
    again = day_of(28).columns
    across = laws[NewContent].find(day_of(30, BEFORE, price=again["price"], till=again["till"]))
    assert (len(across.rows), across.strict) == (40, True)
    assert within.columns == ("id",)
    assert across.columns == ("id", "price")  # tills are the same ones every day


def test_copies_of_days_before_are_found_under_numbers_that_are_new_each_day() -> None:
    def numbered(days: range) -> Rows:
        columns = sales(days)
        columns["till"] = 5_000 + np.repeat(np.array(days), 40) * 20 + columns["till"]
        return Rows(columns, SCHEMA, "America/New_York", str(START.astype("M8[D]") + days.start))

    law = next(
        one for one in laws_of(numbered(range(25)).columns).values() if isinstance(one, NewContent)
    )
    day, next_day = numbered(range(29, 30)), numbered(range(30, 31))
    next_day.columns["price"][:] = day.columns["price"]
    broken = law.find(replace(next_day, earlier=(day.remembered("2020-01-30", law.dated),)))

    assert law.dated == ("till",)
    assert broken is not None
    assert broken.columns == ("id", "till", "price")
    assert "but for key, event time and till, all values of rows of days before" in broken.message


def test_copies_of_days_before_are_found_whose_times_were_moved_to_the_day() -> None:
    schema = Schema("Sale", (*SCHEMA, Field("due", "datetime")))

    def due(days: range) -> Rows:
        columns = sales(days)
        columns["due"] = columns["at"] + (columns["till"] + 1).astype("timedelta64[D]")
        return Rows(columns, schema, "America/New_York", str(START.astype("M8[D]") + days.start))

    found = discover(TrainingRows.of(due(range(25))))
    (law,) = (one for one in found if isinstance(one, NewContent))
    day, next_day = due(range(29, 30)), due(range(30, 31))
    next_day.columns["price"][:] = day.columns["price"]
    broken = law.find(replace(next_day, earlier=(day.remembered("2020-01-30", law.dated),)))

    assert law.dated == ("due",)
    assert (len(broken.rows), broken.strict) == (40, True)


def test_copies_within_a_day_are_found_whose_times_were_moved() -> None:
    schema = Schema("Sale", (*SCHEMA.fields, Field("paid_at", "datetime")))
    training = sales(range(25))
    training["price"] = np.random.default_rng(1).normal(size=len(training["price"]))
    training["paid_at"] = training["at"] + np.timedelta64(90, "m")
    training_rows = TrainingRows.of(Rows(training, schema, "America/New_York"))
    (law,) = (one for one in discover(training_rows) if isinstance(one, NewContent))
    assert (law.dated, law.moved) == (("paid_at",), 0.0)

    day = sales(range(30, 31))
    day["price"] = np.random.default_rng(2).normal(size=40)
    day["paid_at"] = day["at"] + np.timedelta64(90, "m")
    again = {name: values[:5] for name, values in day.items()}
    later = np.timedelta64(3, "m")
    again |= {"at": again["at"] + later, "paid_at": again["paid_at"] + later}
    again["id"] = np.array([f"again-{row}" for row in range(5)], dtype=object)
    both = {name: np.concatenate([values, again[name]]) for name, values in day.items()}
    assert law.find(Rows(day, schema, "America/New_York", "2020-01-31")) is None
    broken = law.find(Rows(both, schema, "America/New_York", "2020-01-31"))
    assert (broken.rows.tolist(), broken.strict) == (list(range(40, 45)), True)


def test_a_single_copy_warns_in_a_small_day() -> None:
    columns = sales()
    columns["price"] = np.random.default_rng(3).normal(size=len(columns["price"]))
    (law,) = (one for one in laws_of(columns).values() if isinstance(one, NewContent))
    day = day_of(30, price=np.random.default_rng(4).normal(size=40)).columns
    places = np.r_[np.arange(40), 0]
    one = {name: values[places] for name, values in day.items()}
    one["id"] = np.array([f"new {row}" for row in range(41)], dtype=object)
    broken = law.find(Rows(one, SCHEMA, "America/New_York", "2020-01-31"))
    assert (broken.rows.tolist(), broken.strict) == ([40], False)
    assert law.find(Rows(one, SCHEMA, "America/New_York")) is None


def test_a_day_that_is_a_copy_of_another_one_in_the_same_batch_is_found(laws) -> None:
    days = sales(range(30, 33))
    for name in ("till", "price"):
        days[name][80:] = days[name][:40]
    broken = laws[NewContent].find(Rows(days, SCHEMA, "America/New_York"))
    assert broken is not None
    assert broken.rows.tolist() == list(range(80, 120))


def test_rows_of_few_values_that_differ_within_a_day_may_come_again_on_other_days() -> None:
    few = sales()
    few["price"] = np.arange(len(few["id"])) % 40.0
    laws = laws_of(few)
    assert laws[NewContent].find(Rows(few, SCHEMA, "America/New_York")) is None


def test_where_most_rows_are_alike_anyway_copies_say_nothing() -> None:
    columns = sales()
    columns["price"][:] = 1.0
    columns["till"][:] = 1
    assert NewContent not in laws_of(columns)


@given(st.lists(st.integers(0, 2**64 - 1), unique=True), st.integers(0, 2**64 - 1))
def test_digests_hold_what_they_were_made_of(digests: list[int], other: int) -> None:
    held, _ = Digests.of(np.array(digests, dtype=np.uint64)).hold(
        np.array([*digests, other], dtype=np.uint64)
    )
    assert held.tolist() == [True] * len(digests) + [other in digests]


def test_of_many_digests_the_same_part_is_kept_of_every_batch() -> None:
    digests = digests_of(np.arange(100_000))
    kept = Digests.of(digests)
    assert len(kept.sorted) == 8 * 32_768
    held, told = kept.hold(digests)
    assert held.sum() == told.sum() == 32_768


def test_rows_are_alike_only_if_all_values_are() -> None:
    columns = {name: array[:4] for name, array in sales().items()}
    columns["till"][:] = [1, 1, 2, 1]
    columns["price"][:] = [1.0, np.nan, 1.0, 1.0]
    found = Rows(columns, SCHEMA).digests_without().tolist()
    assert found[0] == found[3]
    assert len(set(found)) == 3
