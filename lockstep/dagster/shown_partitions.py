"""Partitions as Dagster shows them, where no run materialized their assets."""

from __future__ import annotations

from traceback import format_exception

import dagster as dg

from lockstep.checks.handovers import Handovers
from lockstep.checks.streams import Stream, stream_records
from lockstep.dagster.event_log import EventLog
from lockstep.dagster.partition_events import StepEvents, events_of, unreported
from lockstep.dagster.run_reports import recording_told
from lockstep.project.declaration import PipelineAssets
from lockstep.project.home import Home
from lockstep.store.attempts import Attempt
from lockstep.store.parquet import Store


class ShownPartitions:
    """What Dagster shows of a stream's partitions that were not scored as assets of a run."""

    def __init__(
        self,
        declared: PipelineAssets,
        stream: Stream,
        home: Home,
        instance: dg.DagsterInstance,
        run: dg.DagsterRun,
    ) -> None:
        self._declared, self._home, self._instance = declared, home, instance
        self._root = [declared.name, stream.name]
        self._records = stream_records(declared, Store(home.data / declared.name), stream.name)
        self._log = EventLog(instance, run)

    def catch_up(self) -> None:
        """Show the partitions whose last attempt has ended and is not shown.

        A process was killed between the two, or Dagster's databases are an older copy.
        """
        for attempt in unreported(self._declared.name, self._records, self._instance):
            self.show(attempt)

    def hand_over(self) -> None:
        """Give the sinks what earlier runs left open, and show of what they hold it now."""
        for partition in Handovers.of(self._declared, self._records).catch_up():
            attempt = self._records.demand(partition)
            events = events_of(self._declared, self._home, self._records, attempt)
            with recording_told(self._instance):
                self._log.write_checks(events[-1])

    def show(self, attempt: Attempt) -> list[StepEvents]:
        """Show an attempt that has ended; return its events."""
        events = events_of(self._declared, self._home, self._records, attempt)
        with recording_told(self._instance):
            self._log.write(events)
        return events

    def show_fault(self, partition: str, error: Exception) -> None:
        """Show the traceback of an error in code, at the partition that it broke off."""
        lines = "".join(format_exception(error)).splitlines()
        observation = dg.AssetObservation(
            dg.AssetKey([*self._root, "batch"]),
            partition=partition,
            metadata={"broke off": dg.MetadataValue.json({"traceback": lines})},
        )
        with recording_told(self._instance):
            self._instance.report_runless_asset_event(observation)
