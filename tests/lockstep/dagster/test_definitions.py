"""Definitions: a pipeline that cannot be built is shown as broken, and the others go on."""

import json

import pytest

LISTED = """
import json
from orchestration.definitions import defs
keys = [key.to_user_string() for key in defs.resolve_asset_graph().get_all_asset_keys()]
print(json.dumps({"assets": keys, "jobs": [job.name for job in defs.jobs]}))
"""


@pytest.fixture
def with_odd_name(live_checkout):
    """The project `orders` with a copy of its pipeline whose name Dagster cannot have."""
    for package in ("transforms", "expectations", "assets"):
        file = live_checkout.folder / package / "orders.py"
        text = file.read_text().replace("from transforms.orders import PIPELINE", ODD)
        file.with_name("odd-orders.py").write_text(text)
    return live_checkout


ODD = 'import importlib\n\nPIPELINE = importlib.import_module("transforms.odd-orders").PIPELINE'


def test_the_broken_pipeline_is_an_asset_and_the_others_keep_their_assets_and_jobs(
    with_odd_name,
) -> None:
    listed = json.loads(with_odd_name.python("-c", LISTED).stdout)
    assert {"odd_orders/broken", "orders/daily/published"} <= set(listed["assets"])
    assert "orders_score_daily" in listed["jobs"]


def test_other_pipelines_are_scored(with_odd_name) -> None:
    assert with_odd_name.lockstep("score", "orders", "--day", "2020-03-01").returncode == 0


def test_a_command_on_the_broken_pipeline_is_one_line(with_odd_name) -> None:
    found = with_odd_name.lockstep("train", "odd-orders")
    assert found.returncode == 2
    assert "Pipeline odd-orders is declared, but Dagster cannot have it" in found.stderr
    assert "Traceback" not in found.stderr
