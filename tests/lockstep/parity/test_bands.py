"""Bands of figures: what other weeks of the training give, and what lies outside."""

import json

import numpy as np
import pytest

from lockstep.parity.bands import LEAST_WEEKS, Bands


def bands(worse="lower", weeks=12, seed=0):
    values = np.random.default_rng(seed).normal(0.7, 0.03, weeks * 7)
    return Bands.of({"auc": values}, {"auc": worse}, weeks=weeks, rows=100)


def test_a_further_week_lies_outside_about_as_often_as_the_stated_rate():
    outside = []
    for seed in range(400):
        random = np.random.default_rng(seed)
        weeks = random.normal(0.7, 0.03, 12)
        found = Bands.of({"auc": weeks}, {"auc": "either"}, weeks=12, rows=100)
        outside.append(found.figures["auc"].share(random.normal(0.7, 0.03)) > 1)
    assert 0 < np.mean(outside) < 0.03


@pytest.mark.parametrize(
    ("worse", "low", "high"),
    [("lower", True, False), ("higher", False, True), ("either", True, True)],
)
def test_only_what_is_worse_lies_outside(worse, low, high):
    band = bands(worse).figures["auc"]
    assert (band.share(0.4) > 1, band.share(1.0) > 1) == (low, high)


def test_fewer_weeks_give_a_wider_band():
    assert bands(weeks=5).figures["auc"].half > bands(weeks=50).figures["auc"].half


def test_too_few_weeks_give_none():
    assert bands(weeks=LEAST_WEEKS - 1).figures == {}


def test_a_figure_that_is_undefined_in_every_window_has_no_band():
    found = Bands.of({"auc": [float("nan")] * 50}, {"auc": "lower"}, weeks=7, rows=10)
    assert found.figures == {}


def test_they_are_read_as_they_were_written():
    assert Bands.from_json(json.loads(json.dumps(bands().to_json()))) == bands()
