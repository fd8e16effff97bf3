"""The ML Test Score: what was carried out counts, and nothing else."""

import json
from collections.abc import Callable
from dataclasses import replace
from functools import partial

import pytest

from assets.orders import ASSETS
from lockstep.checks.specs import declared_checks
from lockstep.errors import LockstepError
from lockstep.pages.scorecard import TESTS, Scorecard, ScoredTest
from lockstep.parity.wire import wire_record
from lockstep.project.declaration import PipelineAssets
from lockstep.project.serving import Serving
from lockstep.scoring.request_replay import open_segments, replay_segment
from lockstep.serving.requestlog.log import Log
from lockstep.serving.requestlog.log_segments import segment_path
from lockstep.serving.requestlog.settings import RequestLog
from lockstep.serving.versions.asked import RequestIds
from lockstep.serving.versions.canary import Canary
from lockstep.serving.versions.proving import prove
from lockstep.store.parquet import Store
from tests.fixtures.commands import Lockstep
from tests.fixtures.orders import SECOND, Workplace


def states_of(declared: PipelineAssets, store: Store) -> dict[str, ScoredTest]:
    return {test.name: test for test in Scorecard.of(declared, store).tests}


def test_the_rubric_has_four_sections_of_seven_tests() -> None:
    sections = ("data", "model", "infrastructure", "monitoring")
    assert [*TESTS] == [f"{name} {at}" for name in sections for at in range(1, 8)]
    assert [name for name, test in TESTS.items() if not test.checks] == ["model 1", "model 2"]


def test_nothing_counts_before_anything_was_carried_out(home_path) -> None:
    card = Scorecard.of(ASSETS, Store(home_path / "data" / "orders"))
    assert card.score == 0
    assert {test.status for test in card.tests} == {"not run", "lacking"}
    assert {test.result for test in card.tests} == {"not_judged"}
    baseline = next(test for test in card.tests if test.checks == ("baseline",))
    assert baseline.told == "baseline was not carried out: lockstep train orders"


def automated(declared: PipelineAssets, store: Store) -> set[str]:
    states = states_of(declared, store)
    return {name for name, test in states.items() if test.status == "automated"}


def test_after_training_its_own_checks_count_and_an_examination_is_of_one_version(
    workplace: Workplace, lockstep: Lockstep
) -> None:
    store = workplace.store
    trained = automated(ASSETS, store)
    own = {
        c.name
        for asset in ("history", "training_set", "candidate")
        for c in declared_checks(ASSETS, asset)
    }
    assert trained == {"data 1", "data 4", "model 5", "model 6", "infrastructure 2"}
    assert {check for name in trained for check in states_of(ASSETS, store)[name].checks} <= own
    assert_all_is_shown(lockstep)
    tests = states_of(ASSETS, store)
    found = {name for name, test in tests.items() if test.status == "automated"} - trained
    assert found == {"data 2", "data 3", "model 3", "model 4", "infrastructure 1"}
    assert tests["monitoring 6"].told == (
        "regression was not carried out (There is no version before to compare with): "
        "lockstep scorecard --run orders"
    )
    workplace.fit(ASSETS)
    assert automated(ASSETS, store) == trained


def test_training_and_scoring_count_with_what_they_found(scored: Workplace) -> None:
    tests = states_of(ASSETS, scored.store)
    assert tests["data 1"].status == "automated"
    assert tests["data 1"].checks == ("decoding", "input_suite", "feature_suite")
    assert "All 120 rows fit Order" in tests["data 1"].told
    assert tests["model 5"].status == "automated"
    assert "No worse than a simple linear model" in tests["model 5"].told
    assert tests["infrastructure 5"].told.startswith("columns: ")


def test_a_check_that_was_never_judged_is_not_run(scored: Workplace) -> None:
    quality = states_of(ASSETS, scored.store)["monitoring 7"]
    assert (quality.status, quality.checks) == ("not run", ("live_quality",))
    assert "lockstep outcomes orders --day DAY" in quality.told


def test_a_check_that_failed_counts_and_says_so(troubled: Workplace) -> None:
    schema = states_of(ASSETS, troubled.store)["data 1"]
    assert schema.status == "automated"
    assert "failed: " in schema.told or "warned: " in schema.told


def test_one_version_is_no_way_back_and_two_are(two_versions: Workplace) -> None:
    store = two_versions.store
    back = states_of(ASSETS, store)["infrastructure 7"]
    assert (back.status, back.told) == (
        "not run",
        "evidence was not carried out of 2 versions: lockstep promote orders",
    )
    two_versions.promote(SECOND)
    assert states_of(ASSETS, store)["infrastructure 7"].status == "automated"


def test_a_canary_counts_once_requests_to_two_versions_were_replayed(
    two_versions: Workplace,
) -> None:
    place, declared = two_versions, replace(ASSETS, serving=Serving(canary=Canary(SECOND)))
    for number in (1, SECOND):
        assert states_of(declared, place.store)["infrastructure 6"].status == "not run"
        load = partial(place.registry.load, "orders")
        scorer, folder = prove(load(number)), place.home.requests("orders")
        record = wire_record(scorer.loaded.golden.records, 0, ASSETS.pipeline.record_schema)
        with Log(folder, RequestLog()) as log:
            log.record(scorer, [(RequestIds().ask(), scorer.answer([[record]])[0])])
        (segment,) = open_segments(declared, place.store, folder)[0]
        replay_segment(declared, place.store, segment_path(folder, segment), str(number), load)
    canary = states_of(declared, place.store)["infrastructure 6"]
    assert (canary.status, canary.result) == ("automated", "passed")


def test_what_is_not_declared_is_lacking(live: Workplace) -> None:
    tests = states_of(ASSETS, live.store)
    assert tests["infrastructure 6"].status == "lacking"
    assert tests["infrastructure 6"].told.startswith("Declare a canary")
    assert tests["data 5"].told.startswith("Declare what tells of a person")
    assert tests["model 7"].told.startswith("Declare limits of slices")
    limited = states_of(replace(ASSETS, slices={"region": 0.1}), live.store)["model 7"]
    assert (limited.status, limited.checks) == ("not run", ("slices",))  # not by limits
    with_canary = replace(ASSETS, serving=Serving(canary=Canary(2)))
    assert states_of(with_canary, live.store)["infrastructure 6"].status == "not run"


def test_what_people_do_is_half_a_point_with_where_its_results_are(scored: Workplace) -> None:
    before = Scorecard.of(ASSETS, scored.store)
    by_hand = {"model 1": "docs/reviews.md", "model 5": "not needed: it is automated"}
    after = Scorecard.of(replace(ASSETS, by_hand=by_hand), scored.store)
    tests = {test.name: test for test in after.tests}
    assert (tests["model 1"].status, tests["model 1"].told) == ("manual", "docs/reviews.md")
    assert tests["model 5"].status == "automated"
    assert after.sections["model"] == before.sections["model"] + 0.5
    assert after.score == min(after.sections.values())


def test_results_of_a_test_that_there_is_not_are_an_error(live: Workplace) -> None:
    with pytest.raises(LockstepError, match="'modle 1', which is no test"):
        Scorecard.of(replace(ASSETS, by_hand={"modle 1": "x"}), live.store)


def test_a_damaged_record_counts_for_nothing(
    scored: Workplace, damaged: Callable[[Workplace], None]
) -> None:
    damaged(scored)
    assert states_of(ASSETS, scored.store)["monitoring 3"].status == "not run"


@pytest.fixture
def damaged() -> Callable[[Workplace], None]:
    """Damages the records of all scored days."""

    def damage(place: Workplace) -> None:
        for day in place.records().attempted():
            path = place.attempt(day).folder / "record.json"
            path.write_text(path.read_text()[:-50])

    return damage


def assert_all_is_shown(lockstep: Lockstep) -> None:
    """Have a command examine the version; it prints all tests and the score."""
    shown = lockstep("scorecard", "orders", "--run")
    assert shown.status == 0
    assert "ML Test Score: " in shown.out
    heads = [line for line in shown.out.splitlines() if not line.startswith(" ")]
    assert len(heads) == 28 + 1
    assert max(map(len, shown.out.splitlines())) <= 100
    assert any("automated  model 3 " in line for line in heads)
    document = json.loads(lockstep("scorecard", "orders", "--json").out)
    assert len(document["tests"]) == 28
    assert document["score"] == min(document["sections"].values())
    assert {*document["tests"][0]} == {"name", "title", "status", "checks", "told", "result"}
