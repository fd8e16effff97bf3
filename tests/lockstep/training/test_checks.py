"""A candidate beside a simpler model and the champion, where they cannot be measured."""

from dataclasses import replace
from math import nan
from typing import Any

import numpy as np
import pytest

from lockstep.project.quality import Quality
from lockstep.training.checks import (
    check_against_baseline,
    check_against_champion,
    check_quality,
    check_slices,
)
from lockstep.training.holdout import Evaluation

QUALITIES = (
    Quality("risk", "came_back", "auc", threshold=0.6),
    Quality("loss", "cost", "mae", threshold=5.0),
)


def evaluation(*baseline: float) -> Evaluation:
    """An evaluation in which the candidate is measured, and the baseline so."""
    measured, of_baseline = (
        dict(zip(QUALITIES, each, strict=False)) for each in ((0.7, 3.0), baseline)
    )
    return Evaluation({}, 100, measured, of_baseline, dict.fromkeys(QUALITIES, ()))


def test_a_baseline_that_cannot_be_measured_is_not_beaten() -> None:
    found = check_against_baseline(evaluation(nan, nan))
    assert (found.result, set(found.unjudged)) == ("not_judged", {"risk auc", "loss mae"})


def test_where_one_prediction_cannot_be_compared_the_others_are() -> None:
    found = check_against_champion(
        evaluation(0.5, 4.0), dict(zip(QUALITIES, (nan, 2.0), strict=True))
    )
    assert (found.result, found.column) == ("warned", "loss")
    assert "Not judged: risk auc (the champion cannot be measured)." in found.summary


def test_without_a_champion_nothing_is_compared() -> None:
    assert check_against_champion(evaluation(0.5, 4.0), None).result == "not_judged"


def held_out(rows: int = 100) -> dict[str, np.ndarray]:
    random = np.random.default_rng(0)
    return {"came_back": random.random(rows) < 0.3, "cost": random.uniform(0, 20, rows)}


def test_demands_that_are_met_and_could_be_missed_pass() -> None:
    assert check_quality(replace(evaluation(), held_out=held_out())).passed


@pytest.mark.parametrize(
    ("metric", "label", "threshold"),
    [
        ("auc", "came_back", 0.0),
        ("accuracy", "came_back", 0.0),
        ("brier", "came_back", 1.0),
        ("mae", "cost", 1e9),
        ("rmse", "cost", 20.0),
    ],
)
def test_a_threshold_that_nothing_could_miss_is_noticed(
    metric: str, label: str, threshold: float
) -> None:
    empty = Quality("made", label, metric, threshold)
    measured = replace(evaluation(), held_out=held_out(), measured={empty: 0.7})
    found = check_quality(measured)
    assert (found.result, found.column) == ("warned", "made")
    assert f"No prediction could miss what is demanded of made {metric}" in found.summary


@pytest.mark.parametrize(
    ("slices", "result", "limit"),
    [
        (("part",), "passed", 0.07),
        ({"part": 0.05}, "passed", 0.05),
        ({"part": 0.7 - 0.66}, "passed", 0.04),
        ({"part": 0.03}, "warned", 0.03),
    ],
)
def test_a_slice_may_be_worse_by_the_limit_of_its_column(
    slices: Any, result: str, limit: float
) -> None:
    rows = [{"slice": "part = b", "rows": 200, "risk auc": 0.66}]
    found = check_slices(
        replace(evaluation(nan, nan), slices={QUALITIES[0]: rows, QUALITIES[1]: ()}), slices
    )
    assert found.result == result
    assert found.table[0]["limit"] == pytest.approx(limit)
    assert found.numbers.get("slices with a limit", 0) == isinstance(slices, dict)
    assert "part = b: risk auc 0.660 against 0.700" in found.summary


def test_a_column_whose_slices_are_small_is_not_judged() -> None:
    rows = [{"slice": "part = b", "rows": 200, "risk auc": 0.66}]
    found = check_slices(
        replace(evaluation(nan, nan), slices={QUALITIES[0]: rows, QUALITIES[1]: ()}),
        ("part", "rare"),
    )
    assert found.unjudged == {"rare": "none of its values has 200 held-out rows"}
