"""A server with a log, as its clients and its metrics tell of it."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from lockstep.project.home import Home
from lockstep.serving.http.app import application
from lockstep.serving.protocols.service import Service
from lockstep.serving.requestlog.log import Log
from lockstep.serving.requestlog.log_segments import read_segment, segment_names, segment_path
from lockstep.serving.requestlog.settings import RequestLog, WhenFull
from lockstep.serving.versions.request_scorer import Scorer
from tests.fixtures.asgi import Client
from tests.lockstep.serving.requestlog.test_log import room_for

Records = list[dict[str, Any]]


@contextmanager
def served(live_home: Path, scorer: Scorer, log: Log) -> Iterator[Client]:
    service = Service("orders", Home(live_home).live("orders"), log=log)
    service.versions.scorer = scorer
    with log, Client(application(service)) as client:
        yield client


def body(records: Records) -> dict[str, Any]:
    return {"dataframe_records": records}


def metric(client: Client, name: str) -> str:
    """The value of a metric; empty if there is none."""
    lines = client.get("/metrics").content.decode().splitlines()
    return next((line.split()[-1] for line in lines if line.startswith(name)), "")


def test_a_request_is_logged_under_the_id_that_its_client_gave_it_before_it_is_answered(
    live_home: Path, scorer: Scorer, orders: Records, tmp_path: Path
) -> None:
    log = Log(tmp_path, RequestLog())
    with served(live_home, scorer, log) as client:
        told = client.post("/invocations", body(orders[:2]), headers={"x-request-id": "order 7"})
        assert (told.status, log.counts.logged) == (200, 1)
        named = client.post("/invocations", body(orders[:1]), headers={"x-request-id": "order-7"})
    (name,) = segment_names(tmp_path)
    found = read_segment(segment_path(tmp_path, name)).requests
    assert found.ids[1] == named.headers["x-request-id"] == "order-7"
    assert found.ids[0] != "order 7"  # which is none: it has a space
    assert found.rows.tolist() == [2, 1]


@pytest.mark.parametrize(("query", "status"), [("", 422), ("?on_invalid=quarantine", 200)])
def test_the_status_that_is_logged_is_that_of_the_response(
    query: str, status: int, live_home: Path, scorer: Scorer, orders: Records, tmp_path: Path
) -> None:
    with served(live_home, scorer, Log(tmp_path, RequestLog())) as client:
        broken = [orders[0], {**orders[1], "items": "many"}]
        assert client.post(f"/invocations{query}", body(broken)).status == status
    (name,) = segment_names(tmp_path)
    found = read_segment(segment_path(tmp_path, name)).requests
    assert (found.status[0], found.rows[0], found.rejected[0]) == (status, 1, 1)


@pytest.mark.parametrize(
    ("when_full", "status", "outcome"), [("refuse", 503, "refused"), ("serve", 200, "unlogged")]
)
def test_a_full_disk_is_told_in_the_metrics_and_the_declared_policy_decides(
    when_full: WhenFull,
    status: int,
    outcome: str,
    live_home: Path,
    scorer: Scorer,
    orders: Records,
    tmp_path: Path,
) -> None:
    failing = f'lockstep_request_log_failing{{pipeline="orders",when_full="{when_full}"}}'
    with served(live_home, scorer, Log(tmp_path, RequestLog(when_full=when_full))) as client:
        with room_for(100):
            told = client.post("/invocations", body(orders[:1]))
            assert metric(client, failing) == "1.0"
        assert told.status == status
        counted = f'lockstep_request_log_total{{outcome="{outcome}",pipeline="orders"}}'
        assert metric(client, counted) == "1.0"
        assert client.post("/invocations", body(orders[:1])).status == 200
        assert metric(client, failing) == "0.0"
