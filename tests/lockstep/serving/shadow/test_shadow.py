"""The challenger in the shadow: what it is compared with, and that it harms no request."""

import asyncio
import logging
import os
import signal
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from lockstep.artifacts.pointers import ListedVersion
from lockstep.artifacts.version import LoadedVersion
from lockstep.errors import GoneError, RefusedChallengerError
from lockstep.project.home import Home
from lockstep.serving.requestlog.redaction import KEY_VARIABLE
from lockstep.serving.requestlog.settings import RequestLog
from lockstep.serving.shadow.challenger_comparison import (
    MOST_TOLD,
    ComparedRows,
    DifferingRow,
    Examples,
    Rows,
    compare_rows,
)
from lockstep.serving.shadow.challenger_process import ChallengerProcess
from lockstep.serving.versions.request_limits import RequestLimits
from lockstep.serving.versions.request_scorer import Scorer
from tests.lockstep.serving.conftest import listed_copy
from tests.lockstep.serving.listed import Server

Records = list[dict[str, Any]]
Make = Callable[[int], ListedVersion]


def answered(scorer: Scorer, orders: Records) -> Rows:
    """Rows of two requests as a version answers them."""
    first, _ = scorer.answer([orders[:3], orders[3:5]])
    computed = first.scored.computed  # type: ignore[union-attr]
    fields = {name: computed[name] for name in scorer.pipeline.record_schema.names}
    outputs = {name: computed[name] for name in scorer.pipeline.graph.outputs}
    return Rows(["a", "b"], [3, 2], fields, outputs)


# What is compared


def test_a_version_does_not_differ_from_itself(scorer: Scorer, orders: Records) -> None:
    found = compare_rows(scorer, answered(scorer, orders))

    assert (found.rows, found.refused, found.failed, found.differing) == (5, 0, 0, 0)
    assert {name: one.differing for name, one in found.outputs.items()} == dict.fromkeys(
        scorer.pipeline.graph.outputs, 0
    )
    assert found.examples == []


def test_a_row_that_differs_is_told_with_its_request_and_by_how_much(
    scorer: Scorer, orders: Records
) -> None:
    rows = answered(scorer, orders)
    loss = rows.outputs["loss"].copy()
    loss[3] += 0.5
    rows = replace(rows, outputs={**rows.outputs, "loss": loss})

    found = compare_rows(scorer, rows)

    assert found.differing == 1
    assert found.outputs["loss"].differing == 1
    assert found.outputs["loss"].total == pytest.approx(0.5)
    assert found.outputs["loss"].largest == pytest.approx(0.5)
    (example,) = found.examples
    assert (example.request, example.key) == ("b", orders[3]["order_id"])
    assert example.outputs == {"loss": (loss[3], pytest.approx(loss[3] - 0.5))}


def test_rows_that_the_challengers_rules_refuse_are_not_compared(
    scorer: Scorer, orders: Records
) -> None:
    rows = answered(scorer, orders)
    price = rows.fields["price"].copy()
    price[1] = -1.0

    found = compare_rows(scorer, replace(rows, fields={**rows.fields, "price": price}))

    assert (found.rows, found.refused, found.failed) == (4, 1, 0)


def test_rows_of_several_batches_are_handed_over_as_one(scorer: Scorer, orders: Records) -> None:
    rows = answered(scorer, orders)
    together = Rows.together([rows, rows])

    assert len(together) == 10
    assert compare_rows(scorer, together).rows == 10
    assert together.ids == ["a", "b", "a", "b"]


# What is told


def example(**outputs: tuple[Any, Any]) -> DifferingRow:
    return DifferingRow("request-1", "order-1", outputs)


@pytest.mark.parametrize(
    ("settings", "shown"),
    [
        (RequestLog(), "order-1"),
        (RequestLog(drop=["order_id"]), None),
        (None, None),
        (RequestLog(hash=["order_id"]), "4a5b"),
    ],
)
def test_the_key_of_an_example_is_redacted_as_in_the_log(
    settings: RequestLog | None,
    shown: str | None,
    scorer: Scorer,
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv(KEY_VARIABLE, "k" * 16)
    with caplog.at_level(logging.INFO, "lockstep.serving"):
        Examples(settings).tell(scorer.loaded, 2, example(loss=(1.0, 2.0)))

    facts = caplog.records[0].facts  # type: ignore[attr-defined]
    assert facts["request_id"] == "request-1"
    assert facts["outputs"] == {"loss": {"live": 1.0, "challenger": 2.0}}
    if shown == "4a5b":
        assert facts["order_id"] != "order-1"
        assert len(facts["order_id"]) == 32
    else:
        assert facts.get("order_id") == shown


def test_an_output_that_the_log_redacts_is_not_told(
    scorer: Scorer, caplog: pytest.LogCaptureFixture
) -> None:
    examples = Examples(RequestLog(drop=["loss"]))
    with caplog.at_level(logging.INFO, "lockstep.serving"):
        examples.tell(scorer.loaded, 2, example(loss=(1.0, 2.0)))
        examples.tell(scorer.loaded, 2, example(loss=(1.0, 2.0), will_return=(True, False)))

    (record,) = caplog.records
    assert list(record.facts["outputs"]) == ["will_return"]  # type: ignore[attr-defined]


def test_few_examples_are_told_in_a_minute(
    scorer: Scorer, caplog: pytest.LogCaptureFixture
) -> None:
    now = [0.0]
    examples = Examples(RequestLog(), clock=lambda: now[0])
    with caplog.at_level(logging.INFO, "lockstep.serving"):
        for _ in range(3 * MOST_TOLD):
            examples.tell(scorer.loaded, 2, example(loss=(1.0, 2.0)))
        assert len(caplog.records) == MOST_TOLD
        now[0] = 61.0
        examples.tell(scorer.loaded, 2, example(loss=(1.0, 2.0)))
        assert len(caplog.records) == MOST_TOLD + 1


# The process


@pytest.fixture
def process() -> Iterator[ChallengerProcess]:
    found = ChallengerProcess()
    yield found
    found.stop()


def test_the_process_scores_as_this_one_does(
    process: ChallengerProcess, stored: Make, scorer: Scorer, orders: Records
) -> None:
    contract = process.load(stored(2))
    rows = answered(scorer, orders)

    found = process.compare([rows, rows])

    assert contract.record == scorer.pipeline.record_schema
    assert contract.outputs == tuple(scorer.pipeline.graph.outputs)
    assert (found.rows, found.differing, found.failed) == (10, 0, 0)


def test_a_version_that_cannot_be_loaded_is_refused_with_the_reason(
    process: ChallengerProcess, stored: Make
) -> None:
    damaged = stored(2)
    (damaged.directory / "profile.json").write_text("{}")

    with pytest.raises(RefusedChallengerError, match=r"profile\.json is not what was logged"):
        process.load(damaged)


def test_a_process_that_is_gone_is_told(process: ChallengerProcess, stored: Make) -> None:
    os.kill(process.pid, signal.SIGKILL)

    with pytest.raises(GoneError, match="ended with -9"):
        process.load(stored(2))


# In a server


def leave(server: Server) -> None:
    server.client.runner.run(server.service.shadow.close())


@pytest.fixture
def server(live_home: Path, tmp_path: Path) -> Iterator[Server]:
    found = Server(Home(tmp_path / "home"), Home(live_home).live("orders"))
    with found.client:
        yield found
        leave(found)


def look(server: Server) -> None:
    service = server.service
    server.client.runner.run(service.shadow.look(service.versions.listed, service.versions.scorer))


def wait(server: Server, until: Callable[[dict[str, Any]], bool]) -> dict[str, Any]:
    """Have the server's loop go on until its challenger stands so."""
    deadline = time.monotonic() + 120
    while True:
        standing: dict[str, Any] = server.client.get("/ready").json()["challenger"]
        if until(standing):
            return standing
        assert time.monotonic() < deadline, standing
        server.client.runner.run(asyncio.sleep(0.02))


def is_scoring(standing: dict[str, Any]) -> bool:
    return standing["reason"] is None


@dataclass(frozen=True)
class Told:
    """What a server told of a challenger, from its listing to its end.

    Attributes:
        statuses: The status of each request.
        standing: How it stood when all of them were compared.
        metrics: What was counted then.
        pids: Its process: at first, once it had passed the gate, once it was no challenger.
        end: How it stood in the end.
    """

    statuses: list[tuple[int, str]]
    standing: dict[str, Any]
    metrics: str
    pids: list[int | None]
    end: dict[str, Any] | None


@pytest.fixture(scope="module")
def told(
    live_home: Path,
    loaded: LoadedVersion,
    orders: Records,
    tmp_path_factory: pytest.TempPathFactory,
) -> Told:
    """Of version 2, which has not passed the gate at first; version 3 is asked for by name."""
    folder = tmp_path_factory.mktemp("challenger")
    second, third = (listed_copy(loaded, folder / f"stored {n}", n) for n in (2, 3))
    server = Server(Home(folder / "home"), Home(live_home).live("orders"))
    with server.client:
        server.list(replace(second, proven_at=None), third, challenger=2)
        look(server)
        wait(server, is_scoring)
        pids = [server.service.shadow.pid]
        broken = [*orders[:2], {**orders[2], "items": "many"}]
        answers = [
            server.ask(orders[:5], "/invocations?version=3"),
            server.ask(orders[:3], "/invocations"),
            server.ask(orders[:1], "/invocations"),
            server.ask(broken, "/invocations"),
        ]
        standing = wait(server, lambda one: sum(one["rows"].values()) >= 6)
        metrics = server.client.get("/metrics").content.decode()
        for challenger in (2, None):
            server.list(second, challenger=challenger)
            look(server)
            pids.append(server.service.shadow.pid)
        end = server.client.get("/ready").json()["challenger"]
        leave(server)
    statuses = [(one.status, one.headers.get("x-lockstep-version", "")) for one in answers]
    return Told(statuses, standing, metrics, pids, end)


def test_the_live_version_and_the_one_that_is_named_answer_beside_a_challenger(told: Told) -> None:
    assert told.statuses[:3] == [(200, "3"), (200, "1"), (200, "1")]
    assert told.statuses[3][0] == 422


def test_what_the_live_version_alone_answers_is_scored_by_the_challenger_without_its_proof(
    told: Told,
) -> None:
    assert told.standing["rows"] == {"compared": 6, "refused": 0, "failed": 0}
    assert told.standing["differing"] == 0
    counted = 'lockstep_shadow_rows_total{outcome="compared",pipeline="orders",version="2"} 6.0'
    assert counted in told.metrics


def test_a_challenger_goes_on_when_it_passes_the_gate(told: Told) -> None:
    assert told.pids[0] is not None
    assert told.pids[1] == told.pids[0]


def test_a_challenger_goes_with_its_alias_and_so_does_its_process(told: Told) -> None:
    assert (told.end, told.pids[2]) == (None, None)


@pytest.mark.long
def test_a_challenger_that_is_killed_harms_no_request_and_is_started_again(
    server: Server, stored: Make, orders: Records, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("lockstep.serving.shadow.shadow._FIRST_WAIT", 0.01)
    server.list(stored(2), challenger=2)
    look(server)
    wait(server, is_scoring)
    pid = server.service.shadow.pid
    assert pid is not None
    os.kill(pid, signal.SIGKILL)

    assert server.ask(orders[:3], "/invocations").status == 200
    standing = wait(server, lambda one: one["rows"].get("failed", 0) == 3 and is_scoring(one))
    assert server.service.shadow.pid not in (None, pid)
    assert server.ask(orders[:2], "/invocations").status == 200
    standing = wait(server, lambda one: one["rows"]["compared"] == 2)

    assert standing["version"] == 2


def test_rows_beyond_what_may_wait_are_dropped_and_counted(
    live_home: Path, tmp_path: Path, stored: Make, orders: Records
) -> None:
    limits = RequestLimits(shadow_rows=4)
    server = Server(Home(tmp_path / "home"), Home(live_home).live("orders"), limits)
    with server.client:
        server.list(stored(2), challenger=2)
        look(server)
        wait(server, is_scoring)
        pid = server.service.shadow.pid
        assert pid is not None
        os.kill(pid, signal.SIGSTOP)  # it hangs
        for _ in range(5):
            assert server.ask(orders[:3], "/invocations").status == 200
        dropped = server.client.get("/ready").json()["challenger"]["rows"]["dropped"]
        os.kill(pid, signal.SIGCONT)
        standing = wait(server, lambda one: sum(one["rows"].values()) == 15)
        metrics = server.client.get("/metrics").content.decode()
        leave(server)

    assert dropped >= 6
    assert standing["rows"]["compared"] + dropped == 15
    counted = 'lockstep_shadow_rows_total{outcome="dropped",pipeline="orders",version="2"}'
    assert f"{counted} {dropped}.0" in metrics


def test_a_challenger_that_is_refused_is_told_with_the_reason(
    server: Server, stored: Make, orders: Records
) -> None:
    damaged = stored(2)
    (damaged.directory / "profile.json").write_text("{}")
    server.list(damaged, challenger=2)
    look(server)
    standing = wait(server, lambda one: "not what was logged" in (one["reason"] or ""))

    assert standing["version"] == 2
    assert server.ask(orders[:1], "/invocations").status == 200


def test_the_live_version_is_no_challenger_of_itself(server: Server) -> None:
    live = server.service.versions.scorer
    assert live is not None
    loaded = live.loaded
    server.list(ListedVersion("orders", 1, loaded.directory, loaded.digest), challenger=1)
    look(server)

    assert server.client.get("/ready").json()["challenger"] is None


def test_numbers_of_a_column_of_texts_have_no_difference(scorer: Scorer, orders: Records) -> None:
    rows = answered(scorer, orders)
    outputs = {"will_return": np.array(["yes"] * 5, dtype=object)}

    found = compare_rows(scorer, replace(rows, outputs=outputs))

    assert found.outputs["will_return"].differing == 5
    assert (found.outputs["will_return"].total, found.outputs["will_return"].largest) == (0, 0)
    assert isinstance(found, ComparedRows)
