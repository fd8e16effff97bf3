"""The audit of a pipeline: every digest that its home keeps, verified against the files.

Checks look only at what was published or touched since the last audit. An audit reads everything:
what disks lost in silence shows here alone.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property, partial
from pathlib import Path
from time import monotonic
from typing import Any

from lockstep.artifacts.artifact import Artifact
from lockstep.checks.specs import DIGESTS
from lockstep.checks.streams import (
    AUDIT,
    audit_records,
    examination_records,
    gate_records,
    outcome_records,
    request_records,
    stream_records,
    streams,
    training_records,
)
from lockstep.checks.table_deliveries import table_records
from lockstep.columns.plain import counted, one_line, verb
from lockstep.errors import LockstepError
from lockstep.project.declaration import PipelineAssets
from lockstep.project.home import Home
from lockstep.project.table_assets import TableAssets
from lockstep.registry.registry import Registry
from lockstep.registry.versions import Version
from lockstep.serving.requestlog.log_segments import read_segment, segment_names, segment_path
from lockstep.store.attempts import StepRecord
from lockstep.store.damage import audit_partition, unrecorded
from lockstep.store.inbox import FOLDERS, demand_same_content, files_in
from lockstep.store.ledgers import RECORD, ledger_of
from lockstep.store.parquet import Store
from lockstep.store.partition_records import Records
from lockstep.store.parts import parts_of
from lockstep.store.results import CheckResult

_FIRST_PACE = 100e6
"""Bytes a second that a first audit is expected to read."""


@dataclass(frozen=True)
class HomePart:
    """A part of a home that is verified as a whole."""

    what: str  # such as `daily 2013-04-01`
    files: tuple[Path, ...]
    verify: Callable[[], object]

    @cached_property
    def bytes(self) -> int:
        """Size of its files, as far as they are there."""
        return sum(path.stat().st_size for path in self.files if path.is_file())


@dataclass(frozen=True)
class Audited:
    """The result of an audit."""

    units: int  # parts that were verified
    files: int
    bytes: int
    seconds: float
    damage: dict[str, str]  # by part that is not as it was written

    @property
    def verdict(self) -> str:
        """The result in a sentence, without what is damaged."""
        read = f"{counted(self.files, 'file')} ({self.bytes / 1e6:,.1f} MB) in {self.seconds:.1f} s"
        if not self.damage:
            return f"all digests agree: {read}."
        are = verb(len(self.damage), "is", "are")
        wrong = f"{len(self.damage)} of {counted(self.units, 'part')} {are}"
        return f"{wrong} not as written; {read}."

    @property
    def summary(self) -> str:
        """The result in a sentence, with the first damage."""
        first = next(iter(self.damage.values()), None)
        return self.verdict if first is None else f"{one_line(first, 500)}; {self.verdict}"

    def to_result(self) -> CheckResult:
        """The result as that of a check."""
        rows = [{"part": part, "damage": why} for part, why in self.damage.items()]
        return CheckResult(
            passed=not self.damage,
            summary=self.summary,
            numbers={"files": self.files, "megabytes": self.bytes / 1e6, "seconds": self.seconds},
            table=tuple(rows),
            where=", ".join(list(self.damage)[:5]),
        )

    def to_json(self) -> dict[str, Any]:
        """The result as plain data."""
        return {
            "parts": self.units,
            "files": self.files,
            "bytes": self.bytes,
            "seconds": round(self.seconds, 3),
            "damage": self.damage,
        }


def home_parts(declared: PipelineAssets, home: Home, registry: Registry) -> list[HomePart]:
    """The parts of a pipeline's home: records of all streams, files of the inbox, versions, log."""
    store = Store(home.data / declared.name)
    kept = [stream_records(declared, store, stream.name) for stream in streams(declared)]
    kept += [outcome_records(declared, store), request_records(declared, store)]
    kept += [training_records(declared, store), gate_records(declared, store)]
    kept += [examination_records(declared, store), audit_records(declared, store)]
    folder = home.requests(declared.name)
    return [
        *(unit for records in kept for unit in _of_records(records)),
        *(part for table in declared.tables for part in _of_table(declared, table, store)),
        *_of_inbox(home.inbox(declared.name)),
        *(_of_segment(segment_path(folder, name)) for name in segment_names(folder)),
        *(_of_version(registry, version) for version in registry.versions(declared.name)),
    ]


def expected_seconds(parts: Iterable[HomePart]) -> float:
    """About how long verifying some parts takes on an ordinary disk."""
    return sum(unit.bytes for unit in parts) / _FIRST_PACE


def audit(parts: Iterable[HomePart], begin: Callable[[str], object] = lambda _: None) -> Audited:
    """Verify parts of a home; damage of one is told with the rest.

    `begin` is called with the name of each part before it is verified.
    """
    begun, number, files, size = monotonic(), 0, 0, 0
    damage: dict[str, str] = {}
    for unit in parts:
        begin(unit.what)
        number, files, size = number + 1, files + len(unit.files), size + unit.bytes
        try:
            unit.verify()
        except (LockstepError, OSError) as error:
            damage[unit.what] = str(error)
    return Audited(number, files, size, monotonic() - begun, damage)


def keep_audit(declared: PipelineAssets, store: Store, audited: Audited, run: str) -> None:
    """Record the result of an audit as that of the check `digests`."""
    records, results = audit_records(declared, store), {DIGESTS.name: audited.to_result()}
    with records.step(AUDIT, AUDIT, run) as attempt:
        attempt.keep(AUDIT, StepRecord(results=results))
        records.commit(attempt)


def _of_records(records: Records) -> Iterator[HomePart]:
    committed = set(records.partitions())
    for partition in sorted({*committed, *records.attempted()}):
        files = records.files(partition) if partition in committed else []
        for number in records.numbers(partition):
            files += [path for path in records.files_of(partition, number) if path not in files]
        yield HomePart(
            f"{records.stream} {partition}",
            tuple(files),
            partial(audit_partition, records, partition),
        )
    for partition, path in records.unrecorded().items():
        refuse = partial(_raise, unrecorded(records, partition, path))
        yield HomePart(f"{records.stream} {path.name}", (path,), refuse)


def _of_table(declared: PipelineAssets, table: TableAssets, store: Store) -> Iterator[HomePart]:
    ledger = ledger_of(store.root, table.schema)
    paths = (ledger.tail.path, *sorted(ledger.folder.glob("parts/*/*")))
    files = tuple(path for path in paths if path.is_file())
    yield HomePart(f"table {table.name}", (ledger.folder / RECORD, *files), ledger.verify)
    yield from _of_records(table_records(declared, ledger))


def _of_inbox(inbox: Path) -> Iterator[HomePart]:
    for folder in FOLDERS:
        for path in sorted(files_in(inbox / folder)):
            files = tuple(parts_of(path)) if path.is_dir() else (path,)
            yield HomePart(
                f"inbox/{folder}/{path.name}", files, partial(demand_same_content, path, inbox)
            )


def _of_segment(path: Path) -> HomePart:
    return HomePart(f"requests {path.stem}", (path,), partial(read_segment, path))


def _of_version(registry: Registry, version: Version) -> HomePart:
    what = f"version {version.version}"
    try:
        folder = registry.files(version)
        files = tuple(path for path in sorted(folder.rglob("*")) if path.is_file())
    except (LockstepError, OSError) as error:
        return HomePart(what, (), partial(_raise, error))
    return HomePart(what, files, lambda: Artifact.open(folder, version.digest))


def _raise(error: Exception) -> None:
    raise error
