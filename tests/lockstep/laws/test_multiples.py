"""Counts that are several times what their category ever had, in a few rows of a day."""

from __future__ import annotations

import numpy as np
import pytest

from lockstep.columns.kinds import Columns
from lockstep.columns.schema import Field, Schema
from lockstep.laws import multiples
from lockstep.laws.multiples import Multiple
from lockstep.laws.rows import Rows, TrainingRows
from tests.lockstep.laws.tables import DAYS, broken

KINDS = {"bus": (41, 45, 49, 53, 61), "van": (7, 9, 12, 14), "train": (220, 340, 390, 410, 480)}
OTHERS = {"tram": (90, 97, 104, 120, 140, 155, 170, 188)}
SCHEMA = Schema(
    "Ride",
    (
        Field("id", "str", role="key"),
        Field("at", "datetime", role="event_time"),
        Field("kind", "str"),
        Field("seats", "float", optional=True),
        Field("warmth", "int"),  # measured in steps: a number of any size may follow
    ),
)
ROWS = 120


def rides(days: int = 1, first: int = 0) -> Columns:
    generator = np.random.default_rng(first)
    kinds = {**KINDS, **OTHERS}
    kind = generator.choice(list(kinds), size=days * ROWS)
    at = np.datetime64("2021-01-01", "m") + np.arange(days * ROWS) * (1440 // ROWS)
    return {
        "id": np.array([f"{first}-{row}" for row in range(len(kind))], dtype=object),
        "at": (at + first * 1440).astype("datetime64[us]"),
        "kind": kind.astype(object),
        "seats": np.array([generator.choice(kinds[one]) for one in kind], dtype=np.float64),
        "warmth": generator.integers(30, 60, len(kind)),
    }


def day(change: dict[int, float]) -> Rows:
    """A later day, of which the seats of some rows are multiplied."""
    columns = rides(first=DAYS)
    for row, factor in change.items():
        columns["seats"][row] *= factor
    return Rows(columns, SCHEMA)


def of(kind: str, number: int) -> list[int]:
    """The first rows of a kind on that day."""
    return np.flatnonzero(rides(first=DAYS)["kind"] == kind)[:number].tolist()


@pytest.fixture(scope="module")
def laws() -> list[Multiple]:
    return multiples.discover(TrainingRows.of(Rows(rides(DAYS), SCHEMA)))


def test_counts_of_things_are_held_to_their_category_and_what_is_measured_is_not(laws):
    assert [law.columns for law in laws] == [("seats", "kind")]


def test_a_later_day_is_within(laws):
    assert broken(laws, day({})) == []


@pytest.mark.parametrize("factor", [10, 0.1])
def test_two_rows_that_lost_their_point_are_an_error_that_names_number_and_rows(laws, factor):
    rows = of("bus", 2)

    (found,) = broken(laws, day(dict.fromkeys(rows, factor)))

    assert found.strict
    assert found.columns == ("seats",)
    assert found.rows.tolist() == rows


def test_one_such_row_warns(laws):
    row = of("bus", 1)[0]
    (found,) = broken(laws, day({row: 10}))

    seats = int(10 * rides(first=DAYS)["seats"][row])
    assert not found.strict
    assert found.message == (
        "seats is never more than 2 times as large as any of its kind, or half as small: 1 row is, "
        f"such as {seats} for kind 'bus', where training had 41 to 61"
    )


def test_a_new_kind_of_thing_may_be_half_as_large_again(laws):
    assert broken(laws, day(dict.fromkeys(of("bus", 5), 1.5))) == []


def test_a_number_that_training_had_of_another_category_is_no_finding(laws):
    rows = day({})
    for row in of("bus", 5):
        rows.columns["seats"][row] = 480.0

    assert broken(laws, rows) == []


def test_a_category_that_reaches_far_is_not_judged():
    columns = rides(DAYS)
    is_van = np.flatnonzero(columns["kind"] == "van")
    columns["seats"][is_van[::2]] *= 16
    (law,) = multiples.discover(TrainingRows.of(Rows(columns, SCHEMA)))

    assert "van" not in {law.cases.labels[0][entry] for entry in law.cases.entries}


def test_a_number_that_moves_from_half_to_half_is_held_to_nothing():
    columns = rides(DAYS)
    columns["seats"][len(columns["seats"]) // 2 :] *= 3

    assert multiples.discover(TrainingRows.of(Rows(columns, SCHEMA))) == []
