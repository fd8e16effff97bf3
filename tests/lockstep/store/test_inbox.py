"""The inbox: every content once, complete files only, nothing lost."""

import errno
import gzip
import os
import time
from collections.abc import Callable
from dataclasses import replace
from itertools import count
from pathlib import Path
from typing import Any

import pytest

from assets.orders import ASSETS
from lockstep.columns.csv_format import CsvFormat
from lockstep.columns.plain import name_shown, shown_name
from lockstep.columns.records import Key, Record, RowNumber
from lockstep.columns.units import Units
from lockstep.errors import InputError, UnavailableError, UnreadableError
from lockstep.project.home import Home
from lockstep.store.contents import BLOCK_BYTES, IncrementalDigest, content_digest
from lockstep.store.inbox import (
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
from lockstep.store.streams import inbox_stream
from tests.fixtures.registries import Killed

OLD = time.time() - 3600


class Row(Record):
    name: Key[str]
    x: float


def drop(inbox: Path, name: str, text: str = "name,x\na,1\n", *, age: float = 3600) -> Path:
    inbox.mkdir(parents=True, exist_ok=True)
    path = inbox / name
    path.write_text(text)
    os.utime(path, (time.time() - age, time.time() - age))
    return path


def names_left_alone(inbox: Path) -> list[str]:
    return [entry.path.name for entry in left_alone(inbox)]


def test_a_complete_file_is_claimed_under_a_name_with_its_digest(tmp_path: Path) -> None:
    drop(tmp_path, "monday.csv")
    (claim,) = claim_files(tmp_path)
    assert claim.partition.startswith("monday-")
    assert (tmp_path / "claimed" / claim.partition).exists()


def test_when_the_time_is_over_the_other_files_are_left_for_the_next_time(tmp_path: Path) -> None:
    drop(tmp_path, "large.csv", "name,x\nlarge,1\n")
    drop(tmp_path, "small.csv", "name,x\ns,1\n")
    told: list[str] = []
    assert len(claim_files(tmp_path, seconds=0, tell=told.append)) == 1
    assert (tmp_path / "large.csv").exists()  # the smaller one came first
    assert told == ["large.csv is left for the next time: 0% of it has been read."]
    assert len(claim_files(tmp_path, seconds=0)) == 2


def drop_large(inbox: Path, name: str, *, end: bytes = b"a", blocks: int = 2) -> Path:
    """A file of some blocks, nearly all of it a hole."""
    path = drop(inbox, name, "")
    with path.open("rb+") as file:
        file.seek(blocks * BLOCK_BYTES - len(end))
        file.write(end)
    os.utime(path, (OLD, OLD))
    return path


def test_a_large_file_is_read_by_and_by_until_it_is_claimed(tmp_path: Path) -> None:
    drop_large(tmp_path, "large.csv", blocks=3)
    told: list[str] = []
    claims = [claim_files(tmp_path, seconds=0, tell=told.append) for _ in range(3)]
    assert [len(one) for one in claims] == [0, 0, 1]
    assert not (tmp_path / "large.csv").exists()
    assert [line.split(": ")[1] for line in told] == [
        "33% of it has been read.",
        "67% of it has been read.",
    ]


def test_reading_on_takes_no_block_twice(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    drop_large(tmp_path, "large.csv", blocks=3)
    read: list[int] = []
    further = IncrementalDigest.further

    def counted(reading: IncrementalDigest, path: Path) -> IncrementalDigest:
        read.append(len(reading.blocks))
        return further(reading, path)

    monkeypatch.setattr(IncrementalDigest, "further", counted)
    for _ in range(3):
        claim_files(tmp_path, seconds=0)
    assert read == [0, 1, 2]


def test_time_that_is_left_is_used_to_read_on(tmp_path: Path) -> None:
    drop_large(tmp_path, "large.csv", blocks=3)
    assert claim_files(tmp_path, seconds=1.5, clock=count().__next__) == []
    assert len(claim_files(tmp_path, seconds=0)) == 1


def test_a_large_file_that_repeats_another_is_not_claimed_again(tmp_path: Path) -> None:
    drop_large(tmp_path, "large.csv")
    (claim,) = claim_files(tmp_path)
    drop_large(tmp_path, "again.csv")
    drop_large(tmp_path, "other.csv", end=b"b")
    assert len(claim_files(tmp_path)) == 2
    assert (
        len(
            list((tmp_path / "repeated").glob(f"again-{digest_of_name(Path(claim.partition))}.csv"))
        )
        == 1
    )


def test_a_copy_of_a_large_file_is_claimed_once_with_the_one_of_the_inbox(tmp_path: Path) -> None:
    file = drop_large(tmp_path / "elsewhere", "large.csv")
    partition = claim_copy(tmp_path, file)
    drop_large(tmp_path, "large.csv")
    assert [claim.partition for claim in claim_files(tmp_path)] == [partition]


def test_a_large_file_that_is_changed_meanwhile_is_read_from_its_beginning(tmp_path: Path) -> None:
    drop_large(tmp_path, "large.csv")
    claim_files(tmp_path, seconds=0)
    path = drop_large(tmp_path, "large.csv", end=b"b")
    digest = content_digest(path)
    assert claim_files(tmp_path, seconds=0) == []
    (claim,) = claim_files(tmp_path, seconds=0)
    assert digest.startswith(digest_of_name(Path(claim.partition)))


def test_a_file_that_is_changed_while_it_is_read_is_left_for_the_next_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = drop(tmp_path, "monday.csv")
    further = IncrementalDigest.further

    def disturbed(reading: IncrementalDigest, file: Path) -> IncrementalDigest:
        found = further(reading, file)
        with path.open("a") as writer:
            writer.write("b,2\n")
        return found

    with monkeypatch.context() as patch:
        patch.setattr(IncrementalDigest, "further", disturbed)
        assert claim_files(tmp_path) == []
    assert len(claim_files(tmp_path, settled=0)) == 1


def test_damaged_notes_of_how_far_was_read_cost_no_more_than_time(tmp_path: Path) -> None:
    drop_large(tmp_path, "large.csv")
    claim_files(tmp_path, seconds=0)
    (notes,) = tmp_path.glob(".reading.json")
    notes.write_text("{")
    assert claim_files(tmp_path, seconds=0) == []
    assert len(claim_files(tmp_path, seconds=0)) == 1


def test_a_file_that_cannot_be_read_now_does_not_hold_up_the_others(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    drop(tmp_path, "monday.csv")
    drop(tmp_path, "tuesday.csv", "name,x\na,2\n")
    further = IncrementalDigest.further

    def fail(reading: IncrementalDigest, path: Path) -> IncrementalDigest:
        if path.name == "monday.csv":
            raise OSError(errno.EIO, "Input/output error", str(path))
        return further(reading, path)

    told: list[str] = []
    with monkeypatch.context() as patch:
        patch.setattr(IncrementalDigest, "further", fail)
        assert len(claim_files(tmp_path, tell=told.append)) == 1
    assert told == ["monday.csv is left for the next time: Input/output error."]
    assert len(claim_files(tmp_path)) == 2


def test_a_file_that_is_being_written_is_left_alone(tmp_path: Path) -> None:
    drop(tmp_path, "monday.csv", age=0)
    assert claim_files(tmp_path) == []
    assert (tmp_path / "monday.csv").exists()


@pytest.mark.parametrize("name", [".hidden.csv", "monday.csv.tmp", "monday.csv.part"])
def test_names_of_unfinished_files_are_left_alone(tmp_path: Path, name: str) -> None:
    drop(tmp_path, name)
    assert claim_files(tmp_path) == []


def test_the_same_content_under_another_name_is_not_claimed_again(tmp_path: Path) -> None:
    drop(tmp_path, "monday.csv")
    first = claim_files(tmp_path)
    drop(tmp_path, "tuesday.csv")
    assert claim_files(tmp_path) == first
    assert len(list((tmp_path / "repeated").iterdir())) == 1


def test_the_same_name_with_another_content_is_another_partition(tmp_path: Path) -> None:
    drop(tmp_path, "monday.csv")
    claim_files(tmp_path)
    drop(tmp_path, "monday.csv", "name,x\na,2\n")
    assert len(claim_files(tmp_path)) == 2


def test_files_of_other_kinds_are_named_and_left_alone(tmp_path: Path) -> None:
    drop(tmp_path, "monday.xlsx")
    assert claim_files(tmp_path) == []
    assert names_left_alone(tmp_path) == ["monday.xlsx"]


@pytest.mark.parametrize("name", ["claimed", "rejected", "repeated"])
def test_a_file_by_the_name_of_an_own_folder_does_not_hold_up_the_others(
    tmp_path: Path, name: str
) -> None:
    drop(tmp_path, name, "text")
    drop(tmp_path, "monday.csv")
    (claim,) = claim_files(tmp_path)
    assert claim.partition.startswith("monday-")
    assert names_left_alone(tmp_path) == [f"{name}.file"]


def test_a_file_that_cannot_be_read_is_set_aside(tmp_path: Path) -> None:
    drop(tmp_path, "half.parquet", "PAR1 and no more")
    (claim,) = claim_files(tmp_path)
    with pytest.raises(UnreadableError, match="half-written"):
        read_claimed(tmp_path, claim.partition, Row.schema())
    assert (tmp_path / "rejected" / claim.partition).exists()


def test_a_claimed_file_that_was_edited_is_refused_and_stays_where_it_is(tmp_path: Path) -> None:
    drop(tmp_path, "monday.csv")
    (claim,) = claim_files(tmp_path)
    (tmp_path / "claimed" / claim.partition).write_text("name,x\na,2\n")
    with pytest.raises(
        UnreadableError, match=f"edited since it was claimed.*Move it to {tmp_path}"
    ):
        read_claimed(tmp_path, claim.partition, Row.schema())
    assert (tmp_path / "claimed" / claim.partition).exists()


@pytest.mark.parametrize("rows", [3, 50_000])
@pytest.mark.parametrize("text", ["name,x\n" + "b,2\n" * 50_000, "name;x"])
def test_a_claimed_file_that_is_replaced_while_it_is_read_is_refused_and_stays(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, rows: int, text: str
) -> None:
    """Whatever the other one holds, and though its size and time may be those of the first."""
    drop(tmp_path, "monday.csv", "name,x\n" + "a,1\n" * rows)
    (claim,) = claim_files(tmp_path)
    path = tmp_path / "claimed" / claim.partition

    def replacing(*arguments: Any) -> Any:
        before = path.stat()
        path.write_text(text)
        os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
        return read_delivery(*arguments)

    monkeypatch.setattr("lockstep.store.inbox.read_delivery", replacing)
    with pytest.raises(
        UnreadableError, match=f"replaced while it was read.*not scored. Move it to {tmp_path}"
    ):
        Units.of(read_claimed(tmp_path, claim.partition, Row.schema())).demand_same()
    assert path.exists()


def test_the_reason_names_the_file_where_it_is_set_aside(tmp_path: Path) -> None:
    drop(tmp_path, "monday.csv", "name;x\na;1\n")
    (claim,) = claim_files(tmp_path)
    with pytest.raises(InputError) as refused:
        read_claimed(tmp_path, claim.partition, Row.schema())
    reason = str(refused.value)
    assert f'read_csv("{tmp_path / "rejected" / claim.partition}"' in reason
    assert "claimed" not in reason


def test_a_file_set_aside_is_read_again_from_there(tmp_path: Path) -> None:
    drop(tmp_path, "empty.csv", "")
    (claim,) = claim_files(tmp_path)
    for _ in range(2):
        with pytest.raises(InputError, match="empty"):
            read_claimed(tmp_path, claim.partition, Row.schema())


def test_a_file_that_can_be_read_as_another_record_is_taken_back(tmp_path: Path) -> None:
    class Named(Record):
        name: Key[str]

    drop(tmp_path, "names.csv", "name\na\n")
    (claim,) = claim_files(tmp_path)
    with pytest.raises(UnreadableError, match="lacks the column x") as refused:
        read_claimed(tmp_path, claim.partition, Row.schema())
    assert refused.value.column == "x"
    assert read_claimed(tmp_path, claim.partition, Named.schema()).total == 1
    assert (tmp_path / "claimed" / claim.partition).exists()
    assert list((tmp_path / "rejected").iterdir()) == []


def test_content_that_was_set_aside_before_is_not_claimed_again(tmp_path: Path) -> None:
    drop(tmp_path, "empty.csv", "")
    (claim,) = claim_files(tmp_path)
    with pytest.raises(InputError, match="empty"):
        read_claimed(tmp_path, claim.partition, Row.schema())
    drop(tmp_path, "again.csv", "")
    assert claim_files(tmp_path) == []
    assert len(list((tmp_path / "repeated").iterdir())) == 1


def test_a_copy_is_claimed_once_and_the_file_stays_where_it_is(tmp_path: Path) -> None:
    file = drop(tmp_path / "elsewhere", "monday.csv")
    first = claim_copy(tmp_path / "inbox", file)
    assert claim_copy(tmp_path / "inbox", file) == first
    assert file.exists()
    decoded = read_claimed(tmp_path / "inbox", first, Row.schema())
    assert decoded.columns["x"].tolist() == [1.0]


def test_a_claimed_file_is_claimed_by_the_name_of_its_partition_again(tmp_path: Path) -> None:
    partition = claim_copy(tmp_path / "inbox", drop(tmp_path, "a.csv"))
    assert claim_copy(tmp_path / "inbox", Path(partition)) == partition


def test_a_rejected_file_is_claimed_by_the_name_of_its_partition_again(tmp_path: Path) -> None:
    partition = claim_copy(tmp_path / "inbox", drop(tmp_path, "a.csv", "name,x\na,1,2\n"))
    with pytest.raises(UnreadableError):
        read_claimed(tmp_path / "inbox", partition, Row.schema())
    assert claim_copy(tmp_path / "inbox", Path(partition)) == partition


def test_a_copy_of_no_file_is_an_error_that_names_it(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"nowhere\.csv: no such file"):
        claim_copy(tmp_path, Path("nowhere.csv"))


def test_a_folder_in_place_of_a_file_is_an_error_that_names_what_it_holds(tmp_path: Path) -> None:
    file = drop(tmp_path, "monday.csv")
    with pytest.raises(InputError, match=f"Name one file at a time: it holds {file}"):
        claim_copy(tmp_path / "inbox", tmp_path)


def test_a_claimed_file_is_found_by_the_name_it_came_under(tmp_path: Path) -> None:
    drop(tmp_path, "monday.CSV")
    (claim,) = claim_files(tmp_path)
    assert find_claimed(tmp_path, Path("monday.CSV")) == claim.partition
    assert find_claimed(tmp_path, Path(claim.partition)) == claim.partition


def test_a_repeated_file_is_found_as_the_one_it_repeats(tmp_path: Path) -> None:
    drop(tmp_path, "monday.csv")
    (claim,) = claim_files(tmp_path)
    drop(tmp_path, "again.csv")
    claim_files(tmp_path)
    assert find_claimed(tmp_path, Path("again.csv")) == claim.partition


def test_a_file_that_lies_somewhere_is_found_by_its_content(tmp_path: Path) -> None:
    file = drop(tmp_path / "elsewhere", "monday.csv")
    partition = claim_copy(tmp_path, file)
    drop(tmp_path / "elsewhere", "other.csv", "name,x\nb,2\n")
    claim_copy(tmp_path, tmp_path / "elsewhere" / "other.csv")
    assert find_claimed(tmp_path, file.rename(file.with_name("other.csv"))) == partition


def test_of_several_files_of_one_name_each_is_named(tmp_path: Path) -> None:
    for text in ("name,x\na,1\n", "name,x\nb,2\n"):
        drop(tmp_path, "orders.csv", text)
        claims = claim_files(tmp_path)
    with pytest.raises(InputError) as told:
        find_claimed(tmp_path, Path("orders.csv"))
    assert all(claim.partition in str(told.value) for claim in claims)


def test_a_file_that_never_came_is_told(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"orders\.csv: no such file has come into "):
        find_claimed(tmp_path, Path("orders.csv"))


@pytest.mark.parametrize("stem", ["航班" * 20, "航班" * 41, "%" * 200, "a" * 240])
def test_a_long_name_leaves_room_for_what_is_written_of_it(tmp_path: Path, stem: str) -> None:
    drop(tmp_path, f"{stem}.csv")
    (claim,) = claim_files(tmp_path)
    assert claim.partition.startswith(stem[:40])
    assert find_claimed(tmp_path, Path(f"{stem}.csv")) == claim.partition
    path = Store(tmp_path).path("batch", claim.partition)
    path.parent.mkdir()
    path.touch()


def test_long_names_that_differ_at_their_end_are_two_partitions(tmp_path: Path) -> None:
    drop(tmp_path, f"{'a' * 240}1.csv")
    drop(tmp_path, f"{'a' * 240}2.csv", "name,x\na,2\n")
    assert len(claim_files(tmp_path)) == 2


def test_a_symbolic_link_is_named_and_left_alone(tmp_path: Path) -> None:
    target = drop(tmp_path / "elsewhere", "private.csv")
    (tmp_path / "inbox").mkdir()
    (tmp_path / "inbox" / "link.csv").symlink_to(target)
    assert claim_files(tmp_path / "inbox") == []
    assert names_left_alone(tmp_path / "inbox") == ["link.csv"]
    assert target.exists()


def test_a_disk_that_cannot_be_read_for_a_moment_does_not_reject_the_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    drop(tmp_path, "monday.csv")
    (claim,) = claim_files(tmp_path)

    def fail(path: Path, *_: str) -> None:
        raise OSError(errno.EIO, "Input/output error", str(path))

    with monkeypatch.context() as patch:
        patch.setattr(Path, "open", fail)
        with pytest.raises(UnavailableError, match="Input/output error"):
            read_claimed(tmp_path, claim.partition, Row.schema())
    assert read_claimed(tmp_path, claim.partition, Row.schema()).total == 1
    assert not (tmp_path / "rejected").exists()


@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
@pytest.mark.parametrize(
    ("is_folder", "step"),
    [*((False, step) for step in range(6)), *((True, step) for step in range(4))],
)
def test_a_tick_that_is_killed_at_any_step_loses_nothing_and_claims_nothing_twice(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, step: int, *, is_folder: bool, after: bool
) -> None:
    """Reading two blocks, noting each, moving the file and noting what it holds are six steps.

    A small folder of two parts is read without a note.
    """
    dropped = drop_folder(tmp_path, "monday", WHOLE) if is_folder else drop_large(tmp_path, "a.csv")
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
            claim_files(tmp_path)
    (claim,) = claim_files(tmp_path)
    assert content_digest(tmp_path / "claimed" / claim.partition) == content
    assert not list((tmp_path / "repeated").glob("*"))
    assert claim_files(tmp_path) == [claim]


def test_a_partition_is_known_to_have_come_under_its_own_name_alone(tmp_path: Path) -> None:
    file = drop(tmp_path, "monday.csv")
    partition = claim_copy(tmp_path / "inbox", file)
    assert came_as(partition, file)
    assert not came_as(partition, tmp_path / "tuesday.csv")


NAMES = [b"a\xff.csv", b"caf\xe9 50%ff.csv", b"line\nbreak.csv", b"three...dots.csv"]


@pytest.mark.parametrize("name", NAMES)
def test_a_file_of_any_name_is_claimed_under_a_printable_one(tmp_path: Path, name: bytes) -> None:
    file = drop(tmp_path, os.fsdecode(name))
    drop(tmp_path, "monday.csv", "name,x\nb,2\n")
    claims = [claim.partition for claim in claim_files(tmp_path)]
    assert len(claims) == 2
    (own,) = [partition for partition in claims if not partition.startswith("monday")]
    assert own.isprintable()
    assert os.fsencode(name_shown(own.rpartition("-")[0])) == name.removesuffix(b".csv")
    assert find_claimed(tmp_path, file) == own
    assert read_claimed(tmp_path, own, Row.schema()).total == 1


@pytest.mark.parametrize("name", NAMES)
def test_a_command_may_name_a_file_as_messages_do(tmp_path: Path, name: bytes) -> None:
    file = drop(tmp_path / "elsewhere", os.fsdecode(name))
    shown = Path(shown_name(str(file)))
    assert named_file(shown) == file
    assert claim_copy(tmp_path / "inbox", shown) == claim_copy(tmp_path / "inbox", file)


def test_a_large_file_of_any_name_is_read_by_and_by(tmp_path: Path) -> None:
    drop_large(tmp_path, os.fsdecode(b"a\xff.csv"))
    assert [len(claim_files(tmp_path, seconds=0)) for _ in range(2)] == [0, 1]


def test_what_can_be_no_file_to_score_is_left_alone_while_others_go_on(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.csv")
    (tmp_path / "folder.csv").mkdir()
    (tmp_path / "loop.csv").symlink_to("loop.csv")
    drop(tmp_path, "future.csv", age=-86_400)
    drop(tmp_path, "monday.csv", "name,x\nb,2\n")
    assert len(claim_files(tmp_path)) == 1
    assert {entry.path.name: entry.why.split(" at 20")[0] for entry in left_alone(tmp_path)} == {
        "folder.csv": "is a folder without _SUCCESS",
        "future.csv": "was last written",
        "loop.csv": "is a link",
        "pipe.csv": "is a pipe, a socket or a device",
    }


def test_a_file_that_grows_after_it_was_claimed_is_changed(tmp_path: Path) -> None:
    drop(tmp_path, "monday.csv")
    (claim,) = claim_files(tmp_path)
    assert not claim.is_changed
    with (tmp_path / "claimed" / claim.partition).open("a") as writer:
        writer.write("b,2\n")
    (claim,) = claim_files(tmp_path)
    assert claim.is_changed


def test_a_file_that_is_touched_after_it_was_claimed_is_not_changed(tmp_path: Path) -> None:
    drop(tmp_path, "monday.csv")
    (claim,) = claim_files(tmp_path)
    (tmp_path / "claimed" / claim.partition).touch()
    assert claim_files(tmp_path) == [claim]


def test_a_claimed_file_is_read_again_only_where_somebody_touched_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    drop(tmp_path, "monday.csv")
    (claim,) = claim_files(tmp_path)

    def fail(reading: IncrementalDigest, path: Path) -> IncrementalDigest:
        raise AssertionError(f"{path} is read again")

    with monkeypatch.context() as patch:
        patch.setattr(IncrementalDigest, "further", fail)
        assert claim_files(tmp_path) == [claim]
        (tmp_path / "claimed" / claim.partition).touch()
        with pytest.raises(AssertionError):
            claim_files(tmp_path)


def test_files_are_claimed_in_the_order_in_which_they_were_written(tmp_path: Path) -> None:
    drop(tmp_path, "a.csv", "name,x\na,1\n", age=100)
    drop(tmp_path, "b.csv", "name,x\nb,2\n", age=300)
    drop(tmp_path, "c.csv", "name,x\nc,3\n", age=200)
    assert [claim.partition[0] for claim in claim_files(tmp_path)] == ["b", "c", "a"]


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


# Compressed files and folders of part files


def drop_folder(inbox: Path, name: str, parts: dict[str, str], *, age: float = 3600) -> Path:
    folder = inbox / name
    folder.mkdir(parents=True)
    for part, text in parts.items():
        drop(folder, part, text, age=age)
    os.utime(folder, (time.time() - age, time.time() - age))
    return folder


PARTS = {"part-0.csv": "name,x\na,1\n", "part-1.jsonl": '{"name": "b", "x": 2}\n'}
WHOLE = {**PARTS, "_SUCCESS": ""}


def test_a_compressed_file_is_claimed_by_its_content_as_delivered(tmp_path: Path) -> None:
    for name in ("monday.csv.gz", "tuesday.csv.gz"):
        drop(tmp_path, name, "").write_bytes(gzip.compress(b"name,x\na,1\n", mtime=0))
        os.utime(tmp_path / name, (OLD, OLD))
    (claim,) = claim_files(tmp_path)
    assert claim.partition.endswith(f"-{digest_of_name(Path(claim.partition))}.csv.gz")
    assert read_claimed(tmp_path, claim.partition, Row.schema()).total == 1
    assert len([*(tmp_path / "repeated").iterdir()]) == 1
    assert find_claimed(tmp_path, Path(f"{claim.partition.partition('-')[0]}.csv.gz"))


def test_a_folder_with_success_is_one_partition_of_all_its_parts(tmp_path: Path) -> None:
    drop_folder(tmp_path, "monday", {**WHOLE, ".part-0.csv.crc": "x", "_started": ""})
    (claim,) = claim_files(tmp_path)
    assert claim.partition == f"monday-{digest_of_name(Path(claim.partition))}.parts"
    decoded = read_claimed(tmp_path, claim.partition, Row.schema())
    assert decoded.columns["name"].tolist() == ["a", "b"]
    assert decoded.rows.tolist() == [0, 1]
    assert claim_files(tmp_path) == [claim]
    assert find_claimed(tmp_path, Path("monday")) == claim.partition


def test_a_folder_that_comes_again_under_other_names_is_repeated(tmp_path: Path) -> None:
    drop_folder(tmp_path, "monday", WHOLE)
    (claim,) = claim_files(tmp_path)
    again = {"other-7.csv": PARTS["part-0.csv"], "other-3.jsonl": PARTS["part-1.jsonl"]}
    drop_folder(tmp_path, "tuesday", {**again, "_SUCCESS": ""})
    assert claim_files(tmp_path) == [claim]
    drop_folder(tmp_path, "tuesday", WHOLE)
    assert claim_files(tmp_path) == [claim]
    assert [path.name for path in (tmp_path / "repeated").iterdir()] == [
        f"tuesday-{digest_of_name(Path(claim.partition))}.parts"
    ]
    assert not (tmp_path / "tuesday").exists()


def test_a_folder_waits_for_every_file_that_its_manifest_names(tmp_path: Path) -> None:
    folder = drop_folder(tmp_path, "monday", {**PARTS, "_MANIFEST": "part-0.csv\npart-2.csv\n"})
    for _ in range(2):
        assert claim_files(tmp_path) == []
        (left,) = left_alone(tmp_path)
        assert left.why == "waits for part-2.csv, which its _MANIFEST names"
    drop(folder, "part-2.csv", "name,x\nc,3\n")
    os.utime(folder, (OLD, OLD))
    (claim,) = claim_files(tmp_path)
    assert left_alone(tmp_path) == []
    decoded = read_claimed(tmp_path, claim.partition, Row.schema())
    assert decoded.columns["name"].tolist() == ["a", "c"]


@pytest.mark.parametrize("name", ["../other.csv", "/etc/hostname", "sub/part.csv"])
def test_a_manifest_names_files_of_its_folder_alone(tmp_path: Path, name: str) -> None:
    drop(tmp_path / "sub", "other.csv")
    drop_folder(tmp_path, "monday", {**PARTS, "_MANIFEST": f"{name}\n"})
    assert claim_files(tmp_path) == []
    assert name in {entry.path.name: entry.why for entry in left_alone(tmp_path)}["monday"]


def test_a_folder_that_is_being_written_or_holds_something_else_is_not_claimed(
    tmp_path: Path,
) -> None:
    drop_folder(tmp_path, "unmarked", PARTS)
    drop_folder(tmp_path, "fresh", WHOLE, age=0)
    drop_folder(tmp_path, "other", {**WHOLE, "notes.txt": ""})
    linked = drop_folder(tmp_path, "linked", WHOLE)
    (linked / "part-2.csv").symlink_to("/etc/hostname")
    drop_folder(tmp_path, "empty", {"_SUCCESS": ""})
    drop_folder(tmp_path, "future", WHOLE, age=-86_400)
    assert claim_files(tmp_path) == []
    assert {entry.path.name: entry.why.split(" at 20")[0] for entry in left_alone(tmp_path)} == {
        "empty": "is a folder without any part",
        "future": "was last written",
        "linked": "holds part-2.csv: its parts are files of .csv, .parquet, .jsonl",
        "other": "holds notes.txt: its parts are files of .csv, .parquet, .jsonl",
        "unmarked": "is a folder without _SUCCESS",
    }


def test_a_large_compressed_part_may_have_the_longest_name(tmp_path: Path) -> None:
    folder = drop_folder(tmp_path, "monday", WHOLE)
    name = f"{'a' * 248}.csv.gz"
    content = gzip.compress(b"name,x\n" + b"c" * 17 * 2**20 + b",3\n")
    drop(folder, name, "").write_bytes(content)
    for path in (folder / name, folder):
        os.utime(path, (OLD, OLD))
    (claim,) = claim_files(tmp_path)
    rows = read_claimed(tmp_path, claim.partition, Row.schema())
    assert Units.of(rows).total == 3


def test_a_folder_that_grows_after_it_was_claimed_is_changed_and_not_scored(
    tmp_path: Path,
) -> None:
    drop_folder(tmp_path, "monday", WHOLE)
    (claim,) = claim_files(tmp_path)
    drop(tmp_path / "claimed" / claim.partition, "part-2.csv", "name,x\nc,3\n")
    assert claim_files(tmp_path) == [replace(claim, is_changed=True)]
    with pytest.raises(UnreadableError, match="was edited since it was claimed"):
        read_claimed(tmp_path, claim.partition, Row.schema())
    (tmp_path / "claimed" / claim.partition / "part-2.csv").unlink()
    assert claim_files(tmp_path) == [claim]
    assert read_claimed(tmp_path, claim.partition, Row.schema()).total == 2


def test_a_folder_with_an_unreadable_part_is_set_aside_whole_and_told_by_its_part(
    tmp_path: Path,
) -> None:
    drop_folder(tmp_path, "monday", {**WHOLE, "part-2.csv": "name\nc\n"})
    (claim,) = claim_files(tmp_path)
    with pytest.raises(UnreadableError, match=r"part-2.csv lacks the column x") as refused:
        read_claimed(tmp_path, claim.partition, Row.schema())
    assert f"rejected/{claim.partition}/part-2.csv" in refused.value.where
    assert (tmp_path / "rejected" / claim.partition / "part-0.csv").is_file()
    assert claim_files(tmp_path) == []


def test_rows_of_parts_are_numbered_through(tmp_path: Path) -> None:
    class Numbered(Record):
        name: str
        row: RowNumber

    drop_folder(tmp_path, "monday", {**WHOLE, "part-0.csv": "name\na\nx,y\n"})
    (claim,) = claim_files(tmp_path)
    decoded = read_claimed(tmp_path, claim.partition, Numbered.schema())
    assert decoded.columns["row"].tolist() == [0, 2]
    assert [(row.row, row.record["line"]) for row in decoded.rejected] == [(1, 3)]
    assert decoded.total == 3


def test_a_copy_of_a_folder_is_claimed_once_and_the_folder_stays(tmp_path: Path) -> None:
    folder = drop_folder(tmp_path / "elsewhere", "monday", WHOLE)
    inbox = tmp_path / "inbox"
    partition = claim_copy(inbox, folder)
    assert came_as(partition, folder)
    assert claim_copy(inbox, folder) == partition
    assert find_claimed(inbox, folder) == partition
    assert folder.is_dir()
    assert [path.name for path in (inbox / "claimed").iterdir()] == [partition]
