"""The endurance benchmark: what its load counts, and how it judges memory."""

import asyncio
from collections.abc import Awaitable, Callable

import pytest

from benchmarks._steady import Steady, Told
from benchmarks.endurance import Minute, growth_of

pytestmark = pytest.mark.long

Answering = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]

LENGTH = 4


def answering(*statuses: int) -> Answering:
    """Answers each request of a connection with the next status; 0 ends the connection."""

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        for status in statuses:
            try:
                await reader.readuntil(b"\r\n\r\n")
                await reader.readexactly(LENGTH)
            except asyncio.IncompleteReadError:
                break
            if not status:
                break
            writer.write(f"HTTP/1.1 {status} x\r\nContent-Length: 2\r\n\r\n".encode())
            await asyncio.sleep(0.001)
            writer.write(b"ok")
        writer.close()

    return answer


async def sent(answer: Answering, rate: float, seconds: float) -> Told:
    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    async with server:
        steady = Steady(server.sockets[0].getsockname()[1], "/", [b"body"], connections=2)
        await steady.send(rate, seconds)
        await asyncio.sleep(0.1)  # both ends of every connection are closed
    return steady.told


def test_every_request_that_is_due_is_sent_and_counted() -> None:
    told = asyncio.run(sent(answering(*[200, 503] * 1000), rate=200, seconds=0.5))

    assert abs(len(told.seconds) - told.refused) <= 2
    assert 95 <= len(told.seconds) + told.refused <= 100
    assert told.broken == 0


def test_a_request_whose_connection_ends_is_broken_and_the_next_ones_are_sent() -> None:
    told = asyncio.run(sent(answering(200, 0), rate=200, seconds=0.5))

    assert told.broken > 10
    assert 95 <= len(told.seconds) + told.broken <= 100


def test_what_waits_for_a_connection_takes_longer() -> None:
    async def slow(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await asyncio.sleep(0.5)
        await answering(*[200] * 100)(reader, writer)

    told = asyncio.run(sent(slow, rate=100, seconds=0.2))

    assert min(told.seconds) > 0.2
    assert len(told.seconds) in (19, 20)


@pytest.mark.parametrize(
    ("sizes", "expected"),
    [([50, 100, 101, 102], (1.0, 2.0)), ([100, 90, 90, 90], (0.0, 0.0)), ([100, 200], None)],
)
def test_memory_grows_from_the_second_minute_on(
    sizes: list[float], expected: tuple[float, float] | None
) -> None:
    found = growth_of([Minute(Told(), size) for size in sizes])

    assert found == (None if expected is None else pytest.approx(expected))
