"""`lockstep serve`: what a person is told who starts it."""

import socket
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest

from lockstep.artifacts.live import open_live
from lockstep.parity.wire import wire_record
from lockstep.project.declaration import PipelineAssets
from lockstep.registry.listing import update_listing
from tests.fixtures import ports
from tests.fixtures.orders import SECOND, Checkout, Workplace
from tests.lockstep.cli.conftest import Lockstep
from tests.lockstep.cli.test_servers import descendants, wait_for_end


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
    two_versions: Workplace,
    edited_orders: Callable[..., PipelineAssets],
    free_port: int,
    tmp_path: Path,
    lockstep: Lockstep,
) -> None:
    other = two_versions.fit(
        edited_orders(("return_probability >= 0.5", "return_probability >= 0.2"))
    )
    loaded = open_live(two_versions.home.live("orders"))
    schema = loaded.pipeline.record_schema
    records = [wire_record(loaded.golden.records, row, schema) for row in range(50)]
    two_versions.registry.set_alias("orders", "challenger", other)
    checkout = Checkout(tmp_path / "checkout", two_versions.home.path)
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
        assert ask(f"?version={other}").status_code == 404

        assert lockstep("challenge", "orders", str(other)).status == 1
        assert lockstep("challenge", "orders", str(SECOND)).status == 0
        wait(url, lambda told: SECOND in told["versions"])
        assert ask(f"?version={SECOND}").headers["x-lockstep-version"] == str(SECOND)
        assert ask(f"?version={other}").status_code == 404
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
