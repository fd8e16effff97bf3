"""The benchmark of servers: what it makes of what it measured, and of what cannot be measured."""

import shutil
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from benchmarks._rounds import BenchmarkError
from benchmarks.serving.__main__ import RESULTS, options
from benchmarks.serving.answers import Exactness, compared
from benchmarks.serving.candidates import CANDIDATES
from benchmarks.serving.load import Load, demand_tools, load
from benchmarks.serving.measuring import CLIENTS, Measured, Plan
from benchmarks.serving.processes import Command, Cores, Server, await_answer, free_port, start
from benchmarks.serving.report import document, markdown, targets
from benchmarks.serving.stages import STAGES
from lockstep import Bools, Floats, Key, Pipeline, Record, output
from lockstep.columns.decode import decode
from lockstep.parity.scales import Scales
from tests.fixtures.waiting import wait_until

pytestmark = pytest.mark.long

SERVER = """
import sys, time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.send_response(200 if body != b"bad" else 422)
        self.send_header("Content-Length", "0")
        self.end_headers()
    def log_message(self, *_):
        pass

ThreadingHTTPServer(("127.0.0.1", int(sys.argv[1])), Handler).serve_forever()
"""


class Parcel(Record):
    parcel: Key[str]
    grams: float


@output(ulps=2)
def kilograms(grams: Floats) -> Floats:
    """Its mass in kilograms."""
    return grams / 1000


@output
def is_heavy(grams: Floats) -> Bools:
    """Whether it is heavier than 5 kg."""
    return grams > 5000


PARCELS = Pipeline(__name__, record=Parcel)
CORES = Cores.of_machine()
STAGED = {together: dict.fromkeys(STAGES, 1.0) for together in (1, 32)}
MACHINE = {"date": "2026-01-01", "processor": "one", "versions": "none", "cores": "One core."}


def start_server(tmp_path: Path, source: str = SERVER) -> Server:
    port = free_port()
    command = Command([sys.executable, "-c", source, str(port)], {}, tmp_path)
    return start(command, port, CORES.server, tmp_path / "log")


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    found = start_server(tmp_path)
    try:
        await_answer(found, "/", b"good")
        yield found
    finally:
        found.stop()


def measured(**others: float) -> Measured:
    """Ours twice as fast as everything else, but for some in one round."""
    ours = Load(rps=100, p50_ms=1, p99_ms=2, requests=50, refused=0, broken=0)
    loads = {
        (one.name, clients): [ours if one.name == "lockstep" else replace(ours, rps=50, p50_ms=2)]
        for one in CANDIDATES
        for clients in CLIENTS
    }
    for name, rps in others.items():
        loads[name, 32] = [replace(ours, rps=rps)]
    names = [one.name for one in CANDIDATES]
    return Measured(
        plan=Plan(rounds=1),
        candidates=CANDIDATES,
        cores=CORES,
        loads=loads,
        starts={name: [3.0] if name == "lockstep" else [12.0] for name in names},
        rss_mb=dict.fromkeys(names, 200.0),
        exactness={
            one.name: Exactness(10, 1e-16, True, "3 columns agree in 10 rows")
            for one in CANDIDATES
            if one.predicts
        },
        logged=150,
    )


def answers(kilograms_of_b: float, **others: Any) -> Exactness:
    """What is found of the answers to two parcels."""
    columns = decode(
        [{"parcel": "a", "grams": 100.0}, {"parcel": "b", "grams": 6001.0}], PARCELS.record_schema
    ).columns
    told = [
        {"parcel": "b", "kilograms": kilograms_of_b, "is_heavy": True, **others},
        {"parcel": "a", "kilograms": 0.1, "is_heavy": False},
    ]
    return compared(PARCELS, Scales(), columns, told)


def test_answers_may_differ_by_what_is_declared() -> None:
    found = answers(np.nextafter(6.001, 7))
    assert found.is_declared
    assert found.max_abs_diff == np.spacing(6.001)


def test_an_answer_that_differs_by_more_is_told_with_its_column() -> None:
    found = answers(6.001 + 1e-12)
    assert not found.is_declared
    assert "kilograms" in found.summary


def test_an_answer_about_another_row_is_not_compared_with_this_one() -> None:
    assert not answers(6.001, parcel="c").is_declared


def test_a_server_that_is_not_asked_takes_nothing_of_its_core(tmp_path: Path) -> None:
    busy = start_server(tmp_path, "print('up', flush=True)\nwhile True: pass")
    try:
        wait_until(lambda: "up" in busy.said, pause=0.01)
        busy.pause()
        before = busy.cpu_seconds
        time.sleep(0.2)
        assert busy.cpu_seconds == before
    finally:
        busy.stop()
    assert not busy.is_running


def test_a_server_that_ends_is_an_error_with_what_it_printed(tmp_path: Path) -> None:
    ended = start_server(tmp_path, "raise SystemExit('no version is live')")
    try:
        with pytest.raises(BenchmarkError, match=r"has ended(.|\n)*no version is live"):
            await_answer(ended, "/", b"good")
    finally:
        ended.stop()


@pytest.mark.skipif(shutil.which("wrk") is None, reason="wrk is not installed")
def test_load_goes_through_the_bodies_and_counts_what_is_refused(
    server: Server, tmp_path: Path
) -> None:
    bodies = tmp_path / "bodies"
    bodies.write_text("good\nbad\n")
    found = load(f"http://127.0.0.1:{server.port}/", bodies, 2, 1, CORES.load)
    assert found.requests > 2
    assert abs(2 * found.refused - found.requests) <= 2
    assert found.broken == 0
    assert 0 < found.p50_ms <= found.p99_ms


def test_a_machine_without_wrk_is_told_so(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(BenchmarkError, match="wrk is not installed"):
        demand_tools()


def told(found: Measured) -> dict[str, Any]:
    return document(found, STAGED, MACHINE)


def test_ratios_and_targets_are_those_of_our_server() -> None:
    found = told(measured(mlflow=0.5, noop=250))
    assert found["ratio_to_mlflow"] == {"rps_32": 200, "p50_1": 0.5, "startup": 0.25}
    assert found["ratio_to_noop"] == {"rps_32": 0.4, "p50_1": 0.5}
    short = [line for line in targets(found) if line.endswith("FALLS SHORT")]
    assert [line.partition(":")[0] for line in short] == [
        "requests/s at 32 clients, over the no-op route's",
        "median latency at one client, over mlflow's",
    ]


def test_what_was_not_measured_is_no_target_that_was_met() -> None:
    found = measured()
    alone = replace(
        found,
        candidates=[one for one in CANDIDATES if one.name == "lockstep"],
        loads={key: loads for key, loads in found.loads.items() if key[0] == "lockstep"},
        starts={"lockstep": [3.0]},
    )
    assert sum(line.endswith("not measured") for line in targets(told(alone))) == 5


def test_answers_with_another_status_fall_short() -> None:
    found = measured()
    loads = {**found.loads, ("lockstep", 32): [replace(found.loads["lockstep", 32][0], refused=3)]}
    (line,) = [line for line in targets(told(replace(found, loads=loads))) if "all 200" in line]
    assert "3 others and 0 broken of 50: FALLS SHORT" in line


def test_every_server_is_in_the_tables() -> None:
    text = markdown(told(measured()))
    for one in CANDIDATES:
        assert f"| {one.name} | 128 |" in text


@pytest.mark.parametrize(
    ("arguments", "folder"),
    [([], RESULTS), (["--seconds=1"], None), (["--servers=lockstep,noop"], None)],
)
def test_a_trial_is_not_kept_as_the_result(arguments: list[str], folder: Path | None) -> None:
    assert options(arguments).results == folder
