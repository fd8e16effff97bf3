"""Profiles of columns, and figures of weeks: what those of the training had."""

from __future__ import annotations

import json
from dataclasses import asdict
from datetime import datetime

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from lockstep.columns.kinds import Kind
from lockstep.parity.profiles import CATEGORIES, Profile, histograms
from lockstep.parity.weekly import LEAST_WEEKS, WeeklyFigures, Worse


def of_numbers(*values):
    column = np.array(values, dtype=np.float64)
    return Profile.of({"x": column}, {"x": Kind.FLOAT}).columns["x"]


def of_texts(*values):
    column = np.array(values, dtype=object)
    return Profile.of({"x": column}, {"x": Kind.TEXT}).columns["x"]


def of_flags(*values):
    return Profile.of({"x": np.array(values)}, {"x": Kind.BOOL}).columns["x"]


def test_quantiles_of_numbers_are_values_in_order():
    quantiles = of_numbers(*range(1000)).quantiles
    assert (quantiles[0], quantiles[50], quantiles[100]) == (0, 500, 999)


FORGOTTEN = {"3": 0.5, "357": 0.5}  # what floating point adds


@pytest.mark.parametrize(
    ("profile", "missing", "ends", "shares"),
    [
        (of_numbers(1, np.nan, 3, np.nan), 0.5, [1, 3], {"": 1}),
        (of_texts("a", None, "a", "b"), 0.25, [], {"a": 2 / 3, "b": 1 / 3}),
        (of_numbers(np.nan, np.nan), 1, [], {}),
        (of_numbers(39.02, -1.02, 7.5, 4.0), 0, [-1.02, 39.02], {"02": 0.5, "5": 0.25, "": 0.25}),
        (of_numbers(0.1 + 0.2, 10.357019999999999), 0, [0.1 + 0.2, 10.357019999999999], FORGOTTEN),
        (of_flags(True, True, False, True), 0, [], {"True": 0.75, "False": 0.25}),
    ],
    ids=["numbers", "texts", "no values", "digits", "digits of floating point", "booleans"],
)
def test_missing_values_are_left_out_digits_and_categories_counted(profile, missing, ends, shares):
    assert (profile.missing, profile.shares) == (missing, shares)
    assert [*profile.quantiles[:1], *profile.quantiles[-1:]] == ends


def test_categories_beyond_the_most_frequent_ones_are_pooled():
    profile = of_texts(*["often"] * 50, *map(str, range(CATEGORIES + 49)))
    assert len(profile.shares) == CATEGORIES
    assert profile.shares["often"] == pytest.approx(50 / (CATEGORIES + 99))
    assert profile.rest == pytest.approx(50 / (CATEGORIES + 99))


def test_times_are_left_out():
    columns = {"at": np.array([datetime(2013, 4, 1)], dtype="datetime64[us]")}  # noqa: DTZ001
    assert Profile.of(columns, {"at": Kind.TIME}).columns == {}


@given(
    numbers=arrays.arrays(np.float64, 20, elements=st.floats(-1e12, 1e12) | st.just(np.nan)),
    texts=st.lists(st.text(max_size=3) | st.none(), min_size=20, max_size=20),
)
def test_a_profile_comes_back_from_json_as_it_was(numbers, texts):
    columns = {"number": numbers, "text": np.array(texts, dtype=object)}
    profile = Profile.of(columns, {"number": Kind.FLOAT, "text": Kind.TEXT})
    assert msgspec.convert(json.loads(json.dumps(asdict(profile))), Profile) == profile


@given(arrays.arrays(np.float64, st.integers(1, 300), elements=st.floats(-1e6, 1e6)))
def test_the_order_of_rows_does_not_matter(numbers):
    backwards = of_numbers(*numbers[::-1])
    assert of_numbers(*numbers) == backwards


# Histograms


def test_histograms_of_training_and_of_the_batch_share_their_parts():
    minutes = np.random.default_rng(0).normal(600, 100, 400)
    before, now = histograms(of_numbers(*minutes), of_numbers(*(minutes + 300)))
    assert before.index("█") < now.index("█")


def test_a_histogram_of_categories_shows_one_that_is_gone():
    before = of_texts(*["UA"] * 4, *["B6"] * 3, *["EV"] * 2, None)
    assert histograms(before, of_texts(*["UA"] * 10)) == ("█▇▅▂", "█▁▁▁")


def test_histograms_of_what_cannot_be_compared_are_empty():
    numbers = of_numbers(*range(9))
    assert histograms(numbers, numbers, of_texts("x")) == ("", "", "")


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
