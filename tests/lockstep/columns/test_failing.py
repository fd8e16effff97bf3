"""The row and the column at which a function or a model fails are named."""

from datetime import date

import numpy as np
import pytest

from assets.orders import ASSETS, orders_with_fates
from lockstep import Floats, Key, Record, feature
from lockstep.columns.decode import decode
from lockstep.columns.failing import at_first_row
from lockstep.columns.graph import Graph
from lockstep.columns.kinds import Columns
from lockstep.columns.pipeline import Pipeline
from lockstep.errors import FitError, FunctionError


class Parcel(Record):
    parcel_id: Key[str]
    weight: float
    height: float


@feature
def heavier(weight: Floats) -> Floats:
    return weight * 1.5


@feature
def load(heavier: Floats, height: Floats) -> Floats:
    if (heavier == 15.0).any():
        raise ValueError("too heavy")
    return heavier / height


@feature
def lonely(weight: Floats) -> Floats:
    if 1 < len(weight) < 16:
        raise ValueError("not alone")
    return weight


def failing(*columns, weight):
    """The error of a column of sixteen parcels, named."""
    graph = Graph([*columns], Parcel.schema(), None)
    rows = {
        "parcel_id": np.array([f"p{number}" for number in range(len(weight))], dtype=object),
        "weight": np.array(weight),
        "height": np.full(len(weight), 2.0),
    }
    with pytest.raises(FunctionError) as raised:
        graph.evaluate(rows, [columns[-1].name])
    return at_first_row(graph, rows, raised.value)


def test_the_first_row_that_raises_is_named_with_the_values_that_the_function_was_given() -> None:
    error = failing(heavier, load, weight=[1.0] * 11 + [10.0, 1.0, 10.0, 1.0, 1.0])
    assert str(error).endswith(
        "raised ValueError: too heavy, at key p11, of heavier 15.0, height 2.0"
    )
    assert isinstance(error.__cause__, ValueError)


def test_where_no_row_alone_raises_none_is_named() -> None:
    error = failing(lonely, weight=[1.0] * 15)
    assert str(error).endswith("raised ValueError: not alone")


PIPELINE = ASSETS.pipeline
FRAME = orders_with_fates(date(2020, 2, 1), 400)


@pytest.fixture(scope="module")
def fitted() -> Pipeline:
    return PIPELINE.unfitted().fit(rows())


def rows(without_items: tuple[int, ...] = ()) -> Columns:
    """Orders with their fates, some of them of no items."""
    frame = FRAME.copy()
    frame.loc[[*without_items], "items"] = 0
    return decode(frame, PIPELINE.joint_schema).columns


def test_of_many_rows_the_first_is_told_and_in_how_many_it_is_so(fitted: Pipeline) -> None:
    columns = rows((7, 9))
    with pytest.raises(FunctionError) as caught:
        fitted.evaluate(columns)
    assert (caught.value.column, caught.value.origin) == ("return_probability", "price_per_item")
    said = str(caught.value)
    assert said.startswith("Feature price_per_item (")
    assert f" is inf, of price {columns['price'][7]} and items 0, in 2 of 400 rows" in said
    assert f"first at key {columns['order_id'][7]}: Model return_probability (" in said


def test_a_fit_that_fails_on_it_names_the_feature_and_the_row() -> None:
    with pytest.raises(FitError) as caught:
        PIPELINE.unfitted().fit(rows((7,)))
    said = str(caught.value)
    assert said.startswith("Feature price_per_item (")
    assert "in 1 of 400 rows, first at key " in said
    assert "Model return_probability (" in said
    assert "cannot be fitted on 400 rows: " in said


def test_a_model_that_fails_on_many_rows_for_another_reason_blames_nothing_that_is_missing(
    fitted: Pipeline, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails(*_: object) -> None:
        raise RuntimeError("out of order")

    monkeypatch.setitem(fitted.bound, "return_probability", fails)
    columns = rows()
    assert np.isnan(columns["weight"]).any()
    with pytest.raises(FunctionError, match=r"^Model return_probability ") as caught:
        fitted.evaluate(columns)
    assert caught.value.origin is None
