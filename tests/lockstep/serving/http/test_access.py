"""Access: who is answered, and where nobody has to be known."""

import asyncio
import os
import socket
import subprocess
from collections.abc import MutableMapping
from typing import Any

import httpx
import pytest

from lockstep.errors import LockstepError
from lockstep.serving.http.access import STATUSES, Guarded, Local, demand_free, demand_safe
from lockstep.serving.protocols.asgi import Response, respond
from tests.fixtures.servers import serving


def asked(path: str, *headers: tuple[bytes, bytes], token: str | None = "secret") -> int:
    """The status of a request to an application that is guarded by a token, if there is one."""
    statuses: list[int] = []

    async def application(scope: Any, receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})

    async def receive() -> MutableMapping[str, Any]:
        return {"type": "http.request"}

    async def send(message: MutableMapping[str, Any]) -> None:
        statuses.append(message.get("status", 0))

    path, _, query = path.partition("?")
    scope = {
        "type": "http",
        "path": path,
        "query_string": query.encode(),
        "headers": list(headers),
    }
    guarded = Guarded(application, token) if token else Local(application, ["models.internal"])
    asyncio.run(guarded(scope, receive, send))
    return statuses[0]


def test_who_knows_the_token_is_answered() -> None:
    assert asked("/invocations", (b"authorization", b"Bearer secret")) == 200


@pytest.mark.parametrize("value", [b"bearer secret", b"BEARER secret", b"Bearer  secret"])
def test_the_scheme_is_of_any_case(value: bytes) -> None:
    assert asked("/invocations", (b"authorization", value)) == 200


@pytest.mark.parametrize(
    "headers",
    [
        [],
        [(b"authorization", b"Bearer wrong")],
        [(b"authorization", b"secret")],
        [(b"authorization", b"Basic secret")],
        [(b"authorization", b"Bearer SECRET")],
        [(b"authorization", b"Bearer ")],
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


def test_behind_a_proxy_a_token_is_demanded() -> None:
    demand_safe("127.0.0.1", "secret", ["127.0.0.1", "10.0.0.0/24"])
    with pytest.raises(LockstepError, match=r"reaches the proxy 127\.0\.0\.1 .* LOCKSTEP_TOKEN"):
        demand_safe("127.0.0.1", None, ["127.0.0.1"])


def test_a_proxy_is_named_by_its_address() -> None:
    with pytest.raises(
        LockstepError, match=r"'nginx' is no proxy's address .* such as 10\.0\.0\.7"
    ):
        demand_safe("127.0.0.1", "secret", ["nginx"])


def test_an_address_that_is_taken_is_told_before_anything_is_loaded() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(LockstepError, match=rf"127\.0\.0\.1, port {port} \(Address already"):
            demand_free("127.0.0.1", port)
    demand_free("127.0.0.1", port)


@pytest.mark.parametrize("host", ["192.0.2.1", "..", "a\udcff"])
def test_an_address_of_another_machine_is_told(host: str) -> None:
    with pytest.raises(LockstepError, match="choose another port or address"):
        demand_free(host, 0)


PATHS = (
    *("/", "/invocations", "/invocations?%65xplain=trace", "/page/version", "/tables/sale"),
    *("/docs", "/openapi.json", "/metrics", "/ready", "/version", "/v2", "/v2/models/wine/infer"),
    "/nothing",
)


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize(
    ("host", "status"),
    [
        (b"127.0.0.1:8080", 200),
        (b"localhost", 200),
        (b"LOCALHOST:1", 200),
        (b"[::1]:8080", 200),
        (b"models.internal:8080", 200),  # declared
        (b"evil.example:8080", 403),
        (b"localhost.evil.example", 403),
        (b"evil.models.internal", 403),
        (b"10.0.0.1", 403),
        (b"\xff", 403),
        (b"[", 403),
        (b"", 403),
    ],
)
def test_without_a_token_no_path_answers_to_another_name(
    path: str, host: bytes, status: int
) -> None:
    assert asked(path, (b"host", host), token=None) == status


@pytest.mark.parametrize("path", sorted(STATUSES))
def test_a_load_balancer_asks_for_a_status_under_any_name(path: str) -> None:
    assert asked(path, (b"host", b"upstream"), token=None) == 200
    assert asked(path, token=None) == 200  # HTTP/1.0 has no Host


def test_a_request_without_a_name_or_with_two_is_refused() -> None:
    assert asked("/invocations", token=None) == 403
    assert asked("/invocations", *[(b"host", b"localhost")] * 2, token=None) == 403


def test_a_refused_name_is_told_with_what_to_declare() -> None:
    async def unreached(scope: Any, receive: Any, send: Any) -> None:
        raise AssertionError

    with serving(Local(unreached)) as port:
        answer = httpx.get(f"http://127.0.0.1:{port}/docs", headers={"host": 'evil"example'})
    assert answer.json()["message"].startswith("Without a token, this answers only to the names")
    assert "has 'evil\"example'" in answer.json()["message"]
    assert 'declare it: hosts = ["NAME"] in [tool.lockstep]' in answer.json()["message"]


FORWARDED = (
    *("x-forwarded-for", "x-forwarded-proto", "x-forwarded-host", "x-forwarded-port"),
    *("x-real-ip", "forwarded", "via", "cf-connecting-ip", "true-client-ip"),
)


@pytest.mark.parametrize("name", FORWARDED)
def test_without_a_token_what_came_through_a_proxy_is_told_nothing_of_the_inside(
    name: str,
) -> None:
    headers = ((b"host", b"localhost"), (name.encode(), b"10.0.0.1"))
    assert asked("/invocations?explain=trace", *headers, token=None) == 403
    assert asked("/invocations", *headers, token=None) == 200


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can start a process of another user")
def test_without_a_token_another_user_of_this_machine_is_told_nothing_of_the_inside() -> None:
    async def application(scope: Any, receive: Any, send: Any) -> None:
        await respond(send, Response(200, b"inside"))

    with serving(Local(application)) as port:
        url = f"http://127.0.0.1:{port}/invocations?explain=trace"
        assert httpx.get(url).status_code == 200
        ask = (
            f"exec 3<>/dev/tcp/127.0.0.1/{port}; "
            r"printf 'GET /invocations?explain=trace HTTP/1.1\r\nhost: localhost\r\n\r\n' >&3; "
            "read -r line <&3; echo $line"
        )
        other = subprocess.run(
            ["bash", "-c", ask], user=65534, cwd="/", capture_output=True, text=True, check=True
        )
    assert other.stdout.startswith("HTTP/1.1 403")
