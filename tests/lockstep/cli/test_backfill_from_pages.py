"""Backfills that a person begins on Dagster's pages, under `lockstep up`: a result a day."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import dagster as dg
import pytest
import requests

from lockstep.dagster.instance import open_instance
from lockstep.dagster.jobs import backfill_job_name, backfill_op
from lockstep.project.project import Project
from tests.fixtures.orders import Checkout, copy_home
from tests.fixtures.waiting import wait_until
from tests.lockstep.cli.test_servers import read_until, started

MARCH = [f"2020-03-{day:02}" for day in range(1, 32)]
SECONDS = 300
STEPS = ("batch", "scored", "published")
ALL_DAYS = """mutation($run: ExecutionParams!) {
    launchRun(executionParams: $run) { __typename ... on PythonError { message } }
}"""
SOME_DAYS = """mutation($days: LaunchBackfillParams!) {
    launchPartitionBackfill(backfillParams: $days) { __typename ... on PythonError { message } }
}"""


@dataclass(frozen=True)
class Pages:
    """Dagster's pages, and the instance behind them.

    Attributes:
        address: Their address.
        instance: The instance.
    """

    address: str
    instance: dg.DagsterInstance

    def send(self, mutation: str, **variables: Any) -> str:
        """What the pages send when a person presses a button; the kind of the answer."""
        body = {"query": mutation, "variables": variables}
        answer = requests.post(f"{self.address}/graphql", json=body, timeout=120).json()
        (result,) = answer["data"].values()
        assert set(result) == {"__typename"}, result
        return str(result["__typename"])

    def shown(self, step: str) -> set[str]:
        """The days of which an asset is shown as made."""
        return self.instance.get_materialized_partitions(dg.AssetKey(["orders", "daily", step]))

    def runs(self) -> list[dg.DagsterRun]:
        return self.instance.get_runs()


@pytest.fixture
def pages(
    tmp_path: Path, checkouts: Callable[[Path], Checkout], live_home: Path
) -> Iterator[Pages]:
    checkout = checkouts(tmp_path)
    copy_home(live_home, checkout.home)
    project = replace(Project.find(checkout.folder), home_folder=str(checkout.home))
    with started(checkout) as process:
        said = read_until(process, "Ctrl-C stops them.")
        (address,) = re.findall(r"Dagster:  (http://\S+)", said)
        with open_instance(project.home) as instance:
            yield Pages(address, instance)


def test_all_days_in_one_go_and_some_days_by_themselves(pages: Pages) -> None:
    config = {"first": MARCH[0], "last": MARCH[-1]}
    selector = {
        "repositoryLocationName": "orders",
        "repositoryName": "__repository__",
        "pipelineName": backfill_job_name("orders"),
    }
    run = {
        "selector": selector,
        "runConfigData": {"ops": {backfill_op("orders"): {"config": config}}},
    }
    before = {run.run_id for run in pages.runs()}
    assert pages.send(ALL_DAYS, run=run) == "LaunchRunSuccess"
    wait_until(lambda: pages.shown("published") == {*MARCH}, SECONDS, 1)
    assert [pages.shown(step) == {*MARCH} for step in STEPS] == [True, True, True]
    (one,) = (run for run in pages.runs() if run.run_id not in before)
    for day in (MARCH[0], MARCH[-1]):
        made = pages.instance.fetch_materializations(
            dg.AssetRecordsFilter(
                dg.AssetKey(["orders", "daily", "published"]), asset_partitions=[day]
            ),
            limit=1,
        ).records[0]
        assert made.run_id == one.run_id
    days = {
        "assetSelection": [{"path": ["orders", "daily", step]} for step in STEPS],
        "partitionNames": MARCH[:2],
    }
    assert pages.send(SOME_DAYS, days=days) == "LaunchBackfillSuccess"

    def of_backfill() -> dict[str, dg.DagsterRunStatus]:
        tagged = [run for run in pages.runs() if "dagster/backfill" in run.tags]
        return {run.tags["dagster/partition"]: run.status for run in tagged}

    done = dict.fromkeys(MARCH[:2], dg.DagsterRunStatus.SUCCESS)
    wait_until(lambda: of_backfill() == done, SECONDS, 1)
