"""What a server, which is a process of its own, logged, replayed by the command."""

import json
import signal
import time
from pathlib import Path

import httpx
import pytest

from lockstep.serving.requestlog.log_segments import segment_names, segment_path
from tests.fixtures.orders import Checkout, Workplace
from tests.fixtures.ports import free_port
from tests.lockstep.cli.conftest import Lockstep

ORDER = {
    "order_id": "a",
    "sent_at": "2020-03-01T12:00:00Z",
    "price": 20.0,
    "items": 2,
    "weight": 1.5,
    "coupons": None,
    "country": "DE",
    "gift": False,
}


@pytest.fixture
def served(live: Workplace, tmp_path: Path) -> None:
    """A home whose server answered twice, and was told to stop then."""
    port = free_port()
    checkout = Checkout(tmp_path / "checkout", live.home.path)
    server = checkout.start_lockstep("serve", "orders", "--port", str(port))
    try:
        body, deadline = {"dataframe_records": [ORDER]}, time.monotonic() + 90
        answered = 0
        while answered < 2:
            assert server.poll() is None, server.communicate()
            assert time.monotonic() < deadline
            try:
                told = httpx.post(f"http://127.0.0.1:{port}/invocations", json=body)
            except httpx.TransportError:
                time.sleep(0.1)
                continue
            answered += told.status_code == 200
    finally:
        server.send_signal(signal.SIGTERM)
        server.communicate(timeout=60)


def test_a_log_without_a_sealed_segment_says_when_there_is_one(
    live: Workplace, lockstep: Lockstep
) -> None:
    told = lockstep("replay", "orders")
    assert told.status == 0
    assert "is sealed yet" in told.out


def test_what_was_answered_is_replayed_once_and_again_if_asked_for(
    served: None, lockstep: Lockstep
) -> None:
    first = lockstep("replay", "orders", "--json")
    assert first.status == 0, first.err
    (run,) = json.loads(first.out)["runs"]
    replayed = {one["check"]: one["result"] for one in run["checks"]}
    assert replayed == {"request_replay": "passed", "request_drift": "not_judged"}
    told = lockstep("checks", "orders", "--passed", "--json")
    recorded = [one for one in json.loads(told.out) if one["asset"] == "orders/requests"]
    assert {one["check"]: one["result"] for one in recorded} == replayed
    assert "was replayed" in lockstep("replay", "orders").out
    again = lockstep("replay", "orders", "--segment", run["partition"])
    assert f"{run['partition']}: 2 requests, 2 rows" in again.out


def test_a_segment_that_was_changed_since_its_replay_is_judged_anew_and_so_when_it_is_restored(
    served: None, live: Workplace, lockstep: Lockstep
) -> None:
    assert lockstep("replay", "orders").status == 0
    (name,) = segment_names(live.home.requests("orders"))
    path = segment_path(live.home.requests("orders"), name)
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) // 2])
    changed = lockstep("replay", "orders")
    assert changed.status == 1
    assert "What to do: Restore the segment from a copy." in changed.out
    assert "was replayed" in lockstep("replay", "orders").out  # it has been told
    path.write_bytes(whole)
    assert "2 requests, 2 rows" in lockstep("replay", "orders").out
    assert "was replayed" in lockstep("replay", "orders").out


def test_a_segment_that_there_is_not_is_one_clear_line(live: Workplace, lockstep: Lockstep) -> None:
    error = lockstep("replay", "orders", "--segment", "monday").error
    assert error.startswith("There is no segment 'monday' in")
    assert error.endswith("There is none there.")
