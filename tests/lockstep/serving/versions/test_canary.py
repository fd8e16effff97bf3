"""The canary: which requests it answers, and which versions may be one."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from lockstep.artifacts.pointers import ListedVersion
from lockstep.errors import DeclarationError
from lockstep.project.home import Home
from lockstep.project.serving import Serving
from lockstep.serving.protocols.service import Service
from lockstep.serving.requestlog.log_blocks import sampled
from lockstep.serving.versions.canary import Canary
from tests.lockstep.serving.listed import Server

Records = list[dict[str, Any]]
Make = Callable[[int], ListedVersion]


@pytest.fixture
def serve(live_home: Path, tmp_path: Path) -> Callable[[Canary], Any]:
    @contextmanager
    def started(canary: Canary) -> Iterator[Server]:
        live = Home(live_home).live("orders")
        server = Server(Home(tmp_path / "home"), live, canary=canary)
        with server.client:
            yield server

    return started


def ids_of(canary: Canary, count: int = 40) -> tuple[list[str], list[str]]:
    """Ids of requests that it takes, and of requests that it does not."""
    ids = [f"request-{number}" for number in range(count)]
    return [one for one in ids if canary.takes(one)], [one for one in ids if not canary.takes(one)]


def version_of(server: Server, orders: Records, request_id: str, query: str = "") -> str:
    told = server.client.post(
        f"/invocations{query}",
        {"dataframe_records": orders[:1]},
        headers={"x-request-id": request_id},
    )
    assert told.status == 200
    return told.headers["x-lockstep-version"]


def test_it_answers_the_requests_whose_ids_are_in_its_share(
    serve: Callable[[Canary], Any], stored: Make, orders: Records
) -> None:
    canary = Canary(2, share=0.5)
    mine, others = ids_of(canary)
    with serve(canary) as server:
        server.list(stored(2))
        assert {version_of(server, orders, one) for one in mine} == {"2"}
        assert {version_of(server, orders, one) for one in others} == {"1"}
        assert version_of(server, orders, mine[0], "?version=1") == "1"
        ready = server.client.get("/ready").json()
        metrics = server.client.get("/metrics").content.decode()

    assert ready["canary"] == {"version": 2, "share": 0.5, "refused": None}
    told = 'pipeline="orders",role="canary",status="200",version="2"'
    assert f"lockstep_version_request_seconds_count{{{told}}} {len(mine)}.0" in metrics


def test_its_share_is_that_of_the_requests_and_no_matter_of_which_are_logged() -> None:
    canary, ids = Canary(2, share=0.1), Service("orders", Path("nowhere")).ids
    asked = [(ids.ask(), ValueError()) for _ in range(4000)]
    taken = [one for one in asked if canary.takes(one[0].id)]

    assert 300 < len(taken) < 500
    assert 0 < len(sampled(taken, 0.1)) < 100


@pytest.mark.parametrize("alias", [True, False])
def test_a_version_without_proof_is_none_and_ready_says_why(
    alias: bool, serve: Callable[[Canary], Any], stored: Make, orders: Records
) -> None:
    with serve(Canary("challenger" if alias else 2, share=1.0)) as server:
        server.list(replace(stored(2), proven_at=None), challenger=2)
        assert version_of(server, orders, "a") == "1"
        refused = server.client.get("/ready").json()["canary"]["refused"]

    assert refused["version"] == 2
    assert "has not passed the gate" in refused["reason"]


def test_it_follows_the_alias_and_goes_with_it(
    serve: Callable[[Canary], Any], stored: Make, orders: Records
) -> None:
    second, third = stored(2), stored(3)
    with serve(Canary(share=1.0)) as server:
        server.list(second, third, challenger=2)
        assert version_of(server, orders, "a") == "2"
        server.list(second, third, challenger=3)
        assert version_of(server, orders, "a") == "3"
        assert server.loaded == {1, 3}
        server.list(second, third)
        assert version_of(server, orders, "a") == "1"
        assert server.loaded == {1}


def test_a_version_of_another_record_is_none(
    serve: Callable[[Canary], Any], stored: Make, orders: Records
) -> None:
    with serve(Canary(2, share=1.0)) as server:
        live = server.service.versions.scorer
        assert live is not None
        schema = live.pipeline.record_schema
        narrower = tuple(
            replace(field, optional=True) if field.name == "price" else field for field in schema
        )
        server.service.versions.scorers.on_load.append(
            lambda one: vars(one.compiled.pipeline).update(
                record_schema=replace(schema, fields=narrower)
            )
        )
        server.list(stored(2))
        assert version_of(server, orders, "a") == "1"
        refused = server.client.get("/ready").json()["canary"]["refused"]
        assert server.loaded == {1}

    assert "its record is another than that of version 1: price" in refused["reason"]


def test_a_version_whose_files_are_whole_again_is_tried_again(
    serve: Callable[[Canary], Any],
    stored: Make,
    orders: Records,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    damaged = stored(2)
    profile = damaged.directory / "profile.json"
    whole = profile.read_bytes()
    profile.write_text("{}")
    answered: list[str] = []
    with serve(Canary(2, share=1.0)) as server:
        monkeypatch.setattr("lockstep.serving.versions.canary_version._AGAIN_SECONDS", 0.0)
        server.list(damaged)
        answered.append(version_of(server, orders, "a"))
        refused = server.client.get("/ready").json()["canary"]["refused"]
        profile.write_bytes(whole)
        server.list(damaged)
        answered.append(version_of(server, orders, "a"))

    assert "profile.json is not what was logged" in refused["reason"]
    assert answered == ["1", "2"]


@pytest.mark.parametrize(
    "given", [{"version": 0}, {"version": "live"}, {"version": True}, {"share": 0}, {"share": 2}]
)
def test_a_declaration_that_means_nothing_is_refused(given: dict[str, Any]) -> None:
    with pytest.raises(DeclarationError, match="Canary: "):
        Canary(**given)


def test_a_canary_needs_the_registry_to_be_asked() -> None:
    with pytest.raises(DeclarationError, match="registry_seconds"):
        Serving(canary=Canary(2), registry_seconds=None)
