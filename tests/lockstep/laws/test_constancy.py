"""Of a table without days, columns with one value in nearly all rows of a batch."""

import numpy as np
import pytest

from lockstep.columns.kinds import Array, Columns
from lockstep.columns.schema import Field, Schema
from lockstep.laws import constancy
from lockstep.laws.constancy import Varies
from lockstep.laws.law import Broken
from lockstep.laws.rows import Rows, TrainingRows

SCHEMA = Schema(
    "Flower",
    (
        Field("flower", "str", role="key"),
        Field("petal", "float"),  # rounded to few steps
        Field("weight", "float"),  # of each row its own
        Field("rate", "float"),  # one of a few, that go with something
        Field("bed", "int"),
        Field("kind", "str"),
    ),
)


def flowers(rows: int, seed: int = 0, **changes: Array) -> Columns:
    random = np.random.default_rng(seed)
    return {
        "flower": np.array([f"{seed}-{row}" for row in range(rows)], dtype=object),
        "petal": np.round(random.normal(5, 1.5, rows), 1),
        "weight": random.normal(50, 5, rows),
        "rate": random.choice([1.0713, 1.0722, 1.0815, 1.1034, 1.1102, 1.1317, 1.1419], rows),
        "bed": random.integers(1, 20, rows),
        "kind": random.choice(np.array(["a", "b", "c"], dtype=object), rows),
        **changes,
    }


@pytest.fixture(scope="module")
def laws() -> dict[str, Varies]:
    found = constancy.discover(TrainingRows.of(Rows(flowers(150), SCHEMA)))
    return {law.columns[0]: law for law in found}


def broken(law: Varies, rows: int = 30, **changes: Array) -> Broken | None:
    return law.find(Rows(flowers(rows, 1, **changes), SCHEMA))


@pytest.mark.parametrize(("column", "value"), [("petal", 3.4), ("weight", 50.0)])
def test_a_measured_number_that_is_the_same_in_all_rows_is_an_error(laws, column, value) -> None:
    found = broken(laws[column], **{column: np.full(30, value)})
    assert (found.strict, len(found.rows)) == (True, 30)
    assert f"30 of 30 values of {column} are {value}" in found.message


@pytest.mark.parametrize(("column", "value"), [("rate", 1.0815), ("bed", 7), ("kind", "b")])
def test_what_may_be_the_same_for_rows_of_one_kind_warns(laws, column, value) -> None:
    values = np.full(30, value, dtype=object if column == "kind" else None)
    assert not broken(laws[column], **{column: values}).strict


def test_the_rows_of_a_usual_batch_differ(laws) -> None:
    assert [law.find(Rows(flowers(30, 1), SCHEMA)) for law in laws.values()] == [None] * 5


def test_two_rows_may_be_the_same(laws) -> None:
    assert broken(laws["bed"], 2, bed=np.array([7, 7])) is None
    assert laws["kind"].looks_at(Rows(flowers(2), SCHEMA)) == 0


def test_what_is_missing_has_no_value(laws) -> None:
    assert broken(laws["weight"], weight=np.r_[np.full(28, np.nan), 50.0, 51.0]) is None


def test_all_rows_may_be_where_a_number_is_clipped() -> None:
    clipped = np.minimum(flowers(150)["weight"], 59.0)
    rows = TrainingRows.of(Rows(flowers(150, weight=clipped), SCHEMA))
    (law,) = (one for one in constancy.discover(rows) if one.columns == ("weight",))
    assert not broken(law, weight=np.full(30, 59.0)).strict
    assert broken(law, weight=np.full(30, 50.0)).strict
