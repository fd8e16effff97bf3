"""Damage: published partitions whose records or files are not as they were written.

The commit has the digest of the attempt's record, which has those of the attempt's files, of which
one is what consumers read. Verifying a partition reads all of them. A look at a whole stream reads
only what was published or touched since the last audit, and writes nothing.
"""

from __future__ import annotations

import hashlib
from contextlib import suppress
from pathlib import Path

from lockstep.columns.plain import file_name
from lockstep.errors import DamagedError
from lockstep.store.disks import replace_text
from lockstep.store.partition_records import Records

_AUDITED = "audited"
"""The folder of a stream that has the state of each partition that an audit found whole."""


def verify(records: Records, partition: str) -> None:
    """Verify the committed attempt at a partition, if there is one, and what consumers read.

    Raises DamagedError where a record or a file is missing, or not as written.
    """
    try:
        committed = records.committed(partition)
        if committed is not None:
            committed.verify()
            records.verify_export(committed)
    except OSError as error:
        raise DamagedError(
            f"{error.filename or records.root} cannot be read ({error.strerror}); have it opened, "
            f"or make {partition} anew: {records.again(partition)}"
        ) from error


def audit_partition(records: Records, partition: str) -> None:
    """Verify all attempts at a partition, and note that it is whole as it is now.

    Raises DamagedError where a record or a file is missing, or not as written.
    """
    state = _state(records, partition)
    verify(records, partition)
    commit = records.commit_of(partition)
    for attempt in records.newest_first(partition):
        if commit is None or attempt.number != commit.attempt:  # that one is verified
            attempt.verify()
    if state != _audited(records, partition):
        with suppress(OSError):  # a home that may only be read; this only saves time
            replace_text(_note(records, partition), state)


def damage(records: Records) -> dict[str, str]:
    """The damage of every published partition that has any, in a sentence, by partition.

    A partition is read where one of its files was touched since the last audit; all others cost the
    look-up of their files.
    """
    damaged: dict[str, str] = {}
    for partition in records.partitions():
        if _audited(records, partition) == _state(records, partition):
            continue
        try:
            verify(records, partition)
        except DamagedError as error:
            if records.holder(partition) is None:  # else it is being replaced just now
                damaged[partition] = str(error)
    damaged |= {
        partition: str(unrecorded(records, partition, path))
        for partition, path in records.unrecorded().items()
    }
    return damaged


def unrecorded(records: Records, partition: str, path: Path) -> DamagedError:
    """The error of what consumers read and no record stands behind."""
    return DamagedError(
        f"{path} is there for consumers, and no record tells what made it; make it anew, or remove "
        f"it: {records.again(partition)}"
    )


def _state(records: Records, partition: str) -> str:
    """A digest of the names, sizes, times and inodes of a partition's files.

    The system sets the time at which a file's entry last changed; nobody else can.
    """
    state = hashlib.sha256()
    for path in records.files(partition):
        with suppress(OSError):  # it is missing, which is a state, too
            status = path.stat()
            times = status.st_mtime_ns, status.st_ctime_ns
            state.update(repr((path.name, status.st_size, *times, status.st_ino)).encode())
    return state.hexdigest()[:32]


def _note(records: Records, partition: str) -> Path:
    return records.root / _AUDITED / file_name(partition)


def _audited(records: Records, partition: str) -> str | None:
    """The state in which an audit found a partition whole; None where none did."""
    try:
        return _note(records, partition).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError):
        return None
