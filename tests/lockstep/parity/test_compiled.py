"""Compiled predictors against the reference ones: what is found where they part."""

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
import pytest

from lockstep.columns.compiled.predictor import Compiled
from lockstep.columns.kinds import Array, Columns, Kind
from lockstep.columns.nodes import Predictor
from lockstep.columns.pipeline import Pipeline
from lockstep.columns.schema import Field, Schema
from lockstep.parity.comparison import ParityReport
from lockstep.parity.compiled import agreement, as_computed_by, edge_rows
from lockstep.parity.golden import GoldenRecords
from lockstep.parity.replay import replay

Failure = Callable[..., ParityReport]


@dataclass
class Changed:
    """A compiled predictor of which something is otherwise."""

    predictor: Predictor
    answers: Callable[[Columns, Columns], Columns] = lambda _, answer: answer
    matrices: Callable[[Array], Array] = lambda matrix: matrix

    def __call__(self, columns: Columns, /) -> Columns:
        return self.answers(columns, dict(self.predictor(columns)))

    def matrix(self, columns: Columns, /) -> Array:
        return self.matrices(self.predictor.matrix(columns))


@pytest.fixture(scope="module")
def compiled(pipeline: Pipeline) -> Compiled:
    found = Compiled.of(pipeline)
    assert found.models == ("chance", "wait")
    return found


@pytest.fixture
def failure_of(pipeline: Pipeline, compiled: Compiled, golden: GoldenRecords) -> Failure:
    """A function that tells how a model's compiled predictor differs that is otherwise.

    It is left to its reference predictor, the other is not.
    """

    def failure_of(name: str, **how: Callable[..., object]) -> ParityReport:
        other = Changed(compiled.pipeline.bound[name], **how)  # type: ignore[arg-type]
        wrong = replace(compiled, pipeline=compiled.pipeline.bind({name: other}))
        agreed = agreement(pipeline, wrong, golden)
        assert agreed.failure is not None
        assert agreed.report.ok
        assert list(agreed.differing) == [name]
        assert agreed.compiled.models == tuple(model for model in wrong.models if model != name)
        assert agreed.compiled.pipeline.bound[name] is pipeline.bound[name]
        assert agreed.compiled.reasons[name] == agreed.differing[name]
        return agreed.failure

    return failure_of


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


def test_a_difference_in_golden_records_is_named_by_its_column(failure_of: Failure) -> None:
    found = failure_of("wait", answers=lambda _, answer: {"wait": answer["wait"] + 1e-9})
    assert found.first.column == "wait"


def test_a_difference_before_the_estimator_is_found_in_its_matrix(failure_of: Failure) -> None:
    found = failure_of("wait", matrices=lambda matrix: matrix + 1)
    assert [one.column for one in found.compared if one.is_matrix and not one.ok] == ["wait"]


EDGES = "on missing, unseen and extreme values"


def test_a_difference_at_a_text_that_was_never_seen_is_found_at_the_edges(
    failure_of: Failure, golden: GoldenRecords
) -> None:
    ports = set(golden.trace.columns["port_known"].tolist())

    def answers(given: Columns, answer: Columns) -> Columns:
        unseen = np.array([port not in ports for port in given["port_known"].tolist()])
        return {name: np.where(unseen, values + 0.25, values) for name, values in answer.items()}

    found = failure_of("chance", answers=answers)
    differing = [one.setting for one in found.comparisons if not one.ok]
    assert differing == [EDGES, f"{EDGES}, each row alone"]


def test_a_difference_of_rows_that_are_alone_is_found(failure_of: Failure) -> None:
    def answers(given: Columns, answer: Columns) -> Columns:
        return {"wait": answer["wait"] + 0.25} if len(answer["wait"]) == 1 else answer

    found = failure_of("wait", answers=answers)
    differing = [one.setting for one in found.comparisons if not one.ok]
    assert differing == ["one at a time", f"{EDGES}, each row alone"]


def test_values_that_only_scikit_learn_takes_are_a_failure(failure_of: Failure) -> None:
    def answers(given: Columns, answer: Columns) -> Columns:
        floats = [array for array in given.values() if array.dtype == float]
        if any(np.nanmax(np.abs(array)) >= 1e30 for array in floats):
            raise ValueError("too large")
        return answer

    found = failure_of("wait", answers=answers)
    assert not found.ok
    assert "refuses values that scikit-learn takes: too large" in found.summary


def test_edges_change_one_value_a_row_to_what_its_field_may_hold() -> None:
    numbers, whole = np.array([1.0, 2.0]), np.array([1, 2])
    letters = np.array(["a", "b"], dtype=object)
    rows = {"x": numbers, "y": numbers, "made": numbers, "n": whole, "t": letters, "c": letters}
    kinds = dict.fromkeys(["x", "y", "made"], Kind.FLOAT) | {"n": Kind.INT}
    kinds |= dict.fromkeys(["t", "c"], Kind.TEXT)
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
