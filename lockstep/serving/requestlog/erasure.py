"""Erasure: what a log holds of one key is taken out of it, with a note that something was.

A segment is written anew without the rows. The new edition counts from the moment it has its name;
what is left of the old one is removed by whoever looks after the folder next.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import compress
from pathlib import Path
from time import monotonic, sleep

import numpy as np
from msgspec.structs import replace

from lockstep.columns.kinds import Array, Bools, Kind
from lockstep.columns.plain import counted
from lockstep.errors import DamagedSegmentError, MissingSegmentError, OpenSegmentError
from lockstep.serving.requestlog.log_segments import (
    OPEN,
    Block,
    End,
    Erased,
    Header,
    beginning,
    framed,
    next_edition,
    read_segment,
    remove_superseded,
    scan,
    segment_names,
    segment_path,
)
from lockstep.serving.requestlog.redaction import Hashes
from lockstep.serving.requestlog.segment_files import (
    ASIDE,
    alone_in,
    ask_to_seal,
    recover,
    write_private,
)
from lockstep.store.disks import flush_directory, replace_file

_SEAL_SECONDS = 30.0
"""Seconds that a process has to seal what it writes to."""
_LOOK_SECONDS = 0.1


@dataclass(frozen=True)
class ErasedKey:
    """What was erased of a key."""

    segments: tuple[str, ...]  # names of those that held it, as they were called before
    rows: int  # scored rows
    requests: int  # erased whole, with their ids
    torn: int  # files of torn bytes, which nobody can search; all are removed
    # segments that may hold it still, each with the reason in a sentence
    unsearched: tuple[str, ...]


@dataclass(frozen=True)
class LoggedKey:
    """A key, and how it is found in segments."""

    column: str  # name of the pipeline's key
    text: str
    hashes: Callable[[], Hashes]  # returns what hashes the keys of segments that hold them hashed

    def rows_of(self, header: Header, values: Array) -> Bools:
        """Which rows of a segment are of the key, by the column of the key.

        Raises LogKeyError where the column is hashed, and the environment holds no key.
        """
        text = self.text
        if header.redacted.get(self.column) == "hashed":
            (text,) = self.hashes()(np.array([text], dtype=object))  # type: ignore[assignment]
        texts = (None if value is None else str(value) for value in values.tolist())
        return np.array([found == text for found in texts], dtype=np.bool_)


def erase_key(folder: Path, key: LoggedKey, seal_seconds: float = _SEAL_SECONDS) -> ErasedKey:
    """Erase what was logged of a key until now, also by processes that write to the log.

    These are asked to seal their segments, which takes them a second, and waited for.

    Raises:
        OpenSegmentError: A process does not seal its segment; nothing is erased.
        LogKeyError: Keys are hashed, and the environment holds no key; nothing more is erased.
        OSError: The disk fails. What was erased is; a second call goes on.
    """
    with alone_in(folder, ".erasing"):
        _seal_open(folder, seal_seconds)
        remove_superseded(folder)
        torn = [*(folder / ASIDE).glob("*")]
        for path in torn:
            path.unlink(missing_ok=True)
        notes: dict[str, Erased] = {}
        unsearched: list[str] = []
        for name in segment_names(folder):
            try:
                note = _erase(folder, name, key)
            except MissingSegmentError:  # it was too old
                continue
            except DamagedSegmentError as error:
                unsearched.append(str(error))
                continue
            if isinstance(note, str):
                unsearched.append(note)
            elif note is not None:
                notes[name] = note
        return ErasedKey(
            segments=tuple(notes),
            rows=sum(note.rows for note in notes.values()),
            requests=sum(note.requests for note in notes.values()),
            torn=len(torn),
            unsearched=tuple(unsearched),
        )


def _seal_open(folder: Path, seconds: float) -> None:
    """Have all open segments sealed: those of living processes by them, the others here."""
    recover(folder)
    waiting = {*folder.glob(f"*{OPEN}")}
    if not waiting:
        return
    ask_to_seal(folder)
    until = monotonic() + seconds
    while waiting := {path for path in waiting if path.exists()}:
        if monotonic() > until:
            raise OpenSegmentError(
                f"{counted(len(waiting), 'segment')} in {folder} stayed open, such as "
                f"{min(waiting).name}: the server that writes to it does not seal it. Stop that "
                "server, and do it again. Nothing was erased."
            )
        sleep(_LOOK_SECONDS)
        recover(folder)


def _erase(folder: Path, name: str, key: LoggedKey) -> Erased | str | None:
    """Erase a key: the note of it, or why it cannot be searched; None where it is not there."""
    path = segment_path(folder, name)
    segment = read_segment(path)
    header = segment.header
    if key.column not in header.kinds:
        left_out = header.redacted.get(key.column) == "dropped"
        why = "does not hold it" if left_out else "is of a version without it"
        return f"{path} cannot be searched by {key.column}: it {why}. `keep` removes it in time."
    is_erased = key.rows_of(header, segment.columns[key.column])
    if not is_erased.any():
        return None
    written_at = path.stat()
    note, data = _without(path.read_bytes(), is_erased)
    successor = segment_path(folder, next_edition(name, data))

    def write(file: str) -> None:
        write_private(Path(file), data)
        os.utime(file, ns=(written_at.st_atime_ns, written_at.st_mtime_ns))  # `keep` goes by it

    replace_file(successor, write)
    path.unlink(missing_ok=True)
    flush_directory(folder)
    return note


def _without(data: bytes, is_erased: Bools) -> tuple[Erased, bytes]:
    """The note of an erasure, and the bytes of a sealed segment without the erased rows."""
    header, _, frames = scan(data)
    assert header is not None, "it was read before"
    blocks: list[Block] = []
    left_out: int | None = None
    start = requests = 0
    for _, frame in frames:
        if isinstance(frame, End):
            left_out = frame.left_out
            continue
        stop = start + sum(frame.rows)
        block = _block_without(frame, header, is_erased[start:stop])
        requests += len(frame.ids) - len(block.ids)
        start = stop
        if block.ids:
            blocks.append(block)
    note = Erased(datetime.now(UTC).isoformat(), int(is_erased.sum()), requests)
    end = End(sum(len(b.ids) for b in blocks), sum(sum(b.rows) for b in blocks), left_out)
    parts = [beginning(replace(header, erased=(*header.erased, note)))]
    return note, b"".join([*parts, *map(framed, blocks), framed(end)])


def _block_without(block: Block, header: Header, is_erased: Bools) -> Block:
    """A block without erased rows, and without requests of which none is left."""
    if not is_erased.any():
        return block
    is_kept = ~is_erased
    before = np.array(block.rows)
    after = np.bincount(np.repeat(np.arange(len(before)), before)[is_kept], minlength=len(before))
    places = np.flatnonzero((after > 0) | (before == 0)).tolist()
    place_of = {place: number for number, place in enumerate(places)}
    return Block(
        ids=[block.ids[place] for place in places],
        at=[block.at[place] for place in places],
        latency=[block.latency[place] for place in places],
        status=[block.status[place] for place in places],
        rows=[int(after[place]) for place in places],
        rejected=[
            (place_of[place], row, reasons)
            for place, row, reasons in block.rejected
            if place in place_of
        ],
        numbers=_numbers_without(block.numbers, header, is_kept),
        texts=[list(compress(texts, is_kept)) for texts in block.texts] if is_kept.any() else [],
        tables=block.tables,
    )


def _numbers_without(numbers: bytes, header: Header, is_kept: Bools) -> bytes:
    parts, offset = [], 0
    for kind in header.written.values():
        if kind is not Kind.TEXT:
            values = np.frombuffer(numbers, kind.dtype, len(is_kept), offset)
            parts.append(values[is_kept].tobytes())
            offset += values.nbytes
    return b"".join(parts)
