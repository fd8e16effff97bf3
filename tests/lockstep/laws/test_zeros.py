"""A number that is 0 just where another one is, is not filled with 0 elsewhere."""

import numpy as np
import pytest

from lockstep.columns.kinds import Array, Columns
from lockstep.columns.schema import Field, Schema
from lockstep.laws import zeros
from lockstep.laws.rows import Rows, TrainingRows
from lockstep.laws.zeros import ZeroTogether

SCHEMA = Schema(
    "Line",
    (
        Field("id", "str", role="key"),
        Field("at", "datetime", role="event_time"),
        Field("quantity", "int"),
        Field("value", "float", optional=True),  # 0 where there is no quantity, but for a row a day
        Field("points", "int"),  # 0 in half of the rows, whatever they hold
        Field("price", "float"),
        Field("frost", "int"),  # 0 in few rows, and only where there is no quantity
    ),
)
DAYS, ROWS = 30, 200


def lines(day: int = DAYS, days: int = 1, **changes: Array) -> Columns:
    """Lines of receipts of some days; a gift is one that has a quantity and no value."""
    generator = np.random.default_rng(day)
    count = days * ROWS
    of_day = np.repeat(np.arange(day, day + days), ROWS)
    quantity = generator.integers(1, 5, count) * (generator.random(count) > 0.2)
    is_gift = np.arange(count) % ROWS == 7
    price = np.round(generator.uniform(2, 4, count), 2)
    return {
        "id": np.array([f"{day}-{row}" for row in range(count)], dtype=object),
        "at": np.datetime64("2021-01-01", "us") + of_day.astype("timedelta64[D]"),
        "quantity": np.where(is_gift, 1, quantity),
        "value": quantity * price * ~is_gift,
        "points": generator.integers(0, 2, count),
        "price": price,
        "frost": np.where((quantity == 0) & (generator.random(count) < 0.2), 0, 1),
        **changes,
    }


@pytest.fixture(scope="module")
def laws() -> dict[tuple[str, ...], ZeroTogether]:
    found = zeros.discover(TrainingRows.of(Rows(lines(0, DAYS), SCHEMA)))
    return {law.columns: law for law in found}


def test_numbers_that_are_0_together_are_found_with_what_is_usual(laws) -> None:
    assert {*laws} == {("value", "quantity"), ("quantity", "value")}
    assert laws["value", "quantity"].most == 1
    assert laws["value", "quantity"].is_apart
    assert laws["quantity", "value"].most == 0


def test_another_day_breaks_nothing(laws) -> None:
    assert [law.find(Rows(lines(), SCHEMA)) for law in laws.values()] == [None, None]


@pytest.mark.parametrize(("share", "is_found"), [(0.01, False), (0.08, True)])
def test_a_value_that_is_0_in_some_rows_that_have_a_quantity_is_an_error(
    laws, share, is_found
) -> None:
    is_lost = np.random.default_rng(1).random(ROWS) < share
    day = lines(value=np.where(is_lost, 0.0, lines()["value"]))
    broken = laws["value", "quantity"].find(Rows(day, SCHEMA))
    assert (broken is not None) == is_found
    if broken is not None:
        assert broken.strict
        assert (day["value"][broken.rows] == 0).all()
        assert (day["quantity"][broken.rows] > 0).all()


def test_a_value_that_is_missing_is_not_0(laws) -> None:
    rows = Rows(lines(value=np.full(ROWS, np.nan)), SCHEMA)
    assert [law.find(rows) for law in laws.values()] == [None, None]


@pytest.mark.parametrize("least", [1, 5])
def test_0_of_a_count_elsewhere_is_a_warning_however_large_it_was_in_training(least) -> None:
    columns = lines(0, DAYS)
    quantity = np.where(columns["quantity"] > 0, columns["quantity"] + least - 1, 0)
    training = TrainingRows.of(Rows({**columns, "quantity": quantity}, SCHEMA))
    (law,) = [one for one in zeros.discover(training) if one.columns == ("quantity", "value")]
    assert not law.is_apart
    assert not law.find(Rows(lines(quantity=np.zeros(ROWS)), SCHEMA)).strict


def test_lines_that_have_no_price_either_are_samples_and_a_warning(laws) -> None:
    is_free = np.random.default_rng(1).random(ROWS) < 0.08
    day = lines()
    free = {name: np.where(is_free, 0.0, day[name]) for name in ("value", "price")}
    assert not laws["value", "quantity"].find(Rows({**day, **free}, SCHEMA)).strict


def test_numbers_that_are_0_together_by_chance_are_not_found() -> None:
    columns = lines(0, DAYS)
    seldom = np.random.default_rng(1).random((2, len(columns["id"]))) < 0.02
    hardly = {"value": 10.0 * seldom[0], "quantity": 10 * seldom[1]}
    assert zeros.discover(TrainingRows.of(Rows({**columns, **hardly}, SCHEMA))) == []


def test_each_of_many_numbers_that_are_0_at_night_goes_with_one_other() -> None:
    names = [f"p{number}" for number in range(30)]
    schema = Schema("Plant", (*SCHEMA.fields[:2], *(Field(name, "float") for name in names)))
    columns = lines(0, DAYS)
    generator = np.random.default_rng(1)
    is_day = np.arange(len(columns["id"])) % 2
    power = {name: is_day * generator.uniform(5, 9, len(is_day)) for name in names}
    found = zeros.discover(TrainingRows.of(Rows({**columns, **power}, schema)))
    assert [law.columns[0] for law in found] == names
