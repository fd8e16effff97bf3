"""A challenger that reads tables: what it is compared with is its own doing, not the tables'."""

from __future__ import annotations

import asyncio
import json
import shutil
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from lockstep.artifacts.pointers import ListedVersion, Listing, write_listing
from lockstep.store.attempts import sha256
from tests.fixtures.depots import SCORED, articles, needs

from .conftest import Depots, DepotsClient

CLIMATE = {"depot": "north", "hour": f"{SCORED}T01:00:00Z", "degrees": -30.0}


@pytest.fixture
def shadowed(depots: Depots, tmp_path: Path) -> Iterator[DepotsClient]:
    """A server with a challenger that computes what the live version does, from its own process."""
    folder = tmp_path / "version 2"
    shutil.copytree(depots.loaded.directory, folder)
    manifest = folder / "manifest.json"
    manifest.write_text(json.dumps({**json.loads(manifest.read_bytes()), "metrics": {"copy": 2}}))
    now, listing = datetime.now(UTC), depots.home.listing("depots")
    stored = ListedVersion("depots", 2, folder, sha256(manifest), now)
    write_listing(listing, Listing("depots", {2: stored}, 2))
    with DepotsClient(depots.service(listing=listing)) as client:
        client.look()
        wait(client, lambda standing: standing["reason"] is None)
        yield client
        client.runner.run(client.service.shadow.close())


def wait(client: DepotsClient, until: Callable[[dict[str, Any]], bool]) -> dict[str, Any]:
    deadline = time.monotonic() + 120
    while True:
        standing: dict[str, Any] = client.get("/ready").json()["challenger"]
        if until(standing):
            return standing
        assert time.monotonic() < deadline, standing
        client.runner.run(asyncio.sleep(0.02))


def compared(client: DepotsClient, rows: int) -> dict[str, Any]:
    standing = wait(client, lambda one: sum(one["rows"].values()) >= rows)
    assert standing["rows"] == {"compared": rows, "refused": 0, "failed": 0}
    return standing


def test_a_challenger_reads_the_tables_that_the_live_version_reads(
    shadowed: DepotsClient, depots: Depots
) -> None:
    rows = needs(SCORED)
    shadowed.forecasts(rows)
    depots.add("article", [{**row, "weight": 10 * row["weight"]} for row in articles()])
    shadowed.look()
    shadowed.forecasts(rows)
    assert compared(shadowed, 2 * len(rows))["differing"] == 0


def test_what_is_delivered_before_a_challenger_scores_makes_no_difference(
    shadowed: DepotsClient, depots: Depots
) -> None:
    """The live version has not looked at it, or answered before it came."""
    rows = needs(SCORED)
    heavy = [{**row, "weight": 10 * row["weight"]} for row in articles()]
    depots.add("article", heavy)
    before = shadowed.forecasts(rows)
    assert compared(shadowed, len(rows))["differing"] == 0
    shadowed.look()
    assert shadowed.forecasts(rows) != before
    assert compared(shadowed, 2 * len(rows))["differing"] == 0
