"""The sensor of the inbox: files and objects that come are scored once, and told of."""

import errno
import gzip
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import dagster as dg
import pandas as pd
import pytest
from pyarrow import parquet

from assets.orders import ASSETS
from lockstep.dagster.jobs import job_name
from lockstep.dagster.run_reports import RunReport
from lockstep.dagster.runs import run_job
from lockstep.dagster.sensors import sensors
from lockstep.dagster.tries import MOST_TRIES
from lockstep.errors import ProjectError
from lockstep.store.contents import IncrementalDigest
from tests.fixtures.commands import Lockstep
from tests.fixtures.object_store import SECRET, Bucket, ObjectStore
from tests.fixtures.order_store import orders_of
from tests.fixtures.orders import PROJECT, Checkout, Workplace
from tests.fixtures.ticks import asked_for, look, record_run, skipped

_, INBOX, _ = sensors(ASSETS)
JOB = job_name("orders", "score_inbox")
OLD = 60
"""Seconds after which a file or object is complete, and more."""
Status = dg.DagsterRunStatus


class Inbox:
    """The inbox of `orders`, and the sensor that empties it."""

    def __init__(self, place: Workplace) -> None:
        self.place = place
        self.folder: Path = place.home.inbox("orders")
        self.folder.mkdir(parents=True)

    def drop(self, name: str, content: pd.DataFrame | bytes, *, age: float = OLD) -> None:
        """Put a file in, last written to so many seconds ago."""
        path = self.folder / name
        path.parent.mkdir(exist_ok=True)
        if isinstance(content, bytes):
            path.write_bytes(content)
        elif path.suffix == ".csv":
            content.to_csv(path, index=False)
        elif path.suffix == ".parquet":
            content.to_parquet(path)
        else:
            content.to_json(path, orient="records", lines=True, date_format="iso", date_unit="us")
        for changed in {path, path.parent} - {self.folder}:
            os.utime(changed, (time.time() - age,) * 2)

    def look(self) -> dg.SensorResult:
        """What the sensor answers, of which no run is made."""
        return look(INBOX, self.place)

    def asked(self) -> list[str]:
        """The partitions that the sensor asks to be scored, and has made known."""
        return asked_for(self.look(), self.place)

    def tick(self) -> list[str]:
        """The same; of each there is a run then."""
        asked = self.asked()
        for partition in asked:
            self.record(partition, Status.STARTED)
        return asked

    def record(self, partition: str, status: dg.DagsterRunStatus) -> None:
        """Have a run of a partition recorded of which no step failed."""
        record_run(self.place, JOB, status, partition)

    def claim(self, content: pd.DataFrame | None = None) -> str:
        """Drop a file, and have it claimed; its partition."""
        self.drop("monday.csv", some_orders(1) if content is None else content)
        (partition,) = self.tick()
        return partition

    def told(self, partition: str) -> str:
        """The text beside a claimed file."""
        return (self.folder / "claimed" / f"{partition}.txt").read_text()

    def score(self, partition: str) -> bool:
        """Whether a file is published that is scored as a run does it."""
        return self.place.publishes(partition, stream="inbox")

    def run(self, partition: str) -> RunReport:
        """Score a file in a run."""
        return run_job(PROJECT, JOB, self.place.instance, partition=partition)

    def published(self, partition: str) -> list[float]:
        """The predictions of a file."""
        path = self.place.records("inbox").export_path(partition)
        risk: list[float] = parquet.read_table(path).column("risk").to_pylist()
        return risk

    def expected(self, rows: pd.DataFrame) -> list[float]:
        """What the live version predicts."""
        live = self.place.registry.load("orders", "live")
        risk: list[float] = live.pipeline.predict(rows)["risk"].tolist()
        return risk


@pytest.fixture
def inbox(live: Workplace) -> Inbox:
    return Inbox(live)


def some_orders(day: int) -> pd.DataFrame:
    return orders_of(f"2020-04-{day:02}", 40)


def text_of(frame: pd.DataFrame) -> str:
    return frame.to_csv(index=False)


def stem(partition: str) -> str:
    """The name that a claimed file came under."""
    return partition.rpartition("-")[0]


def test_files_of_each_kind_are_scored_and_published_alike(inbox: Inbox) -> None:
    frames = {suffix: some_orders(day) for day, suffix in enumerate(("csv", "jsonl", "parquet"), 1)}
    for suffix, frame in frames.items():
        inbox.drop(f"{suffix}.{suffix}", frame)
    partitions = inbox.tick()
    assert [stem(partition) for partition in partitions] == [*frames]
    for partition in partitions:
        assert inbox.score(partition)
        assert inbox.published(partition) == inbox.expected(frames[stem(partition)])


def test_a_folder_with_a_malformed_line_is_scored_without_it(inbox: Inbox) -> None:
    lines = text_of(some_orders(1)).splitlines(keepends=True)
    lines[4] = lines[4].rstrip("\n") + ",more\n"
    inbox.drop("monday/part-0.csv.gz", gzip.compress("".join(lines[:21]).encode()))
    inbox.drop("monday/part-1.csv", "".join((lines[0], *lines[21:])).encode())
    inbox.drop("monday/_SUCCESS", b"")
    (partition,) = inbox.tick()
    assert inbox.score(partition)
    assert inbox.published(partition) == inbox.expected(some_orders(1).drop(index=3))
    attempt = next(inbox.place.records("inbox").newest_first(partition))
    (aside,) = attempt.read("batch_quarantine").to_pylist()
    assert (aside["row"], aside["columns"]) == (3, [])
    assert aside["reasons"].startswith("line 5 ")
    assert inbox.told(partition).startswith(f"published: {partition}: 40 rows in, 39 scored")


def test_a_file_that_cannot_be_claimed_yet_is_told_by_the_tick(
    inbox: Inbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(reading: IncrementalDigest, path: Path) -> IncrementalDigest:
        raise OSError(errno.EIO, "Input/output error", str(path))

    inbox.drop("monday.csv", some_orders(1))
    with monkeypatch.context() as patch:
        patch.setattr(IncrementalDigest, "further", fail)
        told = skipped(inbox.look())
    assert "monday.csv is left for the next time: Input/output error." in told
    assert len(inbox.tick()) == 1


def test_an_unreadable_file_is_set_aside_with_its_reason_while_others_go_on(inbox: Inbox) -> None:
    inbox.drop("broken.parquet", b"PAR1 and no more")
    inbox.drop("sound.csv", some_orders(1))
    broken, sound = inbox.tick()
    report = inbox.run(broken)
    assert report.error is None
    assert [one.check for one in report.failed] == ["decoding"]
    assert "half-written" in report.failed[0].summary
    told = (inbox.folder / "rejected" / f"{broken}.txt").read_text()
    assert told.startswith(f"rejected: {broken}: decoding failed: ")
    assert "half-written" in told
    assert inbox.score(sound)


def test_what_is_no_file_and_what_has_an_odd_name_is_told_while_all_else_is_scored(
    inbox: Inbox,
) -> None:
    os.mkfifo(inbox.folder / "pipe.csv")
    (inbox.folder / os.fsdecode(b"notes\xff")).mkdir()
    inbox.drop("future.csv", some_orders(1), age=-86_400)
    inbox.drop("growing.csv", some_orders(1), age=0)
    inbox.drop("orders.xlsx", b"PK")
    observed = inbox.look()
    left = ["future.csv", "notes%FF", "orders.xlsx", "pipe.csv"]
    assert [event.description.split(" ")[0] for event in observed.asset_events] == left
    assert (inbox.folder / "pipe.csv.txt").read_text().startswith("left: pipe.csv is a pipe")
    again = inbox.look()
    assert not again.asset_events
    assert [name for name in left if name not in skipped(again)] == []
    inbox.drop(os.fsdecode(b"caf\xe9.csv"), some_orders(2))
    inbox.drop("sound.csv", some_orders(3))
    odd, sound = inbox.tick()
    assert odd.startswith("caf%E9-")
    assert inbox.score(odd)
    assert inbox.score(sound)


def test_a_file_that_grows_after_it_was_scored_is_told_once(inbox: Inbox) -> None:
    partition = inbox.claim()
    inbox.score(partition)
    with (inbox.folder / "claimed" / partition).open("a") as writer:
        writer.write("one more row\n")
    (observed,) = inbox.look().asset_events
    assert "it was changed after it was claimed" in observed.description
    assert inbox.told(partition).startswith("changed: ")
    assert not inbox.look().asset_events


# What became of them


def test_a_file_that_was_published_has_a_text_beside_it_that_says_where(inbox: Inbox) -> None:
    partition = inbox.claim()
    waiting = inbox.told(partition)
    assert waiting.startswith(f"waiting: {partition}: it is complete and will be scored.")
    report = inbox.run(partition)
    what, where, _ = inbox.told(partition).splitlines()
    assert report.figure("/published", "what became of the file").startswith(what)
    assert what == (f"published: {partition}: 40 rows in, 40 scored by version 1, 0 set aside.")
    path = inbox.place.home.path / where.removeprefix("Where: ")
    assert path == inbox.place.store.root / "inbox" / "published" / f"{partition}.parquet"
    assert path.is_file()


def test_a_file_that_a_check_blocks_says_which_and_follows_when_it_is_scored_again(
    inbox: Inbox,
) -> None:
    partition = inbox.claim()
    inbox.place.registry._connection.client.delete_registered_model_alias("orders", "live")
    assert not inbox.score(partition)
    what, _, todo = inbox.told(partition).splitlines()
    assert what.startswith(f"blocked: {partition}: live_version failed: ")
    assert f"`lockstep score orders --file {partition}`" in todo
    inbox.place.registry.set_alias("orders", "live", 1)
    inbox.score(partition)
    assert inbox.told(partition).startswith("published: ")


def test_a_file_whose_run_was_killed_is_scored_again_and_says_so_beside_it(inbox: Inbox) -> None:
    partition = inbox.claim()
    inbox.place.records("inbox").begin(partition, "a run that is killed")
    inbox.record(partition, Status.FAILURE)
    assert inbox.tick() == [partition]
    assert inbox.told(partition).startswith(f"waiting: {partition}: its run was killed before it ")
    assert inbox.tick() == []
    assert inbox.score(partition)
    assert inbox.tick() == []


def test_a_file_whose_runs_are_killed_again_and_again_is_left_to_a_person(inbox: Inbox) -> None:
    partition = inbox.claim()
    for _ in range(MOST_TRIES):
        inbox.record(partition, Status.FAILURE)
    assert inbox.tick() == []
    told = inbox.folder / "claimed" / f"{partition}.txt"
    assert told.read_text().startswith(f"failed: {partition}: it could not be scored: its runs ")
    before = told.stat().st_mtime_ns
    assert (inbox.tick(), told.stat().st_mtime_ns) == ([], before)


def test_a_file_that_a_check_blocks_is_not_asked_for_again(inbox: Inbox) -> None:
    partition = inbox.claim(some_orders(1).head(0))
    assert not inbox.score(partition)
    assert inbox.tick() == []


def test_a_file_whose_content_came_before_says_so_once_and_what_became_of_that(
    inbox: Inbox,
) -> None:
    partition = inbox.claim()
    inbox.drop("tuesday.csv", some_orders(1))
    found = inbox.look()
    (repeated,) = (inbox.folder / "repeated").glob("*.csv")
    (observed,) = found.asset_events
    assert observed.asset_key == dg.AssetKey(["orders", "inbox", "batch"])
    for told in (observed.description, skipped(found)):
        assert f"{repeated.name}: its content came before" in told
    assert not inbox.look().asset_events
    inbox.score(partition)
    told = repeated.with_name(f"{repeated.name}.txt").read_text()
    assert told.startswith(f"repeated: {repeated.name}: its content came before, and is scored ")
    assert f"once; published: {partition}: 40 rows in" in told


# What comes into an object store


@pytest.fixture
def bucket(object_store: ObjectStore, monkeypatch: pytest.MonkeyPatch) -> Bucket:
    """A bucket whose `in/orders` is the inbox of `orders`."""
    made = object_store.bucket()
    monkeypatch.setenv("LOCKSTEP_INBOX", f"{made.address}/in")
    return made


def test_what_comes_into_a_bucket_is_scored_once_and_stays_there(
    bucket: Bucket, inbox: Inbox
) -> None:
    first, second = some_orders(1), some_orders(2)
    bucket.put("in/orders/monday.csv.gz", gzip.compress(text_of(first).encode()), age=OLD)
    for name, part in (("part-0.csv", second[:20]), ("part-1.csv", second[20:])):
        bucket.put(f"in/orders/tuesday/{name}", text_of(part), age=OLD)
    bucket.put("in/orders/tuesday/_SUCCESS", b"", age=OLD)
    bucket.put("in/orders/notes.xlsx", b"PK", age=OLD)
    before = bucket.state()
    asked = sorted(inbox.asked())
    assert [stem(partition) for partition in asked] == ["monday", "tuesday"]
    for frame, partition in zip((first, second), asked, strict=True):
        assert inbox.run(partition).ok
        assert inbox.published(partition) == inbox.expected(frame)
    after = inbox.look()
    assert after.run_requests in (None, [])
    assert "notes.xlsx" in skipped(after)
    assert bucket.state() == before
    told = (inbox.folder / "notes.xlsx.txt").read_text()
    assert told.startswith("left: notes.xlsx is none of .csv, .parquet, .jsonl; it is left alone.")
    assert f"{bucket.address}/in/orders/notes.xlsx" in told


def test_an_object_that_is_replaced_is_scored_beside_the_first_and_observed(
    bucket: Bucket, inbox: Inbox
) -> None:
    frame = some_orders(1)
    bucket.put("in/orders/monday.csv", text_of(frame[:20]), age=2 * OLD)
    (first,) = inbox.asked()
    assert inbox.score(first)
    bucket.put("in/orders/monday.csv", text_of(frame), age=OLD)
    found = inbox.look()
    (event,) = found.asset_events
    assert event.metadata["what became of it"].value == "changed"
    assert "was replaced after it was claimed" in event.description
    (second,) = asked_for(found, inbox.place)
    assert second != first
    report = inbox.run(second)
    assert len(inbox.published(second)) == 40
    assert "restated" in [check.check for check in report.checks if check.result == "warned"]
    assert len(inbox.published(first)) == 20


@contextmanager
def silent(store: ObjectStore) -> Iterator[None]:
    """A store that does not answer."""
    store.stop()
    try:
        yield
    finally:
        store.start_again()


def test_while_a_store_does_not_answer_files_of_this_machine_are_scored(
    bucket: Bucket, inbox: Inbox, object_store: ObjectStore
) -> None:
    bucket.put("in/orders/monday.csv", text_of(some_orders(1)), age=OLD)
    with silent(object_store):
        told = skipped(inbox.look())
        assert f"{bucket.address}/in/orders cannot be read now: " in told
        assert SECRET not in told
        assert "\n" not in told
        inbox.drop("here.csv", some_orders(2))
        assert [stem(partition) for partition in inbox.asked()] == ["here"]
    assert sorted(map(stem, inbox.asked())) == ["here", "monday"]


@pytest.mark.parametrize(
    ("role", "function", "name", "command"),
    [
        ("history", "history", "all.csv", ("train", "orders")),
        ("daily", "orders", "{day}.csv", ("score", "orders", "--day", "2020-03-01")),
    ],
    ids=["a history", "a day"],
)
def test_rows_in_a_store_that_does_not_answer_are_a_line_and_status_2(
    live_checkout: Checkout,
    lockstep: Lockstep,
    object_store: ObjectStore,
    role: str,
    function: str,
    name: str,
    command: tuple[str, ...],
) -> None:
    imported = "FunctionSource, PipelineAssets"
    live_checkout.edit("assets/orders.py", imported, f"CsvSource, {imported}")
    source = f'{role}=CsvSource("s3://nobodys/{name}")'
    live_checkout.edit("assets/orders.py", f"{role}=FunctionSource({function})", source)
    lockstep.go_to(live_checkout.folder, live_checkout.home)
    with silent(object_store):
        ended = lockstep(*command)
    assert ended.status == 2, ended
    (line,) = (line for line in ended.err.splitlines() if "nobodys" in line)
    assert "cannot be read now" in line
    assert SECRET not in ended.out + ended.err
    assert "Traceback" not in ended.err
    assert not (live_checkout.home / "data" / "orders" / "daily" / "published").exists()


@pytest.mark.parametrize(
    ("address", "told"),
    [
        ("bucket/in", "LOCKSTEP_INBOX is bucket/in, no address such as"),
        (
            "s3://key:hidden@bucket/in",
            r"LOCKSTEP_INBOX: s3://key:\*\*\*@bucket/in holds a password",
        ),
    ],
)
def test_an_inbox_that_is_no_address_is_refused_in_a_line(
    monkeypatch: pytest.MonkeyPatch, address: str, told: str
) -> None:
    monkeypatch.setenv("LOCKSTEP_INBOX", address)
    with pytest.raises(ProjectError, match=told) as refused:
        _ = PROJECT.home
    assert "hidden" not in str(refused.value)
