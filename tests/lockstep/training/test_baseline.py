"""The simple model that a candidate is compared with."""

import numpy as np

from lockstep.training.holdout import simple_baseline


def test_the_baseline_learns_a_linear_relation() -> None:
    x = np.linspace(0, 1, 50)
    features = {"x": x, "text": np.array(["a"] * 50, dtype=object)}
    predicted = simple_baseline(features, 3 * x, "amounts")(features)
    assert np.mean(np.abs(predicted - 3 * x)) < 0.2


def test_the_baseline_without_numbers_predicts_the_share() -> None:
    features = {"text": np.array(["a", "b", "a", "b"], dtype=object)}
    predicted = simple_baseline(features, np.array([True, False, True, True]), "scores")(features)
    np.testing.assert_allclose(predicted, 0.75)
