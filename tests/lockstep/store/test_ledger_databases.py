"""Databases of ledgers: what is read of them is what is read in memory, to the bit."""

from __future__ import annotations

import shutil
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lockstep import Asked, Texts, lookup
from lockstep.columns.from_table import FromTable
from lockstep.columns.kinds import Columns, Times
from lockstep.errors import DamagedError
from lockstep.serving.versions.served_tables import ServedTable
from lockstep.store.ledger_databases import FOLDER, LedgerDatabase, database_of
from lockstep.store.ledgers import Ledger, ledger_of
from lockstep.tables.layered import LayeredRows
from lockstep.tables.row_changes import conflicts
from tests.fixtures.plain_ledger import Place, Stock, columns_of
from tests.fixtures.writes import each_write
from tests.lockstep.tables.drawn import (
    a_lookup,
    a_window,
    assert_alike_in_every_company,
    bits,
    questions,
    tables,
    taken,
)

BEGIN = datetime(2020, 3, 1, tzinfo=UTC)
EPOCH, HOUR = datetime(1970, 1, 1, tzinfo=UTC), timedelta(hours=1)
HOW = ("count", "sum", "mean", "min", "max", "last", "distinct")


def looked_up(within: timedelta | None) -> FromTable:
    node: FromTable = a_lookup(within)
    return node


def counted(of: str | None) -> FromTable:
    node: FromTable = a_window(4 * HOUR, of, HOW if of == "level" else ("count",))
    return node


NODES = [looked_up(None), looked_up(3 * HOUR), counted("level"), counted(None)]


def deliver(ledger: Ledger, columns: Columns, number: int) -> None:
    """Deliver rows at a time as of which questions ask, so that restated ones count late."""
    is_right = np.ones(len(columns["at"]), dtype=bool)
    is_right[conflicts(ledger.schema, columns)] = False
    ledger.add(taken(columns, is_right), EPOCH + (2 * number + 1) * HOUR)


def read_in_both_ways(
    node: FromTable, data: Any, asked: Columns, cuts: list[int], built: int
) -> None:
    """Read rows on disk, with those that came since, and the same rows in memory."""
    schema = node.table
    columns, _ = data.draw(tables(schema))
    rows = len(columns["at"])
    ends = [*sorted(cut % (rows + 1) for cut in cuts), rows]
    with TemporaryDirectory() as folder:
        ledger = ledger_of(Path(folder), schema)
        database = database_of(ledger)
        for number, (first, end) in enumerate(pairwise([0, *ends])):
            deliver(ledger, taken(columns, slice(first, end)), number)
            if number == built:
                database = database_of(ledger)
        since = ledger.since(database.version)
        assert since is not None

        layered = LayeredRows(database).adding(since.columns, since.known, since.version)

        whole = LayeredRows(ledger.rows()).reader(node)(asked)
        read = layered.reader(node)
        assert bits(read(asked)) == bits(whole)
        assert_alike_in_every_company(read, asked, whole, [*range(len(asked["at"]))] * 2)
        assert len(layered) == sum(part.rows for part in ledger.parts())


@pytest.mark.parametrize("node", NODES, ids=["look-up", "within", "window", "count"])
@pytest.mark.parametrize("examples", [8, pytest.param(60, marks=pytest.mark.long)])
def test_rows_on_disk_with_those_that_came_since_are_read_as_rows_in_memory(
    node: FromTable, examples: int
) -> None:
    read = given(
        data=st.data(),
        asked=questions(),
        cuts=st.lists(st.integers(0, 40), max_size=3),
        built=st.integers(0, 3),
    )(read_in_both_ways)
    settings(max_examples=examples)(read)(node)


def place(depot: Texts) -> Asked:
    return Asked(depot, np.array([1] * len(depot)))


def test_of_a_static_table_the_row_counts_that_came_last(tmp_path: Path) -> None:
    ledger = ledger_of(tmp_path, Place.declaration())
    for number, pieces in enumerate([2.0, -0.0, 1.0]):
        rows: list[Any] = [("north", 1, pieces)]
        ledger.add(columns_of(ledger.schema, rows), BEGIN + number * HOUR)
    node: FromTable = lookup(Place)(place)
    asked = {"depot": np.array(["north", "south", None], dtype=object)}
    expected = LayeredRows(ledger.rows()).reader(node)(asked)
    assert bits(LayeredRows(database_of(ledger)).reader(node)(asked)) == bits(expected)


def before(times: Times, hours: int) -> Times:
    return times - np.timedelta64(hours, "h").astype("timedelta64[us]")


@pytest.fixture
def ledger(tmp_path: Path) -> Ledger:
    """A ledger of two keys, one of which has many rows."""
    found = ledger_of(tmp_path, Stock.declaration())
    rows = [("north", 1, BEGIN + hour * HOUR, 1.0) for hour in range(100)]
    found.add(columns_of(found.schema, [*rows, ("south", 1, BEGIN, 2.0)]), BEGIN)
    return found


def files(ledger: Ledger) -> set[str]:
    return {path.name for path in (ledger.folder / FOLDER).iterdir()} - {"building.lock"}


def test_of_a_key_with_many_rows_those_are_fetched_that_decide(ledger: Ledger) -> None:
    database = database_of(ledger)
    keys = [np.array(["north", "south"], dtype=object), np.array([1, 1])]
    times = np.array(["2020-03-02T00:30", "2020-03-02T00:30"], dtype="datetime64[us]")
    assert len(database.between(keys, None, times)["pieces"]) == 2
    assert len(database.between(keys, before(times, 3), times)["pieces"]) == 3
    assert len(database.at(columns_of(ledger.schema, [("north", 1, BEGIN, 5.0)]))["pieces"]) == 1


def test_a_database_is_built_once_and_removed_when_nobody_reads_it(ledger: Ledger) -> None:
    first, second = database_of(ledger), database_of(ledger)
    assert first.path == second.path
    ledger.add(columns_of(ledger.schema, [("north", 2, BEGIN, 1.0)]), BEGIN + HOUR)
    newer = database_of(ledger)
    assert files(ledger) == {first.path.name, newer.path.name}
    assert len(first) == 101
    del first, second
    newest = database_of(ledger)
    assert newest.path == newer.path
    assert files(ledger) == {newer.path.name}


def test_a_server_goes_over_to_the_database_of_what_was_delivered(
    ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("lockstep.serving.versions.served_tables._MOST_ROWS", 3)
    served = ServedTable(ledger, in_memory=False)
    earlier = files(ledger)
    rows: list[Any] = [("west", 1, BEGIN + hour * HOUR, 3.0) for hour in range(5)]
    ledger.add(columns_of(ledger.schema, rows), BEGIN + HOUR)
    served.follow()
    assert served.rows.version == ledger.version
    assert len(served.rows) == 106
    served.follow()  # the earlier one is read by nobody from now on
    assert len(files(ledger)) == 1
    assert files(ledger).isdisjoint(earlier)


def test_a_process_that_is_killed_as_it_builds_leaves_the_next_one_to_build(
    ledger: Ledger,
) -> None:
    expected = database_of(ledger)
    keys = [np.array(["north"], dtype=object), np.array([1])]
    times = np.array(["2020-03-02"], dtype="datetime64[us]")
    found = expected.between(keys, before(times, 9), times)
    path, copy = expected.path, ledger.folder.parent / "copy"

    def build() -> None:
        database_of(Ledger(copy, ledger.schema))

    shutil.copytree(ledger.folder, copy, ignore=shutil.ignore_patterns(FOLDER))
    kills = 0
    for _ in each_write(build, copy):
        kills += 1
        assert {file.suffix for file in (copy / FOLDER).glob("*")} <= {".lock", ".tmp", ".sqlite"}
        for whole in (copy / FOLDER).glob("*.sqlite"):
            assert whole.read_bytes() == path.read_bytes()
            whole.unlink()
    assert kills > 3
    other = Ledger(copy, ledger.schema)
    database = database_of(other)
    assert files(other) == {database.path.name}
    assert bits(database.between(keys, before(times, 9), times)) == bits(found)


def test_a_damaged_database_is_built_anew(ledger: Ledger) -> None:
    path = database_of(ledger).path
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)
    database = database_of(ledger)
    assert len(database) == 101
    assert database.path.read_bytes() != bytes(data)


def test_a_database_that_breaks_as_it_is_read_names_what_to_do(ledger: Ledger) -> None:
    database: LedgerDatabase = database_of(ledger)
    database.path.write_bytes(b"\0" * 8192)
    keys = [np.array(["north"], dtype=object), np.array([1])]
    with pytest.raises(DamagedError, match="Remove it and start the server anew"):
        database.between(keys, None, np.array(["2020-03-02"], dtype="datetime64[us]"))
