"""A batch among the batches before, as constraints judge it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from functools import cached_property
from typing import TYPE_CHECKING

import msgspec
import numpy as np

from lockstep.artifacts.version import LoadedVersion
from lockstep.checks.constraints import Judged, Terms, judge
from lockstep.checks.ingest import Ingested
from lockstep.columns.kinds import Columns, Ints
from lockstep.constraints.past import PastBatch
from lockstep.constraints.view import View, by_clock
from lockstep.scoring.accepting import accepted_before
from lockstep.scoring.earlier import Earlier, earlier_batches
from lockstep.store.records import Records

if TYPE_CHECKING:
    from lockstep.scoring.partition import Work


@dataclass(frozen=True, eq=False)
class Among:
    """The rows of a batch among the batches before; each part is made when it is first asked for.

    Attributes:
        work: The partition.
        live: The version that serves.
        records: The stream's.
        ingested: The rows, parted.
        accept: What a person accepts now.
        written: SHA-256 of the files of the attempt under way, by name.
    """

    work: Work
    live: LoadedVersion
    records: Records
    ingested: Ingested
    accept: Sequence[str]
    written: Mapping[str, str]

    @cached_property
    def earlier(self) -> Earlier:
        """What is known of the batches before."""
        policy = self.work.declared.constraints
        return earlier_batches(
            self.records, self.work.partition, self.live.digest, policy.first_batches
        )

    @cached_property
    def view(self) -> View:
        """The accepted rows as constraints see them."""
        columns = self.ingested.columns
        return self.live.constraints.view(columns, self._day(columns), self.earlier.batches)

    @cached_property
    def judged(self) -> Judged:
        """What they break."""
        is_daily = self.work.stream == "daily"
        return judge(self.live.constraints, self.view, self._terms, of_one_day=is_daily)

    @cached_property
    def remembered(self) -> list[PastBatch]:
        """What is kept of the batch for those that follow it, as if it were published."""
        return self.live.constraints.remembered(self.view, self.judged.days, self.work.partition)

    def for_later(self, *, is_blocked: bool) -> tuple[list[PastBatch], dict[str, float]]:
        """What is kept of the batch, and the findings that are accepted after it, with extents.

        Args:
            is_blocked: Whether it is held back.
        """
        try:
            accepted = self.judged.accepted(self._terms.accepted)
            kept = [
                msgspec.structs.replace(one, blocked=is_blocked, accepted=accepted)
                for one in self.remembered
            ]
        except Exception:  # noqa: BLE001 - the check that broke has told, and blocks
            return [], {}
        return kept, accepted

    @property
    def why_empty(self) -> str | None:
        """Why a batch without rows is no error; None where it is one."""
        if self.ingested.total:
            return "all of them are set aside"
        constraints = self.live.constraints
        if constraints.layout.event_time is None or self.work.stream != "daily":
            return "nothing tells how many there should be"
        days = [one.day for one in constraints.past]
        if len(days) > 1 and np.diff(days).max() == 1:
            return None
        return "training had days without rows"

    @cached_property
    def _terms(self) -> Terms:
        earlier, graph = self.earlier, self.live.pipeline.graph
        is_file = not self.records.holds_days
        set_aside = self.ingested.total - self.ingested.accepted
        too_many = set_aside > self.work.declared.max_quarantined * self.ingested.total
        policy = self.work.declared.constraints
        before = accepted_before(self.records, self.work.partition, self.written, self.live.digest)
        return Terms(
            policy=policy,
            reaching={name for output in graph.outputs for name in graph.ancestors(output)},
            accept=self.accept,
            accepted={**earlier.accepted, **before},
            is_new=earlier.published < policy.first_batches,
            lacks_rows=earlier.is_blind or is_file or set_aside > 0 or self._is_after_gap,
            any_size=is_file or too_many,
        )

    @property
    def _is_after_gap(self) -> bool:
        """Whether the batch before is longer ago than training days were from each other."""
        trained = [one.day for one in self.live.constraints.past]
        known = [one.day for one in self.view.past]
        if len(trained) < 2 or not known or not len(self.view):
            return False
        first = int(self.view.day.min())
        before = max((one for one in known if one < first), default=first)
        return first - before > int(np.diff(trained).max())

    def _day(self, columns: Columns) -> Ints:
        """The day of each row, counted from 1970; without event times files are counted."""
        schema, constraints = self.live.pipeline.record_schema, self.live.constraints
        count = len(next(iter(columns.values())))
        if self.work.stream == "daily":
            of_partition = date.fromisoformat(self.work.partition).toordinal()
            return np.full(count, of_partition - date(1970, 1, 1).toordinal())
        if schema.event_time is None:
            return np.full(count, constraints.days + self.earlier.count)
        local = by_clock(columns[schema.event_time], constraints.layout.timezone)
        return local.astype("datetime64[D]").astype(np.int64)
