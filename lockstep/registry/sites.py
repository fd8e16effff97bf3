"""Sites: who does something to a registry that others share, and where."""

from __future__ import annotations

import getpass
import socket
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Site:
    """A person, a home and a machine."""

    by: str  # the name of the user
    home: str  # its folder
    host: str  # the name of the machine

    @classmethod
    def here(cls, home: Path) -> Site:
        """The site of this process."""
        return cls(user(), str(home), socket.gethostname())

    def __str__(self) -> str:
        return f"{self.by} in {self.home} on {self.host}"


def user() -> str:
    """The name of the user, as others read it."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # a container's user often has no name
        return "unknown"
