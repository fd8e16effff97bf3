"""The flights of 2013, joined once a session."""

import pytest


@pytest.fixture(scope="session", autouse=True)
def home(tmp_path_factory):
    """A home of the session's own, for the joined table."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("LOCKSTEP_HOME", str(tmp_path_factory.mktemp("home")))
        yield


@pytest.fixture(scope="session")
def flights():
    """The module that reads the flights."""
    from assets import flight_delay

    return flight_delay
