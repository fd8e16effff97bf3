"""What tells of a function that it keeps or asks for more than it is given."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import UTC, date, datetime
from time import time_ns
from types import ModuleType
from typing import Any

import numpy as np
import pandas as pd
import pytest

from lockstep.parity.locality import clock_reading
from lockstep.parity.module_state import ModuleState


def _helper() -> datetime:
    return datetime.now(UTC)


def _imports_inside() -> float:
    from time import time as seconds

    return seconds()


def _nested(x: Any) -> Any:
    def inner() -> date:
        return date.today()  # noqa: DTZ011

    return x, inner()


def _holding(clock: Callable[..., Any]) -> Callable[[Any], Any]:
    return lambda x: (x, clock())


def _calling(helper: Callable[[], Any]) -> Callable[[Any], Any]:
    return lambda x: (x, helper())


def _with_module(clock: ModuleType) -> Callable[[Any], Any]:
    return lambda x: (x, clock.time())


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
        (_holding(time.time), "clock"),
        (_holding(datetime.now), "clock"),
        (_calling(_helper), "now"),
        (_with_module(time), "time"),
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
        _holding(time.perf_counter),
        lambda x: np.sin(x) + pd.Timedelta("1h").total_seconds(),
    ],
)
def test_what_reads_no_clock_is_left_alone(function: Callable[..., Any]) -> None:
    assert clock_reading(function) is None


SOURCE = """
CODES = {"DE": 0}
ROWS = [1, 2]
SEEN = {1}
RATE = 2.0

class Memo:
    known = {}

def grow():
    CODES["FR"] = 1
    ROWS.append(3)
    SEEN.add(2)
    Memo.known[1] = 2
"""


@pytest.fixture
def module() -> ModuleType:
    made = ModuleType("root.fees")
    exec(SOURCE, vars(made))
    return made


def test_nothing_grew_of_what_is_as_it_was(module: ModuleType) -> None:
    assert ModuleState.of([module]).grown == ()


def test_what_grew_is_named_and_holds_again_what_it_held_at_first(module: ModuleType) -> None:
    state = ModuleState.of([module])
    first = state.first_of(state.containers)
    module.grow()
    assert set(state.grown) == {"fees.CODES", "fees.ROWS", "fees.SEEN", "fees.Memo.known"}
    first.restore()
    assert ({"DE": 0}, [1, 2], {1}) == (module.CODES, module.ROWS, module.SEEN)
    assert module.Memo.known == {}
    assert state.grown == ()
