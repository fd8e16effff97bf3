"""A disk that is full or closed: a line says so, nothing is half done, and a rerun goes through."""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from lockstep.errors import LockstepError
from lockstep.store.disks import disk_error
from lockstep.store.parquet import Store
from tests.fixtures.disks import SmallDisk, small_disk
from tests.fixtures.orders import copied_workplace
from tests.fixtures.places import FILE, Delivery, Place
from tests.fixtures.recorded import content_of

pytestmark = pytest.mark.long

DAY = "2020-03-01"


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[SmallDisk]:
    with small_disk(tmp_path / "disk", 8) as mounted:
        yield mounted


@pytest.fixture
def before(place: Place, deliveries: Sequence[Delivery], disk: SmallDisk) -> Place:
    """A place on the small disk in which the first delivery is published."""
    declared = replace(place.declared, kept_attempts=100)  # none is removed, which would make room
    place = replace(place, declared=declared, store=Store(disk.path / "data" / "orders"))
    place.score(deliveries[0].file)
    return place


def refused(place: Place, file: Path) -> str:
    """Score a file, which a disk refuses; what a person is told."""
    with pytest.raises(OSError, match=r"\[Errno") as raised:
        place.score(file)
    return str(disk_error(raised.value))


@pytest.mark.parametrize("level", [0.0, 0.3, 0.6, 0.85])
def test_a_disk_on_which_there_is_room_for_a_part_of_a_run_keeps_what_was_published(
    before: Place, deliveries: Sequence[Delivery], disk: SmallDisk, level: float
) -> None:
    first, second = deliveries
    free = shutil.disk_usage(disk.path).free
    before.score(first.file)
    needed = free - shutil.disk_usage(disk.path).free
    assert needed > 0
    with disk.with_room_for(int(needed * level)):
        assert "cannot be written, since its disk is full" in refused(before, second.file)
        assert content_of(before.export) == first.content
        assert before.recorded() == first.wanted
    before.score(second.file)
    assert before.recorded() == second.wanted
    assert content_of(before.export) == second.content


def test_a_store_that_may_only_be_read_is_read(
    before: Place, deliveries: Sequence[Delivery], disk: SmallDisk
) -> None:
    first, second = deliveries
    with disk.closed():
        assert "is closed to this user (Read-only file system)" in refused(before, second.file)
        assert content_of(before.export) == first.content
        assert before.recorded() == first.wanted
        assert before.records.numbers(FILE) == [1]
    before.score(second.file)
    assert before.recorded() == second.wanted


def test_a_home_whose_disk_is_full_tells_it_in_a_line_and_scores_once_there_is_room(
    scored_home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    size = sum(file.stat().st_size for file in scored_home.rglob("*") if file.is_file())
    with (
        small_disk(tmp_path / "disk", size // 2**20 * 2 + 32) as disk,
        copied_workplace(scored_home, disk.path / "home", monkeypatch) as live,
    ):
        export = live.records().export_path(DAY)
        before = export.read_bytes()
        with disk.with_room_for(40_000):
            with pytest.raises(LockstepError, match="disk is full") as raised:
                live.score(DAY)
            assert len(str(raised.value).splitlines()) == 1
            assert export.read_bytes() == before
        report = live.score(DAY)
        assert report.ok, report.error
        assert [export.read_bytes()] != [before]
