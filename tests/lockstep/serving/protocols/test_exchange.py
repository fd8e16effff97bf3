"""By which connection a request comes."""

import pytest

from lockstep.serving.protocols.exchange import client_of
from lockstep.serving.versions.asked import Client


@pytest.mark.parametrize(
    ("told", "meant"),
    [
        (("10.0.0.1", 50_000), ("10.0.0.1", 50_000)),
        (("10.0.0.1", 0), None),
        (None, None),
    ],
    ids=["a connection", "an address that a proxy tells", "a socket without an address"],
)
def test_a_client_is_known_by_its_connection(told: Client, meant: Client) -> None:
    assert client_of({"client": told}) == meant
