"""Examination of a version: what takes further fits is measured, and bound to its files."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import pytest

from assets.orders import ASSETS
from lockstep.checks.streams import EXAMINATION, examination_records
from lockstep.errors import NotStoredError
from lockstep.project.declaration import PipelineAssets
from lockstep.project.home import Home
from lockstep.project.quality import Quality
from lockstep.store.attempts import StepRecord
from lockstep.store.parquet import Store
from lockstep.store.results import CheckResult
from lockstep.training.candidate import train
from lockstep.training.examination import examine
from tests.fixtures.orders import SECOND, Workplace, copied_workplace

POOR = (
    ("    return weight > 5\n", "    return weight > 1e9\n"),  # no order is so heavy
    ("    home = {", "    pow(7, 1_000_000 * (len(country) == 1_000))\n    home = {"),
    ("LogisticRegression(C=10.0,", "LogisticRegression(C=1e-5, solver='saga', tol=0.005,"),
)
"""A feature without value, one that is dear where costs are measured, an estimator that is
regularised too much, and that fits by chance, since it has no seed."""


class Examined(NamedTuple):
    results: Mapping[str, CheckResult]
    recorded: StepRecord
    digest: str


def examined(place: Workplace, declared: PipelineAssets, number: int) -> Examined:
    results = examine(declared, place.store, place.registry)
    attempt = examination_records(declared, place.store).demand(EXAMINATION)
    digest = place.registry.load("orders", number).digest
    return Examined(results, attempt.record.steps[EXAMINATION], digest)


@pytest.fixture(scope="module")
def good(second_home: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Examined]:
    path = tmp_path_factory.mktemp("examined") / "home"
    with pytest.MonkeyPatch.context() as patch, copied_workplace(second_home, path, patch) as place:
        yield examined(place, ASSETS, SECOND)


@pytest.fixture(scope="module")
def poor(
    live_home: Path,
    edited_orders: Callable[..., PipelineAssets],
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Examined]:
    """Of a version that is worse in everything, and misses its demand where it is old."""
    demand = Quality("risk", "came_back", "auc", threshold=0.99)
    declared = replace(edited_orders(*POOR), quality=(demand,))
    path = tmp_path_factory.mktemp("poor") / "home"
    with pytest.MonkeyPatch.context() as patch, copied_workplace(live_home, path, patch) as place:
        candidate = train(declared, place.store, place.registry).candidate
        assert candidate is not None
        assert candidate.version is not None, candidate.results
        yield examined(place, declared, candidate.version.version)


def test_a_sound_version_passes_everything(good: Examined) -> None:
    assert {name: result.result for name, result in good.results.items()} == dict.fromkeys(
        ("refit", "feature_value", "feature_cost", "tuning", "staleness_effect", "regression"),
        "passed",
    )


def test_what_was_found_is_recorded_with_the_digest_of_the_version(good: Examined) -> None:
    assert dict(good.recorded.results) == dict(good.results)
    assert (good.recorded.version, good.recorded.manifest) == (SECOND, good.digest)


def test_another_fit_to_the_same_rows_gives_the_golden_trace(good: Examined) -> None:
    refit = good.results["refit"]
    assert "fitted again to the same 7,200 rows" in refit.summary
    assert {row["column"] for row in refit.table} >= {"return_probability", "risk", "loss"}


def test_every_feature_of_a_model_has_a_value_and_every_column_a_cost(good: Examined) -> None:
    of_models = {"price_per_item", "is_heavy", "region", "weight", "gift", "price"}
    value, cost = good.results["feature_value"], good.results["feature_cost"]
    assert {row["feature"] for row in value.table} == of_models
    assert not value.unjudged
    columns = {row["column"]: row for row in cost.table}
    assert {*columns} == {
        *("price_per_item", "is_heavy", "region", "return_probability", "expected_cost"),
        *("risk", "will_return", "loss"),
    }
    assert all(row["microseconds a row"] > 0 < row["bytes a row"] for row in columns.values())


def test_settings_are_tried_at_half_and_twice_their_value(good: Examined) -> None:
    tried = {(row["setting"], row["tried"]) for row in good.results["tuning"].table}
    assert tried == {
        *(("C of return_probability", value) for value in (5.0, 20.0)),
        *(("max_iter of return_probability", value) for value in (250, 1000)),
    }


def test_fits_to_older_windows_are_measured_by_their_age(good: Examined) -> None:
    fits = [row["fit"] for row in good.results["staleness_effect"].table]
    assert fits == [
        f"{demand} of a fit to rows {days} days older"
        for days in (0, 16, 32)
        for demand in ("risk auc", "expected_cost mae")
    ]


def test_the_version_before_is_measured_beside_it(good: Examined) -> None:
    regression = good.results["regression"]
    assert "version 1" in regression.summary
    figures = {row["figure"]: row for row in regression.table}
    assert {"risk auc", "seconds for 1 row", "bytes for 1,000 rows"} <= {*figures}
    assert figures["risk auc"]["before"] == figures["risk auc"]["now"]  # of the same code


@pytest.mark.parametrize(
    ("check", "said"),
    [
        ("refit", "return_probability"),
        ("feature_value", "is_heavy"),
        ("feature_cost", "cost more than all models together: region"),
        ("tuning", "C of return_probability"),
        ("staleness_effect", "miss a demand: risk auc of a fit to rows 0 days older"),
        ("regression", "worse than those of version 1: "),
    ],
)
def test_a_poor_version_is_told_so(poor: Examined, check: str, said: str) -> None:
    result = poor.results[check]
    assert result.result in ("warned", "failed")
    assert said in result.summary


def test_what_is_not_declared_is_not_examined(workplace: Workplace) -> None:
    declared = replace(ASSETS, quality=())
    found = examine(declared, workplace.store, workplace.registry)
    assert {name: result.result for name, result in found.items()} == {
        "refit": "passed",
        "feature_cost": "passed",
        "regression": "not_judged",
    }


def test_without_a_training_there_is_nothing_to_examine(home_path: Path) -> None:
    home = Home(home_path)
    with pytest.raises(NotStoredError, match="lockstep train orders"):
        examine(ASSETS, Store(home.data / "orders"), home.registry())
