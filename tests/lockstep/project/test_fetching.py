"""Fetching from an object store: every content once, in order, and nothing is changed there."""

import gzip
import itertools
import os
import time
from pathlib import Path
from unittest.mock import Mock

import pytest

from lockstep.columns.records import Key, Record
from lockstep.errors import DeclarationError, InputError, LockedError, UnavailableError
from lockstep.project import fetching
from lockstep.project.fetching import Fetched, fetch, fetched
from lockstep.project.object_stores import StoreAddress
from lockstep.store.inbox import alone_in_inbox, claim_files, find_claimed, read_claimed
from tests.fixtures.object_store import SECRET, Bucket, ObjectStore
from tests.fixtures.registries import Killed


class Row(Record):
    name: Key[str]
    x: float


class Follower:
    """An inbox that takes what lies in a bucket below `in/rows`."""

    def __init__(self, inbox: Path, bucket: Bucket) -> None:
        self.inbox, self.bucket = inbox, bucket
        self.address = StoreAddress(f"{bucket.address}/in/rows")
        self.told: list[str] = []

    def put(self, name: str, content: str | bytes, age: float = 0) -> None:
        """Write an object below `in/rows`, as if it had been so many seconds ago."""
        self.bucket.put(f"in/rows/{name}", content, age=age)

    def fetch(self, **options: float) -> Fetched:
        self.told.clear()
        return fetch(self.address, self.inbox, settled=0, tell=self.told.append, **options)

    def look(self, **options: float) -> list[str]:
        """Fetch and claim; the partitions so far, in order, without their digests."""
        self.fetch(**options)
        return [claim.partition.rpartition("-")[0] for claim in claim_files(self.inbox, settled=0)]

    def names(self, folder: str) -> list[str]:
        return sorted(file.name.rpartition("-")[0] for file in (self.inbox / folder).iterdir())

    def rows(self, number: int = -1) -> list[str]:
        """The keys of the rows of a claimed delivery."""
        claim = claim_files(self.inbox, settled=0)[number]
        return read_claimed(self.inbox, claim.partition, Row.schema()).columns["name"].tolist()


@pytest.fixture
def follower(tmp_path: Path, bucket: Bucket) -> Follower:
    return Follower(tmp_path / "inbox", bucket)


def rows(*names: str) -> str:
    return "name,x\n" + "".join(f"{name},1\n" for name in names)


def test_objects_are_claimed_once_in_the_order_in_which_they_came(follower: Follower) -> None:
    for age, name in ((3, "c"), (2, "a"), (1, "b")):
        follower.put(f"{name}.csv", rows(name), age=age)
    before = follower.bucket.state()
    assert follower.look() == ["c", "a", "b"]
    assert follower.look() == ["c", "a", "b"]
    assert [follower.rows(number) for number in range(3)] == [["c"], ["a"], ["b"]]
    assert follower.bucket.state() == before
    assert not (follower.inbox / "repeated").exists()


def test_objects_whose_names_are_too_long_for_files_are_claimed(follower: Follower) -> None:
    for name in ("жa", "жb"):
        follower.put(f"{'ж' * 200}{name}.csv", rows(name))
    assert len(follower.look()) == 2
    assert {*follower.rows(0), *follower.rows(1)} == {"жa", "жb"}
    assert follower.told == []
    with pytest.raises(InputError, match="2 files of that name came"):
        find_claimed(follower.inbox, Path(f"{'ж' * 201}a.csv"))


def test_objects_of_other_folders_are_not_taken(follower: Follower) -> None:
    for key in ("in/rows-of-others/a.csv", "in/b.csv", "c.csv", "in/rows/.d.csv", "in/rows/e.tmp"):
        follower.bucket.put(key, rows(key))
    assert follower.look() == []
    assert follower.fetch() == Fetched()


def test_the_same_content_under_another_key_is_found_to_have_come_before(
    follower: Follower,
) -> None:
    follower.put("monday.csv", rows("a"))
    follower.look()
    follower.put("tuesday.csv", rows("a"))
    assert follower.look() == ["monday"]
    assert follower.names("repeated") == ["tuesday"]


def test_an_object_that_is_written_again_as_it_was_is_not_fetched_again(follower: Follower) -> None:
    follower.put("monday.csv", rows("a"))
    follower.look()
    follower.put("monday.csv", rows("a"))
    assert follower.look() == ["monday"]
    assert not (follower.inbox / "repeated").exists()


def test_an_object_that_grew_since_is_a_delivery_of_its_own_and_told(follower: Follower) -> None:
    follower.put("monday.csv", rows("a"))
    assert follower.fetch().replaced == []
    follower.look()
    follower.put("monday.csv", rows("a", "b"))
    assert follower.fetch().replaced == [f"{follower.address}/monday.csv"]
    assert follower.look() == ["monday", "monday"]
    assert [follower.rows(0), follower.rows(1)] == [["a"], ["a", "b"]]
    assert follower.fetch().replaced == []


def test_a_copy_is_as_old_as_the_object(follower: Follower) -> None:
    follower.put("monday.csv", rows("a"))
    written = follower.address.objects()[0].written
    follower.fetch()
    assert (follower.inbox / "monday.csv").stat().st_mtime_ns == written


def test_what_was_just_written_is_left_for_the_next_time(follower: Follower) -> None:
    follower.put("monday.csv", rows("a"))
    fetch(follower.address, follower.inbox, settled=3600)
    assert not (follower.inbox / "monday.csv").exists()


def test_a_compressed_object_is_read_as_a_file_is(follower: Follower) -> None:
    follower.put("monday.csv.gz", gzip.compress(rows("a", "b").encode()))
    follower.look()
    assert follower.rows() == ["a", "b"]


# Large ones


FIRST, SECOND = ([str(number) for number in range(begin, begin + 40)] for begin in (1000, 2000))


@pytest.fixture
def large(follower: Follower, monkeypatch: pytest.MonkeyPatch) -> Follower:
    """An inbox that takes an object of 287 bytes in blocks of 64."""
    monkeypatch.setattr(fetching, "BLOCK_BYTES", 64)
    follower.put("large.csv", rows(*FIRST), age=1)
    return follower


def test_an_object_is_copied_over_several_calls_and_later_ones_wait(large: Follower) -> None:
    large.put("small.csv", rows("a"))
    large.fetch(seconds=0)
    assert large.told[0] == "large.csv is left for the next time: 22% of it has been fetched."
    assert next(calls for calls in itertools.count(2) if large.look(seconds=0) != []) == 5
    assert large.look(seconds=0) == ["large", "small"]
    assert large.rows(0) == FIRST


def test_an_object_that_is_replaced_while_it_is_copied_is_copied_anew(large: Follower) -> None:
    large.fetch(seconds=0)
    large.put("large.csv", rows(*SECOND))
    assert large.look() == ["large"]
    assert large.rows() == SECOND
    assert list((large.inbox / ".fetching").iterdir()) == []


def test_an_object_that_is_replaced_between_two_blocks_is_never_half_of_each(
    large: Follower, monkeypatch: pytest.MonkeyPatch
) -> None:
    read, calls = StoreAddress.read, itertools.count()

    def replacing(address: StoreAddress, *limits: int) -> bytes:
        if next(calls) == 2:
            large.put("large.csv", rows(*SECOND))
        return read(address, *limits)

    monkeypatch.setattr(StoreAddress, "read", replacing)
    assert large.look() == []
    assert "replaced while it was fetched" in large.told[0]
    assert large.fetch().replaced == []
    assert large.look() == ["large"]
    assert large.rows() == SECOND


# Kills


def test_what_was_copied_when_the_process_was_killed_is_claimed_once(
    follower: Follower, monkeypatch: pytest.MonkeyPatch
) -> None:
    follower.put("monday.csv", rows("a"))
    with monkeypatch.context() as patch:
        patch.setattr(Path, "rename", Mock(side_effect=Killed))
        with pytest.raises(Killed):
            follower.fetch()
    assert [follower.look(), follower.look()] == [["monday"]] * 2
    assert not (follower.inbox / "repeated").exists()


def test_without_its_notes_all_come_again_and_nothing_is_scored_twice(follower: Follower) -> None:
    follower.put("monday.csv", rows("a"))
    follower.look()
    (follower.inbox / ".fetched.json").unlink()
    assert follower.look() == ["monday"]
    assert follower.names("repeated") == ["monday"]


def test_an_object_waits_for_a_file_of_its_name_that_somebody_dropped(follower: Follower) -> None:
    follower.put("monday.csv", rows("a"))
    follower.inbox.mkdir()
    dropped = follower.inbox / "monday.csv"
    dropped.write_text(rows("dropped"))
    follower.fetch()
    assert follower.told == [
        "monday.csv is left for the next time: another file of that name waits in the inbox."
    ]
    assert dropped.read_text() == rows("dropped")
    follower.look()
    assert follower.look() == ["monday", "monday"]
    assert sorted([follower.rows(0), follower.rows(1)]) == [["a"], ["dropped"]]


# Folders


def test_a_folder_of_parts_is_one_delivery_once_it_holds_success(follower: Follower) -> None:
    follower.put("batch/part-0.csv.gz", gzip.compress(rows("a").encode()))
    follower.put("batch/part-1.csv", rows("b"))
    (left,) = follower.fetch().left
    assert (left.path.name, left.why) == ("batch", "is a folder without _SUCCESS")
    assert left.where == f"{follower.address}/batch"
    follower.put("batch/_SUCCESS", b"")
    follower.put("batch/_temporary/part-2.csv", rows("c"))
    assert follower.look() == ["batch"]
    assert follower.look() == ["batch"]
    assert follower.rows() == ["a", "b"]


def test_a_folder_waits_for_what_its_manifest_names(follower: Follower) -> None:
    follower.put("batch/_MANIFEST", "a.csv\nb.csv\n")
    follower.put("batch/a.csv", rows("a"))
    follower.put("batch/other.csv", rows("other"))
    (left,) = follower.fetch().left
    assert left.why == "waits for b.csv, which its _MANIFEST names"
    follower.put("batch/b.csv", rows("b"))
    assert follower.look() == ["batch"]
    assert follower.rows() == ["a", "b"]


def test_a_part_that_is_replaced_makes_another_delivery(follower: Follower) -> None:
    follower.put("batch/a.csv", rows("a"), age=1)
    follower.put("batch/_SUCCESS", "", age=1)
    follower.look()
    follower.put("batch/a.csv", rows("a", "b"))
    assert follower.look() == ["batch", "batch"]
    assert follower.rows() == ["a", "b"]


# What is left alone


def test_what_is_no_delivery_is_told_while_all_else_is_fetched(follower: Follower) -> None:
    for key in ("notes.xlsx", "claimed/a.csv", "deep/_SUCCESS", "deep/er/a.csv"):
        follower.put(key, rows("no"))
    follower.put("sound.csv", rows("a"))
    left = {entry.path.name: entry.why for entry in follower.fetch().left}
    assert left == {
        "notes.xlsx": "is none of .csv, .parquet, .jsonl",
        "claimed": "has the name of a folder of the inbox itself",
        "deep": "holds er: its parts are files of .csv, .parquet, .jsonl",
    }
    assert follower.look() == ["sound"]


# The store and the inbox


def test_a_store_that_does_not_answer_is_one_line(
    object_store: ObjectStore, follower: Follower
) -> None:
    follower.put("monday.csv", rows("a"))
    object_store.stop()
    begun = time.monotonic()
    try:
        with pytest.raises(UnavailableError) as refused:
            follower.fetch()
    finally:
        object_store.start_again()
    assert time.monotonic() - begun < 30
    message = str(refused.value)
    assert message.startswith(f"{follower.address} cannot be read now: ")
    assert "\n" not in message
    assert SECRET not in message
    assert follower.look() == ["monday"]


def test_a_bucket_that_is_not_there_is_named(tmp_path: Path, object_store: ObjectStore) -> None:
    with pytest.raises(UnavailableError, match=r"s3://nobodys/in: there is nothing there"):
        fetch(StoreAddress("s3://nobodys/in"), tmp_path)


def test_an_address_of_another_kind_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="x9://bucket is no address that fsspec knows"):
        fetch(StoreAddress("x9://bucket"), tmp_path)


def test_a_password_in_an_address_is_refused_without_being_told() -> None:
    told = r"s3://key:\*\*\*@bucket/in holds a password"
    with pytest.raises(DeclarationError, match=told) as refused:
        StoreAddress("s3://key:hidden@bucket/in")
    assert "hidden" not in str(refused.value)
    assert "hidden" not in f"{StoreAddress('https://host/a.csv?sig=hidden')!s}"
    assert "hidden" not in repr(StoreAddress("https://host/a.csv?sig=hidden"))


def test_a_folder_of_another_drive_is_an_inbox_too(tmp_path: Path) -> None:
    drive = tmp_path / "drive" / "rows"
    drive.mkdir(parents=True)
    (drive / "monday.csv").write_text(rows("a"))
    os.utime(drive / "monday.csv", (time.time() - 3600,) * 2)
    fetch(StoreAddress(f"file://{drive}"), tmp_path / "inbox")
    assert (tmp_path / "inbox" / "monday.csv").read_text() == rows("a")
    assert (drive / "monday.csv").exists()


def test_an_inbox_that_somebody_is_at_work_on_is_left_to_them(follower: Follower) -> None:
    follower.put("monday.csv", rows("a"))
    with alone_in_inbox(follower.inbox):
        with pytest.raises(LockedError, match=rf"by process {os.getpid()} on \S+ since"):
            follower.fetch()
        with pytest.raises(LockedError):
            claim_files(follower.inbox)
    assert follower.look() == ["monday"]


def test_a_file_is_fetched_as_long_as_it_is_read_and_what_was_abandoned_is_removed(
    tmp_path: Path,
) -> None:
    delivered, scratch = tmp_path / "monday.csv", tmp_path / "scratch"
    delivered.write_text("name,x\na,1\n")
    for name, days in (("of-a-killed-run", 3), ("of-a-run", 0.5)):
        (scratch / name).mkdir(parents=True)
        (scratch / name / "old.csv").write_text("half")
        os.utime(scratch / name, (0, time.time() - days * 86_400))
    (scratch / "also-killed.csv").write_text("half")
    os.utime(scratch / "also-killed.csv", (0, 0))
    with fetched(StoreAddress(f"file://{delivered}"), scratch) as file:
        assert file.name == "monday.csv"
        assert file.read_bytes() == delivered.read_bytes()
    assert [path.name for path in scratch.iterdir()] == ["of-a-run"]
