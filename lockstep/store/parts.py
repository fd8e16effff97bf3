"""Folders of part files, as Spark and others write them: one delivery, once it is whole.

A folder is whole when it holds `_SUCCESS`, or every file that its `_MANIFEST` names, one a line.
Its parts are the files that the manifest names; without one, all whose names begin with neither a
dot nor an underscore. They are read in the order of their names.
"""

from __future__ import annotations

import stat
from pathlib import Path

import numpy as np

from lockstep.columns.csv_format import USUAL, CsvFormat
from lockstep.columns.decode import Decoded
from lockstep.columns.files import READERS, decode_file, kind_of
from lockstep.columns.plain import listed, shown_name
from lockstep.columns.schema import Schema
from lockstep.errors import UnavailableError, UnreadableError

FOLDER = ".parts"
"""Suffix of a claimed folder's name."""
SUCCESS = "_SUCCESS"
"""Name of the file that says that a folder is whole."""
MANIFEST = "_MANIFEST"
"""Name of the file that names the parts of a folder."""
_NAMED = 3


def parts_of(folder: Path) -> list[Path]:
    """The parts of a folder that are there, in the order of their names."""
    named = _named(folder)
    return sorted(
        path
        for path in folder.iterdir()
        if (path.name in named if named is not None else not path.name.startswith((".", "_")))
    )


def why_incomplete(folder: Path) -> str | None:
    """Why a folder is no delivery, or none yet, in words that follow its name; None if it is one.

    Raises:
        OSError: It cannot be read.
    """
    named, parts = _named(folder), parts_of(folder)
    lacking = sorted((named or set()) - {path.name for path in parts})
    others = [path.name for path in parts if not _is_part(path)]
    if lacking:
        return f"waits for {_listed(lacking)}, which its {MANIFEST} names"
    if named is None and not (folder / SUCCESS).is_file():
        return f"is a folder without {SUCCESS}"
    if others:
        return f"holds {_listed(others)}: its parts are files of {', '.join(READERS)}"
    return None if parts else "is a folder without any part"


def last_written(folder: Path) -> float:
    """When anything of a folder was last written, in seconds since 1970."""
    return max(path.lstat().st_mtime for path in (folder, *folder.iterdir()))


def decode_delivery(path: Path, schema: Schema, written: CsvFormat = USUAL) -> Decoded:
    """Decode a file, or all parts of a folder as one input.

    Args:
        path: The file or folder.
        schema: What the rows are declared to hold.
        written: How CSV files are written.

    Raises:
        InputError: A part cannot be read; see `decode_file`.
    """
    if not path.is_dir():
        return decode_file(path, schema, written)
    try:
        why, parts = why_incomplete(path), parts_of(path)
    except OSError as error:
        raise UnavailableError(f"{path} cannot be read now: {error.strerror}.") from error
    if why is not None:
        raise UnreadableError(
            f"{path} {why}.", where=str(path), todo="Have it delivered anew, whole."
        )
    decoded: list[Decoded] = []
    for part in parts:
        first = sum(other.total for other in decoded)
        decoded.append(decode_file(part, schema, written, first=first))
    return joined(decoded)


def joined(parts: list[Decoded]) -> Decoded:
    """The rows of several inputs as one, whose positions follow upon each other."""
    first, *others = parts
    if not others:
        return first
    columns = {
        name: np.concatenate([part.columns[name] for part in parts]) for name in first.columns
    }
    unfit = [part.unfit for part in parts if part.unfit]
    rows = np.concatenate([part.rows for part in parts])
    for array in (rows, *columns.values()):
        array.setflags(write=False)
    return Decoded(
        columns,
        rows,
        tuple(row for part in parts for row in part.rejected),
        tuple(dict.fromkeys(name for part in parts for name in part.ignored)),
        sum(part.total for part in parts),
        {name: np.concatenate([some[name] for some in unfit]) for name in columns} if unfit else {},
    )


def _named(folder: Path) -> set[str] | None:
    """The names in a folder's manifest; None without one."""
    try:
        text = (folder / MANIFEST).read_text(encoding="utf-8", errors="surrogateescape")
    except FileNotFoundError:
        return None
    return {line.strip() for line in text.splitlines()} - {""}


def _is_part(path: Path) -> bool:
    return kind_of(path) != "" and stat.S_ISREG(path.lstat().st_mode)


def _listed(names: list[str]) -> str:
    return listed(map(shown_name, names), _NAMED)
