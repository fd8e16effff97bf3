"""The flights of 2013, read once a session."""

import pytest


@pytest.fixture(scope="session", autouse=True)
def home(tmp_path_factory):
    """A home of the session's own, for the file of the flights."""
    with pytest.MonkeyPatch.context() as patch:
        folder = tmp_path_factory.mktemp("home")
        patch.setenv("LOCKSTEP_HOME", str(folder))
        yield folder


@pytest.fixture(scope="session")
def flights():
    """The module that reads the flights."""
    from assets import flight_delay

    return flight_delay
