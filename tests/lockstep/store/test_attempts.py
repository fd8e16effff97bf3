"""Attempts: what is recorded of one, which one counts, and what becomes of the others."""

import hashlib
import json
import math
import os
import shutil
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from socket import gethostname

import pyarrow as pa
import pytest
from pyarrow import parquet

from lockstep.errors import (
    BlockedError,
    DamagedError,
    NotStoredError,
    ReplacedError,
    SupersededError,
)
from lockstep.store.attempts import Attempt, StepRecord, sha256, write_part
from lockstep.store.partition_records import Records
from lockstep.store.results import CheckResult
from lockstep.store.state_files import write_state
from lockstep.store.status import Progress, RunProgress, findings, progress_of
from tests.fixtures.writes import carried_out, demanded, start

DAY, NEXT = "2020-03-01", "2020-03-02"


def again(partition: str) -> str:
    return f"lockstep score orders --day {partition}"


@pytest.fixture
def records(tmp_path: Path) -> Records:
    return Records(tmp_path / "daily", again, exported="published")


def table(value: int) -> pa.Table:
    return pa.table({"x": [value]})


def ingest(records: Records, value: int, *, run: str = "run", partition: str = DAY, **kept) -> None:
    with records.step(partition, "batch", run) as attempt:
        attempt.write("batch", table(value))
        attempt.keep("batch", StepRecord(**kept))


def publish(records: Records, *, run: str = "run", partition: str = DAY) -> None:
    with records.step(partition, "published", run, after=["batch"]) as attempt:
        attempt.write("published", attempt.read("batch"))
        attempt.keep("published", StepRecord())
        records.commit(attempt)


def score(records: Records, value: int, *, run: str = "run", partition: str = DAY) -> None:
    ingest(records, value, run=run, partition=partition)
    publish(records, run=run, partition=partition)


def exported(records: Records, partition: str = DAY) -> int:
    """The value that consumers read."""
    return parquet.read_table(records.export_path(partition)).column("x")[0].as_py()


def values(attempt: Attempt) -> int:
    return attempt.read("published").column("x")[0].as_py()


# What is recorded


def test_a_step_comes_back_from_its_record_as_it_was_kept(records: Records) -> None:
    result = CheckResult(
        False, "weight jumped", "WARN", "weight", {"shifts": 1}, [{"column": "weight"}], {"a": "b"}
    )
    kept = StepRecord({"rows_in": 3}, {"sudden_shift": result}, {}, 7, "5a1c", {"accepted": ["x"]})
    with records.step(DAY, "batch", "run") as attempt:
        attempt.write("batch", table(1))
        done = attempt.keep("batch", kept)
    assert set(done.files) == {"batch.parquet"}
    assert next(records.newest_first(DAY)).record.steps == {"batch": done}


def test_figures_that_are_no_finite_numbers_are_kept_as_they_are(records: Records) -> None:
    numbers = {"index": math.inf, "share": math.nan, "rows": 3}
    found = CheckResult.from_json(CheckResult(True, "", numbers=numbers).to_json())
    assert found.numbers["index"] == math.inf
    assert math.isnan(found.numbers["share"])
    assert found.numbers["rows"] == 3


def test_a_long_table_is_kept_in_part(records: Records) -> None:
    result = CheckResult(
        False, "many", table=[{"row": row, "text": "x" * 9999} for row in range(99)]
    )
    rows = result.to_json()["table"]
    assert (len(rows), rows[0]["row"], len(rows[0]["text"])) == (50, 0, 1000)


def test_a_partition_named_like_a_path_stays_inside_its_folder(records: Records) -> None:
    score(records, 1, partition="../../escape")
    assert (records.partitions(), records.attempted()) == (["../../escape"],) * 2
    assert exported(records, "../../escape") == 1


# What counts


def test_an_attempt_counts_once_it_is_committed(records: Records) -> None:
    ingest(records, 1)
    assert (records.partitions(), records.committed(DAY)) == ([], None)
    publish(records)
    assert records.partitions() == [DAY]
    assert values(records.committed(DAY)) == exported(records) == 1


def test_without_a_committed_attempt_the_command_to_make_one_is_told(records: Records) -> None:
    with pytest.raises(NotStoredError, match=f"has gone through yet: {again(DAY)}"):
        records.demand(DAY)


def test_a_blocked_attempt_leaves_the_committed_one_and_its_export(records: Records) -> None:
    score(records, 1)
    ingest(records, 2, run="later", blocked_by={"sudden_shift": "weight jumped"})
    with pytest.raises(BlockedError, match="is blocked by sudden_shift: weight jumped"):
        publish(records, run="later")
    assert values(records.committed(DAY)) == exported(records) == 1


def test_a_later_step_alone_takes_over_the_steps_before_it(records: Records) -> None:
    score(records, 1)
    publish(records, run="by hand")
    assert records.numbers(DAY) == [1, 2]
    assert records.committed(DAY).record.run == "by hand"
    assert values(records.committed(DAY)) == 1
    assert values(records.attempt(DAY, 1)) == 1


def test_a_later_step_alone_takes_over_nothing_older_than_the_last_one(records: Records) -> None:
    score(records, 1)
    with records.step(DAY, "batch", "begins") as attempt:
        attempt.keep("batch", StepRecord())
    with (
        pytest.raises(BlockedError, match="scored of 2020-03-01 has not been materialized"),
        records.step(DAY, "published", "by hand", after=["batch", "scored"]),
    ):
        pass


def test_files_that_a_killed_step_left_are_taken_over_by_nobody(records: Records) -> None:
    score(records, 1)
    with records.step(DAY, "batch", "killed") as attempt:
        attempt.write("batch", table(2))
    publish(records, run="by hand")
    assert values(records.committed(DAY)) == exported(records) == 1


def test_files_that_a_killed_step_left_are_removed_by_the_next_attempt(records: Records) -> None:
    score(records, 1, run="published")
    with records.step(DAY, "batch", "killed") as killed:
        killed.write("batch", table(2))
        killed.keep("batch", StepRecord())
        killed.keep_reason("it was killed")
    left = ("scored-3.parquet", ".days-3.arrow", ".past-0.msgpack", ".keys-1.npy")
    for name in (*left, ".batch.parquet.instead", ".writing-0.tmp"):
        (killed.folder / name).write_bytes(b"half")
    ingest(records, 3, run="next")
    kept = {path.name for path in killed.folder.iterdir()}
    assert kept == {"batch.parquet", "record.json", "reason.txt"}
    assert records.attempt(DAY, killed.number).read("batch").column("x").to_pylist() == [2]
    assert values(records.committed(DAY)) == exported(records) == 1


def test_a_part_of_an_attempt_is_read_without_the_digests_of_the_others(records: Records) -> None:
    with records.step(DAY, "batch", "run") as attempt:
        for number in range(3):
            file, digest = write_part(attempt.folder, "batch", number, table(number))
            attempt.written[file] = digest
        attempt.keep("batch", StepRecord())
    alone = attempt.only("batch-2.parquet")
    assert alone.read_part("batch", 2).column("x").to_pylist() == [2]
    with pytest.raises(DamagedError, match=r"batch-1\.parquet is missing"):
        alone.read_part("batch", 1)
    attempt.path("batch-2.parquet").write_bytes(attempt.path("batch-1.parquet").read_bytes())
    with pytest.raises(DamagedError, match="changed or damaged since"):
        alone.read_part("batch", 2)


def test_processes_that_make_the_same_part_at_once_leave_it_whole(tmp_path: Path) -> None:
    """As where a node of a cluster counts as lost, and its task is made elsewhere, too."""
    values = pa.table({"x": range(20_000)})

    def work() -> list[str]:
        return [write_part(tmp_path, "batch", 3, values)[1] for _ in range(30)]

    processes = [start(work) for _ in range(2)]
    digests = {digest for process in processes for digest in demanded(process.end()).value}
    assert digests == {sha256(tmp_path / "batch-3.parquet")}
    assert [path.name for path in tmp_path.iterdir()] == ["batch-3.parquet"]


def test_two_runs_of_one_partition_do_not_mix_their_files(records: Records) -> None:
    ingest(records, 1, run="first")
    ingest(records, 2, run="second")
    publish(records, run="second")
    with pytest.raises(SupersededError, match="Attempt 1 at daily/2020-03-01 is not committed"):
        publish(records, run="first")
    assert values(records.committed(DAY)) == exported(records) == 2


def test_a_step_that_failed_half_way_can_be_carried_out_again_by_its_run(records: Records) -> None:
    ingest(records, 1)
    with records.step(DAY, "published", "run", after=["batch"]) as attempt:
        attempt.write("published", table(9))
    publish(records)
    assert (records.numbers(DAY), values(records.committed(DAY))) == ([1], 1)


# Damage


def test_a_file_that_was_edited_is_refused_with_what_to_do(records: Records) -> None:
    ingest(records, 1)
    parquet.write_table(table(9), next(records.newest_first(DAY)).path("batch.parquet"))
    message = rf"batch.parquet is not what attempt 1 at {DAY} wrote.*{again(DAY)}"
    with pytest.raises(DamagedError, match=message):
        publish(records)
    with pytest.raises(DamagedError, match=message):
        publish(records, run="by hand")
    assert records.partitions() == []


def test_a_file_that_is_missing_is_refused_with_what_to_do(records: Records) -> None:
    score(records, 1)
    records.committed(DAY).path("published.parquet").unlink()
    with pytest.raises(DamagedError, match=f"is missing, which attempt 1 at {DAY} wrote"):
        values(records.committed(DAY))


def test_an_attempt_that_was_replaced_while_it_was_open_is_to_be_read_again(
    records: Records,
) -> None:
    score(records, 1)
    opened = records.committed(DAY)
    for number in range(2, 6):
        score(records, number)
    with pytest.raises(ReplacedError, match=f"attempt 1 at {DAY} is kept no longer.*read it again"):
        values(opened)


def test_a_record_that_was_edited_after_the_commit_is_refused(records: Records) -> None:
    score(records, 1)
    path = records.committed(DAY).path("record.json")
    path.write_text(path.read_text().replace("run", "RUN"))
    with pytest.raises(DamagedError, match="it was changed after it was published"):
        records.committed(DAY)


def test_what_is_opened_for_a_step_is_opened_once_and_anew_for_the_next(records: Records) -> None:
    score(records, 1)
    of_a_step = records.for_a_step()
    opened = of_a_step.demand(DAY)
    opened.path("record.json").write_text("{}")
    assert of_a_step.demand(DAY) is opened
    with pytest.raises(DamagedError, match="it was changed after it was published"):
        records.for_a_step().demand(DAY)


OF_NO_TIME = '{"partition": "%s", "attempt": 1, "committed_at": "%s", "record": ""}'


@pytest.mark.parametrize(
    "text",
    [
        *("", "{}", '{"format": 2}', "[]"),
        OF_NO_TIME % (DAY, "yesterday"),
        OF_NO_TIME % (DAY, "2024-01-01T00:00:00"),
    ],
)
def test_a_damaged_commit_is_told_and_mended_by_another_attempt(records: Records, text) -> None:
    score(records, 1)
    (records.root / "records" / f"{DAY}.json").write_text(text)
    with pytest.raises(DamagedError, match=f"does not tell which attempt at {DAY} counts"):
        records.committed(DAY)
    score(records, 2, run="again")
    assert values(records.committed(DAY)) == exported(records) == 2


def test_when_commits_were_written_is_told_while_another_is_written(records: Records) -> None:
    score(records, 1)
    (records.root / "records" / ".writing-1.tmp").symlink_to("moved-to-its-place-meanwhile")
    assert [partition for _, partition in records.written()] == [DAY]


def test_a_copy_of_a_commit_under_another_name_is_told_by_its_name(records: Records) -> None:
    score(records, 1)
    commit = records.root / "records" / f"{DAY}.json"
    stray = commit.with_name(f"{DAY}-copy.json")
    stray.write_bytes(commit.read_bytes())
    with pytest.raises(DamagedError, match=f"-copy.json is a copy of the record of {DAY}"):
        records.demand(f"{DAY}-copy")


# What consumers read


def test_a_commit_that_is_lost_is_told_where_consumers_read_its_export(records: Records) -> None:
    score(records, 1)
    (records.root / "records" / f"{DAY}.json").unlink()
    with pytest.raises(DamagedError, match=rf"is missing.*lockstep score orders --day {DAY}"):
        records.before(NEXT, 9)
    score(records, 2, run="again")
    assert records.before(NEXT, 9) == [DAY]


def test_the_record_of_another_partition_is_none_though_its_digest_agrees(records: Records) -> None:
    score(records, 1)
    score(records, 2, partition=NEXT)
    path = records.demand(NEXT).path("record.json")
    path.write_bytes(records.demand(DAY).path("record.json").read_bytes())
    agree(records, NEXT, path.read_bytes())
    with pytest.raises(DamagedError, match=f"is a copy of the record of {DAY}"):
        records.demand(NEXT)


def agree(records: Records, partition: str, record: bytes) -> None:
    """Have the commit of a partition agree with another record of its attempt."""
    path = records.root / "records" / f"{partition}.json"
    commit = records.commit_of(partition)
    assert commit is not None
    write_state(path, replace(commit, record=hashlib.sha256(record).hexdigest()))


def test_a_partition_whose_attempts_were_removed_is_mended_by_another(records: Records) -> None:
    score(records, 1, run="first")
    score(records, 2, run="second")
    shutil.rmtree(records.root / "attempts" / DAY)
    score(records, 3, run="third")
    assert (values(records.demand(DAY)), exported(records)) == (3, 3)


def test_nothing_is_committed_that_consumers_could_not_read(records: Records) -> None:
    score(records, 1)
    with records.step(DAY, "batch", "later") as attempt:
        attempt.keep("batch", StepRecord())
        with pytest.raises(DamagedError, match=r"published\.parquet is missing"):
            records.commit(attempt)
    assert values(records.committed(DAY)) == exported(records) == 1


def test_what_a_killed_process_committed_is_exported_by_the_next(records: Records) -> None:
    score(records, 1)
    score(records, 2, run="again")
    records.export_path(DAY).unlink()
    ingest(records, 3, partition=NEXT)
    assert exported(records) == 2


def test_an_older_export_is_replaced_by_the_next_process(
    records: Records, monkeypatch: pytest.MonkeyPatch
) -> None:
    score(records, 1)
    with monkeypatch.context() as patch:
        patch.setattr(
            "lockstep.store.partition_records.Records._export", lambda *_: None
        )  # killed there
        score(records, 2, run="again")
    assert exported(records) == 1
    ingest(records, 3, partition=NEXT)
    assert exported(records) == 2


def test_a_file_that_came_as_parquet_keeps_its_name(records: Records) -> None:
    for file in ("a-1.parquet", "b-2.csv"):
        score(records, 1, partition=file)
    names = [path.name for path in (records.root / "published").iterdir()]
    assert sorted(names) == ["a-1.parquet", "b-2.csv.parquet"]


# What is kept


def test_the_last_attempts_are_kept(records: Records) -> None:
    for number in range(1, 6):
        score(records, number, run=str(number))
    assert records.numbers(DAY) == [3, 4, 5]


def test_the_committed_attempt_is_kept_however_many_blocked_ones_follow(records: Records) -> None:
    score(records, 1)
    for number in range(5):
        ingest(records, 2, run=str(number), blocked_by={"decoding": "no rows"})
    assert records.numbers(DAY) == [1, 5, 6]
    assert values(records.committed(DAY)) == 1


def test_an_attempt_that_is_kept_no_longer_is_told_from_those_that_are(records: Records) -> None:
    score(records, 1)
    with pytest.raises(
        NotStoredError, match="No attempt 7 at daily/2020-03-01 is kept; there are 1"
    ):
        records.attempt(DAY, 7)


# What is told of it


def said(records: Records) -> list[str]:
    """What is wrong with a partition, as `lockstep checks` tells it."""
    found = findings(records, DAY, runs=lambda _: "ended")
    return [one.result.summary for one in found if one.result.is_error]


def test_results_of_the_last_attempt_are_told(records: Records) -> None:
    score(records, 1)
    result = CheckResult(False, "no rows")
    ingest(
        records, 2, run="later", results={"decoding": result}, blocked_by={"decoding": "no rows"}
    )
    assert said(records) == ["no rows"]


def test_an_attempt_that_broke_off_is_told_with_what_is_published(records: Records) -> None:
    ingest(records, 1)
    (told,) = said(records)
    assert "broke off before scored was recorded. Nothing is published of it" in told


def test_an_attempt_that_goes_on_is_no_finding_between_two_steps_either(records: Records) -> None:
    ingest(records, 1)
    (found,) = findings(records, DAY)
    assert not found.result.judged
    by = f"process {os.getpid()} on {gethostname()}"
    assert f" goes on, by {by}. Nothing is published of it." in found.result.summary


LONG_AGO = "2020-03-01T12:00:00+00:00"
"""When an attempt was begun and its step ended, of which nobody has heard since."""
HERE, KILLED, REBOOTED, ELSEWHERE = (
    lambda process: process,
    lambda process: {**process, "started": process["started"] - 1},  # a later one has its number
    lambda process: {**process, "boot": "of a day before"},
    lambda process: {**process, "host": "another machine"},
)
NOT_KNOWN = None
"""In records of before."""


@pytest.mark.parametrize(
    ("process", "is_long_ago", "run", "progress"),
    [
        # What the run says is so, whatever becomes of processes.
        (KILLED, False, "under_way", "under_way"),
        (KILLED, True, "interrupted", "interrupted"),
        (HERE, False, "ended", "broken_off"),
        # Without it, the process says so.
        (HERE, True, "unknown", "under_way"),
        (KILLED, False, "unknown", "broken_off"),
        (REBOOTED, False, "unknown", "broken_off"),
        # It may yet be told that another run follows.
        (KILLED, False, "not_asked", "interrupted"),
        # Without either, only time tells.
        (ELSEWHERE, False, "unknown", "under_way"),
        (ELSEWHERE, True, "unknown", "broken_off"),
        (NOT_KNOWN, False, "unknown", "under_way"),
        (NOT_KNOWN, True, "unknown", "broken_off"),
    ],
)
def test_the_progress_of_an_attempt_is_told_by_its_run_its_process_or_time(
    records: Records,
    process: Callable | None,
    is_long_ago: bool,
    run: RunProgress,
    progress: Progress,
) -> None:
    ingest(records, 1)
    path = records.last(DAY).folder / "record.json"
    record = json.loads(path.read_text())
    by = record.pop("process")
    if process is not NOT_KNOWN:
        record["process"] = process(by)
    if is_long_ago:
        record["started_at"] = record["steps"]["batch"]["finished_at"] = LONG_AGO
    path.write_text(json.dumps(record))
    assert progress_of(records, records.last(DAY), lambda _: run) == progress


def test_an_attempt_of_a_process_that_ended_broke_off(records: Records) -> None:
    carried_out(partial(ingest, records, 1))
    assert progress_of(records, records.last(DAY)) == "broken_off"


def test_an_attempt_that_failed_in_a_process_that_goes_on_broke_off(records: Records) -> None:
    ingest(records, 1)
    with pytest.raises(ValueError, match="no rows"), records.keeping_reason(DAY, "run"):
        raise ValueError("no rows")
    assert progress_of(records, records.last(DAY)) == "broken_off"


@pytest.mark.parametrize("file", ["batch.parquet", "published.parquet", "record.json"])
def test_damage_to_what_is_published_is_told(records: Records, file: str) -> None:
    score(records, 1)
    assert said(records) == []
    records.committed(DAY).path(file).write_text("x")
    (told,) = said(records)
    assert file in told


def test_an_export_that_is_missing_or_edited_is_told(records: Records) -> None:
    score(records, 1)
    parquet.write_table(table(9), records.export_path(DAY))
    assert "is not what attempt 1 at 2020-03-01 made for consumers" in said(records)[0]
    assert values(records.committed(DAY)) == 1
    records.export_path(DAY).unlink()
    assert "is not what attempt 1 at 2020-03-01 made for consumers" in said(records)[0]


def test_a_run_goes_on_with_the_attempt_that_it_began(records: Records) -> None:
    records.begin(DAY, "run")
    score(records, 1)
    assert records.numbers(DAY) == [1]
