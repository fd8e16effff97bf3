"""Measuring: every server started, asked and loaded, by turns."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

from benchmarks._rounds import BenchmarkError
from benchmarks.serving.answers import Exactness, exactness
from benchmarks.serving.candidates import OURS, Candidate
from benchmarks.serving.load import Load, load
from benchmarks.serving.processes import Cores, Server, await_answer, free_port, start
from benchmarks.serving.setting import PIPELINE, Setting
from lockstep.serving.requestlog.log_segments import read_segment, segment_names, segment_path

CLIENTS = (1, 32, 128)


@dataclass(frozen=True)
class Plan:
    """How much is measured.

    Attributes:
        rounds: How often each server is loaded with each number of clients.
        seconds: For how long each time.
        starts: How often each server is started.
        rows: How many of its answers are compared.
    """

    rounds: int = 5
    seconds: int = 10
    starts: int = 3
    rows: int = 2_000


@dataclass(frozen=True)
class Measured:
    """What was measured.

    Attributes:
        plan: How much.
        candidates: Of what.
        cores: On which cores.
        loads: By name and number of clients, what it did in each round.
        starts: By server, seconds from its start to its first answer, each time.
        rss_mb: By server, its memory after the load, in megabytes.
        exactness: By server, how far its answers are from scikit-learn's.
        logged: How many requests our own server's log holds.
    """

    plan: Plan
    candidates: Sequence[Candidate]
    cores: Cores
    loads: Mapping[tuple[str, int], Sequence[Load]]
    starts: Mapping[str, Sequence[float]]
    rss_mb: Mapping[str, float]
    exactness: Mapping[str, Exactness]
    logged: int


def measure(setting: Setting, candidates: Sequence[Candidate], plan: Plan) -> Measured:
    """Start all servers, compare their answers, and load them by turns.

    Args:
        setting: What they are given.
        candidates: Which ones.
        plan: How much is measured.

    Raises:
        BenchmarkError: A server does not start or not answer, or does not log what it answers.
    """
    cores = Cores.of_machine()
    starts: dict[str, list[float]] = {candidate.name: [] for candidate in candidates}
    for number in range(plan.starts - 1):
        print(f"Start {number + 1} of {plan.starts} ...", flush=True)
        for candidate in candidates:
            with _running(setting, candidate, cores, starts[candidate.name]):
                pass
    with _all_running(setting, candidates, cores, starts) as servers:
        print(f"Comparing {plan.rows:,} answers of each server ...", flush=True)
        found = {
            candidate.name: _exactness(setting, servers[candidate.name], candidate, plan.rows)
            for candidate in candidates
            if candidate.predicts
        }
        loads = _loads(setting, servers, candidates, plan, cores)
        rss = {name: server.rss_mb for name, server in servers.items()}
    expected = _answered(loads)
    logged = _logged(setting) if OURS in servers else 0
    if logged < expected:
        raise BenchmarkError(
            f"The log of {OURS} holds {logged:,} of {expected:,} requests that were answered."
        )
    return Measured(plan, candidates, cores, loads, starts, rss, found, logged)


@contextmanager
def _running(
    setting: Setting, one: Candidate, cores: Cores, starts: list[float]
) -> Iterator[Server]:
    """A server, and how long it took to answer; it is stopped in the end."""
    port = free_port()
    log = setting.bodies.with_name(f"{one.name}.log")
    command = one.command(setting, port)
    begun = time.perf_counter()
    server = start(command, port, cores.server, log)
    try:
        await_answer(server, one.path, next(iter(one.bodies(setting).open("rb"))).rstrip())
        starts.append(time.perf_counter() - begun)
        yield server
    finally:
        server.stop()


@contextmanager
def _all_running(
    setting: Setting,
    candidates: Sequence[Candidate],
    cores: Cores,
    starts: Mapping[str, list[float]],
) -> Iterator[dict[str, Server]]:
    """All servers, started one after the other; each sleeps until it is asked."""
    if not candidates:
        yield {}
        return
    first, *others = candidates
    with _running(setting, first, cores, starts[first.name]) as server:
        server.settle()
        server.pause()
        with _all_running(setting, others, cores, starts) as servers:
            yield {first.name: server, **servers}


def _exactness(setting: Setting, server: Server, one: Candidate, rows: int) -> Exactness:
    with server.awake():
        requests = one.bodies(setting).read_bytes().splitlines()
        return exactness(setting, server.port, one.path, requests, rows)


def _loads(
    setting: Setting,
    servers: Mapping[str, Server],
    candidates: Sequence[Candidate],
    plan: Plan,
    cores: Cores,
) -> dict[tuple[str, int], list[Load]]:
    found: dict[tuple[str, int], list[Load]] = {
        (candidate.name, clients): [] for clients in CLIENTS for candidate in candidates
    }
    for number in range(plan.rounds):
        print(f"Round {number + 1} of {plan.rounds} ...", flush=True)
        turns = candidates if number % 2 == 0 else candidates[::-1]
        first = number * setting.different // plan.rounds
        for clients in CLIENTS:
            for turn in turns:
                server = servers[turn.name]
                url = f"http://127.0.0.1:{server.port}{turn.path}"
                with server.awake():
                    told = load(url, turn.bodies(setting), clients, plan.seconds, cores.load, first)
                found[turn.name, clients].append(told)
    return found


def _answered(loads: Mapping[tuple[str, int], Sequence[Load]]) -> int:
    """How many requests our own server has answered under load."""
    return sum(
        told.requests - told.refused
        for (name, _), rounds in loads.items()
        if name == OURS
        for told in rounds
    )


def _logged(setting: Setting) -> int:
    """How many requests the log of our own server holds; it has ended, and sealed them."""
    folder = setting.home.requests(PIPELINE)
    return sum(
        len(read_segment(segment_path(folder, name)).requests.ids) for name in segment_names(folder)
    )
