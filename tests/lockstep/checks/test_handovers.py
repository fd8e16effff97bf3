"""What is published reaches every sink, whatever breaks off in between."""

import os
import signal
import sqlite3
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path

import pyarrow as pa
import pytest
from pyarrow.parquet import read_table

from lockstep.checks import handovers
from lockstep.checks.handovers import Handovers
from lockstep.project.sinks import PublishedRows, Sink, SqlSink
from lockstep.store.attempts import StepRecord
from lockstep.store.partition_records import Records
from tests.fixtures.writes import carried_out

DAY, NEXT = "2020-03-01", "2020-03-02"


@dataclass
class ListedSink:
    """Keeps published rows in a list, while it is up."""

    name: str = "a list"
    is_up: bool = True
    asked: int = 0
    refuses: str | None = None
    kept: list[PublishedRows] = field(default_factory=list)

    def write(self, published: PublishedRows) -> str | None:
        self.asked += 1
        if not self.is_up:
            raise ConnectionRefusedError("nobody listens")
        self.kept.append(published)
        return self.refuses

    def describe(self) -> str:
        return self.name


@pytest.fixture
def records(tmp_path: Path) -> Records:
    return Records(tmp_path / "daily", lambda day: f"score {day}", exported="published")


@pytest.fixture
def database(tmp_path: Path) -> SqlSink:
    return SqlSink(f"sqlite:///{tmp_path}/predictions.db")


def publish(place: Handovers, day: str, risks: dict[str, float], version: int = 1) -> None:
    """Commit an attempt, and hand it over as `lockstep.scoring.partition.publish` does."""
    with place.records.step(day, "published", f"{day} {version} {risks}") as attempt:
        count = len(risks)
        columns = {
            "id": pa.array(list(risks)),
            "risk": pa.array(list(risks.values()), pa.float64()),
            "version": pa.array([version] * count, pa.int64()),
        }
        attempt.write("published", pa.table(columns))
        attempt.keep("published", StepRecord({"published": count}, version=version))
        place.records.commit(attempt)
        place.hand_over(attempt)


def published(records: Records, *sinks: Sink) -> Handovers:
    """A day that is published and handed over."""
    place = Handovers("orders", records, sinks)
    publish(place, DAY, {"a": 0.5})
    return place


def rows(sink: SqlSink) -> set:
    with closing(sqlite3.connect(sink.url.removeprefix("sqlite:///"))) as database:
        found = database.execute("SELECT partition, id, version, risk, is_current FROM predictions")
        return set(found)


def die(*arguments: object) -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def test_a_sink_that_is_down_is_told_and_given_the_partition_by_the_next_run(records) -> None:
    sink = ListedSink(is_up=False)
    place = published(records, sink)
    assert records.demand(DAY).number == 1  # it is published all the same
    assert place.left(DAY) == {"a list": "ConnectionRefusedError: nobody listens"}
    (result,) = place.results(DAY).values()
    assert result.result == "failed"
    assert "nobody listens" in result.summary
    sink.is_up = True
    assert place.catch_up() == [DAY]
    assert [read_table(published.file)["id"].to_pylist() for published in sink.kept] == [["a"]]
    assert place.results(DAY)["sinks"].passed


def test_rows_that_a_sink_sets_aside_are_told_until_it_takes_them(records) -> None:
    sink = ListedSink(refuses="1 row is kept in elsewhere instead: a NUL")
    place = published(records, sink)
    result = place.results(DAY)["sinks"]
    assert (result.result, place.left(DAY), place.catch_up()) == ("warned", {}, [])
    assert "elsewhere instead: a NUL" in result.summary
    sink.refuses = None
    publish(place, DAY, {"b": 0.5})
    assert place.results(DAY)["sinks"].passed


def test_what_a_sink_holds_is_not_given_to_it_again(records) -> None:
    sink = ListedSink()
    place = published(records, sink)
    assert (place.catch_up(), sink.asked) == ([], 1)


def test_one_sink_that_is_down_keeps_nothing_from_the_others(records) -> None:
    down, up = ListedSink("down", is_up=False), ListedSink("up")
    place = published(records, down, up)
    assert (list(place.left(DAY)), len(up.kept)) == (["down"], 1)


def test_a_sink_that_is_down_is_asked_once_a_run_however_much_is_open(records) -> None:
    down, up = ListedSink("down", is_up=False), ListedSink("up", is_up=False)
    place = Handovers("orders", records, [down, up])
    for day in (DAY, NEXT):
        publish(place, day, {"a": 0.5})
    up.is_up, down.asked = True, 0
    assert place.catch_up() == []
    assert (down.asked, len(up.kept)) == (1, 2)
    assert place.open() == {day: {"down": place.left(day)["down"]} for day in (DAY, NEXT)}


def test_a_sink_that_is_declared_later_is_given_what_was_published_before(records) -> None:
    published(records)
    sink = ListedSink()
    assert Handovers("orders", records, [sink]).catch_up() == [DAY]
    assert len(sink.kept) == 1


def test_a_partition_that_is_published_again_is_handed_over_again(records, database) -> None:
    place = Handovers("orders", records, [database])
    publish(place, DAY, {"a": 0.5, "b": 0.5})
    publish(place, DAY, {"a": 0.75})
    publish(place, DAY, {"a": 0.25}, version=2)
    assert rows(database) == {(DAY, "a", 1, 0.75, 0), (DAY, "a", 2, 0.25, 1)}


@pytest.mark.parametrize("step", ["before the sink", "after the sink"])
def test_a_kill_before_the_handover_is_noted_is_repaired(
    records, database, monkeypatch, step
) -> None:
    place = published(records, database)
    with monkeypatch.context() as patch:
        if step == "before the sink":
            patch.setattr(SqlSink, "write", die)
        else:
            patch.setattr(handovers, "write_state", die)
        assert carried_out(lambda: publish(place, DAY, {"a": 0.75, "b": 0.75})).was_killed
    assert place.left(DAY) == {database.describe(): "it was not tried yet"}
    assert place.catch_up() == [DAY]
    assert rows(database) == {(DAY, "a", 1, 0.75, 1), (DAY, "b", 1, 0.75, 1)}


def test_a_kill_in_the_transaction_leaves_readers_the_rows_before(
    records, database, monkeypatch
) -> None:
    place = published(records, database)
    with monkeypatch.context() as patch:
        patch.setattr("sqlalchemy.engine.Connection._commit_impl", die)
        assert carried_out(lambda: publish(place, DAY, {"a": 0.75})).was_killed
    assert rows(database) == {(DAY, "a", 1, 0.5, 1)}
    assert place.catch_up() == [DAY]
    assert rows(database) == {(DAY, "a", 1, 0.75, 1)}


def test_runs_at_once_leave_in_the_sink_what_counts(records, database) -> None:
    place = Handovers("orders", records, [database])
    with ThreadPoolExecutor(6) as runs:
        list(runs.map(lambda number: publish(place, DAY, {"a": number / 8}), range(6)))
    counts = records.demand(DAY).read("published")["risk"].to_pylist()
    assert rows(database) == {(DAY, "a", 1, counts[0], 1)}
