"""Limits: how much a server takes at once, and for how long."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class RequestLimits:
    """How much a server takes at once, and for how long.

    Attributes:
        body_bytes: Bytes of a body, at most.
        all_bodies_bytes: Bytes of all bodies that have arrived in part, at most.
        request_rows: Rows of a request, at most.
        traced_rows: Rows of a request that asks for their trace, at most.
        longest_text: Characters of a text, at most; no body up to `inline_bytes` has more.
        read_seconds: Seconds that a body may take to arrive.
        inline_bytes: Bytes up to which a body is parsed in the loop's own thread.
        waiting_rows: Rows that may wait; a request that would exceed them is refused.
        batch_rows: Rows of requests that are computed together, at most; a larger request is
            computed by itself.
        inline_rows: Rows up to which a batch is computed in the loop's own thread; a larger one
            has a thread of its own, so that other requests are answered meanwhile.
        seconds: Seconds within which a request is answered; one that cannot be is refused by then.
        shadow_rows: Rows that may wait for the challenger; further ones are dropped.
        pinned_versions: Versions that are loaded for requests by number, at most.
    """

    body_bytes: int = 10 * 2**20
    all_bodies_bytes: int = 256 * 2**20
    request_rows: int = 10_000
    traced_rows: int = 10
    longest_text: int = 64 * 1024
    read_seconds: float = 10.0
    inline_bytes: int = 64 * 1024
    waiting_rows: int = 20_000
    batch_rows: int = 256
    inline_rows: int = 256
    seconds: float = 10.0
    shadow_rows: int = 5_000
    pinned_versions: int = 3
