"""Of a table without days, the numbers of a row that do not go together as in training."""

import msgspec
import numpy as np
import pytest

from lockstep.columns.kinds import Array, Columns
from lockstep.columns.schema import Field, Schema
from lockstep.laws import company
from lockstep.laws.book import discover
from lockstep.laws.company import Company
from lockstep.laws.law import Broken
from lockstep.laws.rows import Rows, TrainingRows

SCHEMA = Schema(
    "House",
    (
        Field("house", "str", role="key"),
        Field("income", "float"),  # of factors
        Field("price", "float"),  # told by income and by whether it is near the sea
        Field("rooms", "float", optional=True),  # told by income
        Field("humidity", "float"),  # told by nothing
        Field("near", "str"),
    ),
)
TRAINING = 300


def houses(rows: int, seed: int, **changes: Array) -> Columns:
    random = np.random.default_rng(seed)
    income = random.lognormal(1.2, 0.5, rows)
    near = random.random(rows) < 0.3
    return {
        "house": np.array([f"{seed}-{row}" for row in range(rows)], dtype=object),
        "income": income,
        "price": income**0.8 * (1 + near) * random.lognormal(0, 0.1, rows),
        "rooms": 4 + np.log(income) + random.normal(0, 0.15, rows),
        "humidity": random.normal(60, 5, rows),
        "near": np.where(near, "sea", "inland").astype(object),
        **changes,
    }


@pytest.fixture(scope="module")
def law() -> Company:
    (found,) = company.discover(TrainingRows.of(Rows(houses(TRAINING, 0), SCHEMA)))
    return found


def broken(law: Company, rows: int = 50, **changes: Array) -> Broken | None:
    return law.find(Rows(houses(rows, 1, **changes), SCHEMA))


BATCH = houses(50, 1)


def test_what_the_others_tell_is_judged_and_nothing_else(law) -> None:
    judged = {law.coordinates[one.place].column for one in law.judged}
    assert judged == {"income", "price", "rooms", "near"}


@pytest.mark.parametrize("seed", range(20))
def test_rows_of_the_same_table_keep_it(law, seed) -> None:
    assert law.find(Rows(houses(50, 100 + seed), SCHEMA)) is None


@pytest.mark.parametrize("factor", [2.54, 10, -1])
def test_another_unit_or_sign_is_an_error_of_its_column(law, factor) -> None:
    found = broken(law, rooms=BATCH["rooms"] * factor)
    assert (found.strict, found.columns) == (True, ("rooms",))
    assert len(found.rows) == 50


def test_another_unit_within_what_training_had_is_an_error(law) -> None:
    income = BATCH["income"] * 2.54
    assert (income < houses(TRAINING, 0)["income"].max()).mean() > 0.5
    found = broken(law, income=income)
    assert (found.strict, found.columns) == (True, ("income",))


def test_values_dealt_to_other_rows_are_an_error(law) -> None:
    found = broken(law, price=np.roll(BATCH["price"], 7))
    assert (found.strict, found.columns) == (True, ("price",))
    assert "of 50 values of price" in found.message


def test_two_columns_that_are_exchanged_are_the_suspects(law) -> None:
    found = broken(law, rooms=BATCH["price"], price=BATCH["rooms"])
    assert found.strict
    assert set(found.columns) == {"rooms", "price"}


def test_a_column_that_nothing_tells_may_have_its_values_at_any_rows(law) -> None:
    assert broken(law, humidity=np.roll(BATCH["humidity"], 7)) is None


def test_rows_of_one_segment_are_no_error(law) -> None:
    rows = Rows(houses(400, 2), SCHEMA)
    near = rows.take(rows.columns["near"] == "sea")
    dear = rows.take(np.argsort(rows.columns["price"])[-50:])
    found = [one for batch in (near, dear) if (one := law.find(batch)) is not None]
    assert not any(one.strict for one in found)


def test_a_population_that_changes_in_all_columns_keeps_it(law) -> None:
    income = BATCH["income"] * 2.5
    grown = {
        "income": income,
        "price": BATCH["price"] * 2.5**0.8,
        "rooms": BATCH["rooms"] + np.log(2.5),
    }
    assert broken(law, **grown) is None


def test_a_number_that_others_tell_nearly_exactly_may_agree_a_little_less_in_a_batch() -> None:
    random = np.random.default_rng(0)
    area = random.lognormal(0, 1, 400)
    rounded = area * random.lognormal(0, 0.03, 400)
    schema = Schema("Cell", (SCHEMA.fields[0], Field("area", "float"), Field("other", "float")))
    columns = {"house": houses(400, 0)["house"], "area": area, "other": rounded}
    (law,) = company.discover(TrainingRows.of(Rows(columns, schema).take(slice(0, 300))))
    rows = Rows(columns, schema).take(slice(300, 400))
    batches = (rows.take(np.flatnonzero(random.random(100) < 0.25)) for _ in range(100))
    assert sum(law.find(batch) is not None for batch in batches) <= 2


def test_a_column_that_is_missing_tells_nothing_of_the_others(law) -> None:
    assert broken(law, rooms=np.full(50, np.nan)) is None


def test_so_few_rows_that_chance_may_do_it_are_not_judged(law) -> None:
    assert law.looks_at(Rows(houses(2, 1), SCHEMA)) == 0
    assert law.looks_at(Rows(houses(20, 1), SCHEMA)) == 20


def test_it_is_the_same_law_once_it_was_stored(law) -> None:
    stored = msgspec.json.decode(msgspec.json.encode(law), type=Company)
    rows = Rows(houses(50, 1, price=np.roll(BATCH["price"], 7)), SCHEMA)
    assert stored.find(rows).message == law.find(rows).message


def test_fewer_rows_of_training_than_tell_have_no_company() -> None:
    assert company.discover(TrainingRows.of(Rows(houses(59, 0), SCHEMA))) == []


def test_what_was_accepted_once_is_unusual_from_then_on() -> None:
    book = discover(houses(TRAINING, 0), SCHEMA)
    first, second = (houses(50, seed, rooms=houses(50, seed)["rooms"] * 2.54) for seed in (1, 2))
    accepted = book.remembered(book.rows(first, SCHEMA), "first.csv")
    found = book.find(book.rows(second, SCHEMA, earlier=[accepted]))
    assert [one.strict for one in found if isinstance(one.law, Company)] == [False]
