"""Damage: published partitions whose records or files are not as they were written.

Each file has a digest: the commit has that of the attempt's record, which has those of the
attempt's files, of which one is what consumers read. Verifying a partition reads all of them. A
look at a whole stream reads only those that somebody touched since the last look.
"""

from __future__ import annotations

import hashlib
from contextlib import suppress
from pathlib import Path

import msgspec

from lockstep.artifacts.disks import replace_text
from lockstep.errors import DamagedError
from lockstep.store.partition_records import Records

_LOOKED = ".looked.json"
"""The file in a stream's folder that stores the states of partitions that were whole."""


def verify(records: Records, partition: str) -> None:
    """Verify the committed attempt at a partition, if there is one, and what consumers read.

    Raises:
        DamagedError: A record or a file is missing, or not as written.
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


def damage(records: Records) -> dict[str, str]:
    """The damage of every published partition that has any, in a sentence, by partition.

    A partition is read whole at the first look and when one of its files was touched since; all
    others cost the look-up of their files.
    """
    file = records.root / _LOOKED
    before, whole, damaged = _kept(file), dict[str, str](), dict[str, str]()
    for partition in records.partitions():
        state = _state(records, partition)
        try:
            if before.get(partition) != state:
                verify(records, partition)
            whole[partition] = state
        except DamagedError as error:
            if records.holder(partition) is None:  # else it is being replaced just now
                damaged[partition] = str(error)
    damaged |= {
        partition: str(_unrecorded(records, partition, path))
        for partition, path in records.unrecorded().items()
    }
    if whole != before:
        with suppress(OSError):  # a home that may only be read; this only saves time
            replace_text(file, msgspec.json.encode(whole).decode())
    return damaged


def refuse_unrecorded(records: Records, partition: str, path: Path) -> None:
    """Refuse what consumers read and no record stands behind.

    Raises:
        DamagedError: Always.
    """
    raise _unrecorded(records, partition, path)


def _unrecorded(records: Records, partition: str, path: Path) -> DamagedError:
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


def _kept(file: Path) -> dict[str, str]:
    try:
        return msgspec.json.decode(file.read_bytes(), type=dict[str, str])
    except (OSError, msgspec.DecodeError):
        return {}
