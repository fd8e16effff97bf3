"""The reference of look-ups and windows: a plain loop over the rows of a table in any order.

It knows no order of rows, no index and no single row that is read in another way: each row of the
record's key is compared with what is asked for, and either counts or does not.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import timedelta
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from lockstep.columns.asof.lookup_nodes import FromTable, Lookup, Window
from lockstep.columns.asof.table_rows import MISSING, TableRows
from lockstep.columns.digests import digests_of_rows
from lockstep.columns.kinds import Array, Columns, Ints, Kind, Times
from lockstep.columns.pipeline import Pipeline, Trace
from lockstep.columns.tables import stacked, take_rows
from lockstep.parity.comparison import ParityReport, compare
from lockstep.parity.scales import Scales

_MICROSECOND = timedelta(microseconds=1)
_SHUFFLED = 0
"""Seed of the order in which rows are looked at."""


class _PlainRow(NamedTuple):
    """A row of a table, which orders as look-ups and windows declare."""

    valid: int
    known: int
    digest: int
    place: int


class _PlainRows(NamedTuple):
    """The rows of a key, shuffled: an array for each fact."""

    valid: Ints
    known: Ints
    places: Ints


def compare_with_reference(pipeline: Pipeline, columns: Columns) -> ParityReport:
    """Compare what look-ups and windows read for some rows with what a plain loop finds.

    Args:
        columns: The rows, with all columns of look-ups and windows as they were computed in
            company. They are read alone, too.
    """
    expected, alone = dict(columns), dict(columns)
    names: list[str] = []
    for read in pipeline.readers.values():
        expected |= answers(read.node, read.rows, *read.node.asked(columns))
        rows = range(len(columns[pipeline.key]))
        alone |= stacked([read(take_rows(columns, slice(row, row + 1))) for row in rows])
        names += read.node.gives
    keys = columns[pipeline.key]
    scales = Scales.of(Trace(keys, {name: expected[name] for name in names}, {}))
    return ParityReport(
        tuple(
            compare(
                Trace(keys, expected, {}),
                Trace(keys, actual, {}),
                pipeline.graph,
                scales=scales,
                columns=names,
                setting=setting,
            )
            for setting, actual in {"in company": columns, "one at a time": alone}.items()
        )
    )


def answers(
    node: FromTable, rows: TableRows, keys: Sequence[Array], as_of: Times | None
) -> Columns:
    """What a look-up or window has to read.

    A row that was recorded as known before its table says so is known when the table says.
    """
    asked = list(zip(*(array.tolist() for array in keys), strict=True))
    times = [None] * len(asked) if as_of is None else as_of.view(np.int64).tolist()
    by_key = _rows_by_key(rows, set(asked))
    cells: list[dict[str, Any]] = []
    for key, time in zip(asked, times, strict=True):
        seen = _seen(node, rows, by_key[key], time) if key in by_key else []
        if isinstance(node, Window):
            cells.append(dict(_reduced(node, rows, seen)))
        else:
            cells.append(dict(_cells(node, rows, seen[-1] if seen else None, time)))
    found: Columns = {}
    for name, kind in node.gives.items():
        array = np.empty(len(cells), dtype=kind.dtype)
        for place, cell in enumerate(cells):
            array[place] = cell.get(name, MISSING.get(kind, 0))
        found[name] = array
    return found


def _rows_by_key(rows: TableRows, wanted: set[Any]) -> dict[Any, _PlainRows]:
    """The rows of some keys, shuffled."""
    schema = rows.schema
    is_wanted = np.ones(len(rows), dtype=np.bool_)
    for name, values in zip(schema.keys, zip(*wanted, strict=True), strict=True):
        array = rows.columns[name]
        is_wanted &= pd.Series(array, dtype=array.dtype).isin(values).to_numpy()
    places = np.flatnonzero(is_wanted)
    np.random.default_rng(_SHUFFLED).shuffle(places)
    of_key: dict[Any, list[int]] = {}
    keys = zip(*(rows.columns[name][places].tolist() for name in schema.keys), strict=True)
    for key, place in zip(keys, places.tolist(), strict=True):
        of_key.setdefault(key, []).append(place)
    return {key: _plain(rows, np.array(of)) for key, of in of_key.items() if key in wanted}


def _plain(rows: TableRows, places: Ints) -> _PlainRows:
    schema, known = rows.schema, rows.known[places]
    if schema.valid is None:
        return _PlainRows(known, known, places)
    valid = rows.columns[schema.valid][places].view(np.int64)
    promised = 0 if schema.known_after is None else schema.known_after // _MICROSECOND
    return _PlainRows(valid, np.maximum(known, valid + promised), places)


def _seen(node: FromTable, rows: TableRows, held: _PlainRows, time: int | None) -> list[_PlainRow]:
    """The rows of a key that may be seen at a time, in their order; of a look-up the last ones."""
    counts = np.ones(len(held.places), dtype=np.bool_)
    if time is not None:
        counts = (held.valid <= time) & (held.known <= time)
        if rows.schema.identity is not None or rows.withdrawn.any():
            counts &= np.isin(held.places, _standing(rows, held, time))
    elif rows.withdrawn[held.places[held.known == held.known.max()]].any():
        return []
    if isinstance(node, Window) and time is not None:
        counts &= held.valid > time - node.over // _MICROSECOND
    elif counts.any():
        counts &= held.valid == held.valid[counts].max()
    valid, known, places = (array[counts] for array in held)
    times = list(zip(valid.tolist(), known.tolist(), strict=True))
    digests = np.zeros(len(times), dtype=np.uint64)
    if len({*times}) < len(times):  # digests tell those apart that are of one time
        digests = digests_of_rows(take_rows(rows.columns, places))
    facts = zip(times, digests.tolist(), places.tolist(), strict=True)
    return sorted(_PlainRow(*of, digest, place) for of, digest, place in facts)


def _standing(rows: TableRows, held: _PlainRows, time: int) -> list[int]:
    """Of each identity, the row that became known last by a time, unless it is a withdrawal."""
    last: dict[tuple[str, ...], tuple[int, int]] = {}
    for known, place in zip(held.known.tolist(), held.places.tolist(), strict=True):
        identity = tuple(str(rows.columns[name][place]) for name in rows.schema.identifying)
        if known <= time:
            last[identity] = max((known, place), last.get(identity, (known, place)))
    return [place for _, place in last.values() if not rows.withdrawn[place]]


def _cells(
    node: FromTable, rows: TableRows, row: _PlainRow | None, time: int | None
) -> Iterator[tuple[str, Any]]:
    """The values of the row that a look-up finds; none where there is none."""
    if row is None:
        return
    age = timedelta() if time is None else (time - row.valid) * _MICROSECOND
    if isinstance(node, Lookup) and node.within is not None and age > node.within:
        return
    for field in node.table.values:
        yield f"{node.name}_{field}", rows.columns[field][row.place]
    if time is not None:
        yield f"{node.name}_age", (time - row.valid) / 1e6


def _reduced(node: Window, rows: TableRows, seen: Sequence[_PlainRow]) -> Iterator[tuple[str, Any]]:
    """What the rows of a window come to, in their order; nothing but 0 for a count of none."""
    values: list[Any] = [row.place for row in seen]
    if node.of is not None:
        values = [rows.columns[node.of][place] for place in values]
        values = [value for value in values if value is not None and value == value]
        if node.table.optional_kind(node.of) is Kind.FLOAT:
            values = [float(value) + 0.0 for value in values]
    if "count" in node.how:
        yield f"{node.name}_count", len(values)
    if not values:
        return
    for how in node.how:
        if how != "count":
            yield f"{node.name}_{how}", _reduction(how, values)


def _reduction(how: str, values: Sequence[Any]) -> Any:
    match how:
        case "last":
            return values[-1]
        case "distinct":
            return float(len(set(values)))
        case "min":
            return min(values)
        case "max":
            return max(values)
    # how NumPy adds up some numbers in a row is part of what a sum is declared to be
    total = np.add.reduceat(np.array(values), [0])[0]
    return total / len(values) if how == "mean" else total
