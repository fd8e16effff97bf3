"""What a person is told who starts a server, and what it logged, replayed by a command."""

import json
import socket
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest

from lockstep.artifacts.pointers import open_live
from lockstep.parity.wire import wire_record
from lockstep.registry.listing import update_listing
from lockstep.serving.requestlog.log_segments import segment_names, segment_path
from tests.fixtures.commands import Lockstep
from tests.fixtures.order_store import ORDER
from tests.fixtures.orders import (
    EDITED,
    SECOND,
    Checkout,
    Workplace,
    copied_workplace,
    copy_home,
    workplace_of,
)
from tests.fixtures.ports import free_port
from tests.fixtures.processes import await_end, descendants
from tests.fixtures.waiting import await_ready


@dataclass
class Served:
    """A process that serves `orders`, and what it wrote to standard error until it ended."""

    process: subprocess.Popen[str]
    url: str
    errors: str = ""

    def ask(self, *records: object, query: str = "", **others: object) -> httpx.Response:
        """Have records scored."""
        body = {"dataframe_records": records, **others}
        return httpx.post(f"{self.url}/invocations{query}", json=body, timeout=60)


@contextmanager
def served_from(
    folder: Path, home: Path, serving: str = "Serving()", **environment: str
) -> Iterator[Served]:
    """`lockstep serve orders` in a checkout that declares how it is served, until SIGTERM."""
    checkout, port = Checkout(folder, home), free_port()
    checkout.edit("assets/orders.py", "serving=Serving()", f"serving={serving}")
    process = checkout.start_lockstep("serve", "orders", "--port", str(port), **environment)
    served = Served(process, f"http://127.0.0.1:{port}")
    try:
        yield served
    finally:
        process.terminate()
        _, served.errors = process.communicate(timeout=60)


def test_a_port_that_is_taken_is_one_clear_line(checkout: Checkout) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        found = checkout.lockstep("serve", "orders", "--port", str(port))

    assert (found.returncode, found.stdout) == (2, "")
    (line,) = found.stderr.splitlines()
    assert line.startswith(f"error: Nothing can listen at 127.0.0.1, port {port}")


@pytest.mark.long
def test_a_challenger_scores_in_the_shadow_and_answers_once_it_has_passed_the_gate(
    three_versions: Workplace, tmp_path: Path, lockstep: Lockstep
) -> None:
    loaded = open_live(three_versions.home.live("orders"))
    schema = loaded.pipeline.record_schema
    records = [wire_record(loaded.golden.records, row, schema) for row in range(50)]
    three_versions.registry.set_alias("orders", "challenger", EDITED)
    serving = "Serving(registry_seconds=0.5)"
    with served_from(tmp_path / "checkout", three_versions.home.path, serving) as server:
        await_ready(
            server.url, lambda told: (told.get("challenger") or {"reason": ""})["reason"] is None
        )
        assert server.ask(*records).headers["x-lockstep-version"] == "1"
        told = await_ready(
            server.url, lambda told: told["challenger"]["rows"].get("compared") == 50
        )
        assert told["challenger"]["differing"] > 0
        assert server.ask(*records, query=f"?version={EDITED}").status_code == 404

        assert lockstep("challenge", "orders", str(EDITED)).status == 1
        assert lockstep("challenge", "orders", str(SECOND)).status == 0
        await_ready(server.url, lambda told: SECOND in told["versions"])
        answer = server.ask(*records, query=f"?version={SECOND}")
        assert answer.headers["x-lockstep-version"] == str(SECOND)
        assert server.ask(*records, query=f"?version={EDITED}").status_code == 404
        started = descendants(server.process.pid)
        assert len(started) >= 2
        server.process.kill()
    await_end(started)


@dataclass(frozen=True)
class Away:
    """What a lenient server told and answered while the registry was away."""

    registry: str
    live: httpx.Response
    pinned: httpx.Response
    odd: httpx.Response
    errors: str


@pytest.fixture(scope="module")
def away(second_home: Path, tmp_path_factory: pytest.TempPathFactory) -> Away:
    """Version 2 is live; version 1 is one of those that the listing knows."""
    folder = tmp_path_factory.mktemp("away")
    with (
        pytest.MonkeyPatch.context() as patch,
        copied_workplace(second_home, folder / "home", patch) as place,
    ):
        update_listing(place.registry, "orders", place.home.listing("orders"))
        place.registry.set_alias("orders", "challenger", SECOND)
        place.let_serve(SECOND)
    nowhere = {"MLFLOW_TRACKING_URI": "http://127.0.0.1:9"}
    serving = "Serving(compat=True)"
    with served_from(folder / "checkout", folder / "home", serving, **nowhere) as server:
        told = await_ready(server.url, lambda told: told.get("registry") is not None)
        pinned = server.ask(ORDER, query="?version=1")
        odd = server.ask({**ORDER, "undeclared": 1}, more=1)
        live = server.ask(ORDER)
    return Away(told["registry"], live, pinned, odd, server.errors)


def test_a_server_starts_and_answers_while_the_registry_is_away(away: Away) -> None:
    assert "http://127.0.0.1:9 does not answer" in away.registry
    assert (away.live.status_code, away.pinned.status_code) == (200, 200)
    assert away.live.headers["x-lockstep-version"] == str(SECOND)
    assert away.pinned.headers["x-lockstep-version"] == "1"
    assert away.errors.count("stay as they are") == 1


def test_a_server_is_as_lenient_as_its_pipeline_declares(away: Away) -> None:
    assert away.odd.status_code == 200


@pytest.fixture(scope="module")
def served_home(live_home: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home whose server answered twice, and was told to stop then; to be copied."""
    folder = tmp_path_factory.mktemp("served")
    copy_home(live_home, folder / "home")
    with served_from(folder / "checkout", folder / "home") as server:
        await_ready(server.url)
        assert [server.ask(ORDER).status_code for _ in range(2)] == [200, 200]
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
