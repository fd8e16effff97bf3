"""The main job, end to end: train, promote, score, publish, compare with outcomes.

Where nothing hangs on Dagster, a day is scored by the functions that its run calls.
"""

from collections.abc import Callable

import pandas as pd
import pytest
from dagster._core.storage.tags import TagType, get_tag_type
from pyarrow import parquet

from lockstep.dagster.checked import FILE_TAG
from lockstep.dagster.jobs import WANTED, job_name
from lockstep.dagster.run_reports import RunReport
from lockstep.dagster.runs import run_job
from lockstep.dagster.sensors import SEGMENT
from lockstep.dagster.tries import OUTSIDE_TAG, PROCESS
from lockstep.store.attempts import Attempt
from lockstep.store.results import CheckResult
from tests.fixtures.order_store import orders_of
from tests.fixtures.orders import PROJECT, SECOND, Workplace

DAY = "2020-03-01"


def results(attempt: Attempt) -> dict[str, CheckResult]:
    """The results of all steps of an attempt, by check."""
    steps = attempt.record.steps.values()
    return {name: result for step in steps for name, result in step.results.items()}


def is_published(attempt: Attempt) -> bool:
    return "published" in attempt.record.steps


def test_training_runs_and_passes_every_check_of_a_sound_pipeline(
    trained_home: tuple[object, RunReport],
) -> None:
    _, report = trained_home
    assert report.error is None
    found = {check.check: check.result for check in report.checks}
    assert found.pop("champion_comparison") == "not_judged"
    passed = {
        *("decoding", "input_suite", "feature_suite", "row_locality", "training_parity", "fit"),
        *("round_trip", "wire_formats", "compiled_parity", "quality", "baseline", "slices"),
    }
    assert found == dict.fromkeys(passed, "passed")


def test_a_run_publishes_a_sound_day_with_key_time_outputs_and_version(live: Workplace) -> None:
    report = live.score(DAY)
    assert report.ok
    assert report.path("/published") == live.store.path("daily/published", DAY)
    assert {one.partition for one in report.checks} == {DAY}
    table = live.store.read("daily/published", DAY)
    assert table.column_names == [
        *("order_id", "sent_at", "risk", "will_return", "loss", "version", "scored_at", "came_at")
    ]
    expected = live.registry.load("orders", "live").pipeline.predict(orders_of(DAY))
    assert table.column("risk").to_pylist() == expected["risk"].tolist()
    run = live.instance.get_run_by_id(report.run_id)
    assert run is not None
    assert PROCESS in run.tags
    shown = {tag for tag in run.tags if get_tag_type(tag) is TagType.USER_PROVIDED}
    assert shown == {"version", "rows", "quarantined"}


@pytest.mark.parametrize("tag", [PROCESS, OUTSIDE_TAG, WANTED, SEGMENT, FILE_TAG])
def test_tags_that_are_plumbing_are_hidden(tag: str) -> None:
    assert get_tag_type(tag) is TagType.HIDDEN


def test_outcomes_are_compared_with_what_was_predicted(scored: Workplace) -> None:
    report = run_job(PROJECT, job_name("orders", "monitor"), scored.instance, partition=DAY)
    assert report.ok
    assert {one.check for one in report.checks} == {"arrival", "live_quality", "calibration"}
    assert report.figure("/outcomes", "share known") == 1.0
    for figure in ("risk auc", "expected_cost mae", "bias of risk"):
        assert isinstance(report.figure("/outcomes", figure), float), "Dagster plots numbers"
    assert len(parquet.read_table(report.path("/outcomes"))) == 120


# Bad rows and bad days


def with_a_text_as_price(rows: pd.DataFrame) -> pd.DataFrame:
    rows = rows.astype({"price": object})
    rows.loc[3, "price"] = "cheap"
    return rows


def with_rules_broken(rows: pd.DataFrame) -> pd.DataFrame:
    rows.loc[5, ["items", "price"]] = [0, -1.0]
    return rows


def with_many_rules_broken(rows: pd.DataFrame) -> pd.DataFrame:
    rows.loc[:19, "items"] = 0
    return rows


def with_rows_twice(rows: pd.DataFrame) -> pd.DataFrame:
    return pd.concat([rows, rows.head(2)], ignore_index=True)


def with_grams(rows: pd.DataFrame) -> pd.DataFrame:
    return rows.assign(weight=rows["weight"] * 1000)


@pytest.mark.parametrize(
    ("delivered", "check", "expected", "left"),
    [
        (with_a_text_as_price, "decoding", ("warned", "price"), 119),
        (with_rules_broken, "input_suite", ("warned", "items"), 119),
        (with_many_rules_broken, "input_suite", ("failed", "items"), None),
        (lambda rows: rows.head(0), "input_suite", ("failed", None), None),
        (lambda rows: rows.drop(columns="weight"), "decoding", ("failed", "weight"), None),
        (lambda rows: rows.assign(colour="red"), "decoding", ("warned", "colour"), 120),
        (with_rows_twice, "row_conservation", ("passed", None), 120),
        (with_grams, "sudden_shift", ("failed", "weight"), None),
    ],
    ids=[
        *("a text", "a bad row", "many bad rows", "no rows", "a missing column"),
        *("an undeclared column", "repeated keys", "another unit"),
    ],
)
def test_a_bad_day_is_judged_by_the_check_for_it_and_names_the_column(
    live: Workplace,
    delivered: Callable[[pd.DataFrame], pd.DataFrame],
    check: str,
    expected: tuple[str, str | None],
    left: int | None,
) -> None:
    live.deliver(DAY, delivered(orders_of(DAY)))
    attempt = live.work_off(DAY)
    found = results(attempt)[check]
    assert (found.result, found.column) == expected
    assert (len(attempt.read("published")) if is_published(attempt) else None) == left


def test_rows_that_are_set_aside_keep_their_key_and_all_reasons(live: Workplace) -> None:
    rows = with_rules_broken(with_a_text_as_price(orders_of(DAY)))
    live.deliver(DAY, with_rows_twice(rows))
    aside = live.work_off(DAY).read("batch_quarantine").to_pylist()
    told = {row["key"]: (row["fate"], row["columns"]) for row in aside}
    assert [told[f"{DAY}-{row:04}"][1] for row in (3, 5)] == [["price"], ["items", "price"]]
    duplicates = [row["key"] for row in aside if row["fate"] == "duplicate"]
    assert duplicates == [f"{DAY}-0000", f"{DAY}-0001"]
    reasons = next(row["reasons"] for row in aside if row["key"] == f"{DAY}-0003")
    assert "'cheap' is text, not a number" in reasons


def score_strangers(place: Workplace, rows: range, broken: range = range(0)) -> Attempt:
    """Score a day on some of whose rows a function fails, and of which others break a rule."""
    frame = orders_of(DAY)
    frame.loc[list(rows), "country"] = "XX"
    frame.loc[list(broken), "items"] = 0
    place.deliver(DAY, frame)
    return place.work_off(DAY, "country")


def test_a_row_on_which_a_function_raises_is_quarantined_with_the_function_named(
    fussy: Workplace,
) -> None:
    attempt = score_strangers(fussy, range(7, 8))
    assert is_published(attempt)
    found = results(attempt)
    assert found["row_conservation"].passed
    told = found["computation"]
    assert (told.result, told.column) == ("warned", "region")
    assert "1 of 120 rows cannot be computed, and is set aside: Feature region" in told.summary
    (row,) = attempt.read("scored_quarantine").to_pylist()
    assert (row["key"], row["columns"]) == (f"{DAY}-0007", ["region"])
    assert "KeyError" in row["reasons"]


def test_rows_on_which_a_function_raises_count_with_those_that_the_input_suite_set_aside(
    fussy: Workplace,
) -> None:
    assert is_published(score_strangers(fussy, range(3), range(10, 13)))
    attempt = score_strangers(fussy, range(3), range(10, 14))
    assert not is_published(attempt)
    told = results(attempt)["computation"]
    assert told.result == "failed"
    assert "may be quarantined (max_quarantined), and 7 of 120 are (5.8 %)" in told.summary


def test_a_function_that_raises_on_every_row_is_a_failed_check_and_nothing_is_scored(
    fussy: Workplace,
) -> None:
    attempt = score_strangers(fussy, range(120))
    found = results(attempt)
    ((name, told),) = ((name, result) for name, result in found.items() if result.is_error)
    assert (name, told.column) == ("computation", "region")
    assert "region cannot be computed of every row that was tried (7)" in told.summary
    assert attempt.record.steps["scored"].files == {}
    assert found["feature_suite"].result == "not_judged"


def test_a_missing_column_is_told_with_its_source_by_the_run(live: Workplace) -> None:
    live.deliver(DAY, orders_of(DAY).drop(columns=["weight"]))
    report = live.score(DAY)
    assert report.error is None
    (failed,) = report.failed
    assert failed.where == "column weight; Python function assets.orders.orders"


# Departures from training


def test_a_changed_unit_that_is_accepted_is_published(live: Workplace) -> None:
    live.deliver(DAY, with_grams(orders_of(DAY)))
    report = live.score(DAY, accept=["weight"])
    assert next(one.result for one in report.checks if one.check == "sudden_shift") == "warned"
    assert report.wrote("/published")


def test_a_blocked_batch_stays_blocked_when_a_later_asset_is_materialized_alone(
    live: Workplace,
) -> None:
    live.deliver(DAY, with_many_rules_broken(orders_of(DAY)))
    live.work_off(DAY)
    assert not live.materialize("published", DAY)
    assert not live.store.path("daily/published", DAY).exists()


def test_a_version_that_is_named_in_the_launchpad_is_judged_although_it_was_before(
    live: Workplace,
) -> None:
    ops = {"orders__champion": {"config": {"version": 1}}}
    report = run_job(PROJECT, job_name("orders", "promote"), live.instance, ops=ops)
    assert next(one.result for one in report.checks if one.check == "golden_replay") == "passed"


def test_a_version_that_is_made_live_by_hand_scores_nothing(two_versions: Workplace) -> None:
    two_versions.registry.set_alias("orders", "live", SECOND)
    report = two_versions.score(DAY)
    (stopped,) = report.failed
    assert stopped.check == "live_version"
    assert f"@live is version {SECOND} in the registry" in stopped.summary
    assert "but version 1 was let serve last, on " in stopped.summary
    todo = stopped.todo or ""
    assert todo.startswith("Let version 1 serve again: `lockstep promote orders 1`.")
    assert f"lockstep promote orders {SECOND}" in todo
    assert not report.wrote("/scored")
