"""Tables in memory beside their ledger and a plain list, over everything that adds rows."""

from __future__ import annotations

import shutil
from datetime import UTC, datetime, timedelta
from pathlib import Path
from tempfile import mkdtemp
from threading import Event, Thread
from typing import Any

import numpy as np
import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    rule,
    run_state_machine_as_test,
)

from lockstep.columns.tables import stacked, take_rows, with_known
from lockstep.errors import DamagedError, UndeliveredError
from lockstep.serving.versions import served_tables
from lockstep.serving.versions.served_tables import ServedTable
from lockstep.store.ledgers import Ledger, ledger_of
from lockstep.tables.layered import LayeredRows
from lockstep.tables.rows import TableRows
from tests.fixtures.plain_ledger import (
    KINDS,
    Held,
    Plain,
    Row,
    Stock,
    columns_of,
    drawn_rows,
    rows_of,
)
from tests.fixtures.writes import carried_out, demanded

BEGIN = datetime(2020, 3, 1, tzinfo=UTC)
HOUR = timedelta(hours=1)
FAR = 10_000 * HOUR


class ServedMachine(RuleBasedStateMachine):
    """Two processes that serve a table, one from disk, a third that delivers, and a plain list."""

    @initialize(kind=st.sampled_from(KINDS), data=st.data())
    def begin(self, kind: type[Any], data: st.DataObject) -> None:
        self.folder = Path(mkdtemp())
        self.patch = pytest.MonkeyPatch()
        self.patch.setattr("lockstep.tables.layered._LEAST_TOP", 3)
        self.patch.setattr("lockstep.tables.layered._LEAST_ADDED", 2)
        self.patch.setattr("lockstep.store.ledgers._MOST_POSTED", 2_000)
        self.patch.setattr(served_tables, "_MOST_ROWS", 3)
        self.ledger = ledger_of(self.folder, kind.declaration())
        self.plain = Plain(self.ledger.schema)
        self.ledger.add(columns_of(self.ledger.schema, []), BEGIN)
        self.deliver(data)
        self.processes = [ServedTable(self.ledger), ServedTable(self.ledger, in_memory=False)]

    def teardown(self) -> None:
        if hasattr(self, "folder"):
            self.patch.undo()
            shutil.rmtree(self.folder, ignore_errors=True)

    def rows(self, data: st.DataObject) -> list[Row]:
        rows = drawn_rows(data, self.plain.schema, BEGIN, [None, 0.0, -0.0, 1.5, 2.0])
        return [] if self.plain.contradict(rows) else rows

    def added(self, rows: list[Row]) -> None:
        """Add rows to the list that were added to the ledger."""
        received = self.ledger.parts()[-1].received_at if self.ledger.parts() else BEGIN
        self.plain.add(rows, received)

    @rule(data=st.data())
    def deliver(self, data: st.DataObject) -> None:
        rows = self.rows(data)
        self.ledger.add(columns_of(self.ledger.schema, rows), datetime.now(UTC))
        self.added(rows)

    @rule(data=st.data(), number=st.integers(0, 1))
    def post(self, data: st.DataObject, number: int) -> None:
        """Posted rows count at once where they were posted, and in the other with its next look."""
        rows, process = self.rows(data), self.processes[number]
        self.processes[1 - number].follow()
        added = process.post(columns_of(self.ledger.schema, rows), 10.0)
        self.added(rows)
        assert process.rows.version == added.version == self.ledger.version
        assert self.processes[1 - number].look().version == added.version

    @rule(data=st.data(), write=st.integers(1, 8))
    def kill(self, data: st.DataObject, write: int) -> None:
        """A process that is killed as it posts has posted all rows or none."""
        rows, before = self.rows(data), self.ledger.version
        columns = columns_of(self.ledger.schema, rows)
        work = lambda: ServedTable(self.ledger).post(columns, 10.0)  # noqa: E731
        ended = carried_out(work, self.folder, write)
        if not ended.was_killed:
            demanded(ended)
        if self.ledger.version != before:
            self.added(rows)

    @rule(number=st.integers(0, 1))
    def follow(self, number: int) -> None:
        self.processes[number].follow()
        assert self.processes[number].rows.version == self.ledger.version

    @rule(number=st.integers(0, 1))
    def restart(self, number: int) -> None:
        self.processes[number] = ServedTable(self.ledger, in_memory=number == 0)
        assert self.processes[number].rows.version == self.ledger.version

    @invariant()
    def reads_what_its_version_holds(self) -> None:
        for process in getattr(self, "processes", ()):
            rows, stored = process.look(), self.ledger.rows(process.rows.version)
            merged = merged_of(rows)
            assert merged.digests.tolist() == stored.digests.tolist()
            assert merged.known.tolist() == stored.known.tolist()
            assert process.trouble is None
            if rows.version == self.ledger.version:
                assert sorted(map(repr, held(rows))) == sorted(map(repr, self.plain.now))


def merged_of(rows: LayeredRows) -> TableRows:
    """All rows, also of a base that is on disk: of each key that is drawn."""
    if isinstance(rows.base, TableRows):
        return rows.merged()
    keys = [np.array(["north", "south"] * 2, dtype=object), np.array([1, 1, 2, 2])]
    bounds = np.array([[-(2**62)] * 4, [2**62] * 4]).view("datetime64[us]")
    sets = [rows.base.between(keys, *bounds)]
    if rows.top is not None:
        sets.append(with_known(rows.top.columns, rows.top.known.view("datetime64[us]")))
    together = stacked(sets)
    return TableRows.of(rows.schema, together, together.pop(""))


def held(rows: LayeredRows) -> list[Held]:
    merged = merged_of(rows)
    times = merged.known.view("datetime64[us]").astype(object)
    cells = rows_of(merged.schema, merged.columns)
    return [Held(r, t.replace(tzinfo=UTC)) for r, t in zip(cells, times, strict=True)]


@pytest.mark.parametrize("examples", [4, pytest.param(25, marks=pytest.mark.long)])
def test_processes_read_what_was_added_at_the_versions_that_they_name(examples: int) -> None:
    profile = settings(max_examples=examples, stateful_step_count=15, deadline=None)
    run_state_machine_as_test(ServedMachine, settings=profile)


# By hand


@pytest.fixture
def ledger(tmp_path: Path) -> Ledger:
    found = ledger_of(tmp_path, Stock.declaration())
    found.add(stock(*(row(1.0, hour) for hour in range(50))), BEGIN)
    return found


def stock(*rows: Row) -> Any:
    return columns_of(Stock.declaration(), list(rows))


def row(pieces: float, hours: int = 0) -> Row:
    return ("north", 1, BEGIN + hours * HOUR, pieces)


def test_a_look_that_finds_nothing_new_costs_no_reading(
    ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    table = ServedTable(ledger)
    table.post(stock(row(1.0, 60)), 10.0)
    rows = table.look()
    monkeypatch.setattr(Ledger, "since", lambda *_: pytest.fail("it reads the ledger"))
    monkeypatch.setattr(Path, "open", lambda *_: pytest.fail("it opens a file"))
    assert table.look() is rows


def test_a_table_is_not_made_of_a_ledger_that_was_never_begun(tmp_path: Path) -> None:
    from types import SimpleNamespace

    schema = Stock.declaration()
    pipeline: Any = SimpleNamespace(name="depots", tables={"stock": schema})
    with pytest.raises(UndeliveredError, match="lockstep tables depots --deliver") as raised:
        served_tables.ServedTables(tmp_path).of(pipeline)
    assert raised.value.record == ledger_of(tmp_path, schema).record


def test_versions_share_the_rows_of_a_table(ledger: Ledger) -> None:
    from types import SimpleNamespace

    tables = served_tables.ServedTables(ledger.folder.parent.parent)
    pipeline: Any = SimpleNamespace(name="depots", tables={"stock": Stock.declaration()})
    first, second = tables.of(pipeline), tables.of(pipeline)
    assert first.tables["stock"] is second.tables["stock"]
    assert len(tables._tables) == 1
    del first, second
    assert len(tables._tables) == 0


def test_a_batch_reads_one_version_to_its_end(ledger: Ledger) -> None:
    table = ServedTable(ledger)
    tables = served_tables.VersionTables({"stock": table})
    with tables.batch() as before:
        table.post(stock(row(1.0, 70)), 10.0)
        assert tables.reads() is before
        with tables.batch() as inner:
            assert inner is before
    with tables.batch() as after:
        assert after["stock"].version == ledger.version != before["stock"].version


def test_threads_that_look_while_others_post_see_ever_later_versions(ledger: Ledger) -> None:
    """And each version has the rows that the ledger has at it."""
    table, other = ServedTable(ledger), ServedTable(ledger)
    seen: list[LayeredRows] = []
    done = Event()

    def look() -> None:
        while not done.is_set():
            rows = table.look()
            if not seen or seen[-1] is not rows:
                seen.append(rows)

    thread = Thread(target=look)
    thread.start()
    for hour in range(60, 75):
        (table if hour % 2 else other).post(stock(row(1.0, hour)), 10.0)
        if hour % 5 == 0:
            ledger.add(stock(row(2.0, hour)), datetime.now(UTC))
            table.follow()
    done.set()
    thread.join()
    counts = [len(rows.merged()) for rows in seen]
    assert counts == sorted(counts)
    for rows in seen:
        assert rows.merged().digests.tolist() == ledger.rows(rows.version).digests.tolist()


def test_a_damaged_tail_leaves_the_rows_and_is_told(ledger: Ledger) -> None:
    table, other = ServedTable(ledger), ServedTable(ledger)
    table.post(stock(row(1.0, 60)), 10.0)
    before = table.look()
    other.post(stock(row(7.25, 61)), 10.0)
    tail = ledger.tail.path
    tail.write_text(tail.read_text().replace("7.25", "7.75"))

    assert table.look() is before
    assert "is not as it was written" in (table.trouble or "")
    with pytest.raises(DamagedError):
        table.post(stock(row(1.0, 62)), 10.0)


def test_the_rows_of_a_key_are_those_of_all_layers(ledger: Ledger) -> None:
    table = ServedTable(ledger)
    added = [table.post(stock(row(float(n), 60)), 10.0) for n in range(3)]
    assert [len(each.restated) for each in added] == [0, 1, 1]
    again = table.post(stock(row(2.0, 60)), 10.0)
    assert (again.repeated, again.version) == (1, added[-1].version)
    rows = take_rows(table.rows.of_keys(stock(row(0.0))), slice(None))
    assert len(rows["pieces"]) == 53
    assert np.isfinite(rows["pieces"]).all()
