"""Windows: against a plain loop, and the same to the last bit alone and in company."""

from __future__ import annotations

import re
from datetime import timedelta
from pathlib import Path
from typing import Any, get_args

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lockstep.columns.kinds import Columns
from lockstep.tables.reductions import Reduction
from lockstep.tables.rows import TableRows

from .drawn import (
    HOUR,
    Passage,
    a_question,
    a_window,
    assert_alike_in_every_company,
    bits,
    each_row,
    filled,
    moments,
    questions,
    rows_of,
    seen,
    tables,
    taken,
)

HOW = get_args(Reduction)
PASSAGE = Passage.declaration()
DOCUMENT = Path(__file__).parents[3] / "docs" / "look-ups.md"
(TOTAL,) = re.findall(r"^ +(total = np\.add\.reduceat.*)$", DOCUMENT.read_text(), re.MULTILINE)
OVER = st.integers(1, 5).map(lambda hours: timedelta(hours=hours))


def plain(how: str, values: list[Any]) -> Any:
    """What values come to, one after the other."""
    if how == "count":
        return len(values)
    if not values:
        return None
    if how in ("last", "distinct"):
        return values[-1] if how == "last" else len(set(values))
    numbers = np.array([*map(float, values)]) + 0.0
    names = {"np": np, "values": numbers}
    exec(TOTAL, names)
    total = names["total"]
    return {
        "sum": total,
        "mean": total / len(values),
        "min": min(numbers),
        "max": max(numbers),
    }[how]


@pytest.mark.parametrize(
    ("of", "how"),
    [
        ("level", HOW),
        ("is_sound", HOW),
        ("note", ("last", "distinct", "count")),
        (None, ("count",)),  # rows are counted without a field
    ],
)
@given(table=tables(PASSAGE), asked=questions(), over=OVER, random=st.randoms())
def test_a_window_comes_to_what_a_plain_loop_comes_to_in_every_company(
    of: str | None, how: tuple[str, ...], table: Any, asked: Columns, over: timedelta, random: Any
) -> None:
    read = a_window(over, of, how).reader(rows_of(PASSAGE, table))
    everything = each_row(PASSAGE, *table)

    with np.errstate(all="ignore"):
        found = read(asked)
        for place, (station, sensor, time) in enumerate(zip(*asked.values(), strict=True)):
            rows = seen(everything, station, sensor, time, int(over.total_seconds() * 1e6))
            values = [row.get(of, 0) for row in rows]
            values = [value for value in values if value is not None and value == value]
            for name in how:
                value, wanted = found[f"asked_{name}"][place], plain(name, values)
                if isinstance(value, str) or value is None:
                    assert value == wanted
                else:
                    expected = np.nan if wanted is None else wanted
                    assert np.array_equal(value, expected, equal_nan=True)
        assert found["asked_count"].dtype == np.int64
        order = list(range(len(asked["at"]))) * 2
        random.shuffle(order)
        assert_alike_in_every_company(read, asked, found, order)


@pytest.mark.parametrize("late", [False, True])
def test_sums_of_long_windows_are_the_same_to_the_bit_in_every_company(late: bool) -> None:
    random = np.random.default_rng(1)
    count = 60_000
    columns = filled(
        PASSAGE,
        count,
        station=random.choice(["north", "south"], count),
        at=random.integers(0, 100 * HOUR, count).astype("datetime64[us]"),
        level=random.normal(size=count) * 10.0 ** random.integers(-9, 9, count),
        note=random.choice(np.array(["a", "b", None], dtype=object), count),
    )
    columns["level"][::17] = np.nan
    delays = random.integers(0, 30 * HOUR, count).astype("timedelta64[us]")
    rows = TableRows.of(PASSAGE, columns, columns["at"] + delays if late else None)
    wanted = 24
    asked = {
        "station": random.choice(np.array(["north", "south"], dtype=object), wanted),
        "sensor": np.ones(wanted, dtype=np.int64),
        "at": random.integers(0, 100 * HOUR, wanted).astype("datetime64[us]"),
    }
    read = a_window(timedelta(hours=50), "level", HOW).reader(rows)
    whole = read(asked)
    assert whole["asked_count"].max() > 8_192  # more than NumPy has in one buffer
    assert_alike_in_every_company(read, asked, whole, random.permutation(wanted).tolist())
    for size in (2, 3, 12):
        for start in range(0, wanted - size, size * 3):
            some = slice(start, start + size)
            assert bits(read(taken(asked, some))) == bits(taken(whole, some))


# Boundaries


def passages(*at: int) -> TableRows:
    columns = filled(PASSAGE, len(at), at=moments(at), level=np.arange(len(at)))
    return TableRows.of(PASSAGE, columns)


def count_at(rows: TableRows, at: int, over: timedelta) -> int:
    return int(a_window(over, None, ["count"]).reader(rows)(a_question(at))["asked_count"][0])


def test_a_window_begins_after_its_first_microsecond_and_ends_with_its_last() -> None:
    rows = passages(10 * HOUR)  # which is known after an hour
    times = (11 * HOUR - 1, 11 * HOUR, 15 * HOUR - 1, 15 * HOUR)
    assert [count_at(rows, at, timedelta(hours=5)) for at in times] == [0, 1, 1, 0]
    assert [count_at(rows, at, timedelta(minutes=30)) for at in times] == [0] * 4


def test_events_that_are_alike_count_once_and_others_at_the_same_time_all() -> None:
    rows = passages(HOUR, HOUR, HOUR)  # their levels differ
    again = TableRows.of(PASSAGE, {name: np.tile(array, 2) for name, array in rows.columns.items()})
    assert len(again) == 3
    assert count_at(again, 2 * HOUR, timedelta(hours=5)) == 3


@pytest.mark.parametrize("count", [0, 1, 2])
def test_windows_over_no_events_are_empty(count: int) -> None:
    read = a_window(timedelta(hours=5), "level", HOW).reader(passages())
    found = read(a_question(*[HOUR] * count))
    assert found.pop("asked_count").tolist() == [0] * count
    assert all(len(array) == count and np.isnan(array).all() for array in found.values())
