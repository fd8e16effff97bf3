"""Of a table too small for other laws, numbers far beyond all of training are an error."""

import json

import numpy as np
import pytest

from lockstep.columns.kinds import Array, Columns
from lockstep.columns.schema import Field, Schema
from lockstep.laws import reach
from lockstep.laws.book import discover
from lockstep.laws.reach import WithinReach
from lockstep.laws.rows import Rows, TrainingRows

SCHEMA = Schema(
    "Bottle",
    (
        Field("bottle", "str", role="key"),
        Field("proline", "float", optional=True),
        Field("balance", "float"),  # on either side of 0
        Field("cellar", "int"),  # one of three
        Field("receipt", "int"),  # one for each row
        Field("total", "float"),  # goes on from row to row
    ),
)
ROWS = 60


def bottles(rows: int = ROWS, seed: int = 0, **changes: Array) -> Columns:
    random = np.random.default_rng(seed)
    return {
        "bottle": np.array([f"{seed}-{row}" for row in range(rows)], dtype=object),
        "proline": random.lognormal(6.5, 0.4, rows),
        "balance": random.normal(0, 10, rows),
        "cellar": random.integers(1, 4, rows),
        "receipt": random.permutation(rows),
        "total": np.arange(rows) + random.random(rows),
        **changes,
    }


@pytest.fixture(scope="module")
def laws() -> dict[str, WithinReach]:
    found = reach.discover(TrainingRows.of(Rows(bottles(), SCHEMA)))
    return {law.columns[0]: law for law in found}


def broken(law: WithinReach, rows: int = 20, **change: Array):
    return law.find(Rows(bottles(rows, seed=1, **change), SCHEMA))


PROLINE = bottles(20, seed=1)["proline"]
BALANCE = bottles(20, seed=1)["balance"]


def test_numbers_that_name_things_or_go_on_are_in_reach_of_any(laws) -> None:
    assert set(laws) == {"proline", "balance"}


@pytest.mark.parametrize("factor", [0.001, 1000, -1000])
def test_another_unit_of_a_positive_number_is_an_error(laws, factor) -> None:
    found = broken(laws["proline"], proline=PROLINE * factor)
    assert (found.strict, len(found.rows)) == (True, 20)
    assert "20 of 20 values of proline are far beyond all of training" in found.message


def test_a_larger_unit_of_a_number_on_both_sides_of_0_is_an_error(laws) -> None:
    assert broken(laws["balance"], balance=BALANCE * 10_000).strict


@pytest.mark.parametrize("factor", [0.5, 1, 1.5, 3])
def test_a_level_that_a_population_may_reach_is_none(laws, factor) -> None:
    assert broken(laws["proline"], proline=PROLINE * factor) is None


def test_a_few_rows_in_another_unit_are_left_to_others(laws) -> None:
    assert broken(laws["proline"], proline=np.r_[PROLINE[:10] * 1000, PROLINE[10:]]) is None


def test_numbers_that_are_missing_are_neither_far_nor_near(laws) -> None:
    found = broken(laws["proline"], proline=np.r_[PROLINE[:10] * 1000, np.full(10, np.nan)])
    assert len(found.rows) == 10


@pytest.mark.parametrize("rows", [1, 2])
def test_so_few_rows_that_chance_may_do_it_are_not_judged(laws, rows) -> None:
    law, proline = laws["proline"], PROLINE[:rows] * 1000
    assert broken(law, rows, proline=proline) is None
    assert law.looks_at(Rows(bottles(rows, proline=proline), SCHEMA)) == 0


def test_one_value_in_all_rows_is_one_fact(laws) -> None:
    assert broken(laws["proline"], proline=np.full(20, 1.0)) is None


def test_fewer_rows_of_training_than_tell_have_no_reach() -> None:
    assert reach.discover(TrainingRows.of(Rows(bottles(19), SCHEMA))) == []


def test_what_was_accepted_once_is_unusual_from_then_on() -> None:
    book = discover(bottles(), SCHEMA)
    first, second = (bottles(20, seed, proline=PROLINE * 1000) for seed in (1, 2))
    accepted = book.remembered(book.rows(first, SCHEMA), "first.csv")
    (found,) = book.find(book.rows(second, SCHEMA, earlier=[accepted]))
    assert not found.strict


def test_the_book_of_a_small_table_judges_all_of_its_columns() -> None:
    book = discover(bottles(), SCHEMA)
    assert book.unjudged == {}
    assert json.loads(book.to_json())["laws"][0]["law"] == "within reach"


def test_numbers_that_reach_far_and_have_the_other_sign_are_an_error(laws) -> None:
    found = broken(laws["proline"], proline=-PROLINE)
    assert found.strict
    assert "as if with the other sign" in found.message


def test_a_winter_that_is_held_against_a_summer_is_no_changed_sign() -> None:
    summer = np.random.default_rng(0).uniform(1, 35, ROWS)
    (law,) = (
        one
        for one in reach.discover(TrainingRows.of(Rows(bottles(proline=summer), SCHEMA)))
        if one.columns == ("proline",)
    )
    assert broken(law, proline=np.random.default_rng(1).uniform(-15, -1, 20)) is None
