"""Columns that depend on more than their own row are found and named."""

from collections.abc import Callable

import numpy as np
import pytest

from lockstep.columns.kinds import Columns
from lockstep.columns.pipeline import Pipeline
from lockstep.parity.comparison import ParityReport
from lockstep.parity.locality import locality

LOAD = "    return cargo / np.maximum(crew, 1)\n"

Build = Callable[..., Pipeline]


def report(build: Build, columns: Columns, *lines: str) -> ParityReport:
    """The report on the pipeline whose column `load` is computed by these lines."""
    body = "".join(f"    {line}\n" for line in lines)
    return locality(build((LOAD, body)), columns)


def test_a_row_local_pipeline_is_the_same_however_it_is_computed(
    build: Build, columns: Columns
) -> None:
    found = locality(build(), columns)
    assert found.ok
    assert [one.setting for one in found.comparisons] == [
        "again",
        "shuffled",
        "in chunks",
        "one at a time",
    ]
    assert {one.column for one in found.compared} >= {"hour", "load", "port_known", "late"}


def test_columns_of_models_are_skipped_as_long_as_nothing_is_fitted(
    build: Build, columns: Columns
) -> None:
    skipped = locality(build(), columns).skipped
    why = "depends on a model, and the pipeline is not fitted"
    assert dict(skipped) == dict.fromkeys(["chance", "wait", "will_be_late", "risk"], why)


def test_columns_of_models_are_compared_once_they_are_fitted(
    pipeline: Pipeline, columns: Columns
) -> None:
    found = locality(pipeline, columns)
    assert found.ok, found.summary
    assert {one.column for one in found.compared} == set(pipeline.graph.order)


def test_labels_are_skipped_without_the_outcome(build: Build, columns: Columns) -> None:
    fields = {name: values for name, values in columns.items() if name != "delay"}
    found = locality(build(), fields)
    assert found.ok
    assert found.skipped["late"] == "needs delay"


@pytest.mark.parametrize(
    ("lines", "setting"),
    [
        (["return cargo - np.nanmean(cargo)"], "in chunks"),
        (["return np.argsort(np.argsort(cargo)).astype(float)"], "in chunks"),
        (["return np.cumsum(crew).astype(float)"], "shuffled"),
        (["return np.diff(crew, prepend=0).astype(float)"], "shuffled"),
        (["return np.roll(crew, 1).astype(float)"], "shuffled"),
        (["return np.where(np.isnan(cargo), np.nanmedian(cargo), cargo)"], "one at a time"),
        (["import pandas as pd", "return pd.factorize(crew)[0].astype(float)"], "one at a time"),
        (["import pandas as pd", "return pd.Series(cargo).ffill().to_numpy()"], "shuffled"),
        (["return np.sort(cargo)"], "shuffled"),
        (["return cargo / np.nanmax(cargo)"], "in chunks"),
        (["return (crew - crew[0]).astype(float)"], "one at a time"),
        (["return cargo / len(cargo)"], "one at a time"),
        (["return np.full(len(crew), float(len(crew) > 1))"], "one at a time"),
        (["return np.unique(crew, return_inverse=True)[1].astype(float)"], "one at a time"),
        (["return np.minimum(cargo, np.nanquantile(cargo, 0.99))"], "in chunks"),
        (["return np.arange(len(crew)).astype(float)"], "shuffled"),
        (["return crew[::-1].astype(float)"], "shuffled"),
    ],
    ids=[
        "mean",
        "rank",
        "running sum",
        "difference from the row before",
        "value of the row before",
        "median for what is missing",
        "codes by first occurrence",
        "last known value",
        "sorted",
        "share of the largest",
        "first row",
        "number of rows",
        "whether alone",
        "codes by order",
        "clipped at a quantile",
        "position",
        "reversed",
    ],
)
def test_what_depends_on_other_rows_is_named_with_what_shows_it(
    build: Build, columns: Columns, lines: list[str], setting: str
) -> None:
    found = report(build, columns, *lines)
    assert not found.ok
    assert found.first is not None
    assert found.first.column == "load"
    assert setting in found.settings
    assert found.first.reproducer is not None


def test_columns_that_come_from_it_differ_but_are_not_blamed(
    build: Build, columns: Columns
) -> None:
    found = report(build, columns, "return cargo - np.nanmean(cargo)")
    assert found.summary.startswith("column `load` (")
    assert found.summary.endswith("in chunks or one at a time")
    assert {one.column for one in found.compared if not one.ok} == {"load", "heavy"}


def test_chance_shows_when_a_column_is_computed_again(build: Build, columns: Columns) -> None:
    found = report(build, columns, "return np.random.default_rng().random(len(cargo))")
    assert found.first is not None
    assert (found.first.column, found.settings[0]) == ("load", "again")
    assert found.first.reproducer is not None
    assert "is_the_same_when_computed_again" in found.first.reproducer.test


@pytest.mark.parametrize(
    "clock",
    ["np.datetime64('now')", "np.datetime64('today')", "_today()"],
)
def test_a_clock_is_found_even_if_it_does_not_tick(
    build: Build, columns: Columns, clock: str
) -> None:
    helper = "def _today():\n    from datetime import date\n    return date.today()\n\n\n"
    pipeline = build(
        ("@feature\ndef load", f"{helper}@feature\ndef load"),
        (LOAD, f"    return cargo * (str({clock}) > '1999')\n"),
    )
    found = locality(pipeline, columns)
    assert not found.ok
    assert "column `load`" in found.summary
    assert "reads the clock" in found.summary


def test_a_function_that_writes_to_its_input_is_named(build: Build, columns: Columns) -> None:
    found = report(build, columns, "if len(cargo) > 3:", "    cargo[:] = 0", "return cargo * 2")
    assert not found.ok
    assert found.first is not None
    assert found.first.column == "load"
    assert "alters its inputs in place" in found.summary


def test_a_function_that_makes_its_input_writable_is_named(build: Build, columns: Columns) -> None:
    found = report(
        build, columns, "cargo.flags.writeable = True", "cargo[:] = 1", "return cargo * 2"
    )
    assert not found.ok
    assert found.first is not None
    assert found.first.column == "load"
    assert "alters its input `cargo` in place" in found.summary


def test_a_function_that_drops_rows_is_named(build: Build, columns: Columns) -> None:
    found = report(build, columns, "return cargo[:100]")
    assert not found.ok
    assert found.first is not None
    assert found.first.column == "load"
    assert "cannot be computed" in found.summary


def test_a_function_that_fails_for_a_row_alone_is_named(build: Build, columns: Columns) -> None:
    found = report(build, columns, "return cargo if len(cargo) > 1 else cargo[1]")
    assert found.first is not None
    assert (found.first.column, found.settings) == ("load", ("one at a time",))


def test_a_statistic_that_the_estimator_takes_of_the_batch_is_named(
    build: Build, columns: Columns
) -> None:
    centre = (
        "def _centre(rows):\n    rows = np.asarray(rows, dtype=float)\n"
        "    return rows - rows.mean(axis=0)\n\n\n"
    )
    pipeline = build(
        ("@model(learns=late,", f"{centre}@model(learns=late,"),
        ("(StandardScaler(), [", "(FunctionTransformer(_centre), ["),
        ("import OrdinalEncoder, StandardScaler", "import FunctionTransformer, OrdinalEncoder"),
    ).fit(columns)
    found = locality(pipeline, columns)
    assert found.first is not None
    assert (found.first.column, found.first.role) == ("chance", "model")


def test_one_row_shows_nothing_and_that_is_a_failure(build: Build, columns: Columns) -> None:
    found = locality(build(), {name: values[:1] for name, values in columns.items()})
    assert not found.ok
    assert "there are 1" in found.summary


def test_the_given_columns_are_left_as_they_are(build: Build, columns: Columns) -> None:
    given = {name: values.copy() for name, values in columns.items()}
    report(build, given, "cargo.flags.writeable = True", "cargo[:] = 1", "return cargo * 2")
    for name, values in columns.items():
        np.testing.assert_array_equal(given[name], values)


def test_computed_columns_that_are_given_are_computed_anew(build: Build, columns: Columns) -> None:
    skewed = build((LOAD, "    return cargo - np.nanmean(cargo)\n"))
    found = locality(skewed, {**columns, "load": np.zeros(120)})
    assert found.first is not None
    assert found.first.column == "load"


def test_the_same_seed_chooses_the_same_rows(build: Build, columns: Columns) -> None:
    skewed = build((LOAD, "    return cargo - np.nanmean(cargo)\n"))
    first, second = (locality(skewed, columns, rows=50, seed=3) for _ in range(2))
    assert str(first) == str(second)
    assert first.rows == 50
