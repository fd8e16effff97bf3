"""All reasons of a refused record at once: its types, its fields, and what is computed of it."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from assets.orders import ASSETS
from lockstep.checks.ingest import ingest
from lockstep.columns.decode import decode
from lockstep.columns.tables import take_rows
from lockstep.rules.record_rules import RecordRules
from lockstep.rules.row_rules import compile_rules
from tests.fixtures.order_store import orders_of

SCHEMA = ASSETS.pipeline.record_schema
DAY = np.datetime64("2020-03-01").item()


def suite(name: str, **bounds: dict[str, Any]) -> dict[str, Any]:
    """A suite of critical expectations; a list is a set of values."""
    return {
        "name": name,
        "expectations": [
            {
                "type": "expect_column_values_to_be_between"
                if "value_set" not in kwargs
                else "expect_column_values_to_be_in_set",
                "kwargs": {"column": column, **kwargs},
                "severity": "critical",
            }
            for column, kwargs in bounds.items()
        ],
    }


RULES = RecordRules(
    ASSETS.pipeline,
    compile_rules(suite("input", items={"min_value": 1}, price={"min_value": 1})),
    (
        compile_rules(
            suite(
                "features",
                price_per_item={"max_value": 100},
                is_heavy={"value_set": [False]},
                region={"value_set": ["home"]},
            )
        ),
    ),
)


def reasons_of(*changes: dict[str, Any]) -> list[list[str]]:
    """By order with these values, the columns of all that is wrong with it."""
    frame = orders_of(DAY, len(changes))
    fine = {"price": 10.0, "items": 2, "weight": 1.0, "country": "DE"}
    records = [
        {**record, **fine, **change}
        for record, change in zip(frame.to_dict("records"), changes, strict=True)
    ]
    ingested, _ = ingest(decode(records, SCHEMA), SCHEMA, RULES, 1.0)
    told: list[list[str]] = [[] for _ in changes]
    for row in (*ingested.refused.rows, *ingested.broken.rows):
        told[row.row] = [reason.column for reason in row.reasons]
    return told


@pytest.mark.parametrize(
    ("change", "columns"),
    [
        ({}, []),
        ({"items": "many"}, ["items"]),
        ({"gift": "yes", "country": "US"}, ["gift", "region"]),
        (
            {"gift": "yes", "items": 0, "country": "US", "weight": 9.0},
            ["gift", "items", "is_heavy", "region"],
        ),
        ({"items": 0, "country": "US"}, ["items", "region"]),
        ({"gift": 1.5, "price": 900.0}, ["gift", "price_per_item"]),
        ({"items": "many", "price": 900.0}, ["items"]),  # what needs a wrong field is not computed
        ({"price": -1.0, "items": "many", "country": 3, "weight": 9.0}, None),
        ({"order_id": None, "country": "US"}, ["order_id", "region"]),
    ],
)
def test_a_refused_record_has_all_of_its_reasons(
    change: dict[str, Any], columns: list[str] | None
) -> None:
    expected = ["items", "country", "price", "is_heavy"] if columns is None else columns
    (told,) = reasons_of(change)
    assert sorted(told) == sorted(expected)
    assert reasons_of({"gift": "no"}, change, {"country": 1})[1] == told


def test_a_function_that_raises_is_a_reason_and_hides_no_other(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    node = ASSETS.pipeline.graph.nodes["is_heavy"]

    def fail(weight: Any) -> Any:
        if (weight > 5).any():
            raise ValueError("too heavy")
        return weight > 5

    monkeypatch.setitem(vars(node), "function", fail)
    told = reasons_of(
        {"gift": "no", "weight": 9.0, "country": "US"},
        {"gift": "no", "country": "US"},
        *({"gift": "no", "weight": 9.0} for _ in range(150)),
    )
    assert told[0] == ["gift", "is_heavy", "region"]
    assert told[1] == ["gift", "region"]
    assert sum("is_heavy" in own for own in told) == 100
    assert not caplog.records


def test_columns_of_wrong_fields_are_not_computed(monkeypatch: pytest.MonkeyPatch) -> None:
    given = []
    node = ASSETS.pipeline.graph.nodes["price_per_item"]
    divide = node.function
    assert divide is not None

    def watch(price: Any, items: Any) -> Any:
        given.extend(items.tolist())
        return divide(price, items)

    monkeypatch.setitem(vars(node), "function", watch)
    reasons_of({"items": 0}, {"items": "many"}, {"gift": "no", "items": 3})
    assert given == [3]


def test_as_many_kinds_of_wrong_records_as_there_are_keep_no_more_memory() -> None:
    graph = ASSETS.pipeline.graph
    columns = decode(orders_of(DAY, 1), SCHEMA).columns
    names = ("is_heavy", "region", "price_per_item")
    for bits in range(1_200):
        wanted = tuple(names[place % 3] for place in range(bits % 7, bits % 7 + 1))
        given = take_rows(columns, slice(None)) | {f"other {bits}": columns["price"]}
        graph.evaluate(given, wanted)
    assert len(graph._plans) <= 1_000
