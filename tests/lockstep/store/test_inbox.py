"""The inbox: every content once, complete files only, nothing lost."""

import errno
import gzip
import os
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from itertools import count
from pathlib import Path
from typing import Any

import pytest

from assets.orders import ASSETS
from lockstep.checks.streams import inbox_stream
from lockstep.columns.csv_format import CsvFormat
from lockstep.columns.plain import name_shown, shown_name
from lockstep.columns.records import Key, Record, RowNumber
from lockstep.columns.units import Units
from lockstep.errors import InputError, UnavailableError, UnreadableError
from lockstep.project.home import Home
from lockstep.store.contents import BLOCK_BYTES, IncrementalDigest, content_digest
from lockstep.store.inbox import (
    Claim,
    came_as,
    claim_copy,
    claim_files,
    digest_of_name,
    find_claimed,
    left_alone,
    named_file,
    read_claimed,
)
from lockstep.store.parquet import Store
from lockstep.store.parts import read_delivery
from tests.fixtures.registries import Killed

FURTHER = IncrementalDigest.further


class Row(Record):
    name: Key[str]
    x: float


def rows(*names: str) -> str:
    return "name,x\n" + "".join(f"{name},1\n" for name in names)


def aged(path: Path, seconds: float = 3600) -> Path:
    """A file or folder that was last written so long ago."""
    os.utime(path, (time.time() - seconds,) * 2)
    return path


def drop(folder: Path, name: str, content: str | bytes = rows("a"), age: float = 3600) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / name
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return aged(path, age)


def drop_large(folder: Path, name: str, *, end: bytes = b"a", blocks: int = 2) -> Path:
    """A file of some blocks, nearly all of it a hole."""
    path = drop(folder, name, "")
    with path.open("rb+") as file:
        file.seek(blocks * BLOCK_BYTES - len(end))
        file.write(end)
    return aged(path)


def drop_folder(inbox: Path, name: str, parts: dict[str, str], age: float = 3600) -> Path:
    for part, text in parts.items():
        drop(inbox / name, part, text, age)
    return aged(inbox / name, age)


@dataclass(frozen=True)
class Inbox:
    """An inbox, and a folder elsewhere."""

    path: Path
    elsewhere: Path

    def claims(self, **options: Any) -> list[str]:
        """Claim what is complete: the partitions so far."""
        return [claim.partition for claim in claim_files(self.path, **options)]

    def claimed(self, name: str = "monday.csv", content: str = rows("a")) -> Path:
        """A file that was dropped and is claimed, where it lies now."""
        drop(self.path, name, content)
        (partition,) = self.claims()
        return self.path / "claimed" / partition

    def read(self, partition: str, record: type[Record] = Row) -> Any:
        return read_claimed(self.path, partition, record.schema())

    def total(self, partition: str, record: type[Record]) -> int:
        """Count the rows of a claimed file, once all are decoded."""
        read = Units.of(self.read(partition, record))
        try:
            return sum(unit.read(record.schema()).total for unit in read.units)
        except UnreadableError as error:
            raise read.failing(error) from error

    def holds(self, place: str) -> list[str]:
        folder = self.path / place
        return [path.name for path in folder.iterdir()] if folder.exists() else []

    def left(self) -> dict[str, str]:
        """Why each thing is never claimed, without a time."""
        return {each.path.name: each.why.split(" at 20")[0] for each in left_alone(self.path)}


@pytest.fixture
def inbox(tmp_path: Path) -> Inbox:
    (tmp_path / "inbox").mkdir()
    return Inbox(tmp_path / "inbox", tmp_path / "elsewhere")


def test_a_complete_file_is_claimed_under_a_name_with_its_digest(inbox: Inbox) -> None:
    digest = content_digest(drop(inbox.path, "monday.csv"))
    (partition,) = inbox.claims()
    assert partition.startswith("monday-")
    assert digest.startswith(digest_of_name(Path(partition)))
    assert inbox.holds("claimed") == [partition]


def test_files_are_claimed_in_the_order_in_which_they_were_written(inbox: Inbox) -> None:
    for name, age in (("a", 100), ("b", 300), ("c", 200)):
        drop(inbox.path, f"{name}.csv", rows(name), age)
    assert [partition[0] for partition in inbox.claims()] == ["b", "c", "a"]


# By and by


def test_when_the_time_is_over_the_other_files_are_left_for_the_next_time(inbox: Inbox) -> None:
    drop(inbox.path, "large.csv", rows("large"))
    drop(inbox.path, "small.csv", rows("s"))
    told: list[str] = []
    assert len(inbox.claims(seconds=0, tell=told.append)) == 1
    assert (inbox.path / "large.csv").exists()  # the smaller one came first
    assert told == ["large.csv is left for the next time: 0% of it has been read."]
    assert len(inbox.claims(seconds=0)) == 2


def test_a_large_file_is_read_by_and_by_and_no_block_twice(
    inbox: Inbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    def counted(reading: IncrementalDigest, path: Path) -> IncrementalDigest:
        read.append(len(reading.blocks))
        return FURTHER(reading, path)

    read: list[int] = []
    monkeypatch.setattr(IncrementalDigest, "further", counted)
    drop_large(inbox.path, os.fsdecode(b"a\xff.csv"), blocks=3)
    told: list[str] = []
    assert [len(inbox.claims(seconds=0, tell=told.append)) for _ in range(3)] == [0, 0, 1]
    assert read == [0, 1, 2]
    assert [line.split(": ")[1] for line in told] == [
        "33% of it has been read.",
        "67% of it has been read.",
    ]
    assert [path for path in inbox.path.iterdir() if path.suffix == ".csv"] == []


def test_time_that_is_left_is_used_to_read_on(inbox: Inbox) -> None:
    drop_large(inbox.path, "large.csv", blocks=3)
    assert inbox.claims(seconds=1.5, clock=count().__next__) == []
    assert len(inbox.claims(seconds=0)) == 1


def test_a_large_file_that_repeats_another_is_not_claimed_again(inbox: Inbox) -> None:
    drop_large(inbox.path, "large.csv")
    (partition,) = inbox.claims()
    drop_large(inbox.path, "again.csv")
    drop_large(inbox.path, "other.csv", end=b"b")
    assert len(inbox.claims()) == 2
    assert inbox.holds("repeated") == [f"again-{digest_of_name(Path(partition))}.csv"]


def test_a_copy_of_a_large_file_is_claimed_once_with_the_one_of_the_inbox(inbox: Inbox) -> None:
    partition = claim_copy(inbox.path, drop_large(inbox.elsewhere, "large.csv"))
    drop_large(inbox.path, "large.csv")
    assert inbox.claims() == [partition]


def test_a_large_file_that_is_changed_meanwhile_is_read_from_its_beginning(inbox: Inbox) -> None:
    drop_large(inbox.path, "large.csv")
    inbox.claims(seconds=0)
    digest = content_digest(drop_large(inbox.path, "large.csv", end=b"b"))
    assert inbox.claims(seconds=0) == []
    (partition,) = inbox.claims(seconds=0)
    assert digest.startswith(digest_of_name(Path(partition)))


def test_a_file_that_is_changed_while_it_is_read_is_left_for_the_next_time(
    inbox: Inbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = drop(inbox.path, "monday.csv")

    def disturbed(reading: IncrementalDigest, file: Path) -> IncrementalDigest:
        found = FURTHER(reading, file)
        with path.open("a") as writer:
            writer.write("b,2\n")
        return found

    with monkeypatch.context() as patch:
        patch.setattr(IncrementalDigest, "further", disturbed)
        assert inbox.claims() == []
    assert len(inbox.claims(settled=0)) == 1


def test_damaged_notes_of_how_far_was_read_cost_no_more_than_time(inbox: Inbox) -> None:
    drop_large(inbox.path, "large.csv")
    inbox.claims(seconds=0)
    (inbox.path / ".reading.json").write_text("{")
    assert [len(inbox.claims(seconds=0)) for _ in range(2)] == [0, 1]


def test_a_file_that_cannot_be_read_now_does_not_hold_up_the_others(
    inbox: Inbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    drop(inbox.path, "monday.csv")
    drop(inbox.path, "tuesday.csv", rows("b"))

    def fail(reading: IncrementalDigest, path: Path) -> IncrementalDigest:
        if path.name == "monday.csv":
            raise OSError(errno.EIO, "Input/output error", str(path))
        return FURTHER(reading, path)

    told: list[str] = []
    with monkeypatch.context() as patch:
        patch.setattr(IncrementalDigest, "further", fail)
        assert len(inbox.claims(tell=told.append)) == 1
    assert told == ["monday.csv is left for the next time: Input/output error."]
    assert len(inbox.claims()) == 2


@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
@pytest.mark.parametrize(
    ("is_folder", "step"),
    [*((False, step) for step in range(6)), *((True, step) for step in range(4))],
)
def test_a_tick_that_is_killed_at_any_step_loses_nothing_and_claims_nothing_twice(
    inbox: Inbox, monkeypatch: pytest.MonkeyPatch, step: int, *, is_folder: bool, after: bool
) -> None:
    """Reading two blocks, noting each, moving the file and noting what it holds are six steps.

    A small folder of two parts is read without a note.
    """
    path = inbox.path
    dropped = drop_folder(path, "monday", WHOLE) if is_folder else drop_large(path, "a.csv")
    content = content_digest(dropped)
    steps = count()

    def killed(method: Callable[..., Any]) -> Callable[..., Any]:
        def step_or_end(*arguments: Any) -> Any:
            number = next(steps)
            if number == step and not after:
                raise Killed
            found = method(*arguments)
            if number == step:
                raise Killed
            return found

        return step_or_end

    with monkeypatch.context() as patch:
        for owner, name in ((IncrementalDigest, "further"), (Path, "replace"), (Path, "rename")):
            patch.setattr(owner, name, killed(getattr(owner, name)))
        with pytest.raises(Killed):
            inbox.claims()
    (partition,) = inbox.claims()
    assert content_digest(inbox.path / "claimed" / partition) == content
    assert inbox.holds("repeated") == []
    assert claim_files(inbox.path) == [Claim(partition)]


# Each content once


def test_the_same_content_under_another_name_is_not_claimed_again(inbox: Inbox) -> None:
    first = inbox.claimed()
    drop(inbox.path, "tuesday.csv")
    assert inbox.claims() == [first.name]
    assert len(inbox.holds("repeated")) == 1
    assert find_claimed(inbox.path, Path("tuesday.csv")) == first.name


def test_content_that_was_set_aside_before_is_not_claimed_again(inbox: Inbox) -> None:
    path = inbox.claimed("empty.csv", "")
    for _ in range(2):  # a file that is set aside is read again from there
        with pytest.raises(InputError, match="empty"):
            inbox.read(path.name)
    drop(inbox.path, "again.csv", "")
    assert inbox.claims() == []
    assert len(inbox.holds("repeated")) == 1


@pytest.mark.parametrize("stem", ["航班" * 20, "航班" * 41, "%" * 200, "a" * 240])
def test_a_long_name_leaves_room_for_what_is_written_of_it(inbox: Inbox, stem: str) -> None:
    partition = inbox.claimed(f"{stem}.csv").name
    assert partition.startswith(stem[:40])
    assert find_claimed(inbox.path, Path(f"{stem}.csv")) == partition
    path = Store(inbox.path).path("batch", partition)
    path.parent.mkdir()
    path.touch()


def test_long_names_that_differ_at_their_end_are_two_partitions(inbox: Inbox) -> None:
    for end in "12":
        drop(inbox.path, f"{'a' * 240}{end}.csv", rows(end))
    assert len(inbox.claims()) == 2


NAMES = [b"a\xff.csv", b"caf\xe9 50%ff.csv", b"line\nbreak.csv", b"three...dots.csv"]


@pytest.mark.parametrize("name", NAMES)
def test_a_file_of_any_name_is_claimed_under_a_printable_one(inbox: Inbox, name: bytes) -> None:
    file = drop(inbox.path, os.fsdecode(name))
    drop(inbox.path, "monday.csv", rows("b"))
    (own,) = [each for each in inbox.claims() if not each.startswith("monday-")]
    assert own.isprintable()
    assert os.fsencode(name_shown(own.rpartition("-")[0])) == name.removesuffix(b".csv")
    assert find_claimed(inbox.path, file) == own
    assert inbox.read(own).total == 1


@pytest.mark.parametrize("name", NAMES)
def test_a_command_may_name_a_file_as_messages_do(inbox: Inbox, name: bytes) -> None:
    file = drop(inbox.elsewhere, os.fsdecode(name))
    shown = Path(shown_name(str(file)))
    assert named_file(shown) == file
    assert claim_copy(inbox.path, shown) == claim_copy(inbox.path, file)


# What is left alone


@pytest.mark.parametrize(
    ("name", "age"),
    [("monday.csv", 0), (".hidden.csv", 99), ("monday.csv.tmp", 99), ("monday.csv.part", 99)],
)
def test_a_file_that_is_being_written_is_left_alone(inbox: Inbox, name: str, age: float) -> None:
    path = drop(inbox.path, name, age=age)
    assert inbox.claims() == []
    assert inbox.left() == {}
    assert path.exists()


@pytest.mark.parametrize("name", ["claimed", "rejected", "repeated"])
def test_a_file_named_like_an_own_folder_does_not_hold_up_the_others(
    inbox: Inbox, name: str
) -> None:
    drop(inbox.path, name, "text")
    drop(inbox.path, "monday.csv")
    assert [partition[:7] for partition in inbox.claims()] == ["monday-"]
    assert list(inbox.left()) == [f"{name}.file"]


def test_what_can_be_no_file_to_score_is_left_alone_while_others_go_on(inbox: Inbox) -> None:
    os.mkfifo(inbox.path / "pipe.csv")
    (inbox.path / "folder.csv").mkdir()
    (inbox.path / "loop.csv").symlink_to("loop.csv")
    (inbox.path / "link.csv").symlink_to(drop(inbox.elsewhere, "private.csv"))
    drop(inbox.path, "future.csv", age=-86_400)
    drop(inbox.path, "monday.xlsx")
    drop(inbox.path, "monday.csv", rows("b"))
    assert len(inbox.claims()) == 1
    assert inbox.left() == {
        "folder.csv": "is a folder without _SUCCESS",
        "future.csv": "was last written",
        "link.csv": "is a link",
        "loop.csv": "is a link",
        "monday.xlsx": "is none of .csv, .parquet, .jsonl",
        "pipe.csv": "is a pipe, a socket or a device",
    }
    assert (inbox.elsewhere / "private.csv").exists()


def test_a_file_of_the_future_waits_until_the_clock_is_right(inbox: Inbox) -> None:
    path = drop(inbox.path, "orders.csv", age=-86_400)
    assert inbox.claims() == []
    (left,) = left_alone(inbox.path)
    assert "ahead of this machine's clock" in left.why
    aged(path)
    assert len(inbox.claims()) == 1


# Reading


def test_a_file_that_cannot_be_read_is_set_aside_and_named_where_it_is_then(inbox: Inbox) -> None:
    path = inbox.claimed(content="name;x\na;1\n")
    with pytest.raises(UnreadableError) as refused:
        inbox.read(path.name)
    assert f'read_csv("{inbox.path / "rejected" / path.name}"' in str(refused.value)
    assert "claimed" not in str(refused.value)
    assert inbox.holds("rejected") == [path.name]


def test_a_claimed_file_that_was_edited_is_refused_and_stays_where_it_is(inbox: Inbox) -> None:
    path = inbox.claimed()
    path.write_text(rows("b"))
    moved = f"edited since it was claimed.*Move it to {inbox.path}"
    with pytest.raises(UnreadableError, match=moved):
        inbox.read(path.name)
    assert path.exists()


@pytest.mark.parametrize("count_before", [3, 50_000])
@pytest.mark.parametrize("text", ["name,x\n" + "b,2\n" * 50_000, "name;x"])
def test_a_claimed_file_that_is_replaced_while_it_is_read_is_refused_and_stays(
    inbox: Inbox, monkeypatch: pytest.MonkeyPatch, count_before: int, text: str
) -> None:
    """Whatever the other one holds, and though its size and time may be those of the first."""
    path = inbox.claimed(content="name,x\n" + "a,1\n" * count_before)

    def replacing(*arguments: Any) -> Any:
        before = path.stat()
        path.write_text(text)
        os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
        return read_delivery(*arguments)

    monkeypatch.setattr("lockstep.store.inbox.read_delivery", replacing)
    moved = f"replaced while it was read.*not scored. Move it to {inbox.path}"
    with pytest.raises(UnreadableError, match=moved):
        Units.of(inbox.read(path.name)).demand_same()
    assert path.exists()


@pytest.mark.parametrize("total", [1, 50_000])
def test_a_file_that_can_be_read_as_another_record_is_taken_back(inbox: Inbox, total: int) -> None:
    class Named(Record):
        name: Key[str]

    path = inbox.claimed("names.csv", "name\n" + "a\n" * total)
    with pytest.raises(UnreadableError, match="lacks the column x") as refused:
        inbox.total(path.name, Row)
    assert refused.value.column == "x"
    assert inbox.total(path.name, Named) == total
    assert path.exists()
    assert inbox.holds("rejected") == []


def test_a_disk_that_cannot_be_read_for_a_moment_does_not_reject_the_file(
    inbox: Inbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = inbox.claimed()

    def fail(path: Path, *_: str) -> None:
        raise OSError(errno.EIO, "Input/output error", str(path))

    with monkeypatch.context() as patch:
        patch.setattr(Path, "open", fail)
        with pytest.raises(UnavailableError, match="Input/output error"):
            inbox.read(path.name)
    assert inbox.read(path.name).total == 1
    assert inbox.holds("rejected") == []


def test_the_inbox_reads_files_as_the_pipeline_declares_them(tmp_path: Path) -> None:
    declared = replace(ASSETS, inbox=CsvFormat(separator=";", decimal=","))
    home = Home(tmp_path)
    header = "order_id;sent_at;price;items;weight;coupons;country;gift"
    text = f"{header}\na;2020-04-01T00:00:00Z;1,5;2;;;DE;true\n"
    drop(home.inbox("orders"), "monday.csv", text)
    (claim,) = claim_files(home.inbox("orders"))
    schema = ASSETS.pipeline.record_schema
    decoded = inbox_stream(declared).read(home, claim.partition, schema)
    assert not decoded.rejected
    assert decoded.columns["price"].tolist() == [1.5]
    with pytest.raises(UnreadableError, match="by semicolons, not commas"):
        inbox_stream(ASSETS).read(home, claim.partition, schema)


# Copies, and files by name


def test_a_copy_is_claimed_once_and_the_file_stays_where_it_is(inbox: Inbox) -> None:
    file = drop(inbox.elsewhere, "monday.csv")
    partition = claim_copy(inbox.path, file)
    assert claim_copy(inbox.path, file) == claim_copy(inbox.path, Path(partition)) == partition
    assert file.exists()
    assert inbox.read(partition).columns["x"].tolist() == [1.0]
    assert came_as(partition, file)
    assert not came_as(partition, inbox.elsewhere / "tuesday.csv")


def test_a_rejected_file_is_claimed_by_the_name_of_its_partition_again(inbox: Inbox) -> None:
    path = inbox.claimed(content="name,x\na,1,2\n")
    with pytest.raises(UnreadableError):
        inbox.read(path.name)
    assert claim_copy(inbox.path, Path(path.name)) == path.name


def test_a_copy_of_no_file_is_an_error_that_names_it(inbox: Inbox) -> None:
    with pytest.raises(InputError, match=r"nowhere\.csv: no such file"):
        claim_copy(inbox.path, Path("nowhere.csv"))


def test_a_folder_in_place_of_a_file_is_an_error_that_names_what_it_holds(inbox: Inbox) -> None:
    file = drop(inbox.elsewhere, "monday.csv")
    with pytest.raises(InputError, match=f"Name one file at a time: it holds {file}"):
        claim_copy(inbox.path, inbox.elsewhere)


def test_a_claimed_file_is_found_by_the_name_it_came_under(inbox: Inbox) -> None:
    partition = inbox.claimed("monday.CSV").name
    assert find_claimed(inbox.path, Path("monday.CSV")) == partition
    assert find_claimed(inbox.path, Path(partition)) == partition


def test_a_file_that_lies_somewhere_is_found_by_its_content(inbox: Inbox) -> None:
    file, other = drop(inbox.elsewhere, "monday.csv"), drop(inbox.elsewhere, "b.csv", rows("b"))
    partition = claim_copy(inbox.path, file)
    claim_copy(inbox.path, other)
    assert find_claimed(inbox.path, file.rename(other)) == partition


def test_of_several_files_of_one_name_each_is_named(inbox: Inbox) -> None:
    inbox.claimed("orders.csv")
    drop(inbox.path, "orders.csv", rows("b"))
    first, second = partitions = inbox.claims()
    assert first != second
    with pytest.raises(InputError) as told:
        find_claimed(inbox.path, Path("orders.csv"))
    assert all(partition in str(told.value) for partition in partitions)


def test_a_file_that_never_came_is_told(inbox: Inbox) -> None:
    with pytest.raises(InputError, match=r"orders\.csv: no such file has come into "):
        find_claimed(inbox.path, Path("orders.csv"))


# Changes of what is claimed


def test_a_file_that_grows_after_it_was_claimed_is_changed(inbox: Inbox) -> None:
    path = inbox.claimed()
    assert claim_files(inbox.path) == [Claim(path.name)]
    with path.open("a") as writer:
        writer.write("b,2\n")
    assert claim_files(inbox.path) == [Claim(path.name, is_changed=True)]


def test_a_claimed_file_is_read_again_only_where_somebody_touched_it(
    inbox: Inbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = inbox.claimed()

    def fail(reading: IncrementalDigest, path: Path) -> IncrementalDigest:
        raise AssertionError(f"{path} is read again")

    with monkeypatch.context() as patch:
        patch.setattr(IncrementalDigest, "further", fail)
        assert inbox.claims() == [path.name]
        path.touch()
        with pytest.raises(AssertionError):
            inbox.claims()
    assert claim_files(inbox.path) == [Claim(path.name)]  # which is no change


# Compressed files and folders of part files

PARTS = {"part-0.csv": "name,x\na,1\n", "part-1.jsonl": '{"name": "b", "x": 2}\n'}
WHOLE = {**PARTS, "_SUCCESS": ""}


@pytest.fixture
def whole(inbox: Inbox) -> Path:
    """A folder of two parts that is claimed, where it lies now."""
    drop_folder(inbox.path, "monday", {**WHOLE, ".part-0.csv.crc": "x", "_started": ""})
    (partition,) = inbox.claims()
    return inbox.path / "claimed" / partition


def test_a_compressed_file_is_claimed_by_its_content_as_delivered(inbox: Inbox) -> None:
    for name in ("monday.csv.gz", "tuesday.csv.gz"):
        drop(inbox.path, name, gzip.compress(b"name,x\na,1\n", mtime=0))
    (partition,) = inbox.claims()
    assert partition.endswith(f"-{digest_of_name(Path(partition))}.csv.gz")
    assert inbox.read(partition).total == 1
    assert len(inbox.holds("repeated")) == 1
    assert find_claimed(inbox.path, Path(f"{partition.partition('-')[0]}.csv.gz")) == partition


def test_a_folder_with_success_is_one_partition_of_all_its_parts(inbox: Inbox, whole: Path) -> None:
    assert whole.name == f"monday-{digest_of_name(whole)}.parts"
    decoded = inbox.read(whole.name)
    assert decoded.columns["name"].tolist() == ["a", "b"]
    assert decoded.rows.tolist() == [0, 1]
    assert inbox.claims() == [whole.name]
    assert find_claimed(inbox.path, Path("monday")) == whole.name


def test_a_folder_that_comes_again_under_other_names_is_repeated(inbox: Inbox, whole: Path) -> None:
    again = {"other-7.csv": PARTS["part-0.csv"], "other-3.jsonl": PARTS["part-1.jsonl"]}
    for parts in ({**again, "_SUCCESS": ""}, WHOLE):
        drop_folder(inbox.path, "tuesday", parts)
        assert inbox.claims() == [whole.name]
    assert inbox.holds("repeated") == [f"tuesday-{digest_of_name(whole)}.parts"]
    assert not (inbox.path / "tuesday").exists()


def test_a_folder_waits_for_every_file_that_its_manifest_names(inbox: Inbox) -> None:
    folder = drop_folder(inbox.path, "monday", {**PARTS, "_MANIFEST": "part-0.csv\npart-2.csv\n"})
    for _ in range(2):
        assert inbox.claims() == []
        assert inbox.left() == {"monday": "waits for part-2.csv, which its _MANIFEST names"}
    drop(folder, "part-2.csv", rows("c"))
    aged(folder)
    (partition,) = inbox.claims()
    assert inbox.left() == {}
    assert inbox.read(partition).columns["name"].tolist() == ["a", "c"]


@pytest.mark.parametrize("name", ["../other.csv", "/etc/hostname", "sub/part.csv"])
def test_a_manifest_names_files_of_its_folder_alone(inbox: Inbox, name: str) -> None:
    drop(inbox.path / "sub", "other.csv")
    drop_folder(inbox.path, "monday", {**PARTS, "_MANIFEST": f"{name}\n"})
    assert inbox.claims() == []
    assert name in inbox.left()["monday"]


def test_a_folder_that_is_being_written_or_holds_other_things_is_left_alone(inbox: Inbox) -> None:
    drop_folder(inbox.path, "unmarked", PARTS)
    drop_folder(inbox.path, "fresh", WHOLE, age=0)
    drop_folder(inbox.path, "other", {**WHOLE, "notes.txt": ""})
    linked = drop_folder(inbox.path, "linked", WHOLE)
    (linked / "part-2.csv").symlink_to("/etc/hostname")
    drop_folder(inbox.path, "empty", {"_SUCCESS": ""})
    drop_folder(inbox.path, "future", WHOLE, age=-86_400)
    assert inbox.claims() == []
    assert inbox.left() == {
        "empty": "is a folder without any part",
        "future": "was last written",
        "linked": "holds part-2.csv: its parts are files of .csv, .parquet, .jsonl",
        "other": "holds notes.txt: its parts are files of .csv, .parquet, .jsonl",
        "unmarked": "is a folder without _SUCCESS",
    }


def test_a_large_compressed_part_may_have_the_longest_name(inbox: Inbox) -> None:
    folder = drop_folder(inbox.path, "monday", WHOLE)
    content = gzip.compress(b"name,x\n" + b"c" * 17 * 2**20 + b",3\n")
    drop(folder, f"{'a' * 248}.csv.gz", content)
    aged(folder)
    (partition,) = inbox.claims()
    assert Units.of(inbox.read(partition)).total == 3


def test_a_folder_that_grows_once_it_is_claimed_is_not_scored(inbox: Inbox, whole: Path) -> None:
    drop(whole, "part-2.csv", rows("c"))
    assert claim_files(inbox.path) == [Claim(whole.name, is_changed=True)]
    with pytest.raises(UnreadableError, match="was edited since it was claimed"):
        inbox.read(whole.name)
    (whole / "part-2.csv").unlink()
    assert claim_files(inbox.path) == [Claim(whole.name)]
    assert inbox.read(whole.name).total == 2


def test_a_folder_with_an_unreadable_part_is_set_aside_whole_and_names_it(inbox: Inbox) -> None:
    drop_folder(inbox.path, "monday", {**WHOLE, "part-2.csv": "name\nc\n"})
    (partition,) = inbox.claims()
    with pytest.raises(UnreadableError, match=r"part-2.csv lacks the column x") as refused:
        inbox.read(partition)
    assert f"rejected/{partition}/part-2.csv" in refused.value.where
    assert (inbox.path / "rejected" / partition / "part-0.csv").is_file()
    assert inbox.claims() == []


def test_rows_of_parts_are_numbered_through(inbox: Inbox) -> None:
    class Numbered(Record):
        name: str
        row: RowNumber

    drop_folder(inbox.path, "monday", {**WHOLE, "part-0.csv": "name\na\nx,y\n"})
    (partition,) = inbox.claims()
    decoded = inbox.read(partition, Numbered)
    assert decoded.columns["row"].tolist() == [0, 2]
    assert [(row.row, row.record["line"]) for row in decoded.rejected] == [(1, 3)]
    assert decoded.total == 3


def test_a_copy_of_a_folder_is_claimed_once_and_the_folder_stays(inbox: Inbox) -> None:
    folder = drop_folder(inbox.elsewhere, "monday", WHOLE)
    partition = claim_copy(inbox.path, folder)
    assert came_as(partition, folder)
    assert claim_copy(inbox.path, folder) == partition
    assert find_claimed(inbox.path, folder) == partition
    assert folder.is_dir()
    assert inbox.holds("claimed") == [partition]
