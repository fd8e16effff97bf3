"""The sensors: one follows @champion, one takes files in."""

import errno
import gzip
import os
import socket
import subprocess
import time
from dataclasses import dataclass
from datetime import date
from pathlib import Path

import dagster as dg
import pandas as pd
import pytest
from pyarrow import parquet

from assets.orders import ASSETS, orders_with_fates
from lockstep.dagster.definitions import definitions, resources
from lockstep.dagster.jobs import WANTED, job_name
from lockstep.dagster.runs import RunReport, run_job
from lockstep.dagster.sensors import sensors
from lockstep.dagster.tries import MOST_TRIES, PROCESS
from lockstep.errors import RegistryUnreachableError
from lockstep.store.contents import IncrementalDigest
from lockstep.store.live_version import Live
from tests.fixtures.orders import PROJECT, Workplace
from tests.fixtures.ports import free_port
from tests.fixtures.registries import Killed, killed_after

PROMOTE = job_name("orders", "promote")
CHAMPION, INBOX, _ = sensors(ASSETS)


# Following @champion


def record_run(
    instance: dg.DagsterInstance, job: str, status: dg.DagsterRunStatus, tags: dict[str, str]
) -> dg.DagsterRun:
    """Have a run recorded of which no step failed."""
    definition = definitions(PROJECT).resolve_job_def(job)
    return instance.create_run_for_job(definition, status=status, tags=tags)


@dataclass
class Follower:
    """The champion sensor, with a cursor that it keeps from tick to tick."""

    place: Workplace
    cursor: str | None = None

    def tick(
        self, becomes: dg.DagsterRunStatus = dg.DagsterRunStatus.SUCCESS
    ) -> list[dg.RunRequest]:
        """What it asks for, of which Dagster makes runs that end so."""
        with dg.build_sensor_context(
            instance=self.place.instance, cursor=self.cursor, resources=resources(PROJECT)
        ) as context:
            found = CHAMPION.evaluate_tick(context)
        self.cursor = found.cursor
        requests = list(found.run_requests or ())
        for request in requests:
            record_run(self.place.instance, PROMOTE, becomes, request.tags)
        return requests

    def want(self, version: int) -> None:
        """Move `@champion`."""
        self.place.registry.set_alias("orders", "champion", version)

    def let_through(self) -> int:
        """What the run does that was asked for; the version that is live then."""
        wanted = self.place.registry.alias("orders", "champion")
        assert wanted is not None
        self.place.let_serve(wanted.version)
        return self.live

    @property
    def live(self) -> int:
        """The version that `@live` points to."""
        shown = self.place.registry.alias("orders", "live")
        assert shown is not None
        return shown.version


@pytest.fixture
def follower(two_versions: Workplace) -> Follower:
    """The sensor before its first tick, two versions trained, nothing wanted and nothing live."""
    for run in two_versions.instance.get_runs(dg.RunsFilter(job_name=PROMOTE)):
        two_versions.instance.delete_run(run.run_id)
    registry, pointer = two_versions.registry, two_versions.home.live("orders")
    for alias in ("champion", "live"):
        registry._connection.client.delete_registered_model_alias("orders", alias)
    for decision in two_versions.serving.state().decisions.log:
        registry.untag_model("orders", decision.key)
    pointer.unlink()
    return Follower(two_versions)


def test_nothing_is_requested_before_there_is_a_champion(follower: Follower) -> None:
    assert follower.tick() == []


def test_a_moved_champion_requests_the_run_that_puts_it_live_once(follower: Follower) -> None:
    follower.want(1)
    assert len(follower.tick()) == 1
    assert follower.tick() == []
    assert run_job(PROJECT, PROMOTE, follower.place.instance).ok
    assert follower.live == 1


def test_a_gate_that_was_killed_before_it_wrote_anything_is_asked_again_a_few_times(
    follower: Follower,
) -> None:
    follower.want(1)
    keys = [
        request.run_key for _ in range(9) for request in follower.tick(dg.DagsterRunStatus.FAILURE)
    ]
    assert keys[0] == "move 1 to version 1"
    assert len(set(keys)) == len(keys) == MOST_TRIES


def test_a_gate_is_asked_again_once_its_process_is_gone(follower: Follower) -> None:
    instance = follower.place.instance
    follower.want(1)
    follower.tick(dg.DagsterRunStatus.STARTED)
    assert follower.tick() == []
    (run,) = instance.get_runs(dg.RunsFilter(job_name=PROMOTE))
    gone = subprocess.Popen(["true"])
    gone.wait()
    instance.add_run_tags(run.run_id, {PROCESS: f"{gone.pid} another host"})
    assert follower.tick() == []
    instance.add_run_tags(run.run_id, {PROCESS: f"{gone.pid} {socket.gethostname()}"})
    assert len(follower.tick()) == 1
    assert instance.get_run_by_id(run.run_id).status is dg.DagsterRunStatus.FAILURE


def test_there_and_back_again_requests_a_run_of_its_own_each_time(follower: Follower) -> None:
    keys, live = [], []
    for version in (1, 2, 1, 2):
        follower.want(version)
        keys += [request.run_key for request in follower.tick()]
        live.append(follower.let_through())
    assert live == [1, 2, 1, 2]
    assert len(set(keys)) == len(keys) == 4


def test_nothing_is_requested_for_a_version_that_was_promoted_by_hand(follower: Follower) -> None:
    follower.want(1)
    follower.let_through()
    assert follower.tick() == []


@pytest.mark.parametrize("status", [dg.DagsterRunStatus.STARTED, dg.DagsterRunStatus.SUCCESS])
def test_a_version_that_a_command_puts_through_the_gate_is_not_put_through_it_again(
    follower: Follower, status: dg.DagsterRunStatus
) -> None:
    """Whether the command is at work, or its version was not let through."""
    follower.want(1)
    follower.tick()
    follower.let_through()
    record_run(follower.place.instance, PROMOTE, status, {WANTED: "2"})
    follower.want(2)
    assert follower.tick() == []


def test_a_version_that_was_not_let_through_is_asked_again_once_people_come_back_to_it(
    follower: Follower,
) -> None:
    follower.want(2)
    assert len(follower.tick()) == 1
    follower.want(1)
    follower.tick()
    follower.let_through()
    follower.want(2)
    assert len(follower.tick()) == 1


def test_a_champion_that_returns_before_it_was_seen_leaving_requests_nothing(
    follower: Follower,
) -> None:
    follower.want(1)
    follower.tick()
    follower.let_through()
    follower.want(2)
    follower.want(1)
    assert follower.tick() == []


def test_a_tick_carries_a_move_to_its_end_that_a_killed_gate_began(follower: Follower) -> None:
    follower.want(1)
    follower.let_through()
    registry = killed_after(PROJECT.home.registry(), 1)
    live = Live(registry, "orders", PROJECT.home.live("orders"))
    with pytest.raises(Killed):
        live.move(registry.load("orders", 2))
    follower.tick()
    assert follower.live == 2


def test_a_registry_that_does_not_answer_is_one_clear_error_of_the_tick(
    workplace: Workplace, monkeypatch: pytest.MonkeyPatch
) -> None:
    address = f"http://127.0.0.1:{free_port()}"
    monkeypatch.setenv("MLFLOW_TRACKING_URI", address)
    with pytest.raises(RegistryUnreachableError, match=f"{address} does not answer"):
        Follower(workplace).tick()


# Taking files in


class Inbox:
    """The inbox of `orders`, and the sensor that empties it."""

    def __init__(self, workplace: Workplace) -> None:
        self.workplace = workplace
        self.folder: Path = workplace.home.inbox("orders")
        self.folder.mkdir(parents=True)

    def drop(self, name: str, frame: pd.DataFrame | None = None, *, age: float = 3600) -> None:
        """Put a file in, last written to so many seconds ago."""
        path = self.folder / name
        if frame is None:
            path.write_bytes(b"PAR1 and no more")
        elif path.suffix == ".csv":
            frame.to_csv(path, index=False)
        elif path.suffix == ".parquet":
            frame.to_parquet(path)
        else:
            frame.to_json(path, orient="records", lines=True, date_format="iso", date_unit="us")
        os.utime(path, (time.time() - age,) * 2)

    def tick(self) -> list[str]:
        """The partitions that the sensor asks to be scored, has made known and has runs of."""
        found = self.evaluate()
        for request in found.dynamic_partitions_requests or ():
            self.workplace.instance.add_dynamic_partitions(
                request.partitions_def_name, request.partition_keys
            )
        asked = [request.partition_key for request in found.run_requests or ()]
        for partition in asked:
            self.record(partition, dg.DagsterRunStatus.STARTED)
        return asked

    def record(self, partition: str, status: dg.DagsterRunStatus) -> None:
        """Have a run of a partition recorded of which no step failed."""
        tags = {"dagster/partition": partition}
        job = job_name("orders", "score_inbox")
        record_run(self.workplace.instance, job, status, tags)

    def evaluate(self) -> dg.SensorResult:
        with dg.build_sensor_context(
            instance=self.workplace.instance, resources=resources(PROJECT)
        ) as context:
            return INBOX(context)

    def told(self, partition: str) -> str:
        """The text beside a claimed file."""
        return (self.folder / "claimed" / f"{partition}.txt").read_text()

    def score(self, partition: str) -> bool:
        """Whether a file is published that is scored as a run does it."""
        return self.workplace.publishes(partition, stream="inbox")

    def run(self, partition: str) -> RunReport:
        """Score a file in a run."""
        job = job_name("orders", "score_inbox")
        return run_job(PROJECT, job, self.workplace.instance, partition=partition)

    def published(self, partition: str) -> list[float]:
        """The predictions of a file."""
        path = self.workplace.records("inbox").export_path(partition)
        risk: list[float] = parquet.read_table(path).column("risk").to_pylist()
        return risk


@pytest.fixture
def inbox(live: Workplace) -> Inbox:
    return Inbox(live)


def some_orders(day: int) -> pd.DataFrame:
    frame = orders_with_fates(date(2020, 4, day), 40)
    return frame.drop(columns=["returned", "cost"])


def test_files_of_each_kind_are_scored_and_published_alike(inbox: Inbox) -> None:
    frames = {suffix: some_orders(day) for day, suffix in enumerate(("csv", "jsonl", "parquet"), 1)}
    for suffix, frame in frames.items():
        inbox.drop(f"{suffix}.{suffix}", frame)
    partitions = inbox.tick()
    assert [partition.partition("-")[0] for partition in partitions] == ["csv", "jsonl", "parquet"]
    assert all(inbox.score(partition) for partition in partitions)
    pipeline = inbox.workplace.home.registry().load("orders", "live").pipeline
    for partition in partitions:
        expected = pipeline.predict(frames[partition.partition("-")[0]])
        assert inbox.published(partition) == expected["risk"].tolist()


def test_a_folder_with_a_malformed_line_is_scored_once_without_it_however_often_it_comes(
    inbox: Inbox,
) -> None:
    frame = some_orders(1)
    lines = frame.to_csv(index=False).splitlines(keepends=True)
    lines[4] = lines[4].rstrip("\n") + ",more\n"
    parts = {
        "part-0.csv.gz": gzip.compress("".join(lines[:21]).encode()),
        "part-1.csv": "".join((lines[0], *lines[21:])).encode(),
        "_SUCCESS": b"",
    }
    for name in ("monday", "again"):
        folder = inbox.folder / name
        folder.mkdir()
        for part, content in parts.items():
            (folder / part).write_bytes(content)
        for path in (*folder.iterdir(), folder):
            os.utime(path, (time.time() - 3600,) * 2)
    (partition,) = inbox.tick()
    inbox.record(partition, dg.DagsterRunStatus.FAILURE)  # its run is killed
    assert inbox.tick() == [partition]
    assert inbox.score(partition)
    assert inbox.tick() == []
    pipeline = inbox.workplace.home.registry().load("orders", "live").pipeline
    expected = pipeline.predict(frame.drop(index=3))
    assert inbox.published(partition) == expected["risk"].tolist()
    (aside,) = (
        next(inbox.workplace.records("inbox").newest_first(partition))
        .read("batch_quarantine")
        .to_pylist()
    )
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
        told = inbox.evaluate().skip_reason.skip_message
    assert "monday.csv is left for the next time: Input/output error." in told
    assert len(inbox.tick()) == 1


def test_an_unreadable_file_is_set_aside_with_its_reason_while_others_go_on(inbox: Inbox) -> None:
    inbox.drop("broken.parquet")
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


def test_an_unreadable_file_that_is_repaired_and_dropped_again_is_scored(inbox: Inbox) -> None:
    inbox.drop("orders.csv", some_orders(1).drop(columns="price"))
    (lacking,) = inbox.tick()
    assert not inbox.score(lacking)
    assert "price" in (inbox.folder / "rejected" / f"{lacking}.txt").read_text()
    inbox.drop("orders.csv", some_orders(1))
    (repaired,) = inbox.tick()
    assert inbox.score(repaired)


def test_a_file_that_is_still_being_written_is_left_alone(inbox: Inbox) -> None:
    inbox.drop("growing.csv", some_orders(1), age=0)
    assert inbox.tick() == []
    inbox.drop("growing.csv", some_orders(2))
    assert len(inbox.tick()) == 1


def test_a_file_of_another_kind_is_named_by_the_tick(inbox: Inbox) -> None:
    (inbox.folder / "orders.xlsx").write_bytes(b"PK")
    skipped = inbox.evaluate().skip_reason
    assert skipped is not None
    assert "orders.xlsx" in (skipped.skip_message or "")


def test_what_is_no_file_and_what_has_an_odd_name_is_told_while_all_else_is_scored(
    inbox: Inbox,
) -> None:
    os.mkfifo(inbox.folder / "pipe.csv")
    (inbox.folder / os.fsdecode(b"notes\xff")).mkdir()
    inbox.drop("future.csv", some_orders(1), age=-86_400)
    inbox.drop(os.fsdecode(b"caf\xe9.csv"), some_orders(2))
    inbox.drop("sound.csv", some_orders(3))
    observed = inbox.evaluate().asset_events
    assert [event.description.split(" ")[0] for event in observed] == [
        "future.csv",
        "notes%FF",
        "pipe.csv",
    ]
    assert (inbox.folder / "pipe.csv.txt").read_text().startswith("left: pipe.csv is a pipe")
    odd, sound = inbox.tick()
    assert odd.startswith("caf%E9-")
    assert inbox.score(odd)
    assert inbox.score(sound)
    assert not inbox.evaluate().asset_events


def test_a_file_that_grows_after_it_was_scored_is_told_once(inbox: Inbox) -> None:
    inbox.drop("monday.csv", some_orders(1))
    (partition,) = inbox.tick()
    inbox.score(partition)
    with (inbox.folder / "claimed" / partition).open("a") as writer:
        writer.write("one more row\n")
    (observed,) = inbox.evaluate().asset_events
    assert "it was changed after it was claimed" in observed.description
    assert inbox.told(partition).startswith("changed: ")
    assert not inbox.evaluate().asset_events


# What became of them


def test_a_file_that_was_published_has_a_text_beside_it_that_says_where(inbox: Inbox) -> None:
    inbox.drop("monday.csv", some_orders(1))
    (partition,) = inbox.tick()
    waiting = inbox.told(partition)
    assert waiting.startswith(f"waiting: {partition}: it is complete and will be scored.")
    report = inbox.run(partition)
    what, where, _ = inbox.told(partition).splitlines()
    assert report.figure("/published", "what became of the file").startswith(what)
    assert what == (f"published: {partition}: 40 rows in, 40 scored by version 1, 0 set aside.")
    path = inbox.workplace.home.path / where.removeprefix("Where: ")
    assert path == inbox.workplace.store.root / "inbox" / "published" / f"{partition}.parquet"
    assert path.is_file()


def test_a_file_that_a_check_blocks_says_which_and_follows_when_it_is_scored_again(
    inbox: Inbox,
) -> None:
    inbox.drop("monday.csv", some_orders(1))
    (partition,) = inbox.tick()
    inbox.workplace.registry._connection.client.delete_registered_model_alias("orders", "live")
    inbox.score(partition)
    what, _, todo = inbox.told(partition).splitlines()
    assert what.startswith(f"blocked: {partition}: live_version failed: ")
    assert f"`lockstep score orders --file {partition}`" in todo
    inbox.workplace.registry.set_alias("orders", "live", 1)
    inbox.score(partition)
    assert inbox.told(partition).startswith("published: ")


def test_a_file_whose_run_was_killed_is_scored_again_and_says_so_beside_it(inbox: Inbox) -> None:
    inbox.drop("monday.csv", some_orders(1))
    (partition,) = inbox.tick()
    inbox.workplace.records("inbox").begin(partition, "a run that is killed")
    inbox.record(partition, dg.DagsterRunStatus.FAILURE)
    assert inbox.tick() == [partition]
    assert inbox.told(partition).startswith(f"waiting: {partition}: its run was killed before it ")
    assert inbox.tick() == []
    assert inbox.score(partition)
    assert inbox.tick() == []


def test_a_file_whose_runs_are_killed_again_and_again_is_left_to_a_person(inbox: Inbox) -> None:
    inbox.drop("monday.csv", some_orders(1))
    (partition,) = inbox.tick()
    for _ in range(MOST_TRIES):
        inbox.record(partition, dg.DagsterRunStatus.FAILURE)
    assert inbox.tick() == []
    told = inbox.folder / "claimed" / f"{partition}.txt"
    assert told.read_text().startswith(f"failed: {partition}: it could not be scored: its runs ")
    before = told.stat().st_mtime_ns
    assert (inbox.tick(), told.stat().st_mtime_ns) == ([], before)


def test_a_file_that_a_check_blocks_is_not_asked_for_again(inbox: Inbox) -> None:
    inbox.drop("monday.csv", some_orders(1).head(0))
    (partition,) = inbox.tick()
    assert not inbox.score(partition)
    assert inbox.tick() == []


def test_a_file_whose_content_came_before_says_so_and_what_became_of_that(inbox: Inbox) -> None:
    inbox.drop("monday.csv", some_orders(1))
    (partition,) = inbox.tick()
    inbox.drop("tuesday.csv", some_orders(1))
    (observed,) = inbox.evaluate().asset_events
    (repeated,) = (inbox.folder / "repeated").glob("*.csv")
    assert observed.asset_key == dg.AssetKey(["orders", "inbox", "batch"])
    assert f"{repeated.name}: its content came before" in observed.description
    inbox.score(partition)
    told = repeated.with_name(f"{repeated.name}.txt").read_text()
    assert told.startswith(f"repeated: {repeated.name}: its content came before, and is scored ")
    assert f"once; published: {partition}: 40 rows in" in told


def test_a_repetition_is_told_once(inbox: Inbox) -> None:
    inbox.drop("monday.csv", some_orders(1))
    inbox.tick()
    inbox.drop("tuesday.csv", some_orders(1))
    told = inbox.evaluate().skip_reason
    assert told is not None
    assert "its content came before" in (told.skip_message or "")
    assert not inbox.evaluate().asset_events
