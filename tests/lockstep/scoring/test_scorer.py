"""The version that scored is told by its files: its number may have been given again."""

import pytest

from assets.orders import ASSETS
from lockstep.errors import ArtifactError
from lockstep.scoring.outcomes import compare_outcomes
from lockstep.scoring.trace import trace_row

DAY = "2020-03-01"
GIVEN_AGAIN = "another one than version 1 that scored 2020-03-01.*lockstep score orders --day"


@pytest.fixture
def replaced(scored, edited_orders):
    """A home whose registry was emptied after days were scored, and trained anew."""
    from mlflow import MlflowClient

    MlflowClient(scored.home.tracking_uri).delete_registered_model("orders")
    edit = ("return return_probability >= 0.5", "return return_probability >= 0.6")
    assert scored.fit(edited_orders(edit)) == 1
    return scored


def test_predictions_are_not_measured_by_another_version_of_that_number(replaced) -> None:
    with pytest.raises(ArtifactError, match=GIVEN_AGAIN):
        compare_outcomes(ASSETS, ASSETS.outcomes, replaced.registry, replaced.store, DAY)


def test_a_row_is_not_traced_by_another_version_of_that_number(replaced) -> None:
    with pytest.raises(ArtifactError, match=GIVEN_AGAIN):
        trace_row(ASSETS, replaced.home, replaced.registry, DAY, f"{DAY}-0007")
