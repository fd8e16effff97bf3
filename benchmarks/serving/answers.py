"""Answers: what a server says of some thousand flights, beside what scikit-learn says of them."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from http.client import HTTPConnection
from itertools import chain
from typing import Any

import numpy as np

from benchmarks._rounds import BenchmarkError
from benchmarks.serving.processes import JSON
from benchmarks.serving.setting import Setting
from lockstep.columns.kinds import Columns
from lockstep.columns.pipeline import Pipeline, Trace
from lockstep.columns.tables import take_rows
from lockstep.parity.comparison import Comparison, compare
from lockstep.parity.scales import Scales

CLIENTS = 4


@dataclass(frozen=True)
class Exactness:
    """How far answers are from scikit-learn's.

    Attributes:
        rows: How many were compared.
        max_abs_diff: The largest absolute difference of any output of numbers.
        is_declared: Whether every output of every row is as exact as it is declared.
        summary: What the comparison found, in words.
    """

    rows: int
    max_abs_diff: float
    is_declared: bool
    summary: str


def exactness(
    setting: Setting, port: int, path: str, requests: Sequence[bytes], rows: int
) -> Exactness:
    """Ask a server about flights, one a request, and compare its answers with scikit-learn's.

    Args:
        setting: The version and the flights.
        port: Where the server listens.
        path: The path to ask.
        requests: A request about each flight.
        rows: How many flights to ask about, as far apart as they can be.

    Raises:
        BenchmarkError: One is not answered.
    """
    chosen = np.linspace(0, len(requests) - 1, rows).astype(np.int64)
    answered = _answers(port, path, [requests[row] for row in chosen])
    loaded, columns = setting.loaded, take_rows(setting.columns, chosen)
    return compared(loaded.pipeline, loaded.golden.scales, columns, answered)


def compared(
    pipeline: Pipeline, scales: Scales, columns: Columns, answered: Sequence[Mapping[str, Any]]
) -> Exactness:
    """Compare answers with what the reference predictors say of all of the rows at once.

    Args:
        pipeline: The pipeline, with these predictors.
        scales: How large the values of its columns usually are.
        columns: The rows, decoded.
        answered: What a server answered for each.
    """
    outputs = pipeline.graph.outputs
    expected = pipeline.evaluate(columns, outputs)
    given: Columns = {
        name: np.array([row[name] for row in answered], dtype=expected[name].dtype)
        for name in (pipeline.key, *outputs)
    }
    comparison = compare(
        Trace(columns[pipeline.key], {name: expected[name] for name in outputs}, {}),
        Trace(given[pipeline.key], {name: given[name] for name in outputs}, {}),
        pipeline.graph,
        scales=scales,
        columns=outputs,
    )
    return _exactness(comparison)


def _exactness(comparison: Comparison) -> Exactness:
    return Exactness(
        comparison.rows,
        max((one.largest for one in comparison.compared if one.largest is not None), default=0.0),
        comparison.ok,
        comparison.summary,
    )


def _answers(port: int, path: str, bodies: Sequence[bytes]) -> list[Mapping[str, Any]]:
    parts = [bodies[first::CLIENTS] for first in range(CLIENTS)]
    with ThreadPoolExecutor(CLIENTS) as clients:
        found = clients.map(lambda part: _ask(port, path, part), parts)
        return list(chain.from_iterable(found))


def _ask(port: int, path: str, bodies: Sequence[bytes]) -> list[Mapping[str, Any]]:
    """The answers to requests that are sent one after the other."""
    connection = HTTPConnection("127.0.0.1", port, timeout=60)
    found = []
    for body in bodies:
        connection.request("POST", path, body, JSON)
        response = connection.getresponse()
        text = response.read()
        if response.status != 200:
            said = text.decode(errors="replace")[:500]
            raise BenchmarkError(f"A flight is answered with status {response.status}: {said}")
        answer = json.loads(text)
        (row,) = answer["predictions"] if isinstance(answer, dict) else answer
        found.append(row)
    connection.close()
    return found
