"""Requests: what a server answered, replayed through the batch path as Dagster runs it."""

import os
import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import dagster as dg
import msgspec
import numpy as np
import pytest

from assets.orders import ASSETS
from lockstep.checks.reports import CheckReport
from lockstep.columns.decode import decode
from lockstep.columns.kinds import Kind
from lockstep.dagster.jobs import job_name
from lockstep.dagster.run_reports import RunReport
from lockstep.dagster.runs import run_job
from lockstep.dagster.sensors import sensors
from lockstep.parity.wire import wire_record
from lockstep.scoring.request_replay import open_segments, replay_segment
from lockstep.serving.http.app import application
from lockstep.serving.protocols.service import Service
from lockstep.serving.requestlog.log import Log
from lockstep.serving.requestlog.log_segments import (
    MAGIC,
    Block,
    Header,
    beginning,
    digest,
    framed,
    scan,
    segment_path,
)
from lockstep.serving.requestlog.settings import RequestLog
from lockstep.store.results import CheckResult
from tests.fixtures.asgi import Client
from tests.fixtures.order_store import DAY, orders_of
from tests.fixtures.orders import PROJECT, Workplace
from tests.fixtures.ticks import asked_for, look, record_run

SENSOR = next(one for one in sensors(ASSETS) if one.name == "orders_requests")
REPLAY = job_name("orders", "replay")
Records = list[dict[str, Any]]
Results = Mapping[str, CheckResult]


@pytest.fixture(scope="module")
def records() -> Records:
    """A day's orders as clients send them."""
    schema = ASSETS.pipeline.record_schema
    frame = orders_of(DAY)
    columns = decode(frame, schema).columns
    return [wire_record(columns, row, schema) for row in range(len(frame))]


@contextmanager
def serving(live: Workplace, log: RequestLog | None = None) -> Iterator[tuple[Client, Service]]:
    """A server of `orders` that logs."""
    with Log(live.home.requests("orders"), log or RequestLog()) as writing:
        service = Service("orders", live.home.live("orders"), log=writing)
        with Client(application(service)) as client:
            client.runner.run(service.versions.look())
            yield client, service


def send(client: Client, records: Records) -> None:
    """Send each record as a request of its own."""
    for record in records:
        assert client.post("/invocations", {"dataframe_records": [record]}).status == 200


def answer(live: Workplace, records: Records, log: RequestLog | None = None) -> Path:
    """Have a server answer records, and log them; the segment, which it seals at its end."""
    with serving(live, log) as (client, _):
        send(client, records)
    return segment_of(live)


def segment_of(live: Workplace) -> Path:
    """The one segment that there is."""
    (path,) = live.home.requests("orders").glob("*.segment")
    return path


def tick(live: Workplace) -> list[str]:
    """The segments that the sensor asks to be replayed, and has made known."""
    return asked_for(look(SENSOR, live), live)


def replay(live: Workplace, segment: str = "") -> RunReport:
    """Replay a segment, or the one that the sensor asks for, in a run."""
    if not segment:
        (segment,) = tick(live)
    return run_job(PROJECT, REPLAY, live.instance, partition=segment)


def results_of_replay(live: Workplace) -> Results:
    """The results of replaying the one segment that is open, as a run does it."""
    folder = live.home.requests("orders")
    (segment,) = open_segments(ASSETS, live.store, folder)[0]
    load = partial(live.registry.load, "orders")
    return replay_segment(ASSETS, live.store, segment_path(folder, segment), "a run", load).results


def check(report: RunReport, name: str = "request_replay") -> CheckReport:
    (found,) = (one for one in report.checks if one.check == name)
    return found


def seal(path: Path, content: bytes) -> None:
    """Give a segment another content, as if the server had sealed that."""
    path.unlink()
    name = path.name.rpartition("-")[0]
    path.with_name(f"{name}-{digest(content)}.segment").write_bytes(content)


def edit(path: Path, change: Callable[[dict[str, Any]], None]) -> None:
    """Change the columns of a segment, and seal it anew."""
    header, _, frames = scan(path.read_bytes())
    assert header is not None
    found = [MAGIC, framed(header)]
    dtypes = {name: kind.dtype for name, kind in header.kinds.items() if kind.dtype != object}
    for _, frame in frames:
        if isinstance(frame, Block):
            rows, offset, columns = sum(frame.rows), 0, {}
            for name, dtype in dtypes.items():
                columns[name] = np.frombuffer(frame.numbers, dtype, rows, offset).copy()
                offset += columns[name].nbytes
            change(columns)
            data = b"".join(column.tobytes() for column in columns.values())
            values = {name: getattr(frame, name) for name in Block.__struct_fields__}
            frame = Block(**{**values, "numbers": data})  # noqa: PLW2901
        found.append(framed(frame))
    seal(path, b"".join(found))


def test_what_the_server_answered_is_what_the_batch_path_says(
    live: Workplace, records: Records
) -> None:
    with serving(live) as (client, _):
        send(client, records)
        refused = client.post("/invocations", {"dataframe_records": [{**records[0], "items": 1.5}]})
    assert refused.status == 422
    report = replay(live)
    assert report.ok
    assert re.fullmatch(
        r"All 3 columns of 120 rows agree( bit for bit|, \d bit for bit and \d within 64 ulps), "
        r"computed anew by the batch path of version 1\.",
        check(report).summary,
    )
    assert check(report, "request_drift").result == "passed"
    told = report.materialized["orders/requests"]
    assert {name: told[name] for name in ("requests", "rows", "rejected", "status 200")} == {
        "requests": 121,
        "rows": 120,
        "rejected": 1,
        "status 200": 120,
    }


def test_one_record_that_is_sent_again_and_again_is_many_rows(
    live: Workplace, records: Records
) -> None:
    answer(live, [records[0]] * 5)
    results = results_of_replay(live)
    assert "of 5 rows agree" in results["request_replay"].summary
    assert results["request_drift"].result == "not_judged"


def test_a_server_that_computes_otherwise_is_found_by_the_output(
    live: Workplace, records: Records
) -> None:
    with serving(live) as (client, service):
        assert service.versions.scorer is not None
        node = vars(service.versions.scorer.pipeline.graph.nodes["risk"])
        function = node["function"]
        node["function"] = lambda return_probability: function(return_probability) * 1.001
        try:
            send(client, records[:10])
        finally:
            node["function"] = function
    found = results_of_replay(live)["request_replay"]
    assert (found.result, found.column) == ("failed", "risk")
    assert "differs in 10 of 10 rows" in found.summary
    assert records[9]["order_id"] in found.summary


def test_an_answer_that_was_edited_is_found_by_its_column_and_row(
    live: Workplace, records: Records
) -> None:
    def flip(columns: dict[str, Any]) -> None:
        if columns["price"][0] == records[7]["price"]:
            columns["will_return"] = ~columns["will_return"]

    edit(answer(live, records[:10]), flip)
    found = results_of_replay(live)["request_replay"]
    assert (found.result, found.column) == ("failed", "will_return")
    assert f"first at key {records[7]['order_id']} (request " in found.summary


def test_a_segment_that_was_changed_after_it_was_sealed_is_not_replayed(
    live: Workplace, records: Records
) -> None:
    path = answer(live, records[:3])
    path.write_bytes(path.read_bytes()[:-1])
    results = results_of_replay(live)
    assert results["request_replay"].result == "failed"
    assert "is not what was sealed" in results["request_replay"].summary
    assert results["request_drift"].result == "not_judged"


def renamed(kinds: dict[str, Kind], place: int) -> dict[str, Kind]:
    changed = [*kinds][place]
    return {"other" if name == changed else name: kind for name, kind in kinds.items()}


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda _: {"pipeline": "wine"}, "answered for wine, not for orders"),
        (lambda head: {"outputs": renamed(head.outputs, 0)}, "it lacks .*; it has other, which"),
        (lambda head: {"fields": renamed(head.fields, -1)}, "it lacks .*; it has other, which"),
    ],
    ids=["another pipeline", "other outputs", "other fields"],
)
def test_a_log_of_another_pipeline_or_of_other_columns_is_an_error(
    live: Workplace, records: Records, change: Callable[[Header], dict[str, Any]], said: str
) -> None:
    path = answer(live, records[:8])
    head, end, _ = scan(path.read_bytes())
    assert head is not None
    changed = msgspec.structs.replace(head, **change(head))
    seal(path, beginning(changed) + path.read_bytes()[end:])
    result = results_of_replay(live)["request_replay"]
    assert result.result == "failed"
    assert re.search(said, result.summary)


@pytest.mark.parametrize(
    ("answers", "said"),
    [
        ({"digest": "ab" * 32}, "Version 1 in the registry is not the one that answered"),
        ({"version": 7}, "Version 7, which answered, cannot be loaded"),
    ],
    ids=["other files under its number", "gone"],
)
def test_a_version_that_is_not_the_one_that_answered_is_told(
    live: Workplace, records: Records, answers: dict[str, Any], said: str
) -> None:
    with serving(live) as (client, service):
        scorer = service.versions.scorer
        assert scorer is not None
        service.versions.scorer = replace(scorer, loaded=replace(scorer.loaded, **answers))
        send(client, records[:3])
        service.versions.scorer = scorer
    found = results_of_replay(live)["request_replay"]
    assert found.result == "failed"
    assert said in found.summary


def test_outputs_that_come_from_redacted_fields_are_not_judged(
    live: Workplace, records: Records
) -> None:
    answer(live, records, RequestLog(drop=("order_id", "weight")))
    results = results_of_replay(live)
    found, drifted = results["request_replay"], results["request_drift"]
    assert found.result == "not_judged"
    assert "risk (weight is not logged)" in found.summary
    assert drifted.result == "passed"
    assert "Not judged: weight (it is not logged)" in drifted.summary


def test_outputs_that_come_from_other_fields_are_judged(live: Workplace, records: Records) -> None:
    answer(live, records[:5], RequestLog(drop=("sent_at", "coupons", "loss")))
    found = results_of_replay(live)["request_replay"]
    assert found.result == "passed"
    assert found.summary == (
        f"All 2 columns of 5 rows agree{found.summary[29:].partition(', computed')[0]}, computed "
        "anew by the batch path of version 1. Not judged: loss (it is not logged)."
    )


def test_requests_from_another_population_are_drift(live: Workplace, records: Records) -> None:
    answer(live, [{**one, "price": one["price"] * 50} for one in records])
    found = results_of_replay(live)["request_drift"]
    assert (found.result, found.column) == ("warned", "price")


# Which segments the sensor asks for


def test_each_segment_is_replayed_once_and_forgotten_when_it_is_gone(
    live: Workplace, records: Records
) -> None:
    path = answer(live, records[:3])
    first = path.stem
    assert tick(live) == [first]
    assert replay(live, first).ok
    with serving(live) as (client, _):
        send(client, records[:3])
    (second,) = tick(live)
    assert second != first
    assert replay(live, second).ok
    assert tick(live) == []
    path.unlink()
    assert tick(live) == []
    assert live.instance.get_dynamic_partitions("orders_requests") == [second]
    assert [one.name for one in (live.store.root / "requests" / "attempts").glob("*")] == [second]


def test_a_segment_that_was_changed_after_it_was_replayed_is_replayed_anew_each_time(
    live: Workplace, records: Records
) -> None:
    path = answer(live, records[:3])
    assert replay(live).ok
    whole = path.read_bytes()
    path.write_bytes(whole[:-1])
    assert check(replay(live)).result == "failed"
    assert tick(live) == []
    path.write_bytes(whole)
    assert check(replay(live)).result == "passed"
    assert tick(live) == []


def test_a_folder_that_has_the_name_of_a_segment_is_damage_that_is_told_once(
    live: Workplace, records: Records
) -> None:
    path = answer(live, records[:3])
    path.unlink()
    path.mkdir()
    found = check(replay(live))
    assert found.result == "failed"
    assert "it is a folder" in found.summary
    assert tick(live) == []


def test_a_segment_that_was_changed_is_seen_though_its_size_and_time_stayed(
    live: Workplace, records: Records
) -> None:
    path = answer(live, records[:3])
    assert replay(live).ok
    first = look(SENSOR, live)
    assert look(SENSOR, live, first.cursor).run_requests == []
    before = path.stat()
    path.write_bytes(path.read_bytes()[:-1] + b"?")
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert asked_for(look(SENSOR, live, first.cursor), live) == [path.stem]


def test_a_look_reads_no_segment_that_was_not_touched_since_the_last_one(
    live: Workplace, records: Records, monkeypatch: pytest.MonkeyPatch
) -> None:
    answer(live, records[:3])
    assert replay(live).ok
    first = look(SENSOR, live)
    monkeypatch.setattr(
        "lockstep.scoring.request_replay.sha256", lambda path: pytest.fail(str(path))
    )
    assert look(SENSOR, live, first.cursor).cursor == first.cursor


def test_a_changed_segment_whose_replay_ended_without_a_record_is_left_to_a_person(
    live: Workplace, records: Records
) -> None:
    path = answer(live, records[:3])
    assert replay(live).ok
    path.write_bytes(path.read_bytes()[:-1])
    (asked,) = look(SENSOR, live).run_requests or ()
    record_run(live, REPLAY, dg.DagsterRunStatus.SUCCESS, path.stem, asked.tags)
    assert look(SENSOR, live).run_requests == []


def test_a_segment_that_went_before_it_was_replayed_is_not_judged(
    live: Workplace, records: Records
) -> None:
    path = answer(live, records[:3])
    (name,) = tick(live)
    path.unlink()
    report = replay(live, name)
    assert {one.result for one in report.checks} == {"not_judged"}
    assert report.error is None
