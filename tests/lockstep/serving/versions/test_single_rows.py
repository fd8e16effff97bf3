"""Single rows: a record that comes alone is answered as among others, only faster."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import msgspec
import numpy as np
import pytest

from lockstep.columns.compiled.predictor import CompiledPredictor
from lockstep.columns.kinds import Columns, Kind
from lockstep.errors import LockstepError
from lockstep.parity.scalar_forms import bits
from lockstep.rules.row_rules import compile_rules
from lockstep.serving.requestlog.log_blocks import BlockLayout
from lockstep.serving.requestlog.log_segments import Header
from lockstep.serving.versions.asked import RequestFacts
from lockstep.serving.versions.proving import with_single_rows
from lockstep.serving.versions.request_scorer import Answer, Scorer

Records = list[dict[str, Any]]


@pytest.fixture
def by_arrays(scorer: Scorer) -> Scorer:
    """The same scorer without a way of its own for single rows."""
    return replace(scorer, single=None)


def alone(scorer: Scorer, record: dict[str, Any]) -> Answer:
    (answer,) = scorer.answer([[record]])
    assert isinstance(answer, Answer)
    return answer


def by_name(columns: Columns) -> dict[str, tuple[Any, Any]]:
    return {name: (array.dtype, bits(array)) for name, array in sorted(columns.items())}


def test_a_record_alone_gets_every_column_that_arrays_give_to_the_bit(
    scorer: Scorer, by_arrays: Scorer, orders: Records
) -> None:
    assert scorer.single is not None
    for record in orders:
        answer, expected = alone(scorer, record), alone(by_arrays, record)

        assert answer.scored.single is not None
        assert by_name(answer.own) == by_name(expected.own)
        assert [repr(told) for told in answer.told] == [repr(told) for told in expected.told]
        assert (answer.rows, answer.total) == (expected.rows, expected.total)


@pytest.mark.parametrize(
    "change",
    [
        {"items": "many"},
        {"items": None},
        {"price": -1.0},
        {"prise": 1.0},
        {"weight": float("inf")},
        {"sent_at": "2020-01-01"},
        {"items": 0},
    ],
)
def test_a_record_that_is_refused_alone_is_told_as_by_arrays(
    scorer: Scorer, by_arrays: Scorer, orders: Records, change: dict[str, Any]
) -> None:
    record = {**orders[1], **change}

    answer, expected = alone(scorer, record), alone(by_arrays, record)

    assert answer.scored.single is None
    (rejected,) = answer.rejected
    assert [rejected.reasons] == [row.reasons for row in expected.rejected]


def test_a_field_may_be_written_in_another_way_or_left_out(
    scorer: Scorer, by_arrays: Scorer, orders: Records
) -> None:
    record = {**orders[1], "items": 3.0, "price": 4}
    del record["weight"]

    answer = alone(scorer, record)

    assert answer.scored.single is not None
    assert by_name(answer.columns) == by_name(alone(by_arrays, record).columns)


def test_a_function_that_fails_is_told_as_by_arrays(
    scorer: Scorer, by_arrays: Scorer, orders: Records, monkeypatch: pytest.MonkeyPatch
) -> None:
    node = scorer.pipeline.graph.nodes["price_per_item"]
    monkeypatch.setitem(vars(node), "function", lambda price, items: 1 / 0)

    answer = alone(scorer, orders[1])

    (rejected,) = answer.rejected
    assert [rejected.reasons] == [row.reasons for row in alone(by_arrays, orders[1]).rejected]
    assert "ZeroDivisionError" in rejected.reasons[0].refusal


def test_a_function_that_gives_another_type_than_when_it_was_proven_is_asked_by_arrays(
    scorer: Scorer, by_arrays: Scorer, orders: Records, monkeypatch: pytest.MonkeyPatch
) -> None:
    node = scorer.pipeline.graph.nodes["is_heavy"]

    def flag(weight: Any) -> Any:
        return np.asarray(weight > 5) if np.ndim(weight) else bool(weight > 5)

    monkeypatch.setitem(vars(node), "function", flag)

    answer = alone(scorer, orders[1])

    assert answer.scored.single is None
    assert by_name(answer.own) == by_name(alone(by_arrays, orders[1]).own)


def test_a_record_alone_is_logged_as_by_arrays(
    scorer: Scorer, by_arrays: Scorer, orders: Records
) -> None:
    graph = scorer.pipeline.graph
    header = Header(
        pipeline="orders",
        version=1,
        manifest="",
        fields={name: graph.kind(name) for name in scorer.pipeline.record_schema.names},
        outputs={name: graph.kind(name) for name in graph.outputs},
        redacted={},
        share=1.0,
        started_at="2020-03-01T12:00:00+00:00",
    )
    fields = {**header.fields, "country": Kind.TEXT}
    redacted = {"country": "hashed"}
    hashed = msgspec.structs.replace(header, fields=fields, redacted=redacted)
    for head, hashes in ((header, None), (hashed, _hashes)):
        layout = BlockLayout.of(head, hashes)
        for record in orders[:20]:
            blocks = [
                layout.blocks([(RequestFacts("r", 1.0), alone(each, record))], now=1.5, wall=10**7)
                for each in (scorer, by_arrays)
            ]
            assert blocks[0] == blocks[1]


def _hashes(values: Any) -> list[str | None]:
    return [None if value is None else f"hash of {value}" for value in values.tolist()]


class _Wrong:
    """A compiled predictor whose form for single rows is off by the last digit."""

    def __init__(self, right: CompiledPredictor) -> None:
        self._right, self.model = right, right.model

    def of_row(self, row: Sequence[Any]) -> float:
        assert self._right.of_row is not None
        return float(np.nextafter(self._right.of_row(row), np.inf))

    def __call__(self, columns: Columns, /) -> Columns:
        return self._right(columns)

    def matrix(self, columns: Columns, /) -> Any:
        return self._right.matrix(columns)


def test_a_way_that_differs_at_a_golden_record_is_not_gone(
    by_arrays: Scorer, caplog: pytest.LogCaptureFixture
) -> None:
    pipeline = by_arrays.pipeline
    right = pipeline.bound["expected_cost"]
    assert isinstance(right, CompiledPredictor)
    wrong = pipeline.bind({"expected_cost": _Wrong(right)})
    compiled = replace(by_arrays.compiled, pipeline=wrong)

    with caplog.at_level(logging.ERROR):
        scorer = with_single_rows(replace(by_arrays, compiled=compiled))

    assert scorer.single is None
    assert "differs" in caplog.text


def test_rules_that_cannot_be_applied_leave_a_scorer_as_it_is(
    by_arrays: Scorer, orders: Records
) -> None:
    suite = {
        "name": "input",
        "expectations": [
            {"type": "expect_column_values_to_not_be_null", "kwargs": {"column": "nobody"}}
        ],
    }
    scorer = with_single_rows(replace(by_arrays, rules=compile_rules(suite)))

    assert scorer.single is None
    (error,) = scorer.answer([orders[:1]])
    assert isinstance(error, LockstepError)
