"""Definitions: a pipeline that cannot be built is shown as broken, and the others go on."""

from dataclasses import replace
from datetime import date
from typing import Any

import dagster as dg
import pytest
from dagster._core.definitions.freshness import CronFreshnessPolicy

from assets.orders import ASSETS
from lockstep.artifacts.snapshot import Snapshot
from lockstep.dagster.assets import pipeline_assets
from lockstep.dagster.definitions import definitions
from lockstep.errors import DeclarationError
from lockstep.project.declaration import Calendar
from lockstep.project.project import Project
from tests.fixtures.commands import Lockstep
from tests.fixtures.orders import PROJECT, Checkout

ODD = 'import importlib\n\nPIPELINE = importlib.import_module("transforms.odd-orders").PIPELINE'


def test_a_pipeline_that_dagster_cannot_have_is_an_asset_and_a_line_and_the_others_go_on(
    live_checkout: Checkout, lockstep: Lockstep
) -> None:
    lockstep.go_to(live_checkout.folder, live_checkout.home)
    for package in ("transforms", "expectations", "assets"):
        file = live_checkout.folder / package / "orders.py"
        text = file.read_text().replace("from transforms.orders import PIPELINE", ODD)
        file.with_name("odd-orders.py").write_text(text)
    found = definitions(Project.find(live_checkout.folder))
    keys = found.resolve_asset_graph().get_all_asset_keys()
    assert {"odd_orders/broken", "orders/daily/published"} <= {key.to_user_string() for key in keys}
    assert "orders_score_daily" in [job.name for job in found.jobs or ()]
    assert lockstep("score", "orders", "--day", "2020-03-01").status == 0
    error = lockstep("train", "odd-orders").error
    assert "Pipeline odd-orders is declared, but Dagster cannot have it" in error


# What people tell assets apart by


def spec_of(key: str, **settings: Any) -> dg.AssetSpec:
    """The specification of an asset of the pipeline `orders`, with some of its settings."""
    declared = replace(ASSETS, **settings)
    specs = [spec for asset in pipeline_assets(declared, "5a1c") for spec in asset.specs]
    return next(spec for spec in specs if spec.key.to_user_string() == key)


@pytest.mark.parametrize(
    ("key", "group", "stage"),
    [
        ("orders/candidate", "orders", "candidate"),
        ("orders/daily/batch", "orders__daily", "batch"),
        ("orders/outcomes", "orders__daily", "outcomes"),
        ("orders/inbox/published", "orders__inbox", "published"),
    ],
)
def test_an_asset_says_its_pipeline_and_stage(key: str, group: str, stage: str) -> None:
    spec = spec_of(key)
    assert spec.group_name == group
    assert {"pipeline": "orders", "stage": stage}.items() <= spec.tags.items()


def test_owners_are_those_of_all_assets_of_the_pipeline() -> None:
    for key in ("orders/history", "orders/daily/published"):
        owners = ["ana@example.org", "team:pricing"]
        assert list(spec_of(key, owners=owners).owners) == owners


def test_an_owner_that_dagster_cannot_have_is_told_with_the_form() -> None:
    with pytest.raises(dg.DagsterInvalidDefinitionError, match="must be an email address or a tea"):
        spec_of("orders/history", owners=["ana"])


def test_owners_are_a_list() -> None:
    with pytest.raises(DeclarationError, match=r"owners is 'ana@example.org'; give a list"):
        replace(ASSETS, owners="ana@example.org")


def test_what_the_checkout_computes_has_the_version_of_its_code() -> None:
    assert spec_of("orders/training_set").code_version == "5a1c"
    assert spec_of("orders/daily/scored").code_version is None


def test_the_code_version_is_the_digest_that_mlflow_shows() -> None:
    graph = definitions(PROJECT).resolve_asset_graph()
    source = Snapshot.of(ASSETS.pipeline, PROJECT.packages)
    assert graph.get(dg.AssetKey(["orders", "candidate"])).code_version == source.digest[:12]


def test_all_trainings_share_a_pool() -> None:
    pools = {asset.op.name: asset.op.pool for asset in pipeline_assets(ASSETS)}
    assert pools["orders__candidate"] == pools["orders__history"] == "lockstep_training"
    assert pools["orders__daily__batch"] is None


@pytest.mark.parametrize(
    ("calendar", "deadline"),
    [
        (Calendar(date(2020, 3, 1), timezone="Asia/Tokyo"), "0 12 * * 0,1,2,3,4,5,6"),
        (Calendar(date(2020, 3, 1), weekdays=["Mon", "Fri", "Sat"]), "0 12 * * 0,2,6"),
    ],
    ids=["every day", "some weekdays"],
)
def test_a_day_is_to_be_published_by_noon_of_the_next(calendar: Calendar, deadline: str) -> None:
    policy = spec_of("orders/daily/published", calendar=calendar).freshness_policy
    assert isinstance(policy, CronFreshnessPolicy)
    assert (policy.deadline_cron, policy.timezone) == (deadline, calendar.timezone)
    assert spec_of("orders/inbox/published", calendar=calendar).freshness_policy is None


def test_the_days_of_a_calendar_that_ends_are_due_at_no_time() -> None:
    assert spec_of("orders/daily/published").freshness_policy is None
