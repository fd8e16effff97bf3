"""All rows, computed again among others: what a function does to few rows, or to many at once."""

from collections.abc import Callable

import numpy as np
import pytest

from lockstep.checks.comparisons import check_locality
from lockstep.columns.graph import Graph
from lockstep.columns.kinds import Columns
from lockstep.columns.pipeline import Pipeline
from lockstep.columns.tables import take_rows
from lockstep.parity.company import in_other_company
from lockstep.parity.comparison import Comparison
from tests.lockstep.parity.conftest import COLUMNS, voyages

ROWS = 20_000

Build = Callable[..., Pipeline]
Found = Callable[..., Comparison]


CROWD = voyages(ROWS, seed=3) | {"cargo": np.random.default_rng(3).permutation(ROWS) + 0.25}
"""Twenty thousand rows, no two of one cargo."""


def computed(graph: Graph, columns: Columns) -> Columns:
    return graph.evaluate(columns, (*graph.model_free, *graph.labels))


@pytest.fixture(scope="module")
def found_of(with_load: Build) -> Callable[..., Comparison]:
    """A function from the lines that compute the column `load` to what is found of them."""

    def found_of(*lines: str) -> Comparison:
        pipeline = with_load(*lines)
        return in_other_company(pipeline, computed(pipeline.graph, CROWD))

    return found_of


def test_rows_of_their_own_are_the_same_in_any_company(found_of: Found) -> None:
    found = found_of("return cargo / np.maximum(crew, 1)")
    assert (found.ok, found.rows) == (True, ROWS), found.summary
    assert {one.column for one in found.compared} >= {"hour", "load", "port_known", "late"}


def test_rows_are_laid_out_as_those_of_a_batch_are(found_of: Found) -> None:
    found = found_of("return np.full(len(cargo), float(cargo.strides[0]))")
    assert found.ok, found.summary


@pytest.mark.parametrize("rows", [1, 2, 9, 44, 45, 46, 52, 53, 1_000])
def test_every_row_is_computed_again_whatever_their_number(with_load: Build, rows: int) -> None:
    pipeline = with_load("return cargo * 1.0")
    few = computed(pipeline.graph, take_rows(CROWD, slice(rows)))
    assert in_other_company(pipeline, few).ok
    for row in {0, rows // 2, rows - 1}:
        load = few["load"].copy()
        load[row] += 1
        found = in_other_company(pipeline, {**few, "load": load})
        assert [example.key for example in found.first.examples] == [f"V{row:04}"]


MEAN_FOR_FEW = "return np.where(cargo < 3, np.mean(cargo), cargo)"
PEEKING = {
    "mean of many": "return cargo - (np.mean(cargo) if len(cargo) > 5_000 else 0)",
    "mean for few rows": MEAN_FOR_FEW,
    "clipped": "return np.where(cargo > np.quantile(cargo, 0.9999), 0.0, cargo)",
    "the row before": "return np.where((crew == 7) & (cargo < 900), np.roll(cargo, 1), cargo)",
    "number of rows": "return cargo + (len(cargo) > 10_000)",
    "least of all": "return cargo - cargo.min()",
    "rounded deviation": "return np.round(cargo / cargo.std(), 1)",
    "first of its group": "return np.isin(np.arange(len(cargo)), "
    "np.unique(cargo // 4, return_index=True)[1]).astype(float)",
    "greatest of its group": "import pandas as pd; "
    "return pd.Series(cargo).groupby(120 + crew).transform('max').to_numpy()",
}


@pytest.mark.parametrize("line", PEEKING.values(), ids=PEEKING)
def test_a_function_that_looks_at_other_rows_is_found(found_of: Found, line: str) -> None:
    first = found_of(line).first
    assert (first.column, first.begins_here) == ("load", True)
    assert first.origin.line > 0
    assert first.examples


def test_the_rows_that_differ_are_counted_among_all_and_shown_by_key(found_of: Found) -> None:
    first = found_of(MEAN_FOR_FEW).first
    assert (first.differing, first.rows) == (3, ROWS)
    assert {example.key for example in first.examples} == set(CROWD["voyage"][CROWD["cargo"] < 3])
    assert f"differs in 3 of {ROWS:,} rows" in first.summary


def test_what_happens_in_few_rows_of_the_training_set_is_an_error_of_row_locality(
    with_load: Build,
) -> None:
    pipeline = with_load(MEAN_FOR_FEW)
    result = check_locality(pipeline, computed(pipeline.graph, CROWD))
    assert (result.is_error, result.column, len(result.keys)) == (True, "load", 3)
    assert ".py:" in result.where


def test_columns_of_models_are_taken_as_they_are(pipeline: Pipeline) -> None:
    served = pipeline.graph.evaluate(COLUMNS, pipeline.graph.served, pipeline.bound)
    found = in_other_company(pipeline, served)
    assert found.ok, found.summary
    assert set(found.skipped) == set(pipeline.graph.models)
    assert "will_be_late" in {one.column for one in found.compared}


def test_an_output_that_looks_at_other_rows_is_found(build: Build) -> None:
    changed = build(("return chance >= 0.5", "return chance >= np.median(chance)"))
    pipeline = changed.fit(COLUMNS)
    served = pipeline.graph.evaluate(COLUMNS, pipeline.graph.served, pipeline.bound)
    found = in_other_company(pipeline, served)
    assert found.first.column == "will_be_late"
