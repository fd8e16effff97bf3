"""An inbox that takes what comes into an object store: the sensor, the runs, and outages."""

import gzip
import os
import time
from datetime import date
from pathlib import Path

import dagster as dg
import pandas as pd
import pytest
from pyarrow import parquet

from assets.orders import ASSETS
from lockstep.dagster.definitions import resources
from lockstep.dagster.jobs import job_name
from lockstep.dagster.runs import run_job
from lockstep.dagster.sensors import sensors
from lockstep.project.project import Project
from tests.fixtures.object_store import SECRET, Bucket, ObjectStore
from tests.fixtures.order_store import orders_of
from tests.fixtures.orders import Checkout, Workplace
from tests.fixtures.ports import free_port
from tests.fixtures.terminal import Terminal

ORDERS = Project.find(Path(__file__).parents[2] / "projects" / "orders")
_, INBOX, _ = sensors(ASSETS)
OLD = 60
"""Seconds after which an object is complete, and more."""


@pytest.fixture
def bucket(object_store: ObjectStore, monkeypatch: pytest.MonkeyPatch) -> Bucket:
    """A bucket whose `in/orders` is the inbox of `orders`."""
    made = object_store.bucket()
    monkeypatch.setenv("LOCKSTEP_INBOX", f"{made.address}/in")
    return made


class Daemon:
    """What Dagster's daemon does with the sensor of the inbox."""

    def __init__(self, place: Workplace) -> None:
        self.place = place

    def tick(self) -> dg.SensorResult:
        with dg.build_sensor_context(
            instance=self.place.instance, resources=resources(ORDERS)
        ) as context:
            found = INBOX(context)
        for request in found.dynamic_partitions_requests or ():
            self.place.instance.add_dynamic_partitions(
                request.partitions_def_name, request.partition_keys
            )
        return found

    def asked(self) -> list[str]:
        """The partitions that a tick asks for."""
        return [str(request.partition_key) for request in self.tick().run_requests or ()]

    def score(self, partition: str):
        job = job_name("orders", "score_inbox")
        return run_job(ORDERS, job, self.place.instance, partition=partition)

    def published(self, partition: str) -> list[float]:
        table = parquet.read_table(self.place.records("inbox").export_path(partition))
        return table.column("risk").to_pylist()


@pytest.fixture
def daemon(live: Workplace) -> Daemon:
    return Daemon(live)


def some_orders(day: int) -> pd.DataFrame:
    return orders_of(date(2020, 4, day), 40)


def text_of(frame: pd.DataFrame) -> str:
    return frame.to_csv(index=False)


def test_what_comes_into_a_bucket_is_scored_once_and_stays_there(
    daemon: Daemon, bucket: Bucket
) -> None:
    first, second = some_orders(1), some_orders(2)
    bucket.put("in/orders/monday.csv.gz", gzip.compress(text_of(first).encode()), age=OLD)
    for name, part in (("part-0.csv", second[:20]), ("part-1.csv", second[20:])):
        bucket.put(f"in/orders/tuesday/{name}", text_of(part), age=OLD)
    bucket.put("in/orders/tuesday/_SUCCESS", b"", age=OLD)
    bucket.put("in/orders/notes.xlsx", b"PK", age=OLD)
    before = bucket.state()
    asked = daemon.asked()
    assert sorted(name.rpartition("-")[0] for name in asked) == ["monday", "tuesday"]
    assert all(daemon.score(partition).ok for partition in asked)
    pipeline = daemon.place.home.registry().load("orders", "live").pipeline
    for frame, partition in zip((first, second), sorted(asked), strict=True):
        assert daemon.published(partition) == pipeline.predict(frame)["risk"].tolist()
    skipped = daemon.tick()
    assert skipped.run_requests in (None, [])
    assert "notes.xlsx" in str(skipped.skip_reason)
    assert bucket.state() == before
    told = (daemon.place.home.inbox("orders") / "notes.xlsx.txt").read_text()
    assert told.startswith("left: notes.xlsx is none of .csv, .parquet, .jsonl; it is left alone.")
    assert f"{bucket.address}/in/orders/notes.xlsx" in told


def test_an_object_that_is_replaced_is_scored_beside_the_first_and_observed(
    daemon: Daemon, bucket: Bucket
) -> None:
    frame = some_orders(1)
    bucket.put("in/orders/monday.csv", text_of(frame[:20]), age=2 * OLD)
    (first,) = daemon.asked()
    assert daemon.score(first).ok
    bucket.put("in/orders/monday.csv", text_of(frame), age=OLD)
    found = daemon.tick()
    (event,) = found.asset_events
    (asked,) = found.run_requests or ()
    assert event.metadata["what became of it"].value == "changed"
    assert "was replaced after it was claimed" in event.description
    second = str(asked.partition_key)
    assert second != first
    report = daemon.score(second)
    assert len(daemon.published(second)) == 40
    assert "restated" in [check.check for check in report.checks if check.result == "warned"]
    assert len(daemon.published(first)) == 20


def test_while_a_store_does_not_answer_files_of_this_machine_are_scored(
    daemon: Daemon, bucket: Bucket, object_store: ObjectStore
) -> None:
    bucket.put("in/orders/monday.csv", text_of(some_orders(1)), age=OLD)
    inbox = daemon.place.home.inbox("orders")
    object_store.stop()
    try:
        told = str(daemon.tick().skip_reason)
        assert f"{bucket.address}/in/orders cannot be read now: " in told
        assert SECRET not in told
        assert "\n" not in told
        here = inbox / "here.csv"
        here.write_text(text_of(some_orders(2)))
        os.utime(here, (time.time() - OLD,) * 2)
        (asked,) = daemon.asked()
        assert asked.startswith("here-")
    finally:
        object_store.start_again()
    names = [name.rpartition("-")[0] for name in daemon.asked()]
    assert sorted(names) == ["here", "monday"]


def test_a_history_in_a_store_that_does_not_answer_is_a_line_and_status_2(
    checkout: Checkout, terminal: Terminal
) -> None:
    assert_told(terminal, checkout, "history", "history", "all.csv", "train", "orders")


def test_a_day_in_a_store_that_does_not_answer_is_a_line_and_status_2(
    live_checkout: Checkout, terminal: Terminal
) -> None:
    command = ("score", "orders", "--day", "2020-03-01")
    assert_told(terminal, live_checkout, "daily", "orders", "{day}.csv", *command)
    assert not (live_checkout.home / "data" / "orders" / "daily" / "published").exists()


def assert_told(
    terminal: Terminal, checkout: Checkout, role: str, function: str, name: str, *command: str
) -> None:
    """Have a source of a checkout read from a store that does not answer, by a command."""
    imported = "FunctionSource, PipelineAssets"
    checkout.edit("assets/orders.py", imported, f"CsvSource, {imported}")
    source = f'{role}=CsvSource("s3://nobodys/{name}")'
    checkout.edit("assets/orders.py", f"{role}=FunctionSource({function})", source)
    endpoint = f"http://127.0.0.1:{free_port()}"
    credentials = {"AWS_ACCESS_KEY_ID": "moto", "AWS_SECRET_ACCESS_KEY": SECRET}
    place = {"project": checkout.folder, "home": checkout.home, "AWS_ENDPOINT_URL": endpoint}
    ended = terminal.lockstep(*command, **place, **credentials)
    assert ended.status == 2, ended.errors
    (line,) = (line for line in ended.errors.splitlines() if "nobodys" in line)
    assert "cannot be read now" in line
    assert SECRET not in ended.output + ended.errors
    assert "Traceback" not in ended.errors


def test_an_inbox_that_is_no_address_is_refused_in_a_line(
    orders_project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    from lockstep.errors import ProjectError

    for address, told in (
        ("bucket/in", "LOCKSTEP_INBOX is bucket/in, no address such as"),
        (
            "s3://key:hidden@bucket/in",
            r"LOCKSTEP_INBOX: s3://key:\*\*\*@bucket/in holds a password",
        ),
    ):
        monkeypatch.setenv("LOCKSTEP_INBOX", address)
        with pytest.raises(ProjectError, match=told) as refused:
            _ = orders_project.home
        assert "hidden" not in str(refused.value)
