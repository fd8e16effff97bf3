"""Compiled predictors against the reference ones: what is found where they part."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

from lockstep.columns.compiled.predictor import Compiled
from lockstep.columns.kinds import Array, Columns, Kind
from lockstep.columns.pipeline import Pipeline
from lockstep.columns.predictors import Predictor
from lockstep.parity.compiled import as_computed_by, compiled_parity, edge_rows
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


def test_columns_matrices_and_edges_agree(
    pipeline: Pipeline, compiled: Compiled, golden: GoldenRecords
) -> None:
    found = compiled_parity(pipeline, compiled, golden)

    assert found.ok, found.summary
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

    found = compiled_parity(pipeline, wrong, golden)

    assert found.first is not None
    assert found.first.column == "wait"


def test_a_difference_before_the_estimator_is_found_in_its_matrix(
    pipeline: Pipeline, compiled: Compiled, golden: GoldenRecords
) -> None:
    wrong = changed(compiled, "wait", matrices=lambda matrix: matrix + 1)

    found = compiled_parity(pipeline, wrong, golden)

    assert [one.column for one in found.compared if one.is_matrix and not one.ok] == ["wait"]


def test_a_difference_at_a_text_that_was_never_seen_is_found_at_the_edges(
    pipeline: Pipeline, compiled: Compiled, golden: GoldenRecords
) -> None:
    ports = set(golden.trace.columns["port_known"].tolist())

    def answers(given: Columns, answer: Columns) -> Columns:
        unseen = np.array([port not in ports for port in given["port_known"].tolist()])
        return {name: np.where(unseen, values + 0.25, values) for name, values in answer.items()}

    name = next(one for one in ("chance", "wait") if "port_known" in pipeline.graph.inputs(one))
    found = compiled_parity(pipeline, changed(compiled, name, answers=answers), golden)

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

    found = compiled_parity(pipeline, changed(compiled, "wait", answers=answers), golden)

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

    found = compiled_parity(pipeline, changed(compiled, "wait", answers=answers), golden)

    assert not found.ok
    assert "refuses values that scikit-learn takes: too large" in found.summary


def test_edges_change_one_value_a_row() -> None:
    rows = {
        "x": np.array([1.0, 2.0]),
        "t": np.array(["a", "b"], dtype=object),
        "n": np.array([1, 2]),
    }
    kinds = {"x": Kind.FLOAT, "t": Kind.TEXT, "n": Kind.INT}

    found = edge_rows(rows, kinds)

    for row in range(2, len(found["n"])):
        base = (row - 2) % 2
        same = [
            found[name][row] == rows[name][base] for name in rows if found[name][row] is not None
        ]
        assert sum(same) >= 2
