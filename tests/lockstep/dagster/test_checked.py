"""Assets with their checks: what was judged is an evaluation, what was not is told beside it."""

import asyncio
from collections.abc import Iterator

import dagster as dg
import numpy as np
import pytest
from dagster._core.loader import LoadingContextForTest

from lockstep.checks.messages import Place
from lockstep.checks.reports import CheckReport
from lockstep.checks.specs import INPUT_DRIFT, SUDDEN_SHIFT
from lockstep.dagster.checked import checked_asset, materialized, table_metadata, to_result
from lockstep.dagster.run_reports import other_reports
from lockstep.errors import LockstepError
from lockstep.store.results import CheckResult

KEY = ["orders", "daily", "batch"]
DAYS = dg.StaticPartitionsDefinition(["2020-03-01"])
PASSED = CheckResult(True, "All is well.")
PLACE = Place("orders/daily/batch", "2020-03-01")
LACKING = CheckResult.not_judged("There are 3 earlier batches.")


def batch(**results: CheckResult) -> dg.AssetsDefinition:
    """An asset that declares two checks and has these results."""

    @checked_asset(KEY, [INPUT_DRIFT, SUDDEN_SHIFT], partitions=DAYS, group_name="orders")
    def found(context: dg.AssetExecutionContext) -> Iterator[dg.MaterializeResult]:
        yield materialized(context, results, {"rows": 3})

    return found


@pytest.fixture
def instance() -> Iterator[dg.DagsterInstance]:
    with dg.DagsterInstance.ephemeral() as ephemeral:
        yield ephemeral


def run(asset: dg.AssetsDefinition, instance: dg.DagsterInstance) -> dg.ExecuteInProcessResult:
    return dg.materialize([asset], instance=instance, partition_key="2020-03-01")


def made(result: dg.ExecuteInProcessResult) -> dg.AssetMaterialization:
    (event,) = result.get_asset_materialization_events()
    return event.materialization


def test_what_was_judged_is_an_evaluation_and_what_was_not_is_none(instance) -> None:
    result = run(batch(input_drift=PASSED, sudden_shift=LACKING), instance)
    assert [one.check_name for one in result.get_asset_check_evaluations()] == ["input_drift"]


def test_what_was_not_judged_is_told_on_the_materialization(instance) -> None:
    result = run(batch(input_drift=PASSED, sudden_shift=LACKING), instance)
    assert other_reports(made(result)) == [
        CheckReport(
            *("orders/daily/batch", "sudden_shift", "2020-03-01"),
            *("not_judged", None, "There are 3 earlier batches."),
        )
    ]


def test_what_is_not_declared_on_the_asset_is_told_all_the_same(instance) -> None:
    failed = CheckResult(False, "Of another kind.", column="price")
    result = run(batch(input_drift=PASSED, sudden_shift=PASSED, feature_suite=failed), instance)
    (other,) = other_reports(made(result))
    assert (other.check, other.result, other.column) == ("feature_suite", "failed", "price")


def test_an_asset_whose_checks_were_all_judged_tells_no_more(instance) -> None:
    result = run(batch(input_drift=PASSED, sudden_shift=PASSED), instance)
    assert other_reports(made(result)) == []


def test_its_checks_alone_cannot_be_carried_out(instance) -> None:
    @checked_asset(KEY, [INPUT_DRIFT])
    def alone(context: dg.AssetExecutionContext) -> Iterator[dg.MaterializeResult]:
        yield materialized(context, {"input_drift": PASSED}, {})

    check = dg.AssetSelection.checks(dg.AssetCheckKey(dg.AssetKey(KEY), "input_drift"))
    with pytest.raises(LockstepError, match="are carried out when it is materialized"):
        dg.materialize([alone], instance=instance, selection=check)


def test_a_run_that_a_check_stops_says_what_where_and_what_to_do_with_a_link(instance) -> None:
    failed = CheckResult(False, "price jumped.", column="price")
    asset = batch(input_drift=PASSED, sudden_shift=failed)
    result = dg.materialize(
        [asset], instance=instance, partition_key="2020-03-01", raise_on_error=False
    )
    (failure,) = (event for event in result.all_events if event.is_step_failure)
    told = failure.step_failure_data.user_failure_data
    assert told is not None
    what, where, todo = (told.description or "").splitlines()
    assert what == "sudden_shift of orders/daily/batch 2020-03-01: price jumped."
    assert where == "Where: column price"
    assert "`lockstep score orders --day 2020-03-01 --accept price`" in todo
    assert told.metadata["sudden_shift"] == dg.MetadataValue.url(
        "/assets/orders/daily/batch?view=events&partitions%5B0%5D=2020-03-01"
    )


def test_a_check_that_stops_a_run_is_recorded_and_so_is_its_asset(instance) -> None:
    asset = batch(input_drift=PASSED, sudden_shift=CheckResult(False, "price jumped."))
    result = dg.materialize(
        [asset], instance=instance, partition_key="2020-03-01", raise_on_error=False
    )
    assert made(result).partition == "2020-03-01"
    found = {one.check_name: one.passed for one in result.get_asset_check_evaluations()}
    assert found == {"input_drift": True, "sudden_shift": False}


def statuses(instance: dg.DagsterInstance) -> dict[str, str]:
    """How Dagster's pages show the last execution of each check; those without one are left out."""
    keys = [dg.AssetCheckKey(dg.AssetKey(KEY), name) for name in ("input_drift", "sudden_shift")]
    last = instance.event_log_storage.get_latest_asset_check_execution_by_key(keys)
    context = LoadingContextForTest(instance)
    return {
        key.name: asyncio.run(record.resolve_status(context)).value for key, record in last.items()
    }


def test_what_a_blocked_run_did_not_judge_is_not_shown_as_failed(instance) -> None:
    asset = batch(input_drift=LACKING, sudden_shift=CheckResult(False, "price jumped."))
    dg.materialize([asset], instance=instance, partition_key="2020-03-01", raise_on_error=False)
    assert statuses(instance) == {"sudden_shift": "FAILED"}


def test_what_a_run_that_broke_off_did_not_judge_is_shown_as_failed(instance) -> None:
    @checked_asset(KEY, [INPUT_DRIFT], partitions=DAYS)
    def broken(context: dg.AssetExecutionContext) -> Iterator[dg.MaterializeResult]:
        yield materialized(context, {"input_drift": LACKING}, {})
        raise ZeroDivisionError

    dg.materialize([broken], instance=instance, partition_key="2020-03-01", raise_on_error=False)
    assert statuses(instance) == {"input_drift": "EXECUTION_FAILED"}


def test_a_run_is_told_by_the_version_and_the_rows_of_what_it_made(instance) -> None:
    @checked_asset(KEY, [INPUT_DRIFT], partitions=DAYS)
    def scored(context: dg.AssetExecutionContext) -> Iterator[dg.MaterializeResult]:
        facts = {"version": 3, "dagster/row_count": 120, "quarantined": 2, "price": 0.5}
        yield materialized(context, {"input_drift": PASSED}, facts)

    run = instance.get_run_by_id(
        dg.materialize([scored], instance=instance, partition_key="2020-03-01").run_id
    )
    assert run is not None
    assert {"version": "3", "rows": "120", "quarantined": "2"}.items() <= run.tags.items()


def test_a_warning_of_a_blocking_check_stops_nothing(instance) -> None:
    odd = CheckResult(False, "price jumped, accepted.", severity="WARN")
    assert run(batch(input_drift=PASSED, sudden_shift=odd), instance).success


def test_a_long_table_is_cut() -> None:
    table = table_metadata([{"row": row} for row in range(1000)])
    assert len(table.records) == 50


def test_a_table_tells_the_type_of_each_column() -> None:
    rows = [
        {"name": "a", "count": 1, "share": 0.5, "hit": True, "none": None},
        {"name": "b", "count": 2, "share": 1, "hit": False, "none": None},
    ]
    types = {column.name: column.type for column in table_metadata(rows).schema.columns}
    assert types == {
        "name": "string",
        "count": "int",
        "share": "float",
        "hit": "bool",
        "none": "string",
    }


def test_figures_of_numpy_are_stored() -> None:
    numbers = {"share": np.float64(0.5), "rows": 3, "days": np.int64(4)}
    told = to_result("constraints", CheckResult(True, "", numbers=numbers), PLACE).metadata

    assert [type(told[name].value) for name in numbers] == [float, int, int]


def test_figures_that_are_not_finite_are_left_out() -> None:
    found = CheckResult(True, "", numbers={"auc": float("nan"), "rows": 3})
    assert set(to_result("quality", found, PLACE).metadata) == {"rows"}


def test_values_that_are_not_finite_are_shown_as_text() -> None:
    table = table_metadata([{"auc": float("nan")}, {"auc": 0.5}])
    assert [record.data["auc"] for record in table.records] == ["nan", 0.5]


def test_the_column_that_is_named_is_metadata_of_its_own() -> None:
    found = CheckResult(False, "temp jumped", "WARN", column="temp")
    told = to_result("sudden_shift", found, PLACE)
    assert told.metadata["column"].value == "temp"
    assert told.severity is dg.AssetCheckSeverity.WARN


def test_columns_that_were_not_judged_are_listed_with_what_was_lacking() -> None:
    found = CheckResult(True, "", unjudged={"gust": "no values"})
    told = to_result("sudden_shift", found, PLACE)
    assert [record.data for record in told.metadata["not judged"].records] == [
        {"column": "gust", "lacking": "no values"}
    ]


def test_what_failed_is_described_by_what_where_and_what_to_do() -> None:
    told = to_result("sudden_shift", CheckResult(False, "temp jumped", column="temp"), PLACE)
    what, where, todo = (told.description or "").split("\n\n")
    assert (what, where) == ("temp jumped", "Where: column temp")
    assert "`lockstep score orders --day 2020-03-01 --accept temp`" in todo


def test_what_passed_is_described_by_what_was_found() -> None:
    assert to_result("quality", CheckResult(True, "auc is 0.7"), PLACE).description == "auc is 0.7"
