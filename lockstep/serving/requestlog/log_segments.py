"""Segments: files of answered requests, each of one version, whose bytes show any damage.

    magic | frame | frame | ...        a file
    length | CRC-32 | MessagePack      a frame

The first frame is the header, the last one of a sealed segment its end; between them is one block
for each micro-batch. While a segment is written it is called NAME.open. It is sealed by being
renamed to NAME-DIGEST.segment, where DIGEST begins the SHA-256 of all its bytes. Its later
editions, without erased rows, are NAME.1-DIGEST.segment, then NAME.2-...; the last one counts.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import chain, groupby
from pathlib import Path
from struct import Struct as Packed
from typing import Any, Literal, TypeAlias
from zlib import crc32

import msgspec
import numpy as np

from lockstep.columns.kinds import Array, Columns, Ints, Kind
from lockstep.columns.plain import counted
from lockstep.errors import DamagedSegmentError, MissingSegmentError

MAGIC = b"lockstep requests\n"
FORMAT = 1
OPEN, SEALED = ".open", ".segment"
_NAME = re.compile(
    r"(?P<begun>\d{8}T\d{6}\.\d{6}Z-[0-9a-f]{8}-\d{6})(?:\.(?P<edition>\d+))?-[0-9a-f]{12}"
)
_HEAD = Packed("<II")


class Erased(msgspec.Struct, frozen=True):
    """A note of rows that were erased from a segment."""

    at: str  # in ISO form
    rows: int  # scored rows
    requests: int  # erased whole, as none of their rows was left


class Header(msgspec.Struct, frozen=True, tag="header"):
    """The header of a segment."""

    pipeline: str
    version: int
    manifest: str  # SHA-256 of the version's manifest
    fields: dict[str, Kind]
    outputs: dict[str, Kind]
    redacted: dict[str, Literal["dropped", "hashed"]]  # a hashed column is text, whatever it was
    share: float  # of the requests that are logged
    started_at: str  # in ISO form
    format: int = FORMAT
    erased: tuple[Erased, ...] = ()
    origins: dict[str, Kind] = {}  # of what is logged of the rows that look-ups and windows read

    @property
    def kinds(self) -> dict[str, Kind]:
        """Kinds of all logged columns."""
        return {**self.fields, **self.outputs}

    @property
    def written(self) -> dict[str, Kind]:
        """Kinds of all that is written of a row, in this order."""
        return {**self.kinds, **self.origins}


class Block(msgspec.Struct, frozen=True, tag=1, array_like=True):
    """Requests that were answered together, by column."""

    ids: list[str]
    at: list[int]  # when each came, in microseconds since 1970, UTC
    latency: list[int]  # microseconds until it was logged, right before the response
    status: list[int]
    rows: list[int]  # scored rows of each
    # the request's place in the block, the row's in the request, and by reason the column at fault
    # and the rule
    rejected: list[tuple[int, int, list[tuple[str, str]]]]
    # the columns of the scored rows except texts, one after the other, each as the little-endian
    # bytes of its array; a time is microseconds since 1970
    numbers: bytes
    texts: list[list[str | None]]
    tables: dict[str, str] = {}  # versions of the tables that look-ups and windows read


class End(msgspec.Struct, frozen=True, tag=2, array_like=True):
    """The end of a sealed segment."""

    requests: int
    rows: int  # scored rows
    # requests that were answered meanwhile and not logged, by the share that is; None where the
    # process was killed
    left_out: int | None


Frame: TypeAlias = Block | End

_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(Frame).decode
_decode_header = msgspec.msgpack.Decoder(Header).decode


def framed(value: Header | Frame) -> bytes:
    """A frame's bytes."""
    payload = _encode(value)
    return _HEAD.pack(len(payload), crc32(payload)) + payload


def beginning(header: Header) -> bytes:
    """The bytes with which a segment begins."""
    return MAGIC + framed(header)


@dataclass(frozen=True)
class Requests:
    """The requests of a segment, in the order in which they were answered."""

    ids: list[str]
    at: Ints  # when each came, in microseconds since 1970, UTC
    latency: Ints  # microseconds until it was answered
    status: Ints
    rows: Ints  # scored rows of each
    rejected: Ints  # number of rejected rows of each
    tables: list[dict[str, str]]  # versions of the tables that look-ups and windows read for each

    def __len__(self) -> int:
        return len(self.ids)


@dataclass(frozen=True)
class LogSegment:
    """A sealed segment, read."""

    name: str
    header: Header
    end: End
    requests: Requests
    columns: Columns  # fields and outputs of the scored rows, one request's after the other's
    origins: Columns  # facts about the rows of tables that look-ups and windows read for these rows

    @property
    def rows(self) -> int:
        """Number of scored rows."""
        return int(self.requests.rows.sum())


def segment_names(folder: Path) -> list[str]:
    """Names of the sealed segments in a folder, the oldest first, each in its last edition."""
    return [editions[-1] for editions in _editions(folder)]


def remove_superseded(folder: Path) -> None:
    """Remove the editions of segments that later ones have replaced; nobody reads them any more."""
    for editions in _editions(folder):
        for name in editions[:-1]:
            segment_path(folder, name).unlink(missing_ok=True)


def next_edition(name: str, data: bytes) -> str:
    """The name of a segment's next edition, which has these bytes."""
    begun, edition = _parts(name)
    return f"{begun}.{edition + 1}-{digest(data)}"


def _editions(folder: Path) -> list[list[str]]:
    """The editions of each sealed segment in order, the oldest segment first."""
    names = (path.stem for path in folder.glob(f"*{SEALED}") if _NAME.fullmatch(path.stem))
    by_segment = groupby(sorted(names, key=_parts), key=lambda name: _parts(name)[0])
    return [list(editions) for _, editions in by_segment]


def _parts(name: str) -> tuple[str, int]:
    """When and by whom a segment was begun, and the number of its edition."""
    parts = _NAME.fullmatch(name)
    if parts is None:
        raise ValueError(f"{name} is no name of a segment")
    return parts["begun"], int(parts["edition"] or 0)


def segment_path(folder: Path, name: str) -> Path:
    """The file of a sealed segment."""
    return folder / f"{name}{SEALED}"


def read_segment(path: Path) -> LogSegment:
    """Read a sealed segment, all of it or nothing; raises where it is missing or damaged."""
    try:
        data = path.read_bytes()
    except FileNotFoundError as error:
        raise MissingSegmentError(
            f"There is no segment {path}; segments are kept for as long as `keep` and `keep_bytes` "
            "of the pipeline's RequestLog say."
        ) from error
    except IsADirectoryError as error:
        raise DamagedSegmentError(f"{path} is no sealed segment: it is a folder.") from error
    if not path.stem.endswith(f"-{digest(data)}"):
        raise DamagedSegmentError(
            f"{path} is not what was sealed: its bytes do not have the digest in its name. It was "
            "changed or damaged since, and nothing of it can be judged."
        )
    try:
        return _segment(path.stem, data)
    except ValueError as error:
        raise DamagedSegmentError(f"{path} is no sealed segment: {error}.") from error


def digest(data: bytes) -> str:
    """The digest of a segment's bytes, as its name holds it."""
    return short_digest(hashlib.sha256(data))


def short_digest(hasher: hashlib._Hash) -> str:
    """The part of a SHA-256 that a segment's name holds."""
    return hasher.hexdigest()[:12]


def scan(data: bytes) -> tuple[Header | None, int, Iterator[tuple[int, Frame]]]:
    """Read a segment: its header, where that ends, and its other frames, each with where it ends.

    What is behind the first frame that is not whole is left out; the header is None, and ends at 0,
    where it is not whole itself. Raises DamagedSegmentError where it has another format.
    """
    start = _payload(data, len(MAGIC)) if data.startswith(MAGIC) else None
    try:
        header = _decode_header(start) if start is not None else None
    except msgspec.DecodeError:
        header = None
    if start is None or header is None:
        return None, 0, iter(())
    if header.format != FORMAT:
        raise DamagedSegmentError(
            f"a segment has format {header.format}, and this Lockstep reads {FORMAT}"
        )
    offset = len(MAGIC) + _HEAD.size + len(start)
    return header, offset, _frames(data, offset)


def _frames(data: bytes, offset: int) -> Iterator[tuple[int, Frame]]:
    while (payload := _payload(data, offset)) is not None:
        try:
            frame = _decode(payload)
        except msgspec.DecodeError:
            return
        offset += _HEAD.size + len(payload)
        yield offset, frame


def _payload(data: bytes, offset: int) -> memoryview | None:
    """The payload of the frame at an offset; None where there is no whole one."""
    start = offset + _HEAD.size
    if start > len(data):
        return None
    length, check = _HEAD.unpack_from(data, offset)
    payload = memoryview(data)[start : start + length]
    # A hole that a file system filled with zeros has the length 0, whose checksum is 0 too.
    return payload if len(payload) == length > 0 and crc32(payload) == check else None


def _segment(name: str, data: bytes) -> LogSegment:
    """The requests of all blocks; a ValueError if they do not fit the header and the end."""
    header, whole, scanned = scan(data)
    frames: list[Frame] = []
    for whole, frame in scanned:  # noqa: B007
        frames.append(frame)
    end = frames.pop() if frames else None
    if header is None or whole < len(data) or not isinstance(end, End):
        raise ValueError(f"no whole frame at byte {whole:,}")
    blocks = [block for block in frames if isinstance(block, Block)]
    if len(blocks) < len(frames):
        raise ValueError("it ends more than once")
    if not blocks and not header.erased:
        raise ValueError("it holds no requests")

    def integers(field: str) -> Ints:
        return np.fromiter(chain.from_iterable(getattr(b, field) for b in blocks), dtype=np.int64)

    requests = Requests(
        ids=list(chain.from_iterable(block.ids for block in blocks)),
        at=integers("at"),
        latency=integers("latency"),
        status=integers("status"),
        rows=integers("rows"),
        rejected=np.array(list(chain.from_iterable(map(_rejected, blocks))), dtype=np.int64),
        tables=[block.tables for block in blocks for _ in block.ids],
    )
    arrays = (requests.at, requests.latency, requests.status, requests.rows)
    counts = {len(requests.ids), *map(len, arrays)}
    if counts != {end.requests}:
        raise ValueError(f"{sorted(counts)} requests, and it was sealed with {end.requests}")
    rows = int(requests.rows.sum())
    if rows != end.rows:
        raise ValueError(f"{counted(rows, 'row')}, and it was sealed with {end.rows}")
    written = _columns(header.written, blocks, rows)
    origins = {name: written.pop(name) for name in header.origins}
    return LogSegment(name, header, end, requests, written, origins)


def _rejected(block: Block) -> list[int]:
    """The number of rejected rows of each request."""
    counts = [0] * len(block.ids)
    for place, _, _ in block.rejected:
        if not 0 <= place < len(counts):
            raise ValueError("a block rejects rows of a request that it does not hold")
        counts[place] += 1
    return counts


def _columns(kinds: Mapping[str, Kind], blocks: list[Block], rows: int) -> Columns:
    texts = [name for name, kind in kinds.items() if kind is Kind.TEXT]
    numbers = [(name, kind.dtype) for name, kind in kinds.items() if kind is not Kind.TEXT]
    parts: dict[str, list[Any]] = {name: [] for name in kinds}
    for block in blocks:
        count = sum(block.rows)
        if not count:
            continue
        offset = 0
        for name, dtype in numbers:
            size = count * dtype.itemsize
            parts[name].append(block.numbers[offset : offset + size])
            offset += size
        if offset != len(block.numbers) or len(block.texts) != len(texts):
            raise ValueError("a block does not hold the columns that the header names")
        for name, values in zip(texts, block.texts, strict=True):
            parts[name].extend(values)
    columns: Columns = {name: _array(parts[name], kind) for name, kind in kinds.items()}
    if any(len(array) != rows for array in columns.values()):
        raise ValueError("its columns are not of one length")
    return columns


def _array(parts: list[Any], kind: Kind) -> Array:
    if kind is Kind.TEXT:
        texts = np.empty(len(parts), dtype=object)
        texts[:] = parts
        return texts
    return np.frombuffer(b"".join(parts), dtype=kind.dtype.newbyteorder("<")).astype(
        kind.dtype, copy=False
    )
