"""Connections: a client that is slow, or never done, holds nothing for long."""

import socket
import time
from collections.abc import Iterator

import httpx
import pytest

from lockstep.serving.connections import BoundedConnection
from lockstep.serving.limits import Limits
from lockstep.serving.scorer import Scorer
from tests.fixtures.servers import serving
from tests.lockstep.serving.conftest import client_of


class Quick(BoundedConnection):
    head_seconds = 0.3


@pytest.fixture
def port(scorer: Scorer) -> Iterator[int]:
    application = client_of(scorer, Limits(body_bytes=10_000, read_seconds=0.3)).application
    with serving(application, http=Quick) as found:
        yield found


def connected(port: int, *parts: bytes) -> socket.socket:
    client = socket.create_connection(("127.0.0.1", port), timeout=30)
    for part in parts:
        client.sendall(part)
    return client


def read(client: socket.socket) -> bytes:
    """What is sent until the connection ends."""
    found = b""
    with client:
        while part := client.recv(65536):
            found += part
    return found


HEAD = b"POST /invocations HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\n"


@pytest.mark.parametrize("parts", [[], [b"POST /invocations HT"], [HEAD]])
def test_a_head_that_does_not_arrive_ends_the_connection(port: int, parts: list[bytes]) -> None:
    assert read(connected(port, *parts)) == b""


def trickle(client: socket.socket, seconds: float) -> None:
    """Send a byte now and then."""
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        client.sendall(b"x")
        time.sleep(0.05)


def test_a_head_that_comes_byte_by_byte_ends_the_connection(port: int) -> None:
    with connected(port, HEAD) as client, pytest.raises((BrokenPipeError, ConnectionResetError)):
        trickle(client, 20)


def test_a_head_of_a_second_request_that_does_not_arrive_ends_the_connection(port: int) -> None:
    told = read(connected(port, b"GET /ping HTTP/1.1\r\nhost: x\r\n\r\n", b"GET /pi"))

    assert told.startswith(b"HTTP/1.1 200")
    assert told.count(b"HTTP/1.1") == 1


def test_a_head_that_is_too_large_is_refused(port: int) -> None:
    line = b"x-more: " + b"x" * 1000 + b"\r\n"

    assert read(connected(port, HEAD, line * 70)).startswith(b"HTTP/1.1 400")


def test_a_body_that_does_not_arrive_is_given_up(port: int) -> None:
    told = read(connected(port, HEAD, b"content-length: 100\r\n\r\n", b"{"))

    assert told.startswith(b"HTTP/1.1 408")


def test_a_body_that_says_that_it_is_too_large_is_not_waited_for(port: int) -> None:
    told = read(connected(port, HEAD, b"content-length: 10001\r\n\r\n"))

    assert told.startswith(b"HTTP/1.1 413")


def test_a_chunked_body_that_grows_too_large_is_refused(port: int) -> None:
    chunk = b"1000\r\n" + b" " * 4096 + b"\r\n"
    told = read(connected(port, HEAD, b"transfer-encoding: chunked\r\n\r\n", chunk * 3))

    assert told.startswith(b"HTTP/1.1 413")


def test_others_are_answered_while_a_hundred_are_slow(port: int) -> None:
    slow = [connected(port, HEAD, b"content-length: 100\r\n\r\n") for _ in range(100)]

    with httpx.Client(base_url=f"http://127.0.0.1:{port}") as client:
        statuses = {client.get("/v2").status_code for _ in range(20)}

    assert statuses == {200}
    for one in slow:
        one.close()


def test_a_connection_that_is_used_is_kept(port: int) -> None:
    with httpx.Client(base_url=f"http://127.0.0.1:{port}") as client:
        for _ in range(4):
            assert client.get("/ping").status_code == 200
            time.sleep(0.2)
