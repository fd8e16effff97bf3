"""State files: the small files in which a home keeps what processes go on from.

    {"sha256": "5a1c…", "content": {…}}

The digest is that of the content's text: whatever changes it, if a single bit, is found out. Files
that hold the content alone were written before, and are read as they are.
"""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any, TypeVar

import msgspec

from lockstep.columns.plain import one_line
from lockstep.errors import DamagedError
from lockstep.store.disks import replace_text

T = TypeVar("T")
D = TypeVar("D")

_HEAD, _MIDDLE, _END = b'{"sha256": "', b'", "content": ', b"}\n"
_CONTENT = len(_HEAD) + 64 + len(_MIDDLE)
_WRONG = (OSError, ValueError, TypeError, KeyError, AttributeError, OverflowError, RecursionError)
"""What reading a file raises that holds anything."""


def state_text(content: Any) -> str:
    """The text of a state file with this content, which msgspec takes."""
    body = json.dumps(msgspec.to_builtins(content), indent=1, allow_nan=False).encode()
    digest = hashlib.sha256(body).hexdigest().encode()
    return (_HEAD + digest + _MIDDLE + body + _END).decode()


def write_state(path: Path, content: Any) -> None:
    """Write a state file whole, replacing the one before; see `state_text`."""
    replace_text(path, state_text(content))


def read_state(path: Path, kind: type[T], fails: str, todo: str) -> T | None:
    """The content of a state file; None without one.

    Where anything is wrong with it, a DamagedError says what that `fails` to do, and the `todo`.
    """
    try:
        return content_of(path.read_bytes(), kind)
    except FileNotFoundError:
        return None
    except _WRONG as error:
        raise DamagedError(f"{path} {fails} ({one_line(str(error))}); {todo}") from error


def state_or(path: Path, kind: type[T], otherwise: D) -> T | D:
    """The content of a state file of which little hangs on the loss, such as what saves time.

    Where it is missing or damaged, `otherwise` stands for it.
    """
    try:
        found = read_state(path, kind, "cannot be read", "remove it")
    except DamagedError:
        return otherwise
    return otherwise if found is None else found


def content_of(data: bytes, kind: type[T]) -> T:
    """The content in the bytes of a state file.

    Raises ValueError or RecursionError where they are no state file, or were changed.
    """
    if data.startswith(_HEAD):
        body = data[_CONTENT : -len(_END)]
        digest = hashlib.sha256(body).hexdigest().encode()
        if data != _HEAD + digest + _MIDDLE + body + _END:
            raise ValueError("its content is not what its digest says")
        return msgspec.convert(json.loads(body), kind, str_keys=True)
    stored = json.loads(data)
    if isinstance(stored, dict) and {"sha256", "content"} & stored.keys():
        raise ValueError("its beginning was changed")
    return msgspec.convert(stored, kind, str_keys=True)
