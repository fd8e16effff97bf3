"""Object stores: folders and objects at addresses that fsspec knows, such as `s3://bucket/folder`.

Credentials are taken as the store's own library takes them, from the environment or its files. An
address that holds some is refused, and what is shown of one ends before its query.
"""

from __future__ import annotations

import shutil
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path, PurePosixPath
from typing import Any

from lockstep.columns.address import Address
from lockstep.columns.plain import one_line, shown_name
from lockstep.errors import (
    DeclarationError,
    InputError,
    LockstepError,
    NotDeliveredError,
    UnavailableError,
)
from lockstep.store.disks import replace_file

_SECONDS = 20.0
"""Seconds that a store may take for an answer: a sensor has a minute for its tick."""
BLOCK_BYTES = 8 * 2**20
"""Bytes that are read at a time: a store has to hand them out within these seconds."""
_ABANDONED_SECONDS = 2 * 86_400.0
"""Seconds after which nobody reads what was fetched: a run may take a day."""
_WRITTEN = ("LastModified", "last_modified", "mtime", "created")
"""What stores call the time at which an object was last written."""
_MARKS = ("ETag", "etag", "md5Hash", "checksum")
"""What they call a mark of its content."""


def is_address(path: str | Path) -> bool:
    """Whether a path is an address of a store, rather than one of this machine's files."""
    return "://" in str(path) and not str(path).startswith("file://")


def local_path(path: str | Path) -> str:
    """A path of this machine, of which `file://` is another form."""
    return str(path).removeprefix("file://")


@dataclass(frozen=True)
class StoredObject:
    """An object of a store, or a file.

    Attributes:
        name: Its name below the folder that was listed.
        written: When it was last written, in ns since 1970.
        mark: What tells it from the object that takes its place: the store's mark of its content,
            or else the time at which it was written.
    """

    name: str
    size: int
    written: int
    mark: str

    @classmethod
    def of(cls, name: str, entry: Mapping[str, Any]) -> StoredObject:
        """The object that an entry of fsspec describes."""
        at = next((entry[key] for key in _WRITTEN if entry.get(key)), 0)
        written = int((at.timestamp() if isinstance(at, datetime) else float(at)) * 10**9)
        mark = next((entry[key] for key in _MARKS if entry.get(key)), written)
        return cls(name, int(entry["size"]), written, str(mark))


@dataclass(frozen=True)
class StoreAddress:
    """The address of a folder or an object."""

    address: str = field(repr=False)  # the address, as fsspec takes it
    options: Mapping[str, Any] = field(default_factory=dict, repr=False, compare=False)

    def __post_init__(self) -> None:
        if Address(self.address).has_password:
            raise DeclarationError(
                f"{self} holds a password; leave it out: it is taken from the environment, as the "
                "store's library takes it."
            )

    def __str__(self) -> str:
        """The address without its query, which may hold a signature."""
        return shown_name(str(Address(self.address)))

    @property
    def name(self) -> str:
        """The name of the object."""
        return PurePosixPath(self.address.partition("?")[0]).name

    def below(self, name: str) -> StoreAddress:
        """The address of a folder or an object in this folder."""
        return StoreAddress(f"{self.address.rstrip('/')}/{name}", self.options)

    def open(self) -> tuple[Any, str]:
        """The file system of fsspec, and the path in it.

        Raises:
            InputError: There is none for such an address, or its library is not installed.
        """
        sys.audit("lockstep.store", str(self))  # some libraries ask in threads of their own
        try:
            from fsspec.core import url_to_fs

            files, path = url_to_fs(self.address, **self.options)
        except ImportError as error:
            raise InputError(f"{self}: {self._line(error)}.") from error
        except ValueError as error:
            raise InputError(
                f"{self} is no address that fsspec knows: {self._line(error)}."
            ) from error
        files.invalidate_cache()  # others write there
        return files, str(path)

    def objects(self) -> list[StoredObject]:
        """The objects in the folder and in folders in it, in the order of their names.

        Raises:
            InputError: They cannot be listed; the message is one line.
        """
        with self._answering():
            files, root = self.open()
            root = root.rstrip("/")
            entries = _asked(files, "find", root, detail=True)
        names = {path[len(root) :].lstrip("/"): entry for path, entry in entries.items()}
        return [
            StoredObject.of(name, entry)
            for name, entry in sorted(names.items())
            if name and not name.endswith("/") and entry["type"] == "file"
        ]

    def object(self) -> StoredObject:
        """The object at the address, as it is now.

        Raises:
            NotDeliveredError: There is none.
            InputError: The store does not tell.
        """
        with self._answering():
            files, path = self.open()
            entry = _asked(files, "info", path)
            if entry["type"] != "file":
                raise FileNotFoundError
        return StoredObject.of(self.name, entry)

    def read(self, start: int | None = None, end: int | None = None) -> bytes:
        """Bytes of the object, from one on and before another; all by default.

        Raises:
            NotDeliveredError: There is no such object.
            InputError: It cannot be read.
        """
        with self._answering():
            files, path = self.open()
            return bytes(_asked(files, "cat_file", path, start=start, end=end))

    def fetch(self, target: Path) -> None:
        """Copy the object to a file, whole or not at all.

        Raises:
            NotDeliveredError: There is no such object.
            InputError: It cannot be read.
        """
        before = self.object()

        def copy(place: str) -> None:
            with Path(place).open("wb") as file:
                for start in range(0, before.size, BLOCK_BYTES):
                    file.write(self.read(start, min(start + BLOCK_BYTES, before.size)))

        replace_file(target, copy)
        if self.object() != before or target.stat().st_size != before.size:
            target.unlink()
            raise UnavailableError(f"{self} was replaced while it was read. Read it again.")

    @contextmanager
    def _answering(self) -> Iterator[None]:
        """Turn whatever a store's library raises into a line."""
        try:
            yield
        except LockstepError:
            raise
        except FileNotFoundError as error:
            raise NotDeliveredError(
                f"{self}: there is nothing there; deliver it, or correct the address."
            ) from error
        except Exception as error:
            reason = self._line(error)
            if isinstance(error, TimeoutError):
                reason = f"no answer within {_SECONDS:.0f} seconds"
            raise UnavailableError(
                f"{self} cannot be read now: {reason}. Check that the store can be reached, and "
                "the credentials in the environment."
            ) from error

    def _line(self, error: Exception) -> str:
        return one_line(Address(self.address).hide_in(str(error))) or type(error).__name__


def remove_abandoned(scratch: Path) -> None:
    """Remove what processes that were killed left of objects in a folder that is for these."""
    for path in scratch.glob("*"):
        with suppress(FileNotFoundError):  # another process removes it
            if time.time() - path.lstat().st_mtime < _ABANDONED_SECONDS:
                continue
            if path.is_dir():
                shutil.rmtree(path)
            else:
                path.unlink()


def _asked(files: Any, method: str, path: str, **options: Any) -> Any:
    """What a file system of fsspec answers, in good time where its library can be hurried."""
    limit = {"timeout": _SECONDS} if getattr(files, "async_impl", False) else {}
    return getattr(files, method)(path, **options, **limit)
