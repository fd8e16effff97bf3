"""Outcomes: which rows are compared with what came of them, and what is said of it."""

from dataclasses import replace

import numpy as np
import pytest

from assets.orders import ASSETS
from lockstep.columns.errors import InputError
from lockstep.columns.kinds import Columns
from lockstep.project.quality import Quality
from lockstep.scoring.outcomes import (
    check_calibration,
    check_live_quality,
    compare_outcomes,
    join_outcomes,
)
from lockstep.scoring.store import NotStoredError

DAY, NEXT = "2020-03-01", "2020-03-02"
QUALITIES = (Quality("risk", "came_back", "auc", threshold=0.6),)


def predictions(rows: int = 500, *, bias: float = 0.0) -> Columns:
    """Probabilities, and whether each came true."""
    rng = np.random.default_rng(0)
    risk = rng.uniform(0, 0.8, rows)
    return {"risk": risk + bias, "came_back": rng.random(rows) < risk}


def test_rows_are_joined_by_key_in_the_order_in_which_they_were_scored() -> None:
    scored = {"order_id": np.array(["c", "a", "b"], object), "risk": np.array([0.3, 0.1, 0.2])}
    arrived = {
        "order_id": np.array(["a", "x", "c"], object),
        "returned": np.array([True, False, False]),
        "cost": np.array([4.0, np.nan, np.nan]),
    }
    joined = join_outcomes(ASSETS.pipeline, scored, arrived)
    assert joined["order_id"].tolist() == ["c", "a"]
    assert joined["risk"].tolist() == [0.3, 0.1]
    assert joined["returned"].tolist() == [False, True]


def test_a_key_with_two_outcomes_is_refused_by_its_name() -> None:
    arrived = {
        "order_id": np.array(["a", "b", "a"], object),
        "returned": np.array([True, False, False]),
        "cost": np.array([4.0, np.nan, np.nan]),
    }
    with pytest.raises(
        InputError, match="1 rows of outcomes repeat the order_id of another, such as 'a'"
    ):
        join_outcomes(ASSETS.pipeline, {"order_id": np.array(["a"], object)}, arrived)


def test_a_scored_day_is_compared_with_what_came_of_it(scored) -> None:
    found = compare_outcomes(ASSETS, ASSETS.outcomes, scored.registry, scored.store, DAY)
    assert found.counts == {"known": 120, "unknown so far": 0, "refused": 0}
    assert set(found.results) == {"live_quality", "calibration"}


def test_a_day_that_was_not_scored_cannot_be_compared(live) -> None:
    with pytest.raises(NotStoredError, match="No attempt at daily/2020-03-01 has gone through yet"):
        compare_outcomes(ASSETS, ASSETS.outcomes, live.registry, live.store, DAY)


NEW_LABEL = (
    "@model(learns=came_back",
    """@label
def is_dear(cost: Floats) -> Bools:
    \"\"\"Whether it cost more than ten euros.\"\"\"
    return cost > 10


@model(learns=came_back""",
)


def test_what_the_version_that_scored_has_not_is_named_and_the_rest_is_measured(
    scored, edited_orders
) -> None:
    demand = Quality("risk", "is_dear", "log_loss", threshold=0.7)
    checkout = replace(edited_orders(NEW_LABEL), quality=(*ASSETS.quality, demand))
    found = compare_outcomes(checkout, ASSETS.outcomes, scored.registry, scored.store, DAY)
    result = found.results["live_quality"]
    assert found.measured == ASSETS.quality
    assert result.numbers.keys() == {"risk auc", "expected_cost mae"}
    assert list(result.unjudged) == ["risk log_loss"]
    assert "has no column is_dear" in result.summary


def test_days_that_lack_a_column_are_left_out_of_the_last_days(scored) -> None:
    compare_outcomes(ASSETS, ASSETS.outcomes, scored.registry, scored.store, DAY)
    earlier = scored.store.read("outcomes", DAY).drop_columns("return_cost")
    scored.store.write("outcomes", earlier, DAY)
    found = compare_outcomes(ASSETS, ASSETS.outcomes, scored.registry, scored.store, NEXT)
    assert len(found.recent["return_cost"]) == 120


def test_live_quality_below_its_threshold_is_a_warning_that_names_the_prediction() -> None:
    good, noise = predictions(), predictions()
    noise["risk"] = noise["risk"][::-1]
    assert check_live_quality(QUALITIES, noise, good).passed
    found = check_live_quality(QUALITIES, good, noise)
    assert (found.passed, found.is_error, found.column) == (False, False, "risk")


def test_predictions_that_are_right_on_average_are_calibrated() -> None:
    assert check_calibration(QUALITIES, predictions()).passed


def test_predictions_that_are_off_on_average_are_not_calibrated() -> None:
    found = check_calibration(QUALITIES, predictions(bias=0.2))
    assert (found.passed, found.column) == (False, "risk")


def test_without_outcomes_nothing_is_called_calibrated() -> None:
    assert check_calibration(QUALITIES, predictions(0)).result == "not_judged"


def test_without_outcomes_no_quality_is_judged() -> None:
    found = check_live_quality(QUALITIES, predictions(0), predictions(0))
    assert (found.result, list(found.unjudged)) == ("not_judged", ["risk auc"])
