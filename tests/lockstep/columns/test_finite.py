"""Numbers that are not finite: a model that fails on one names the column where that began."""

from datetime import date

import numpy as np
import pytest

from assets.orders import ASSETS, orders_with_fates
from lockstep.columns.decode import decode
from lockstep.columns.kinds import Columns
from lockstep.columns.pipeline import Pipeline
from lockstep.errors import FitError, FunctionError

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


def test_of_many_rows_the_first_in_which_it_is_so_is_told_and_in_how_many(
    fitted: Pipeline,
) -> None:
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
