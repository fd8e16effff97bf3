"""The page for people, and what it asks the server for."""

import base64
import hashlib
import re
from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime
from importlib.resources import files
from pathlib import Path
from typing import Any

import pytest

from lockstep.artifacts.pointers import read_live
from lockstep.artifacts.version import LoadedVersion
from lockstep.columns.compiled.predictor import Compiled
from lockstep.project.home import Home
from lockstep.serving.http.app import application
from lockstep.serving.page.page import described_version, page
from lockstep.serving.protocols.examples import golden_examples
from lockstep.serving.protocols.service import Service
from lockstep.serving.versions.proving import RefusedVersion
from lockstep.serving.versions.request_scorer import Answer, Scorer
from tests.fixtures.asgi import Client

Records = list[dict[str, Any]]
NOWHERE = Path("nowhere")


@pytest.fixture
def version(client: Client) -> dict[str, Any]:
    told = client.get("/page/version")
    assert told.status == 200
    found: dict[str, Any] = told.json()
    return found


# The document


def test_it_runs_and_shows_nothing_but_its_own(client: Client) -> None:
    told = client.get("/")
    document = told.content.decode()
    policy = told.headers["content-security-policy"]

    assert (told.status, told.headers["content-type"]) == (200, "text/html; charset=utf-8")
    assert "default-src 'none'" in policy
    for tag in ("script", "style"):
        (inner,) = re.findall(rf"<{tag}[^>]*>(.*?)</{tag}>", document, re.DOTALL)
        digest = base64.b64encode(hashlib.sha256(inner.encode()).digest()).decode()
        assert f"{tag}-src 'sha256-{digest}'" in policy
    assert not re.findall(r"""(?:src|href)=["'](?:https?:)?//""", document)


def test_every_part_of_its_script_is_in_it() -> None:
    document = page().content.decode()
    parts = list((files("lockstep.serving.page") / "web").iterdir())

    assert len(parts) > 3
    for part in parts:
        if part.name != "page.html":
            assert part.read_text(encoding="utf-8") in document, part.name


def test_it_is_the_same_for_every_pipeline_and_so_needs_no_token() -> None:
    document = page().content.decode()
    assert "orders" not in document
    assert "flight" not in document


def luminance(colour: str) -> float:
    parts = [int(colour[place : place + 2], 16) / 255 for place in (1, 3, 5)]
    linear = [
        part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts
    ]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(first: str, second: str) -> float:
    dark, light = sorted((luminance(first), luminance(second)))
    return (light + 0.05) / (dark + 0.05)


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize(
    "ink",
    ["ink", "dim", "accent", "good", "warn", "bad", "field", "feature", "model", "output"],
)
def test_its_texts_stand_out_from_what_they_are_written_on(scheme: str, ink: str) -> None:
    light, dark = re.findall(r":root \{(.*?)\}", page().content.decode(), re.DOTALL)
    colours = dict(re.findall(r"--([a-z-]+): (#[0-9a-f]{6})", light if scheme == "light" else dark))

    for ground in ("page", "card", "well"):
        assert contrast(colours[ink], colours[ground]) >= 4.5, (ground, colours[ink])
    assert contrast(colours["on-accent"], colours["accent"]) >= 4.5


# What serves


def test_a_field_is_described_as_its_author_declared_it(version: dict[str, Any]) -> None:
    fields = {field["name"]: field for field in version["fields"]}

    assert fields["weight"]["shown"] == "float | None"
    assert (fields["weight"]["optional"], fields["weight"]["doc"]) == (True, "kilograms")
    assert fields["gift"]["declared"] == "bool"
    assert fields["items"]["rules"] == ["between 1 and 100"]
    assert [one["role"] for one in version["fields"][:2]] == ["key", "event_time"]


def test_it_is_told_how_much_was_replayed_and_how_exactly(
    version: dict[str, Any], loaded: LoadedVersion
) -> None:
    columns = loaded.golden.trace.columns
    exact = [name for name in columns if loaded.pipeline.graph.ulps(name) == 0]

    assert version["golden"] == {
        "records": len(loaded.golden),
        "columns": len(columns),
        "exact": len(exact),
        "ulps": max(loaded.pipeline.graph.ulps(name) for name in columns),
    }
    assert version["digest"] == loaded.digest
    assert version["code"] == loaded.snapshot.digest
    assert version["title"] == "Orders: will a parcel come back, and what will that cost? " + (
        "Small, made up, and quick to fit."
    )


def test_a_model_that_is_not_compiled_is_told_with_the_reason(loaded: LoadedVersion) -> None:
    scorer = Scorer.of(
        loaded,
        Compiled.of(loaded.pipeline, dict.fromkeys(loaded.pipeline.graph.models, "they differ")),
    )

    models = described_version(scorer, ())["models"]

    assert {one["name"] for one in models} == {"return_probability", "expected_cost"}
    assert {(one["is_compiled"], one["reason"]) for one in models} == {(False, "they differ")}


def test_the_columns_are_those_of_a_trace_without_values(
    client: Client, version: dict[str, Any], orders: Records
) -> None:
    told = client.post("/invocations?explain=trace", {"dataframe_records": orders[:1]}).json()

    traced = told["trace"]["columns"]
    for column in traced:
        for name in ("values", "matrix"):
            column.pop(name, None)
    assert version["columns"] == traced


def test_it_is_told_since_when_the_version_is_live(live_home: Path) -> None:
    pointer = Home(live_home).live("orders")
    live = read_live(pointer)
    assert live is not None
    service = Service("orders", pointer)
    with Client(application(service)) as client:
        client.runner.run(service.versions.look())
        now = client.get("/page/now").json()

    assert (now["version"], now["digest"]) == (live.version, live.digest)
    assert datetime.fromisoformat(now["since"]) == live.since


def test_where_none_serves_the_reason_is_told() -> None:
    service = Service("orders", NOWHERE)
    service.versions.refusal = RefusedVersion(2, "it differs")
    with Client(application(service)) as client:
        now, version = client.get("/page/now").json(), client.get("/page/version")

    assert (now["ready"], now["version"], now["refused"]) == (
        False,
        None,
        {"version": 2, "reason": "it differs"},
    )
    assert version.status == 503
    assert "it differs" in version.json()["message"]


# Examples


def test_examples_are_answered_and_name_nobody(
    scorer: Scorer, version: dict[str, Any], loaded: LoadedVersion
) -> None:
    keys = loaded.golden.records["order_id"].tolist()

    assert version["examples"]
    for example in version["examples"]:
        assert example["order_id"] not in keys
        (answer,) = scorer.answer([[example]])
        assert isinstance(answer, Answer)
        assert not answer.rejected


def test_an_example_shows_nothing_of_a_column_that_the_log_leaves_out(scorer: Scorer) -> None:
    prices = {one["price"] for one in golden_examples(scorer, ("price",), 10)}
    assert len(prices) == 1
    assert len({one["price"] for one in golden_examples(scorer, (), 10)}) > 1


def test_a_record_with_a_rare_text_is_no_example(scorer: Scorer, loaded: LoadedVersion) -> None:
    profile = loaded.profile
    shares = {**profile.columns["country"].shares, "FR": 0.001}
    rare = {**profile.columns, "country": replace(profile.columns["country"], shares=shares)}
    changed = replace(scorer, loaded=replace(loaded, profile=replace(profile, columns=rare)))

    countries = {one["country"] for one in golden_examples(scorer, (), 1000)}
    without = {one["country"] for one in golden_examples(changed, (), 1000)}

    assert countries - without == {"FR"}


# What goes on


@pytest.fixture
def quiet() -> Iterator[tuple[Service, Client]]:
    service = Service("orders", NOWHERE)
    with Client(application(service)) as client:
        yield service, client


def test_the_traffic_is_told_by_intervals_and_in_all(quiet: tuple[Service, Client]) -> None:
    service, client = quiet
    for status in (200, 200, 422, 500):
        service.traffic.answered(status, 0.004)

    now = client.get("/page/now").json()

    total = now["total"]
    assert (total["answered"], total["refused"], total["failed"]) == (2, 1, 1)
    assert total["p50"] == pytest.approx(0.004, rel=0.02)
    assert sum(one["answered"] for one in now["intervals"]) == 2
    assert now["intervals"][0]["p99"] is None
