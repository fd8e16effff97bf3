"""Behaviours of Dagster that Lockstep is built on: an upgrade that changes one fails here."""

import os
from collections.abc import Iterator
from pathlib import Path

import dagster as dg
import pytest
from dagster._core.definitions.sensor_definition import SensorExecutionData
from dagster._core.remote_representation.external import RemoteSensor
from dagster._core.remote_representation.external_data import SensorSnap
from dagster._core.remote_representation.handle import RepositoryHandle
from dagster._core.storage.tags import RUN_KEY_TAG, SENSOR_NAME_TAG
from dagster._daemon.sensor import fetch_existing_runs


@pytest.fixture
def instance() -> Iterator[dg.DagsterInstance]:
    with dg.DagsterInstance.ephemeral() as ephemeral:
        yield ephemeral


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
