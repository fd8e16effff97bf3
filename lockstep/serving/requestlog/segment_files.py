"""Segment files: each is written by one process, sealed, and recovered where that was killed."""

from __future__ import annotations

import fcntl
import hashlib
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from errno import EIO
from pathlib import Path
from time import monotonic

from lockstep.errors import DamagedSegmentError
from lockstep.serving.requestlog.log_segments import (
    OPEN,
    SEALED,
    Block,
    End,
    Header,
    beginning,
    digest,
    framed,
    scan,
    short_digest,
)
from lockstep.store.disks import (
    PRIVATE,
    PRIVATE_FOLDER,
    flush_directory,
    make_folder,
    replace_file,
)

ASIDE = "torn"
"""The folder beside the segments for incomplete bytes that a killed process left."""
_LOCK = ".lock"
"""Held while segments are begun or recovered."""
_SEAL = ".seal"
"""The file whose time says when it was asked last that open segments be sealed."""
_ROOM_BYTES = 64 * 1024
"""Bytes that a disk has to take, to count as one with room."""


class SegmentFile:
    """A segment that is being written, locked so that no other process recovers it.

    Where it cannot be written, OSError is raised, and nothing of it is left.
    """

    def __init__(self, path: Path, header: Header) -> None:
        self.path, self.since = path, monotonic()
        self.requests = self.rows = self.left_out = 0
        self.is_dirty = False  # whether something was written since it was forced to disk
        # whether more can be written to it; not where half a write could not be taken back
        self.is_sound = True
        first = beginning(header)
        with alone_in(path.parent, _LOCK):
            self._handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_APPEND, PRIVATE)
            fcntl.flock(self._handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        try:
            _write(self._handle, first)
        except OSError:
            path.unlink(missing_ok=True)
            os.close(self._handle)
            raise
        self.size = len(first)
        # A whole segment takes a tenth of a second, each of its blocks next to nothing.
        self._hasher = hashlib.sha256(first)

    def append(self, blocks: list[Block], *, force: bool) -> None:
        """Write blocks, all of them or none; raises OSError for none."""
        data = b"".join(map(framed, blocks))
        try:
            _write(self._handle, data)
            if force:
                os.fdatasync(self._handle)
        except OSError:
            self.is_sound = False
            os.ftruncate(self._handle, self.size)
            self.is_sound = True
            raise
        self.size += len(data)
        self.is_dirty = True
        self._hasher.update(data)
        for block in blocks:
            self.requests += len(block.ids)
            self.rows += sum(block.rows)

    def flush(self) -> None:
        """Force the file to disk, if something was written."""
        if not self.is_dirty:
            return
        self.is_dirty = False
        try:
            os.fdatasync(self._handle)
        except OSError:
            self.is_dirty = True
            raise

    def seal(self, *, force: bool) -> Path | None:
        """End it, and give it its final name; None if it was empty, and removed.

        Where the disk fails, the file is left for `recover`.
        """
        try:
            if not self.is_sound:
                raise OSError(EIO, "its last write broke off", str(self.path))
            if not self.requests:
                self.path.unlink()
                return None
            end = framed(End(self.requests, self.rows, self.left_out))
            _write(self._handle, end)
            self._hasher.update(end)
            return _sealed(self._handle, self.path, short_digest(self._hasher), force=force)
        finally:
            os.close(self._handle)


@dataclass(frozen=True)
class Recovered:
    """A segment whose process was killed."""

    path: Path | None  # its file now; None where no request in it was whole
    requests: int
    torn: int  # bytes at its end that were no whole block
    aside: Path | None  # the file that keeps these; None if there were none


def recover(folder: Path) -> list[Recovered]:
    """Seal the segments that killed processes left behind.

    Their whole blocks stay; the bytes behind these are set aside. If this process is killed
    meanwhile, the next call goes on.
    """
    with alone_in(folder, _LOCK):
        orphans = [(path, _try_lock(path)) for path in sorted(folder.glob(f"*{OPEN}"))]
    recovered = []
    for path, handle in orphans:
        if handle is None:
            continue
        try:
            recovered.append(_recover(path, handle))
        except DamagedSegmentError:
            continue  # of another format: left to the Lockstep that wrote it
        finally:
            os.close(handle)
    return recovered


def _recover(path: Path, handle: int) -> Recovered:
    data = path.read_bytes()
    requests = rows = 0
    is_ended = False
    _, whole, frames = scan(data)
    for whole, frame in frames:  # noqa: B007
        is_ended = isinstance(frame, End)
        if isinstance(frame, Block):
            requests += len(frame.ids)
            rows += sum(frame.rows)
    torn = data[whole:]
    aside = _set_aside(path, torn) if torn else None
    if not requests:
        path.unlink()
        return Recovered(None, 0, len(torn), aside)
    os.ftruncate(handle, whole)
    end = b"" if is_ended else framed(End(requests, rows, None))
    _write(handle, end)
    sealed = _sealed(handle, path, digest(data[:whole] + end), force=True)
    return Recovered(sealed, requests, len(torn), aside)


def _set_aside(path: Path, torn: bytes) -> Path:
    aside = path.parent / ASIDE / f"{path.stem}-{digest(torn)}"
    aside.parent.mkdir(mode=PRIVATE_FOLDER, exist_ok=True)
    replace_file(aside, lambda file: write_private(Path(file), torn))
    return aside


def write_private(path: Path, data: bytes) -> None:
    """Write a new file that its owner alone reads."""
    handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, PRIVATE)
    try:
        _write(handle, data)
    finally:
        os.close(handle)


def _sealed(handle: int, path: Path, short: str, *, force: bool) -> Path:
    if force:
        os.fsync(handle)
    target = path.with_name(f"{path.stem}-{short}{SEALED}")
    path.rename(target)
    if force:
        flush_directory(path.parent)
    return target


def _try_lock(path: Path) -> int | None:
    """The locked file; None if another process holds it, or has sealed it meanwhile."""
    try:
        handle = os.open(path, os.O_RDWR | os.O_APPEND)
    except FileNotFoundError:
        return None
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        if path.stat().st_ino == os.fstat(handle).st_ino:
            return handle
    except (BlockingIOError, FileNotFoundError):
        pass
    os.close(handle)
    return None


@contextmanager
def alone_in(folder: Path, lock: str) -> Iterator[None]:
    """Keep other processes from what they do under the same lock, a file, meanwhile."""
    make_folder(folder, private=True)
    handle = os.open(folder / lock, os.O_RDWR | os.O_CREAT, PRIVATE)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)


def ask_to_seal(folder: Path) -> None:
    """Ask the processes that write to a folder to seal what they have open, within a second."""
    (folder / _SEAL).touch(mode=PRIVATE)


def seal_asked(folder: Path) -> int:
    """When it was asked last that open segments be sealed, in ns; 0 if that cannot be known."""
    try:
        return (folder / _SEAL).stat().st_mtime_ns
    except OSError:  # it was never asked; or the disk fails, which is told elsewhere
        return 0


def has_room(folder: Path) -> bool:
    """Whether the system says that a folder's disk has room; quotas are not counted."""
    disk = os.statvfs(folder)
    return disk.f_blocks == 0 or disk.f_bavail * disk.f_frsize >= _ROOM_BYTES


def demand_room(folder: Path, name: str) -> None:
    """Check that a folder's disk takes what is written; raises OSError if it does not.

    `name` is that of a file that nobody else writes there; it is removed.
    """
    path = folder / name
    handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, PRIVATE)
    try:
        _write(handle, bytes(_ROOM_BYTES))
        os.fsync(handle)
    finally:
        os.close(handle)
        path.unlink()


def _write(handle: int, data: bytes) -> None:
    """Write all of the data: a disk that is nearly full takes a part, and then refuses the rest."""
    written = os.write(handle, data)
    while written < len(data):
        written += os.write(handle, data[written:])
