"""Dagster's event log: the events of a partition, written together.

Dagster's SQLite log opens some six connections for each event, and commits it by itself. Here all
events of a partition share two connections and become visible with one commit.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager, nullcontext
from logging import INFO
from pathlib import Path
from typing import TYPE_CHECKING

import dagster as dg
from dagster._core.definitions.asset_checks.asset_check_evaluation import (
    AssetCheckEvaluationTargetMaterializationData as Target,
)
from dagster._core.events import AssetObservationData, StepMaterializationData
from dagster._core.storage.event_log.base import EventLogStorage
from dagster._core.storage.event_log.sqlite.sqlite_event_log import (
    INDEX_SHARD_NAME,
    SqliteEventLogStorage,
)
from dagster_shared.record import replace

from lockstep.dagster.partition_events import StepEvents

if TYPE_CHECKING:
    from sqlalchemy.engine import Connection, Engine

_BUSY_SECONDS = 60


class EventLog:
    """Writes events of a run into an instance's event log, beside those that Dagster writes."""

    def __init__(self, instance: dg.DagsterInstance, run: dg.DagsterRun) -> None:
        self._instance, self._run = instance, run
        self._storage: EventLogStorage = instance.event_log_storage
        self._sqlite: _OneTransaction | None = None
        if isinstance(self._storage, SqliteEventLogStorage):
            folder = Path(self._storage.path_for_shard(INDEX_SHARD_NAME)).parent
            self._storage = self._sqlite = _OneTransaction(str(folder))

    def write(self, steps: Sequence[StepEvents]) -> None:
        """Write events of assets: in SQLite, all of them or none."""
        with self._together():
            self._write(steps, self._storage.store_event)

    def write_checks(self, step: StepEvents) -> None:
        """Write the evaluations of an asset that was made before, as this run found them.

        Dagster takes one evaluation of a check and partition a run: one without a run, once ever.
        """
        with self._together():
            self._write_checks(step, self._storage.store_event)

    def report(self, steps: Sequence[StepEvents]) -> None:
        """Write events of assets one by one, and tell them whoever follows the run."""
        self._write(steps, self._instance.handle_new_event)

    def _write(
        self, steps: Sequence[StepEvents], store: Callable[[dg.EventLogEntry], None]
    ) -> None:
        for step in steps:
            store(self._made(step.made))
            self._write_checks(step, store)

    def _write_checks(self, step: StepEvents, store: Callable[[dg.EventLogEntry], None]) -> None:
        target = self._target(step.made) if step.checks else None
        for check in step.checks:
            store(self._checked(replace(check, target_materialization_data=target)))

    def _together(self) -> AbstractContextManager[None]:
        return nullcontext() if self._sqlite is None else self._sqlite.begin(self._run.run_id)

    def _target(self, made: dg.AssetMaterialization | dg.AssetObservation) -> Target | None:
        """The materialization as evaluations of its checks name it; None where nothing was made."""
        if isinstance(made, dg.AssetObservation):
            return None
        partitions = None if made.partition is None else [made.partition]
        wanted = dg.AssetRecordsFilter(made.asset_key, asset_partitions=partitions)
        records = self._storage.fetch_materializations(wanted, limit=1).records
        return Target(
            storage_id=records[0].storage_id,
            run_id=records[0].run_id,
            timestamp=records[0].timestamp,
        )

    def _made(self, made: dg.AssetMaterialization | dg.AssetObservation) -> dg.EventLogEntry:
        if isinstance(made, dg.AssetObservation):
            return self._entry(dg.DagsterEventType.ASSET_OBSERVATION, AssetObservationData(made))
        return self._entry(dg.DagsterEventType.ASSET_MATERIALIZATION, StepMaterializationData(made))

    def _checked(self, evaluation: dg.AssetCheckEvaluation) -> dg.EventLogEntry:
        return self._entry(dg.DagsterEventType.ASSET_CHECK_EVALUATION, evaluation)

    def _entry(
        self,
        kind: dg.DagsterEventType,
        data: StepMaterializationData | AssetObservationData | dg.AssetCheckEvaluation,
    ) -> dg.EventLogEntry:
        """The entry of an event, as `DagsterInstance.report_dagster_event` makes it."""
        return dg.EventLogEntry(  # type: ignore[no-untyped-call]
            user_message="",
            level=INFO,
            job_name=self._run.job_name,
            run_id=self._run.run_id,
            error_info=None,
            timestamp=time.time(),
            dagster_event=dg.DagsterEvent(
                event_type_value=kind.value,
                job_name=self._run.job_name,
                event_specific_data=data,
            ),
        )


class _OneTransaction(SqliteEventLogStorage):
    """The SQLite log of an instance, whose events can be kept together: all of them or none."""

    def __init__(self, folder: str) -> None:
        super().__init__(folder)
        self._engines: dict[str, Engine] = {}
        self._open: dict[str, Connection] = {}
        self._tables: dict[str, bool] = {}

    @contextmanager
    def begin(self, run_id: str) -> Iterator[None]:
        """Keep all events that are stored within, or none where it breaks off.

        The databases are committed one after the other, the one that Dagster's pages read last.
        """
        with ExitStack() as stack:
            for shard in (INDEX_SHARD_NAME, run_id):  # left in the other order
                connection = stack.enter_context(self._engine(shard).begin())
                connection.exec_driver_sql("BEGIN IMMEDIATE")  # waits here for other writers
                self._open[shard] = connection
            stack.callback(self._open.clear)
            yield

    @contextmanager
    def run_connection(self, run_id: str | None = None) -> Iterator[Connection]:
        """The open connection of a run's events."""
        with self._connection(run_id or "") as connection:
            yield connection

    @contextmanager
    def index_connection(self) -> Iterator[Connection]:
        """The open connection of the events of all runs."""
        with self._connection(INDEX_SHARD_NAME) as connection:
            yield connection

    def has_table(self, table_name: str) -> bool:
        """Whether the log has a table; looked up once."""
        if table_name not in self._tables:
            self._tables[table_name] = super().has_table(table_name)
        return self._tables[table_name]

    @contextmanager
    def _connection(self, shard: str) -> Iterator[Connection]:
        if shard in self._open:
            yield self._open[shard]
        else:
            with self._connect(shard) as connection:
                yield connection

    def _engine(self, shard: str) -> Engine:
        from sqlalchemy import create_engine
        from sqlalchemy.pool import NullPool

        if shard not in self._engines:
            with self._connect(shard):
                pass  # makes the database where it is missing
            self._engines[shard] = create_engine(
                self.conn_string_for_shard(shard),
                poolclass=NullPool,
                connect_args={"timeout": _BUSY_SECONDS},
            )
        return self._engines[shard]
