"""A log on a real disk that is full: who asks about the server learns it, before and after."""

from pathlib import Path
from typing import Any

import pytest

from lockstep.serving.requestlog.log import Log
from lockstep.serving.requestlog.settings import RequestLog
from lockstep.serving.versions.request_scorer import Scorer
from tests.fixtures.asgi import Client
from tests.fixtures.waiting import wait_until
from tests.lockstep.serving.requestlog.conftest import SmallDisk
from tests.lockstep.serving.requestlog.test_served import Records, body, served

FULL = "No space left on device"
PROBES = ("/ready", "/ping", "/health", "/v2/health/ready", "/v2/models/orders/ready")


def state(client: Client) -> dict[str, Any]:
    told: dict[str, Any] = client.get("/page/now").json()
    return told


def wait_until_ready(client: Client) -> None:
    wait_until(lambda: client.get("/ready").status == 200, 30, 0.1)


def test_a_server_whose_log_has_no_room_is_not_ready_before_anyone_asks_and_is_so_again_by_itself(
    live_home: Path, scorer: Scorer, orders: Records, small_disk: SmallDisk
) -> None:
    small_disk.fill()
    with served(live_home, scorer, Log(small_disk.path / "log", RequestLog())) as client:
        assert {path: client.get(path).status for path in PROBES} == dict.fromkeys(PROBES, 503)
        told = client.get("/ready").json()["log"]
        assert (told["failing"], told["when_full"]) == (FULL, "refuse")
        assert state(client)["log"]["failing"] == FULL
        assert client.post("/invocations", body(orders[:1])).status == 503
        small_disk.make_room()
        wait_until_ready(client)
        assert client.post("/invocations", body(orders[:1])).status == 200
        assert client.get("/ready").json()["log"]["failing"] is None


def test_a_disk_that_fills_while_nobody_asks_is_noticed(
    live_home: Path, scorer: Scorer, orders: Records, small_disk: SmallDisk
) -> None:
    log = Log(small_disk.path / "log", RequestLog())
    with served(live_home, scorer, log) as client:
        assert client.post("/invocations", body(orders[:1])).status == 200
        small_disk.fill()
        log.tend()
        assert client.get("/ready").status == 503


def test_a_server_stays_unready_though_a_small_request_still_fits(
    live_home: Path, scorer: Scorer, orders: Records, small_disk: SmallDisk
) -> None:
    small_disk.fill(left=32_768)
    with served(live_home, scorer, Log(small_disk.path / "log", RequestLog())) as client:
        assert client.get("/ready").status == 503
        assert client.post("/invocations", body(orders[:1])).status == 200
        assert client.get("/ready").status == 503


def test_a_server_that_answers_unlogged_stays_ready_and_says_so(
    live_home: Path, scorer: Scorer, orders: Records, small_disk: SmallDisk
) -> None:
    small_disk.fill()
    log = Log(small_disk.path / "log", RequestLog(when_full="serve"))
    with served(live_home, scorer, log) as client:
        ready = client.get("/ready")
        assert (ready.status, ready.json()["log"]["failing"]) == (200, FULL)
        assert client.post("/invocations", body(orders[:1])).status == 200
    assert log.counts.unlogged == 1


@pytest.mark.parametrize("when_full", ["refuse", "serve"])
def test_a_closed_folder_is_told_without_its_path(
    when_full: Any, live_home: Path, scorer: Scorer, tmp_path: Path
) -> None:
    (tmp_path / "file").write_text("in the way")
    log = Log(tmp_path / "file" / "log", RequestLog(when_full=when_full))
    with served(live_home, scorer, log) as client:
        told = client.get("/ready")
    assert told.status == (503 if when_full == "refuse" else 200)
    assert told.json()["log"]["failing"] == "File exists"
