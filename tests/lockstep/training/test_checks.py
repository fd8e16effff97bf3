"""A candidate beside a simpler model and the champion, where they cannot be measured."""

from math import nan

from lockstep.project.quality import Quality
from lockstep.training.checks import check_against_baseline, check_against_champion
from lockstep.training.holdout import Evaluation

QUALITIES = (
    Quality("risk", "came_back", "auc", threshold=0.6),
    Quality("loss", "cost", "mae", threshold=5.0),
)


def evaluation(*baseline: float) -> Evaluation:
    """An evaluation in which the candidate is measured, and the baseline so."""
    return Evaluation({}, 100, (0.7, 3.0), baseline, ((), ()))


def test_a_baseline_that_cannot_be_measured_is_not_beaten() -> None:
    found = check_against_baseline(QUALITIES, evaluation(nan, nan))
    assert (found.result, set(found.unjudged)) == ("not_judged", {"risk auc", "loss mae"})


def test_where_one_prediction_cannot_be_compared_the_others_are() -> None:
    found = check_against_champion(QUALITIES, evaluation(0.5, 4.0), (nan, 2.0))
    assert (found.result, found.column) == ("warned", "loss")
    assert "Not judged: risk auc (the champion cannot be measured)." in found.summary


def test_without_a_champion_nothing_is_compared() -> None:
    assert check_against_champion(QUALITIES, evaluation(0.5, 4.0), None).result == "not_judged"
