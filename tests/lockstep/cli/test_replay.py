"""What a server logged, replayed by the command: real processes, as people run them."""

import json
import signal
import time

import httpx
import pytest

from tests.fixtures.orders import Checkout
from tests.fixtures.ports import free_port

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
def served_checkout(live_checkout: Checkout) -> Checkout:
    """A copy of the project whose server answered twice, and was told to stop then."""
    port = free_port()
    server = live_checkout.start_lockstep("serve", "orders", "--port", str(port))
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
    return live_checkout


def test_what_was_answered_is_replayed_once_and_again_if_asked_for(
    served_checkout: Checkout,
) -> None:
    first = served_checkout.lockstep("replay", "orders", "--json")
    assert first.returncode == 0, first.stderr
    (run,) = json.loads(first.stdout)["runs"]
    replayed = {one["check"]: one["result"] for one in run["checks"]}
    assert replayed == {"request_replay": "passed", "request_drift": "not_judged"}
    told = served_checkout.lockstep("checks", "orders", "--passed", "--json")
    recorded = [one for one in json.loads(told.stdout) if one["asset"] == "orders/requests"]
    assert {one["check"]: one["result"] for one in recorded} == replayed
    nothing = served_checkout.lockstep("replay", "orders")
    assert "was replayed" in nothing.stdout
    again = served_checkout.lockstep("replay", "orders", "--segment", run["partition"])
    assert f"{run['partition']}: 2 requests, 2 rows" in again.stdout


def test_a_segment_that_there_is_not_is_one_clear_line(live_checkout: Checkout) -> None:
    found = live_checkout.lockstep("replay", "orders", "--segment", "monday")
    assert found.returncode == 2
    assert "There is no segment 'monday' in" in found.stderr
    assert "Traceback" not in found.stderr
