"""Versions that requests ask for by number: which are given, when they wait, and when they go."""

import asyncio
import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from lockstep.artifacts.pointers import ListedVersion, LivePointer, write_live
from lockstep.artifacts.version import LoadedVersion
from lockstep.project.home import Home
from lockstep.serving.requestlog.log import Log
from lockstep.serving.requestlog.log_segments import read_segment, segment_names, segment_path
from lockstep.serving.requestlog.settings import RequestLog
from lockstep.serving.versions.request_limits import RequestLimits
from tests.lockstep.serving.listed import Server

Records = list[dict[str, Any]]
Make = Callable[[int], ListedVersion]


@pytest.fixture
def server(live_home: Path, tmp_path: Path) -> Iterator[Server]:
    """With room for two versions."""
    live, limits = Home(live_home).live("orders"), RequestLimits(pinned_versions=2)
    found = Server(Home(tmp_path / "home"), live, limits)
    with found.client:
        yield found


def test_a_proven_version_answers_whoever_asks_for_it_and_says_so(
    server: Server, stored: Make, orders: Records
) -> None:
    server.list(stored(2))

    pinned, live = server.ask(orders[:2]), server.ask(orders[:1], "/invocations")

    assert (pinned.status, pinned.headers["x-lockstep-version"]) == (200, "2")
    assert (live.status, live.headers["x-lockstep-version"]) == (200, "1")
    assert server.loaded == {1, 2}
    metrics = server.client.get("/metrics").content.decode()
    told = 'pipeline="orders",role="pinned",status="200",version="2"'
    assert f"lockstep_version_request_seconds_count{{{told}}} 1.0" in metrics
    assert 'lockstep_versions_loaded{pipeline="orders"} 2.0' in metrics


def test_the_log_tells_which_version_answered(
    live_home: Path, stored: Make, orders: Records, tmp_path: Path
) -> None:
    segments = tmp_path / "log"
    with Log(segments, RequestLog()) as log:
        server = Server(
            Home(tmp_path / "home"), Home(live_home).live("orders"), RequestLimits(), log
        )
        with server.client:
            server.list(stored(2))
            assert server.ask(orders[:2]).status == 200
            assert server.ask(orders[:1], "/invocations").status == 200

    found = [read_segment(segment_path(segments, one)) for one in segment_names(segments)]

    assert {(one.header.version, one.rows) for one in found} == {(1, 1), (2, 2)}


def test_the_inference_protocol_asks_for_versions_by_their_path(
    server: Server, stored: Make
) -> None:
    server.list(stored(2))

    ready = server.client.get("/v2/models/orders/versions/2/ready")
    metadata = server.client.get("/v2/models/orders")
    unknown = server.client.get("/v2/models/orders/versions/two/ready")

    assert ready.json() == {"name": "orders", "ready": True}
    assert ready.headers["x-lockstep-version"] == "2"
    assert metadata.json()["versions"] == ["1", "2"]
    assert unknown.status == 404


@pytest.mark.parametrize("version", [2, 7])
def test_a_version_that_has_not_passed_the_gate_or_is_unknown_is_not_found(
    version: int, server: Server, stored: Make, orders: Records
) -> None:
    server.list(replace(stored(2), proven_at=None), stored(3), challenger=2)

    told = server.ask(orders[:1], f"/invocations?version={version}")

    assert told.status == 404
    assert told.json()["error_code"] == "RESOURCE_DOES_NOT_EXIST"
    assert told.json()["message"].endswith("there is 1, 3.")
    assert "x-lockstep-version" not in told.headers
    assert server.loaded == {1}


@pytest.mark.parametrize("version", ["0", "", "two", "1" * 12, "٣", "1&version=2"])
def test_what_is_no_number_of_a_version_is_a_bad_request(
    version: str, server: Server, orders: Records
) -> None:
    assert server.ask(orders[:1], f"/invocations?version={version}").status == 400


def test_the_live_version_may_be_asked_for_without_a_listing(
    server: Server, orders: Records
) -> None:
    assert server.ask(orders[:1], "/invocations?version=1").status == 200


def test_requests_that_ask_for_a_version_together_wait_for_one_load(
    server: Server, stored: Make, orders: Records
) -> None:
    server.list(stored(2))
    loads: list[int] = []
    server.service.versions.scorers.on_load.append(lambda one: loads.append(one.loaded.version))

    async def ask() -> list[int]:
        return await asyncio.gather(*(server.asking(orders, 2) for _ in range(5)))

    assert server.client.runner.run(ask()) == [200] * 5
    assert loads == [2]


def test_a_version_that_loads_for_too_long_is_to_be_asked_for_again(
    live_home: Path,
    stored: Make,
    orders: Records,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    begin, opened = threading.Event(), ListedVersion.open

    def slow(self: ListedVersion) -> LoadedVersion:
        assert begin.wait(60)
        return opened(self)

    monkeypatch.setattr(ListedVersion, "open", slow)
    limits = RequestLimits(seconds=0.01)
    server = Server(Home(tmp_path / "home"), Home(live_home).live("orders"), limits)
    with server.client:
        server.list(stored(2))
        late = server.ask(orders[:1])
        begin.set()
        while server.loaded != {1, 2}:
            server.client.runner.run(asyncio.sleep(0.01))
        then = server.ask(orders[:1])

    assert (late.status, late.headers["retry-after"]) == (503, "1")
    assert "is still being loaded" in late.json()["message"]
    assert then.status in (200, 503)  # 503 where a busy machine takes longer than the limit
    assert then.headers["x-lockstep-version"] == "2"


def test_the_version_that_nobody_asked_for_longest_makes_room_once_it_is_idle(
    server: Server, stored: Make, orders: Records, monkeypatch: pytest.MonkeyPatch
) -> None:
    server.list(*(stored(number) for number in (2, 3, 4)))
    for version in (2, 3, 2):
        assert server.ask(orders[:1], f"/invocations?version={version}").status == 200

    full = server.ask(orders[:1], "/invocations?version=4")
    monkeypatch.setattr("lockstep.serving.versions.served_versions.IDLE_SECONDS", 0.0)
    room = server.ask(orders[:1], "/invocations?version=4")

    assert (full.status, full.headers["retry-after"]) == (503, "1")
    assert room.status == 200
    assert server.loaded == {1, 2, 4}


def test_a_version_that_cannot_be_used_is_not_found_and_ready_says_why(
    server: Server, stored: Make, orders: Records, monkeypatch: pytest.MonkeyPatch
) -> None:
    damaged = stored(2)
    profile = damaged.directory / "profile.json"
    whole = profile.read_bytes()
    profile.write_text("{}")
    server.list(damaged)

    told = server.ask(orders[:1])
    ready = server.client.get("/ready").json()
    profile.write_bytes(whole)
    still = server.ask(orders[:1])
    monkeypatch.setattr("lockstep.serving.versions.served_versions._AGAIN_SECONDS", 0.0)
    again = server.ask(orders[:1])

    assert told.status == still.status == 404
    assert str(profile) not in told.json()["message"]
    (refused,) = ready["pinned_refused"]
    assert refused["version"] == 2
    assert "profile.json is not what was logged" in refused["reason"]
    assert again.status == 200


def test_a_version_goes_with_its_proof_but_not_under_a_request(
    server: Server, stored: Make, orders: Records
) -> None:
    second = stored(2)
    server.list(second)
    service = server.service

    async def claim() -> Any:
        return await service.claim_version(service.ids.ask(), 2)

    scorer = server.client.runner.run(claim())
    server.list(replace(second, proven_at=None))

    assert server.ask(orders[:1]).status == 404
    assert server.loaded == {1, 2}
    scorer.lease.release()
    assert server.loaded == {1}


def test_a_version_that_goes_live_is_taken_as_it_is_loaded(
    server: Server, stored: Make, orders: Records, tmp_path: Path
) -> None:
    second = stored(2)
    server.list(second)
    assert server.ask(orders[:1]).status == 200
    (pinned,) = (one for one in server.service.versions.scorers.loaded if one.loaded.version == 2)
    pointer = Home(tmp_path / "home").live("orders")
    write_live(pointer, LivePointer("orders", 2, second.directory, second.digest))
    server.service.versions._pointer = pointer

    server.client.runner.run(server.service.versions.look())

    assert server.service.versions.scorer is pinned
    assert server.loaded == {2}


def test_a_listing_that_is_damaged_leaves_what_it_told_last(
    server: Server, stored: Make, orders: Records
) -> None:
    server.list(stored(2))
    server.listing.write_text("{")
    server.client.runner.run(server.service.versions.look_beside())

    assert server.ask(orders[:1]).status == 200
    assert "does not list which versions" in server.client.get("/ready").json()["registry"]
    metrics = server.client.get("/metrics").content.decode()
    assert 'lockstep_registry_failing{pipeline="orders"} 1.0' in metrics
