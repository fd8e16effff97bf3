"""Cases of look-ups and windows: made-up rows and questions, made from the declaration alone.

They show what the rows of a training may not: ties, restated and late rows, the microseconds at
which a row begins to count and ceases to, keys that there are not.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import numpy as np

from lockstep.columns.from_table import FromTable, Reads
from lockstep.columns.graph import Graph
from lockstep.columns.kinds import Array, Columns, Kind, Times
from lockstep.columns.pipeline import Trace
from lockstep.columns.schema import Field
from lockstep.columns.table_schema import TableSchema
from lockstep.columns.tables import from_arrow, kinds_of, stacked, to_arrow
from lockstep.parity.comparison import Comparison, compare
from lockstep.parity.scales import Scales
from lockstep.tables.rows import MISSING, TableRows
from lockstep.tables.stored import read_rows, write_rows
from lockstep.tables.windows import Window

_MICROSECOND = timedelta(microseconds=1)
_HOUR = timedelta(hours=1) // _MICROSECOND
_BEGIN = np.datetime64("2020-01-01T12:00", "us").view(np.int64).item()
_USUAL = timedelta(hours=6)
"""How far a look-up reaches that reaches any way back, and after which rows of other tables that
say by themselves when they are known become so."""
_CASE, _AS_OF = "(case)", "(as of)"
"""Columns beside keys and answers: no column can have these names."""
_ROWS, _ASKED = "rows", "asked"

_ONE, _OTHER, _UNKNOWN, _MISSING = range(4)
"""Keys: two that rows have, one that none has, and a missing one."""
_TEXTS = ("one", "other", "\x00 no row has it", None)
_NUMBERS = (1, 2, 3, np.nan)


@dataclass(frozen=True, eq=False)
class LookupCases:
    """Questions to a look-up or window, with its answers over a few rows."""

    rows: TableRows
    names: Array  # what each question shows
    keys: tuple[Array, ...]  # for each field of the table's key, the key of each question
    as_of: Times | None  # the times; None for a static table
    answers: Columns  # its columns


def cases_of(node: FromTable) -> LookupCases:
    """Make up the cases of a look-up or window."""
    table = node.table
    made = list(_static_rows() if table.static else _rows(node))
    columns = {field.name: _cells(field, made) for field in table.schema}
    known = np.array([row[2] for row in made], dtype="datetime64[us]")
    if table.valid is not None:
        columns[table.valid] = np.array([row[1] for row in made], dtype="datetime64[us]")
    if table.known is not None:
        columns[table.known] = known
    rows = TableRows.of(table, columns, known)
    asked = list(_static_questions() if table.static else _questions(node))
    names = np.array([name for name, _, _ in asked], dtype=object)
    keys = _asked_keys(table, [key for _, key, _ in asked])
    as_of = None if table.static else np.array([time for *_, time in asked], "datetime64[us]")
    return LookupCases(rows, names, keys, as_of, node.reader(rows).read(keys, as_of))


def _bound(node: FromTable, rows: TableRows) -> Reads:
    return node.reader(rows)


def replay_cases(
    graph: Graph,
    cases: Mapping[str, LookupCases],
    bind: Callable[[FromTable, TableRows], Reads] = _bound,
) -> Iterator[Comparison]:
    """Ask look-ups and windows what was made up, and compare the answers.

    They are asked together and one at a time.

    Args:
        bind: Makes what reads a table for one of them.
    """
    nodes = {name: node for name, node in graph.nodes.items() if isinstance(node, FromTable)}
    for name, case in cases.items():
        read = bind(nodes[name], case.rows).read
        each = (slice(place, place + 1) for place in range(len(case.names)))
        alone = [
            read(
                [array[one] for array in case.keys], None if case.as_of is None else case.as_of[one]
            )
            for one in each
        ]
        whole, made_up = read(case.keys, case.as_of), "on made-up rows"
        ways = {made_up: whole, f"{made_up}, one at a time": stacked(alone)}
        expected = Trace(case.names, case.answers, {})
        for setting, found in ways.items():
            yield compare(
                expected,
                Trace(case.names, found, {}),
                graph,
                scales=Scales(),
                columns=case.answers,
                setting=setting,
            )


def write_cases(directory: Path, cases: Mapping[str, LookupCases]) -> None:
    """Write cases into a directory."""
    from pyarrow import parquet

    write_rows(directory / _ROWS, {name: case.rows for name, case in cases.items()})
    for name, case in cases.items():
        keys = dict(zip(case.rows.schema.keys, case.keys, strict=True))
        times = {} if case.as_of is None else {_AS_OF: case.as_of}
        asked = {_CASE: case.names, **{f"({key})": array for key, array in keys.items()}, **times}
        (directory / _ASKED).mkdir(exist_ok=True)
        parquet.write_table(
            to_arrow({**asked, **case.answers}), directory / _ASKED / f"{name}.parquet"
        )


def read_cases(directory: Path) -> dict[str, LookupCases]:
    """Read what `write_cases` wrote; nothing where there is no directory."""
    from pyarrow import parquet

    cases = {}
    for name, rows in read_rows(directory / _ROWS).items():
        table = parquet.ParquetFile(directory / _ASKED / f"{name}.parquet").read()
        columns = from_arrow(table, kinds_of(table))
        names, as_of = columns.pop(_CASE), columns.pop(_AS_OF, None)
        keys = tuple(columns.pop(f"({key})") for key in rows.schema.keys)
        cases[name] = LookupCases(rows, names, keys, as_of, columns)
    return cases


def _spans(node: FromTable) -> tuple[int, int, int]:
    """How long until a row is known, how far back the node reaches, and between scenes."""
    after = node.table.known_after
    delay = _HOUR if after is None else after // _MICROSECOND
    reach = node.over if isinstance(node, Window) else getattr(node, "within", None)
    span = (reach or _USUAL) // _MICROSECOND
    return delay, span, 2 * (delay + span) + 48 * _HOUR


def _rows(node: FromTable) -> Iterator[tuple[int, int, int]]:
    """Rows of a few scenes, far from each other: their key, and when they are valid and known."""
    delay, _, apart = _spans(node)
    for scene, of_scene in enumerate(
        (
            [(0, 0)],
            [(0, 0), (0, _HOUR)],  # restated
            [(0, 0), (0, 0)],  # a tie
            [(0, 2 * _HOUR), (_HOUR, 0)],  # late, and overtaken
            [(0, 0), (0, 5 * _HOUR), (_HOUR // 2, 0), (_HOUR, 0)],
        )
    ):
        for valid, late in of_scene:
            begin = _BEGIN + scene * apart + valid
            yield _ONE, begin, begin + delay + late
    for scene in (0, 3):
        begin = _BEGIN + scene * apart + _HOUR // 4
        yield _OTHER, begin, begin + delay


def _questions(node: FromTable) -> Iterator[tuple[str, int, Any]]:
    delay, span, apart = _spans(node)
    first, restated, tie, late, many = (_BEGIN + scene * apart for scene in range(5))
    yield "before any row", _ONE, first - 1
    yield "when it begins to be valid", _ONE, first
    yield "a microsecond before it is known", _ONE, first + delay - 1
    yield "when it is known", _ONE, first + delay
    yield "another key", _OTHER, first + delay + _HOUR
    yield "a key that no row has", _UNKNOWN, first + delay + _HOUR
    yield "a missing key", _MISSING, first + delay + _HOUR
    yield "a missing time", _ONE, "NaT"
    yield "a microsecond before it is as old as may be", _ONE, first + span - 1
    yield "as old as may be", _ONE, first + span
    yield "stale by a microsecond", _ONE, first + span + 1
    yield "stale, or an empty window", _ONE, restated - 1
    yield "before it is restated", _ONE, restated + delay + _HOUR - 1
    yield "once it is restated", _ONE, restated + delay + _HOUR
    yield "a tie", _ONE, tie + delay
    yield "a newer one, while a late one is not known", _ONE, late + delay + _HOUR
    yield "a microsecond before a late one is known", _ONE, late + delay + 2 * _HOUR - 1
    yield "once a late one is known", _ONE, late + delay + 2 * _HOUR
    yield "several", _ONE, many + delay + _HOUR
    yield "several, and the late one", _ONE, many + delay + 5 * _HOUR
    yield "the other key, later", _OTHER, late + delay + _HOUR


def _static_rows() -> Iterator[tuple[int, int, int]]:
    yield _ONE, 0, _BEGIN
    yield _ONE, 0, _BEGIN + _HOUR
    yield _OTHER, 0, _BEGIN


def _static_questions() -> Iterator[tuple[str, int, Any]]:
    yield "restated", _ONE, None
    yield "another key", _OTHER, None
    yield "a key that no row has", _UNKNOWN, None
    yield "a missing key", _MISSING, None


def _asked_keys(table: TableSchema, keys: Sequence[int]) -> tuple[Array, ...]:
    return tuple(
        np.array([_key(table.schema[name], key) for key in keys], dtype=_asked_dtype(table, name))
        for name in table.keys
    )


def _asked_dtype(table: TableSchema, name: str) -> np.dtype[Any]:
    kind = table.schema[name].kind
    return (Kind.TEXT if kind is Kind.TEXT else Kind.FLOAT).dtype


def _key(field: Field, key: int) -> Any:
    if field.kind is not Kind.TEXT:
        return _NUMBERS[key]
    if field.choices is not None and key in (_ONE, _OTHER):
        return field.choices[-key]
    return _TEXTS[key]


def _cells(field: Field, rows: Sequence[tuple[int, int, int]]) -> Array:
    """Values of a field that differ from row to row, and are missing in some where they may."""
    if field.role == "key":
        return np.array([_key(field, key) for key, *_ in rows], dtype=field.kind.dtype)
    places = np.arange(len(rows))
    match field.declared:
        case "str":
            texts = field.choices or [f"value {place}" for place in places]
            array = np.array([texts[place % len(texts)] for place in places], dtype=object)
        case "datetime":
            array = (_BEGIN + places * _HOUR).astype("datetime64[us]")
        case "float":
            array = (places + 1) / 10
        case "bool":
            array = (places % 2).astype(field.kind.dtype)
        case _:
            array = (places + 1).astype(field.kind.dtype)
    if field.optional:
        array[places % 5 == 4] = MISSING[field.kind]
    return array
