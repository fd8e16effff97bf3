"""What two traces have in common, and where they first part."""

import json
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lockstep.columns.kinds import Columns
from lockstep.columns.pipeline import Pipeline, Trace
from lockstep.parity.comparison import Comparison, compare, how_exactly
from lockstep.parity.exactness import BEYOND
from lockstep.parity.scales import Scales

some = settings(max_examples=60)


@pytest.fixture(scope="module")
def trace(pipeline: Pipeline, columns: Columns) -> Trace:
    return pipeline.trace(columns, labels=True, matrices=True)


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


def altered(trace: Trace, column: str, values: Any) -> Trace:
    return replace(trace, columns={**trace.columns, column: values})


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
    return altered(trace, column, values)


def test_a_trace_agrees_with_itself_in_every_column_and_matrix(
    pipeline: Pipeline, trace: Trace
) -> None:
    found = compare(trace, trace, pipeline.graph, scales=Scales())
    assert (found.ok, found.rows) == (True, 120)
    assert [one.column for one in found.compared if not one.is_matrix] == list(pipeline.graph.order)
    assert [one.column for one in found.compared if one.is_matrix] == ["chance", "wait"]


@some
@given(order=st.permutations(range(12)))
def test_rows_are_matched_by_key_whatever_their_order(
    pipeline: Pipeline, few: Trace, order: list[int]
) -> None:
    found = compare(few, rows_of(few, order), pipeline.graph, scales=Scales())
    assert (found.ok, found.rows) == (True, 12)


@some
@given(data=st.data())
def test_a_single_altered_cell_is_found_and_named(
    pipeline: Pipeline, few: Trace, data: st.DataObject
) -> None:
    column = data.draw(st.sampled_from([n for n in pipeline.graph.order if n != "voyage"]))
    row = data.draw(st.integers(0, 11))
    found = compare(few, with_cell(few, column, row), pipeline.graph, scales=Scales())
    assert found.first is not None
    assert (found.first.column, found.first.is_matrix, found.first.differing) == (column, False, 1)
    assert found.first.examples[0].key == few.keys[row]
    assert [one.column for one in found.divergent] == [column]


def test_the_first_divergence_in_graph_order_is_told_with_what_explains_it(
    pipeline: Pipeline, trace: Trace
) -> None:
    actual = with_cell(with_cell(trace, "heavy", 2), "load", 7)
    found = compare(trace, actual, pipeline.graph, scales=Scales())
    first = found.first
    assert first is not None
    assert (first.column, first.role, first.differing, first.rows) == ("load", "feature", 1, 120)
    assert first.origin is not None
    assert first.origin.function == f"{pipeline.module}.load"
    assert first.origin.file.endswith(f"{pipeline.module}.py")
    assert (first.inputs, first.begins_here) == ({"cargo": True, "crew": True}, True)
    assert first.largest == 1.0
    example = first.examples[0]
    assert (example.key, example.expected) == ("V0007", trace.columns["load"][7])
    assert example.actual == trace.columns["load"][7] + 1
    assert example.inputs["crew"] == trace.columns["crew"][7]
    assert [one.column for one in found.divergent] == ["load", "heavy"]


def test_a_divergence_is_told_in_one_sentence(pipeline: Pipeline, trace: Trace) -> None:
    hour = trace.columns["hour"].copy()
    hour[:3] = 99
    found = compare(trace, altered(trace, "hour", hour), pipeline.graph, scales=Scales())
    location = pipeline.graph.columns["hour"].location
    assert found.summary == (
        f"column `hour` ({location}) differs in 3 of 120 rows; first at key V0000: expected "
        f"{trace.columns['hour'][0]}, got 99; its input sails_at agrees"
    )


def test_inputs_that_were_not_compared_are_told(pipeline: Pipeline, trace: Trace) -> None:
    columns = {name: trace.columns[name] for name in ("voyage", "load", "crew")}
    expected = Trace(trace.keys, columns, {})
    found = compare(expected, with_cell(expected, "load", 0), pipeline.graph, scales=Scales())
    assert found.first is not None
    assert found.first.inputs == {"cargo": None, "crew": True}
    assert not found.first.begins_here


def test_inputs_are_looked_at_even_if_they_were_not_asked_for(
    pipeline: Pipeline, trace: Trace
) -> None:
    actual = with_cell(with_cell(trace, "load", 0), "crew", 5)
    found = compare(trace, actual, pipeline.graph, scales=Scales(), columns=["load"])
    assert found.first is not None
    assert found.first.inputs == {"cargo": True, "crew": False}


def test_a_field_that_differs_is_called_a_field(pipeline: Pipeline, trace: Trace) -> None:
    found = compare(trace, with_cell(trace, "crew", 0), pipeline.graph, scales=Scales())
    assert found.summary.startswith("field `crew` differs in 1 of 120 rows")


def test_floats_may_differ_by_the_budget_of_their_column(pipeline: Pipeline, trace: Trace) -> None:
    chance = trace.columns["chance"]
    near = chance + 64 * np.spacing(chance)
    found = compare(trace, altered(trace, "chance", near), pipeline.graph, scales=Scales())
    assert found.ok
    assert [one.ulps for one in found.compared if one.column == "chance"] == [0, 64]


def test_what_agrees_is_told_with_how_exactly(pipeline: Pipeline, trace: Trace) -> None:
    chance = trace.columns["chance"]
    near = altered(trace, "chance", chance + 4 * np.spacing(chance))
    exact = compare(trace, trace, pipeline.graph, scales=Scales()).compared
    both = compare(trace, near, pipeline.graph, scales=Scales()).compared
    rounded = [column for column in both if column.ulps]
    assert how_exactly(exact) == " bit for bit"
    assert how_exactly(both) == f", {len(both) - 1} bit for bit and 1 within 64 ulps"
    assert how_exactly(rounded) == " within 64 ulps"


def test_beyond_the_budget_the_distance_is_told(pipeline: Pipeline, trace: Trace) -> None:
    chance = trace.columns["chance"].copy()
    chance[0] += 65 * np.spacing(chance[0])
    found = compare(trace, altered(trace, "chance", chance), pipeline.graph, scales=Scales())
    assert "by up to 65 ulp where 64 are allowed" in found.summary


def test_features_are_compared_bit_for_bit(pipeline: Pipeline, trace: Trace) -> None:
    load = np.nextafter(trace.columns["load"], np.inf)
    found = compare(trace, altered(trace, "load", load), pipeline.graph, scales=Scales())
    assert found.first is not None
    assert (found.first.column, found.first.ulps) == ("load", 1)


def test_a_missing_value_that_faces_a_number_is_beyond_every_budget(
    pipeline: Pipeline, trace: Trace
) -> None:
    chance = trace.columns["chance"].copy()
    chance[3] = np.nan
    found = compare(trace, altered(trace, "chance", chance), pipeline.graph, scales=Scales())
    assert found.first is not None
    assert (found.first.differing, found.first.ulps) == (1, BEYOND)


def test_another_dtype_is_a_divergence_that_says_so(pipeline: Pipeline, trace: Trace) -> None:
    hour = trace.columns["hour"].astype(float)
    found = compare(trace, altered(trace, "hour", hour), pipeline.graph, scales=Scales())
    assert "holds float64 instead of int64 and differs in 120 of 120 rows" in found.summary


def test_a_matrix_is_named_before_the_column_of_its_model(pipeline: Pipeline, trace: Trace) -> None:
    matrix = trace.matrices["chance"].copy()
    matrix[4, 1] = 77.0
    actual = replace(with_cell(trace, "chance", 4), matrices={**trace.matrices, "chance": matrix})
    found = compare(trace, actual, pipeline.graph, scales=Scales())
    assert found.first is not None
    assert (found.first.column, found.first.is_matrix) == ("chance", True)
    assert (found.first.examples[0].position, found.first.examples[0].actual) == (1, 77.0)
    assert found.first.inputs == {"crew": True, "hour": True, "port_known": True}
    assert [(one.column, one.is_matrix) for one in found.divergent] == [
        ("chance", True),
        ("chance", False),
    ]


def test_a_matrix_of_another_width_differs(pipeline: Pipeline, trace: Trace) -> None:
    wider = np.hstack([trace.matrices["chance"], np.zeros((120, 1))])
    actual = replace(trace, matrices={**trace.matrices, "chance": wider})
    assert (
        "float64 × 4 instead of float64 × 3"
        in compare(trace, actual, pipeline.graph, scales=Scales()).summary
    )


def test_without_a_shared_row_nothing_is_compared_and_that_is_a_failure(
    pipeline: Pipeline, trace: Trace
) -> None:
    found = compare(rows_of(trace, []), trace, pipeline.graph, scales=Scales())
    assert not found.ok
    assert found.summary == "nothing was compared: there are no rows"


def test_without_a_shared_column_nothing_is_compared_and_that_is_a_failure(
    pipeline: Pipeline, trace: Trace
) -> None:
    found = compare(Trace(trace.keys, {}, {}), trace, pipeline.graph, scales=Scales())
    assert not found.ok
    assert found.summary == "nothing was compared: there are no columns in both traces"


def test_no_comparison_is_a_failure() -> None:
    assert not Comparison().ok


def test_an_expected_row_that_is_not_there_is_a_failure(pipeline: Pipeline, trace: Trace) -> None:
    found = compare(trace, rows_of(trace, slice(1, None)), pipeline.graph, scales=Scales())
    assert not found.ok
    assert (found.rows, found.only_expected.count) == (119, 1)
    assert found.summary == "expected rows that are not there: V0000"


def test_further_actual_rows_do_no_harm(pipeline: Pipeline, trace: Trace) -> None:
    found = compare(rows_of(trace, slice(0, 100)), trace, pipeline.graph, scales=Scales())
    assert (found.ok, found.rows) == (True, 100)


def test_rows_of_a_repeated_key_cannot_be_matched(pipeline: Pipeline, trace: Trace) -> None:
    found = compare(trace, rows_of(trace, [0, *range(120)]), pipeline.graph, scales=Scales())
    assert not found.ok
    assert (found.rows, found.repeated.first) == (119, ("V0000",))
    assert "keys that occur more than once, so that their rows cannot be matched" in found.summary


def test_what_is_in_one_trace_only_is_skipped_with_the_reason(
    pipeline: Pipeline, trace: Trace, columns: Columns
) -> None:
    found = compare(trace, pipeline.trace(columns), pipeline.graph, scales=Scales())
    assert found.ok
    assert dict(found.skipped) == {
        "delay": "not in the actual trace",
        "late": "not in the actual trace",
        "hours_late": "not in the actual trace",
        "chance (matrix)": "not in the actual trace",
        "wait (matrix)": "not in the actual trace",
    }


def test_what_was_asked_for_and_is_not_there_is_a_failure(
    pipeline: Pipeline, trace: Trace, columns: Columns
) -> None:
    actual = pipeline.trace(columns, matrices=True)
    found = compare(trace, actual, pipeline.graph, scales=Scales(), columns=["load", "late"])
    assert not found.ok
    assert found.summary == "`late` was not compared: not in the actual trace"


def test_a_column_that_the_graph_does_not_know_is_compared_too(
    pipeline: Pipeline, trace: Trace
) -> None:
    expected = altered(trace, "former", np.zeros(120))
    found = compare(
        expected, altered(trace, "former", np.ones(120)), pipeline.graph, scales=Scales()
    )
    assert found.summary.startswith("column `former` differs in 120 of 120 rows")


def test_a_divergence_is_small_and_strict_json(pipeline: Pipeline, trace: Trace) -> None:
    long = altered(trace, "port", np.array(["x" * 10**6] * 120, dtype=object))
    for actual in (
        altered(long, "load", np.full(120, np.inf)),
        altered(long, "port", np.array(["y" * 10**6] * 120, dtype=object)),
    ):
        first = compare(long, actual, pipeline.graph, scales=Scales()).first
        assert first is not None
        assert len(json.dumps(first.to_json(), allow_nan=False)) < 30_000
