"""Folders of part files, as Spark and others write them: one delivery, once it is whole.

A folder is whole when it holds `_SUCCESS`, or every file that its `_MANIFEST` names, one a line.
Its parts are the files that the manifest names; without one, all whose names begin with neither a
dot nor an underscore. They are read in the order of their names.
"""

from __future__ import annotations

import shutil
import stat
from collections.abc import Iterable, Mapping
from dataclasses import replace
from pathlib import Path

from lockstep.columns.csv_format import USUAL, CsvFormat
from lockstep.columns.decode import Decoded
from lockstep.columns.files import READERS, is_compressed, kind_of, uncompressing
from lockstep.columns.plain import listed, short_name, shown_name
from lockstep.columns.schema import Schema
from lockstep.columns.units import ROWS, Units, read_files
from lockstep.errors import UnavailableError, UnreadableError
from lockstep.store.disks import replace_file

FOLDER = ".parts"
"""Suffix of a claimed folder's name."""
SUCCESS = "_SUCCESS"
"""Name of the file that says that a folder is whole."""
MANIFEST = "_MANIFEST"
"""Name of the file that names the parts of a folder."""
_PLAIN = ".plain"
"""Suffix of a file with the content of a compressed one."""
_LARGE = 16 * 2**20
"""Bytes above which the content of a compressed file is worked on in units."""
_NAMED = 3


def parts_of(folder: Path) -> list[Path]:
    """The parts of a folder that are there, in the order of their names."""
    names = parts_among([path.name for path in folder.iterdir()], _manifest(folder))
    return [folder / name for name in names]


def parts_among(names: Iterable[str], manifest: str | None) -> list[str]:
    """The names in a folder that are those of its parts, in order, by the text of its manifest."""
    named = _named(manifest)
    return sorted(
        name
        for name in names
        if (name in named if named is not None else not name.startswith((".", "_")))
    )


def why_incomplete(folder: Path) -> str | None:
    """Why a folder is no delivery, or none yet, in words that follow its name; None if it is."""
    are_files = {path.name: _is_file(path) for path in folder.iterdir()}
    return why_not_whole(are_files, _manifest(folder))


def why_not_whole(are_files: Mapping[str, bool], manifest: str | None) -> str | None:
    """Why a folder is no delivery, or none yet, in words that follow its name; None if it is.

    Each name in the folder comes with whether it is that of a file.
    """
    named, parts = _named(manifest), parts_among(are_files, manifest)
    lacking = sorted((named or set()) - {*parts})
    others = [name for name in parts if not are_files[name] or not kind_of(Path(name))]
    if lacking:
        return f"waits for {_listed(lacking)}, which its {MANIFEST} names"
    if named is None and not are_files.get(SUCCESS):
        return f"is a folder without {SUCCESS}"
    if others:
        return f"holds {_listed(others)}: its parts are files of {', '.join(READERS)}"
    return None if parts else "is a folder without any part"


def last_written(folder: Path) -> float:
    """When anything of a folder was last written, in seconds since 1970."""
    return max(path.lstat().st_mtime for path in (folder, *folder.iterdir()))


def read_delivery(
    path: Path, schema: Schema, written: CsvFormat = USUAL, rows: int = ROWS
) -> Decoded | Units:
    """The rows of a file, or of all parts of a folder as one input.

    More than `rows` are units of so many at most, to read later. A large compressed file is
    uncompressed beside itself for them, until `remove_scratch`. Raises InputError where a part
    cannot be read; see `lockstep.columns.files.decode_file`.
    """
    parts = _whole(path) if path.is_dir() else [path]
    plain = {part: target for part in parts if (target := _uncompressed(part)) is not None}
    read: Decoded | Units | None = None
    try:
        read = read_files(parts, schema, written, plain=plain, rows=rows)
    finally:
        if not isinstance(read, Units):
            remove_scratch(plain.values())
    return replace(read, scratch=tuple(plain.values())) if isinstance(read, Units) else read


def remove_scratch(files: Iterable[Path]) -> None:
    """Remove files that were made to read a delivery."""
    for path in files:
        path.unlink(missing_ok=True)


def _whole(folder: Path) -> list[Path]:
    """The parts of a folder that is a delivery."""
    try:
        why, parts = why_incomplete(folder), parts_of(folder)
    except OSError as error:
        raise UnavailableError(f"{folder} cannot be read now: {error.strerror}.") from error
    if why is not None:
        raise UnreadableError(
            f"{folder} {why}.", where=str(folder), todo="Have it delivered anew, whole."
        )
    return parts


def _uncompressed(path: Path) -> Path | None:
    """A file with the content of a large compressed one, beside it; None for every other file."""
    if not is_compressed(path) or not path.is_file():
        return None
    with uncompressing(path) as content:
        head = content.read(_LARGE)
        if len(head) < _LARGE:
            return None

        def write(place: str) -> None:
            with Path(place).open("wb") as file:
                file.write(head)
                shutil.copyfileobj(content, file, _LARGE)

        target = path.with_name(f".{short_name(path.name, len(_PLAIN) + 1)}{_PLAIN}")
        replace_file(target, write)
        return target


def _manifest(folder: Path) -> str | None:
    """The text of a folder's manifest; None without one."""
    try:
        return (folder / MANIFEST).read_text(encoding="utf-8", errors="surrogateescape")
    except FileNotFoundError:
        return None


def _named(manifest: str | None) -> set[str] | None:
    """The names in a manifest; None without one."""
    return None if manifest is None else {line.strip() for line in manifest.splitlines()} - {""}


def _is_file(path: Path) -> bool:
    return stat.S_ISREG(path.lstat().st_mode)


def _listed(names: list[str]) -> str:
    return listed(map(shown_name, names), _NAMED)
