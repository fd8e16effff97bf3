"""Ledgers: what is added, from when it is known, and which version of it is read."""

import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from tempfile import mkdtemp
from typing import Any
from unittest.mock import Mock

import numpy as np
import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from lockstep.columns.kinds import Columns
from lockstep.columns.plain import python_value
from lockstep.columns.tables import WITHDRAWN
from lockstep.errors import DamagedError, InputError, NotStoredError
from lockstep.store.ledgers import RECORD, Added, Ledger, ledger_of
from lockstep.tables.layered import LayeredRows
from lockstep.tables.row_changes import conflicts
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
from tests.fixtures.writes import carried_out, demanded, each_write, start

BEGIN = datetime(2020, 3, 1, tzinfo=UTC)
HOUR = timedelta(hours=1)


def in_order(rows: TableRows) -> Columns:
    """The rows of a ledger; those of one key and time in the order in which they came."""
    return {**rows.columns, WITHDRAWN: rows.withdrawn}


class LedgerMachine(RuleBasedStateMachine):
    """A ledger beside a plain list, over deliveries, kills, and a clock that is set back."""

    @initialize(kind=st.sampled_from(KINDS))
    def begin(self, kind: type[Any]) -> None:
        self.folder = Path(mkdtemp())
        self.ledger = ledger_of(self.folder, kind.declaration())
        self.plain = Plain(self.ledger.schema)
        self.versions = [self.ledger.version]
        self.clock = BEGIN
        self.delivered: list[list[Row]] = []
        self.copies: list[tuple[Path, int]] = []

    def teardown(self) -> None:
        shutil.rmtree(self.folder, ignore_errors=True)

    def rows(self, data: st.DataObject) -> list[Row]:
        return drawn_rows(data, self.plain.schema, BEGIN, [None, 0.0, 1.5, 2.0])

    def later(self, data: st.DataObject) -> datetime:
        spans = [timedelta(microseconds=1), HOUR, 5 * HOUR]
        self.clock += data.draw(st.sampled_from(spans))
        return self.clock

    def add(self, rows: list[Row], received: datetime) -> None:
        columns = columns_of(self.plain.schema, rows)
        if self.plain.contradict(rows):
            assert len(conflicts(self.plain.schema, columns)) > 1
            with pytest.raises(InputError, match="have different values"):
                self.ledger.add(columns, received)
            return
        assert not len(conflicts(self.plain.schema, columns))
        self.added(self.ledger.add(columns, received), rows, received)

    def added(self, added: Added, rows: list[Row], received: datetime) -> None:
        """Compare what became of rows, and add them to the list."""
        found = (len(added.new), len(added.restated), added.repeated)
        assert found == self.plain.add(rows, received)
        self.delivered.append(rows)
        self.note()

    def note(self) -> None:
        if self.ledger.version != self.versions[-1]:
            self.versions.append(self.ledger.version)

    @rule(data=st.data())
    def deliver(self, data: st.DataObject) -> None:
        self.add(self.rows(data), self.later(data))

    def post_to_ledger(self, rows: list[Row], received: datetime) -> Added:
        columns = columns_of(self.plain.schema, rows)
        held = lambda version: in_order(self.ledger.rows(version))  # noqa: E731
        return self.ledger.post(columns, held, clock=lambda: received)

    def post_rows(self, rows: list[Row], received: datetime) -> None:
        """Post rows, which count at once, or none of them."""
        self.added(self.post_to_ledger(rows, received), rows, received)

    @precondition(lambda self: self.ledger.is_begun)
    @rule(data=st.data())
    def post(self, data: st.DataObject) -> None:
        rows = self.rows(data)
        if not self.plain.contradict(rows):
            self.post_rows(rows, self.later(data))

    def killed(
        self, data: st.DataObject, write: int, do: Callable[..., object], again: Callable[..., None]
    ) -> None:
        """What is killed has added all rows or none, and the next one goes through."""
        rows, received = self.rows(data), self.later(data)
        if self.plain.contradict(rows):
            return
        ended = carried_out(lambda: do(rows, received), self.folder, write)
        if not ended.was_killed:
            demanded(ended)
        if self.ledger.version == self.versions[-1] and ended.was_killed:
            again(rows, self.later(data))
            return
        self.plain.add(rows, received)
        self.note()

    @precondition(lambda self: self.ledger.is_begun)
    @rule(data=st.data(), write=st.integers(1, 8))
    def kill_a_post(self, data: st.DataObject, write: int) -> None:
        self.killed(data, write, self.post_to_ledger, self.post_rows)

    @rule(data=st.data(), write=st.integers(1, 12))
    def kill(self, data: st.DataObject, write: int) -> None:
        def deliver(rows: list[Row], received: datetime) -> None:
            self.ledger.add(columns_of(self.plain.schema, rows), received)

        self.killed(data, write, deliver, self.add)

    @precondition(lambda self: self.ledger.is_begun)
    @rule(left=st.integers(1, 300))
    def cut_off_a_line(self, left: int) -> None:
        """What a writer leaves that was killed in the middle of a line is no part of the ledger."""
        if self.ledger.tail.mark() is not None:
            with self.ledger.tail.path.open("ab") as file:
                file.write(b'{"received_at":"2020-03-01T00:00:00Z","restated":[0]'[:left])

    @rule(number=st.integers(0, 30))
    def read_on_from_a_version(self, number: int) -> None:
        """A version and what is behind it are the present version."""
        version = self.versions[number % len(self.versions)]
        behind = self.ledger.since(version)
        assert behind is not None
        rows = LayeredRows(self.ledger.rows(version)).adding(
            behind.columns, behind.known, behind.version
        )
        assert behind.version == self.versions[-1]
        now = self.ledger.rows()
        merged = rows.merged()
        assert merged.digests.tolist() == now.digests.tolist()
        assert merged.known.tolist() == now.known.tolist()

    @precondition(lambda self: self.delivered)
    @rule(data=st.data())
    def deliver_again(self, data: st.DataObject) -> None:
        self.add(data.draw(st.sampled_from(self.delivered)), self.later(data))

    @precondition(lambda self: self.plain.now)
    @rule(data=st.data(), pieces=st.sampled_from([None, 0.0, 7.0]))
    def restate(self, data: st.DataObject, pieces: float | None) -> None:
        row = data.draw(st.sampled_from(self.plain.now)).row
        self.add([(*row[:-1], pieces)], self.later(data))

    @precondition(lambda self: any(not part.posted for part in self.ledger.parts()))
    @rule(data=st.data(), back=st.sampled_from([timedelta(), HOUR]))
    def set_the_clock_back(self, data: st.DataObject, back: timedelta) -> None:
        last = [part for part in self.ledger.parts() if not part.posted][-1].received_at
        with pytest.raises(InputError, match="Set the clock right"):
            self.ledger.add(columns_of(self.plain.schema, []), last - back)

    @rule(data=st.data())
    def open_an_old_version(self, data: st.DataObject) -> None:
        number = data.draw(st.integers(0, len(self.versions) - 1))
        self.compare(self.plain.versions[number], self.versions[number])

    @precondition(lambda self: self.ledger.is_begun)
    @rule()
    def copy(self) -> None:
        folder = Path(mkdtemp(dir=self.folder)) / "copy"
        shutil.copytree(self.ledger.folder, folder)
        self.copies.append((folder, len(self.versions)))

    @precondition(lambda self: self.copies)
    @rule(data=st.data(), is_accepted=st.booleans())
    def restore_a_copy(self, data: st.DataObject, is_accepted: bool) -> None:
        """Nothing reads or adds rows before the newer copy is back, or the loss is accepted."""
        self.ledger.rely()  # a writer that was killed may not have noted its version
        folder, count = data.draw(st.sampled_from(self.copies))
        newer = Path(mkdtemp(dir=self.folder)) / "newer"
        self.ledger.folder.rename(newer)
        shutil.copytree(folder, self.ledger.folder)
        if count == len(self.versions):
            return
        empty = columns_of(self.plain.schema, [])
        for work in (self.ledger.rely, self.ledger.rows, self.ledger.verify, self.ledger.parts):
            with pytest.raises(DamagedError, match="has lost rows"):
                work()
        with pytest.raises(DamagedError, match="has lost rows"):
            self.ledger.add(empty, self.later(data))
        with pytest.raises(DamagedError, match="has lost rows"):
            self.ledger.post(empty, lambda _: empty, clock=lambda: self.later(data))
        if is_accepted:
            loss = self.ledger.accept_loss("ada", "the disk failed")
            assert (loss.lost, loss.kept) == (self.versions[-1], self.versions[count - 1])
            assert self.ledger.high_water.losses()[-1] == loss
            del self.versions[count:], self.plain.versions[count:]
            self.copies = [each for each in self.copies if each[1] <= count]
        else:
            shutil.rmtree(self.ledger.folder)
            newer.rename(self.ledger.folder)

    @invariant()
    def holds_what_the_list_holds(self) -> None:
        if hasattr(self, "ledger"):
            assert self.ledger.version == self.versions[-1]
            self.compare(self.plain.now, None)
            assert sum(part.rows for part in self.ledger.parts()) == len(self.plain.now)
            recorded = {self.ledger.folder / part.file for part in self.ledger.parts()}
            left = {*self.ledger.folder.glob("parts/*/*.parquet")} - recorded
            assert len(left) <= 1, "a killed writer's part is removed by the next one"

    def compare(self, expected: list[Held], version: str | None) -> None:
        rows = self.ledger.rows(version)
        times = rows.known.view("datetime64[us]").astype(object)
        found = [
            Held(row, time.replace(tzinfo=UTC))
            for row, time in zip(rows_of(rows.schema, rows.columns), times, strict=True)
        ]
        assert sorted(map(repr, found)) == sorted(map(repr, expected))
        assert rows.version == (version or self.versions[-1])


@pytest.mark.parametrize("examples", [5, pytest.param(60, marks=pytest.mark.long)])
def test_a_ledger_holds_what_a_plain_list_holds(examples: int) -> None:
    some = settings(max_examples=examples, stateful_step_count=15, deadline=None)
    run_state_machine_as_test(LedgerMachine, settings=some)


# By hand


@pytest.fixture
def empty(tmp_path: Path) -> Ledger:
    return ledger_of(tmp_path, Stock.declaration())


@pytest.fixture
def ledger(empty: Ledger) -> Ledger:
    """A ledger that holds a row."""
    empty.add(stock(row(1.0)), BEGIN)
    return empty


def stock(*rows: Row) -> Columns:
    return columns_of(Stock.declaration(), list(rows))


def row(pieces: float, hours: int = 0) -> Row:
    return ("north", 1, BEGIN + hours * HOUR, pieces)


def known(ledger: Ledger) -> list[tuple[float, datetime]]:
    rows = ledger.rows()
    times = [python_value(time) for time in rows.known.view("datetime64[us]")]
    return list(zip(rows.columns["pieces"].tolist(), times, strict=True))


def test_a_restated_row_is_not_known_before_it_was_received(ledger: Ledger) -> None:
    ledger.add(stock(row(2.0)), BEGIN + 9 * HOUR)
    assert known(ledger) == [(1.0, BEGIN + 2 * HOUR), (2.0, BEGIN + 9 * HOUR)]


def test_of_rows_that_are_restated_before_any_is_known_the_last_one_counts(ledger: Ledger) -> None:
    for number, pieces in ((1, 3.0), (2, 1.0)):
        ledger.add(stock(row(pieces)), BEGIN + number * timedelta(minutes=1))
    assert [pieces for pieces, _ in known(ledger)] == [1.0, 3.0, 1.0]
    times = [time - BEGIN - 2 * HOUR for _, time in known(ledger)]
    assert times == [timedelta(microseconds=number) for number in range(3)]


def test_another_delay_counts_for_the_rows_that_are_there(ledger: Ledger) -> None:
    later = replace(ledger.schema, known_after=timedelta(hours=5))
    assert known(replace(ledger, schema=later)) == [(1.0, BEGIN + 5 * HOUR)]


def test_tables_that_are_declared_otherwise_have_ledgers_of_their_own(tmp_path: Path) -> None:
    folders = {ledger_of(tmp_path, kind.declaration()).folder for kind in KINDS}
    assert len(folders) == len(KINDS)


def test_two_processes_add_rows_one_after_the_other(empty: Ledger) -> None:
    work = [lambda h=h: empty.add(stock(row(1.0, h)), datetime.now(UTC)) for h in range(6)]
    ended = [process.end() for process in [start(each) for each in work]]
    through = [one for one in ended if one.status == 0]
    assert all("Set the clock right" in one.error for one in ended if one.status)
    assert len(empty.rows()) == len(through) == len(empty.parts()) >= 1


def test_a_version_that_the_ledger_never_had_is_refused_by_name(ledger: Ledger) -> None:
    with pytest.raises(NotStoredError, match="no version abcdef, which was read from it before"):
        ledger.rows("abcdef")


# Postings


def post(ledger: Ledger, columns: Columns, at: datetime) -> str:
    held = lambda version: in_order(ledger.rows(version))  # noqa: E731
    return ledger.post(columns, held, clock=lambda: at).version


def test_postings_get_into_a_part_with_the_next_delivery_and_keep_their_versions(
    empty: Ledger,
) -> None:
    ledger, nothing = empty, empty.version
    versions = [ledger.add(stock(row(1.0)), BEGIN).version]
    for hour in range(1, 4):
        versions.append(post(ledger, stock(row(1.0, hour)), BEGIN + hour * HOUR))
    assert [part.file for part in ledger.parts()][1:] == ["tail.jsonl"]
    versions.append(ledger.add(stock(row(1.0, 4)), BEGIN + 4 * HOUR).version)
    assert [part.rows for part in ledger.parts()] == [1, 3, 1]
    assert [len(ledger.rows(version)) for version in (nothing, *versions)] == [0, 1, 2, 3, 4, 5]
    assert [part.version for part in ledger.parts()] == [versions[0], *versions[3:]]


def test_a_delivery_that_is_older_than_a_posting_comes_after_it(ledger: Ledger) -> None:
    post(ledger, stock(row(1.0, 1)), BEGIN + 2 * HOUR)
    ledger.add(stock(row(1.0, 2)), BEGIN + HOUR)
    times = [part.received_at for part in ledger.parts()]
    assert times == sorted(times)
    assert len(ledger.rows()) == 3


def test_a_large_tail_gets_into_a_part(ledger: Ledger, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("lockstep.store.ledgers._MOST_POSTED", 500)
    versions = [post(ledger, stock(row(1.0, h)), BEGIN + h * HOUR) for h in range(1, 9)]
    assert len(ledger.parts()) > 2
    assert [len(ledger.rows(version)) for version in versions] == list(range(2, 10))


def test_a_posting_is_refused_where_nothing_was_delivered(empty: Ledger) -> None:
    with pytest.raises(NotStoredError, match="has not been delivered"):
        post(empty, stock(row(1.0)), BEGIN)


def test_two_processes_post_rows_one_after_the_other(ledger: Ledger) -> None:
    held = lambda version: in_order(ledger.rows(version))  # noqa: E731
    work = [lambda h=h: ledger.post(stock(row(1.0, h)), held) for h in range(1, 5)]
    for process in [start(each) for each in work]:
        demanded(process.end())
    assert len(ledger.rows()) == 5


@pytest.mark.parametrize("is_posted", [False, True], ids=["delivered", "posted"])
def test_rows_whose_writer_is_killed_at_any_write_are_there_whole_or_not_at_all(
    ledger: Ledger, is_posted: bool
) -> None:
    post(ledger, stock(row(1.0, 1)), BEGIN + HOUR)
    rows, at = stock(row(1.0), row(2.0, 2)), BEGIN + 2 * HOUR
    work = (lambda: post(ledger, rows, at)) if is_posted else (lambda: ledger.add(rows, at))
    kills, before = 0, ledger.version
    for _ in each_write(work, ledger.folder):
        kills += 1
        assert len(ledger.rows()) == (2 if ledger.version == before else 3)
        if ledger.version != before:
            break
    assert kills > 3
    assert ledger.post(stock(row(2.0, 2)), lambda _: in_order(ledger.rows())).repeated == 1
    assert ledger.add(stock(row(2.0, 2)), at + HOUR).repeated == 1
    assert known(ledger) == [(1.0, at), (1.0, at + HOUR), (2.0, at + 2 * HOUR)]


def test_a_posting_on_a_full_disk_leaves_the_tail_as_it_was(
    ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    version = post(ledger, stock(row(1.0, 1)), BEGIN + HOUR)
    before = ledger.tail.path.read_bytes()
    monkeypatch.setattr("os.fsync", Mock(side_effect=OSError(28, "No space left on device")))
    with pytest.raises(OSError, match="No space"):
        ledger.tail.append(stock(row(1.0, 2)), np.zeros(1, np.int64), BEGIN, ledger.tail.read().end)
    assert ledger.tail.path.read_bytes() == before
    assert ledger.version == version


def test_a_posting_that_was_edited_is_refused_with_its_path(ledger: Ledger) -> None:
    post(ledger, stock(row(1.5, 1)), BEGIN + HOUR)
    tail = ledger.tail.path
    tail.write_text(tail.read_text().replace("1.5", "2.5"))
    with pytest.raises(DamagedError, match=r"tail\.jsonl, the rows that were posted last"):
        ledger.rows()


# Damage


def test_a_part_that_was_edited_is_refused_with_its_path(ledger: Ledger) -> None:
    file = ledger.folder / ledger.parts()[0].file
    file.write_bytes(file.read_bytes() + b" ")
    with pytest.raises(DamagedError, match=r"000001-.*\.parquet, the rows of stock .* changed"):
        ledger.rows()


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda text: text[:40], "does not tell which parts count"),
        (lambda text: text.replace('"format": 1', '"format": 7'), "it has format 7"),
        (lambda text: text.replace('"pieces"', '"number"'), "declared otherwise"),
        (lambda text: text.replace('"sha256": "', '"sha256": "0'), "does not follow upon"),
    ],
)
def test_a_record_that_was_edited_is_refused_with_what_to_do(ledger: Ledger, change, said) -> None:
    record = ledger.folder / RECORD
    content = json.loads(record.read_text())["content"]
    record.write_text(change(json.dumps(content)))  # without a digest, as it was written before
    with pytest.raises(DamagedError, match=said) as raised:
        ledger.rows()
    assert "Restore it from a copy" in str(raised.value)


def test_parts_without_a_record_are_not_begun_anew(ledger: Ledger) -> None:
    (ledger.folder / RECORD).unlink()
    with pytest.raises(DamagedError, match="is missing, and parts are there"):
        ledger.add(stock(row(2.0)), BEGIN + HOUR)


def test_a_part_that_no_record_lists_and_no_kill_explains_stays(ledger: Ledger) -> None:
    copy = (ledger.folder / RECORD).read_bytes()
    for number in (1, 2):
        ledger.add(stock(row(2.0, number)), BEGIN + number * HOUR)
    last = ledger.folder / ledger.parts()[-1].file
    (ledger.folder / RECORD).write_bytes(copy)
    ledger.accept_loss("ada", "an older record")
    ledger.add(stock(row(3.0, 3)), BEGIN + 9 * HOUR)
    assert last.exists()


def test_texts_and_missing_values_come_back_as_they_were(empty: Ledger) -> None:
    rows = [("ä\n", -5, BEGIN, None), ("", 2**53, BEGIN + HOUR, -0.0)]
    empty.add(stock(*rows), BEGIN)
    held = empty.rows()
    assert set(held.columns["depot"].tolist()) == {"ä\n", ""}
    assert np.signbit(held.columns["pieces"]).sum() == 1


# Older copies


def test_a_lost_folder_or_tail_and_a_cut_tail_block_until_that_is_accepted(ledger: Ledger) -> None:
    post(ledger, stock(row(1.0, 1)), BEGIN + HOUR)
    last = post(ledger, stock(row(1.0, 2)), BEGIN + 2 * HOUR)
    tail = ledger.tail.path
    whole = tail.read_bytes()
    cuts = [lambda: tail.write_bytes(whole[: whole[:-1].rindex(b"\n") + 1]), tail.unlink]
    for cut in (*cuts, lambda: ledger.folder.rename(ledger.folder.with_name("away"))):
        cut()
        said = rf"stock has lost rows: .*lacks the version {last[:12]}.*--accept-loss stock"
        with pytest.raises(DamagedError, match=said):
            ledger.rely()
        assert ledger.is_begun
        if ledger.folder.exists():
            tail.write_bytes(whole)
            assert ledger.rely() == last
    loss = ledger.accept_loss("ada", "the disk failed")
    assert (loss.lost, loss.by, loss.reason) == (last, "ada", "the disk failed")
    assert not ledger.is_begun
    assert len(ledger.add(stock(row(1.0)), BEGIN).new) == 1


@pytest.mark.parametrize("is_killed", [False, True])
def test_a_ledger_of_before_or_of_a_killed_writer_gets_its_mark_by_who_relies_on_it(
    ledger: Ledger, is_killed: bool
) -> None:
    path = ledger.high_water.path
    before = path.read_bytes()
    version = post(ledger, stock(row(1.0, 1)), BEGIN + HOUR)
    path.unlink()
    assert len(ledger.rows()) == 2
    assert ledger.high_water.read() is None
    if is_killed:
        path.write_bytes(before)
    assert ledger.rely() == version
    mark = ledger.high_water.read()
    assert mark is not None
    assert mark.version == version
