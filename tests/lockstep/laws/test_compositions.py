"""Parts of texts that are other columns' values are found, and rows in which they differ named."""

import numpy as np
import pytest

from lockstep.columns.kinds import Columns
from lockstep.columns.schema import Field, Schema
from lockstep.laws.compositions import Composition, discover
from lockstep.laws.rows import Rows, TrainingRows

SCHEMA = Schema(
    "Ticket",
    (
        Field("ticket", "str", role="key"),
        Field("at", "datetime", role="event_time"),
        Field("shop", "str"),
        Field("number", "int"),
        Field("other", "int"),
    ),
)


def tickets(days: int = 25, rows: int = 50) -> Columns:
    """Tickets whose key holds their day in Tokyo, shop and number."""
    count = days * rows
    number = np.arange(count)
    at = np.datetime64("2020-01-01", "us") + (number * 24 // rows).astype("timedelta64[h]")
    local = (at + np.timedelta64(9, "h")).astype("datetime64[D]").astype(str)
    shop = np.array(["Ähre", "b2", "c"], dtype=object)[number % 3]
    return {
        "ticket": np.array(
            [
                f"<{day}/{name}-{one:05}>"
                for day, name, one in zip(local, shop, number, strict=True)
            ],
            dtype=object,
        ),
        "at": at,
        "shop": shop,
        "number": number,
        "other": number % 7,
    }


def found(columns: Columns) -> dict[str, Composition]:
    rows = Rows(columns, SCHEMA, "Asia/Tokyo")
    return {law.says: law for law in discover(TrainingRows.of(rows))}


@pytest.fixture(scope="module")
def laws() -> dict[str, Composition]:
    return found(tickets())


def test_the_parts_of_a_key_are_found(laws) -> None:
    assert set(laws) == {
        "the day of at is a part of ticket",
        "shop is a part of ticket",
        "number is a part of ticket",
    }


@pytest.mark.parametrize(
    ("column", "value", "law"),
    [
        ("shop", "c", "shop is a part of ticket"),
        ("number", 7, "number is a part of ticket"),
        ("at", np.datetime64("2020-01-02T15:00"), "the day of at is a part of ticket"),
    ],
)
def test_a_row_that_contradicts_its_key_is_named(laws, column, value, law) -> None:
    columns = tickets(days=2)
    columns[column][1] = value
    rows = Rows(columns, SCHEMA, "Asia/Tokyo")
    broken = {name: one.find(rows) for name, one in laws.items()}
    assert [name for name, one in broken.items() if one is not None] == [law]
    assert broken[law].rows.tolist() == [1]
    assert "in '<2020-01-01/b2-00001>'" in broken[law].message


def test_a_key_that_is_written_otherwise_says_nothing(laws) -> None:
    columns = tickets(days=2)
    columns["ticket"][1] = "none"
    rows = Rows(columns, SCHEMA, "Asia/Tokyo")
    assert [law.find(rows) for law in laws.values()] == [None] * 3


def test_one_row_in_training_that_contradicts_its_key_leaves_no_law() -> None:
    columns = tickets()
    columns["shop"][1_000] = "elsewhere"
    assert "shop is a part of ticket" not in found(columns)


def test_keys_that_are_written_in_several_ways_have_no_parts() -> None:
    columns = tickets()
    columns["ticket"][0] = "another way"
    assert found(columns) == {}
