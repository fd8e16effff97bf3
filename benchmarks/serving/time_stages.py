"""Times the stages of the compute path; `python -m benchmarks.serving` runs it."""

from __future__ import annotations

from functools import partial
from itertools import cycle
from typing import Any

import pyperf

from benchmarks._rounds import HERE
from benchmarks.serving.stages import STAGES, TOGETHER, Stages, batches, stage_of
from lockstep.columns.threads import set_blas_threads
from lockstep.project.project import Project

LOOPS = {1: 300, 32: 60}
"""Calls a value, by number of requests that are computed together."""
DIFFERENT = {1: 300, 32: 30}


def main() -> None:
    """Time every stage, with one request and with several together."""
    runner = pyperf.Runner()
    options = runner.parse_args()
    options.values, options.warmups = 5, 1
    set_blas_threads()
    stages = Stages.of(Project.find(HERE).home)
    for together in TOGETHER:
        options.loops = LOOPS[together]
        some = list(batches(stages, together, DIFFERENT[together]))
        for name in STAGES:
            call = partial(_next, stage_of(stages, name), cycle(some))
            runner.bench_func(f"{name} of {together}", call)


def _next(stage: Any, waiting: Any) -> None:
    stage(next(waiting))


if __name__ == "__main__":
    main()
