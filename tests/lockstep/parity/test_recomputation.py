"""Stored columns that other code computed are found, whatever it is that changed."""

from collections.abc import Callable

import numpy as np
import pytest

from lockstep.columns.kinds import Columns
from lockstep.columns.pipeline import Pipeline
from lockstep.parity.replay import recompute

Build = Callable[..., Pipeline]


@pytest.fixture(scope="module")
def stored(build: Build, columns: Columns) -> Columns:
    """Fields, features and labels as the pipeline computes them."""
    graph = build().graph
    return dict(graph.evaluate(columns, (*graph.model_free, *graph.labels)))


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
