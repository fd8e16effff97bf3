"""A site that is prepared once, and given to each test as it was then."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.fixtures.terminal import Terminal
from tests.stateful.site import Site, prepare


@pytest.fixture(scope="session")
def sites(tmp_path_factory: pytest.TempPathFactory, terminal: Terminal) -> Callable[[], Site]:
    """Gives the prepared site anew, in its own place; the one that was given before is gone."""
    folder = tmp_path_factory.mktemp("stateful").resolve()
    return prepare(folder, terminal).anew


@pytest.fixture
def site(sites: Callable[[], Site]) -> Site:
    """The prepared site."""
    return sites()
