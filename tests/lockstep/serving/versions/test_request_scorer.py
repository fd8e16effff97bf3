"""Scorers: what a version answers, to one request and to several at once."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from lockstep.artifacts.version import LoadedVersion
from lockstep.checks.ingest import ingest
from lockstep.columns.decode import decode
from lockstep.rules.row_rules import compile_rules
from lockstep.scoring.rows import compute_rows
from lockstep.serving.versions.request_scorer import Answer, Scorer

Records = list[dict[str, Any]]


def told(answer: object) -> Answer:
    assert isinstance(answer, Answer)
    return answer


def test_the_answer_is_what_the_version_predicts(
    scorer: Scorer, loaded: LoadedVersion, orders: Records
) -> None:
    answer = told(scorer.answer([orders])[0])

    expected = loaded.golden.trace.columns
    assert answer.columns.keys() == set(scorer.names)
    assert answer.rows == list(range(len(orders)))
    for name, values in answer.columns.items():
        if values.dtype.kind == "f":
            np.testing.assert_allclose(values, expected[name], rtol=1e-12)
        else:
            np.testing.assert_array_equal(values, expected[name])


def test_requests_that_are_answered_together_get_the_answers_that_they_get_alone(
    scorer: Scorer, orders: Records
) -> None:
    broken = {**orders[0], "items": "many"}
    requests = [orders[:1], [], [broken, orders[1]], orders[2:9], [broken]]

    together = [told(one) for one in scorer.answer(requests)]

    for request, answer in zip(requests, together, strict=True):
        alone = told(scorer.answer([request])[0])
        assert answer.rows == alone.rows
        assert answer.total == alone.total == len(request)
        assert [str(one) for one in answer.rejected] == [str(one) for one in alone.rejected]
        for name, values in alone.columns.items():
            if values.dtype.kind == "f":
                np.testing.assert_allclose(answer.columns[name], values, rtol=1e-12)
            else:
                np.testing.assert_array_equal(answer.columns[name], values)


def test_a_row_that_breaks_a_row_rule_is_rejected_with_the_rule(
    scorer: Scorer, orders: Records
) -> None:
    answer = told(scorer.answer([[orders[0], {**orders[1], "price": -1.0}]])[0])

    assert answer.rows == [0]
    (rejected,) = answer.rejected
    assert rejected.row == 1
    assert [reason.column for reason in rejected.reasons] == ["price"]


def test_a_record_is_told_all_of_its_reasons_and_the_same_as_in_a_batch(
    scorer: Scorer, loaded: LoadedVersion, orders: Records
) -> None:
    region = {"column": "region", "value_set": ["home"]}
    suite = {"name": "features", "expectations": [_critical("in_set", region)]}
    strict = replace(scorer, computed_rules=(compile_rules(suite),))
    wrong = {"gift": "perhaps", "items": 0, "country": "US"}
    asked = [{**orders[0], **wrong}, {**orders[1], "items": 0, "country": "US"}, orders[2]]

    answer = told(strict.answer([[*asked, {**orders[3], "country": "US", "colour": "red"}]])[0])

    reasons = [[reason.column for reason in row.reasons] for row in answer.rejected]
    assert reasons[:2] == [["gift", "items", "region"], ["items", "region"]]
    assert reasons[-1] == ["region", ""]
    rows, schema = decode(asked, loaded.pipeline.record_schema), loaded.pipeline.record_schema
    ingested, _ = ingest(rows, schema, strict.record_rules, 1.0)
    in_batch = (*ingested.refused.rows, *ingested.broken.rows)
    assert [row.reasons for row in in_batch] == [row.reasons for row in answer.rejected[:2]]


def _critical(kind: str, kwargs: dict[str, Any]) -> dict[str, Any]:
    type_ = f"expect_column_values_to_be_{kind}"
    return {"type": type_, "kwargs": kwargs, "severity": "critical"}


@pytest.fixture
def failing(scorer: Scorer, orders: Records, monkeypatch: pytest.MonkeyPatch) -> str:
    """A key at which a column's function fails."""
    node = scorer.pipeline.graph.nodes["price_per_item"]
    function = node.function
    assert function is not None

    def fails(price: Any, items: Any) -> Any:
        if (price == 66.6).any():
            raise ZeroDivisionError("no such price")
        return function(price, items)

    monkeypatch.setitem(vars(node), "function", fails)
    return "66.6"


@pytest.mark.usefixtures("failing")
def test_a_row_at_which_a_function_fails_is_rejected_and_leaves_other_requests_alone(
    scorer: Scorer, orders: Records
) -> None:
    poison = {**orders[1], "price": 66.6}

    first, second, third = map(told, scorer.answer([orders[:1], [poison, orders[2]], [orders[3]]]))

    assert (first.rows, second.rows, third.rows) == ([0], [1], [0])
    (rejected,) = second.rejected
    assert rejected.row == 0
    (reason,) = rejected.reasons
    assert reason.column == "price_per_item"
    assert reason.refusal == (
        "cannot be computed of price, items for this row: its function raised ZeroDivisionError"
    )
    assert not first.rejected
    assert not third.rejected


def test_a_row_at_which_a_model_takes_no_infinite_number_names_the_column_that_is_so(
    scorer: Scorer, orders: Records
) -> None:
    unruled = replace(scorer, rules=compile_rules({"name": "input", "expectations": []}))

    answer, *_ = map(told, unruled.answer([[orders[0], {**orders[1], "items": 0}], orders[2:3]]))

    (rejected,) = answer.rejected
    (reason,) = rejected.reasons
    assert (answer.rows, rejected.row, reason.column) == ([0], 1, "price_per_item")
    assert reason.refusal == (
        "is no finite number, computed of price, items, for this row, and return_probability "
        "cannot be computed of it"
    )


RULES = compile_rules(
    {
        "name": "features",
        "expectations": [
            {
                "type": "expect_column_values_to_be_between",
                "kwargs": {"column": "price_per_item", "max_value": 1000.0},
                "severity": "critical",
            }
        ],
    }
)


@pytest.mark.parametrize("beside", [0, 2])
def test_a_row_whose_features_break_a_row_rule_is_set_aside_as_in_a_batch(
    scorer: Scorer, orders: Records, beside: int
) -> None:
    ruled = replace(scorer, computed_rules=(RULES,))
    request = [orders[0], {**orders[1], "price": 999_999.0, "items": 1}, orders[2]]
    batch = compute_rows(
        scorer.pipeline, decode(request, scorer.pipeline.record_schema).columns, 0, [RULES]
    )

    answer, *_ = map(told, ruled.answer([request, *[orders[:1]] * beside]))

    assert answer.rows == [0, 2]
    assert answer.columns["order_id"].tolist() == batch.kept["order_id"].tolist()
    assert [(one.row, one.reasons) for one in answer.rejected] == [
        (one.row, one.reasons) for one in batch.broken
    ]
