"""The declaration of a canary: a version that answers a share of the requests."""

from __future__ import annotations

from dataclasses import dataclass
from hashlib import blake2b
from typing import Literal

from lockstep.columns.setting_checks import demand_setting, is_number, is_whole


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
        is_version = self.version == "challenger" or is_whole(self.version, 1)
        meant = "a version's number, such as 3, or 'challenger'"
        demand_setting(is_version, "Canary: version", self.version, meant)
        is_share = is_number(self.share) and 0 < self.share <= 1
        demand_setting(is_share, "Canary: share", self.share, "a share above 0 and up to 1")

    def takes(self, request_id: str) -> bool:
        """Whether the canary answers the request with an id."""
        # The log's share has another digest: by the same one, all of the share is logged or none.
        digest = blake2b(request_id.encode(), digest_size=8, person=b"canary").digest()
        return int.from_bytes(digest, "little") < self.share * 2**64
