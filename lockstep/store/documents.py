"""Documents: the small JSON files of a home in which processes share facts of versions.

They name folders relative to themselves, so a home may be moved or copied.
"""

from __future__ import annotations

import os
from dataclasses import fields
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import msgspec

from lockstep.columns.plain import one_line
from lockstep.errors import ArtifactError, UnavailableFilesError
from lockstep.store.state_files import content_of, write_state

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

T = TypeVar("T", bound="DataclassInstance")


def write_document(path: Path, stored: dict[str, Any]) -> None:
    """Write a document whole, replacing the one before; it may hold times and directories.

    A directory is named relative to the document where both are in the home.
    """
    folder, home = path.parent.resolve(), path.parent.parent.resolve()

    def plain(value: Path) -> str:
        place = value.resolve()
        return os.path.relpath(place, folder) if place.is_relative_to(home) else str(place)

    write_state(path, msgspec.to_builtins(stored, enc_hook=plain, str_keys=True))


def read_document(
    path: Path, kind: type[T], *, version: int, purpose: str, failing: str
) -> T | None:
    """The content of a document; None if there is no document."""

    def place(_: type, value: str) -> Path:
        return Path(os.path.normpath(path.parent.resolve() / value))

    try:
        stored = content_of(path.read_bytes(), dict[str, Any])
        if stored["format"] != version:
            raise ValueError(f"it has format {stored['format']}, and this Lockstep reads {version}")
        if stored["name"] != path.stem:
            raise ValueError(f"it is that of {stored['name']}")
        held = {each.name: stored[each.name] for each in fields(kind)}
        return msgspec.convert(held, kind, dec_hook=place, str_keys=True)
    except FileNotFoundError:
        return None
    except IsADirectoryError as error:
        raise ArtifactError(f"{path} {failing.format('(it is a folder)')}") from error
    except OSError as error:
        raise UnavailableFilesError(
            f"{path}, {purpose}, cannot be read now ({error.strerror}). "
            "Try again when its disk or network drive answers."
        ) from error
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        cause = f"it lacks {error}" if isinstance(error, KeyError) else one_line(str(error))
        raise ArtifactError(f"{path} {failing.format(f'({cause})')}") from error
