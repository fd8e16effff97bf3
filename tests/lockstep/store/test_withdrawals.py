"""Rows that are withdrawn or corrected: every reader says what a plain loop says."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from lockstep import Event, EventTime, Key
from lockstep.columns.from_table import FromTable
from lockstep.columns.kinds import Columns, utc
from lockstep.errors import UnknownError
from lockstep.store.ledger_databases import database_of
from lockstep.store.ledgers import ledger_of
from lockstep.tables.layered import LayeredRows
from lockstep.tables.lookups import Lookup
from lockstep.tables.rows import TableRows
from lockstep.tables.stored import read_rows, write_rows
from lockstep.tables.windows import Window
from tests.fixtures.plain_ledger import KINDS, Place, Row, Sale, Stock, Told, columns_of
from tests.fixtures.plain_lookups import answers

BEGIN = datetime(2020, 3, 1, tzinfo=UTC)
HOUR = timedelta(hours=1)


class Named(Event, known_after=timedelta(hours=2), identity=["receipt"]):
    """A sale that has a name."""

    depot: Key[str]
    article: Key[int]
    at: EventTime
    receipt: str
    pieces: float | None


def row_of(kind: type[Any], hour: int, pieces: float, receipt: str = "a") -> Row:
    values = {
        "depot": "north",
        "article": 1,
        "at": BEGIN + hour * HOUR,
        "told_at": BEGIN + (hour + 2) * HOUR,
        "receipt": receipt,
        "pieces": pieces,
    }
    return tuple(values[name] for name in kind.declaration().schema.names)


def node_of(kind: type[Any]) -> FromTable:
    common: dict[str, Any] = {
        "name": "read",
        "role": "lookup",
        "inputs": ("at",),
        "table": kind.declaration(),
        "function": lambda at: None,
    }
    if issubclass(kind, Event):
        how = ("count", "sum", "max", "last", "distinct")
        return Window(**common, over=timedelta(hours=9), of="pieces", how=how)
    return Lookup(**common)


class Kept:
    """A ledger with some deliveries, posts and withdrawals, an hour apart."""

    def __init__(self, folder: Path, kind: type[Any]) -> None:
        self.ledger = ledger_of(folder / "data" / "pipeline", kind.declaration())
        self.clock = BEGIN + 10 * HOUR

    def columns(self, rows: list[Row]) -> Columns:
        return columns_of(self.ledger.schema, rows)

    def deliver(self, *rows: Row) -> None:
        self.clock += HOUR
        self.ledger.add(self.columns([*rows]), self.clock)

    def post(self, *rows: Row, withdrawn: str | None = None) -> tuple[int, int, int]:
        self.clock += HOUR
        columns = self.columns([*rows])
        added = self.ledger.post(
            columns,
            lambda version: LayeredRows(self.ledger.rows(version)).of_keys(columns),
            clock=lambda: self.clock,
            withdrawn=withdrawn,
        )
        return len(added.new), len(added.restated), added.repeated


def read_everywhere(kept: Kept, kind: type[Any], folder: Path, split: str) -> None:
    """Memory, layers, disk and files give what the loop gives: together and one at a time."""
    node, schema, rows = node_of(kind), kept.ledger.schema, kept.ledger.rows()
    halves = [BEGIN + HOUR * half / 2 for half in range(60)]
    as_of = np.array([utc(half) for half in halves])
    asked = None if schema.static else as_of
    north = np.array(["north"] * len(as_of), dtype=object)
    keys = (north, np.ones(len(as_of), dtype=np.int64))
    alone = [slice(place, place + 1) for place in (0, 25, 30, 50, 59)]
    expected = answers(node, rows, keys, asked)
    behind = kept.ledger.since(split)
    assert behind is not None
    base = LayeredRows(kept.ledger.rows(split))
    layered = base.adding(behind.columns, behind.known, behind.version)
    database = database_of(kept.ledger)
    later = kept.ledger.since(database.version)
    assert later is not None
    fetched = LayeredRows(database).adding(later.columns, later.known, later.version)
    write_rows(folder / "rows", {schema.name: rows})
    readers = [
        node.reader(rows),
        node.reader(layered.merged()),
        node.reader(read_rows(folder / "rows")[schema.name]),
        layered.reader(node),
        fetched.reader(node),
    ]
    for each in readers:
        for some in (slice(None), *alone):
            times = None if asked is None else asked[some]
            found = each.read(tuple(array[some] for array in keys), times)
            for name, values in expected.items():
                assert found[name].tobytes() == values[some].tobytes(), (type(each), name, some)


@pytest.mark.parametrize("kind", [*KINDS, Named])
def test_every_reader_says_what_counts(tmp_path: Path, kind: type[Any]) -> None:
    kept = Kept(tmp_path, kind)
    rows = [row_of(kind, hour, float(hour)) for hour in ((1,) if kind is Place else (1, 2, 3, 4))]
    kept.deliver(*rows)
    splits = [kept.ledger.version]
    assert kept.post(rows[-1], withdrawn="a test") == (0, 1, 0)
    assert kept.post(rows[-1], withdrawn="again") == (0, 0, 1)
    splits.append(kept.ledger.version)
    read_everywhere(kept, kind, tmp_path, splits[0])
    kept.deliver(row_of(kind, 1, 50.0))
    read_everywhere(kept, kind, tmp_path, splits[1])
    kept.post(rows[-1])  # it comes again, and counts
    kept.post(row_of(kind, 2, 60.0, "b"))
    kept.post(row_of(kind, 4, 70.0))
    kept.post(row_of(kind, 4, 70.0), withdrawn="wrong")
    for split in splits:
        read_everywhere(kept, kind, tmp_path, split)
    kept.deliver(row_of(kind, 4, 80.0))
    read_everywhere(kept, kind, tmp_path, splits[1])


def seen(rows: TableRows, kind: type[Any], at: datetime) -> list[float]:
    keys = np.array(["north"], dtype=object), np.array([1])
    as_of = np.array([utc(at)])
    found = node_of(kind).reader(rows).read(keys, as_of)
    return [values.item() for name, values in found.items() if name in ("read_count", "read_sum")]


def test_an_event_of_a_declared_identity_is_corrected_from_its_receipt_on(tmp_path: Path) -> None:
    kept = Kept(tmp_path, Named)
    kept.deliver(row_of(Named, 6, 50.0))
    kept.post(row_of(Named, 6, 60.0))
    corrected, rows = kept.clock, kept.ledger.rows()
    assert seen(rows, Named, corrected - timedelta(microseconds=1)) == [1, 50.0]
    assert seen(rows, Named, corrected) == [1, 60.0]
    kept.post(row_of(Named, 6, 7.0, "another"))
    assert seen(kept.ledger.rows(), Named, corrected) == [2, 67.0]


def test_a_row_that_is_withdrawn_counted_until_then_and_keeps_no_table_fresh(
    tmp_path: Path,
) -> None:
    kept = Kept(tmp_path, Sale)
    kept.deliver(row_of(Sale, 4, 1.0), row_of(Sale, 5, 2.0))
    kept.post(row_of(Sale, 5, 2.0), withdrawn="never sold")
    rows = kept.ledger.rows()
    assert seen(rows, Sale, kept.clock - timedelta(microseconds=1)) == [2, 3.0]
    assert seen(rows, Sale, kept.clock) == [1, 1.0]
    last = BEGIN + 4 * HOUR
    assert kept.ledger.newest(kept.clock) == kept.ledger.newest(last) == last
    with pytest.raises(UnknownError, match="no such row to withdraw"):
        kept.post(row_of(Sale, 5, 3.0), withdrawn="it is not there")


@pytest.mark.parametrize("kind", [Stock, Told])
def test_what_was_valid_before_counts_where_a_row_is_withdrawn(
    tmp_path: Path, kind: type[Any]
) -> None:
    kept = Kept(tmp_path, kind)
    kept.deliver(row_of(kind, 3, 1.0), row_of(kind, 4, 2.0))
    kept.post(row_of(kind, 4, 3.0))
    kept.post(row_of(kind, 4, 3.0), withdrawn="both were wrong")
    keys = np.array(["north"], dtype=object), np.array([1])
    as_of = np.array([utc(kept.clock)])
    assert node_of(kind).reader(kept.ledger.rows()).read(keys, as_of)["read_pieces"][0] == 1.0
