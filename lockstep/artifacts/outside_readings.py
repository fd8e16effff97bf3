"""Readings: what code asks of the world outside its version, and what to do about it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

What = Literal[
    "file",
    "folder",
    "module",
    "library",
    "database",
    "network",
    "program",
    "variable",
    "system",
    "clock",
    "closed",
]
"""What is opened, as the first seven are, or asked for, or what a closed thread was refused."""

_FILE = (
    "Put it beside the module, in a package of the project's, and have the module read it when it "
    "is imported, by its own place: `Path(__file__).with_name(...)`; then a version carries it. Or "
    "have upstream deliver its content as a field."
)
_FIELD = "Have upstream deliver its answer as a field of the record."
_REMEDIES: Mapping[What, str] = {
    "file": _FILE,
    "folder": _FILE,
    "module": "Import it by a statement (`from ... import ...`) from a package of the project's, "
    "so that a version carries it.",
    "library": "Have a library that is installed call it, or compute it in Python.",
    "database": _FIELD,
    "network": _FIELD,
    "program": _FIELD,
    "variable": "Write what it decides as a constant into the module, so that another value is "
    "another version; or have upstream deliver it as a field of the record.",
    "system": "Leave it out, or write what it decides as a constant into the module.",
    "closed": _FILE,
    "clock": "Leave it out, or have upstream deliver the time that counts as a field.",
}
_VERBS: Mapping[What, str] = {
    "module": "loads the module",
    "library": "calls by ctypes the library",
    "database": "opens the database",
    "network": "asks the network",
    "program": "runs the program",
    "variable": "reads the environment variable",
    "system": "asks the system",
    "closed": "has a library open a file or a connection, which the system refused:",
}


@dataclass(frozen=True)
class Reading:
    """Something that code read from outside, or wanted to."""

    what: What
    name: str  # a path, a variable, an address, a command
    where: str  # the line that read it, such as `transforms/flights.py:12`
    function: str  # around that line; empty at a module's top level

    @property
    def remedy(self) -> str:
        """What to do about it."""
        return _REMEDIES[self.what]

    @property
    def by(self) -> str:
        """The code that read it, in words."""
        return (
            f"{self.function} ({self.where})" if self.function else f"{self.where}, when imported,"
        )

    @property
    def told(self) -> str:
        """What that code did, in words."""
        return f"{_VERBS.get(self.what, f'reads the {self.what}')} {self.name}"

    def __str__(self) -> str:
        return f"{self.by} {self.told}"
