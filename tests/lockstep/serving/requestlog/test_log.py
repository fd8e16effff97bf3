"""The log of a process: what is answered is written down before, whatever happens then."""

import errno
import os
import resource
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from lockstep.errors import LogKeyError, UnloggedError
from lockstep.project.home import Home
from lockstep.serving.requestlog.log import Log
from lockstep.serving.requestlog.log_segments import (
    LogSegment,
    read_segment,
    segment_names,
    segment_path,
)
from lockstep.serving.requestlog.settings import Flush, RequestLog
from lockstep.serving.versions.asked import RequestFacts, RequestIds
from lockstep.serving.versions.request_scorer import Scorer

Records = list[dict[str, Any]]
ROOT = Path(__file__).parents[4]
KEY = "a secret of the servers of orders"


def segments(folder: Path) -> list[LogSegment]:
    return [read_segment(segment_path(folder, name)) for name in segment_names(folder)]


def logged_ids(folder: Path) -> list[str]:
    return [one for segment in segments(folder) for one in segment.requests.ids]


def ask(log: Log, scorer: Scorer, records: Records, ids: list[str] | None = None) -> list[str]:
    """Answer and log each record as a request of its own, all in one micro-batch."""
    made = RequestIds()
    asked = [RequestFacts(one, time.monotonic()) for one in ids or [made.next() for _ in records]]
    log.record(scorer, list(zip(asked, scorer.answer([[one] for one in records]), strict=True)))
    return [one.id for one in asked]


def test_the_log_holds_the_fields_as_they_were_decoded_and_the_outputs_as_they_were_computed(
    scorer: Scorer, orders: Records, tmp_path: Path
) -> None:
    with Log(tmp_path, RequestLog()) as log:
        ask(log, scorer, orders)
    (segment,) = segments(tmp_path)
    (together,) = scorer.answer([orders])
    assert tuple(segment.columns) == (
        *scorer.pipeline.record_schema.names,
        *scorer.pipeline.graph.outputs,
    )
    for name, values in segment.columns.items():
        assert values.dtype == together.scored.computed[name].dtype
        assert repr(values.tolist()) == repr(together.scored.computed[name].tolist())


def test_a_row_that_is_refused_leaves_the_rows_of_its_neighbours_in_place(
    scorer: Scorer, orders: Records, tmp_path: Path
) -> None:
    broken = {**orders[1], "price": "dear"}
    with Log(tmp_path, RequestLog()) as log:
        ask(log, scorer, [orders[0], broken, orders[2]])
    (segment,) = segments(tmp_path)
    assert segment.requests.status.tolist() == [200, 422, 200]
    assert segment.requests.rows.tolist() == [1, 0, 1]
    assert segment.columns["order_id"].tolist() == [orders[0]["order_id"], orders[2]["order_id"]]


def test_a_segment_is_of_one_version(scorer: Scorer, orders: Records, tmp_path: Path) -> None:
    other = replace(scorer, loaded=replace(scorer.loaded, version=2, digest="ab" * 32))
    with Log(tmp_path, RequestLog()) as log:
        for number in range(4):
            ask(log, other if number % 2 else scorer, orders[number : number + 1])
    found = {one.header.version: one for one in segments(tmp_path)}
    assert {number: len(one.requests) for number, one in found.items()} == {1: 2, 2: 2}
    assert found[2].header.manifest == "ab" * 32


def test_segments_are_sealed_at_their_size_while_the_log_goes_on(
    scorer: Scorer, orders: Records, tmp_path: Path
) -> None:
    asked: list[str] = []
    with Log(tmp_path, RequestLog(segment_bytes=5_000)) as log:
        for _ in range(20):
            asked += ask(log, scorer, orders[:10])
        log.tend()
        assert len(segment_names(tmp_path)) > 1
    found = segments(tmp_path)
    assert sorted(one for segment in found for one in segment.requests.ids) == sorted(asked)
    assert log.counts.sealed == len(found)


def test_a_segment_is_sealed_at_its_age_though_nobody_asks_any_more(
    scorer: Scorer, orders: Records, tmp_path: Path
) -> None:
    with Log(tmp_path, RequestLog(segment_age=timedelta(microseconds=1))) as log:
        asked = ask(log, scorer, orders[:3])
        log.tend()
        assert logged_ids(tmp_path) == asked


def test_the_same_share_of_ids_is_logged_by_every_process(
    scorer: Scorer, orders: Records, tmp_path: Path
) -> None:
    ids = [f"request {number}" for number in range(200)]
    for folder in ("one", "other"):
        with Log(tmp_path / folder, RequestLog(share=0.25)) as log:
            for start in range(0, 200, 20):
                ask(log, scorer, orders[:20], ids[start : start + 20])
        assert log.counts.left_out + log.counts.logged == 200
    kept = logged_ids(tmp_path / "one")
    assert kept == logged_ids(tmp_path / "other")
    assert 25 < len(kept) < 80
    (segment,) = segments(tmp_path / "one")
    assert (segment.header.share, segment.end.left_out) == (0.25, 200 - len(kept))
    expected = [orders[int(one.split()[1]) % 20]["order_id"] for one in kept]
    assert segment.columns["order_id"].tolist() == expected


def test_dropped_columns_are_nowhere_in_the_log(
    scorer: Scorer, orders: Records, tmp_path: Path
) -> None:
    with Log(tmp_path, RequestLog(drop=("order_id", "price"))) as log:
        ask(log, scorer, orders[:5])
    (segment,) = segments(tmp_path)
    assert not {"order_id", "price"} & segment.columns.keys()
    assert segment.header.redacted == {"order_id": "dropped", "price": "dropped"}
    (path,) = tmp_path.glob("*.segment")
    assert orders[0]["order_id"].encode() not in path.read_bytes()


def test_hashed_columns_are_alike_where_their_values_are_and_tell_nothing_without_the_key(
    scorer: Scorer, orders: Records, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = [orders[0], orders[1], {**orders[2], "country": None}, orders[0]]
    for key in (KEY, KEY, "another secret of theirs"):
        monkeypatch.setenv("LOCKSTEP_LOG_KEY", key)
        with Log(tmp_path, RequestLog(hash=("order_id", "price", "country"))) as log:
            ask(log, scorer, rows)
    same, again, other = segments(tmp_path)
    for name in ("order_id", "price"):
        hashes = same.columns[name].tolist()
        assert hashes[0] == hashes[3] != hashes[1]
        assert hashes == again.columns[name].tolist()
        assert not {*hashes} & {*other.columns[name].tolist()}
    assert same.columns["country"][2] is None


def test_without_a_key_nothing_that_is_to_be_hashed_is_served(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("LOCKSTEP_LOG_KEY", raising=False)
    with pytest.raises(LogKeyError, match="LOCKSTEP_LOG_KEY holds no key: set it to a secret"):
        Log(tmp_path, RequestLog(hash=("order_id",)))


# What is on disk by when


@pytest.fixture
def forced(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """How large the file was each time that one was forced to disk."""
    sizes: list[int] = []
    for name in ("fsync", "fdatasync"):
        real = getattr(os, name)

        def force(handle: int, real: Any = real) -> None:
            sizes.append(os.fstat(handle).st_size)
            real(handle)

        monkeypatch.setattr(os, name, force)
    return sizes


@pytest.mark.parametrize(
    ("flush", "written", "tended"),
    [("always", 2, 2), ("interval", 0, 1), ("segment", 0, 0), ("never", 0, 0)],
)
def test_what_was_written_is_forced_to_disk_when_that_is_declared(
    flush: Flush,
    written: int,
    tended: int,
    scorer: Scorer,
    orders: Records,
    tmp_path: Path,
    forced: list[int],
) -> None:
    log = Log(tmp_path, RequestLog(flush=flush))
    for number in range(2):
        ask(log, scorer, orders[number : number + 1])
    assert len(forced) == written
    log.tend()
    log.tend()
    assert len(forced) == tended


@pytest.mark.parametrize("flush", ["always", "interval", "segment"])
def test_a_sealed_segment_is_on_disk_as_a_whole(
    flush: Flush, scorer: Scorer, orders: Records, tmp_path: Path, forced: list[int]
) -> None:
    with Log(tmp_path, RequestLog(flush=flush)) as log:
        ask(log, scorer, orders[:3])
    (path,) = tmp_path.glob("*.segment")
    assert path.stat().st_size in forced


def test_what_is_written_while_a_segment_is_sealed_is_forced_to_disk_in_time(
    scorer: Scorer,
    orders: Records,
    tmp_path: Path,
    forced: list[int],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    log = Log(tmp_path, RequestLog(flush="interval", segment_bytes=5_000))
    ask(log, scorer, orders)  # which fills a segment
    real, written = os.fsync, list[str]()

    def sealing(handle: int) -> None:
        written.extend([] if written else ask(log, scorer, orders[:1]))
        real(handle)

    monkeypatch.setattr(os, "fsync", sealing)
    log.tend()

    assert written
    (path,) = tmp_path.glob("*.open")
    assert path.stat().st_size in forced


# A disk that is full


@contextmanager
def room_for(size: int) -> Iterator[None]:
    """The kernel refuses to let a file grow beyond this: it takes a part, then nothing."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def test_where_the_disk_is_full_requests_are_refused_and_none_is_half_logged(
    scorer: Scorer, orders: Records, tmp_path: Path
) -> None:
    answered: list[str] = []
    with Log(tmp_path, RequestLog()) as log:
        with room_for(10_000), pytest.raises(UnloggedError, match="nothing goes unlogged"):  # noqa: PT012
            while True:
                answered += ask(log, scorer, orders[:7])
        assert log.failing is not None
        assert (log.counts.refused, log.counts.unlogged) == (7, 0)
        answered += ask(log, scorer, orders[:7])
        assert log.failing is None
    assert logged_ids(tmp_path) == answered


def test_where_the_disk_is_full_requests_are_answered_unlogged_if_that_is_declared(
    scorer: Scorer, orders: Records, tmp_path: Path
) -> None:
    with Log(tmp_path, RequestLog(when_full="serve")) as log:
        with room_for(10_000):
            for _ in range(30):
                ask(log, scorer, orders[:7])
        assert log.counts.unlogged > 0
        ask(log, scorer, orders[:7])
    assert len(logged_ids(tmp_path)) == log.counts.logged == 31 * 7 - log.counts.unlogged


def test_a_segment_that_cannot_be_begun_leaves_nothing_behind(
    scorer: Scorer, orders: Records, tmp_path: Path
) -> None:
    with Log(tmp_path, RequestLog()) as log:
        with room_for(30), pytest.raises(UnloggedError):
            ask(log, scorer, orders[:1])
        assert not list(tmp_path.glob("*.open"))


def test_a_segment_that_cannot_be_sealed_is_recovered_later(
    scorer: Scorer, orders: Records, tmp_path: Path
) -> None:
    with Log(tmp_path, RequestLog(segment_age=timedelta(microseconds=1))) as log:
        asked = ask(log, scorer, orders[:7])
        with room_for((next(tmp_path.glob("*.open"))).stat().st_size + 3):
            log.tend()
        assert log.failing is not None
    with Log(tmp_path, RequestLog()) as log:
        assert log.counts.recovered == 7
    assert logged_ids(tmp_path) == asked


def test_after_half_a_write_that_cannot_be_taken_back_another_segment_is_begun(
    scorer: Scorer, orders: Records, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(handle: int, size: int) -> None:
        raise OSError(errno.EIO, "the disk fails")

    with Log(tmp_path, RequestLog()) as log:
        answered = ask(log, scorer, orders[:7])
        size = next(tmp_path.glob("*.open")).stat().st_size
        with monkeypatch.context() as patch, room_for(size + 50):
            patch.setattr(os, "ftruncate", fail)
            with pytest.raises(UnloggedError):
                ask(log, scorer, orders[:7])
        answered += ask(log, scorer, orders[:7])
    with Log(tmp_path, RequestLog()) as log:
        assert (log.counts.recovered, log.counts.torn_bytes) == (7, 50)
    assert sorted(logged_ids(tmp_path)) == sorted(answered)


# Several processes


@pytest.fixture
def writers(live_home: Path, tmp_path: Path) -> Iterator[list[subprocess.Popen[str]]]:
    """Two processes that log to one folder."""
    found = [
        subprocess.Popen(
            [
                *(sys.executable, "-m", "tests.fixtures.log_writer"),
                *(str(Home(live_home).live("orders")), str(tmp_path / "log"), "2000"),
            ],
            cwd=ROOT,
            stdout=subprocess.PIPE,
            text=True,
        )
        for _ in range(2)
    ]
    yield found
    for one in found:
        one.kill()
        one.wait()
        if one.stdout is not None:
            one.stdout.close()


@pytest.mark.long
def test_processes_that_share_a_folder_lose_nothing_and_neither_does_a_killed_one(
    writers: list[subprocess.Popen[str]], tmp_path: Path
) -> None:
    killed, other = writers
    assert killed.stdout is not None
    assert other.stdout is not None
    told = [killed.stdout.readline().strip() for _ in range(700)]
    killed.send_signal(signal.SIGKILL)
    told += [line.strip() for line in killed.stdout if line.endswith("\n")]
    told += [line.strip() for line in other.stdout]
    assert other.wait() == 0
    with Log(tmp_path / "log", RequestLog()):
        pass
    logged = logged_ids(tmp_path / "log")
    assert {*told} <= {*logged}
    assert len(logged) == len({*logged}) <= len(told) + 1
