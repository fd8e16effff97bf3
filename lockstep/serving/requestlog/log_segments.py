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
from collections.abc import Iterable, Iterator, Mapping
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


class TornError(Exception):
    """A segment is damaged, or stops before its end frame; its whole frames end at `offset`."""

    def __init__(self, offset: int) -> None:
        super().__init__(offset)
        self.offset = offset

    def __str__(self) -> str:
        return f"no whole frame at byte {self.offset:,}"


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
_decode_header = msgspec.msgpack.Decoder(Header).decode
_decode_frame = msgspec.msgpack.Decoder(Frame).decode


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


def superseded_names(folder: Path) -> list[str]:
    """Names of the editions that later ones have replaced; nobody reads them any more."""
    return [name for editions in _editions(folder) for name in editions[:-1]]


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
    """Read a sealed segment, all of it or nothing.

    Raises:
        MissingSegmentError: There is no such segment.
        DamagedSegmentError: It was changed or damaged since it was sealed.
    """
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
        header, _, frames = scan(data)
        *blocks, end = [frame for _, frame in frames]
        if not isinstance(end, End):
            raise TornError(len(data))
        return _segment(path.stem, header, blocks, end)
    except (TornError, ValueError) as error:
        raise DamagedSegmentError(f"{path} is no sealed segment: {error}.") from error


def digest(data: bytes) -> str:
    """The digest of a segment's bytes, as its name holds it."""
    return short(hashlib.sha256(data).hexdigest())


def short(sha256: str) -> str:
    """The part of a SHA-256, in hexadecimal digits, that a segment's name holds."""
    return sha256[:12]


def scan(data: bytes) -> tuple[Header, int, Iterator[tuple[int, Frame]]]:
    """Read a segment: its header, where that ends, and its other frames, each with where it ends.

    Raises `TornError` where there is no whole header, and the iterator behind the last whole frame;
    DamagedSegmentError where it has another format.
    """
    if not data.startswith(MAGIC):
        raise TornError(0)
    payload, offset = _payload(data, len(MAGIC), 0)
    try:
        header = _decode_header(payload)
    except msgspec.DecodeError:
        raise TornError(0) from None
    if header.format != FORMAT:
        raise DamagedSegmentError(
            f"a segment has format {header.format}, and this Lockstep reads {FORMAT}"
        )
    return header, offset, _frames(data, offset)


def _frames(data: bytes, offset: int) -> Iterator[tuple[int, Frame]]:
    while offset < len(data):
        payload, end = _payload(data, offset, offset)
        try:
            frame = _decode_frame(payload)
        except msgspec.DecodeError:
            raise TornError(offset) from None
        yield end, frame
        offset = end


def _payload(data: bytes, offset: int, whole: int) -> tuple[memoryview, int]:
    """The payload of the frame at an offset, and where it ends; `whole` is for the error."""
    start = offset + _HEAD.size
    if start > len(data):
        raise TornError(whole)
    length, check = _HEAD.unpack_from(data, offset)
    payload = memoryview(data)[start : start + length]
    # A hole that a file system filled with zeros has the length 0, whose checksum is 0 too.
    if not length or len(payload) < length or crc32(payload) != check:
        raise TornError(whole)
    return payload, start + length


def _segment(name: str, header: Header, frames: list[Frame], end: End) -> LogSegment:
    """The requests of all blocks; a ValueError if they do not fit the header and the end."""
    blocks = [block for block in frames if isinstance(block, Block)]
    if len(blocks) < len(frames):
        raise ValueError("it ends more than once")
    if not blocks and not header.erased:
        raise ValueError("it holds no requests")
    requests = Requests(
        ids=list(chain.from_iterable(block.ids for block in blocks)),
        at=_integers(block.at for block in blocks),
        latency=_integers(block.latency for block in blocks),
        status=_integers(block.status for block in blocks),
        rows=_integers(block.rows for block in blocks),
        rejected=_rejected(blocks),
        tables=[block.tables for block in blocks for _ in block.ids],
    )
    counts = {len(requests.ids), *map(len, (requests.at, requests.latency, requests.status))}
    if counts != {end.requests} or len(requests.rows) != end.requests:
        raise ValueError(f"{sorted(counts)} requests, and it was sealed with {end.requests}")
    rows = int(requests.rows.sum())
    if rows != end.rows:
        raise ValueError(f"{counted(rows, 'row')}, and it was sealed with {end.rows}")
    written = _columns(header.written, blocks, rows)
    origins = {name: written.pop(name) for name in header.origins}
    return LogSegment(name, header, end, requests, written, origins)


def _integers(parts: Iterable[list[int]]) -> Ints:
    return np.fromiter(chain.from_iterable(parts), dtype=np.int64)


def _rejected(blocks: list[Block]) -> Ints:
    counts = np.zeros(sum(len(block.ids) for block in blocks), dtype=np.int64)
    start = 0
    for block in blocks:
        for place, _, _ in block.rejected:
            if not 0 <= place < len(block.ids):
                raise ValueError("a block rejects rows of a request that it does not hold")
            counts[start + place] += 1
        start += len(block.ids)
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
