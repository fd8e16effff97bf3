"""Timing: up to how many rows a compiled predictor is faster than the reference one."""

from __future__ import annotations

from collections.abc import Mapping
from time import perf_counter

import numpy as np

from lockstep.columns.compiled.predictor import Compiled
from lockstep.columns.kinds import Columns
from lockstep.columns.nodes import Computation
from lockstep.columns.pipeline import Pipeline
from lockstep.columns.tables import take_rows

SIZES = (1, 1_000, 20_000)
"""Rows at which both are timed: a request, a day, and more than memory caches hold."""
_REPETITIONS = 2


def faster_up_to(pipeline: Pipeline, compiled: Compiled, columns: Columns) -> Mapping[str, int]:
    """By compiled model, the largest of `SIZES` up to which it is faster; 0 where it never is.

    `columns` are all columns of some rows, which are repeated to make enough.
    """
    return {name: _faster_up_to(pipeline, compiled, name, columns) for name in compiled.models}


def _faster_up_to(pipeline: Pipeline, compiled: Compiled, name: str, columns: Columns) -> int:
    inputs = {column: columns[column] for column in pipeline.graph.nodes[name].inputs}
    count = len(next(iter(inputs.values())))
    reference, other = pipeline.bound[name], compiled.pipeline.bound[name]
    largest = 0
    for size in SIZES if count else ():
        rows = take_rows(inputs, np.arange(size) % count)
        if _seconds(other, rows) >= _seconds(reference, rows):
            break
        largest = size
    return largest


def _seconds(predictor: Computation, rows: Columns) -> float:
    """The shortest of some repetitions: other work of the machine only adds to it."""
    times = []
    with np.errstate(all="ignore"):
        for _ in range(_REPETITIONS):
            begun = perf_counter()
            predictor(rows)
            times.append(perf_counter() - begun)
    return min(times)
