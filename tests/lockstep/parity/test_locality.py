"""Columns that depend on more than their own row are found and named."""

from collections.abc import Callable

import numpy as np
import pytest

from lockstep.columns.pipeline import Pipeline
from lockstep.parity.comparison import ParityReport
from lockstep.parity.locality import locality
from tests.lockstep.parity.conftest import COLUMNS, LOAD

Build = Callable[..., Pipeline]
Report = Callable[..., ParityReport]


@pytest.fixture
def report(with_load: Build) -> Report:
    """A function from the lines that compute the column `load` to the report on them."""
    return lambda *lines: locality(with_load(*lines), COLUMNS)


def test_a_row_local_pipeline_is_the_same_however_it_is_computed(build: Build) -> None:
    found = locality(build(), COLUMNS)
    settings = ["again", "shuffled", "in chunks", "one at a time"]
    assert found.ok
    assert [one.setting for one in found.comparisons] == settings
    assert {one.column for one in found.compared} >= {"hour", "load", "port_known", "late"}


def test_columns_of_models_are_skipped_as_long_as_nothing_is_fitted(build: Build) -> None:
    skipped = locality(build(), COLUMNS).skipped
    why = "depends on a model, and the pipeline is not fitted"
    assert dict(skipped) == dict.fromkeys(["chance", "wait", "will_be_late", "risk"], why)


def test_columns_of_models_are_compared_once_they_are_fitted(pipeline: Pipeline) -> None:
    found = locality(pipeline, COLUMNS)
    assert found.ok, found.summary
    assert {one.column for one in found.compared} == set(pipeline.graph.order)


def test_labels_are_skipped_without_the_outcome(build: Build) -> None:
    fields = {name: values for name, values in COLUMNS.items() if name != "delay"}
    found = locality(build(), fields)
    assert found.ok
    assert found.skipped["late"] == "needs delay"


PEEKING = {
    "mean": ("in chunks", "cargo - np.nanmean(cargo)"),
    "rank": ("in chunks", "np.argsort(np.argsort(cargo)).astype(float)"),
    "running sum": ("shuffled", "np.cumsum(crew).astype(float)"),
    "difference from the row before": ("shuffled", "np.diff(crew, prepend=0).astype(float)"),
    "value of the row before": ("shuffled", "np.roll(crew, 1).astype(float)"),
    "median for what is missing": (
        "one at a time",
        "np.where(np.isnan(cargo), np.nanmedian(cargo), cargo)",
    ),
    "codes by first occurrence": ("one at a time", "pd.factorize(crew)[0].astype(float)"),
    "last known value": ("shuffled", "pd.Series(cargo).ffill().to_numpy()"),
    "sorted": ("shuffled", "np.sort(cargo)"),
    "share of the largest": ("in chunks", "cargo / np.nanmax(cargo)"),
    "first row": ("one at a time", "(crew - crew[0]).astype(float)"),
    "number of rows": ("one at a time", "cargo / len(cargo)"),
    "whether alone": ("one at a time", "np.full(len(crew), float(len(crew) > 1))"),
    "codes by order": ("one at a time", "np.unique(crew, return_inverse=True)[1].astype(float)"),
    "clipped at a quantile": ("in chunks", "np.minimum(cargo, np.nanquantile(cargo, 0.99))"),
    "position": ("shuffled", "np.arange(len(crew)).astype(float)"),
    "reversed": ("shuffled", "crew[::-1].astype(float)"),
}


@pytest.mark.parametrize(("setting", "value"), PEEKING.values(), ids=PEEKING)
def test_what_depends_on_other_rows_is_named_with_what_shows_it(
    report: Report, setting: str, value: str
) -> None:
    found = report("import pandas as pd", f"return {value}")
    assert not found.ok
    assert found.first.column == "load"
    assert setting in found.settings
    assert found.first.reproducer is not None


def test_columns_that_come_from_it_differ_but_are_not_blamed(report: Report) -> None:
    found = report("return cargo - np.nanmean(cargo)")
    assert found.summary.startswith("column `load` (")
    assert found.summary.endswith("in chunks or one at a time")
    assert {one.column for one in found.compared if not one.ok} == {"load", "heavy"}


def test_chance_shows_when_a_column_is_computed_again(report: Report) -> None:
    found = report("return np.random.default_rng().random(len(cargo))")
    assert (found.first.column, found.settings[0]) == ("load", "again")
    assert "is_the_same_when_computed_again" in found.first.reproducer.test


@pytest.mark.parametrize("clock", ["np.datetime64('now')", "np.datetime64('today')", "_today()"])
def test_a_clock_is_found_even_if_it_does_not_tick(build: Build, clock: str) -> None:
    helper = "def _today():\n    from datetime import date\n    return date.today()\n\n\n"
    pipeline = build(
        ("@feature\ndef load", f"{helper}@feature\ndef load"),
        (LOAD, f"    return cargo * (str({clock}) > '1999')\n"),
    )
    found = locality(pipeline, COLUMNS)
    assert not found.ok
    assert "column `load`" in found.summary
    assert "reads the clock" in found.summary


UNLOCK = ["cargo.flags.writeable = True", "cargo[:] = 1", "return cargo * 2"]


@pytest.mark.parametrize(
    ("lines", "why"),
    [
        (
            ["if len(cargo) > 3:", "    cargo[:] = 0", "return cargo * 2"],
            "alters its inputs in place",
        ),
        (UNLOCK, "alters its input `cargo` in place"),
        (["return cargo[:100]"], "cannot be computed"),
    ],
    ids=["writes to its input", "makes its input writable", "drops rows"],
)
def test_a_function_that_does_what_it_must_not_is_named(
    report: Report, lines: list[str], why: str
) -> None:
    found = report(*lines)
    assert (found.ok, found.first.column) == (False, "load")
    assert why in found.summary


def test_a_function_that_fails_for_a_row_alone_is_named(report: Report) -> None:
    found = report("return cargo if len(cargo) > 1 else cargo[1]")
    assert (found.first.column, found.settings) == ("load", ("one at a time",))


def test_a_statistic_that_the_estimator_takes_of_the_batch_is_named(build: Build) -> None:
    centre = (
        "def _centre(rows):\n    rows = np.asarray(rows, dtype=float)\n"
        "    return rows - rows.mean(axis=0)\n\n\n"
    )
    pipeline = build(
        ("@model(learns=late,", f"{centre}@model(learns=late,"),
        ("(StandardScaler(), [", "(FunctionTransformer(_centre), ["),
        ("import OrdinalEncoder, StandardScaler", "import FunctionTransformer, OrdinalEncoder"),
    ).fit(COLUMNS)
    found = locality(pipeline, COLUMNS)
    assert (found.first.column, found.first.role) == ("chance", "model")


@pytest.mark.parametrize(("rows", "is_ok", "told"), [(1, False, "there are 1"), (2, True, "")])
def test_it_takes_two_rows_and_fewer_are_a_failure(
    build: Build, rows: int, is_ok: bool, told: str
) -> None:
    found = locality(build(), {name: values[:rows] for name, values in COLUMNS.items()})
    assert found.ok is is_ok
    assert told in found.summary


def test_the_given_columns_are_left_as_they_are(with_load: Build) -> None:
    given = {name: values.copy() for name, values in COLUMNS.items()}
    locality(with_load(*UNLOCK), given)
    for name, values in COLUMNS.items():
        np.testing.assert_array_equal(given[name], values)


def test_computed_columns_that_are_given_are_computed_anew(with_load: Build) -> None:
    skewed = with_load("return cargo - np.nanmean(cargo)")
    found = locality(skewed, {**COLUMNS, "load": np.zeros(120)})
    assert found.first.column == "load"


def test_the_same_seed_chooses_the_same_rows(with_load: Build) -> None:
    skewed = with_load("return cargo - np.nanmean(cargo)")
    first, second = (locality(skewed, COLUMNS, rows=50, seed=3) for _ in range(2))
    assert (str(first), first.rows) == (str(second), 50)
