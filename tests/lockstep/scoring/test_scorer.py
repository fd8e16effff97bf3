"""The version that scored is told by its files: its number may have been given again."""

from pathlib import Path

import pytest

from assets.orders import ASSETS
from lockstep.errors import ArtifactError
from lockstep.scoring.outcomes import compare_outcomes
from lockstep.scoring.trace import trace_row
from tests.fixtures.orders import EDIT, Workplace, home_after, workplace_of

DAY = "2020-03-01"
GIVEN_AGAIN = "another one than version 1 that scored 2020-03-01.*lockstep score orders --day"


@pytest.fixture(scope="module")
def replaced_home(scored_home: Path, edited_orders, tmp_path_factory) -> Path:
    """A home whose registry was emptied after days were scored, and trained anew.

    What it knew of the numbers is gone, too, as in a home of before it kept that.
    """

    def replace(place: Workplace) -> None:
        from mlflow import MlflowClient

        MlflowClient(place.home.tracking_uri.full).delete_registered_model("orders")
        (place.home.known / "orders.json").unlink()
        assert place.fit(edited_orders(EDIT)) == 1

    return home_after(replace, scored_home, "replaced", tmp_path_factory)


replaced = workplace_of("replaced_home")
"""That home, of the test's own."""


def test_predictions_are_not_measured_by_another_version_of_that_number(replaced) -> None:
    with pytest.raises(ArtifactError, match=GIVEN_AGAIN):
        compare_outcomes(ASSETS, ASSETS.outcomes, replaced.registry, replaced.store, DAY)


def test_a_row_is_not_traced_by_another_version_of_that_number(replaced) -> None:
    with pytest.raises(ArtifactError, match=GIVEN_AGAIN):
        trace_row(ASSETS, replaced.home, replaced.registry, DAY, f"{DAY}-0007")
