"""What became of a file: told beside it, by the records, and read back by whoever watches."""

import os
from pathlib import Path

import pyarrow as pa
import pytest

from lockstep.checks.fates import Inbox
from lockstep.store.attempts import StepRecord
from lockstep.store.inbox import is_beside
from lockstep.store.partition_records import Records
from lockstep.store.results import CheckResult

FILE = "monday-0123456789ab.csv"
AGAIN = "tuesday-0123456789ab.csv"


@pytest.fixture
def inbox(tmp_path: Path) -> Inbox:
    """An inbox with a file that was claimed."""
    again = "lockstep score orders --file {}".format
    records = Records(tmp_path / "data" / "orders" / "inbox", again, exported="published")
    found = Inbox("orders", tmp_path / "inbox" / "orders", records)
    put(found, "claimed", FILE)
    return found


def put(inbox: Inbox, place: str, name: str) -> Path:
    path = inbox.folder / place / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("name\na\n")
    return path


def block(inbox: Inbox, check: str = "sudden_shift") -> None:
    """Have the first step of scoring the file blocked by a check."""
    failed = CheckResult(False, "price jumped", column="price")
    record = StepRecord(results={check: failed}, blocked_by={check: failed.summary})
    with inbox.records.step(FILE, "batch", "a run") as attempt:
        attempt.keep("batch", record)


def texts(inbox: Inbox) -> dict[str, str]:
    return {
        path.relative_to(inbox.folder).as_posix(): path.read_text().splitlines()[0]
        for path in inbox.told()
    }


def test_a_file_that_nobody_told_of_is_told_to_wait_once(inbox: Inbox) -> None:
    assert [fate.state for fate in inbox.untold()] == ["waiting"]
    assert [fate.state for fate in inbox.untold()] == []
    assert texts(inbox) == {
        f"claimed/{FILE}.txt": f"waiting: {FILE}: it is complete and will be scored."
    }


def test_of_files_that_came_together_the_repetition_is_told_too(inbox: Inbox) -> None:
    put(inbox, "repeated", AGAIN)
    assert [fate.state for fate in inbox.untold()] == ["waiting", "repeated"]


def test_a_blocked_file_is_told_by_its_check_with_a_page_of_it(inbox: Inbox) -> None:
    block(inbox)
    fate = inbox.tell(FILE)
    assert fate is not None
    assert (fate.state, fate.message.what, fate.message.where) == (
        "blocked",
        f"{FILE}: sudden_shift failed: price jumped",
        "column price",
    )
    assert fate.page == f"/assets/orders/inbox/batch?view=events&partitions%5B0%5D={FILE}"
    assert fate.text.read_text() == f"blocked: {fate.message}\n"


def test_of_a_published_file_that_is_scored_again_both_attempts_are_told(inbox: Inbox) -> None:
    with inbox.records.step(FILE, "batch", "a run") as attempt:
        attempt.keep("batch", StepRecord())
    with inbox.records.step(FILE, "published", "a run", after=["batch"]) as attempt:
        attempt.write("published", pa.table({"risk": [0.5]}))
        attempt.keep("published", StepRecord())
        inbox.records.commit(attempt)
    inbox.records.begin(FILE, "a later run, which is killed")
    inbox.tell(FILE)
    said = f"waiting: {FILE}: attempt 1 at it is published; attempt 2 is not through."
    assert texts(inbox)[f"claimed/{FILE}.txt"] == said


def test_an_error_is_told_with_what_to_do(inbox: Inbox) -> None:
    fate = inbox.tell(FILE, OSError("the disk is full"))
    assert fate is not None
    assert (fate.state, fate.message.what) == (
        "failed",
        f"{FILE}: it could not be scored: the disk is full",
    )
    assert f"`lockstep score orders --file {FILE}`" in fate.message.todo


def test_the_text_goes_with_a_file_that_is_rejected(inbox: Inbox) -> None:
    inbox.tell(FILE)
    (inbox.folder / "rejected").mkdir()
    (inbox.folder / "claimed" / FILE).rename(inbox.folder / "rejected" / FILE)
    block(inbox, "decoding")
    inbox.tell(FILE)
    assert texts(inbox) == {
        f"rejected/{FILE}.txt": f"rejected: {FILE}: decoding failed: price jumped"
    }


def test_the_text_of_a_repetition_follows_the_file_that_came_first(inbox: Inbox) -> None:
    put(inbox, "repeated", AGAIN)
    list(inbox.untold())
    block(inbox)
    inbox.tell(FILE)
    assert texts(inbox)[f"repeated/{AGAIN}.txt"] == (
        f"repeated: {AGAIN}: its content came before, and is scored once; blocked: {FILE}: "
        "sudden_shift failed: price jumped"
    )


def test_where_rows_are_is_told_as_seen_from_the_home_which_may_be_moved(inbox: Inbox) -> None:
    fate = inbox.tell(FILE)
    assert fate is not None
    assert fate.message.where == f"inbox/orders/claimed/{FILE}"


def test_of_a_file_that_was_taken_away_nothing_is_told(inbox: Inbox) -> None:
    (inbox.folder / "claimed" / FILE).unlink()
    assert inbox.tell(FILE) is None
    assert texts(inbox) == {}


def test_what_is_never_claimed_has_a_text_beside_it_until_it_is_gone(inbox: Inbox) -> None:
    (inbox.folder / "folder.csv").mkdir()
    (inbox.folder / os.fsdecode(b"a\xff.xlsx")).write_bytes(b"PK")
    assert [fate.message.what for fate in inbox.tell_left()] == [
        "a%FF.xlsx is none of .csv, .parquet, .jsonl; it is left alone.",
        "folder.csv is a folder without _SUCCESS; it is left alone.",
    ]
    assert inbox.tell_left() == []
    assert texts(inbox) == {
        "a%FF.xlsx.txt": "left: a%FF.xlsx is none of .csv, .parquet, .jsonl; it is left alone.",
        "folder.csv.txt": "left: folder.csv is a folder without _SUCCESS; it is left alone.",
    }
    assert all(map(is_beside, inbox.told()))
    (inbox.folder / "folder.csv").rmdir()
    assert inbox.tell_left() == []
    assert list(texts(inbox)) == ["a%FF.xlsx.txt"]


@pytest.mark.parametrize("name", [b"a" * 250 + b".xlsx", b"\xff" * 255])
def test_what_has_a_long_name_has_a_text_beside_it_until_it_is_gone(
    inbox: Inbox, name: bytes
) -> None:
    path = inbox.folder / os.fsdecode(name)
    path.touch()
    assert len(inbox.tell_left()) == 1
    assert inbox.tell_left() == []
    assert len(texts(inbox)) == 1
    path.unlink()
    assert inbox.tell_left() == []
    assert texts(inbox) == {}


def test_a_text_of_somebody_else_is_never_overwritten(inbox: Inbox) -> None:
    (inbox.folder / "notes").mkdir()
    (inbox.folder / "notes.txt").write_text("mine")
    assert [fate.file.name for fate in inbox.tell_left()] == ["notes.txt"]
    assert (inbox.folder / "notes.txt").read_text() == "mine"


def test_a_file_that_was_changed_since_it_was_claimed_is_told_once(inbox: Inbox) -> None:
    list(inbox.untold())
    fate = inbox.tell_changed(FILE, is_changed=True)
    assert fate is not None
    assert texts(inbox)[f"claimed/{FILE}.txt"].startswith(
        f"changed: {FILE}: it was changed after it was claimed: "
    )
    assert inbox.tell_changed(FILE, is_changed=True) is None
    inbox.tell_changed(FILE, is_changed=False)
    assert texts(inbox)[f"claimed/{FILE}.txt"].startswith("waiting: ")


def test_a_text_beside_a_file_may_be_in_any_encoding(inbox: Inbox) -> None:
    list(inbox.untold())
    (inbox.folder / "claimed" / f"{FILE}.txt").write_bytes("published: geprüft\n".encode("latin-1"))
    assert inbox.tell_changed(FILE, is_changed=False) is None
    assert inbox.tell_changed(FILE, is_changed=True) is not None
    (inbox.folder / "pipe.xlsx").write_bytes(b"PK")
    (inbox.folder / "pipe.xlsx.txt").write_bytes(b"left: pipe.xlsx is odd \xfc\n")
    assert [fate.file.name for fate in inbox.tell_left()] == ["pipe.xlsx"]
