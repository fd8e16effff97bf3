"""Rows of a batch by day: every row of a day, once, however units hold them."""

from collections import Counter
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from lockstep.columns.kinds import Kind
from lockstep.scoring.day_rows import blocks_of, forget_days, write_days

DAYS_OF_UNITS = st.lists(st.lists(st.integers(0, 5), max_size=12), min_size=1, max_size=4)


def counted(days: list[int]) -> dict[int, int]:
    return {day: days.count(day) for day in set(days)}


@settings(max_examples=60, deadline=None)
@given(
    units=DAYS_OF_UNITS, of_day=st.integers(1, 4), most=st.integers(1, 8), whole=st.integers(1, 8)
)
def test_blocks_hold_each_row_once_and_days_in_order(units, of_day, most, whole):
    with TemporaryDirectory() as name:
        folder, first = Path(name), 0
        day_of: dict[int, int] = {}
        for unit, days in enumerate(units):
            numbers = np.arange(first, first + len(days), dtype=np.int64)
            write_days(folder, unit, {"number": numbers}, np.array(days, dtype=np.int64))
            day_of |= dict(zip(numbers.tolist(), days, strict=True))
            first += len(days)
        blocks = blocks_of([counted(days) for days in units], of_day, most, whole)
        read = [block.read(folder, {"number": Kind.INT})["number"].tolist() for block in blocks]
        assert sorted(number for numbers in read for number in numbers) == list(range(first))
        assert [block.days for block in blocks] == sorted(block.days for block in blocks)
        for block, numbers in zip(blocks, read, strict=True):
            assert {day_of[number] for number in numbers} == set(block.days)
        assert [block.number for block in blocks] == list(range(len(blocks)))
        forget_days(folder, len(units))
        assert not list(folder.iterdir())


@given(
    units=DAYS_OF_UNITS, of_day=st.integers(1, 4), most=st.integers(1, 8), whole=st.integers(1, 8)
)
def test_a_block_has_no_more_rows_than_it_may(units, of_day, most, whole):
    sizes = sum((Counter(days) for days in units), Counter[int]())
    for block in blocks_of([counted(days) for days in units], of_day, most, whole):
        looked_at = sum(min(sizes[day], of_day) for day in block.days)
        assert sum(end - begin for _, begin, end in block.parts) <= whole
        assert looked_at <= most or len(block.days) == 1
        assert block.of_day == (sizes[block.days[0]] if sizes[block.days[0]] > whole else 0)
