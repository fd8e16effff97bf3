"""Times the core of whichever checkout is on the path; `core` and `compare` run it."""

from __future__ import annotations

from functools import partial
from importlib import import_module
from itertools import cycle
from types import SimpleNamespace
from typing import Any

import pyarrow as pa
import pyperf

LOOPS = {1: 1_000, 32: 200, 1_000: 20, 1_000_000: 1}
"""Calls a value, by number of rows: a tenth of a second, or one call."""
LOOPS_OF_MODELS = {1: 10, 32: 10, 1_000: 5, 1_000_000: 1}
"""The same of stages that take milliseconds for a single row."""
VALUES = {1: 5, 32: 5, 1_000: 5, 1_000_000: 1}


def main() -> None:
    """Time every stage with every number of rows."""
    runner = pyperf.Runner()
    options = runner.parse_args()
    pa.set_cpu_count(1)
    core: Any = import_module("benchmarks.core")
    setting = core.setting() if hasattr(core, "setting") else _setting(core)
    for rows in core.VARIANTS:
        batches = core.batches(setting.pipeline, setting.flights, rows)
        options.values = VALUES[rows]
        options.warmups = 0 if rows == 1_000_000 else 1
        for name, stage in core.stages(setting.pipeline, setting.rules).items():
            is_fast = name in ("decode", "rules", "lookups", "features")
            options.loops = (LOOPS if is_fast else LOOPS_OF_MODELS)[rows]
            call = partial(_next, stage, cycle(batches))
            runner.bench_func(f"{name} of {rows:,}", call)


def _next(stage: Any, batches: Any) -> None:
    stage(next(batches))


def _setting(core: Any) -> SimpleNamespace:
    """What `core.setting` gives, from a checkout of before it timed with pyperf."""
    flights = core.history().to_pandas()
    return SimpleNamespace(
        pipeline=core.PIPELINE.unfitted().fit(flights.iloc[: core.FITTED_ROWS]),
        rules=core.compile_rules(core.suite_json(core.SUITES.input())),
        flights=flights,
    )


if __name__ == "__main__":
    main()
