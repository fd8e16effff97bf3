"""Which of numbers that go together is at fault where they no longer do."""

from __future__ import annotations

from collections.abc import Callable

import msgspec
import numpy as np
import pytest

from lockstep.columns.kinds import Columns
from lockstep.columns.schema import Field, Schema
from lockstep.laws.book import discover
from lockstep.laws.rows import Rows
from lockstep.laws.strays import strays

DAYS, EACH = 25, 300
NAMES = ("weight", "length", "width", "depth")
SCHEMA = Schema(
    "Stone",
    (
        Field("id", "str", role="key"),
        Field("at", "datetime", role="event_time"),
        *(Field(name, "float") for name in NAMES),
    ),
)


def stones(day: int, days: int = 1) -> Columns:
    """Stones of some days: the heavier one is, the longer, wider and deeper it is."""
    random = np.random.default_rng(day)
    count = days * EACH
    weight = np.exp(random.normal(-0.4, 0.5, count))
    length = 6 * np.cbrt(weight) * random.normal(1, 0.01, count)
    at = np.datetime64("2021-01-01", "us") + np.timedelta64(day, "D")
    return {
        "id": np.array([f"S-{day}-{row}" for row in range(count)], dtype=object),
        "at": at + (np.arange(count) * (86_400_000_000 // EACH)).astype("timedelta64[us]"),
        "weight": weight.round(2),
        "length": length.round(2),
        "width": (length * random.normal(1, 0.01, count)).round(2),
        "depth": (0.6 * length * random.normal(1, 0.02, count)).round(2),
    }


def zero(columns: Columns) -> Columns:
    return {**columns, "length": np.where(np.arange(EACH) % 30 == 0, 0.0, columns["length"])}


def swapped(columns: Columns) -> Columns:
    is_it = np.arange(EACH) % 20 == 0
    return {
        **columns,
        "length": np.where(is_it, columns["depth"], columns["length"]),
        "depth": np.where(is_it, columns["length"], columns["depth"]),
    }


def upside_down(columns: Columns) -> Columns:
    """The same, of a number that falls as the others rise."""
    return {**zero(columns), "weight": -columns["weight"]}


@pytest.mark.parametrize(
    ("change", "at_fault"),
    [(zero, {"length"}), (swapped, {"length", "depth"}), (upside_down, {"length"})],
)
def test_the_number_that_its_partners_do_not_expect_strays(
    change: Callable[[Columns], Columns], at_fault: set[str]
) -> None:
    found = strays(Rows(change(stones(40)), SCHEMA))

    assert {name for name, share in found.items() if share > 0.02} == at_fault


def test_where_broken_laws_name_two_alike_the_one_that_strays_is_suspected() -> None:
    found = discover(stones(0, days=DAYS), SCHEMA)
    laws = tuple(one for one in found.laws if set(one.columns) == {"length", "width"})
    book = msgspec.structs.replace(found, laws=laws)
    broken = book.find(book.rows(swapped(stones(40)), SCHEMA))

    assert broken
    assert {one.columns[0] for one in broken} == {"length"}
    assert "depth" in broken[0].columns  # strays as often, though no law here names it


def test_numbers_without_others_that_they_go_with_do_not_stray() -> None:
    random = np.random.default_rng(0)
    apart = {name: random.normal(0, 1, EACH) for name in NAMES}

    assert strays(Rows({**stones(40), **apart}, SCHEMA)) == {}
