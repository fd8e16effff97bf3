"""Values as plain data, and values and texts in a sentence."""

from __future__ import annotations

import json
import os
from datetime import UTC, date, datetime, timedelta, timezone
from decimal import Decimal
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lockstep.columns.plain import (
    all_of,
    brief,
    counted,
    cut,
    listed,
    one_line,
    plain,
    short_name,
    show,
    to_the_minute,
)


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (np.float64(0.1), 0.1),
        (np.int64(3), 3),
        (np.bool_(True), True),
        (np.datetime64("2013-04-01T09:30:00.000001"), "2013-04-01T09:30:00.000001Z"),
        (np.datetime64("2013-04-01", "D"), "2013-04-01T00:00:00Z"),
        (pd.Timestamp("2013-04-01T09:30", tz="UTC"), "2013-04-01T09:30:00Z"),
        (datetime(2013, 4, 1, 9, tzinfo=timezone(timedelta(hours=2))), "2013-04-01T09:00:00+02:00"),
        (date(2013, 4, 1), "2013-04-01"),
        (np.inf, "Infinity"),
        (-np.inf, "-Infinity"),
        (Decimal("1.10"), "1.10"),
        ({1: [np.float64(1), (2,)]}, {"1": [1.0, [2]]}),
        (np.array(["a", None], dtype=object), ["a", None]),
    ],
)
def test_a_value_becomes_what_strict_json_can_hold(value: Any, expected: Any) -> None:
    found = plain(value)
    assert found == expected
    json.dumps(found, allow_nan=False)


@pytest.mark.parametrize("missing", [None, np.nan, pd.NaT, pd.NA, np.datetime64("NaT")])
def test_a_missing_value_is_null_unless_nan_is_told_apart(missing: Any) -> None:
    assert plain([missing]) == [None]
    is_nan = isinstance(missing, float)
    assert plain([missing], nan="NaN") == ["NaN" if is_nan else None]


@pytest.mark.parametrize("time", ["2013-04-01T09:30:59.123456+00:00", "2013-04-01T11:30:00+02:00"])
def test_a_stored_time_reads_as_a_person_writes_it(time: str) -> None:
    assert to_the_minute(time) == "2013-04-01 09:30 UTC"


def test_long_texts_and_lists_are_cut_where_that_is_asked() -> None:
    assert plain(["abcdef", "b", "c", "d"], longest=3) == ["ab…", "b", "c"]


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("it's", '"it\'s"'),
        ("x" * 100, f"'{'x' * 59}…'"),
        (0.1 + 0.2, "0.30000000000000004"),
        (np.float64("nan"), "NaN"),
        (None, "None"),
        (datetime(2013, 4, 1, tzinfo=UTC), "2013-04-01T00:00:00Z"),
        (2**300, "an integer of 301 bits"),
        (["a\n" * 9], r"['a\na\na\na\na\na\na\na\na\n']"),
    ],
)
def test_a_value_in_a_sentence(value: Any, expected: str) -> None:
    assert show(value) == expected


def test_texts_and_lists_of_names_are_cut_and_say_so() -> None:
    assert one_line("It broke:\n  here.\n") == "It broke: here"
    assert (cut("abcdef", 4), cut("abcd", 4)) == ("abc…", "abcd")
    assert (listed("abcde", most=2), listed("ab", most=2)) == ("a, b and 3 more", "a, b")


@pytest.mark.parametrize(
    ("number", "text"),
    [
        (1263.7, "+1,264"),
        (999.9, "+1,000"),
        (876.5, "+876"),
        (-0.01234, "-0.0123"),
        (1e30, "+1e+30"),
    ],
)
def test_thousands_are_told_without_powers_of_ten(number: float, text: str) -> None:
    assert brief(number, "+") == text


@pytest.mark.parametrize(
    ("count", "rows", "all_rows"),
    [
        (0, "0 rows", "All 0 rows fit"),
        (1, "1 row", "The one row fits"),
        (2000, "2,000 rows", "All 2,000 rows fit"),
    ],
)
def test_so_many_things_are_told_as_in_a_sentence(count: int, rows: str, all_rows: str) -> None:
    assert counted(count, "row") == rows
    assert all_of(count, "row", "fits", "fit") == all_rows


@given(
    name=st.text(alphabet="aж\udcff.", min_size=1, max_size=300),
    other=st.text(alphabet="aж", min_size=1, max_size=3),
    kind=st.sampled_from(["", ".csv", ".jsonl.zst", f".{'a' * 20}.parquet"]),
    room=st.integers(0, 40),
)
def test_a_long_name_is_cut_by_bytes_and_two_stay_two(name, other, kind, room) -> None:
    short = short_name(name + kind, room)
    assert len(os.fsencode(short)) <= 255 - room
    assert (short == name + kind) == (len(os.fsencode(name + kind)) <= 255 - room)
    assert short.endswith(kind[-8:])
    assert short_name(name + other + kind, room) != short
