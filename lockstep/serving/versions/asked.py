"""What is known of a request beside its rows: its id, when it came, and what it is refused with."""

from __future__ import annotations

import re
import secrets
from collections.abc import Iterable
from itertools import count
from time import monotonic
from typing import TYPE_CHECKING, Literal, TypeAlias

import msgspec

if TYPE_CHECKING:
    from lockstep.serving.versions.request_scorer import Scorer

ID_HEADER = b"x-request-id"
_ID = re.compile(rb"[\x21-\x7e]{1,128}")

Role = Literal["live", "canary", "pinned"]
"""What a version answers a request as."""

Client: TypeAlias = tuple[str, int] | None
"""The address and port that a connection comes from; None where it is not known."""


class Asked(msgspec.Struct, eq=False):
    """What is known of a request beside its rows.

    Attributes:
        id: Its id.
        started: When it came, on the monotonic clock, in seconds.
        client: By which connection it came.
        refused: Status of the response where rows are refused; 200 where the others are scored
            all the same.
        scorer: The version that is to answer it; None before that is decided.
        role: What that version answers it as.
    """

    id: str
    started: float
    client: Client = None
    refused: int = 422
    scorer: Scorer | None = None
    role: Role = "live"


class RequestIds:
    """Ids of requests: what their clients call them, or else one after the other.

    Those of one object begin alike, and otherwise than those of any other one.
    """

    def __init__(self) -> None:
        self._prefix = secrets.token_hex(6)
        self._numbers = count(1)

    def of(self, headers: Iterable[tuple[bytes, bytes]]) -> str:
        """The id of a request: its header `x-request-id`, if that is 1 to 128 printable characters.

        Args:
            headers: The request's, their names in lower case.
        """
        for name, value in headers:
            if name == ID_HEADER and _ID.fullmatch(value):
                return value.decode("ascii")
        return self.next()

    def next(self) -> str:
        """An id that no other request has."""
        return f"{self._prefix}-{next(self._numbers):x}"

    def ask(self) -> Asked:
        """A request that comes now."""
        return Asked(self.next(), monotonic())
