"""A home with several versions."""

from pathlib import Path

import pytest

from tests.fixtures.orders import Workplace, home_after

THIRD = 3


@pytest.fixture(scope="session")
def three_versions(second_home: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home with three versions, the first of them live; to be copied."""

    def fit(place: Workplace) -> None:
        assert place.fit(place.declared) == THIRD

    return home_after(fit, second_home, "three", tmp_path_factory)
