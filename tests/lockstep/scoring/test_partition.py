"""A partition is scored by one function, whoever calls it; what blocks it is told as data."""

from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pytest

from assets.orders import ASSETS
from lockstep.artifacts.evidence import count
from lockstep.checks.specs import declared_checks
from lockstep.columns.decode import decode
from lockstep.constraints.constraint_set import ConstraintSet
from lockstep.errors import BlockedError, LockstepError
from lockstep.parity.profiles import Profile
from lockstep.scoring.partition import ingest_batch, score_batch
from lockstep.store.attempts import StepRecord
from lockstep.store.parquet import Store
from tests.fixtures.order_store import DAY, orders_of
from tests.fixtures.pool import score_day
from tests.fixtures.scored import ScoredPartition

NEXT = "2020-03-02"


def published_bytes(store: Store, day: str) -> bytes:
    """The published rows but for the time at which they were scored."""
    table = store.read("daily/published", day).drop_columns(["scored_at", "came_at"])
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, table.schema) as writer:
        writer.write_table(table)
    return sink.getvalue().to_pybytes()


@pytest.fixture
def by_dagster(scored_home: Path) -> dict[str, bytes]:
    """What Dagster's jobs publish of two days."""
    store = Store(scored_home / "data" / "orders")
    return {day: published_bytes(store, day) for day in (DAY, NEXT)}


def test_a_pool_of_processes_publishes_what_dagster_does_and_never_loads_it(
    by_dagster, live, orders_project
) -> None:
    with ProcessPoolExecutor(2, mp_context=get_context("spawn")) as pool:
        found = list(pool.map(score_day, [orders_project.root] * 2, [DAY, NEXT]))
    assert [loaded for _, loaded in found] == [set(), set()]
    assert {one.partition: published_bytes(live.store, one.partition) for one, _ in found} == (
        by_dagster
    )


def test_every_declared_check_of_the_batch_and_of_its_scores_has_a_result(place) -> None:
    found = place.score(orders_of(DAY))
    declared = [*declared_checks(ASSETS, "batch"), *declared_checks(ASSETS, "scored")]
    assert set(found.results) == {check.name for check in declared}


def test_great_expectations_is_asked_every_expectation_of_the_three_suites(place) -> None:
    """Also where all are met; what it tells is kept with the attempt, as JSON."""
    assert place.score(orders_of(DAY)).published is not None
    suites, attempt = place.version.suites, place.attempt()
    files = {"input_suite": "input", "feature_suite": "features", "output_suite": "outputs"}
    for name, role in files.items():
        assert f"{name}.json" in attempt.files
        told = attempt.read_json(name, dict)
        asked = [one["expectation_config"]["type"] for one in told["results"]]
        # That there be a row at all is expected of every batch.
        named = [one["type"] for one in suites[role]["expectations"]]
        assert named
        assert asked[len(asked) - len(named) :] == named
        assert all("result" in one for one in told["results"])
        assert told["statistics"]["evaluated_expectations"] == len(asked)


def test_what_great_expectations_tells_holds_a_few_rows_only(place) -> None:
    frame = orders_of(DAY)
    frame.loc[:19, "items"] = 0
    place.score(frame)
    told = place.attempt().read_json("input_suite", dict)
    (unmet,) = (one["result"] for one in told["results"] if not one["success"])
    assert unmet["unexpected_count"] == 20
    assert [row["order_id"] for row in unmet["partial_unexpected_index_list"]] == [
        f"{DAY}-{number:04d}" for number in range(5)
    ]
    assert "unexpected_index_list" not in unmet


def breaking(*_: object) -> None:
    raise ZeroDivisionError("nothing to divide by")


BROKEN = "The check itself broke: ZeroDivisionError: nothing to divide by"


def test_rows_of_which_no_profile_can_be_made_fail_what_compares_it(place, monkeypatch) -> None:
    monkeypatch.setattr(Profile, "of", breaking)
    found = place.score(orders_of(DAY))
    told = {name: one.summary for name, one in found.batch.results.items()}
    assert [name for name, one in told.items() if one == BROKEN] == ["input_drift"]


def test_outputs_of_which_no_profile_can_be_made_fail_prediction_drift(place, monkeypatch) -> None:
    version = place.version
    work = place.work()
    ingest_batch(work, version, decode(orders_of(DAY), version.pipeline.record_schema))
    monkeypatch.setattr(Profile, "of", breaking)
    assert score_batch(work, version).results["prediction_drift"].summary == BROKEN


def test_rows_of_which_nothing_can_be_kept_for_those_that_follow_fail_constraints(
    place, monkeypatch
) -> None:
    monkeypatch.setattr(ConstraintSet, "remembered", breaking)
    found = place.score(orders_of(DAY))
    assert found.scored is None
    assert found.batch.blocked_by == {"sudden_shift": BROKEN, "constraints": BROKEN}


def test_a_published_partition_counts_its_rows_at_every_step(place) -> None:
    found = place.score(pd.concat([orders_of(DAY), orders_of(DAY).head(1)], ignore_index=True))
    assert found.batch.counts == {
        "rows_in": 121,
        "accepted": 120,
        "quarantined": 0,
        "duplicates": 1,
    }
    assert found.scored.counts == {"scored": 120, "quarantined": 0}
    assert found.published.counts == {"published": 120}


def test_a_blocked_batch_is_not_scored_and_says_which_check_blocks_it(place) -> None:
    frame = orders_of(DAY)
    frame.loc[:19, "items"] = 0
    found = place.score(frame)
    assert (found.scored, found.published) == (None, None)
    assert set(found.batch.blocked_by) == {"input_suite"}
    assert set(place.attempt().record.steps) == {"batch"}


def at_most(column: str, most: float) -> dict[str, Any]:
    """A suite of which a row breaks a critical expectation where a column is larger."""
    kwargs = {"column": column, "max_value": most}
    kind = "expect_column_values_to_be_between"
    expectation = {"type": kind, "kwargs": kwargs, "severity": "critical"}
    return {"name": f"{column} at most {most}", "expectations": [expectation]}


def dear(*rows: int) -> pd.DataFrame:
    """A day's orders, some of them of one item for three thousand euros."""
    frame = orders_of(DAY)
    frame.loc[list(rows), ["price", "items"]] = [3000.0, 1]
    return frame


def held_to(place, frame: pd.DataFrame, **suites: dict[str, Any]) -> ScoredPartition:
    """Score rows by the place version, held to other suites than it was fitted with."""
    version = place.version
    version = replace(version, suites={**version.suites, **suites})
    return place.score(frame, by=replace(version, counts=count(version)), accept=["price"])


CHEAP = at_most("price_per_item", 400)


def test_a_row_that_breaks_the_feature_suite_is_set_aside_and_the_others_published(place) -> None:
    found = held_to(place, dear(7), features=CHEAP)
    assert found.scored.counts == {"scored": 119, "quarantined": 1}
    assert found.published.counts == {"published": 119}
    result = found.results["feature_suite"]
    assert (result.passed, result.is_error, result.column) == (False, False, "price_per_item")
    assert found.results["row_conservation"].passed
    (row,) = place.attempt().read("scored_quarantine").to_pylist()
    assert (row["fate"], row["row"], row["key"]) == ("quarantined", 7, f"{DAY}-0007")
    assert row["reasons"] == "price_per_item: 3000 is above 400"
    assert '"price": 3000.0' in row["record"]


def test_a_file_that_code_opens_for_rare_rows_alone_blocks_their_batch(
    place, edited_orders, tmp_path: Path
) -> None:
    (tmp_path / "fees.txt").write_text("2")
    fee = f"float(pathlib.Path({str(tmp_path / 'fees.txt')!r}).read_text())"
    edited = edited_orders(
        ("import numpy as np", "import pathlib\n\nimport numpy as np"),
        ("return price / items", f"return price * ({fee} if price.max() > 2000 else 1) / items"),
    )
    version = place.version
    pipeline = edited.pipeline.with_models(version.pipeline.models_)
    found = place.score(dear(7), by=replace(version, pipeline=pipeline), accept=["price"])
    assert found.published is None
    assert set(found.scored.blocked_by) == {"computation"}
    result = found.results["computation"]
    assert (result.column, result.is_error) == ("price_per_item", True)
    assert "price_per_item (transforms/orders.py:" in result.summary
    assert "fees.txt, which is no part of the version" in result.summary


def test_a_row_that_is_set_aside_changes_nothing_of_the_others(place) -> None:
    def published(frame: pd.DataFrame) -> pa.Table:
        held_to(place, frame, features=CHEAP)
        return place.store.read("daily/published", DAY).drop_columns(["scored_at", "came_at"])

    before = published(orders_of(DAY))
    others = [key != f"{DAY}-0007" for key in before.column("order_id").to_pylist()]
    assert published(dear(7)).equals(before.filter(pa.array(others)))


def test_more_rows_that_break_the_feature_suite_than_may_be_block_and_name_the_limit(place) -> None:
    found = held_to(place, dear(*range(7)), features=CHEAP)
    assert found.published is None
    assert set(found.scored.blocked_by) == {"feature_suite"}
    assert (
        "at most 5 % of the rows may be quarantined (max_quarantined), and 7 of 120 are"
        in (found.scored.blocked_by["feature_suite"])
    )
    assert place.attempt().record.steps["scored"].blocked_by == found.scored.blocked_by


def test_rows_that_the_input_suite_set_aside_count_towards_the_limit(place) -> None:
    frame = dear(*range(3))
    frame.loc[10:13, "items"] = 0
    found = held_to(place, frame, features=CHEAP)
    assert found.batch.blocked_by == {}
    assert "and 7 of 120 are (5.8 %)" in found.scored.blocked_by["feature_suite"]


def test_a_row_that_breaks_both_suites_is_set_aside_once_with_the_reasons_of_both(place) -> None:
    found = held_to(place, dear(3), features=CHEAP, outputs=at_most("loss", 150))
    (row,) = place.attempt().read("scored_quarantine").to_pylist()
    assert (row["key"], row["columns"]) == (f"{DAY}-0003", ["price_per_item", "loss"])
    assert found.published.counts == {"published": 119}


def test_a_suite_about_a_column_that_is_not_there_fails_in_its_own_check_and_sets_nothing_aside(
    place,
) -> None:
    found = held_to(place, orders_of(DAY), outputs=at_most("lost", 60))
    assert found.scored.counts == {"scored": 120, "quarantined": 0}
    assert set(found.scored.blocked_by) == {"output_suite"}
    assert "'lost', which the records do not have" in found.scored.blocked_by["output_suite"]


def test_what_is_published_are_the_outputs_of_the_version_and_not_of_the_checkout(
    place, edited_orders
) -> None:
    place.score(orders_of(DAY), declared=edited_orders(("def loss(", "def lost(")))
    published = place.attempt().read("published")
    outputs = ["risk", "will_return", "loss"]
    assert published.column_names == [
        "order_id",
        "sent_at",
        *outputs,
        "version",
        "scored_at",
        "came_at",
    ]


def test_rows_that_a_version_published_whose_key_has_another_name_came_no_more(place) -> None:
    records = place.work().records
    with records.step(DAY, "batch", "before") as attempt:
        attempt.keep("batch", StepRecord())
    with records.step(DAY, "scored", "before", after=["batch"]) as attempt:
        attempt.write("scored", pa.table({"parcel": ["lost"]}))
        attempt.keep("scored", StepRecord(facts={"published": ["parcel"]}))
    with records.step(DAY, "published", "before", after=["batch", "scored"]) as attempt:
        attempt.write("published", pa.table({"parcel": ["lost"]}))
        attempt.keep("published", StepRecord())
        records.commit(attempt)
    found = place.score(orders_of(DAY))
    assert found.results["row_conservation"].keys == ("lost",)


def test_a_shift_is_accepted_in_a_field_only(place) -> None:
    with pytest.raises(LockstepError, match="accept names 'wieght', which is neither a finding"):
        place.score(orders_of(DAY), accept=["wieght"])


def test_a_shift_that_was_accepted_stays_accepted_of_the_same_rows_alone(place) -> None:
    def rescored(weight: float, **options):
        return place.score(orders_of(DAY).assign(weight=weight), **options)

    assert "sudden_shift" in rescored(2_500.0).batch.blocked_by
    assert rescored(2_500.0, accept=["weight"]).published is not None
    again = rescored(2_500.0)
    assert again.published is not None
    assert again.results["sudden_shift"].result == "warned"
    assert "sudden_shift" in rescored(2_600.0).batch.blocked_by


def test_a_row_that_is_set_aside_does_not_block_a_file_by_how_it_differs(place) -> None:
    rows = orders_of(DAY)
    rows.loc[100, "items"] = 1_000_000
    for number in range(13):  # a dozen small files, and the one with that row
        found = place.score(rows[8 * number : 8 * (number + 1)], f"{number}.csv", "inbox")
    assert found.batch.counts["quarantined"] == 1
    assert not found.results["sudden_shift"].is_error
    assert found.published.counts == {"published": 7}


def test_a_day_that_repeats_most_of_its_keys_is_blocked_by_the_key(place) -> None:
    found = place.score(orders_of(DAY).assign(order_id=["A", "B"] * 60))
    result = found.results["input_suite"]
    assert (result.is_error, result.column) == (True, "order_id")
    assert "118 of 120 rows repeat the order_id of an earlier row" in result.summary
    assert found.published is None


def test_scores_of_a_batch_that_is_not_there_are_refused(place) -> None:
    with pytest.raises(BlockedError, match="daily/batch of 2020-03-01 has not been materialized"):
        score_batch(place.work(), place.version)


def test_a_change_of_the_population_is_told_once_with_what_it_does_to_the_outputs(place) -> None:
    first, second = (
        place.score(orders_of(day).assign(country="NZ"), day, accept=["country"]).results[
            "input_drift"
        ]
        for day in (DAY, NEXT)
    )
    assert (first.result, first.column) == ("warned", "country")
    assert f"since {DAY}" in first.summary
    assert "Against the mix of the training: " in first.summary
    assert second.result == "passed"
    assert f"Drifted before: country since {DAY}" in second.summary


def test_the_state_of_drift_is_published_with_the_partition(place) -> None:
    place.score(orders_of(DAY))
    steps = place.attempt().record.steps
    digest = place.version.digest
    assert [steps[name].facts["changes"]["version"] for name in ("batch", "scored")] == [digest] * 2
