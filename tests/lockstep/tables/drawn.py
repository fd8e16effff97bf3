"""Tables and questions that hypothesis draws: with ties, restatements, late rows and gaps."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import timedelta
from typing import Any

import numpy as np
from hypothesis import strategies as st

from lockstep import Asked, Event, EventTime, Key, Table, lookup, window
from lockstep.columns.digests import digests_of, mixed
from lockstep.columns.kinds import Array, Columns, Floats, Texts, Times
from lockstep.columns.table_schema import TableSchema
from lockstep.tables.rows import TableRows


class Gauge(Table, known_after=timedelta(hours=1)):
    station: Key[str]
    sensor: Key[int]
    at: EventTime
    level: float | None
    count: int
    is_sound: bool | None
    note: str | None


class Passage(Event, known_after=timedelta(hours=1)):
    station: Key[str]
    sensor: Key[int]
    at: EventTime
    level: float | None
    note: str | None
    is_sound: bool


STATIONS = ["north", "south", "wöst"]
FLOATS = [None, 0.0, -0.0, 0.1, 0.2, 0.3, 1e16, -1e16, 1.0, float("inf")]
HOUR = 3_600_000_000

times = st.integers(0, 9).map(lambda number: number * HOUR)
"""Few, so that many rows and questions meet at one time."""


def moments(numbers: Sequence[int | None]) -> Times:
    found = np.array([0 if number is None else number for number in numbers], dtype=np.int64)
    array: Times = found.astype("datetime64[us]")
    array[[number is None for number in numbers]] = "NaT"
    return array


def optional(values: Sequence[Any]) -> Floats:
    return np.array([np.nan if value is None else value for value in values], dtype=np.float64)


@st.composite
def tables(draw: st.DrawFn, schema: TableSchema, most: int = 40) -> tuple[Columns, Times | None]:
    """The columns of a table, and when each row became known, if that is not as declared."""
    drawn = {
        "station": st.sampled_from(STATIONS),
        "sensor": st.integers(1, 2),
        "at": times,
        "level": st.sampled_from(FLOATS),
        "count": st.integers(-3, 3),
        "is_sound": st.sampled_from([True, False, *([None] if schema.name == "gauge" else [])]),
        "note": st.sampled_from([None, "a", "b"]),
    }
    names = schema.schema.names
    rows = draw(st.lists(st.tuples(*(drawn[name] for name in names)), max_size=most))
    values = dict(zip(names, zip(*rows, strict=True), strict=True)) if rows else {}
    columns = {name: made(values.get(name, ()), schema.schema[name].kind.dtype) for name in names}
    if draw(st.booleans()):
        return columns, None
    late = draw(st.lists(times, min_size=len(rows), max_size=len(rows)))
    declared = columns["at"] + np.timedelta64(schema.known_after or timedelta())
    return columns, declared + np.array(late, dtype="timedelta64[us]")


def made(values: Sequence[Any], dtype: np.dtype[Any]) -> Array:
    if dtype.kind == "M":
        return moments(values)
    return optional(values) if dtype.kind == "f" else np.array(list(values), dtype=dtype)


def filled(schema: TableSchema, count: int, **given: Any) -> Columns:
    """The columns of so many rows; those that are not given hold one value."""
    values = {"station": "north", "sensor": 1, "note": None}
    return {
        name: np.array(given.get(name, [values.get(name, 0)] * count), dtype=kind.dtype)
        for name, kind in schema.schema.kinds.items()
    }


def a_question(*at: int | None, station: str | None = "north", sensor: float = 1) -> Columns:
    """What is known of a station at some times."""
    return {
        "station": np.array([station] * len(at), dtype=object),
        "sensor": np.full(len(at), sensor, dtype=np.float64),
        "at": moments(at),
    }


@st.composite
def questions(draw: st.DrawFn, most: int = 12) -> Columns:
    """Keys and times, some of them missing, unknown or between two others."""
    asked = st.tuples(
        st.sampled_from([*STATIONS, "nowhere", None]),
        st.sampled_from([1, 2, 3, None, 1.5]),
        st.none() | st.tuples(times, st.sampled_from([-1, 0, 1])).map(sum),
    )
    rows = draw(st.lists(asked, min_size=1, max_size=most))
    station, sensor, at = zip(*rows, strict=True)
    return {
        "station": np.array(station, dtype=object),
        "sensor": optional(sensor),
        "at": moments(at),
    }


def asked(station: Texts, sensor: Floats, at: Times) -> Asked:
    return Asked(station, sensor, as_of=at)


def a_lookup(within: timedelta | None = None) -> Any:
    return lookup(Gauge, within=within)(asked)


def a_window(over: timedelta, of: str | None, how: Sequence[str]) -> Any:
    return window(Passage, over=over, of=of, how=how)(asked)


Row = dict[str, Any]


def each_row(schema: TableSchema, columns: Columns, known: Times | None) -> list[Row]:
    """The rows one by one; events that are alike once, known as soon as the first of them."""
    valid = columns["at"].view(np.int64)
    if known is None:
        assert schema.known_after is not None
        known = columns["at"] + np.timedelta64(schema.known_after)
    digests = mixed([digests_of(array) for array in columns.values()], len(valid))
    rows: dict[Any, Row] = {}
    order = np.argsort(known, kind="stable").tolist()
    for place in order:
        row = {name: array[place] for name, array in columns.items()}
        times = {"valid": int(valid[place]), "known": int(known.view(np.int64)[place])}
        digest = int(digests[place])
        name = digest if schema.is_event else (digest, times["known"])
        rows.setdefault(name, {**row, **times, "digest": digest})
    return list(rows.values())


def seen(rows: list[Row], station: Any, sensor: Any, time: Any, after: int | None) -> list[Row]:
    """The rows of a key that a question may see, in order: valid after a time, and known."""
    if np.isnat(time):
        return []
    now = int(time.astype(np.int64))
    some = [
        row
        for row in rows
        if row["station"] == station and row["sensor"] == sensor
        if row["valid"] <= now
        and row["known"] <= now
        and (after is None or row["valid"] > now - after)
    ]
    return sorted(some, key=lambda row: (row["valid"], row["known"], row["digest"]))


def bits(columns: Columns) -> dict[str, tuple[str, Any]]:
    """Columns as they are to the bit."""
    return {
        name: (str(array.dtype), array.tolist() if array.dtype == object else array.tobytes())
        for name, array in columns.items()
    }


def taken(columns: Columns, rows: Any) -> Columns:
    return {name: array[rows] for name, array in columns.items()}


def assert_alike_in_every_company(
    read: Callable[[Columns], Columns], asked: Columns, whole: Columns, order: Sequence[int]
) -> None:
    """What is read does not depend on what else is read, nor on how it lies in memory."""
    assert bits(read(taken(asked, list(order)))) == bits(taken(whole, list(order)))
    backwards = slice(None, None, -1)
    assert bits(read(taken(asked, backwards))) == bits(taken(whole, backwards))
    for row in range(len(asked["at"])):
        alone = read(taken(asked, slice(row, row + 1)))
        assert bits(alone) == bits(taken(whole, slice(row, row + 1)))
        assert not any(array.flags.writeable for array in alone.values())


def rows_of(schema: TableSchema, table: tuple[Columns, Times | None]) -> TableRows:
    return TableRows.of(schema, *table)
