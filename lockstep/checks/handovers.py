"""Handovers: what the sinks of a pipeline hold of a stream's published partitions.

    handed_over/PARTITION.json   by sink, the record whose rows it holds, and why a try failed

A partition is given to a sink from its committed attempt, and the file is written last. So whatever
a kill or a sink that is down leaves open is a difference of two digests; the next run closes it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from lockstep.checks.specs import SINKS
from lockstep.columns.plain import all_of, file_name
from lockstep.errors import DamagedError, LockedError
from lockstep.project.declaration import PipelineAssets
from lockstep.project.sinks import PublishedRows, Sink, reason_of
from lockstep.store.attempts import Attempt
from lockstep.store.partition_records import Records
from lockstep.store.results import CheckResult
from lockstep.store.state_files import state_or, write_state

_NOT_TRIED = "it was not tried yet"


@dataclass(frozen=True)
class _HandedOver:
    """What the sinks hold of a partition, by sink."""

    # SHA-256 of the record whose rows it holds.
    holds: Mapping[str, str] = field(default_factory=dict)
    failed: Mapping[str, str] = field(default_factory=dict)  # why the last try failed
    # Which rows it cannot take, and where it keeps these.
    quarantined: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, eq=False)
class Handovers:
    """What the sinks that are declared hold of a stream."""

    pipeline: str
    records: Records
    sinks: Sequence[Sink]

    @classmethod
    def of(cls, declared: PipelineAssets, records: Records) -> Handovers:
        """The handovers of a stream of a pipeline."""
        return cls(declared.name, records, declared.sinks)

    def left(self, partition: str) -> dict[str, str]:
        """The sinks that do not hold what is published of a partition, each with the reason."""
        commit = self.records.commit_of(partition) if self.sinks else None
        if commit is None:
            return {}
        known, names = self._read(partition), [sink.describe() for sink in self.sinks]
        return {
            name: known.failed.get(name, _NOT_TRIED)
            for name in names
            if known.holds.get(name) != commit.record
        }

    def open(self) -> dict[str, dict[str, str]]:
        """What is left of every partition of which something is; damaged ones are left out."""
        left: dict[str, dict[str, str]] = {}
        for partition in self.records.partitions() if self.sinks else ():
            with suppress(DamagedError):  # the checks report it
                left[partition] = self.left(partition)
        return {partition: names for partition, names in left.items() if names}

    def hand_over(self, attempt: Attempt) -> dict[str, str]:
        """Give the committed attempt to the sinks that lack it; return those that failed, and why.

        The partition's lock is held by the caller, so that a sink is never given an older attempt
        after a newer one.
        """
        partition, record = attempt.record.partition, attempt.digest()
        lacking, before = self.left(partition), self._read(partition)
        if not lacking:
            return {}
        published = self._published(attempt)
        holds, failed = dict(before.holds), dict(before.failed)
        quarantined = dict(before.quarantined)
        for sink in self.sinks:
            name = sink.describe()
            if name not in lacking:
                continue
            failed.pop(name, None)
            try:
                refused = sink.write(published)
            except Exception as error:  # noqa: BLE001 - told; the partition is published
                failed[name] = reason_of(error)
                continue
            holds[name] = record
            quarantined.pop(name, None)
            if refused is not None:
                quarantined[name] = refused
        write_state(self._path(partition), _HandedOver(holds, failed, quarantined))
        return {name: failed[name] for name in lacking if name in failed}

    def catch_up(self) -> list[str]:
        """Give what is open to the sinks; return the partitions that are complete now.

        A sink that failed is not asked again.
        """
        done, asked = [], list(self.sinks)
        for partition in self.open():
            left = Handovers(self.pipeline, self.records, asked)
            # A process at work on it hands it over; damage is reported by the checks.
            with suppress(LockedError, DamagedError), self.records.locked(partition, wait=0):
                failed = left.hand_over(self.records.demand(partition))
                asked = [sink for sink in asked if sink.describe() not in failed]
                if not self.left(partition):
                    done.append(partition)
            if not asked:
                break
        return done

    def results(self, partition: str) -> dict[str, CheckResult]:
        """The result of the check `sinks` of a published partition; none without sinks."""
        return {SINKS.name: self._result(partition)} if self.sinks else {}

    def _result(self, partition: str) -> CheckResult:
        left, sinks = self.left(partition), len(self.sinks)
        numbers = {"sinks": sinks, "open": len(left)}
        known = self._read(partition).quarantined
        names = [sink.describe() for sink in self.sinks]
        if refused := [f"{name} ({known[name]})" for name in names if name in known]:
            numbers["quarantining"] = len(refused)
        if not left and refused:
            what = f"Rows that a sink cannot take are set aside by it: {'; '.join(refused)}."
            return CheckResult(False, what, "WARN", numbers=numbers)
        if not left:
            have = all_of(sinks, "sink", "holds", "hold")
            return CheckResult(True, f"{have} what is published.", numbers=numbers)
        why = "; ".join(f"{name} ({reason})" for name, reason in left.items())
        return CheckResult(False, f"It is published, but not in {why}.", numbers=numbers)

    def _published(self, attempt: Attempt) -> PublishedRows:
        step, file = attempt.record.steps["published"], "published.parquet"
        attempt.verify([file])
        assert step.version is not None, "what is published was scored by a version"
        return PublishedRows(
            self.pipeline,
            self.records.stream,
            attempt.record.partition,
            step.version,
            attempt.path(file),
        )

    def _read(self, partition: str) -> _HandedOver:
        # Where it is damaged, all is handed over again, which changes nothing.
        return state_or(self._path(partition), _HandedOver, _HandedOver())

    def _path(self, partition: str) -> Path:
        return self.records.root / "handed_over" / f"{file_name(partition)}.json"
