"""Things that several columns name have a row every day."""

from dataclasses import replace
from itertools import product

import numpy as np
import pytest

from lockstep.columns.kinds import Columns
from lockstep.columns.schema import Field, Schema
from lockstep.laws.book import Book
from lockstep.laws.rosters import Roster, discover
from lockstep.laws.rows import Rows, TrainingRows

SCHEMA = Schema(
    "Sale",
    (
        Field("id", "str", role="key"),
        Field("at", "datetime", role="event_time"),
        Field("shop", "str"),
        Field("product", "int"),
        Field("sold", "float"),
    ),
)
DAYS = 30
THINGS = tuple(product(["A", "B", "C", "D", "E", "F", "G", "H"], [1, 2, 3]))


def sales(days: range, lost: tuple[tuple[int, int], ...] = ()) -> Columns:
    """What each shop sold of each product, but for some things on some days, by their places."""
    cells = [(day, thing) for day in days for thing in range(len(THINGS))]
    cells = [one for one in cells if one not in lost]
    return {
        "id": np.array([f"{day}-{thing}" for day, thing in cells], dtype=object),
        "at": np.datetime64("2021-01-04", "us")
        + np.array([day for day, _ in cells]).astype("timedelta64[D]"),
        "shop": np.array([THINGS[thing][0] for _, thing in cells], dtype=object),
        "product": np.array([THINGS[thing][1] for _, thing in cells]),
        "sold": np.random.default_rng(len(cells)).normal(size=len(cells)),
    }


def learnt(lost: tuple[tuple[int, int], ...] = ()) -> list[Roster]:
    return discover(TrainingRows.of(Rows(sales(range(DAYS), lost), SCHEMA)))


def today(*lost: int, aside: int = 0) -> Rows:
    columns = sales(range(DAYS, DAYS + 1), tuple((DAYS, one) for one in lost))
    return Rows(columns, SCHEMA, day="2021-02-03", aside=aside)


@pytest.fixture(scope="module")
def law() -> Roster:
    (found,) = learnt()
    return found


def test_what_names_things_that_are_there_every_day_is_found(law):
    assert law.says == "Each of 24 shop and product has a row every day."


def test_a_day_with_all_things_breaks_nothing(law):
    assert law.find(today()) is None


def test_a_thing_without_a_row_warns_and_is_named(law):
    found = law.find(today(4))
    assert found is not None
    assert (found.strict, "such as product 2 of shop 'B';" in found.message) == (False, True)


def test_a_thing_that_is_gone_for_good_is_no_news_after_two_days(law):
    book, earlier, found = Book(timezone="UTC", days=DAYS, laws=(law,), unjudged={}), [], []
    for _ in range(3):
        rows = replace(today(4), earlier=tuple(earlier))
        found.append(len(book.find(rows)))
        earlier.append(book.remembered(rows, "2021-02-03"))
    assert found == [1, 1, 0]


def test_a_thing_whose_row_may_have_been_set_aside_is_not_told_of(law):
    assert law.find(today(4, aside=1)) is None


def test_a_file_of_no_day_may_lack_things(law):
    assert law.find(Rows(today(4).columns, SCHEMA)) is None


def test_things_that_are_lost_late_in_training_are_no_roster() -> None:
    assert learnt(((DAYS - 2, 4),)) == []


def test_a_thing_that_is_lost_early_in_training_is_not_on_the_roster() -> None:
    (found,) = learnt(((3, 4),))
    assert len(found.always.entries) == len(THINGS) - 1
