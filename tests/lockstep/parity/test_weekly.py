"""Figures of weeks: what those of the training had, and what is worse."""

from __future__ import annotations

import numpy as np
import pytest

from lockstep.parity.weekly import LEAST_WEEKS, WeeklyFigures, Worse


def learnt(worse: Worse = "lower", weeks: int = 12) -> WeeklyFigures:
    days = np.random.default_rng(0).normal(0.8, 0.02, 7 * weeks)
    windows = np.convolve(days, np.full(7, 1 / 7), "valid").tolist()
    return WeeklyFigures.of({"auc": windows}, {"auc": worse}, weeks=weeks, rows=100)


@pytest.mark.parametrize(
    ("worse", "lower", "higher"),
    [("lower", True, False), ("higher", False, True), ("either", True, True)],
)
def test_a_figure_counts_on_its_worse_side_alone(worse: Worse, lower: bool, higher: bool) -> None:
    figures = learnt(worse)
    assert [figures.shares({"auc": value})["auc"] >= 1 for value in (0.7, 0.8, 0.9)] == [
        lower,
        False,
        higher,
    ]


def test_where_a_figure_lay_is_told_on_its_worse_side() -> None:
    assert learnt("lower").usual("auc").startswith("at least 0.7")
    assert learnt("higher").usual("auc").startswith("at most 0.8")
    assert " to " in learnt("either").usual("auc")
    assert learnt().usual("brier") == ""


def test_too_few_weeks_give_no_limits() -> None:
    figures = learnt(weeks=LEAST_WEEKS - 1)
    assert figures.shares({"auc": 0.1}) == {}
    assert figures.weeks == LEAST_WEEKS - 1


def test_a_figure_that_has_no_value_or_never_varied_has_no_limit() -> None:
    windows = {"auc": [float("nan")] * 50, "mae": [1.0] * 50}
    figures = WeeklyFigures.of(windows, {"auc": "lower", "mae": "higher"}, weeks=8, rows=10)
    assert figures.names == ()
    assert learnt().shares({"auc": float("nan")}) == {}


def test_they_are_read_as_they_were_written() -> None:
    stored = learnt().to_bytes()
    again = WeeklyFigures.from_bytes(stored)
    assert again.to_bytes() == stored
    assert again.shares({"auc": 0.7}) == learnt().shares({"auc": 0.7})
