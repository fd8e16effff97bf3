"""The main job, end to end: train, promote, score, publish, compare with outcomes."""

from datetime import date

import pandas as pd
from dagster._core.storage.tags import TagType, get_tag_type
from pyarrow import parquet

from assets.orders import orders_with_fates
from lockstep.checks.reports import CheckReport
from lockstep.dagster.checked import FILE_TAG
from lockstep.dagster.jobs import WANTED, job_name
from lockstep.dagster.runs import RunReport, run_job
from lockstep.dagster.sensors import SEGMENT
from lockstep.dagster.tries import OUTSIDE_TAG, PROCESS
from tests.fixtures.orders import PROJECT, SECOND

DAY = "2020-03-01"


def finding(report: RunReport, check: str) -> CheckReport:
    """A check of a run."""
    return next(one for one in report.checks if one.check == check)


def found(report: RunReport, check: str) -> str:
    """What a check of a run found: `"passed"`, `"warned"` or `"failed"`."""
    return finding(report, check).result


def rows_of(day: str) -> pd.DataFrame:
    return orders_with_fates(date.fromisoformat(day)).drop(columns=["returned", "cost"])


def test_training_passes_every_check_of_a_sound_pipeline(trained_home) -> None:
    _, report = trained_home
    assert report.error is None
    assert {one.check for one in report.checks if one.result != "passed"} == {"champion_comparison"}
    assert found(report, "champion_comparison") == "not_judged"


def test_training_runs_all_checks_of_history_training_set_and_candidate(trained_home) -> None:
    _, report = trained_home
    assert {one.check for one in report.checks} == {
        *("decoding", "input_suite", "feature_suite", "row_locality"),
        *("training_parity", "fit", "round_trip", "wire_formats", "compiled_parity", "quality"),
        *("baseline", "champion_comparison", "slices"),
    }


def test_a_version_goes_live_only_through_the_gate(workplace) -> None:
    assert workplace.registry.alias("orders", "live") is None
    assert workplace.promote().ok
    assert workplace.registry.alias("orders", "live").version == 1


def test_a_sound_day_is_published_with_key_time_outputs_and_version(live) -> None:
    report = live.score(DAY)
    assert report.ok
    assert report.path("/published") == live.store.path("daily/published", DAY)
    table = live.store.read("daily/published", DAY)
    assert table.column_names == [
        *("order_id", "sent_at", "risk", "will_return", "loss", "version", "scored_at", "came_at")
    ]
    assert len(table) == 120


def test_published_values_are_those_of_the_pipeline_itself(live) -> None:
    live.score(DAY)
    published = live.store.read("daily/published", DAY).column("risk").to_pylist()
    pipeline = live.registry.load("orders", "live").pipeline
    assert published == pipeline.predict(rows_of(DAY))["risk"].tolist()


def test_scoring_a_day_again_replaces_it(live) -> None:
    live.score(DAY)
    live.deliver(DAY, rows_of(DAY).head(118))
    live.score(DAY)
    assert len(live.store.read("daily/published", DAY)) == 118


def test_checks_carry_the_day_that_they_are_about(live) -> None:
    assert {one.partition for one in live.score(DAY).checks} == {DAY}


def test_without_a_live_version_scoring_says_what_to_do(workplace) -> None:
    report = workplace.score(DAY)
    assert report.is_mistake
    assert "live" in report.error
    assert not report.wrote("/published")


def test_outcomes_are_compared_with_what_was_predicted(live) -> None:
    live.score(DAY)
    report = run_job(PROJECT, job_name("orders", "monitor"), live.instance, partition=DAY)
    assert report.ok
    assert {one.check for one in report.checks} == {"arrival", "live_quality", "calibration"}
    assert report.figure("/outcomes", "share known") == 1.0
    for figure in ("risk auc", "expected_cost mae", "bias of risk"):
        assert isinstance(report.figure("/outcomes", figure), float), "Dagster plots numbers"
    assert len(parquet.read_table(report.path("/outcomes"))) == 120


def test_runs_are_told_apart_by_facts_and_hide_their_plumbing(live) -> None:
    report = live.score(DAY)
    tags = live.instance.get_run_by_id(report.run_id).tags
    assert PROCESS in tags
    shown = {tag for tag in tags if get_tag_type(tag) is TagType.USER_PROVIDED}
    assert shown == {"version", "rows", "quarantined"}
    assert {get_tag_type(tag) for tag in (PROCESS, OUTSIDE_TAG, WANTED, SEGMENT, FILE_TAG)} == {
        TagType.HIDDEN
    }


# Bad rows and bad days


def test_rows_that_do_not_fit_are_set_aside_and_the_others_published(live) -> None:
    frame = rows_of(DAY).astype({"price": object})
    frame.loc[3, "price"] = "cheap"
    live.deliver(DAY, frame)
    report = live.score(DAY)
    assert found(report, "decoding") == "warned"
    assert finding(report, "decoding").column == "price"
    assert len(live.store.read("daily/published", DAY)) == 119
    quarantine = live.attempt(DAY).read("batch_quarantine").to_pylist()
    assert [row["key"] for row in quarantine] == [f"{DAY}-0003"]
    assert "'cheap' is text, not a number" in quarantine[0]["reasons"]


def test_rows_that_break_a_critical_rule_are_quarantined_with_all_reasons(live) -> None:
    frame = rows_of(DAY)
    frame.loc[5, ["items", "price"]] = [0, -1.0]
    live.deliver(DAY, frame)
    report = live.score(DAY)
    assert found(report, "input_suite") == "warned"
    (row,) = live.attempt(DAY).read("batch_quarantine").to_pylist()
    assert row["columns"] == ["items", "price"]
    assert report.wrote("/published")


def test_too_many_quarantined_rows_block_the_day(live) -> None:
    frame = rows_of(DAY)
    frame.loc[:19, "items"] = 0
    live.deliver(DAY, frame)
    report = live.score(DAY)
    assert finding(report, "input_suite").result == "failed"
    assert finding(report, "input_suite").column == "items"
    assert not report.wrote("/scored")


def test_a_repeated_key_is_set_aside_as_a_duplicate(live) -> None:
    frame = rows_of(DAY)
    live.deliver(DAY, pd.concat([frame, frame.head(2)], ignore_index=True))
    report = live.score(DAY)
    assert found(report, "row_conservation") == "passed"
    fates = live.attempt(DAY).read("batch_quarantine").column("fate").to_pylist()
    assert fates == ["duplicate", "duplicate"]


def score_strangers(live, rows: range, broken: range = range(0)) -> RunReport:
    """Score a day on some of whose rows a function fails, and of which others break a rule."""
    frame = rows_of(DAY)
    frame.loc[list(rows), "country"] = "XX"
    frame.loc[list(broken), "items"] = 0
    live.deliver(DAY, frame)
    return live.score(DAY, accept=["country"])


def test_a_row_on_which_a_function_raises_is_quarantined_with_the_function_named(fussy) -> None:
    live, report = fussy, score_strangers(fussy, range(7, 8))
    assert report.wrote("/published")
    assert found(report, "row_conservation") == "passed"
    told = finding(report, "computation")
    assert (told.result, told.column) == ("warned", "region")
    assert "1 of 120 rows cannot be computed, and is set aside: Feature region" in told.summary
    (row,) = live.attempt(DAY).read("scored_quarantine").to_pylist()
    assert (row["key"], row["columns"]) == (f"{DAY}-0007", ["region"])
    assert "KeyError" in row["reasons"]


def test_rows_on_which_a_function_raises_count_with_those_that_the_input_suite_set_aside(
    fussy,
) -> None:
    report = score_strangers(fussy, range(3), range(10, 13))
    assert report.wrote("/published")
    report = score_strangers(fussy, range(3), range(10, 14))
    assert not report.wrote("/published")
    told = finding(report, "computation")
    assert told.result == "failed"
    assert "may be quarantined (max_quarantined), and 7 of 120 are (5.8 %)" in told.summary


def test_a_function_that_raises_on_every_row_is_a_failed_check_and_nothing_is_scored(fussy) -> None:
    report = score_strangers(fussy, range(120))
    assert report.error is None
    (told,) = report.failed
    assert (told.check, told.column) == ("computation", "region")
    assert "region cannot be computed of every row that was tried (7)" in told.summary
    assert fussy.attempt(DAY).record.steps["scored"].files == {}
    assert found(report, "feature_suite") == "not_judged"


def test_a_day_without_rows_is_blocked_and_says_so(live) -> None:
    live.deliver(DAY, rows_of(DAY).head(0))
    report = live.score(DAY)
    assert finding(report, "input_suite").result == "failed"
    assert not report.wrote("/published")


def test_a_missing_column_fails_decoding_which_names_it_and_the_source(live) -> None:
    live.deliver(DAY, rows_of(DAY).drop(columns=["weight"]))
    report = live.score(DAY)
    assert (report.error, [one.check for one in report.failed]) == (None, ["decoding"])
    (failed,) = report.failed
    assert failed.column == "weight"
    assert failed.where == "column weight; Python function assets.orders.orders"


def test_an_undeclared_column_is_ignored_and_named(live) -> None:
    live.deliver(DAY, rows_of(DAY).assign(colour="red"))
    report = live.score(DAY)
    assert finding(report, "decoding").column == "colour"
    assert report.wrote("/published")


def test_a_bad_day_does_not_hold_up_the_next(live) -> None:
    live.deliver(DAY, rows_of(DAY).head(0))
    live.score(DAY)
    assert live.score("2020-03-02").ok


# Departures from training


def test_a_changed_unit_is_blocked_on_its_first_day_and_can_be_accepted(live) -> None:
    live.deliver(DAY, rows_of(DAY).assign(weight=rows_of(DAY)["weight"] * 1000))
    blocked = live.score(DAY)
    assert finding(blocked, "sudden_shift").result == "failed"
    assert finding(blocked, "sudden_shift").column == "weight"
    assert not blocked.wrote("/published")
    accepted = live.score(DAY, accept=["weight"])
    assert found(accepted, "sudden_shift") == "warned"
    assert accepted.wrote("/published")


def test_a_blocked_batch_stays_blocked_when_a_later_asset_is_materialized_alone(live) -> None:
    frame = rows_of(DAY)
    frame.loc[:19, "items"] = 0
    live.deliver(DAY, frame)
    live.score(DAY)
    assert not live.materialize("published", DAY)
    assert not live.store.path("daily/published", DAY).exists()


def test_a_tampered_model_file_is_named_and_nothing_is_published(live) -> None:
    files = live.registry.files(live.registry.alias("orders", "live"))
    stored = files / "models" / "return_probability.skops"
    stored.write_bytes(stored.read_bytes()[:-1] + b"x")
    report = live.score(DAY)
    assert (report.error, [one.check for one in report.failed]) == (None, ["live_version"])
    assert "return_probability.skops" in report.failed[0].summary
    assert not report.wrote("/published")


def test_a_version_that_is_made_live_by_hand_scores_nothing(two_versions) -> None:
    two_versions.registry.set_alias("orders", "live", SECOND)
    two_versions.deliver(DAY, rows_of(DAY))
    report = two_versions.score(DAY)
    stopped = finding(report, "live_version")
    assert stopped.result == "failed"
    assert f"@live is version {SECOND} in the registry" in stopped.summary
    assert "but version 1 was let serve last, on " in stopped.summary
    todo = stopped.todo or ""
    assert todo.startswith("Let version 1 serve again: `lockstep promote orders 1`.")
    assert f"lockstep promote orders {SECOND}" in todo
    assert not report.wrote("/scored")


def test_a_registry_restored_from_before_a_promotion_scores_nothing(two_versions) -> None:
    two_versions.let_serve(SECOND)
    two_versions.registry.set_alias("orders", "live", 1)
    two_versions.registry.set_alias("orders", "champion", 1)
    two_versions.deliver(DAY, rows_of(DAY))
    assert finding(two_versions.score(DAY), "live_version").result == "failed"
    two_versions.promote(1)
    assert two_versions.score(DAY).wrote("/published")
