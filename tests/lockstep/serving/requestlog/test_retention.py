"""Retention: what goes, what stays, and that a wrong clock takes nothing that nobody has seen."""

import logging
import os
import stat
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from lockstep.artifacts.version import LoadedVersion
from lockstep.errors import ArtifactError
from lockstep.project.home import Home
from lockstep.project.pipelines import pipelines
from lockstep.scoring.request_replay import replay_segment
from lockstep.serving.requestlog.log import Log, Retained, remove_old
from lockstep.serving.requestlog.log_segments import segment_names, segment_path
from lockstep.serving.requestlog.segment_files import SegmentFile
from lockstep.serving.requestlog.settings import RequestLog
from lockstep.store.parquet import Store
from tests.fixtures.orders import PROJECT
from tests.lockstep.serving.requestlog.conftest import answered, blocks, header, some_columns

AHEAD = datetime.now(UTC) + timedelta(days=400)


def aged(folder: Path, count: int) -> list[Path]:
    """Sealed segments of 1,000 bytes, each a day older than the next, the last written now."""
    now = datetime.now(UTC)
    paths = []
    folder.mkdir(exist_ok=True)
    for number in range(count):
        at = now - timedelta(days=count - 1 - number)
        paths.append(segment_path(folder, f"{at:%Y%m%dT%H%M%S.%fZ}-0000abcd-000001-0123456789ab"))
        paths[-1].write_bytes(bytes(1000))
        os.utime(paths[-1], (at.timestamp(),) * 2)
    return paths


def replayed(folder: Path, paths: list[Path]) -> Path:
    """A folder with records of the replays of segments."""
    folder.mkdir()
    for path in paths:
        (folder / f"{path.stem}.json").touch()
    return folder


def test_replayed_segments_go_when_they_are_too_old(tmp_path: Path) -> None:
    paths = aged(tmp_path / "log", 5)
    seen = replayed(tmp_path / "records", paths)
    kept = RequestLog(keep=timedelta(days=2.5))
    assert remove_old(tmp_path / "log", kept, seen) == Retained(removed=2, lost=0, overdue=0)
    assert [path.exists() for path in paths] == [False, False, True, True, True]


def test_a_clock_that_runs_ahead_takes_nothing_that_was_not_replayed(tmp_path: Path) -> None:
    paths = aged(tmp_path / "log", 5)
    seen = replayed(tmp_path / "records", paths[:2])
    retained = remove_old(tmp_path / "log", RequestLog(), seen, AHEAD)
    assert retained == Retained(removed=2, lost=0, overdue=3)
    assert [path.exists() for path in paths] == [False, False, True, True, True]


def test_the_oldest_segments_go_when_they_are_too_many_and_the_lost_ones_are_counted(
    tmp_path: Path,
) -> None:
    paths = aged(tmp_path / "log", 5)
    seen = replayed(tmp_path / "records", paths[1:2])
    retained = remove_old(tmp_path / "log", RequestLog(keep_bytes=2_500), seen)
    assert retained == Retained(removed=3, lost=2, overdue=0)
    assert [path.exists() for path in paths] == [False, False, False, True, True]


def test_there_is_an_end_to_what_is_kept_by_default() -> None:
    assert RequestLog().keep_bytes == 10 * 2**30


def test_torn_bytes_are_kept_no_longer_than_segments(tmp_path: Path) -> None:
    torn = tmp_path / "torn" / "of old"
    torn.parent.mkdir()
    torn.write_bytes(b"torn")
    remove_old(tmp_path, RequestLog(), None)
    assert torn.exists()
    remove_old(tmp_path, RequestLog(), None, datetime.now(UTC) + timedelta(days=31))
    assert not torn.exists()


def test_what_is_kept_beyond_its_time_and_what_is_lost_is_told(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    aged(tmp_path / "log", 5)
    caplog.set_level(logging.INFO, logger="lockstep.serving")
    settings = RequestLog(keep=timedelta(days=2.5), keep_bytes=4_500)
    with Log(tmp_path / "log", settings) as log:
        assert (log.overdue, log.counts.removed, log.counts.lost) == (1, 1, 1)
    assert "1 segment was removed" in caplog.text
    assert "before being replayed, since `keep_bytes` has no room" in caplog.text
    assert "1 segment in" in caplog.text
    assert "Or the clock runs ahead." in caplog.text


def test_a_replay_is_recorded_where_a_server_looks_for_it(tmp_path: Path) -> None:
    home = Home(tmp_path)
    folder = home.requests("orders")
    file = SegmentFile(folder / "20200301T120000.000000Z-0000abcd-000001.open", header())
    file.append(blocks(answered(some_columns(2), [1, 1])), force=False)
    path = file.seal(force=False)
    assert path is not None
    declared = pipelines(PROJECT).declared["orders"]

    def load(number: int) -> LoadedVersion:
        raise ArtifactError(f"version {number} is gone")

    replay_segment(declared, Store(home.data / "orders"), path, "run", load)
    assert [record.stem for record in home.replayed("orders").glob("*.json")] == [path.stem]
    assert remove_old(folder, RequestLog(), home.replayed("orders"), AHEAD).removed == 1
    assert segment_names(folder) == []


# Who may read it


def test_nobody_but_its_owner_reads_the_log(tmp_path: Path) -> None:
    folder = tmp_path / "log"
    before = os.umask(0)
    try:
        file = SegmentFile(folder / "20200301T120000.000000Z-0000abcd-000001.open", header())
        file.append(blocks(answered(some_columns(2), [1, 1])), force=False)
        sealed = file.seal(force=False)
        left = SegmentFile(folder / "20200301T120000.000000Z-0000abcd-000002.open", header())
        os.write(left._handle, b"torn")
        os.close(left._handle)
        with Log(folder, RequestLog()):
            pass
    finally:
        os.umask(before)
    assert sealed is not None
    modes = {
        path.relative_to(folder).parts[0] if path != folder else "": stat.S_IMODE(
            path.stat().st_mode
        )
        for path in (folder, *folder.rglob("*"))
        if not path.is_dir() or path in (folder, folder / "torn")
    }
    assert {mode for name, mode in modes.items() if (folder / name).is_file()} == {0o600}
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert stat.S_IMODE((folder / "torn").stat().st_mode) == 0o700
    (torn,) = (folder / "torn").iterdir()
    assert stat.S_IMODE(torn.stat().st_mode) == 0o600
