"""Fetching: deliveries come from a folder of an object store into an inbox, each once.

An object, or a folder of part files once it is whole, is copied under its own name and with its own
time, in the order in which they came. From there on it is a file like others. Nothing is changed in
the store.

    .fetching/MARK   what has been copied so far, also over several calls
    .fetched.json    the mark of each delivery that was copied, by name; without it, all come again,
                     and are found to have come before
"""

from __future__ import annotations

import hashlib
import os
import shutil
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from tempfile import TemporaryDirectory

from lockstep.columns.plain import short_name, shown_name
from lockstep.errors import InputError, NotDeliveredError
from lockstep.project.object_stores import BLOCK_BYTES, StoreAddress, StoredObject, remove_abandoned
from lockstep.store.disks import as_private_as_folder, make_folder
from lockstep.store.inbox import (
    FOLDERS,
    SETTLED_SECONDS,
    UNFINISHED,
    LeftAlone,
    alone_in_inbox,
    for_seconds,
    why_no_file,
)
from lockstep.store.parts import MANIFEST, SUCCESS, parts_among, why_not_whole
from lockstep.store.state_files import state_or, write_state

_MOST_SECONDS = 15.0
"""Seconds of copying in a call: a sensor has a minute for its tick."""
_FETCHED = ".fetched.json"
_FETCHING = ".fetching"


@dataclass(frozen=True)
class _InStore:
    """What lies in the folder of a store under a name: an object, or a folder."""

    name: str
    address: StoreAddress
    objects: tuple[StoredObject, ...]  # the object; or those in the folder, by their names in it
    is_folder: bool

    @property
    def key(self) -> str:
        """Its name as text."""
        return shown_name(self.name)

    @cached_property
    def mark(self) -> str:
        """What tells it from what takes its place."""
        marks = [(each.name, each.size, each.mark) for each in self.objects]
        return hashlib.sha256(repr(marks).encode()).hexdigest()

    @property
    def written(self) -> int:
        """When it was last written, in ns since 1970."""
        return max(each.written for each in self.objects)

    @cached_property
    def manifest(self) -> str | None:
        """The text of the manifest of a folder; None without one."""
        if not any(each.name == MANIFEST for each in self.objects):
            return None
        return self.address.below(MANIFEST).read().decode(errors="surrogateescape")

    def wanted(self) -> Iterator[tuple[StoreAddress, StoredObject]]:
        """The objects to copy, each with its address."""
        if not self.is_folder:
            yield self.address, self.objects[0]
            return
        parts = parts_among([each.name for each in self.objects], self.manifest)
        for each in self.objects:
            if each.name in (SUCCESS, MANIFEST, *parts):
                yield self.address.below(each.name), each

    def left_alone(self, inbox: Path) -> LeftAlone | None:
        """Why it is never fetched as it is; None if it is."""
        path, where = inbox / self.name, str(self.address)
        if self.name in FOLDERS:
            why, todo = "has the name of a folder of the inbox itself", "Give it another name."
            return LeftAlone(path, why, todo, where)
        if not self.is_folder:
            of_kind = why_no_file(Path(self.name))
            return None if of_kind is None else LeftAlone(path, *of_kind, where)
        are_files: dict[str, bool] = {}
        for each in self.objects:
            first, slash, _ = each.name.partition("/")
            are_files[first] = not slash
        why_not = why_not_whole(are_files, self.manifest)
        if why_not is None:
            return None
        todo = f"Once it is whole, put an empty {SUCCESS} into it, or correct its {MANIFEST}."
        return LeftAlone(path, why_not, todo, where)


@dataclass(frozen=True)
class Fetched:
    """What a look at the folder of a store gave."""

    left: list[LeftAlone] = field(default_factory=list)  # what is never fetched as it is
    # Addresses of what was fetched anew, since another content took its place.
    replaced: list[str] = field(default_factory=list)


def fetch(
    address: StoreAddress,
    inbox: Path,
    *,
    settled: float = SETTLED_SECONDS,
    seconds: float = _MOST_SECONDS,
    clock: Callable[[], float] = time.monotonic,
    tell: Callable[[str], object] = lambda _: None,
) -> Fetched:
    """Copy the deliveries in a folder of a store into an inbox that were not copied before.

    The next call goes on with one that is too large to be copied in time, even if the process was
    killed in between; those that came after it wait.

    Args:
        inbox: The inbox; made if it does not exist.
        settled: Seconds since the last write after which an object is complete. Names that begin
            with a dot or end in `.tmp` or `.part` are ignored.
        seconds: Seconds after which no more is copied; at least a block is.
        tell: Called with a line about each delivery that is left for the next call.

    Raises:
        InputError: The store does not answer, or is none that fsspec knows; the message is a line.
        LockedError: Another process is at work on the inbox.
    """
    inbox.mkdir(parents=True, exist_ok=True)
    with alone_in_inbox(inbox):
        return _Fetching(inbox, settled, for_seconds(seconds, clock), tell).fetch(address)


@contextmanager
def fetched(address: StoreAddress, scratch: Path) -> Iterator[Path]:
    """An object, or a whole folder of part files, as a file or folder of this machine meanwhile.

    It lies in the folder `scratch`, which is made if it does not exist.

    Raises:
        NotDeliveredError: There is none at the address.
        InputError: It is none to score, or not whole; or the store does not answer. One line.
    """
    delivery = _delivery(address)
    left = delivery.left_alone(scratch)
    if left is not None:
        raise InputError(f"{address} {left.why}. {left.todo}")
    scratch.mkdir(parents=True, exist_ok=True)
    remove_abandoned(scratch)
    with TemporaryDirectory(dir=scratch) as folder:
        target = Path(folder) / short_name(delivery.name)
        if delivery.is_folder:
            target.mkdir()
        for each, stored in delivery.wanted():
            each.fetch(target / short_name(stored.name) if delivery.is_folder else target)
        yield target


def _delivery(address: StoreAddress) -> _InStore:
    try:
        return _InStore(address.name, address, (address.object(),), is_folder=False)
    except NotDeliveredError:
        objects = tuple(address.objects())
        if not objects:
            raise
        return _InStore(address.name, address, objects, is_folder=True)


class _Fetching:
    """A look at the folder of a store, with the inbox locked."""

    def __init__(
        self,
        inbox: Path,
        settled: float,
        may_read: Callable[[], bool],
        tell: Callable[[str], object],
    ) -> None:
        self._inbox, self._scratch = inbox, inbox / _FETCHING
        self._settled, self._may_read, self._tell = settled, may_read, tell
        self._known = state_or(inbox / _FETCHED, dict[str, str], {})

    def fetch(self, address: StoreAddress) -> Fetched:
        fetched, in_store = Fetched(), _in_store(address)
        self._forget_others(in_store)
        for each in in_store:
            is_known = self._known.get(each.key) == each.mark
            left = None if is_known else each.left_alone(self._inbox)
            if left is not None:
                fetched.left.append(left)
                continue
            try:
                if not is_known:
                    if time.time() - each.written / 10**9 < self._settled:
                        continue
                    if not self._copy(each):
                        break  # those that came after it wait
                    if each.key in self._known:
                        fetched.replaced.append(str(each.address))
                    self._note(each)
                self._place(each)
            except OSError as error:  # of this file or the disk: the others do not wait for it
                self._leave(each, f"{error.strerror}")
        return fetched

    def _copy(self, each: _InStore) -> bool:
        """Copy a delivery further; whether it is whole now."""
        target = self._scratch / each.mark
        wanted = list(each.wanted())
        make_folder(target if each.is_folder else target.parent)
        for address, stored in wanted:
            file = target / short_name(stored.name) if each.is_folder else target
            if not self._copy_object(address, stored, file):
                share = _size_of(target) / max(1, sum(stored.size for _, stored in wanted))
                self._leave(each, f"{share:.0%} of it has been fetched")
                return False
        if _again(each).mark != each.mark:
            self._leave(each, "it was replaced while it was fetched")
            _remove(target)
            return False
        if each.is_folder:
            os.utime(target, ns=(each.written, each.written))
        return True

    def _copy_object(self, address: StoreAddress, stored: StoredObject, file: Path) -> bool:
        """Copy an object further; whether the file has all of its bytes now."""
        with file.open("ab") as copy:
            as_private_as_folder(file, file.parent)
            done = copy.tell()
            while done < stored.size and self._may_read():
                data = address.read(done, min(done + BLOCK_BYTES, stored.size))
                copy.write(data)
                done += len(data)
                if not data:
                    break  # it is shorter now, and was replaced
            copy.flush()
            os.fsync(copy.fileno())
        os.utime(file, ns=(stored.written, stored.written))
        return done >= stored.size

    def _place(self, each: _InStore) -> None:
        """Put what was copied into the inbox, unless something of that name lies there still."""
        copied, target = self._scratch / each.mark, self._inbox / short_name(each.name)
        if not copied.exists():
            return  # it went on from there
        if os.path.lexists(target):
            self._leave(each, "another file of that name waits in the inbox")
            return
        copied.rename(target)

    def _note(self, each: _InStore) -> None:
        self._known[each.key] = each.mark
        write_state(self._inbox / _FETCHED, self._known)

    def _forget_others(self, in_store: list[_InStore]) -> None:
        """Forget what is in the store no longer, and copies of what was replaced."""
        keys, marks = {each.key for each in in_store}, {each.mark for each in in_store}
        self._known = {key: mark for key, mark in self._known.items() if key in keys}
        if self._scratch.is_dir():
            for path in self._scratch.iterdir():
                if path.name not in marks:
                    _remove(path)

    def _leave(self, each: _InStore, why: str) -> None:
        self._tell(f"{each.key} is left for the next time: {why}.")


def _in_store(address: StoreAddress) -> list[_InStore]:
    """What lies in a folder of a store, in the order in which it came."""
    files: list[_InStore] = []
    folders: defaultdict[str, list[StoredObject]] = defaultdict(list)
    for stored in address.objects():
        name, slash, inner = stored.name.partition("/")
        if name.startswith(".") or Path(name).suffix.lower() in UNFINISHED:
            continue
        if slash:
            folders[name].append(replace(stored, name=inner))
        else:
            files.append(_InStore(name, address.below(name), (stored,), is_folder=False))
    both = files + [
        _InStore(name, address.below(name), tuple(held), is_folder=True)
        for name, held in folders.items()
    ]
    return sorted(both, key=lambda each: (each.written, each.name))


def _again(each: _InStore) -> _InStore:
    """The same as it is in the store now."""
    address = each.address
    objects = address.objects() if each.is_folder else [replace(address.object(), name=each.name)]
    return replace(each, objects=tuple(objects))


def _size_of(path: Path) -> int:
    files = path.iterdir() if path.is_dir() else [path]
    return sum(file.stat().st_size for file in files)


def _remove(path: Path) -> None:
    if path.is_dir():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)
