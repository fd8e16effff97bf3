"""Contents: a digest that can be gone on with, and that differs where the content does."""

import hashlib
import os
from pathlib import Path

import pytest

from lockstep.store.contents import BLOCK_BYTES, IncrementalDigest, content_digest


@pytest.mark.parametrize("text", ["", "name,x\na,1\n"])
def test_the_digest_of_a_file_of_one_block_is_its_sha256(tmp_path: Path, text: str) -> None:
    path = tmp_path / "file.csv"
    path.write_text(text)
    assert content_digest(path) == hashlib.sha256(text.encode()).hexdigest()


def with_mark(path: Path, place: int) -> Path:
    """A file of a block and some bytes, with a mark somewhere."""
    with path.open("wb") as file:
        file.truncate(BLOCK_BYTES + 9)
        file.seek(place)
        file.write(b"!")
    return path


def test_every_byte_of_a_file_of_several_blocks_counts(tmp_path: Path) -> None:
    places = (0, BLOCK_BYTES - 1, BLOCK_BYTES, BLOCK_BYTES + 8)
    digests = {content_digest(with_mark(tmp_path / str(place), place)) for place in places}
    assert len(digests) == len(places)


def test_a_file_of_exactly_one_block_is_read_by_one(tmp_path: Path) -> None:
    path = tmp_path / "file"
    with path.open("wb") as file:
        file.truncate(BLOCK_BYTES)
    assert IncrementalDigest.begin(path).further(path).is_complete


def test_a_file_that_was_written_over_with_its_old_time_and_size_is_another(
    tmp_path: Path,
) -> None:
    path = tmp_path / "file"
    path.write_text("a")
    reading, before = IncrementalDigest.begin(path), path.stat()
    path.write_text("b")
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert path.stat().st_mtime_ns == before.st_mtime_ns
    assert not reading.is_of(path)
