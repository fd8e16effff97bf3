"""Golden records and stored columns, computed again: whatever changed is found."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

from lockstep.columns.kinds import Columns
from lockstep.columns.pipeline import Pipeline
from lockstep.columns.tables import take_rows
from lockstep.parity.comparison import ParityReport
from lockstep.parity.golden import GoldenRecords
from lockstep.parity.replay import recompute, replay, wire_formats
from lockstep.parity.selection import choose_golden
from tests.lockstep.parity.conftest import COLUMNS, traced

Build = Callable[..., Pipeline]
Replayed = Callable[..., ParityReport]


@pytest.fixture
def replayed(build: Build, pipeline: Pipeline, golden: GoldenRecords) -> Replayed:
    """A function that replays the golden records with edited code and the same models."""
    return lambda *edits: replay(build(*edits).with_models(pipeline.models_), golden)


def test_all_columns_and_matrices_agree_in_a_batch_and_one_at_a_time(
    pipeline: Pipeline, golden: GoldenRecords
) -> None:
    found = replay(pipeline, golden)
    assert found.ok, found.summary
    assert [(one.setting, one.rows) for one in found.comparisons] == [
        ("in one batch", 60),
        ("one at a time", 8),
    ]
    assert {one.column for one in found.compared} == set(pipeline.graph.order)
    assert {one.column for one in found.compared if one.is_matrix} == {"chance", "wait"}


def test_they_agree_in_every_form_of_the_data(pipeline: Pipeline, golden: GoldenRecords) -> None:
    found = wire_formats(pipeline, golden)
    assert found.ok, found.summary
    forms = ["JSON lines", "CSV", "Parquet", "a DataFrame"]
    assert [one.setting for one in found.comparisons] == [
        "in one batch",
        "one at a time",
        *(f"from {form}" for form in forms),
    ]


def test_golden_records_without_outcome_are_replayed_too(pipeline: Pipeline) -> None:
    fields = {name: COLUMNS[name] for name in pipeline.record_schema.names}
    golden = choose_golden(pipeline, fields, limit=20)
    assert replay(pipeline, golden).ok
    assert wire_formats(pipeline, golden).ok


@pytest.mark.parametrize(
    ("old", "new", "column"),
    [
        ("% 24", "% 12", "hour"),
        ("cargo / np.maximum(crew, 1)", "cargo / np.maximum(crew, 2)", "load"),
        ('"unknown"', '"not known"', "port_known"),
        ("load > 2", "load >= 5", "heavy"),
        ("chance >= 0.5", "chance >= 0.4", "will_be_late"),
        ("delay > 1", "delay > 2", "late"),
    ],
)
def test_changed_code_is_told_by_column(
    replayed: Replayed, old: str, new: str, column: str
) -> None:
    found = replayed((old, new))
    assert not found.ok
    assert (found.first.column, found.first.begins_here) == (column, True)
    assert found.first.origin.line > 1


def test_another_estimator_is_named_by_the_column_of_its_model(
    build: Build, pipeline: Pipeline, golden: GoldenRecords
) -> None:
    half = {name: values[:60] for name, values in COLUMNS.items()}
    found = replay(pipeline.with_models(build().fit(half).models_), golden)
    assert (found.first.column, found.first.is_matrix) == ("chance", True)


def test_a_changed_declaration_is_named_by_its_field(replayed: Replayed) -> None:
    first = replayed(("crew: int", "crew: float"), ("crew: Ints", "crew: Floats")).first
    assert (first.column, first.role, first.forms) == ("crew", "field", ("int64", "float64"))


def test_a_column_that_is_gone_is_a_failure(replayed: Replayed) -> None:
    rested = '"""A day before for each deck; missing where the decks are."""'
    found = replayed(("def rested(", "def former("), (rested, '"""Former."""'))
    assert not found.ok
    assert "`rested` was not compared: not in the actual trace" in found.summary


def test_a_refused_record_is_a_failure_with_its_reason(replayed: Replayed) -> None:
    found = replayed(("port: str | None", "port: str"))
    assert not found.ok
    assert "records are refused: row" in found.summary
    assert "port: missing, and declared str (never missing)" in found.summary


def test_a_new_field_that_may_not_be_missing_is_a_failure_in_every_form(
    build: Build, pipeline: Pipeline, golden: GoldenRecords
) -> None:
    wider = build(("    flag: bool\n", "    flag: bool\n    masts: int\n"))
    found = wire_formats(wider.with_models(pipeline.models_), golden)
    assert not any(one.ok for one in found.comparisons)
    assert "masts" in found.summary


@pytest.mark.parametrize(
    ("skewed", "setting"),
    [
        ("    assert len(load) != 60\n    return load > 2", "in one batch"),
        ("    return (load > 2) & (len(load) > 1)", "one at a time"),
    ],
    ids=["raises", "differs for a row alone"],
)
def test_what_happens_to_so_many_rows_only_is_named(
    replayed: Replayed, skewed: str, setting: str
) -> None:
    found = replayed(("    return load > 2", skewed))
    assert (found.ok, found.first.column, found.settings) == (False, "heavy", (setting,))


def test_an_altered_golden_value_is_found(pipeline: Pipeline, golden: GoldenRecords) -> None:
    load = golden.trace.columns["load"].copy()
    load[np.flatnonzero(~np.isnan(load))[5]] *= 1 + 2**-52
    first = replay(pipeline, replace(golden, trace=traced(golden.trace, "load", load))).first
    assert (first.column, first.differing, first.ulps) == ("load", 1, 1)


def test_no_golden_records_are_a_failure(pipeline: Pipeline, golden: GoldenRecords) -> None:
    none = replace(golden.trace.take([]), matrices={})
    found = replay(pipeline, GoldenRecords.of(take_rows(golden.records, slice(0)), none))
    assert not found.ok
    assert "nothing was compared" in found.summary


@pytest.fixture(scope="module")
def stored(build: Build) -> Columns:
    """Fields, features and labels as the pipeline computes them."""
    graph = build().graph
    return dict(graph.evaluate(COLUMNS, (*graph.model_free, *graph.labels)))


def test_what_the_same_code_computed_agrees_in_every_feature_and_label(
    build: Build, stored: Columns
) -> None:
    found = recompute(build(), stored)
    assert found.ok
    compared = {one.column for one in found.compared}
    assert compared == {"hour", "load", "port_known", "heavy", "rested", "late", "hours_late"}
    assert found.rows == len(stored["voyage"])


HEAVY = "    return load > 2\n"
CREW = "    crew: int\n"
RENAMED = (("def heavy(", "def massive("), ("[chance, heavy,", "[chance, massive,"))


@pytest.mark.parametrize(
    ("edits", "column", "said"),
    [
        (((HEAVY, "    return load > 3\n"),), "heavy", "differs in"),
        ((("fmin(delay, 24.0)", "fmin(delay, 2.0)"),), "hours_late", "differs in"),
        (RENAMED, "massive", "is not among the stored columns"),
        ((("    flag: bool\n", "    flag: bool | None\n"),), "flag", "is stored as bool"),
        (((CREW, f"{CREW}    mates: int\n"),), "mates", "is not among the stored columns"),
        ((("    flag: bool\n", ""),), "flag", "computed by no function"),
        (((HEAVY, "    raise ValueError(load)\n"),), "heavy", "cannot be computed"),
    ],
    ids=["feature", "label", "renamed", "declared", "new", "gone", "raises"],
)
def test_a_change_is_told_by_the_first_column_that_it_reaches(
    build: Build, stored: Columns, edits: tuple[tuple[str, str], ...], column: str, said: str
) -> None:
    found = recompute(build(*edits), stored)
    assert not found.ok
    assert (found.first.column, said in found.summary) == (column, True), found.summary


def test_a_stored_value_that_was_altered_is_named_by_its_key(build: Build, stored: Columns) -> None:
    load = stored["load"].copy()
    load[7] = np.nextafter(load[7], np.inf) if load[7] == load[7] else 1.0
    found = recompute(build(), {**stored, "load": load})
    assert [str(one.key) for one in found.first.examples] == ["V0007"]
