"""Clients that do harm, all at once, and one that does not: it notices nothing of them."""

import json
import random
import re
import socket
import struct
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from functools import partial
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.fixtures.servers import Server

Records = list[dict[str, Any]]
Harm = Callable[[int, threading.Event], object]
"""Does harm to a port; what it pauses for ends when all is over."""

HEAD = b"POST /invocations HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\n"
CHUNKED = b"transfer-encoding: chunked\r\n\r\n"
REQUESTS = 30
PAUSE = 0.03  # seconds between two requests of the good client
MEBIBYTE = b" " * 2**20


@contextmanager
def connected(port: int) -> Iterator[socket.socket]:
    """A connection that the server may end at any time."""
    with (
        suppress(OSError),
        socket.create_connection(("127.0.0.1", port), timeout=20) as client,
    ):
        yield client


def post(body: bytes) -> bytes:
    return HEAD + b"content-length: %d\r\n\r\n" % len(body) + body


def send(data: bytes, port: int, is_over: threading.Event) -> None:
    """Send something, and read what is said to it."""
    with connected(port) as client:
        client.sendall(data)
        client.recv(65536)


def noise(port: int, is_over: threading.Event) -> None:
    send(random.Random(port).randbytes(5000), port, is_over)


def large(port: int, is_over: threading.Event) -> None:
    """A hundred MiB in a body that says so."""
    with connected(port) as client:
        client.sendall(HEAD + b"content-length: %d\r\n\r\n" % (100 * len(MEBIBYTE)))
        for _ in range(100):
            client.sendall(MEBIBYTE)


def endless(port: int, is_over: threading.Event) -> None:
    """A hundred MiB in a body that does not say how long it is."""
    with connected(port) as client:
        client.sendall(HEAD + CHUNKED)
        for _ in range(100):
            client.sendall(b"100000\r\n" + MEBIBYTE + b"\r\n")


def half(port: int, is_over: threading.Event) -> None:
    """Almost as much as a body may have, of which the end never comes."""
    with connected(port) as client:
        client.sendall(HEAD + b"content-length: %d\r\n\r\n" % (10 * len(MEBIBYTE)))
        for _ in range(9):
            client.sendall(MEBIBYTE)
        client.recv(65536)


def slow(port: int, is_over: threading.Event) -> None:
    """A head that comes byte by byte."""
    with connected(port) as client:
        for byte in HEAD:
            client.sendall(bytes([byte]))
            if is_over.wait(0.05):
                break


def flood(port: int, is_over: threading.Event) -> None:
    """Hundreds of connections that are opened and reset, and hundreds that are left alone."""
    with ExitStack() as held:
        for _ in range(300):
            with connected(port) as client:
                client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        for _ in range(200):
            with suppress(OSError):
                client = socket.create_connection(("127.0.0.1", port), timeout=20)
                held.enter_context(client)
        is_over.wait(1)


def unread(body: bytes, port: int, is_over: threading.Event) -> None:
    """Requests one after the other, of which no answer is read."""
    with connected(port) as client:
        for _ in range(2000):
            client.sendall(post(body))


def harms(record: dict[str, Any]) -> list[Harm]:
    good = json.dumps({"dataframe_records": [record]}).encode()
    many = json.dumps({"dataframe_records": [record] * 5000}).encode()
    key = next(iter(record))
    bodies = [
        b"[" * 10_000 + b"]" * 10_000,
        b'{"a":' * 10_000 + b"1" + b"}" * 10_000,
        b'{"dataframe_records": [' + b"{}," * 2_000_000 + b"{}]}",
        b'{"inputs": [' + b'"' + b"\\u0041" * 500_000 + b'"]}',
        b"[NaN, Infinity, -Infinity, " + b"1" * 100_000 + b"]",
        good.replace(b'"gift"', f'"{key}"'.encode()),
        good.replace(b"{", "{ü".encode("latin-1"), 1),
        good.decode().encode("utf-16"),
        many,
    ]
    heads = [
        HEAD + b"".join(b"x-%d: y\r\n" % place for place in range(20_000)) + b"\r\n",
        HEAD + b"x: " + b"y" * 2**20 + b"\r\n\r\n",
        b"GET /" + b"a" * 2**20 + b" HTTP/1.1\r\n\r\n",
        HEAD + CHUNKED + b"zzz\r\n",
        HEAD + CHUNKED + b"ffffffff\r\n" + good,
    ]
    sent = [partial(send, data) for data in (*map(post, bodies), *heads)]
    return [*sent, noise, large, endless, half, slow, flood, partial(unread, good)]


class Harming:
    """Does harm for as long as it is entered, each kind in a thread of its own."""

    def __init__(self, port: int, kinds: list[Harm]) -> None:
        self.is_over = threading.Event()
        self._threads = [threading.Thread(target=self._do, args=(kind, port)) for kind in kinds]
        self.done = 0

    def _do(self, harm: Harm, port: int) -> None:
        while not self.is_over.is_set():
            harm(port, self.is_over)
            self.done += 1

    def __enter__(self) -> "Harming":
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.is_over.set()
        for thread in self._threads:
            thread.join()


def most_memory(process: int) -> int:
    """The most memory that a process ever had, in MiB."""
    found = re.search(r"VmHWM:\s+(\d+) kB", Path(f"/proc/{process}/status").read_text())
    assert found is not None
    return int(found[1]) // 1024


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="there is no /proc here")
def test_a_good_client_is_answered_all_the_while(
    start: Callable[..., Server], free_port: int, orders: Records
) -> None:
    server = start()
    server.wait(lambda answer: answer.status_code == 200)
    before = most_memory(server.process.pid)
    statuses, seconds = [], []

    with (
        httpx.Client(base_url=server.url, timeout=60) as client,
        Harming(free_port, harms(orders[0])) as harming,
    ):
        for place in range(REQUESTS):
            begun = time.monotonic()
            body = {"dataframe_records": [orders[place % len(orders)]]}
            statuses.append(client.post("/invocations", json=body).status_code)
            seconds.append(time.monotonic() - begun)
            harming.is_over.wait(PAUSE)

    assert set(statuses) == {200}
    assert harming.done > 12
    assert sorted(seconds)[-2] < 5, "the good client waited for the others"
    assert most_memory(server.process.pid) - before < 1024
    assert "Traceback" not in server.stop()
