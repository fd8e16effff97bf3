"""Contents: the digest of a file, computed block by block, so that it can be continued.

The digest of a file of one block is the SHA-256 of its bytes. The digest of a larger file is the
SHA-256 of the digests of its blocks. That of a folder is the SHA-256 of the sorted digests of its
parts, whose names do not count.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path

from lockstep.columns.plain import shown_name
from lockstep.store.parts import parts_of
from lockstep.store.state_files import state_or, write_state

BLOCK_BYTES = 2**26
"""Bytes of a block: tenths of a second on a disk, some seconds over a slow network."""
_BUFFER_BYTES = 2**20


@dataclass(frozen=True)
class IncrementalDigest:
    """The digests of the blocks of a file, or of a folder's parts, read so far.

    `state` is the file's size in bytes, the times in ns at which its content and its entry last
    changed, and its inode. Writing to the file changes them. Of a folder: the size of its parts,
    a mark of what they are, when their entries last changed, and its inode.
    """

    state: tuple[int, ...]
    blocks: tuple[str, ...] = ()  # SHA-256 of each block read, in order
    sizes: tuple[int, ...] = ()  # of a folder's parts in bytes, in the order of their names

    @classmethod
    def begin(cls, path: Path) -> IncrementalDigest:
        """The digest of a file before any block is read."""
        sizes = [part.stat().st_size for part in parts_of(path)] if path.is_dir() else []
        return cls(_state(path), sizes=tuple(sizes))

    @property
    def size(self) -> int:
        """Size of the file in bytes."""
        return self.state[0]

    @property
    def _blocks_of_parts(self) -> list[int]:
        """Number of blocks of the file, or of each part; an empty file has a block too."""
        return [max(1, -(-size // BLOCK_BYTES)) for size in self.sizes or (self.size,)]

    @property
    def share(self) -> float:
        """Share of the file that has been read."""
        return min(1.0, len(self.blocks) / sum(self._blocks_of_parts))

    @property
    def is_complete(self) -> bool:
        """Whether the whole file has been read."""
        return self.share == 1.0

    @property
    def digest(self) -> str:
        """The digest of the whole content."""
        assert self.is_complete, "a digest is that of the whole content"
        blocks = iter(self.blocks)
        parts = [_joined(list(islice(blocks, count))) for count in self._blocks_of_parts]
        return _joined(["", *sorted(parts)]) if self.sizes else parts[0]

    def is_of(self, path: Path) -> bool:
        """Whether a file is unchanged since."""
        return _state(path) == self.state

    def renamed(self, path: Path) -> IncrementalDigest:
        """The digest of the file under another name; begun anew if its content may have changed."""
        size, written, _, inode = _state(path)
        is_same = (size, written, inode) == (self.size, self.state[1], self.state[3])
        return replace(self, state=_state(path)) if is_same else IncrementalDigest.begin(path)

    def further(self, path: Path) -> IncrementalDigest:
        """Read one more block of the file."""
        block, files = len(self.blocks), parts_of(path) if path.is_dir() else [path]
        for part, count in zip(files, self._blocks_of_parts, strict=False):  # may change meanwhile
            if block < count:
                return replace(self, blocks=(*self.blocks, _block(part, block)))
            block -= count
        return IncrementalDigest.begin(path)


def _block(file: Path, number: int) -> str:
    with file.open("rb") as content:
        content.seek(number * BLOCK_BYTES)
        digest, left = hashlib.sha256(), BLOCK_BYTES
        while left and (data := content.read(min(left, _BUFFER_BYTES))):
            digest.update(data)
            left -= len(data)
    return digest.hexdigest()


def _joined(digests: list[str]) -> str:
    """The digest of what has these digests; of several, that of all of them."""
    if len(digests) == 1:
        return digests[0]
    return hashlib.sha256(bytes.fromhex("".join(digests))).hexdigest()


class IncrementalDigests:
    """The digests of a folder's files read so far, stored in a file.

    The file only saves time: without it, everything is read again.
    """

    def __init__(self, file: Path) -> None:
        self._file = file
        self._readings, self._is_saved = state_or(file, dict[str, IncrementalDigest], {}), True

    def go_on(self, path: Path, may_read: Callable[[], bool]) -> IncrementalDigest:
        """Read a file further, from the last block on if it is unchanged; ask before each block."""
        reading = self._readings.get(shown_name(path.name))
        if reading is None or not reading.is_of(path):
            reading = IncrementalDigest.begin(path)
        while not reading.is_complete and may_read():
            reading = reading.further(path)
            if reading.size > BLOCK_BYTES:
                self.note(path, reading)
                self.save()
        return reading

    def note(self, path: Path, reading: IncrementalDigest) -> None:
        """Keep how far a file has been read, until it is saved."""
        name = shown_name(path.name)
        if self._readings.get(name) != reading:
            self._readings[name], self._is_saved = reading, False

    def forget_others(self, names: Iterable[str]) -> None:
        """Forget all files but these, and save the rest."""
        for name in self._readings.keys() - set(map(shown_name, names)):
            del self._readings[name]
            self._is_saved = False
        self.save()

    def save(self) -> None:
        """Store the readings."""
        if self._is_saved:
            return
        if self._readings:
            write_state(self._file, self._readings)
        else:
            self._file.unlink(missing_ok=True)
        self._is_saved = True


def content_digest(path: Path) -> str:
    """The digest of a file's whole content."""
    reading = IncrementalDigest.begin(path)
    while not reading.is_complete:
        reading = reading.further(path)
    return reading.digest


def _state(path: Path) -> tuple[int, ...]:
    status = path.stat()
    if not path.is_dir():
        return (status.st_size, status.st_mtime_ns, status.st_ctime_ns, status.st_ino)
    parts = [(part.name, part.stat()) for part in parts_of(path)]
    each = [(name, of.st_size, of.st_mtime_ns, of.st_ino) for name, of in parts]
    mark = hashlib.sha256(repr(each).encode(errors="surrogateescape")).digest()
    return (
        sum(of.st_size for _, of in parts),
        int.from_bytes(mark[:6]),
        max((of.st_ctime_ns for _, of in parts), default=0),
        status.st_ino,
    )
