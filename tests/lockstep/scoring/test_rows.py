"""Rows whose computation fails: found one by one, the others computed."""

from collections.abc import Iterable
from dataclasses import replace
from datetime import date

import numpy as np
import pytest

from assets.orders import ASSETS, orders_with_fates
from lockstep.columns.decode import decode
from lockstep.columns.graph import Graph
from lockstep.columns.kinds import Columns, Texts
from lockstep.columns.pipeline import Pipeline
from lockstep.errors import FailingFunctionError
from lockstep.scoring.rows import evaluate_rows
from tests.fixtures.order_store import orders_of

PIPELINE = ASSETS.pipeline
MOST = 6
"""On how many rows functions may fail."""


def region(country: Texts) -> Texts:
    """Part of the world; raises on a country that it has never heard of."""
    regions = {"DE": "home", "AT": "home", "FR": "abroad", "US": "abroad", None: "abroad"}
    return np.array([regions[one] for one in country.tolist()], dtype=object)


@pytest.fixture(scope="module")
def fussy() -> Pipeline:
    """The pipeline of orders, fitted, with a feature that raises on some rows."""
    frame = orders_with_fates(date(2020, 2, 1), 400)
    fitted = PIPELINE.unfitted().fit(decode(frame, PIPELINE.joint_schema).columns)
    columns = [
        replace(one, function=region) if one.name == "region" else one
        for one in fitted.graph.columns.values()
    ]
    pipeline = fitted.with_models(fitted.models_)
    pipeline.graph = Graph(columns, fitted.record_schema, fitted.outcome_schema)
    return pipeline


def rows(unknown: list[int], count: int = 120) -> Columns:
    """Orders, some of them to a country that nobody has heard of."""
    frame = orders_of(date(2020, 3, 1), count)
    frame.loc[unknown, "country"] = "XX"
    return decode(frame, PIPELINE.record_schema).columns


def test_rows_on_which_a_function_raises_are_found_and_the_others_computed_as_without_them(
    fussy: Pipeline,
) -> None:
    raw, failing = rows([7, 60, 119]), [7, 60, 119]
    found, rejected = evaluate_rows(fussy, raw, MOST)
    assert [one.row for one in rejected] == failing
    assert set(found) == set(fussy.graph.served)
    alone, _ = evaluate_rows(
        fussy, {name: np.delete(array, failing) for name, array in raw.items()}, MOST
    )
    for name in ("order_id", "price_per_item", "will_return"):
        assert found[name].tolist() == alone[name].tolist()
    assert found["order_id"].tolist() == np.delete(raw["order_id"], failing).tolist()


def test_a_failing_row_is_rejected_with_key_values_function_and_what_it_raised(
    fussy: Pipeline,
) -> None:
    _, (rejected,) = evaluate_rows(fussy, rows([7]), MOST)
    assert (rejected.key, rejected.record["country"]) == ("2020-03-01-0007", "XX")
    (reason,) = rejected.reasons
    assert reason.column == "region"
    assert reason.message.endswith("raised KeyError: 'XX', at key 2020-03-01-0007, of country 'XX'")
    assert reason.refusal == "cannot be computed for this row: its function raised KeyError"


def test_a_function_that_fails_on_more_rows_than_may_be_is_named(fussy: Pipeline) -> None:
    with pytest.raises(FailingFunctionError) as caught:
        evaluate_rows(fussy, rows(list(range(0, 40, 2))), MOST)
    assert (caught.value.column, caught.value.failed, caught.value.tried) == ("region", 7, 13)
    assert "region cannot be computed of 7 of the first 13 rows: " in str(caught.value)


@pytest.mark.parametrize(
    ("unknown", "most", "told"),
    [
        (range(120), MOST, r"every row that was tried \(7\), so that it"),
        ((0, 1), 1, "2 of the first 2 rows"),
    ],
    ids=["every row: it is broken itself", "a few rows alone: it is not"],
)
def test_a_function_is_told_to_be_broken_itself_where_it_failed_on_many_rows(
    fussy: Pipeline, unknown: Iterable[int], most: int, told: str
) -> None:
    with pytest.raises(FailingFunctionError, match=told):
        evaluate_rows(fussy, rows([*unknown]), most)


def test_no_rows_give_no_rows(fussy: Pipeline) -> None:
    found, rejected = evaluate_rows(fussy, rows([], count=0), MOST)
    assert (len(found["risk"]), rejected) == (0, ())


def test_where_a_model_takes_no_infinite_number_the_column_is_named_that_is_infinite(
    fussy: Pipeline,
) -> None:
    raw = {name: array.copy() for name, array in rows([]).items()}
    raw["items"][7] = 0
    _, (rejected,) = evaluate_rows(fussy, raw, MOST)
    (reason,) = rejected.reasons
    assert reason.column == "price_per_item"
    assert "price_per_item (" in reason.message
    assert " is inf, of price " in reason.message
    assert " and items 0: Model return_probability (" in reason.message
    raw["weight"][7] = np.nan  # which a transformer fills
    assert evaluate_rows(fussy, raw, MOST)[1][0].reasons[0].column == "price_per_item"
