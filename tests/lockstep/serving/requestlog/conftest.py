"""Answered requests, made up: any columns, in any micro-batches."""

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from lockstep.columns.kinds import Columns, Kind
from lockstep.refusals import Reason, Rejected
from lockstep.serving.requestlog.log_blocks import Answered, BlockLayout
from lockstep.serving.requestlog.log_segments import Block, Header
from lockstep.serving.requestlog.segment_files import SegmentFile
from lockstep.serving.versions.asked import RequestFacts
from lockstep.serving.versions.request_scorer import Answer, Scored

FIELDS = {"key": Kind.TEXT, "at": Kind.TIME, "size": Kind.INT, "price": Kind.FLOAT}
OUTPUTS = {"risk": Kind.FLOAT, "late": Kind.BOOL}


def header(fields: dict[str, Kind] | None = None, **others: Any) -> Header:
    known = {
        "pipeline": "orders",
        "version": 3,
        "manifest": "5a1c",
        "fields": FIELDS if fields is None else fields,
        "outputs": OUTPUTS if fields is None else {},
        "redacted": {},
        "share": 1.0,
        "started_at": "2020-03-01T12:00:00+00:00",
    }
    return Header(**{**known, **others})


def some_columns(rows: int, first: int = 0) -> Columns:
    numbers = np.arange(first, first + rows)
    keys = np.empty(rows, dtype=object)
    keys[:] = [f"order {number}" if number % 3 else None for number in numbers]
    return {
        "key": keys,
        "at": numbers.astype("datetime64[us]"),
        "size": numbers,
        "price": numbers / 3,
        "risk": np.where(numbers % 2, np.nan, numbers / 7),
        "late": numbers % 2 == 0,
    }


def answered(columns: Columns, counts: list[int], ids: str = "r") -> list[Answered]:
    """One micro-batch: the rows, parted among requests of so many rows each."""
    scored = Scored(("key",), columns)
    return [
        (
            RequestFacts(f"{ids}{number}", started=1.0),
            Answer(3, scored, list(range(count)), (), count),
        )
        for number, count in enumerate(counts)
    ]


def refused(row: int) -> Rejected:
    return Rejected(
        row, None, (Reason("price", "type", "'x' is text, not a number", "it is no number"),), {}
    )


def blocks(told: list[Answered], head: Header | None = None) -> list[Block]:
    layout = BlockLayout.of(head or header(), None)
    return list(layout.blocks(told, now=1.5, wall=10_000_000))


@pytest.fixture
def open_file(tmp_path: Path) -> SegmentFile:
    return SegmentFile(tmp_path / "20200301T120000.000000Z-0000abcd-000001.open", header())


class SmallDisk:
    """A disk of its own with little room.

    Attributes:
        path: Where it is mounted.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._filler = path / "filler"

    def fill(self, left: int = 0) -> None:
        """Leave so many bytes of it free, in steps of 4,096."""
        handle = os.open(self._filler, os.O_WRONLY | os.O_CREAT)
        try:
            while os.write(handle, bytes(4096)):
                pass
        except OSError:
            os.truncate(handle, os.fstat(handle).st_size - left)
            os.close(handle)

    def make_room(self) -> None:
        self._filler.unlink()


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[SmallDisk]:
    path = tmp_path / "disk"
    path.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=512k", "tmpfs", str(path)]
    mounted = subprocess.run(mount, check=False, capture_output=True, text=True)
    if mounted.returncode:
        pytest.skip(f"no disk can be mounted here: {mounted.stderr.strip()}")
    yield SmallDisk(path)
    subprocess.run(["umount", "--lazy", str(path)], check=True)
