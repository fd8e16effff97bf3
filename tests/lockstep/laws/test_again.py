"""Of a table without days, rows that were there before under other keys."""

import numpy as np
import pytest

from lockstep.columns.kinds import Columns
from lockstep.columns.schema import Field, Schema
from lockstep.columns.tables import take_rows
from lockstep.laws import again
from lockstep.laws.again import NewRows
from lockstep.laws.book import discover
from lockstep.laws.rows import Rows, TrainingRows

SCHEMA = Schema(
    "Bottle",
    (
        Field("bottle", "str", role="key"),
        Field("alcohol", "float"),
        Field("color", "float"),
    ),
)


def bottles(rows: int, seed: int = 0) -> Columns:
    random = np.random.default_rng(seed)
    return {
        "bottle": np.array([f"{seed}-{row}" for row in range(rows)], dtype=object),
        "alcohol": np.round(random.normal(13, 0.8, rows), 2),
        "color": np.round(random.lognormal(1.5, 0.4, rows), 2),
    }


TRAINING = bottles(120)
COPIES = take_rows(TRAINING, np.arange(40, 60)) | {"bottle": bottles(20, seed=1)["bottle"]}


@pytest.fixture(scope="module")
def law() -> NewRows:
    (found,) = again.discover(TrainingRows.of(Rows(TRAINING, SCHEMA)))
    return found


def test_rows_of_training_under_new_keys_are_an_error(law) -> None:
    found = law.find(Rows(COPIES, SCHEMA))
    assert (found.strict, len(found.rows)) == (True, 20)
    assert "all values of the training rows" in found.message


def test_half_of_the_rows_are_enough(law) -> None:
    columns = {name: array.copy() for name, array in bottles(20, seed=2).items()}
    for name in ("alcohol", "color"):
        columns[name][:10] = COPIES[name][:10]
    found = law.find(Rows(columns, SCHEMA))
    assert (found.strict, found.rows.tolist()) == (True, list(range(10)))


def test_a_few_rows_of_training_under_new_keys_warn(law) -> None:
    assert not law.find(Rows(take_rows(COPIES, np.arange(5)), SCHEMA)).strict


def test_rows_of_training_under_their_own_keys_are_scored_once_more(law) -> None:
    assert law.find(Rows(take_rows(TRAINING, np.arange(40, 60)), SCHEMA)) is None


def test_rows_of_training_with_the_keys_of_others_are_an_error(law) -> None:
    rows = take_rows(TRAINING, np.arange(40, 60))
    exchanged = rows | {"bottle": np.roll(rows["bottle"], 1)}
    assert law.find(Rows(exchanged, SCHEMA)).strict


def test_new_rows_and_a_few_that_agree_by_chance_are_none(law) -> None:
    columns = bottles(20, seed=2)
    columns["alcohol"][0], columns["color"][0] = TRAINING["alcohol"][0], TRAINING["color"][0]
    assert law.find(Rows(columns, SCHEMA)) is None


def test_one_row_in_all_rows_is_an_error(law) -> None:
    columns = bottles(20, seed=2)
    one = columns | {name: np.full(20, columns[name][0]) for name in ("alcohol", "color")}
    found = law.find(Rows(one, SCHEMA))
    assert found.strict
    assert "all values of rows before them" in found.message


def test_rows_of_a_file_before_under_new_keys_are_an_error() -> None:
    book = discover(TRAINING, SCHEMA)
    first = bottles(20, seed=2)
    second = first | {"bottle": bottles(20, seed=3)["bottle"]}
    earlier = [book.remembered(book.rows(first, SCHEMA), "first.csv")]
    (found,) = book.find(book.rows(second, SCHEMA, earlier=earlier))
    assert found.strict
    assert "all values of first.csv" in found.message
    assert book.find(book.rows(first, SCHEMA, earlier=earlier)) == []  # as it was, once more


def test_a_key_of_a_file_before_excuses_no_row_of_training() -> None:
    book = discover(TRAINING, SCHEMA)
    first = bottles(20, seed=1)  # with the keys that the copies have
    earlier = [book.remembered(book.rows(first, SCHEMA), "first.csv")]
    (found,) = book.find(book.rows(COPIES, SCHEMA, earlier=earlier))
    assert (found.strict, len(found.rows)) == (True, 20)


def test_keys_that_are_the_numbers_of_rows_tell_no_rows_apart() -> None:
    key = Field("bottle", "str", role="key", is_row_number=True)
    counted = Schema("Bottle", (key, *(one for one in SCHEMA if one.role != "key")))
    (law,) = again.discover(TrainingRows.of(Rows(TRAINING, counted)))
    assert not law.find(Rows(COPIES, counted)).strict


def test_a_table_whose_rows_often_agree_tells_nothing() -> None:
    columns = bottles(120) | {"alcohol": np.full(120, 13.0), "color": np.arange(120) % 50 / 2}
    assert again.discover(TrainingRows.of(Rows(columns, SCHEMA))) == []
