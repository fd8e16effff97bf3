"""Definitions: a pipeline that cannot be built is shown as broken, and the others go on."""

import pytest

from lockstep.dagster.definitions import definitions
from lockstep.project.project import Project


@pytest.fixture
def with_odd_name(live_checkout, lockstep):
    """The project `orders` with a copy of its pipeline whose name Dagster cannot have."""
    lockstep.go_to(live_checkout.folder, live_checkout.home)
    for package in ("transforms", "expectations", "assets"):
        file = live_checkout.folder / package / "orders.py"
        text = file.read_text().replace("from transforms.orders import PIPELINE", ODD)
        file.with_name("odd-orders.py").write_text(text)
    return live_checkout


ODD = 'import importlib\n\nPIPELINE = importlib.import_module("transforms.odd-orders").PIPELINE'


def test_the_broken_pipeline_is_an_asset_and_the_others_keep_their_assets_and_jobs(
    with_odd_name,
) -> None:
    found = definitions(Project.find(with_odd_name.folder))
    keys = found.resolve_asset_graph().get_all_asset_keys()
    assets = {key.to_user_string() for key in keys}
    assert {"odd_orders/broken", "orders/daily/published"} <= assets
    assert "orders_score_daily" in [job.name for job in found.jobs]


@pytest.mark.usefixtures("with_odd_name")
def test_other_pipelines_are_scored(lockstep) -> None:
    assert lockstep("score", "orders", "--day", "2020-03-01").status == 0


@pytest.mark.usefixtures("with_odd_name")
def test_a_command_on_the_broken_pipeline_is_one_line(lockstep) -> None:
    error = lockstep("train", "odd-orders").error
    assert "Pipeline odd-orders is declared, but Dagster cannot have it" in error
