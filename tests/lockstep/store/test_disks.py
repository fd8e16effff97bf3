"""What a disk refuses, told with the place and what to do."""

import errno
import os
from pathlib import Path

import pytest

from lockstep.store.disks import disk_error, replace_file


@pytest.mark.parametrize(
    ("number", "said", "todo"),
    [
        (errno.ENOSPC, "cannot be written, since its disk is full", "Make room there"),
        (errno.EDQUOT, "cannot be written, since its disk is full", "Make room there"),
        (errno.EROFS, "is closed to this user", "Have it opened for reading and writing"),
        (errno.EACCES, "is closed to this user", "Have it opened for reading and writing"),
        (errno.EIO, "cannot be read or written", "Put its disk right"),
    ],
)
def test_it_is_told_where_what_and_what_to_do(number: int, said: str, todo: str) -> None:
    found = str(disk_error(OSError(number, "in other words", "/disk/file")))
    assert found.startswith(f"/disk/file {said} ({os.strerror(number)})")
    assert todo in found


def test_a_place_that_the_error_does_not_say_is_given() -> None:
    found = str(disk_error(OSError(errno.ENOSPC, "full"), "/disk/folder"))
    assert found.startswith("/disk/folder cannot be written")


def test_of_a_copy_the_place_is_where_it_was_written() -> None:
    error = OSError(errno.ENOSPC, "full", "/from/file", None, "/to/file")
    assert str(disk_error(error)).startswith("/to/file cannot be written")


def test_what_is_written_in_one_step_tells_its_place_whatever_the_writer_says(
    tmp_path: Path,
) -> None:
    def fail(_: str) -> None:
        raise OSError(errno.ENOSPC, "an error of a library")

    with pytest.raises(OSError, match="an error of a library") as caught:
        replace_file(tmp_path / "file.parquet", fail)
    found = str(disk_error(caught.value))
    assert found.startswith(f"{tmp_path / 'file.parquet'} cannot be written")


def test_what_no_disk_is_at_fault_for_is_none_of_it() -> None:
    assert disk_error(FileNotFoundError(errno.ENOENT, "no such file", "/disk/file")) is None
    assert disk_error(ConnectionRefusedError(errno.ECONNREFUSED, "refused")) is None
