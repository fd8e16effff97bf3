"""Behaviours of Dagster that Lockstep is built on: an upgrade that changes one fails here."""

import asyncio
import os
from collections.abc import Iterator
from pathlib import Path

import dagster as dg
import pytest
from dagster._core.definitions.sensor_definition import SensorExecutionData
from dagster._core.loader import LoadingContextForTest
from dagster._core.remote_representation.external import RemoteSensor
from dagster._core.remote_representation.external_data import SensorSnap
from dagster._core.remote_representation.handle import RepositoryHandle
from dagster._core.storage.asset_check_execution_record import AssetCheckExecutionResolvedStatus
from dagster._core.storage.tags import RUN_KEY_TAG, SENSOR_NAME_TAG
from dagster._daemon.sensor import fetch_existing_runs
from dagster_shared.check import CheckError
from sqlalchemy.exc import IntegrityError

DAYS = dg.StaticPartitionsDefinition(["2013-04-01", "2013-04-02", "2013-04-03"])
DAY = "2013-04-02"
SCORED = dg.AssetKey("scored")
PUBLISHED = dg.AssetKey("published")


@pytest.fixture
def instance() -> Iterator[dg.DagsterInstance]:
    with dg.DagsterInstance.ephemeral() as ephemeral:
        yield ephemeral


def gated(*, blocking: bool, severity: dg.AssetCheckSeverity) -> list[dg.AssetsDefinition]:
    """`scored`, whose one check fails, and `published` downstream of it."""

    @dg.asset(check_specs=[dg.AssetCheckSpec("golden_replay", asset=SCORED, blocking=blocking)])
    def scored() -> Iterator[dg.MaterializeResult[None]]:
        verdict = dg.AssetCheckResult(passed=False, severity=severity)
        yield dg.MaterializeResult(check_results=[verdict])

    @dg.asset(deps=[scored])
    def published() -> None:
        pass

    return [scored, published]


def materialize(
    assets: list[dg.AssetsDefinition], instance: dg.DagsterInstance
) -> dg.ExecuteInProcessResult:
    return dg.materialize(assets, instance=instance, raise_on_error=False)


def materialized(instance: dg.DagsterInstance, key: dg.AssetKey) -> bool:
    return instance.get_latest_materialization_event(key) is not None


# Checks that gate

ERROR, WARN = dg.AssetCheckSeverity.ERROR, dg.AssetCheckSeverity.WARN


@pytest.mark.parametrize(
    ("blocking", "severity", "goes_on", "succeeds"),
    [
        pytest.param(True, ERROR, False, False, id="a blocking error stops what is downstream"),
        pytest.param(True, WARN, True, True, id="a blocking warning stops nothing"),
        pytest.param(False, ERROR, True, True, id="an error that does not block fails no run"),
    ],
)
def test_a_check_that_fails_leaves_its_asset_materialized(
    instance: dg.DagsterInstance,
    blocking: bool,
    severity: dg.AssetCheckSeverity,
    goes_on: bool,
    succeeds: bool,
) -> None:
    result = materialize(gated(blocking=blocking, severity=severity), instance)
    assert materialized(instance, SCORED)
    assert materialized(instance, PUBLISHED) == goes_on
    assert result.success == succeeds


def test_a_failed_check_does_not_gate_a_later_run_of_the_asset_downstream(
    instance: dg.DagsterInstance,
) -> None:
    assets = gated(blocking=True, severity=ERROR)
    materialize(assets, instance)
    dg.materialize(assets, instance=instance, selection=[PUBLISHED])
    assert materialized(instance, PUBLISHED)


def test_a_check_that_raises_records_no_evaluation(instance: dg.DagsterInstance) -> None:
    @dg.asset
    def scored() -> None:
        pass

    @dg.asset_check(asset=scored)
    def golden_replay() -> dg.AssetCheckResult:
        raise ValueError("the golden records are gone")

    result = dg.materialize([scored, golden_replay], instance=instance, raise_on_error=False)
    assert result.get_asset_check_evaluations() == []


# Checks yielded by the asset itself


def test_a_declared_check_without_a_result_fails_the_run(instance: dg.DagsterInstance) -> None:
    @dg.asset(check_specs=[dg.AssetCheckSpec(name, asset=SCORED) for name in ("first", "second")])
    def scored() -> Iterator[dg.MaterializeResult[None]]:
        yield dg.MaterializeResult(
            check_results=[dg.AssetCheckResult(check_name="first", passed=True)]
        )

    assert not materialize([scored], instance).success


def in_part(*, blocking: bool) -> list[dg.AssetsDefinition]:
    """`scored`, which can be made in part and gives a result of the first of two checks only."""
    names = ("first", "second")

    @dg.multi_asset(
        specs=[dg.AssetSpec(SCORED)],
        check_specs=[dg.AssetCheckSpec(name, asset=SCORED, blocking=blocking) for name in names],
        can_subset=True,
    )
    def scored() -> Iterator[dg.MaterializeResult[None]]:
        yield dg.MaterializeResult(
            check_results=[dg.AssetCheckResult(check_name="first", passed=True)]
        )

    @dg.asset(deps=[SCORED])
    def published() -> None:
        pass

    return [scored, published]


@pytest.mark.parametrize("blocking", [False, True])
def test_a_check_without_a_result_is_skipped_where_an_asset_can_be_made_in_part(
    instance: dg.DagsterInstance, blocking: bool
) -> None:
    materialize(in_part(blocking=blocking), instance)
    key = dg.AssetCheckKey(SCORED, "second")
    [record] = instance.event_log_storage.get_asset_check_execution_history(key, limit=2)
    status = asyncio.run(record.resolve_status(LoadingContextForTest(instance)))
    assert status is AssetCheckExecutionResolvedStatus.SKIPPED
    assert materialized(instance, PUBLISHED)


# Partitioned checks


def daily(
    check_partitions: dg.PartitionsDefinition[str] | None,
    backfill_policy: dg.BackfillPolicy | None = None,
) -> dg.AssetsDefinition:
    """`scored`, a day a partition, with one check that passes."""
    spec = dg.AssetCheckSpec("golden_replay", asset=SCORED, partitions_def=check_partitions)

    @dg.asset(partitions_def=DAYS, check_specs=[spec], backfill_policy=backfill_policy)
    def scored() -> Iterator[dg.MaterializeResult[None]]:
        yield dg.MaterializeResult(check_results=[dg.AssetCheckResult(passed=True)])

    return scored


@pytest.mark.parametrize(("partitions", "recorded"), [(DAYS, DAY), (None, None)])
def test_a_check_of_a_partitioned_asset_records_the_partition_if_it_has_partitions_itself(
    instance: dg.DagsterInstance,
    partitions: dg.PartitionsDefinition[str] | None,
    recorded: str | None,
) -> None:
    result = dg.materialize([daily(partitions)], instance=instance, partition_key=DAY)
    [evaluation] = result.get_asset_check_evaluations()
    assert evaluation.partition == recorded


def test_partitioned_checks_of_a_single_run_backfill_record_no_partition(
    instance: dg.DagsterInstance,
) -> None:
    asset = daily(DAYS, dg.BackfillPolicy.single_run())
    first, *_, last = DAYS.get_partition_keys()
    result = dg.materialize(
        [asset],
        instance=instance,
        tags={
            "dagster/asset_partition_range_start": first,
            "dagster/asset_partition_range_end": last,
        },
    )
    assert [e.partition for e in result.get_asset_check_evaluations()] == [None]


def test_a_verdict_can_be_reported_for_a_partition_outside_a_run(
    instance: dg.DagsterInstance,
) -> None:
    key = dg.AssetCheckKey(SCORED, "golden_replay")
    instance.report_runless_asset_event(
        dg.AssetCheckEvaluation(
            asset_key=SCORED,
            check_name=key.name,
            passed=False,
            metadata={},
            partition=DAY,
        )
    )
    [record] = instance.event_log_storage.get_asset_check_execution_history(key, limit=2)
    assert record.partition == DAY


# Metadata


def test_a_table_without_records_needs_a_schema() -> None:
    with pytest.raises(CheckError, match="schema must be provided"):
        dg.MetadataValue.table(records=[])
    schema = dg.TableSchema(columns=[dg.TableColumn("column")])
    assert dg.MetadataValue.table(records=[], schema=schema).records == []


# Sensors


FILES = dg.DynamicPartitionsDefinition(name="inbox")


@dg.asset(partitions_def=FILES)
def inbox() -> None:
    """A file of the inbox."""


score_file = dg.define_asset_job("score_file", selection=[inbox])


@dg.sensor(job=score_file)
def new_files() -> dg.SensorResult:
    """Ask for one run for a file that becomes a partition in the same tick."""
    return dg.SensorResult(
        run_requests=[dg.RunRequest(run_key="sha256:1", partition_key="june.csv")],
        dynamic_partitions_requests=[FILES.build_add_request(["june.csv"])],
        cursor="seen",
    )


INBOX = dg.Definitions(assets=[inbox], jobs=[score_file], sensors=[new_files])


def evaluate_new_files(instance: dg.DagsterInstance) -> SensorExecutionData:
    with dg.build_sensor_context(
        instance_ref=instance.get_ref(), repository_def=INBOX.get_repository_def()
    ) as context:
        return new_files.evaluate_tick(context)


@pytest.fixture
def stored_instance(tmp_path: Path) -> Iterator[dg.DagsterInstance]:
    """An instance in files: a sensor's tick looks dynamic partitions up in no other."""
    with dg.DagsterInstance.local_temp(str(tmp_path)) as stored:
        yield stored


def test_a_tick_may_ask_for_a_run_of_a_partition_that_it_asks_to_be_added(
    stored_instance: dg.DagsterInstance,
) -> None:
    [request] = evaluate_new_files(stored_instance).run_requests or []
    assert (request.partition_key, request.run_key) == ("june.csv", "sha256:1")
    assert stored_instance.get_dynamic_partitions("inbox") == []


def asked_before(instance: dg.DagsterInstance, sensor_name: str) -> bool:
    """Whether the daemon would skip the request of `new_files`, were it called `sensor_name`."""
    renamed = dg.SensorDefinition(
        name=sensor_name, job=score_file, evaluation_fn=lambda _context: None
    )
    sensor = RemoteSensor(
        SensorSnap.from_def(renamed, INBOX.get_repository_def()), RepositoryHandle.for_test()
    )
    request = dg.RunRequest(run_key="sha256:1")
    return bool(fetch_existing_runs(instance, sensor, [request]))


@pytest.fixture
def failed_run(instance: dg.DagsterInstance) -> dg.DagsterRun:
    """A failed run that `new_files` asked for."""

    @dg.op
    def fail() -> None:
        raise ValueError("the disk is full")

    @dg.job(tags={SENSOR_NAME_TAG: "new_files", RUN_KEY_TAG: "sha256:1"})
    def failing() -> None:
        fail()

    return failing.execute_in_process(instance=instance, raise_on_error=False).dagster_run


def test_the_key_of_a_failed_run_is_asked_again_only_once_the_run_is_deleted(
    instance: dg.DagsterInstance, failed_run: dg.DagsterRun
) -> None:
    assert asked_before(instance, "new_files")
    assert not asked_before(instance, "renamed_files")
    instance.delete_run(failed_run.run_id)
    assert not asked_before(instance, "new_files")


# Runs


DAILY = dg.Definitions(
    assets=[daily(DAYS)], jobs=[dg.define_asset_job("score_day", selection=[SCORED])]
)


def test_a_run_in_process_is_stored_with_its_partition_in_the_given_instance(
    instance: dg.DagsterInstance,
) -> None:
    job = DAILY.resolve_job_def("score_day")
    result = job.execute_in_process(instance=instance, partition_key=DAY)
    assert instance.get_materialized_partitions(SCORED) == {DAY}
    key = dg.AssetCheckKey(SCORED, "golden_replay")
    [record] = instance.event_log_storage.get_asset_check_execution_history(key, limit=2)
    assert (record.run_id, record.partition) == (result.run_id, DAY)
    run = instance.get_run_by_id(result.run_id)
    assert run is not None
    assert (run.job_name, run.tags["dagster/partition"]) == ("score_day", DAY)
    with pytest.raises(dg.DagsterUnknownPartitionError):
        job.execute_in_process(instance=instance, partition_key="2013-02-30")


@dg.op(config_schema={"path": str})
def write_process(context: dg.OpExecutionContext) -> None:
    """Append the number of the process that runs this step to the file of the config."""
    with Path(context.op_config["path"]).open("a") as file:
        file.write(f"{os.getpid()}\n")


@dg.job(executor_def=dg.in_process_executor)
def two_steps() -> None:
    """Two steps under the in-process executor."""
    write_process.alias("first")()
    write_process.alias("second")()


def test_the_in_process_executor_runs_every_step_in_the_process_of_the_run(
    instance: dg.DagsterInstance, tmp_path: Path
) -> None:
    path = tmp_path / "processes"
    config = {"ops": {name: {"config": {"path": str(path)}} for name in ("first", "second")}}
    with dg.execute_job(dg.reconstructable(two_steps), instance, run_config=config):
        assert path.read_text().split() == [str(os.getpid())] * 2


# Events that a run writes of partitions that it was not planned for


def evaluated(run: dg.DagsterRun | None, *, passed: bool) -> dg.EventLogEntry:
    check = dg.AssetCheckEvaluation(SCORED, "golden_replay", passed=passed, partition=DAY)
    return dg.EventLogEntry(
        error_info=None,
        level=20,
        user_message="",
        run_id=run.run_id if run is not None else "",
        timestamp=1.0,
        job_name="",
        dagster_event=dg.DagsterEvent(
            dg.DagsterEventType.ASSET_CHECK_EVALUATION.value, "", event_specific_data=check
        ),
    )


def test_a_run_may_evaluate_a_check_of_a_partition_that_it_did_not_plan_also_twice(
    instance: dg.DagsterInstance,
) -> None:
    run = instance.create_run_for_job(dg.GraphDefinition("empty").to_job())
    for passed in (True, False):
        instance.event_log_storage.store_event(evaluated(run, passed=passed))
    (record,) = instance.event_log_storage.get_asset_check_execution_history(
        dg.AssetCheckKey(SCORED, "golden_replay"), limit=5
    )
    assert isinstance(record.evaluation, dg.AssetCheckEvaluation)
    assert (record.evaluation.passed, record.evaluation.partition) == (False, DAY)


def test_without_a_run_a_check_of_a_partition_can_be_evaluated_once_only(
    instance: dg.DagsterInstance,
) -> None:
    instance.event_log_storage.store_event(evaluated(None, passed=True))
    with pytest.raises(IntegrityError, match="UNIQUE"):
        instance.event_log_storage.store_event(evaluated(None, passed=False))


def test_the_data_version_of_the_last_materialization_of_each_partition_is_one_query(
    instance: dg.DagsterInstance,
) -> None:
    for day, version in ((DAY, "a"), (DAY, "b"), ("2013-04-01", "c")):
        tags = {"dagster/data_version": version}
        instance.report_runless_asset_event(
            dg.AssetMaterialization(SCORED, partition=day, tags=tags)
        )
    found = instance.event_log_storage.get_latest_tags_by_partition(
        SCORED, dg.DagsterEventType.ASSET_MATERIALIZATION, ["dagster/data_version"]
    )
    assert {day: tags["dagster/data_version"] for day, tags in found.items()} == {
        DAY: "b",
        "2013-04-01": "c",
    }
