"""Each byte of each small state file is flipped, and each file cut at each length.

What the documents promise of the file (`docs/running.md`) is what happens then, and what belongs to
other days, files and pipelines goes on.
"""

from __future__ import annotations

import json
import os
import re
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from lockstep.artifacts.pointers import (
    Listing,
    LivePointer,
    read_listing,
    read_live,
    write_listing,
    write_live,
)
from lockstep.checks.handovers import Handovers
from lockstep.checks.messages import Message
from lockstep.errors import ArtifactError, DamagedError
from lockstep.pages.alerts import tell
from lockstep.pages.events import Events, OpenEvent
from lockstep.project.alerting import Alerting
from lockstep.project.fetching import fetch
from lockstep.project.home import Addresses, Home, write_addresses
from lockstep.project.object_stores import StoreAddress
from lockstep.project.project import Project
from lockstep.registry.known_versions import KnownVersions
from lockstep.store.contents import IncrementalDigests, content_digest
from lockstep.store.inbox import claim_files
from lockstep.store.ledgers import Ledger
from lockstep.store.lock import holder, locked
from lockstep.store.partition_records import Records
from lockstep.store.put_back import RowBack, put_back, read_put_back
from tests.fixtures.plain_ledger import KINDS, columns_of
from tests.lockstep.checks.test_handovers import ListedSink, publish
from tests.lockstep.store.test_attempts import score
from tests.lockstep.store.test_ledgers import post

DAY, NEXT = "2020-03-01", "2020-03-02"
DOCS = Path(__file__).parents[3] / "docs" / "running.md"


State = tuple[Path, Callable[[], None]]
"""A state file, and what asserts that all is as promised where it is damaged."""


def refused(path: Path, read: Callable[[], object], kind: type[Exception] = DamagedError) -> None:
    """Assert that reading is refused with the file and with what to do, in one line."""
    with pytest.raises(kind) as raised:
        read()
    message = str(raised.value)
    assert str(path) in message
    assert re.search("anew|Restore", message), message
    assert "\n" not in message


def _records(folder: Path) -> Records:
    records = Records(folder / "daily", lambda day: f"score --day {day}", exported="published")
    for day in (DAY, NEXT):
        score(records, 1, partition=day)
    return records


def commit(folder: Path) -> State:
    records = _records(folder)
    path = records.root / "records" / f"{DAY}.json"

    def promise() -> None:
        refused(path, lambda: records.demand(DAY))
        assert records.demand(NEXT).number == 1
        assert records.partitions() == [DAY, NEXT]
        assert records.came_at(DAY) is None

    return path, promise


def attempt(folder: Path) -> State:
    records = _records(folder)
    path = records.demand(DAY).folder / "record.json"

    def promise() -> None:
        refused(path, lambda: records.demand(DAY))
        assert records.demand(NEXT).number == 1

    return path, promise


def rows_put_back(folder: Path) -> State:
    records = _records(folder)
    for day in (DAY, NEXT):
        put_back(records, day, [RowBack("a", "5a1c", {"weight": 500.25}), RowBack("b", "7", None)])
    path = records.root / "put_back" / f"{DAY}.json"

    def promise() -> None:
        refused(path, lambda: read_put_back(records, DAY))
        assert len(read_put_back(records, NEXT)) == 2

    return path, promise


def handed_over(folder: Path) -> State:
    records = Records(folder / "daily", lambda day: f"score --day {day}", exported="published")
    sink = ListedSink()
    place = Handovers("orders", records, [sink])
    for day in (DAY, NEXT):
        publish(place, day, {"a": 0.5})

    def promise() -> None:
        sink.kept.clear()
        assert place.open().keys() == {DAY}
        assert place.catch_up() == [DAY]
        assert [published.partition for published in sink.kept] == [DAY]

    return records.root / "handed_over" / f"{DAY}.json", promise


def readings(folder: Path) -> State:
    inbox = folder / "inbox"
    inbox.mkdir()
    (inbox / "rows.csv").write_text("name,x\na,1\n")
    os.utime(inbox / "rows.csv", (1, 1))
    claims = claim_files(inbox)
    path, claimed = inbox / ".claimed.json", inbox / "claimed" / claims[0].partition

    def promise() -> None:
        found = IncrementalDigests(path).go_on(claimed, lambda: True)
        assert found.digest == content_digest(claimed)
        assert claim_files(inbox) == claims

    return path, promise


def fetched(folder: Path) -> State:
    (folder / "store").mkdir()
    (folder / "store" / "rows.csv").write_text("name,x\na,1\n")
    os.utime(folder / "store" / "rows.csv", (time.time() - 3600,) * 2)
    inbox, address = folder / "inbox", StoreAddress(f"file://{folder}/store")
    inbox.mkdir()
    fetch(address, inbox)

    def promise() -> None:
        (inbox / "rows.csv").unlink(missing_ok=True)
        fetch(address, inbox)
        assert (inbox / "rows.csv").read_text() == "name,x\na,1\n"

    return inbox / ".fetched.json", promise


def alerts(folder: Path) -> State:
    project = Project(folder, "shop", alerts=Alerting({"mail": "json://mail.invalid"}))
    event = OpenEvent("orders", "blocked", f"daily/{DAY}", Message("1 blocked", "price", "AGAIN"))
    events, taken = Events({event.id: event}, {}), list[str]()

    def send(_: Alerting, receiver: str, title: str, text: str) -> None:
        taken.append(title)

    now = datetime(2026, 3, 1, 7, tzinfo=UTC)
    tell(project, events, now, send)

    def promise() -> None:
        taken.clear()
        tell(project, events, now, send)
        assert taken == [f"shop: {event.id}"]

    return project.home.path / "alerts.json", promise


def addresses(folder: Path) -> State:
    home = Home(folder)
    write_addresses(folder, Addresses.local(3001, 5001, {"orders": 8001}, 4001))

    def promise() -> None:
        assert home.addresses == Addresses.local()

    return folder / "up.json", promise


def live(folder: Path) -> State:
    path = folder / "live" / "orders.json"
    write_live(path, LivePointer("orders", 7, folder / "files", "5a1c", decision="lockstep.live"))
    write_live(path.with_name("wine.json"), LivePointer("wine", 2, folder / "files", "5a1c"))

    def promise() -> None:
        refused(path, lambda: read_live(path), ArtifactError)
        assert read_live(path.with_name("wine.json")) is not None

    return path, promise


def listed(folder: Path) -> State:
    path = folder / "listed" / "orders.json"
    write_listing(path, Listing("orders", lacking={3: "its files are missing"}, challenger=4))

    def promise() -> None:
        refused(path, lambda: read_listing(path), ArtifactError)

    return path, promise


def _ledger(folder: Path) -> Ledger:
    """A ledger with a delivered row and two that were posted."""
    begin = datetime(2020, 3, 1, tzinfo=UTC)
    ledger = Ledger(folder / "data" / "orders" / "ledgers" / "stock", KINDS[0].declaration())
    ledger.add(columns_of(ledger.schema, [("north", 1, begin, 1.5)]), begin)
    for hour in (1, 2):
        at = begin + timedelta(hours=hour)
        post(ledger, columns_of(ledger.schema, [("north", 1, at, 2.5)]), at)
    return ledger


def table(folder: Path) -> State:
    ledger = _ledger(folder)
    return ledger.record, lambda: refused(ledger.folder, ledger.rows)


def posted(folder: Path) -> State:
    ledger = _ledger(folder)
    return ledger.tail.path, lambda: refused(ledger.folder, ledger.rows)


def newest(folder: Path) -> State:
    ledger = _ledger(folder)
    path = ledger.high_water.path

    def promise() -> None:
        refused(path, ledger.rows)
        refused(path, ledger.rely)

    return path, promise


def numbers(folder: Path) -> State:
    known, other = (KnownVersions(folder / "known" / f"{name}.json") for name in ("orders", "wine"))
    for each in (known, other):
        each.demand(1, "5a" * 32)

    def promise() -> None:
        refused(known.path, lambda: known.demand(1, "5a" * 32), ArtifactError)
        other.demand(1, "5a" * 32)

    return known.path, promise


def lock(folder: Path) -> State:
    path = folder / "day.lock"
    with locked(path, "it"):
        signed = path.read_bytes()

    def promise() -> None:
        found = path.read_bytes()
        with locked(path, "it"):
            path.write_bytes(found)
            assert holder(path) is None or str(holder(path))

    path.write_bytes(signed)
    return path, promise


STATES = (
    commit,
    attempt,
    rows_put_back,
    handed_over,
    readings,
    fetched,
    alerts,
    addresses,
    live,
    listed,
    table,
    posted,
    newest,
    numbers,
    lock,
)


def damaged(data: bytes) -> Iterator[bytes]:
    """The bytes with each one flipped, and cut at each length."""
    for at in range(len(data)):
        yield data[:at]
        yield data[:at] + bytes([data[at] ^ (1, 128, 255)[at % 3]]) + data[at + 1 :]


@pytest.mark.parametrize("state", STATES, ids=lambda state: state.__name__)
def test_a_damaged_state_file_does_what_is_promised(
    state: Callable[[Path], State], tmp_path: Path
) -> None:
    path, promise = state(tmp_path)
    for data in damaged(path.read_bytes()):
        path.write_bytes(data)
        try:
            promise()
        except BaseException as error:
            error.add_note(f"{path.name} held {data!r}")
            raise


def test_a_file_that_was_written_before_has_no_digest_and_is_read(tmp_path: Path) -> None:
    records = _records(tmp_path)
    put_back(records, DAY, [RowBack("a", "5a1c", {"weight": 500.25})])
    write_live(tmp_path / "orders.json", LivePointer("orders", 7, tmp_path, "5a1c"))
    reads: dict[Path, Callable[[], object]] = {
        records.root / "records" / f"{DAY}.json": lambda: records.commit_of(DAY),
        records.root / "put_back" / f"{DAY}.json": lambda: read_put_back(records, DAY),
        tmp_path / "orders.json": lambda: read_live(tmp_path / "orders.json"),
    }
    for path, read in reads.items():
        before, stored = read(), json.loads(path.read_text())
        path.write_text(json.dumps(stored["content"]))
        assert read() == before
