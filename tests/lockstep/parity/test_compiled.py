"""Compiled predictors against the reference ones: what is found where they part."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

from lockstep.columns.compiled.predictor import Compiled
from lockstep.columns.kinds import Array, Columns, Kind
from lockstep.columns.pipeline import Pipeline
from lockstep.columns.predictors import Predictor
from lockstep.columns.schema import Field, Schema
from lockstep.parity.comparison import ParityReport
from lockstep.parity.compiled import agreement, as_computed_by, edge_rows
from lockstep.parity.golden import GoldenRecords
from lockstep.parity.replay import replay
from lockstep.parity.selection import choose_golden


class Changed:
    """A compiled predictor of which something is otherwise."""

    def __init__(
        self,
        predictor: Predictor,
        *,
        answers: Callable[[Columns, Columns], Columns] | None = None,
        matrices: Callable[[Array], Array] | None = None,
    ) -> None:
        self.predictor = predictor
        self.answers = answers or (lambda _, answer: answer)
        self.matrices = matrices or (lambda matrix: matrix)

    def __call__(self, columns: Columns, /) -> Columns:
        return self.answers(columns, dict(self.predictor(columns)))

    def matrix(self, columns: Columns, /) -> Array:
        return self.matrices(self.predictor.matrix(columns))


@pytest.fixture(scope="module")
def golden(pipeline: Pipeline, columns: Columns) -> GoldenRecords:
    return choose_golden(pipeline, columns, limit=60)


@pytest.fixture(scope="module")
def compiled(pipeline: Pipeline) -> Compiled:
    found = Compiled.of(pipeline)
    assert found.models == ("chance", "wait")
    return found


def changed(compiled: Compiled, name: str, **how: Callable[..., object]) -> Compiled:
    """The same, with one predictor that is otherwise."""
    other = Changed(compiled.pipeline.bound[name], **how)  # type: ignore[arg-type]
    return replace(compiled, pipeline=compiled.pipeline.bind({name: other}))


def failure_of(pipeline: Pipeline, wrong: Compiled, golden: GoldenRecords) -> ParityReport:
    """How one compiled model differs; it is left to its reference predictor, the other is not."""
    agreed = agreement(pipeline, wrong, golden)
    assert agreed.failure is not None
    assert agreed.report.ok
    (name,) = agreed.differing
    assert agreed.compiled.models == tuple(other for other in wrong.models if other != name)
    assert agreed.compiled.pipeline.bound[name] is pipeline.bound[name]
    assert agreed.compiled.reasons[name] == agreed.differing[name]
    return agreed.failure


def test_columns_matrices_and_edges_agree(
    pipeline: Pipeline, compiled: Compiled, golden: GoldenRecords
) -> None:
    agreed = agreement(pipeline, compiled, golden)
    found = agreed.report

    assert found.ok, found.summary
    assert (agreed.compiled, agreed.differing) == (compiled, {})
    assert {one.column for one in found.compared if one.is_matrix} == {"chance", "wait"}
    edges = [one for one in found.comparisons if one.setting.startswith("on missing")]
    assert len(edges) == 4  # of two models, together and each row alone
    assert all(one.rows > 16 for one in edges)


@pytest.mark.parametrize("names", [(), ("chance",), ("wait",), ("chance", "wait")])
def test_golden_records_agree_whichever_models_are_compiled(
    pipeline: Pipeline, compiled: Compiled, golden: GoldenRecords, names: tuple[str, ...]
) -> None:
    some = pipeline.bind({name: compiled.pipeline.bound[name] for name in names})
    found = replay(some, as_computed_by(some, golden))
    assert found.ok, found.summary


def test_a_difference_in_golden_records_is_named_by_its_column(
    pipeline: Pipeline, compiled: Compiled, golden: GoldenRecords
) -> None:
    wrong = changed(compiled, "wait", answers=lambda _, answer: {"wait": answer["wait"] + 1e-9})

    found = failure_of(pipeline, wrong, golden)

    assert found.first is not None
    assert found.first.column == "wait"


def test_a_difference_before_the_estimator_is_found_in_its_matrix(
    pipeline: Pipeline, compiled: Compiled, golden: GoldenRecords
) -> None:
    wrong = changed(compiled, "wait", matrices=lambda matrix: matrix + 1)

    found = failure_of(pipeline, wrong, golden)

    assert [one.column for one in found.compared if one.is_matrix and not one.ok] == ["wait"]


def test_a_difference_at_a_text_that_was_never_seen_is_found_at_the_edges(
    pipeline: Pipeline, compiled: Compiled, golden: GoldenRecords
) -> None:
    ports = set(golden.trace.columns["port_known"].tolist())

    def answers(given: Columns, answer: Columns) -> Columns:
        unseen = np.array([port not in ports for port in given["port_known"].tolist()])
        return {name: np.where(unseen, values + 0.25, values) for name, values in answer.items()}

    name = next(one for one in ("chance", "wait") if "port_known" in pipeline.graph.inputs(one))
    found = failure_of(pipeline, changed(compiled, name, answers=answers), golden)

    assert [one.setting for one in found.comparisons if not one.ok] == [
        "on missing, unseen and extreme values",
        "on missing, unseen and extreme values, each row alone",
    ]


def test_a_difference_of_rows_that_are_alone_is_found(
    pipeline: Pipeline, compiled: Compiled, golden: GoldenRecords
) -> None:
    def answers(given: Columns, answer: Columns) -> Columns:
        is_alone = len(answer["wait"]) == 1
        return {"wait": answer["wait"] + 0.25} if is_alone else answer

    found = failure_of(pipeline, changed(compiled, "wait", answers=answers), golden)

    assert [one.setting for one in found.comparisons if not one.ok] == [
        "one at a time",
        "on missing, unseen and extreme values, each row alone",
    ]


def test_values_that_only_scikit_learn_takes_are_a_failure(
    pipeline: Pipeline, compiled: Compiled, golden: GoldenRecords
) -> None:
    def answers(given: Columns, answer: Columns) -> Columns:
        if any(
            np.nanmax(np.abs(array)) >= 1e30 for array in given.values() if array.dtype == float
        ):
            raise ValueError("too large")
        return answer

    found = failure_of(pipeline, changed(compiled, "wait", answers=answers), golden)

    assert not found.ok
    assert "refuses values that scikit-learn takes: too large" in found.summary


def test_edges_change_one_value_a_row_to_what_its_field_may_hold() -> None:
    rows = {
        "x": np.array([1.0, 2.0]),
        "y": np.array([1.0, 2.0]),
        "t": np.array(["a", "b"], dtype=object),
        "c": np.array(["a", "b"], dtype=object),
        "n": np.array([1, 2]),
        "made": np.array([1.0, 2.0]),
    }
    kinds = {
        "x": Kind.FLOAT,
        "y": Kind.FLOAT,
        "t": Kind.TEXT,
        "c": Kind.TEXT,
        "n": Kind.INT,
        "made": Kind.FLOAT,
    }
    fields = (
        Field("x", "float"),
        Field("y", "float", optional=True),
        Field("t", "str", optional=True),
        Field("c", "str", choices=("a", "b")),
        Field("n", "int"),
    )

    found = edge_rows(rows, kinds, Schema("Row", fields))

    for row in range(2, len(found["n"])):
        base = (row - 2) % 2
        assert sum(found[name][row] == rows[name][base] for name in rows) >= len(rows) - 1
    assert np.isfinite(found["x"]).all()
    assert {1e300, -1e300} <= set(found["x"].tolist())
    assert np.isnan(found["y"]).any()
    assert np.isfinite(found["y"][~np.isnan(found["y"])]).all()
    assert None in found["t"].tolist()
    assert set(found["c"].tolist()) == {"a", "b"}
    assert {np.inf, -np.inf} <= set(found["made"].tolist())
