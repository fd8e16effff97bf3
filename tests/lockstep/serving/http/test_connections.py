"""Connections: whatever is sent is answered or refused, and nothing is held for long."""

import json
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, closing
from http.client import HTTPConnection
from typing import Any

import httpx
import pytest

from lockstep.serving.http.connections import BoundedConnection
from lockstep.serving.versions.request_limits import RequestLimits
from lockstep.serving.versions.request_scorer import Scorer
from tests.fixtures.servers import serving
from tests.fixtures.waiting import wait_until
from tests.lockstep.serving.conftest import client_of

Records = list[dict[str, Any]]


class Quick(BoundedConnection):
    head_seconds = 0.3


@pytest.fixture
def port(scorer: Scorer) -> Iterator[int]:
    application = client_of(scorer, RequestLimits(body_bytes=10_000, read_seconds=0.3)).application
    with serving(application, http=Quick, ws="none") as found:
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


PING = b"GET /ping HTTP/1.1\r\nhost: x\r\n\r\n"
HEAD = b"POST /invocations HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\n"


@pytest.mark.parametrize("parts", [[], [b"POST /invocations HT"], [HEAD]])
def test_a_head_that_does_not_arrive_ends_the_connection(port: int, parts: list[bytes]) -> None:
    assert read(connected(port, *parts)) == b""


@pytest.mark.parametrize(
    ("head", "status"),
    [
        (b"GET /ping HTTP/1.1\r\nhost: x\r\n", b"200"),
        (b"GET /ping HTTP/1.1\r\nhost: x\r\nHost: localhost\r\n", b"400"),
        (b"GET /ping HTTP/1.1\r\n", b"400"),
        (b"GET /ping HTTP/1.0\r\n", b"200"),
        (b"GET /ping HTTP/1.0\r\nhost: x\r\nhost: x\r\n", b"400"),
    ],
)
def test_a_request_names_one_host(port: int, head: bytes, status: bytes) -> None:
    client = connected(port, head, b"connection: close\r\n\r\n")
    client.shutdown(socket.SHUT_WR)
    assert read(client).split(b" ")[1] == status


def trickle(client: socket.socket) -> None:
    """Send a byte now and then, until the server ends the connection."""
    with client, pytest.raises((BrokenPipeError, ConnectionResetError)):
        wait_until(lambda: client.send(b"x") == 0, 20)


def test_a_head_that_comes_byte_by_byte_ends_the_connection(port: int) -> None:
    trickle(connected(port, HEAD))


def test_a_head_of_a_second_request_that_does_not_arrive_ends_the_connection(port: int) -> None:
    told = read(connected(port, PING, b"GET /pi"))

    assert told.startswith(b"HTTP/1.1 200")
    assert told.count(b"HTTP/1.1") == 1


def test_a_head_that_follows_many_requests_is_not_taken_for_a_large_one(port: int) -> None:
    many = 2_000
    told = read(connected(port, PING * many, b"GET /pi"))

    assert told.count(b"HTTP/1.1 200") == many


LARGE = 8_000_000
"""More bytes than the kernel keeps for a connection on either side."""
CHUNK = b"1000\r\n" + b" " * 4096 + b"\r\n"


@pytest.mark.parametrize(
    ("parts", "status"),
    [
        ([b"x-more: " + b"x" * 1000 + b"\r\n"] * 70, b"400"),
        ([b"x-more: " + b"x" * LARGE], b"400"),
        ([b"content-length: 100\r\n\r\n", b"{"], b"408"),
        ([b"content-length: 10001\r\n\r\n"], b"413"),
        ([b"content-length: 10001\r\nexpect: 100-continue\r\n\r\n"], b"413"),
        ([b"transfer-encoding: chunked\r\n\r\n", CHUNK * 3], b"413"),
        ([b"content-length: %d\r\n\r\n" % LARGE, b" " * LARGE], b"413"),
    ],
    ids=[
        "a head of many lines",
        "a large head whose client goes on to send",
        "a body that does not arrive",
        "a body that says that it is too large",
        "too large a body that waits to be told to go on",
        "a chunked body that grows too large",
        "a large body whose client goes on to send",
    ],
)
def test_what_is_too_large_or_never_comes_is_refused_and_its_client_reads_why(
    port: int, parts: list[bytes], status: bytes
) -> None:
    assert read(connected(port, HEAD, *parts)).startswith(b"HTTP/1.1 " + status)


def test_a_client_that_never_ends_is_heard_for_a_while_only(port: int) -> None:
    trickle(connected(port, HEAD, b"content-length: 10001\r\n\r\n"))


def test_others_are_answered_while_a_hundred_are_slow(port: int) -> None:
    slow = [connected(port, HEAD, b"content-length: 100\r\n\r\n") for _ in range(100)]

    with httpx.Client(base_url=f"http://127.0.0.1:{port}") as client:
        statuses = {client.get("/v2").status_code for _ in range(20)}

    assert statuses == {200}
    for one in slow:
        one.close()


def test_a_connection_that_is_used_is_kept(port: int) -> None:
    with closing(HTTPConnection("127.0.0.1", port)) as client:
        client.connect()
        client.auto_open = 0
        for _ in range(4):
            client.request("GET", "/ping")
            assert client.getresponse().read() == b"\n"
            time.sleep(0.2)  # less than a head may take, and more in all


# What a client may send


def post(body: bytes, *lines: bytes) -> bytes:
    """A request of this body."""
    length = b"content-length: %d" % len(body)
    return HEAD + b"".join(line + b"\r\n" for line in (length, *lines, b"")) + body


@pytest.fixture
def body(orders: Records) -> bytes:
    return json.dumps({"dataframe_records": orders[:1]}).encode()


LAST = b"connection: close"


def test_requests_that_are_sent_before_the_one_before_is_answered_are_answered_in_turn(
    port: int, body: bytes
) -> None:
    broken = post(b"{", LAST)

    told = read(connected(port, post(body) * 20 + broken))

    assert told.count(b"HTTP/1.1 200") == 20
    assert told.count(b"HTTP/1.1 400") == 1


def test_a_client_that_waits_to_be_told_to_go_on_is_told(port: int, body: bytes) -> None:
    head, _, rest = post(body, LAST, b"expect: 100-continue").partition(b"\r\n\r\n")
    client = connected(port, head + b"\r\n\r\n")

    assert client.recv(65536).startswith(b"HTTP/1.1 100")
    client.sendall(rest)
    assert read(client).startswith(b"HTTP/1.1 200")


def test_http_1_0_is_answered_and_its_connection_ends(port: int, body: bytes) -> None:
    told = read(connected(port, post(body).replace(b"HTTP/1.1", b"HTTP/1.0", 1)))

    assert told.startswith(b"HTTP/1.1 200")


def test_a_whole_address_as_target_is_as_good_as_its_path(port: int, body: bytes) -> None:
    request = post(body, LAST).replace(b"/invocations", b"http://example.org/invocations", 1)

    assert read(connected(port, request)).startswith(b"HTTP/1.1 200")


@pytest.mark.parametrize("offer", [b"Upgrade: h2c", b"upgrade: websocket"])
def test_a_client_that_offers_another_protocol_is_answered_in_this_one(
    port: int, body: bytes, offer: bytes
) -> None:
    first = post(body, b"Connection: Upgrade, HTTP2-Settings", offer)
    last = post(body, b"Connection: close, Upgrade", offer)
    client = connected(port, first)

    assert client.recv(65536).startswith(b"HTTP/1.1 200")
    client.sendall(last)
    assert read(client).count(b"HTTP/1.1 200") == 1


def test_a_client_that_closes_its_half_is_answered(port: int, body: bytes) -> None:
    client = connected(port, post(body))
    client.shutdown(socket.SHUT_WR)

    assert read(client).startswith(b"HTTP/1.1 200")


@pytest.mark.parametrize(
    "rest", [b"content-length: 100\r\n\r\n{", b"transfer-encoding: chunked\r\n\r\n5\r\n{"]
)
def test_a_body_that_ends_before_its_end_is_refused(port: int, rest: bytes) -> None:
    client = connected(port, HEAD, rest)
    client.shutdown(socket.SHUT_WR)

    assert read(client).startswith(b"HTTP/1.1 400")


@pytest.mark.parametrize(
    "request_",
    [
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",  # TLS
        b"GET /ping HTTP/9.9\r\n\r\n",
        b"G@T /ping HTTP/1.1\r\n\r\n",
        b"GET \xff HTTP/1.1\r\nhost: x\r\n\r\n",
        b"CONNECT example.org:443 HTTP/1.1\r\nhost: x\r\n\r\n",
        b"GET /ping HTTP/1.1\r\nno colon\r\n\r\n",
        b"GET /ping HTTP/1.1\r\nhost: x\x00y\r\n\r\n",
        HEAD + b"content-length: -1\r\n\r\n",
        HEAD + b"content-length: 1\r\ncontent-length: 2\r\n\r\n{}",
        HEAD + b"content-length: 99999999999999999999999\r\n\r\n{}",
        HEAD + b"content-length: 2\r\ntransfer-encoding: chunked\r\n\r\n{}",
        HEAD + b"transfer-encoding: chunked\r\n\r\nxyz\r\n{}\r\n",
        HEAD + b"transfer-encoding: chunked\r\n\r\nfffffffffffffffffff\r\n{}\r\n",
        HEAD + b"transfer-encoding: gzip\r\n\r\n{}",
    ],
)
def test_what_is_no_http_is_refused(port: int, request_: bytes) -> None:
    client = connected(port, request_)
    client.shutdown(socket.SHUT_WR)

    told = read(client)

    assert told.startswith(b"HTTP/1.1 4"), told


def test_a_client_that_reads_nothing_of_its_answers_is_given_up(port: int) -> None:
    """The kernel alone may take megabytes of requests before anybody reads them."""
    client = socket.socket()
    client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    client.connect(("127.0.0.1", port))
    client.settimeout(30)

    def ask() -> bool:
        client.sendall(b"GET /openapi.json HTTP/1.1\r\nhost: x\r\n\r\n")
        return False

    with client, pytest.raises((BrokenPipeError, ConnectionResetError)):
        wait_until(ask, 30, 0)


class Fresh(BoundedConnection):
    fresh_seconds = 60.0


def test_a_request_that_is_on_its_way_when_the_server_stops_is_answered(
    scorer: Scorer, body: bytes
) -> None:
    with ExitStack() as server:
        port = server.enter_context(serving(client_of(scorer).application, http=Fresh, ws="none"))
        idle, fresh = connected(port, PING), connected(port)
        assert idle.recv(65536).startswith(b"HTTP/1.1 200")
        stopping = threading.Thread(target=server.close)
        stopping.start()
        read(idle)  # to its end: a connection that nobody uses is closed at once

        fresh.sendall(post(body))

        assert read(fresh).startswith(b"HTTP/1.1 200")
        stopping.join()
