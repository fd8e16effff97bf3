"""Functions that read the clock are told by their code."""

import time
from collections.abc import Callable
from datetime import UTC, date, datetime
from time import time_ns
from typing import Any

import numpy as np
import pandas as pd
import pytest

from lockstep.parity.clock import clock_reading


def _helper() -> datetime:
    return datetime.now(UTC)


def _imports_inside() -> float:
    from time import time as seconds

    return seconds()


def _nested(x: Any) -> Any:
    def inner() -> date:
        return date.today()  # noqa: DTZ011

    return x, inner()


@pytest.mark.parametrize(
    ("function", "reading"),
    [
        (lambda x: (x, datetime.now(UTC)), "now"),
        (lambda x: (x, date.today()), "today"),  # noqa: DTZ011
        (lambda x: (x, pd.Timestamp.now()), "now"),
        (lambda x: x - np.datetime64("now"), "datetime64"),
        (lambda x: x - pd.Timestamp("today"), "Timestamp"),
        (lambda x: x + time.time(), "time"),
        (lambda x: x + time_ns(), "time_ns"),
        (lambda x: (x, _helper()), "now"),
        (lambda x: (x, _imports_inside()), "time"),
        (_nested, "today"),
    ],
)
def test_a_clock_is_found(function: Callable[[Any], Any], reading: str) -> None:
    assert clock_reading(function) == reading


@pytest.mark.parametrize(
    "function",
    [
        lambda x: x.astype("datetime64[D]"),
        lambda now, today: now - today,
        lambda x: (x, "now"),
        lambda x: (x, time.sleep(0)),
        lambda x: x.time,
        lambda x: (x, time.perf_counter(), time.monotonic()),
        lambda x: x - np.datetime64("2013-01-01"),
        lambda x: np.sin(x) + pd.Timedelta("1h").total_seconds(),
    ],
)
def test_what_reads_no_clock_is_left_alone(function: Callable[..., Any]) -> None:
    assert clock_reading(function) is None
