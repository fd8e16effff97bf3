"""The declaration of a canary: a version that answers a share of the requests."""

from __future__ import annotations

from dataclasses import dataclass
from hashlib import blake2b
from typing import Any, Literal

from lockstep.columns.plain import show
from lockstep.errors import DeclarationError


@dataclass(frozen=True)
class Canary:
    """A version that answers a share of the requests, to see how it does.

    Attributes:
        version: Its number, or `"challenger"` for the version that `@challenger` points to. It
            answers only if it has passed the gate.
        share: Share of the requests that it answers, by the digest of their ids: the same id gets
            the same version. Requests that ask for a version are not shared out.
    """

    version: int | Literal["challenger"] = "challenger"
    share: float = 0.05

    def __post_init__(self) -> None:
        version: Any = self.version
        is_number = isinstance(version, int) and not isinstance(version, bool) and version > 0
        if version != "challenger" and not is_number:
            raise DeclarationError(
                f"Canary: version is {show(version)}; give a version's number, such as 3, or "
                "'challenger'."
            )
        share: Any = self.share
        if isinstance(share, bool) or not isinstance(share, int | float) or not 0 < share <= 1:
            raise DeclarationError(
                f"Canary: share is {show(share)}; give a share above 0 and up to 1."
            )

    def takes(self, request_id: str) -> bool:
        """Whether the canary answers the request with an id."""
        # The log's share has another digest: by the same one, all of the share is logged or none.
        digest = blake2b(request_id.encode(), digest_size=8, person=b"canary").digest()
        return int.from_bytes(digest, "little") < self.share * 2**64
