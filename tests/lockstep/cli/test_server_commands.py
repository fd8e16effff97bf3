"""What a person is told who starts a server, and what it logged, replayed by a command."""

import json
import signal
import socket
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest

from lockstep.artifacts.live_pointer import open_live
from lockstep.parity.wire import wire_record
from lockstep.registry.listing_update import update_listing
from lockstep.serving.requestlog.log_segments import segment_names, segment_path
from tests.fixtures import ports
from tests.fixtures.commands import Lockstep
from tests.fixtures.orders import (
    EDITED,
    SECOND,
    Checkout,
    Workplace,
    copy_home,
    workplace_of,
)
from tests.lockstep.cli.test_servers import descendants, wait_for_end

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
def free_port() -> int:
    return ports.free_port()


def wait(url: str, until: Callable[[dict[str, Any]], bool]) -> dict[str, Any]:
    """Ask /ready until it tells so."""
    deadline = time.monotonic() + 120
    told: dict[str, Any] = {}
    while time.monotonic() < deadline:
        try:
            told = httpx.get(f"{url}/ready").json()
            if until(told):
                return told
        except httpx.TransportError:
            pass
        time.sleep(0.1)
    raise AssertionError(told)


def test_a_port_that_is_taken_is_one_clear_line(checkout: Checkout) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        found = checkout.lockstep("serve", "orders", "--port", str(port))

    assert (found.returncode, found.stdout) == (2, "")
    (line,) = found.stderr.splitlines()
    assert line.startswith(f"error: Nothing can listen at 127.0.0.1, port {port}")


def test_a_challenger_scores_in_the_shadow_and_answers_once_it_has_passed_the_gate(
    three_versions: Workplace, free_port: int, tmp_path: Path, lockstep: Lockstep
) -> None:
    loaded = open_live(three_versions.home.live("orders"))
    schema = loaded.pipeline.record_schema
    records = [wire_record(loaded.golden.records, row, schema) for row in range(50)]
    three_versions.registry.set_alias("orders", "challenger", EDITED)
    checkout = Checkout(tmp_path / "checkout", three_versions.home.path)
    url = f"http://127.0.0.1:{free_port}"
    server = checkout.start_lockstep("serve", "orders", "--port", str(free_port))

    def ask(query: str = "") -> httpx.Response:
        body = {"dataframe_records": records}
        return httpx.post(f"{url}/invocations{query}", json=body, timeout=60)

    try:
        wait(url, lambda told: (told.get("challenger") or {"reason": ""})["reason"] is None)
        assert ask().headers["x-lockstep-version"] == "1"
        told = wait(url, lambda told: told["challenger"]["rows"].get("compared") == 50)
        assert told["challenger"]["differing"] > 0
        assert ask(f"?version={EDITED}").status_code == 404

        assert lockstep("challenge", "orders", str(EDITED)).status == 1
        assert lockstep("challenge", "orders", str(SECOND)).status == 0
        wait(url, lambda told: SECOND in told["versions"])
        assert ask(f"?version={SECOND}").headers["x-lockstep-version"] == str(SECOND)
        assert ask(f"?version={EDITED}").status_code == 404
        started = descendants(server.pid)
        assert len(started) >= 2
    finally:
        server.kill()
        server.communicate()
    assert wait_for_end(started) == set()


def test_a_server_starts_and_answers_while_the_registry_is_away(
    two_versions: Workplace, free_port: int, tmp_path: Path
) -> None:
    update_listing(two_versions.registry, "orders", two_versions.home.listing("orders"))
    two_versions.registry.set_alias("orders", "challenger", SECOND)
    two_versions.let_serve(SECOND)  # so that version 1 is one of those that the listing knows
    checkout = Checkout(tmp_path / "checkout", two_versions.home.path)
    url = f"http://127.0.0.1:{free_port}"
    record = {"order_id": "a", "sent_at": "2020-03-01T00:00:00Z", "price": 1.0, "items": 1}
    body = {"dataframe_records": [{**record, "gift": False}]}
    server = checkout.start_lockstep(
        *("serve", "orders", "--port", str(free_port)), MLFLOW_TRACKING_URI="http://127.0.0.1:9"
    )
    try:
        told = wait(url, lambda told: told.get("registry") is not None)
        answered = [
            httpx.post(f"{url}/invocations{query}", json=body, timeout=60)
            for query in ("", "?version=1")
        ]
    finally:
        server.terminate()
        _, said = server.communicate(timeout=60)

    assert "http://127.0.0.1:9 does not answer" in told["registry"]
    assert [one.status_code for one in answered] == [200, 200]
    assert [one.headers["x-lockstep-version"] for one in answered] == [str(SECOND), "1"]
    assert said.count("stay as they are") == 1


@pytest.fixture(scope="module")
def served_home(live_home: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home whose server answered twice, and was told to stop then; to be copied."""
    folder, port = tmp_path_factory.mktemp("served"), ports.free_port()
    copy_home(live_home, folder / "home")
    checkout = Checkout(folder / "checkout", folder / "home")
    server = checkout.start_lockstep("serve", "orders", "--port", str(port))
    try:
        url = f"http://127.0.0.1:{port}"
        wait(url, lambda told: bool(told.get("ready")))
        for _ in range(2):
            body = {"dataframe_records": [ORDER]}
            assert httpx.post(f"{url}/invocations", json=body, timeout=60).status_code == 200
    finally:
        server.send_signal(signal.SIGTERM)
        server.communicate(timeout=60)
    return folder / "home"


served = workplace_of("served_home")
"""A home of the test's own whose server answered twice."""


def test_a_log_without_a_sealed_segment_says_when_there_is_one(
    live: Workplace, lockstep: Lockstep
) -> None:
    told = lockstep("replay", "orders")
    assert told.status == 0
    assert "is sealed yet" in told.out


def test_what_was_answered_is_replayed_once_and_again_if_asked_for(
    served: Workplace, lockstep: Lockstep
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


def test_what_was_logged_of_a_key_is_forgotten_and_the_rest_is_replayed_once_more(
    served: Workplace, lockstep: Lockstep
) -> None:
    assert lockstep("replay", "orders").status == 0
    (before,) = segment_names(served.home.requests("orders"))
    assert [path.stem for path in served.home.replayed("orders").glob("*.json")] == [before]

    told = lockstep("log", "forget", "orders", "--key", "a")

    assert told.status == 0, told.err
    assert "2 rows in 1 segment erased, and with them 2 whole requests." in told.out
    (after,) = segment_names(served.home.requests("orders"))
    assert not [*served.home.replayed("orders").glob("*.json")]
    assert (
        "No segment that can be searched holds it"
        in lockstep("log", "forget", "orders", "--key", "a").out
    )
    again = lockstep("replay", "orders")
    assert f"{after}: 0 requests, 0 rows" in again.out
    assert again.status == 0, again.err
    assert "was replayed" in lockstep("replay", "orders").out


def test_a_pipeline_without_a_log_has_nothing_to_forget(
    live: Workplace, lockstep: Lockstep
) -> None:
    told = lockstep("log", "forget", "orders", "--key", "a")
    assert told.error.startswith("No request of orders was ever logged in")


def test_a_server_is_as_lenient_as_its_pipeline_declares(live: Workplace, tmp_path: Path) -> None:
    port = ports.free_port()
    checkout = Checkout(tmp_path / "checkout", live.home.path)
    checkout.edit("assets/orders.py", "serving=Serving()", "serving=Serving(compat=True)")
    server = checkout.start_lockstep("serve", "orders", "--port", str(port))
    try:
        url = f"http://127.0.0.1:{port}"
        wait(url, lambda told: bool(told.get("ready")))
        body = {"dataframe_records": [{**ORDER, "undeclared": 1}], "more": 1}
        assert httpx.post(f"{url}/invocations", json=body, timeout=60).status_code == 200
    finally:
        server.terminate()
        server.communicate(timeout=60)


def test_a_segment_that_was_changed_since_its_replay_is_judged_anew_and_so_when_it_is_restored(
    served: Workplace, lockstep: Lockstep
) -> None:
    assert lockstep("replay", "orders").status == 0
    (name,) = segment_names(served.home.requests("orders"))
    path = segment_path(served.home.requests("orders"), name)
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
