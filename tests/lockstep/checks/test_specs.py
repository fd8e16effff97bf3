"""Which checks a pipeline has: those that can be judged for it."""

from dataclasses import replace
from typing import Any

import pytest

from assets.orders import ASSETS
from lockstep.checks.specs import CHECKS_BY_ASSET, Check, declared_checks, worth_telling
from lockstep.project.declaration import PipelineAssets
from lockstep.project.pipelines import pipelines
from lockstep.project.quality import Quality
from lockstep.project.sinks import SqlSink
from lockstep.store.results import CheckResult
from lockstep.suites.suites import Suites
from tests.fixtures.depots import DEPOTS

LACKING = CheckResult.not_judged("Nothing to compare.")


def names(declared: PipelineAssets, asset: str) -> set[str]:
    return {check.name for check in declared_checks(declared, asset)}


@pytest.mark.parametrize("asset", list(CHECKS_BY_ASSET))
def test_pipelines_that_declare_everything_have_every_check(asset: str) -> None:
    everything = (replace(ASSETS, sinks=[SqlSink()]), pipelines(DEPOTS).get("depots"))
    found = set().union(*(names(declared, asset) for declared in everything))
    assert found == {check.name for check in CHECKS_BY_ASSET[asset]}


def test_a_pipeline_without_look_ups_has_no_check_of_them() -> None:
    looked_up = {"no_future", "lookup_replay", "lookup_hindsight"}
    for asset in ("training_set", "scored", "requests"):
        assert not names(ASSETS, asset) & {*looked_up, "table_freshness"}


@pytest.mark.parametrize(
    ("changes", "lacking"),
    [
        (
            {"quality": ()},
            {
                *("quality", "baseline", "champion_comparison", "slices"),
                *("live_quality", "calibration", "feature_value", "tuning", "staleness_effect"),
            },
        ),
        ({"slices": ()}, {"slices"}),
        ({"quality": (Quality("will_return", "came_back", "accuracy", 0.5),)}, {"calibration"}),
        ({"suites": Suites(input=ASSETS.suites.input)}, {"feature_suite", "output_suite"}),
    ],
)
def test_what_is_not_declared_is_not_checked(changes: dict[str, Any], lacking: set[str]) -> None:
    declared = replace(ASSETS, **changes)
    gone = {
        name for asset in CHECKS_BY_ASSET for name in names(ASSETS, asset) - names(declared, asset)
    }
    assert gone == lacking


@pytest.mark.parametrize("check", CHECKS_BY_ASSET["champion"], ids=lambda check: check.name)
def test_every_check_of_the_gate_says_whether_it_decides_what_goes_live(check: Check) -> None:
    assert "decides whether the version goes live" in check.meaning or "only tells" in check.meaning


def test_a_result_that_was_not_judged_is_told_of_checks_that_the_pipeline_has_only() -> None:
    declared = replace(ASSETS, slices=())
    found = {"slices": LACKING, "champion_comparison": LACKING}
    assert set(worth_telling(declared, "candidate", found)) == {"champion_comparison"}


def test_what_a_version_was_checked_for_is_told_even_where_the_checkout_has_no_such_check() -> None:
    declared = replace(ASSETS, suites=Suites())
    found = {"feature_suite": CheckResult(False, "Of another kind.")}
    assert worth_telling(declared, "scored", found) == found


def test_without_an_event_time_nothing_has_an_age(edited_orders) -> None:
    timeless = edited_orders(("sent_at: EventTime", "sent_at: float"))
    assert names(ASSETS, "champion") - names(timeless, "champion") == {"staleness"}
    assert names(ASSETS, "batch") - names(timeless, "batch") == {"live_age"}
