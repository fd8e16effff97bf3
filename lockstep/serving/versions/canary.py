"""The declaration of a canary: a version that answers a share of the requests."""

from __future__ import annotations

from dataclasses import dataclass
from hashlib import blake2b
from typing import Annotated, Literal

from lockstep.columns.setting_checks import Allowed, declaration


@declaration
@dataclass(frozen=True)
class Canary:
    """A version that answers a share of the requests, to see how it does.

    Attributes:
        version: Its number, or `"challenger"` for the version that `@challenger` points to. It
            answers only if it has passed the gate.
        share: Share of the requests that it answers, by the digest of their ids: the same id gets
            the same version. Requests that ask for a version are not shared out.
    """

    version: Annotated[int, Allowed(least=1)] | Literal["challenger"] = "challenger"
    share: Annotated[float, Allowed(above=0, most=1)] = 0.05

    def takes(self, request_id: str) -> bool:
        """Whether the canary answers the request with an id."""
        # The log's share has another digest: by the same one, all of the share is logged or none.
        digest = blake2b(request_id.encode(), digest_size=8, person=b"canary").digest()
        return int.from_bytes(digest, "little") < self.share * 2**64
