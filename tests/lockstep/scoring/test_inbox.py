"""The inbox: every content once, complete files only, nothing lost."""

import errno
import os
import time
from pathlib import Path

import numpy as np
import pytest

from lockstep.columns.errors import InputError, UnavailableError, UnreadableError
from lockstep.columns.records import Key, Record
from lockstep.scoring.inbox import (
    claim_copy,
    claim_files,
    decode_claimed,
    find_claimed,
    unsupported_files,
)
from lockstep.scoring.store import Store

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


def test_a_complete_file_is_claimed_under_a_name_with_its_digest(tmp_path: Path) -> None:
    drop(tmp_path, "monday.csv")
    (claim,) = claim_files(tmp_path)
    assert claim.partition.startswith("monday-")
    assert (tmp_path / "claimed" / claim.partition).exists()


def test_files_of_many_bytes_are_claimed_one_time_after_another(tmp_path: Path) -> None:
    for name in ("first.csv", "second.csv"):
        drop(tmp_path, name, f"name,x\n{name},1\n")
    assert len(claim_files(tmp_path, most_bytes=10)) == 1
    assert (tmp_path / "second.csv").exists()
    assert len(claim_files(tmp_path, most_bytes=10)) == 2


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
    assert unsupported_files(tmp_path) == ["monday.xlsx"]


def test_a_file_that_cannot_be_read_is_set_aside(tmp_path: Path) -> None:
    drop(tmp_path, "half.parquet", "PAR1 and no more")
    (claim,) = claim_files(tmp_path)
    with pytest.raises(UnreadableError, match=r"half-written.*set aside"):
        decode_claimed(tmp_path, claim.partition, Row.schema())
    assert (tmp_path / "rejected" / claim.partition).exists()


def test_the_reason_names_the_file_where_it_is_set_aside(tmp_path: Path) -> None:
    drop(tmp_path, "monday.csv", "name;x\na;1\n")
    (claim,) = claim_files(tmp_path)
    with pytest.raises(InputError) as refused:
        decode_claimed(tmp_path, claim.partition, Row.schema())
    reason = str(refused.value)
    assert f'read_csv("{tmp_path / "rejected" / claim.partition}"' in reason
    assert "claimed" not in reason


def test_a_file_set_aside_is_read_again_from_there(tmp_path: Path) -> None:
    drop(tmp_path, "empty.csv", "")
    (claim,) = claim_files(tmp_path)
    for _ in range(2):
        with pytest.raises(InputError, match="empty"):
            decode_claimed(tmp_path, claim.partition, Row.schema())


def test_a_file_that_can_be_read_as_another_record_is_taken_back(tmp_path: Path) -> None:
    class Named(Record):
        name: Key[str]

    drop(tmp_path, "names.csv", "name\na\n")
    (claim,) = claim_files(tmp_path)
    with pytest.raises(UnreadableError, match="lacks the column x") as refused:
        decode_claimed(tmp_path, claim.partition, Row.schema())
    assert refused.value.column == "x"
    assert decode_claimed(tmp_path, claim.partition, Named.schema()).total == 1
    assert (tmp_path / "claimed" / claim.partition).exists()
    assert list((tmp_path / "rejected").iterdir()) == []


def test_content_that_was_set_aside_before_is_not_claimed_again(tmp_path: Path) -> None:
    drop(tmp_path, "empty.csv", "")
    (claim,) = claim_files(tmp_path)
    with pytest.raises(InputError, match="empty"):
        decode_claimed(tmp_path, claim.partition, Row.schema())
    drop(tmp_path, "again.csv", "")
    assert claim_files(tmp_path) == []
    assert len(list((tmp_path / "repeated").iterdir())) == 1


def test_a_copy_is_claimed_once_and_the_file_stays_where_it_is(tmp_path: Path) -> None:
    file = drop(tmp_path / "elsewhere", "monday.csv")
    first = claim_copy(tmp_path / "inbox", file)
    assert claim_copy(tmp_path / "inbox", file) == first
    assert file.exists()
    decoded = decode_claimed(tmp_path / "inbox", first, Row.schema())
    assert decoded.columns["x"].tolist() == [1.0]


def test_a_claimed_file_is_claimed_by_the_name_of_its_partition_again(tmp_path: Path) -> None:
    partition = claim_copy(tmp_path / "inbox", drop(tmp_path, "a.csv"))
    assert claim_copy(tmp_path / "inbox", Path(partition)) == partition


def test_a_copy_of_no_file_is_an_error_that_names_it(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"nowhere\.csv: no such file"):
        claim_copy(tmp_path, Path("nowhere.csv"))


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
    store = Store(tmp_path / "data")
    store.write_columns("inbox/batch", {"x": np.array([1.0])}, claim.partition)
    assert store.partitions("inbox/batch") == [claim.partition]


def test_long_names_that_differ_at_their_end_are_two_partitions(tmp_path: Path) -> None:
    drop(tmp_path, f"{'a' * 240}1.csv")
    drop(tmp_path, f"{'a' * 240}2.csv", "name,x\na,2\n")
    assert len(claim_files(tmp_path)) == 2


def test_a_symbolic_link_is_named_and_left_alone(tmp_path: Path) -> None:
    target = drop(tmp_path / "elsewhere", "private.csv")
    (tmp_path / "inbox").mkdir()
    (tmp_path / "inbox" / "link.csv").symlink_to(target)
    assert claim_files(tmp_path / "inbox") == []
    assert unsupported_files(tmp_path / "inbox") == ["link.csv"]
    assert target.exists()


def test_a_disk_that_cannot_be_read_for_a_moment_does_not_reject_the_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    drop(tmp_path, "monday.csv")
    (claim,) = claim_files(tmp_path)

    def fail(path: Path) -> bytes:
        raise OSError(errno.EIO, "Input/output error", str(path))

    with monkeypatch.context() as patch:
        patch.setattr(Path, "read_bytes", fail)
        with pytest.raises(UnavailableError, match="Input/output error"):
            decode_claimed(tmp_path, claim.partition, Row.schema())
    assert decode_claimed(tmp_path, claim.partition, Row.schema()).total == 1
    assert not (tmp_path / "rejected").exists()
