"""Micro-batches: what is answered together, what is refused, and what is never mixed."""

import asyncio
import time
from collections.abc import Coroutine, Sequence
from threading import Event
from typing import Any

import pytest

from lockstep.errors import BusyError, LateError, UnloggedError
from lockstep.serving.versions.asked import Client, RequestFacts
from lockstep.serving.versions.batching import MicroBatches
from lockstep.serving.versions.request_limits import RequestLimits
from lockstep.serving.versions.request_rows import Record


class Echo:
    """Answers each request with its own rows, and writes down what it was asked together."""

    def __init__(self, seconds: float = 0.0) -> None:
        self.asked: list[list[int]] = []
        self.seconds = seconds

    def answer(self, requests: Sequence[Sequence[Record]], /) -> list[Any]:
        time.sleep(self.seconds)
        self.asked.append([len(one) for one in requests])
        return [
            ValueError("poison") if any("poison" in row for row in one) else list(one)
            for one in requests
        ]


def run(coroutine: Coroutine[Any, Any, Any]) -> Any:
    return asyncio.run(coroutine)


def rows(count: int, **fields: Any) -> list[dict[str, Any]]:
    return [fields] * count


def test_requests_that_arrive_together_are_answered_together() -> None:
    echo = Echo()
    computed: list[int] = []
    batches = MicroBatches(RequestLimits(), computed=computed.append)

    async def ask() -> Any:
        return await asyncio.gather(*(batches.ask(echo, rows(1, n=number)) for number in range(5)))

    assert run(ask()) == [[{"n": number}] for number in range(5)]
    assert echo.asked == [[1, 1, 1, 1, 1]]
    assert computed == [5]
    assert batches.waiting_rows == 0


def test_requests_that_arrive_within_a_few_turns_of_the_loop_are_answered_together() -> None:
    echo, batches = Echo(), MicroBatches(RequestLimits())

    async def ask() -> None:
        first = batches.ask(echo, rows(1, n=1))
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        await batches.ask(echo, rows(1, n=2))
        await first

    run(ask())

    assert echo.asked == [[1, 1]]


def test_a_request_does_not_wait_for_company() -> None:
    echo, batches = Echo(), MicroBatches(RequestLimits())

    async def ask() -> None:
        for number in range(3):
            await batches.ask(echo, rows(1, n=number))

    run(ask())

    assert echo.asked == [[1], [1], [1]]


def test_a_client_that_asks_again_before_anybody_else_is_answered_at_once() -> None:
    echo, batches = Echo(), MicroBatches(RequestLimits())

    async def ask() -> None:
        await batches.ask(echo, rows(1, n=1), RequestFacts("a", 0.0, ("10.0.0.1", 50_000)))
        assert batches.ask(echo, rows(1, n=2), RequestFacts("b", 0.0, ("10.0.0.1", 50_000))).done()

    run(ask())


@pytest.mark.parametrize("other", [("10.0.0.1", 50_001), None])
def test_a_client_after_another_one_looks_for_company(other: Client) -> None:
    echo, batches = Echo(), MicroBatches(RequestLimits())

    async def ask() -> None:
        await batches.ask(echo, rows(1), RequestFacts("a", 0.0, other))
        second = batches.ask(echo, rows(1), RequestFacts("b", 0.0, ("10.0.0.1", 50_000)))
        await batches.ask(echo, rows(1), RequestFacts("c", 0.0, other))
        await second

    run(ask())

    assert echo.asked == [[1], [1, 1]]


def test_clients_that_are_not_known_are_not_taken_for_one() -> None:
    echo, batches = Echo(), MicroBatches(RequestLimits())

    async def ask() -> None:
        await batches.ask(echo, rows(1))
        await asyncio.gather(*(batches.ask(echo, rows(1)) for _ in range(2)))

    run(ask())

    assert echo.asked == [[1], [1, 1]]


def test_versions_are_never_mixed_and_keep_their_order() -> None:
    old, new, batches = Echo(), Echo(), MicroBatches(RequestLimits())

    async def ask() -> None:
        await asyncio.gather(*(batches.ask(one, rows(1)) for one in (old, old, new, new, old)))

    run(ask())

    assert old.asked == [[1, 1], [1]]
    assert new.asked == [[1, 1]]


def test_a_batch_has_a_size_and_a_larger_request_is_alone() -> None:
    echo, batches = Echo(), MicroBatches(RequestLimits(batch_rows=4, inline_rows=4))

    async def ask() -> None:
        await asyncio.gather(*(batches.ask(echo, rows(count)) for count in (3, 1, 2, 9, 1)))

    run(ask())

    assert sorted(echo.asked) == [[2, 1], [3, 1], [9]]


def test_a_small_request_does_not_wait_for_a_large_one() -> None:
    is_small_answered = Event()

    class Patient(Echo):
        def answer(self, requests: Sequence[Sequence[Record]], /) -> list[Any]:
            if len(requests[0]) > 4:
                assert is_small_answered.wait(10)
            return super().answer(requests)

    patient, batches = Patient(), MicroBatches(RequestLimits(inline_rows=4))

    async def ask() -> Any:
        large = batches.ask(patient, rows(9))
        await batches.ask(patient, rows(1))
        is_small_answered.set()
        return await large

    assert len(run(ask())) == 9
    assert patient.asked == [[1], [9]]


def test_a_request_that_fails_fails_alone() -> None:
    echo, batches = Echo(), MicroBatches(RequestLimits())

    async def ask() -> Any:
        asked = [batches.ask(echo, rows(1)), batches.ask(echo, rows(1, poison=1))]
        return await asyncio.gather(*asked, return_exceptions=True)

    good, bad = run(ask())

    assert good == [{}]
    assert isinstance(bad, ValueError)


def test_a_batch_that_breaks_what_answers_it_is_answered_one_by_one() -> None:
    class Fragile(Echo):
        def answer(self, requests: Sequence[Sequence[Record]], /) -> list[Any]:
            if any("poison" in row for one in requests for row in one):
                raise MemoryError
            return super().answer(requests)

    fragile, batches = Fragile(), MicroBatches(RequestLimits())

    async def ask() -> Any:
        asked = [batches.ask(fragile, rows(1)), batches.ask(fragile, rows(1, poison=1))]
        return await asyncio.gather(*asked, return_exceptions=True)

    good, bad = run(ask())

    assert good == [{}]
    assert isinstance(bad, MemoryError)


def test_more_than_may_wait_is_refused_at_once() -> None:
    batches = MicroBatches(RequestLimits(waiting_rows=3))

    async def ask() -> None:
        waiting = [batches.ask(Echo(), rows(2)), batches.ask(Echo(), rows(1))]
        with pytest.raises(BusyError):
            batches.ask(Echo(), rows(1))
        await asyncio.gather(*waiting)
        await batches.ask(Echo(), rows(1))

    run(ask())


def test_what_would_be_answered_too_late_is_refused_before_it_is_computed() -> None:
    slow, batches = Echo(seconds=0.2), MicroBatches(RequestLimits(batch_rows=1, seconds=0.25))

    async def ask() -> Any:
        asked = [batches.ask(slow, rows(1)), batches.ask(slow, rows(1))]
        return await asyncio.gather(*asked, return_exceptions=True)

    first, second = run(ask())

    assert first == [{}]
    assert isinstance(second, LateError)
    assert slow.asked == [[1]]


def test_an_answer_after_the_limit_is_a_refusal_and_logged_as_one() -> None:
    logged: list[Any] = []

    def record(_: Any, answered: list[tuple[RequestFacts, Any]]) -> None:
        logged.extend(answer for _, answer in answered)

    limits = RequestLimits(seconds=0.02, inline_rows=1)
    batches = MicroBatches(limits, record)

    async def ask(count: int) -> tuple[Any, float]:
        loop = asyncio.get_running_loop()
        begun = loop.time()
        (answer,) = await asyncio.gather(
            batches.ask(Echo(seconds=0.3), rows(count)), return_exceptions=True
        )
        waited = loop.time() - begun
        while not logged:
            await asyncio.sleep(0.01)
        return answer, waited

    for count, is_told_at_the_limit in ((1, False), (2, True)):
        logged.clear()
        answer, waited = run(ask(count))
        assert isinstance(answer, LateError)
        assert (answer.status, answer.retry_after) == (503, 1)
        assert (waited < 0.25) == is_told_at_the_limit
        assert isinstance(logged[0], LateError)


def test_one_slow_batch_does_not_have_everyone_refused_for_good() -> None:
    batches = MicroBatches(RequestLimits(seconds=0.05))

    async def ask(seconds: float) -> Any:
        asked = batches.ask(Echo(seconds=seconds), rows(1))
        return (await asyncio.gather(asked, return_exceptions=True))[0]

    async def ask_often() -> list[Any]:
        return [await ask(0.4), *[await ask(0) for _ in range(10)]]

    answers = run(ask_often())
    assert isinstance(answers[1], LateError)
    assert answers[-1] == [{}]


def test_others_are_answered_while_a_large_request_is_computed() -> None:
    slow, batches = Echo(seconds=0.2), MicroBatches(RequestLimits(inline_rows=10))

    async def ask() -> list[str]:
        order: list[str] = []

        async def tick() -> None:
            await asyncio.sleep(0.01)
            order.append("tick")

        async def large() -> None:
            await batches.ask(slow, rows(11))
            order.append("large")

        await asyncio.gather(large(), tick())
        return order

    assert run(ask()) == ["tick", "large"]


def test_a_request_whose_client_is_gone_is_not_computed() -> None:
    echo, batches = Echo(), MicroBatches(RequestLimits())

    async def ask() -> None:
        gone, stays = batches.ask(echo, rows(2)), batches.ask(echo, rows(1))
        gone.cancel()
        await stays

    run(ask())

    assert echo.asked == [[1]]
    assert batches.waiting_rows == 0


def test_a_batch_is_written_down_at_once_before_any_of_it_is_answered() -> None:
    written: list[list[tuple[str, object]]] = []
    futures: list[asyncio.Future[Any]] = []

    def record(_: Echo, answered: list[tuple[RequestFacts, Any]]) -> None:
        assert not any(future.done() for future in futures)
        written.append([(asked.id, answer) for asked, answer in answered])

    async def ask() -> None:
        batches, echo = MicroBatches(RequestLimits(), record), Echo()
        for name in ("a", "b"):
            futures.append(batches.ask(echo, rows(1), RequestFacts(name, 0.0)))
        await asyncio.gather(*futures)

    run(ask())

    assert [[name for name, _ in one] for one in written] == [["a", "b"]]


def test_what_cannot_be_written_down_is_not_answered() -> None:
    def record(_: Echo, answered: list[tuple[RequestFacts, Any]]) -> None:
        raise UnloggedError("no room")

    async def ask() -> Any:
        batches, echo = MicroBatches(RequestLimits(), record), Echo()
        asked = [batches.ask(echo, rows(1)) for _ in range(2)]
        return await asyncio.gather(*asked, return_exceptions=True)

    assert [type(one) for one in run(ask())] == [UnloggedError, UnloggedError]
