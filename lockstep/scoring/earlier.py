"""Earlier batches as constraints see them: what each attempt stores for later ones.

Published batches count. Of days that are held back, only which things they had and the numbers of
keys count: nothing is known of these things on that day, and the numbers are not of lost rows.

A finding that a person accepts stays accepted, up to twice its extent, until another version is
live. What was accepted in the attempt that counts is accepted in each attempt that has the same
rows, byte for byte.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import date, timedelta
from functools import partial

import msgspec

from lockstep.columns.digests import Digests
from lockstep.columns.schema import Schema
from lockstep.constraints.constraint_set import light_batch
from lockstep.constraints.past import DAYS, PastBatch
from lockstep.errors import DamagedError, LockstepError
from lockstep.store.attempts import Attempt
from lockstep.store.partition_records import Records

ACCEPTED = "accepted"
"""The fact of a batch's step that holds the findings accepted after it, with extents."""
_FILE = "past.msgpack"
_ROWS = re.compile(r"batch(_quarantine)?(-\d+)?\.parquet")
"""The files of an attempt that hold its rows."""
_ID = re.compile("[0-9a-f]{8}")


@dataclass(frozen=True)
class Earlier:
    """The batches before one."""

    batches: Sequence[PastBatch]
    accepted: Mapping[str, float]  # in batches of the version, each with its extent
    published: int  # how many of the last batches the version published


def keep_past(attempt: Attempt, kept: Sequence[PastBatch]) -> None:
    """Store an attempt's days for the constraints of later batches."""
    attempt.write_bytes(_FILE, msgspec.msgpack.encode(list(kept)))


def earlier_batches(records: Records, partition: str, version: str, first: int) -> Earlier:
    """The batches before one; `first` of the version's are counted at most.

    Raises:
        DamagedError: A published batch's stored days are not those recorded.
    """
    attempts = [records.demand(name) for name in records.before(partition, max(DAYS, first))]
    own = [attempt for attempt in attempts if attempt.record.steps["batch"].manifest == version]
    accepted: dict[str, float] = {}
    for attempt in own[-DAYS:]:
        facts = attempt.record.steps["batch"].facts
        for identity, extent in facts.get(ACCEPTED, {}).items():
            accepted[identity] = max(extent, accepted.get(identity, 0.0))
    is_day = records.holds_days
    kept = [past for attempt in attempts[-DAYS:] for past in _kept(attempt, version, is_day=is_day)]
    for attempt in _held_back(records, partition):
        kept += _of_held_back(attempt, version, is_day=is_day)
    return Earlier(sorted(kept, key=lambda past: past.day), accepted, len(own))


def _kept(attempt: Attempt, version: str, *, is_day: bool) -> list[PastBatch]:
    """An attempt's stored days; if it could not be judged, nothing is known of its day.

    Figures follow the order of a version's statistics, so they are dropped for another version.
    """
    if _FILE not in attempt.files:
        return _not_known(attempt) if is_day else []
    kept = attempt.read_bytes(_FILE, partial(_of, attempt))
    step = attempt.record.steps["batch"]
    if not any(step.counts.get(name) for name in ("quarantined", "duplicates")):
        kept = [past if past.blocked else past.whole() for past in kept]  # also those of before
    if step.manifest == version:
        return kept
    nothing = {"counts": {}, "values": b"", "sizes": b"", "low": b"", "high": b""}
    return [msgspec.structs.replace(past, **nothing, accepted={}) for past in kept]


def _not_known(attempt: Attempt) -> list[PastBatch]:
    return [light_batch(number_of_day(attempt.record.partition), 0)]


def number_of_day(partition: str) -> int:
    """The number of a day, counted from 1970."""
    return date.fromisoformat(partition).toordinal() - date(1970, 1, 1).toordinal()


def _of(attempt: Attempt, data: bytes) -> list[PastBatch]:
    """Decode an attempt's stored days, and check that they are of its partition."""
    batches = msgspec.msgpack.decode(data, type=list[PastBatch])
    for past in batches:
        if past.partition != attempt.record.partition:
            raise ValueError(f"it is that of {past.partition}")
    return batches


def _of_held_back(attempt: Attempt, version: str, *, is_day: bool) -> list[PastBatch]:
    try:
        kept = _kept(attempt, version, is_day=is_day)
    except DamagedError:  # a held-back day may be missing
        kept = _not_known(attempt) if is_day else []
    return [of_held_back(past) for past in kept]


def of_held_back(past: PastBatch) -> PastBatch:
    """What counts of a day that is held back: its things, and which numbers came."""
    nothing = Digests(b"", True)
    return PastBatch(
        past.partition, past.day, past.rows, past.things, nothing, {}, {}, blocked=True,
        runs=past.runs,
    )  # fmt: skip


def _held_back(records: Records, partition: str) -> Iterator[Attempt]:
    """The last attempts at earlier partitions that checks block."""
    published = {*records.partitions(), partition}
    if records.holds_days:
        oldest = str(date.fromisoformat(partition) - timedelta(days=DAYS))
        names = [name for name in records.attempted() if oldest <= name < partition]
        until = None
    else:
        names = records.attempted()
        commit = records.commit_of(partition)
        until = None if commit is None else commit.first_at
    for name in names:
        if name in published:
            continue
        with suppress(DamagedError):
            last = records.last(name)
            if last is not None and _is_blocked(last) and _is_before(last, until):
                yield last


def _is_blocked(attempt: Attempt) -> bool:
    steps = attempt.record.steps
    return "batch" in steps and any(step.blocked_by for step in steps.values())


def _is_before(attempt: Attempt, until: str | None) -> bool:
    return until is None or attempt.record.started_at < until


def demand_known(accept: Sequence[str], schema: Schema) -> None:
    """Refuse what is neither a field nor the name of a finding: it would accept nothing."""
    for name in accept:
        if name not in schema and not _ID.fullmatch(name):
            raise LockstepError(
                f"accept names {name!r}, which is neither a finding, by its eight digits, nor a "
                f"field of {schema.name}; it has {', '.join(schema.names)}."
            )


def accepted_before(
    records: Records, partition: str, written: Mapping[str, str], version: str
) -> Mapping[str, float]:
    """Findings that were accepted for the same rows before, each with its extent.

    The same rows are files with the same digests: `written` has those of the attempt under way.
    """
    try:
        counts = records.committed(partition)
    except DamagedError:
        return {}  # its accepted findings are lost
    if counts is None or not _same_rows(counts, written):
        return {}
    step = counts.record.steps["batch"]
    accepted: Mapping[str, float] = step.facts.get(ACCEPTED, {}) if step.manifest == version else {}
    return accepted


def _same_rows(before: Attempt, written: Mapping[str, str]) -> bool:
    names = filter(_ROWS.fullmatch, {*before.files, *written})
    return all(before.files.get(name) == written.get(name) for name in names)
