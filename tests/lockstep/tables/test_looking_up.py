"""Look-ups: against a plain loop, a database and pandas; the same alone and in company."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lockstep import Asked, EventTime, Ints, Key, KnownTime, Table, Texts, Times, lookup
from lockstep.columns.kinds import Columns
from lockstep.columns.tables import WITHDRAWN
from lockstep.tables.rows import TableRows
from tests.fixtures.plain_lookups import answers

from .drawn import (
    HOUR,
    Gauge,
    a_lookup,
    a_question,
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

GAUGE = Gauge.declaration()
WITHIN = st.none() | st.integers(1, 5).map(lambda hours: timedelta(hours=hours))


@given(tables(GAUGE), questions(), WITHIN, st.randoms())
def test_a_look_up_finds_what_a_plain_loop_finds_in_every_company(
    table: Any, asked: Columns, within: timedelta | None, random: Any
) -> None:
    read = a_lookup(within).reader(rows_of(GAUGE, table))
    everything = each_row(GAUGE, *table)

    found = read(asked)

    for place, (station, sensor, time) in enumerate(zip(*asked.values(), strict=True)):
        rows = seen(everything, station, sensor, time, None)
        row = rows[-1] if rows else None
        now = time.astype(np.int64)
        if (
            row is not None
            and within is not None
            and now - row["valid"] > within.total_seconds() * 1e6
        ):
            row = None
        for name in GAUGE.values:
            value = found[f"asked_{name}"][place]
            wanted = None if row is None else row[name]
            if isinstance(value, float):
                assert np.array_equal(value, np.nan if wanted is None else wanted, equal_nan=True)
            else:
                assert value == wanted
        age = np.nan if row is None else (now - row["valid"]) / 1e6
        assert np.array_equal(found["asked_age"][place], age, equal_nan=True)
    order = list(range(len(asked["at"]))) * 2
    random.shuffle(order)
    assert_alike_in_every_company(read, asked, found, order)


@given(tables(GAUGE), questions(), WITHIN, st.randoms())
def test_a_look_up_finds_what_a_plain_loop_finds_of_what_withdrawals_leave(
    drawn: Any, asked: Columns, within: timedelta | None, random: Any
) -> None:
    columns, known = drawn
    withdrawn = np.array([random.random() < 0.3 for _ in columns["at"]], dtype=bool)
    read = a_lookup(within).reader(TableRows.of(GAUGE, {**columns, WITHDRAWN: withdrawn}, known))
    expected = answers(read.node, read.rows, *read.node.asked(asked))
    assert bits(read(asked)) == bits(expected)
    for row in range(len(asked["at"])):
        one = slice(row, row + 1)
        assert bits(read(taken(asked, one))) == bits(taken(expected, one))


@given(tables(GAUGE), questions(), st.randoms())
def test_the_order_of_the_rows_does_not_matter(table: Any, asked: Columns, random: Any) -> None:
    columns, known = table
    order = list(range(len(columns["at"])))
    random.shuffle(order)
    shuffled = {name: array[order] for name, array in columns.items()}
    first = TableRows.of(GAUGE, columns, known)
    second = TableRows.of(GAUGE, shuffled, known if known is None else known[order])

    assert first.digests.tolist() == second.digests.tolist()
    assert first.known.tolist() == second.known.tolist()
    assert (
        a_lookup().reader(first).found(asked).last.tolist()
        == a_lookup().reader(second).found(asked).last.tolist()
    )


@given(tables(GAUGE), questions(), st.lists(st.integers(0, 12), min_size=12, max_size=12))
def test_a_row_has_to_be_known_by_a_time_that_may_be_an_earlier_one(
    table: Any, asked: Columns, hours: list[int]
) -> None:
    rows = rows_of(GAUGE, table)
    by = moments([hour * HOUR for hour in hours])[: len(asked["at"])]
    by = np.minimum(by, asked["at"])
    groups = rows.index.groups_of([asked["station"], asked["sensor"]])

    found = rows.timeline.latest(groups, asked["at"], known_by=by)

    for place, group in enumerate(groups.tolist()):
        time, deadline = asked["at"][place], by[place].astype(np.int64)
        candidates = (
            [
                row
                for row in range(rows.starts[group], rows.starts[group + 1])
                if not np.isnat(time)
                if rows.valid[row] <= time.astype(np.int64) and rows.known[row] <= deadline
            ]
            if group >= 0
            else []
        )
        assert found[place] == max(candidates, default=-1)


def test_pandas_finds_the_same_rows_of_a_large_table() -> None:
    random = np.random.default_rng(0)
    at = random.choice(10_000, 3_000, replace=False) * 60_000_000
    columns = filled(
        GAUGE,
        3_000,
        station=random.choice(["north", "south"], 3_000),
        at=at.astype("datetime64[us]"),
        level=random.normal(size=3_000),
    )
    asked_at = np.sort(random.integers(0, 10_000 * 60_000_000, 5_000)).astype("datetime64[us]")
    asked = {
        "station": random.choice(np.array(["north", "south"], dtype=object), 5_000),
        "sensor": np.ones(5_000, dtype=np.int64),
        "at": asked_at,
    }

    found = a_lookup(timedelta(hours=3)).reader(TableRows.of(GAUGE, columns))(asked)

    right = pd.DataFrame({"known": columns["at"] + np.timedelta64(1, "h"), **columns})
    joined = pd.merge_asof(
        pd.DataFrame(asked),
        right.drop(columns=["at", "sensor"]).sort_values("known"),
        left_on="at",
        right_on="known",
        by="station",
        tolerance=pd.Timedelta(hours=2),  # the third passes until a row is known
    )
    np.testing.assert_array_equal(found["asked_level"], joined["level"].to_numpy())
    assert 0 < np.isnan(found["asked_level"]).mean() < 1


# Boundaries


def gauge(*rows: tuple[int, float], known: list[int] | None = None) -> TableRows:
    at, levels = ([row[place] for row in rows] for place in (0, 1))
    columns = filled(GAUGE, len(rows), at=moments(at), level=levels)
    return TableRows.of(GAUGE, columns, None if known is None else moments(known))


def level(rows: TableRows, at: int, within: timedelta | None = None) -> float | None:
    (found,) = a_lookup(within).reader(rows)(a_question(at))["asked_level"].tolist()
    return None if np.isnan(found) else found


def test_a_row_is_found_from_the_microsecond_of_its_knowledge_until_it_is_too_old() -> None:
    rows, within = gauge((0, 5.0)), timedelta(hours=3)
    hours = (HOUR - 1, HOUR, 3 * HOUR, 3 * HOUR + 1)
    assert [level(rows, at, within) for at in hours] == [None, 5.0, 5.0, None]


@pytest.mark.parametrize(
    ("rows", "known", "expected"),
    [
        ([(0, 5.0), (0, 6.0)], [1, 3], [5.0, 5.0, 6.0]),
        ([(0, 5.0), (HOUR, 6.0)], [1, 3], [5.0, 5.0, 6.0]),
        ([(0, 5.0), (0, 6.0), (0, 5.0)], [1, 2, 3], [5.0, 6.0, 5.0]),
    ],
    ids=["a correction", "a late row", "a correction that is taken back"],
)
def test_a_row_counts_from_when_it_was_known(
    rows: list[tuple[int, float]], known: list[int], expected: list[float]
) -> None:
    table = gauge(*rows, known=[hour * HOUR for hour in known])
    assert [level(table, hour * HOUR) for hour in (1, 2, 3)] == expected


def test_times_too_far_apart_to_count_the_microseconds_between_are_told_apart() -> None:
    at, sensors, levels = moments([0, 2**62] * 2), [1, 1, 2, 2], [1.0, 2.0, 3.0, 4.0]
    rows = TableRows.of(GAUGE, filled(GAUGE, 4, at=at, sensor=sensors, level=levels))
    found = [
        a_lookup().reader(rows)(a_question(HOUR - 1, HOUR, sensor=sensor))["asked_level"].tolist()
        for sensor in (1, 2)
    ]
    np.testing.assert_array_equal(found, [[np.nan, 1.0], [np.nan, 3.0]])


def test_many_late_rows_are_passed_in_few_steps() -> None:
    count = 50_000
    rows = gauge(*((place, place) for place in range(count)), known=[0, *[count * 2] * (count - 1)])
    assert level(rows, count) == 0.0
    assert level(rows, count * 2) == count - 1


@pytest.mark.parametrize("within", [None, timedelta(hours=3)])
@pytest.mark.parametrize("count", [0, 1, 2])
def test_an_empty_table_gives_missing_values_of_the_declared_kinds(
    within: timedelta | None, count: int
) -> None:
    found = a_lookup(within).reader(gauge())(a_question(*[5] * count))
    assert {name: str(array.dtype) for name, array in found.items()} == {
        "asked_level": "float64",
        "asked_count": "float64",
        "asked_is_sound": "float64",
        "asked_note": "object",
        "asked_age": "float64",
    }
    assert all(len(array) == count and pd.isna(array).all() for array in found.values())


@given(st.sampled_from([1.5, np.nan, np.inf, -np.inf, 2.0**63, -(2.0**63), 2.0**53]))
def test_a_number_that_is_no_key_finds_nothing(sensor: float) -> None:
    read = a_lookup().reader(gauge((0, 5.0)))
    for at in ([HOUR], [HOUR, HOUR]):
        assert np.isnan(read(a_question(*at, sensor=sensor))["asked_level"]).all()


# Other tables


class Notice(Table):
    place: Key[int]
    since: EventTime
    told_at: KnownTime
    text: str


class Plane(Table, static=True):
    tail: Key[str]
    seats: int
    built: int | None


def test_a_field_may_say_when_a_row_became_known_and_is_no_value() -> None:
    @lookup(Notice)
    def notice(place: Ints, at: Times) -> Asked:
        return Asked(place, as_of=at)

    schema = Notice.declaration()
    columns = {
        "place": np.array([2**60 + 1, 2**60 + 1, 7]),
        "since": moments([0, HOUR, 0]),
        "told_at": moments([2 * HOUR, HOUR, 0]),
        "text": np.array(["old", "new", "other"], dtype=object),
    }
    read = notice.reader(TableRows.of(schema, columns))
    asked = {
        "place": np.array([2**60 + 1, 2**60 + 1, 2**60]),
        "at": moments([HOUR, HOUR - 1, HOUR]),
    }

    assert read(asked)["notice_text"].tolist() == ["new", None, None]
    assert list(notice.gives) == ["notice_text", "notice_age"]


def test_a_static_table_is_looked_up_by_key_and_its_last_row_counts() -> None:
    @lookup(Plane)
    def plane(tail: Texts) -> Asked:
        return Asked(tail)

    columns = {
        "tail": np.array(["N1", "N2", "N1"], dtype=object),
        "seats": np.array([10, 20, 11]),
        "built": np.array([1990.0, np.nan, 1990.0]),
    }
    rows = TableRows.of(Plane.declaration(), columns, moments([0, 0, 1]))
    read = plane.reader(rows)
    tails = np.array(["N1", "N2", "N3", None], dtype=object)

    found = read({"tail": tails})

    np.testing.assert_array_equal(found["plane_seats"], [11, 20, np.nan, np.nan])
    np.testing.assert_array_equal(found["plane_built"], [1990, np.nan, np.nan, np.nan])
    assert list(found) == ["plane_seats", "plane_built"]
    for place in range(4):
        alone = read({"tail": tails[place : place + 1]})
        np.testing.assert_array_equal(alone["plane_seats"], found["plane_seats"][place : place + 1])
