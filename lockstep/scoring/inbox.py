"""The inbox: a folder in which files are dropped to be scored, each content once.

A file goes from the inbox to `claimed/`, under a name that ends in a digest of its content, and
stays there as the record of what was scored. One that cannot be read goes on to `rejected/`; one
whose content was claimed before goes to `repeated/`. Every move is one rename, so that a file is
always in exactly one place. `lockstep.scoring.fates` writes beside it what became of it.
"""

from __future__ import annotations

import re
import shutil
import time
from dataclasses import dataclass
from pathlib import Path

from lockstep.artifacts.atomic import replace
from lockstep.columns.decode import Decoded
from lockstep.columns.errors import InputError, UnreadableError
from lockstep.columns.files import decode_file
from lockstep.columns.schema import Schema
from lockstep.scoring.attempts import sha256
from lockstep.scoring.store import file_name

SUFFIXES = (".csv", ".parquet", ".jsonl")
_SETTLED_SECONDS = 5.0
"""A file that nobody has written to for so long is taken to be complete."""
_MOST_BYTES = 2**30
"""Bytes whose digest is taken at once, some seconds' worth: a sensor has a minute for its tick."""
_LONGEST_STEM = 180
"""Bytes of a file's own name that its partition keeps; file systems allow 255 for a name."""


@dataclass(frozen=True)
class Claim:
    """A file taken from the inbox.

    Attributes:
        partition: Name of its partition, and of the file in `claimed/`.
        digest: SHA-256 of its content.
    """

    partition: str
    digest: str


def claim_files(
    inbox: Path, *, settled: float = _SETTLED_SECONDS, most_bytes: int = _MOST_BYTES
) -> list[Claim]:
    """Take the complete files out of the inbox.

    Args:
        inbox: The folder; made if it is not there.
        settled: Seconds since the last write after which a file is complete. A writer that
            is slower than that renames its file into the inbox when it is done; names that
            begin with a dot or end in `.tmp` or `.part` are left alone.
        most_bytes: When files of so many bytes have been read, the others are left for the next
            time.

    Returns:
        All claimed files that are still to be scored or have been, in the order of their names.
    """
    claimed = inbox / "claimed"
    claimed.mkdir(parents=True, exist_ok=True)
    before = (*claimed.iterdir(), *(inbox / "rejected").glob("*"))
    known = {digest_of_name(path) for path in before}
    read = 0
    for path in sorted(inbox.iterdir()):
        if not _is_complete(path, settled):
            continue
        if read >= most_bytes:
            break
        read += path.stat().st_size
        digest = sha256(path)
        if digest[:12] in known:
            _move(path, inbox / "repeated", _partition_of(path, digest))
            continue
        path.rename(claimed / _partition_of(path, digest))
        known.add(digest[:12])
    return [
        Claim(path.name, digest_of_name(path))
        for path in sorted(claimed.iterdir())
        if path.suffix in SUFFIXES
    ]


def claim_copy(inbox: Path, file: Path) -> str:
    """Claim a copy of a file that lies anywhere, which is left where it is.

    Returns:
        The name of its partition; the same for the same content, whatever its name was before.

    Raises:
        InputError: There is no such file, or no reader for its kind.
    """
    if not file.exists() and (inbox / "claimed" / str(file)).is_file():
        return str(file)  # a partition's own name, as messages give it: it is scored again
    if not file.is_file():
        raise InputError(f"{file} is a folder." if file.is_dir() else f"{file}: no such file.")
    if file.suffix.lower() not in SUFFIXES:
        raise InputError(f"{file}: its kind is not known; use {', '.join(SUFFIXES)}.")
    claimed = inbox / "claimed"
    digest = sha256(file)[:12]
    partition = _partition_of(file, digest)
    for path in (*claimed.glob(f"*-{digest}.*"), *(inbox / "rejected").glob(f"*-{digest}.*")):
        if path.suffix in SUFFIXES:
            return path.name
    replace(claimed / partition, lambda target: shutil.copyfile(file, target))
    return partition


def find_claimed(inbox: Path, file: Path) -> str:
    """The partition of a file that was claimed, by the name under which it came.

    Args:
        inbox: The folder.
        file: Its own name; or its partition's; or the path of a file with its content.

    Returns:
        The name of its partition.

    Raises:
        InputError: No such file was claimed, or several whose contents differ.
    """
    claimed = [*files_in(inbox / "claimed"), *files_in(inbox / "rejected")]
    if any(path.name == file.name for path in claimed):
        return file.name
    if file.is_file():
        digests = {sha256(file)[:12]}
    else:
        came_as = re.compile(
            rf"{re.escape(_shortened(file.stem))}-[0-9a-f]{{12}}{re.escape(file.suffix)}", re.I
        )
        all_files = (*claimed, *files_in(inbox / "repeated"))
        digests = {digest_of_name(path) for path in all_files if came_as.fullmatch(path.name)}
    found = [path for path in claimed if digest_of_name(path) in digests]
    if not found:
        what = "file with this content" if file.is_file() else "such file"
        raise InputError(f"{file}: no {what} has come into {inbox}.")
    if len(found) > 1:
        oldest_first = sorted(found, key=lambda path: path.stat().st_ctime)
        raise InputError(
            f"{file}: {len(found)} files of that name came, the last one last: "
            f"{', '.join(path.name for path in oldest_first)}. Name one of these."
        )
    return found[0].name


def unsupported_files(inbox: Path) -> list[str]:
    """Names of files in the inbox that are never claimed: of other kinds, and symbolic links."""
    if not inbox.is_dir():
        return []
    return sorted(
        path.name
        for path in inbox.iterdir()
        if (path.is_symlink() or path.is_file())
        and (path.is_symlink() or path.suffix.lower() not in (*SUFFIXES, ".tmp", ".part"))
        and not path.name.startswith(".")
    )


def decode_claimed(inbox: Path, partition: str, schema: Schema) -> Decoded:
    """Decode a claimed file; one whose content cannot be read is set aside.

    One that was set aside before is taken back where it can be read now: the version that is live
    may be another one, which needs no column that the file lacks.

    Raises:
        UnavailableError: There is no such file, or the disk or the network is at fault.
        UnreadableError: Its content cannot be read; it is in `rejected/` now.
    """
    claimed, rejected = inbox / "claimed" / partition, inbox / "rejected" / partition
    path = rejected if rejected.exists() and not claimed.exists() else claimed
    try:
        decoded = decode_file(path, schema)
    except UnreadableError as error:
        reason = str(error).replace(f"{path.parent}/", f"{rejected.parent}/")  # where it lies now
        rejected.parent.mkdir(exist_ok=True)
        path.rename(rejected)
        raise UnreadableError(
            f"{reason} The file is set aside as {rejected}.", error.column
        ) from error
    if path == rejected:
        path.rename(claimed)
    return decoded


def _is_complete(path: Path, settled: float) -> bool:
    if path.name.startswith(".") or path.suffix.lower() not in SUFFIXES:
        return False
    if path.is_symlink() or not path.is_file():  # what a link points to may be anybody's
        return False
    return time.time() - path.stat().st_mtime >= settled


def files_in(folder: Path) -> list[Path]:
    """The files in a folder of the inbox that hold rows."""
    return [path for path in folder.glob("*") if path.suffix.lower() in SUFFIXES]


def _partition_of(file: Path, digest: str) -> str:
    """Name of the partition of a file with this content."""
    return f"{_shortened(file.stem)}-{digest[:12]}{file.suffix.lower()}"


def _shortened(stem: str) -> str:
    """As much of a name as leaves room, in a file's name, for the digest and more suffixes."""
    while len(file_name(stem).encode()) > _LONGEST_STEM:
        stem = stem[:-1]
    return stem


def digest_of_name(path: Path) -> str:
    """What the name of a claimed file tells of its content."""
    return path.stem.rpartition("-")[2]


def _move(path: Path, folder: Path, name: str) -> None:
    folder.mkdir(exist_ok=True)
    path.rename(folder / name)
