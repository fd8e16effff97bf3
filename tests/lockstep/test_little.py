"""How little a pipeline of one's own table takes, and that it passes a project's own tests."""

import sys

import numpy as np
import pandas as pd
import pytest

from lockstep.project.declaration import PipelineAssets
from lockstep.testing import (
    assert_alike_from_every_format,
    assert_row_local,
    assert_suites_hold,
    project_pipelines,
)

COLUMNS = '''
"""Parcels: what will it cost to send one?"""

from sklearn.linear_model import LinearRegression

from lockstep import Floats, Key, Outcome, Pipeline, Record, feature, label, model, output


class Parcel(Record):
    parcel: Key[str]
    weight: float  # kilograms
    distance: float  # kilometres


class Bill(Outcome):
    cost: float  # euros


@feature
def effort(weight: Floats, distance: Floats) -> Floats:
    """Kilograms times kilometres."""
    return weight * distance


@label
def true_cost(cost: Floats) -> Floats:
    """Euros."""
    return cost


@model(learns=true_cost, uses=[effort, "weight"], ulps=64)
def expected_cost() -> LinearRegression:
    """Euros that are to be expected."""
    return LinearRegression()


@output
def offer(expected_cost: Floats) -> Floats:
    """Euros that are asked for."""
    return 1.2 * expected_cost


PIPELINE = Pipeline(__name__, record=Parcel, outcome=Bill)
'''
ASSETS = '''
"""Where parcels come from."""

from lockstep import CsvSource, PipelineAssets, Quality
from transforms.parcels import PIPELINE

ASSETS = PipelineAssets(
    pipeline=PIPELINE,
    history=CsvSource("parcels.csv"),
    quality=[Quality("expected_cost", "true_cost", "mae", threshold=1)],
)
'''


def written_lines(source: str) -> list[str]:
    """Lines that are neither imports nor blank."""
    return [
        line for line in source.splitlines() if line and not line.startswith(("from ", "import "))
    ]


def test_a_pipeline_of_ones_own_table_takes_at_most_40_lines() -> None:
    assert len(written_lines(COLUMNS + ASSETS)) <= 40


@pytest.fixture(scope="module")
def parcels(tmp_path_factory: pytest.TempPathFactory) -> PipelineAssets:
    folder = tmp_path_factory.mktemp("parcels")
    (folder / "pyproject.toml").write_text("[tool.lockstep]\n")
    for package, source in (("transforms", COLUMNS), ("assets", ASSETS)):
        (folder / package).mkdir()
        (folder / package / "parcels.py").write_text(source)
    rng = np.random.default_rng(0)
    rows = pd.DataFrame({"weight": rng.gamma(2, 2, 100), "distance": rng.gamma(2, 100, 100)})
    rows["parcel"] = [f"P{number}" for number in range(100)]
    rows["cost"] = 3 + 0.01 * rows["weight"] * rows["distance"]
    rows.to_csv(folder / "parcels.csv", index=False)
    before = list(sys.path)
    found = project_pipelines(folder).get("parcels")
    sys.path[:] = before
    return found


@pytest.mark.parametrize(
    "holds", [assert_row_local, assert_alike_from_every_format, assert_suites_hold]
)
def test_it_passes_the_tests_of_a_project(parcels: PipelineAssets, holds) -> None:
    holds(parcels)
