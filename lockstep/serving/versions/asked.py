"""Facts about a request beside its rows: its id, its arrival, its client and its version."""

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
"""The role in which a version answers a request."""

Client: TypeAlias = tuple[str, int] | None
"""The address and port of a client; None where they are not known."""


class RequestFacts(msgspec.Struct, eq=False):
    """Facts about a request beside its rows."""

    id: str
    started: float  # when it came, on the monotonic clock, in seconds
    client: Client = None
    # status of the response where rows are refused; 200 where the others are scored all the same
    refused: int = 422
    scorer: Scorer | None = None  # the version that answers it; None before that is decided
    role: Role = "live"


class RequestIds:
    """Ids of requests: the clients' own, or else consecutive ones with a random prefix."""

    def __init__(self) -> None:
        self._prefix = secrets.token_hex(6)
        self._numbers = count(1)

    def of(self, headers: Iterable[tuple[bytes, bytes]]) -> str:
        """The id of a request: its header `x-request-id`, if that is 1 to 128 printable characters.

        Names of headers are in lower case.
        """
        for name, value in headers:
            if name == ID_HEADER and _ID.fullmatch(value):
                return value.decode("ascii")
        return self.next()

    def next(self) -> str:
        """An id that no other request has."""
        return f"{self._prefix}-{next(self._numbers):x}"

    def ask(self) -> RequestFacts:
        """A request that comes now."""
        return RequestFacts(self.next(), monotonic())
