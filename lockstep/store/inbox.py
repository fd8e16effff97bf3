"""The inbox: a folder for files to score, each content once.

A file goes from the inbox to `claimed/`, under a name that ends in a digest of its content, and
stays there as the record of what was scored. A large file lies in the inbox while its digest is
computed over several calls. An unreadable file goes on to `rejected/`; a file whose content was
claimed before goes to `repeated/`. Every move is one rename, so that a file is always in exactly
one place. `lockstep.store.fates` writes its fate beside it.
"""

from __future__ import annotations

import re
import shutil
import stat
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from lockstep.artifacts.disks import replace_file
from lockstep.columns.decode import Decoded
from lockstep.columns.files import decode_file, of_unknown_kind
from lockstep.columns.plain import listed
from lockstep.columns.schema import Schema
from lockstep.errors import InputError, UnavailableError, UnreadableError
from lockstep.store.contents import IncrementalDigest, IncrementalDigests, content_digest
from lockstep.store.parquet import file_name

SUFFIXES = (".csv", ".parquet", ".jsonl")
_SETTLED_SECONDS = 5.0
"""Seconds without a write after which a file counts as complete."""
_MOST_SECONDS = 5.0
"""Seconds of reading in a call: a sensor has a minute for its tick, and others wait for it."""
_READINGS = ".reading.json"
"""The file that stores how far large files have been read."""
_LONGEST_STEM = 180
"""Bytes of a file's own name that its partition keeps; file systems allow 255 for a name."""


@dataclass(frozen=True)
class Claim:
    """A file taken from the inbox.

    Attributes:
        partition: Name of its partition, and of the file in `claimed/`.
        digest: The first digits of the digest of its content.
    """

    partition: str
    digest: str


def claim_files(
    inbox: Path,
    *,
    settled: float = _SETTLED_SECONDS,
    seconds: float = _MOST_SECONDS,
    clock: Callable[[], float] = time.monotonic,
    tell: Callable[[str], object] = lambda _: None,
) -> list[Claim]:
    """Take the complete files out of the inbox, as many as can be read in some seconds.

    The smallest come first. The next call continues a file that is too large to read in time, even
    if the process was killed in between.

    Args:
        inbox: The folder; made if it does not exist.
        settled: Seconds since the last write after which a file is complete. A slower writer
            renames its file into the inbox when it is done; names that begin with a dot or end in
            `.tmp` or `.part` are ignored.
        seconds: Seconds after which no more is read; at least a block is read.
        clock: Returns the time in seconds.
        tell: Called with a line about each complete file that is left for the next call.

    Returns:
        All claimed files, scored or not, in the order of their names.
    """
    claimed = inbox / "claimed"
    claimed.mkdir(parents=True, exist_ok=True)
    before = (*claimed.iterdir(), *(inbox / "rejected").glob("*"))
    known = {digest_of_name(path) for path in before}
    may_read, readings = _for_seconds(seconds, clock), IncrementalDigests(inbox / _READINGS)
    for path in _complete_files(inbox, settled):
        try:
            reading = readings.go_on(path, may_read)
            why_left = _why_left(path, reading)
            if why_left is None:
                _claim(path, inbox, reading.digest, known)
        except OSError as error:  # of this file or its disk: the others do not wait for it
            why_left = f"{error.strerror}"
        if why_left is not None:
            tell(f"{path.name} is left for the next time: {why_left}.")
    readings.forget_others(path.name for path in inbox.iterdir())
    return [
        Claim(path.name, digest_of_name(path))
        for path in sorted(claimed.iterdir())
        if path.suffix in SUFFIXES
    ]


def _why_left(path: Path, reading: IncrementalDigest) -> str | None:
    if not reading.is_complete:
        return f"{reading.share:.0%} of it has been read"
    return None if reading.is_of(path) else "it was changed while it was read"


def _for_seconds(seconds: float, clock: Callable[[], float]) -> Callable[[], bool]:
    """A function that is true at its first call, and from then on for some seconds."""

    def permits() -> Iterator[bool]:
        until = clock() + seconds
        yield True
        while clock() < until:
            yield True

    answers = permits()
    return lambda: next(answers, False)


def _claim(path: Path, inbox: Path, digest: str, known: set[str]) -> None:
    folder = "repeated" if digest[:12] in known else "claimed"
    _move(path, inbox / folder, _partition_of(path, digest))
    known.add(digest[:12])


def claim_copy(inbox: Path, file: Path) -> str:
    """Claim a copy of any file, which stays in its place.

    Returns:
        The name of its partition; the same for the same content, whatever the file's name.

    Raises:
        InputError: There is no such file, or no reader for its kind.
    """
    came = (inbox / folder / str(file) for folder in ("claimed", "rejected"))
    if not file.exists() and any(path.is_file() for path in came):
        return str(file)  # a partition's name, as in messages: it is scored again
    if file.is_dir():
        raise _folder(file)
    if not file.is_file():
        raise InputError(f"{file}: no such file.")
    if file.suffix.lower() not in SUFFIXES:
        raise of_unknown_kind(file)
    claimed = inbox / "claimed"
    digest = content_digest(file)[:12]
    partition = _partition_of(file, digest)
    for path in (*claimed.glob(f"*-{digest}.*"), *(inbox / "rejected").glob(f"*-{digest}.*")):
        if path.suffix in SUFFIXES:
            return path.name
    replace_file(claimed / partition, lambda target: shutil.copyfile(file, target))
    return partition


def _folder(path: Path) -> InputError:
    held = sorted(map(str, files_in(path)))
    return InputError(
        f"{path} is a folder. "
        + (
            f"Name one file at a time: it holds {listed(held, 3)}."
            if held
            else f"Name a file ({', '.join(SUFFIXES)}); it holds none."
        )
    )


def came_as(partition: str, file: Path) -> bool:
    """Whether a partition may come from a file, by the names; contents do not count."""
    name = f"{re.escape(_shortened(file.stem))}-[0-9a-f]{{12}}{re.escape(file.suffix)}"
    return re.fullmatch(name, partition, re.I) is not None


def find_claimed(inbox: Path, file: Path) -> str:
    """Find the partition of a claimed file.

    Args:
        inbox: The folder.
        file: The file's own name, its partition's name, or the path of a file with its content.

    Returns:
        The name of its partition.

    Raises:
        InputError: No such file was claimed, or several whose contents differ.
    """
    claimed = [*files_in(inbox / "claimed"), *files_in(inbox / "rejected")]
    if any(path.name == file.name for path in claimed):
        return file.name
    if file.is_file():
        digests = {content_digest(file)[:12]}
    else:
        all_files = (*claimed, *files_in(inbox / "repeated"))
        digests = {digest_of_name(path) for path in all_files if came_as(path.name, file)}
    matching = [path for path in claimed if digest_of_name(path) in digests]
    if not matching:
        what = "file with this content" if file.is_file() else "such file"
        raise InputError(f"{file}: no {what} has come into {inbox}.")
    if len(matching) > 1:
        oldest_first = sorted(matching, key=lambda path: path.stat().st_ctime)
        raise InputError(
            f"{file}: {len(matching)} files of that name came, the last one last: "
            f"{', '.join(path.name for path in oldest_first)}. Name one of these."
        )
    return matching[0].name


def unsupported_files(inbox: Path) -> list[str]:
    """Names of files in the inbox that are never claimed: other kinds, and symbolic links."""
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
    """Decode a claimed file; one whose content cannot be read is moved to `rejected/`.

    A rejected file is moved back where it can be read now: the live version may be another one,
    which does not need a column that the file lacks.

    Raises:
        UnavailableError: There is no such file, or the disk or the network is at fault.
        UnreadableError: Its content cannot be read, or was edited since the file was claimed.
    """
    claimed, rejected = inbox / "claimed" / partition, inbox / "rejected" / partition
    path = rejected if rejected.exists() and not claimed.exists() else claimed
    _demand_same_content(path, inbox)
    try:
        decoded = decode_file(path, schema)
    except UnreadableError as error:
        what, where, todo = (
            text.replace(f"{path.parent}/", f"{rejected.parent}/")  # its new place
            for text in (error.what, error.where, error.todo)
        )
        rejected.parent.mkdir(exist_ok=True)
        path.rename(rejected)
        raise UnreadableError(
            what.removeprefix(f"{rejected.parent}/"), error.column, where=where, todo=todo
        ) from error
    if path == rejected:
        path.rename(claimed)
    return decoded


def _demand_same_content(path: Path, inbox: Path) -> None:
    """Demand that a claimed file still has the content of its partition."""
    try:
        digest = content_digest(path) if path.is_file() else ""
    except OSError as error:
        raise UnavailableError(f"{path} cannot be read now: {error.strerror}.") from error
    if digest and not digest.startswith(digest_of_name(path)):
        raise UnreadableError(
            f"{path} was edited since it was claimed: it holds another content than its name "
            "tells.",
            where=str(path),
            todo=f"Move it to {inbox} to have it scored as a file of its own.",
        )


def _complete_files(inbox: Path, settled: float) -> list[Path]:
    """The complete files of an inbox, the smallest first."""
    sizes = {path: _size_if_complete(path, settled) for path in inbox.iterdir()}
    complete = [(size, path) for path, size in sizes.items() if size is not None]
    return [path for _, path in sorted(complete)]


def _size_if_complete(path: Path, settled: float) -> int | None:
    """Size of a complete file in bytes; None for anything else."""
    if path.name.startswith(".") or path.suffix.lower() not in SUFFIXES:
        return None
    try:
        status = path.lstat()  # not the target of a link, which may be anybody's
    except FileNotFoundError:  # somebody took it away
        return None
    is_settled = time.time() - status.st_mtime >= settled
    return status.st_size if stat.S_ISREG(status.st_mode) and is_settled else None


def files_in(folder: Path) -> list[Path]:
    """The files in a folder of the inbox that hold rows."""
    return [path for path in folder.glob("*") if path.suffix.lower() in SUFFIXES]


def _partition_of(file: Path, digest: str) -> str:
    return f"{_shortened(file.stem)}-{digest[:12]}{file.suffix.lower()}"


def _shortened(stem: str) -> str:
    """Shorten a name to leave room for the digest and suffixes in a file's name."""
    while len(file_name(stem).encode()) > _LONGEST_STEM:
        stem = stem[:-1]
    return stem


def digest_of_name(path: Path) -> str:
    """The first digits of the digest of a claimed file's content, from its name."""
    return path.stem.rpartition("-")[2]


def _move(path: Path, folder: Path, name: str) -> None:
    folder.mkdir(exist_ok=True)
    path.rename(folder / name)
