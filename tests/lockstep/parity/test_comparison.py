"""What two traces have in common, and where they first part."""

import json
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lockstep.columns.pipeline import Pipeline, Trace
from lockstep.parity.comparison import Comparison, how_exactly
from lockstep.parity.scales import Scales
from tests.lockstep.parity.conftest import COLUMNS, traced

Compared = Callable[..., Comparison]
some = settings(max_examples=60)


@pytest.fixture(scope="module")
def few(trace: Trace) -> Trace:
    """As many rows as a failing property can show."""
    return trace.take(range(12))


def rows_of(trace: Trace, rows: Any) -> Trace:
    return Trace(
        trace.keys[rows],
        {name: values[rows] for name, values in trace.columns.items()},
        {name: values[rows] for name, values in trace.matrices.items()},
    )


def with_cell(trace: Trace, column: str, row: int) -> Trace:
    """The trace with another value in one cell of a column."""
    values = trace.columns[column].copy()
    if values.dtype == object:
        values[row] = "another" if values[row] is None else None
    elif values.dtype == bool:
        values[row] = not values[row]
    elif values.dtype.kind == "M":
        values[row] = np.datetime64("1999-01-01")
    elif np.isnan(values[row]):
        values[row] = 0
    else:
        values[row] += 1
    return traced(trace, column, values)


def test_a_trace_agrees_with_itself_in_every_column_and_matrix(
    pipeline: Pipeline, trace: Trace, compared: Compared
) -> None:
    found = compared(trace)
    assert (found.ok, found.rows) == (True, 120)
    assert [one.column for one in found.compared if not one.is_matrix] == list(pipeline.graph.order)
    assert [one.column for one in found.compared if one.is_matrix] == ["chance", "wait"]


@some
@given(order=st.permutations(range(12)))
def test_rows_are_matched_by_key_whatever_their_order(
    few: Trace, order: list[int], compared: Compared
) -> None:
    found = compared(rows_of(few, order), few)
    assert (found.ok, found.rows) == (True, 12)


@some
@given(data=st.data())
def test_a_single_altered_cell_is_found_and_named(
    pipeline: Pipeline, few: Trace, data: st.DataObject, compared: Compared
) -> None:
    column = data.draw(st.sampled_from([n for n in pipeline.graph.order if n != "voyage"]))
    row = data.draw(st.integers(0, 11))
    found = compared(with_cell(few, column, row), few)
    assert (found.first.column, found.first.is_matrix, found.first.differing) == (column, False, 1)
    assert found.first.examples[0].key == few.keys[row]
    assert [one.column for one in found.divergent] == [column]


def test_the_first_divergence_in_graph_order_is_told_with_what_explains_it(
    pipeline: Pipeline, trace: Trace, compared: Compared
) -> None:
    actual = with_cell(with_cell(trace, "heavy", 2), "load", 7)
    found = compared(actual)
    first = found.first
    assert (first.column, first.role, first.differing, first.rows) == ("load", "feature", 1, 120)
    assert first.origin.function == f"{pipeline.module}.load"
    assert first.origin.file.endswith(f"{pipeline.module}.py")
    assert (first.inputs, first.begins_here) == ({"cargo": True, "crew": True}, True)
    assert first.largest == 1.0
    example = first.examples[0]
    assert (example.key, example.expected) == ("V0007", trace.columns["load"][7])
    assert example.actual == trace.columns["load"][7] + 1
    assert example.inputs["crew"] == trace.columns["crew"][7]
    assert [one.column for one in found.divergent] == ["load", "heavy"]


def test_a_divergence_is_told_in_one_sentence(
    pipeline: Pipeline, trace: Trace, compared: Compared
) -> None:
    hour = trace.columns["hour"].copy()
    hour[:3] = 99
    found = compared(traced(trace, "hour", hour))
    location = pipeline.graph.columns["hour"].location
    assert found.summary == (
        f"column `hour` ({location}) differs in 3 of 120 rows; first at key V0000: expected "
        f"{trace.columns['hour'][0]}, got 99; its input sails_at agrees"
    )


def test_inputs_that_were_not_compared_are_told(trace: Trace, compared: Compared) -> None:
    columns = {name: trace.columns[name] for name in ("voyage", "load", "crew")}
    expected = Trace(trace.keys, columns, {})
    found = compared(with_cell(expected, "load", 0), expected)
    assert found.first.inputs == {"cargo": None, "crew": True}
    assert not found.first.begins_here


def test_inputs_are_looked_at_even_if_not_asked_for(trace: Trace, compared: Compared) -> None:
    actual = with_cell(with_cell(trace, "load", 0), "crew", 5)
    found = compared(actual, columns=["load"])
    assert found.first.inputs == {"cargo": True, "crew": False}


def test_a_field_that_differs_is_called_a_field(trace: Trace, compared: Compared) -> None:
    found = compared(with_cell(trace, "crew", 0))
    assert found.summary.startswith("field `crew` differs in 1 of 120 rows")


def test_floats_may_differ_by_the_budget_of_their_column(trace: Trace, compared: Compared) -> None:
    chance = trace.columns["chance"]
    near = chance + 64 * np.spacing(chance)
    found = compared(traced(trace, "chance", near))
    assert found.ok
    assert [one.ulps for one in found.compared if one.column == "chance"] == [0, 64]


def test_what_agrees_is_told_with_how_exactly(trace: Trace, compared: Compared) -> None:
    chance = trace.columns["chance"]
    near = traced(trace, "chance", chance + 4 * np.spacing(chance))
    exact = compared(trace).compared
    both = compared(near).compared
    rounded = [column for column in both if column.ulps]
    assert how_exactly(exact) == " bit for bit"
    assert how_exactly(both) == f", {len(both) - 1} bit for bit and 1 within 64 ulps"
    assert how_exactly(rounded) == " within 64 ulps"


def test_beyond_the_budget_the_distance_is_told(trace: Trace, compared: Compared) -> None:
    chance = trace.columns["chance"].copy()
    chance[0] += 65 * np.spacing(chance[0])
    found = compared(traced(trace, "chance", chance))
    assert "by up to 65 ulp where 64 are allowed" in found.summary


def test_another_dtype_is_a_divergence_that_says_so(trace: Trace, compared: Compared) -> None:
    found = compared(traced(trace, "hour", trace.columns["hour"].astype(float)))
    assert "holds float64 instead of int64 and differs in 120 of 120 rows" in found.summary


def test_a_matrix_is_named_before_the_column_of_its_model(trace: Trace, compared: Compared) -> None:
    matrix = trace.matrices["chance"].copy()
    matrix[4, 1] = 77.0
    actual = replace(with_cell(trace, "chance", 4), matrices={**trace.matrices, "chance": matrix})
    found = compared(actual)
    assert (found.first.column, found.first.is_matrix) == ("chance", True)
    assert (found.first.examples[0].position, found.first.examples[0].actual) == (1, 77.0)
    assert found.first.inputs == {"crew": True, "hour": True, "port_known": True}
    assert [(one.column, one.is_matrix) for one in found.divergent] == [
        ("chance", True),
        ("chance", False),
    ]


def test_no_comparison_is_a_failure() -> None:
    assert not Comparison().ok


TWICE = "keys that occur more than once, so that their rows cannot be matched: V0000"


@pytest.mark.parametrize(
    ("expected", "actual", "rows", "problem"),
    [
        pytest.param([], range(120), 0, "nothing was compared: there are no rows", id="no rows"),
        pytest.param(
            range(120), range(1, 120), 119, "expected rows that are not there: V0000", id="one gone"
        ),
        pytest.param(range(120), [0, *range(120)], 119, TWICE, id="a repeated key"),
        pytest.param(range(100), range(120), 100, None, id="further rows do no harm"),
    ],
)
def test_the_rows_of_both_traces_are_those_of_one_key(
    trace: Trace, compared: Compared, expected: Any, actual: Any, rows: int, problem: str | None
) -> None:
    found = compared(rows_of(trace, list(actual)), rows_of(trace, list(expected)))
    assert (found.rows, found.problems) == (rows, (problem,) if problem else ())
    assert found.ok is (problem is None)


def test_a_matrix_may_have_the_rounding_of_the_scale_of_its_columns(
    trace: Trace, compared: Compared
) -> None:
    matrix = trace.matrices["chance"].copy()
    matrix[4, 0] += 1e-13
    actual = replace(trace, matrices={**trace.matrices, "chance": matrix})
    for scale, is_ok in ((0.0, False), (1e3, True)):
        scales = Scales(matrices={"chance": np.array([scale, 0.0, 0.0])})
        assert compared(actual, scales=scales).ok is is_ok


def test_without_a_shared_column_nothing_is_compared_and_that_is_a_failure(
    trace: Trace, compared: Compared
) -> None:
    found = compared(trace, Trace(trace.keys, {}, {}))
    assert not found.ok
    assert found.summary == "nothing was compared: there are no columns in both traces"


def test_what_is_in_one_trace_only_is_skipped_with_the_reason(
    pipeline: Pipeline, compared: Compared
) -> None:
    found = compared(pipeline.trace(COLUMNS))
    lacking = ["delay", "late", "hours_late", "chance (matrix)", "wait (matrix)"]
    assert found.ok
    assert dict(found.skipped) == dict.fromkeys(lacking, "not in the actual trace")


def test_what_was_asked_for_and_lacks_is_a_failure(pipeline: Pipeline, compared: Compared) -> None:
    actual = pipeline.trace(COLUMNS, matrices=True)
    found = compared(actual, columns=["load", "late"])
    assert not found.ok
    assert found.summary == "`late` was not compared: not in the actual trace"


def test_a_column_outside_of_the_graph_is_compared_too(trace: Trace, compared: Compared) -> None:
    expected = traced(trace, "former", np.zeros(120))
    found = compared(traced(trace, "former", np.ones(120)), expected)
    assert found.summary.startswith("column `former` differs in 120 of 120 rows")


def test_a_divergence_is_small_and_strict_json(trace: Trace, compared: Compared) -> None:
    long = traced(trace, "port", np.array(["x" * 10**6] * 120, dtype=object))
    for actual in (
        traced(long, "load", np.full(120, np.inf)),
        traced(long, "port", np.array(["y" * 10**6] * 120, dtype=object)),
    ):
        first = compared(actual, long).first
        assert len(json.dumps(first.to_json(), allow_nan=False)) < 30_000
