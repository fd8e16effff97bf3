"""The inbox: a folder for files to score, each content once.

A file goes to `claimed/`, under a name that ends in a digest of its content, and stays there as the
record of what was scored; an unreadable one goes on to `rejected/`. A file whose content was
claimed before goes to `repeated/`. Every move is one rename, so that a file is always in exactly
one place. A folder of part files goes the same way, once it is whole (`lockstep.store.parts`). A
file's name may be any bytes; its partition goes by `lockstep.columns.plain.shown_name`.
"""

from __future__ import annotations

import errno
import os
import re
import shlex
import shutil
import stat
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

from lockstep.columns.csv_format import USUAL, CsvFormat
from lockstep.columns.decode import Decoded
from lockstep.columns.files import READERS, kind_of, of_unknown_kind
from lockstep.columns.plain import file_name, listed, name_shown, short_name, shown_name
from lockstep.columns.schema import Schema
from lockstep.columns.units import Units
from lockstep.errors import InputError, UnavailableError, UnreadableError
from lockstep.store.contents import IncrementalDigest, IncrementalDigests, content_digest
from lockstep.store.disks import replace_file
from lockstep.store.lock import WAIT_SECONDS, locked
from lockstep.store.parts import (
    FOLDER,
    MANIFEST,
    SUCCESS,
    last_written,
    parts_of,
    read_delivery,
    remove_scratch,
    why_incomplete,
)

_KINDS = ", ".join(READERS)
SETTLED_SECONDS = 5.0
"""Seconds without a write after which a file counts as complete."""
_MOST_SECONDS = 5.0
"""Seconds of reading in a call: a sensor has a minute for its tick, and others wait for it."""
_CLOCKS_APART = 60.0
"""Seconds by which the clock of a drive may be ahead of this machine's."""
_READINGS = ".reading.json"
"""The file that stores how far large files have been read."""
_CLAIMED = ".claimed.json"
"""The file that stores the digests of claimed files, and their states then."""
_LOCK = ".claiming.lock"
"""The file whose lock a process holds that takes files out of an inbox."""
_LOCK_SECONDS = 1.0
"""Seconds that a sensor waits for another one: it looks again soon."""
_EDITED = "was edited since it was claimed"
_REPLACED = "was replaced while it was read"
FOLDERS = ("claimed", "rejected", "repeated")
"""The folders of an inbox, in which files lie that were taken."""
TEXT = ".txt"
"""Suffix of the text beside a file that tells its fate."""
LEFT = "left"
"""The word with which the text beside something begins that is never claimed."""
UNFINISHED = (".tmp", ".part")
"""Suffixes of what somebody is writing."""
_LONGEST_STEM = 180
"""Bytes of a file's own name that its partition keeps; file systems allow 255 for a name."""


@dataclass(frozen=True)
class Claim:
    """A file taken from the inbox."""

    partition: str  # its name, and that of the file in `claimed/`
    is_changed: bool = False  # the file was changed since, and holds another content now


@dataclass(frozen=True)
class LeftAlone:
    """Something in an inbox that is never claimed as it is."""

    path: Path  # of an object of a store, the one that it would have in the inbox
    why: str  # in words that follow its name
    todo: str
    where: str = ""  # the address of an object of a store; empty for a file


def claim_files(
    inbox: Path,
    *,
    settled: float = SETTLED_SECONDS,
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
        tell: Called with a line about each complete file that is left for the next call.

    Returns:
        All claimed files, scored or not, in the order in which they were last written.

    Raises:
        LockedError: Another process is at work on the inbox.
    """
    inbox.mkdir(parents=True, exist_ok=True)
    with alone_in_inbox(inbox):
        _free_names(inbox)
        (inbox / "claimed").mkdir(exist_ok=True)
        return _claim_files(inbox, settled, seconds, clock, tell)


def _free_names(inbox: Path) -> None:
    """Give a file that came by the name of one of the inbox's own folders another name."""
    for folder in (inbox / name for name in FOLDERS):
        if folder.is_file():
            folder.replace(folder.with_name(f"{folder.name}.file"))


def _claim_files(
    inbox: Path,
    settled: float,
    seconds: float,
    clock: Callable[[], float],
    tell: Callable[[str], object],
) -> list[Claim]:
    claimed = inbox / "claimed"
    before = (*claimed.iterdir(), *(inbox / "rejected").glob("*"))
    known = {digest_of_name(path) for path in before}
    may_read, readings = for_seconds(seconds, clock), IncrementalDigests(inbox / _READINGS)
    of_claimed = IncrementalDigests(inbox / _CLAIMED)
    for path in _complete_files(inbox, settled):
        try:
            reading = readings.go_on(path, may_read)
            why_left = _why_left(path, reading)
            if why_left is None:
                target = _claim(path, inbox, reading.digest, known)
                of_claimed.note(target, reading.renamed(target))
        except OSError as error:  # of this file or its disk: the others do not wait for it
            why_left = f"{error.strerror}"
        if why_left is not None:
            tell(f"{shown_name(path.name)} is left for the next time: {why_left}.")
    readings.forget_others(path.name for path in inbox.iterdir())
    claims = sorted(filter(_holds_rows, claimed.iterdir()), key=_written)
    changed = _changed(claims, of_claimed, for_seconds(seconds, clock))
    return [Claim(path.name, path in changed) for path in claims]


def _written(path: Path) -> tuple[int, str]:
    return path.stat().st_mtime_ns, path.name


def _changed(
    claims: list[Path], digests: IncrementalDigests, may_read: Callable[[], bool]
) -> set[Path]:
    """The claimed files that do not have the content of their names, as far as may be read.

    Only those are read that somebody touched since they were read last.
    """
    changed = set()
    for path in claims:
        with suppress(OSError):  # of this file, which is told once it is scored
            reading = digests.go_on(path, may_read)
            digests.note(path, reading)
            if reading.is_complete and not reading.digest.startswith(digest_of_name(path)):
                changed.add(path)
    digests.forget_others(path.name for path in claims)
    return changed


def _why_left(path: Path, reading: IncrementalDigest) -> str | None:
    if not reading.is_complete:
        return f"{reading.share:.0%} of it has been read"
    return None if reading.is_of(path) else "it was changed while it was read"


def for_seconds(seconds: float, clock: Callable[[], float]) -> Callable[[], bool]:
    """A function that is true at its first call, and from then on for some seconds."""

    def permits() -> Iterator[bool]:
        until = clock() + seconds
        yield True
        while clock() < until:
            yield True

    answers = permits()
    return lambda: next(answers, False)


@contextmanager
def alone_in_inbox(inbox: Path, wait: float = _LOCK_SECONDS) -> Iterator[None]:
    """Keep other processes, also of other machines, from taking files out of an inbox meanwhile."""
    with locked(inbox / _LOCK, f"the inbox {inbox}", wait=wait):
        yield


def _claim(path: Path, inbox: Path, digest: str, known: set[str]) -> Path:
    folder = inbox / ("repeated" if digest[:12] in known else "claimed")
    folder.mkdir(exist_ok=True)
    known.add(digest[:12])
    target = folder / _partition_of(path, digest)
    if target.is_dir():  # the same repetition came before; a rename replaces files alone
        shutil.rmtree(target)
    return path.rename(target)


def claim_copy(inbox: Path, file: Path) -> str:
    """Claim a copy of any file, which stays in its place; return the name of its partition.

    That is the same for the same content, whatever the file's name.

    Raises:
        InputError: There is no such file, or no reader for its kind.
        LockedError: Another process is at work on the inbox.
    """
    file = named_file(_as_came(file))
    came = (inbox / folder / str(file) for folder in ("claimed", "rejected"))
    if not file.exists() and any(path.exists() for path in came):
        return str(file)  # a partition's name, as in messages: it is scored again
    if file.is_dir():
        if why := why_incomplete(file):
            raise _folder(file, why)
    elif not file.is_file():
        raise InputError(f"{file}: no such file.")
    elif not kind_of(file):
        raise of_unknown_kind(file)
    claimed = inbox / "claimed"
    digest = content_digest(file)[:12]
    partition = _partition_of(file, digest)
    with alone_in_inbox(inbox, wait=WAIT_SECONDS):
        for path in (*files_in(claimed), *files_in(inbox / "rejected")):
            if digest_of_name(path) == digest:
                return path.name
        if file.is_dir():
            _copy_folder(file, claimed / partition)
        else:
            replace_file(claimed / partition, lambda target: shutil.copyfile(file, target))
    return partition


def _copy_folder(folder: Path, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=".", suffix=".tmp", dir=target.parent) as beside:
        copy = shutil.copytree(folder, Path(beside) / target.name)
        try:
            copy.rename(target)
        except OSError as error:
            if error.errno not in (errno.EEXIST, errno.ENOTEMPTY):  # another process copied it
                raise


def _as_came(file: Path) -> Path:
    """A path whose name may be too long for a file, as that of an object, as it came here."""
    return file.parent / short_name(file.name)


def named_file(file: Path) -> Path:
    """The file that a command names: by its own name, or by the one that messages show."""
    own = Path(name_shown(str(file)))
    return own if own.exists() and not file.exists() else file


def _folder(path: Path, why: str) -> InputError:
    held = sorted(map(str, files_in(path)))
    if not why.startswith("is a folder"):
        return InputError(f"{path} {why}. Have it delivered whole.")
    return InputError(
        f"{path} {why}. "
        + (
            f"Name one file at a time: it holds {listed(held, 3)}. Or, if it is whole: "
            f"touch {shlex.quote(str(path / SUCCESS))}"
            if held
            else f"Name a file ({_KINDS}); it holds none."
        )
    )


def came_as(partition: str, file: Path) -> bool:
    """Whether a partition may come from a file, by the names; contents do not count."""
    kind = re.escape(kind_of(file) or file.suffix)
    names = (
        f"{re.escape(_stem(file))}-[0-9a-f]{{12}}{kind}",
        f"{re.escape(_shortened(file.name))}-[0-9a-f]{{12}}{re.escape(FOLDER)}",
    )
    return any(re.fullmatch(name, partition, re.I) for name in names)


def find_claimed(inbox: Path, file: Path) -> str:
    """The partition of a claimed file, by its name, the partition's, or a file of its content.

    Raises InputError where no such file was claimed, or several whose contents differ.
    """
    file = _as_came(file)
    claimed = [*files_in(inbox / "claimed"), *files_in(inbox / "rejected")]
    if any(path.name == file.name for path in claimed):
        return file.name
    if file.is_dir() and (why := why_incomplete(file)):
        raise _folder(file, why)
    if named_file(file).exists():
        file = named_file(file)
        digests = {content_digest(file)[:12]}
    else:
        all_files = (*claimed, *files_in(inbox / "repeated"))
        digests = {digest_of_name(path) for path in all_files if came_as(path.name, file)}
    matching = [path for path in claimed if digest_of_name(path) in digests]
    if not matching:
        what = "file with this content" if file.exists() else "such file"
        raise InputError(f"{file}: no {what} has come into {inbox}.")
    if len(matching) > 1:
        oldest_first = sorted(matching, key=lambda path: path.stat().st_ctime)
        raise InputError(
            f"{file}: {len(matching)} files of that name came, the last one last: "
            f"{', '.join(path.name for path in oldest_first)}. Name one of these."
        )
    return matching[0].name


def left_alone(inbox: Path) -> list[LeftAlone]:
    """What lies in an inbox and is never claimed as it is, in the order of the names."""
    if not inbox.is_dir():
        return []
    entries = (_left_alone(path) for path in sorted(inbox.iterdir()))
    return [entry for entry in entries if entry is not None]


def _left_alone(path: Path) -> LeftAlone | None:
    if path.name.startswith(".") or path.suffix.lower() in UNFINISHED:
        return None
    try:
        status = path.lstat()
    except FileNotFoundError:  # somebody took it away
        return None
    mode = status.st_mode
    if stat.S_ISLNK(mode):
        return LeftAlone(path, "is a link", "Put the file itself here.")
    if stat.S_ISDIR(mode):
        return None if path.name in FOLDERS else _folder_left_alone(path)
    if not stat.S_ISREG(mode):
        return LeftAlone(path, "is a pipe, a socket or a device", "Put a file here.")
    if (of_kind := why_no_file(path)) is not None:
        return None if is_text_of_left(path) else LeftAlone(path, *of_kind)
    if not os.access(path, os.R_OK):
        return LeftAlone(path, "is closed to this user", "Have it opened for reading.")
    return _ahead(path, status.st_mtime, shlex.quote(str(path)))


def _ahead(path: Path, written: float, touched: str) -> LeftAlone | None:
    if written - time.time() <= _CLOCKS_APART:
        return None
    at = datetime.fromtimestamp(written, UTC)
    why = f"was last written at {at:%Y-%m-%d %H:%M} UTC, ahead of this machine's clock"
    return LeftAlone(path, why, f"Put the clocks right, or: touch {touched}")


def _folder_left_alone(path: Path) -> LeftAlone | None:
    try:
        why, written = why_incomplete(path), last_written(path)
    except FileNotFoundError:  # somebody took it away
        return None
    except OSError as error:
        return LeftAlone(path, f"cannot be read ({error.strerror})", "Have it opened for reading.")
    if why is None:
        shown = shlex.quote(str(path))
        return _ahead(path, written, f"{shown} {shown}/*")
    todo = (
        f"Put its files here, one by one; or, once it is whole, an empty file {SUCCESS} into it."
        if why.startswith("is a folder")
        else f"Put into it what is lacking, or correct its {MANIFEST}."
        if why.startswith("waits")
        else f"Take it out, or name the parts in {MANIFEST}, one a line."
    )
    return LeftAlone(path, why, todo)


def why_no_file(path: Path) -> tuple[str, str] | None:
    """Why a file is none to score, by its name, and what to do about it; None if it is one."""
    if kind_of(path):
        return None
    conversion = str(of_unknown_kind(Path(shown_name(str(path))))).partition(". ")[2]
    todo = conversion or "Write it as CSV, Parquet or JSON lines, or take it away."
    return f"is none of {_KINDS}", todo


def text_beside(path: Path) -> Path:
    """The text beside a file that tells its fate."""
    return path.with_name(f"{short_name(shown_name(path.name), len(TEXT))}{TEXT}")


def is_beside(text: Path) -> bool:
    """Whether a text lies beside something still; the name of what is left alone is spelt out."""
    shown = text.with_suffix("")
    return os.path.lexists(shown) or os.path.lexists(shown.with_name(name_shown(shown.name)))


def is_text_of_left(path: Path) -> bool:
    """Whether a file in an inbox is the text beside something that is never claimed."""
    if path.suffix != TEXT or not path.is_file():
        return False
    beginning = f"{LEFT}: {path.name.removesuffix(TEXT)} ".encode(errors="surrogateescape")
    try:
        with path.open("rb") as text:
            return text.read(len(beginning)) == beginning
    except OSError:
        return False


def read_claimed(
    inbox: Path, partition: str, schema: Schema, written: CsvFormat = USUAL
) -> Decoded | Units:
    """Read a claimed file; one whose content cannot be read is moved to `rejected/`.

    A large file gives units that are decoded later; it is rejected where one of them cannot be.
    A rejected file is moved back where it can be read now: the live version may be another one,
    which does not need a column that the file lacks. Raises UnavailableError where the disk or the
    network is at fault, and UnreadableError where the content is, also in a unit.
    """
    claimed, rejected = inbox / "claimed" / partition, inbox / "rejected" / partition
    path = rejected if rejected.exists() and not claimed.exists() else claimed
    demand_same_content(path, inbox)
    try:
        rows = read_delivery(path, schema, written)
    except UnreadableError as error:
        demand_same_content(path, inbox, _REPLACED)
        raise _reject(path, rejected, error) from error
    if not isinstance(rows, Units):
        demand_same_content(path, inbox, _REPLACED)
    if path == rejected:
        path.rename(claimed)
    if not isinstance(rows, Units):
        return rows
    if path == rejected:  # they are in its new place
        remove_scratch(rows.scratch)
        rows = read_delivery(claimed, schema, written)
        assert isinstance(rows, Units), "they are as many as before"
    return replace(
        rows,
        failing=partial(_reject, claimed, rejected),
        demand_same=partial(demand_same_content, claimed, inbox, _REPLACED),
    )


def _reject(path: Path, rejected: Path, error: UnreadableError) -> UnreadableError:
    """Move a file that cannot be read to `rejected/`; the error that names its new place."""
    what, where, todo = (
        text.replace(f"{path.parent}/", f"{rejected.parent}/")
        for text in (error.what, error.where, error.todo)
    )
    rejected.parent.mkdir(exist_ok=True)
    path.rename(rejected)
    return UnreadableError(
        what.removeprefix(f"{rejected.parent}/"), error.column, where=where, todo=todo
    )


def demand_same_content(path: Path, inbox: Path, what: str = _EDITED) -> None:
    """Demand that a claimed file still has the content of its partition.

    Raises UnavailableError where it cannot be read now, and UnreadableError where it was edited;
    `what` became of it otherwise follows its name in the message.
    """
    try:
        digest = content_digest(path) if path.exists() else ""
    except OSError as error:
        raise UnavailableError(f"{path} cannot be read now: {error.strerror}.") from error
    if digest and not digest.startswith(digest_of_name(path)):
        raise UnreadableError(
            f"{path} {what}: it holds another content than its name tells, which is not scored.",
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
    if path.name.startswith(".") or path.suffix.lower() in UNFINISHED:
        return None
    try:
        status = path.lstat()  # not the target of a link, which may be anybody's
        if stat.S_ISDIR(status.st_mode) and path.name not in FOLDERS:
            return _size_of_folder(path, settled)
    except OSError:  # somebody took it away, or closed it: `left_alone` tells
        return None
    is_file = stat.S_ISREG(status.st_mode) and kind_of(path) != ""
    return status.st_size if is_file and time.time() - status.st_mtime >= settled else None


def _size_of_folder(path: Path, settled: float) -> int | None:
    if why_incomplete(path) or time.time() - last_written(path) < settled:
        return None
    return sum(part.lstat().st_size for part in parts_of(path))


def files_in(folder: Path) -> list[Path]:
    """The files in a folder of the inbox that hold rows."""
    return [path for path in folder.glob("*") if _holds_rows(path)]


def _holds_rows(path: Path) -> bool:
    return path.is_dir() if path.suffix == FOLDER else kind_of(path) != "" and path.is_file()


def _partition_of(file: Path, digest: str) -> str:
    if file.is_dir():
        return f"{_shortened(file.name)}-{digest[:12]}{FOLDER}"
    return f"{_stem(file)}-{digest[:12]}{kind_of(file)}"


def _stem(file: Path) -> str:
    """A file's own name without its kind, short enough for the digest and suffixes after it."""
    return _shortened(file.name[: -len(kind_of(file) or file.suffix) or None])


def _shortened(name: str) -> str:
    stem = shown_name(name)
    while len(file_name(stem).encode()) > _LONGEST_STEM:
        stem = stem[:-1]
    return stem


def digest_of_name(path: Path) -> str:
    """The first digits of the digest of a claimed file's content, from its name."""
    kind = FOLDER if path.suffix == FOLDER else kind_of(path) or path.suffix
    return path.name.removesuffix(kind).rpartition("-")[2]
