"""The order in which blocks of days are looked at, and how often their rows are read."""

from collections import deque
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from assets.orders import ASSETS
from lockstep.artifacts.version import LoadedVersion
from lockstep.scoring import among
from lockstep.scoring.day_rows import DayBlock
from lockstep.scoring.measuring import DaysTask, measured_blocks
from lockstep.store.parquet import Store
from tests.fixtures.order_store import OrderStore, orders_of


class Eager:
    """An executor that has as many tasks begun as it may, and notes what was done before each."""

    def __init__(self, ahead: int) -> None:
        self.ahead = ahead
        self.done: list[tuple[str, int]] = []
        self.done_before: dict[tuple[str, int], list[tuple[str, int]]] = {}

    def map(self, function: Any, live: Any, tasks: Iterable[DaysTask]) -> Iterator[Any]:
        begun: deque[tuple[str, int]] = deque()
        for task in tasks:
            begun.append((function.__name__, task.block.number))
            self.done_before[begun[-1]] = [*self.done]
            if len(begun) == self.ahead:
                self.done.append(begun.popleft())
                yield None
        for each in begun:
            self.done.append(each)
            yield None


@given(count=st.integers(1, 30), ahead=st.integers(1, 12))
def test_a_block_is_measured_once_all_before_it_have_been_remembered(count: int, ahead: int):
    tasks = [DaysTask(DayBlock(at, (at,), ()), Path(), "days.csv", None) for at in range(count)]
    eager = Eager(ahead)
    found = [task.block.number for task, _ in measured_blocks(eager, Any, tasks)]
    assert found == [*range(count)]
    for number in range(count):
        before = eager.done_before["measure_days", number]
        assert {("remember_days", earlier) for earlier in range(number)} <= {*before}


def test_a_process_reads_the_rows_of_each_block_once(
    version: LoadedVersion, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    read: list[int] = []
    whole = DayBlock.read

    def counting(block, *arguments):
        read.append(block.number)
        return whole(block, *arguments)

    monkeypatch.setattr(DayBlock, "read", counting)
    monkeypatch.setattr(among, "_LOOKED_AT", 1)
    days = [orders_of(f"2020-03-0{day}") for day in range(1, 6)]
    days[2]["weight"] = 2_500.0  # what is found of it asks for its rows
    place = OrderStore(Store(tmp_path), version)
    found = place.score(pd.concat(days, ignore_index=True), "days.csv", "inbox", declared=ASSETS)
    assert not found.batch.results["sudden_shift"].passed
    assert read == [0, 1, 2, 3, 4]
