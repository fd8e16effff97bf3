"""Work: a run on a partition, the rows that it works on, and the results of its steps."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from uuid import uuid4

from lockstep.checks.handovers import Handovers
from lockstep.checks.ingest import QuarantinedValues
from lockstep.checks.streams import stream_records
from lockstep.columns.kinds import Columns
from lockstep.parity.counterfactuals import Counterfactuals
from lockstep.project.declaration import PipelineAssets
from lockstep.registry.live import LiveState
from lockstep.scoring.executors import IN_PROCESS, Executor
from lockstep.stats.sampling import Sampling
from lockstep.store.attempts import Attempt
from lockstep.store.parquet import Store
from lockstep.store.partition_records import Records
from lockstep.store.results import CheckResult

FIGURES = "figures"
"""Fact of a step: means and shares of the outputs, by title."""


@dataclass(frozen=True, eq=False)
class Work:
    """A run on a partition.

    Attributes:
        run: The run: its steps share an attempt.
        live: The live version by gate and registry; None where nobody asked.
        executor: Works on the units of the partition's rows.
        once: Whether it is published only if no other run has done so, as a schedule's and a
            sensor's are: of two machines, the first one does.
    """

    declared: PipelineAssets
    store: Store
    stream: str
    partition: str
    run: str = field(default_factory=lambda: str(uuid4()))
    live: LiveState | None = None
    executor: Executor = IN_PROCESS
    once: bool = False

    def executor_for(self, tasks: Sequence[object]) -> Executor:
        """Works on tasks; a single one is not worth the start of another process."""
        return self.executor if len(tasks) > 1 else IN_PROCESS

    @property
    def records(self) -> Records:
        """The records of the stream."""
        return stream_records(self.declared, self.store, self.stream)

    @property
    def handovers(self) -> Handovers:
        """What the sinks hold of the stream's partitions."""
        return Handovers.of(self.declared, self.records)

    @property
    def live_since(self) -> str | None:
        """Since when the version is live, in ISO form; None where the gate does not say."""
        taken = self.live.taken if self.live is not None else None
        return None if taken is None else taken.since.isoformat()


@dataclass(frozen=True)
class Stage:
    """The result of a step on a partition.

    Attributes:
        path: The file that it wrote; None where it had nothing to work on.
        counts: Numbers of rows, such as accepted and quarantined.
        blocked_by: Blocking checks that are in error, each with its summary.
        figures: Means and shares of the outputs, by title.
        version: Number of the version that it used; None where it used none.
        record: SHA-256 of the attempt's record, once the step was in it.
    """

    path: Path | None
    counts: Mapping[str, int]
    results: Mapping[str, CheckResult]
    blocked_by: Mapping[str, str]
    figures: Mapping[str, float]
    version: int | None
    record: str

    @classmethod
    def of(cls, attempt: Attempt, step: str, path: Path | None = None) -> Stage:
        """The result of a step that an attempt has recorded, with the file that consumers read."""
        done, own = attempt.record.steps[step], f"{step}.parquet"
        if path is None and own in done.files:
            path = attempt.path(own)
        return cls(
            path=path,
            counts=done.counts,
            results=done.results,
            blocked_by=done.blocked_by,
            figures=done.facts.get(FIGURES, {}),
            version=done.version,
            record=attempt.digest(),
        )


@dataclass(frozen=True, eq=False)
class Batch:
    """The accepted rows of a batch, with what several checks need."""

    columns: Columns  # of a large batch, a sample
    draw: Sampling  # which rows these are
    records: Records  # each opened once
    counterfactuals: Counterfactuals  # their outputs, had they other values
    quarantined: QuarantinedValues
