"""Access: who is answered, and where nobody has to be known."""

import asyncio
import socket
from collections.abc import MutableMapping
from typing import Any

import pytest

from lockstep.columns.errors import LockstepError
from lockstep.serving.access import Guarded, demand_free, demand_safe


def asked(path: str, *headers: tuple[bytes, bytes]) -> int:
    """The status of a request to an application that is guarded by the token `secret`."""
    statuses: list[int] = []

    async def application(scope: Any, receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})

    async def receive() -> MutableMapping[str, Any]:
        return {"type": "http.request"}

    async def send(message: MutableMapping[str, Any]) -> None:
        statuses.append(message.get("status", 0))

    scope = {"type": "http", "path": path, "headers": list(headers)}
    asyncio.run(Guarded(application, "secret")(scope, receive, send))
    return statuses[0]


def test_who_knows_the_token_is_answered() -> None:
    assert asked("/invocations", (b"authorization", b"Bearer secret")) == 200


@pytest.mark.parametrize(
    "headers",
    [
        [],
        [(b"authorization", b"Bearer wrong")],
        [(b"authorization", b"secret")],
        [(b"authorization", b"Bearer secret"), (b"authorization", b"Bearer secret")],
    ],
)
def test_nobody_else_is(headers: list[tuple[bytes, bytes]]) -> None:
    assert asked("/invocations", *headers) == 401


def test_probes_need_no_token() -> None:
    assert asked("/ready") == 200


@pytest.mark.parametrize("host", ["127.0.0.1", "::1", "localhost"])
def test_this_machine_alone_is_answered_without_a_token(host: str) -> None:
    demand_safe(host, None)


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "10.0.0.1", "models.example.org"])
def test_a_public_address_needs_a_token(host: str) -> None:
    demand_safe(host, "secret")
    with pytest.raises(LockstepError, match="LOCKSTEP_TOKEN"):
        demand_safe(host, None)


def test_an_address_that_is_taken_is_told_before_anything_is_loaded() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(LockstepError, match=rf"127\.0\.0\.1, port {port} \(Address already"):
            demand_free("127.0.0.1", port)
    demand_free("127.0.0.1", port)


def test_an_address_of_another_machine_is_told() -> None:
    with pytest.raises(LockstepError, match="choose another port or address"):
        demand_free("192.0.2.1", 0)
