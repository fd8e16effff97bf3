"""The flights of 2013, joined once a session."""

import pytest


@pytest.fixture(scope="session")
def flights(tmp_path_factory):
    """The module that reads the flights, its cache in a folder of the session's own."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("LOCKSTEP_HOME", str(tmp_path_factory.mktemp("home")))
        from assets import flight_delay

        yield flight_delay
