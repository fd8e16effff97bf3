"""Limits: how much a server takes at once, and for how long."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class RequestLimits:
    """How much a server takes at once, and for how long."""

    body_bytes: int = 10 * 2**20
    all_bodies_bytes: int = 256 * 2**20  # of all bodies that have arrived in part
    request_rows: int = 10_000
    traced_rows: int = 10  # rows of a request that asks for their trace
    longest_text: int = 64 * 1024  # in characters; no body up to `inline_bytes` has more
    read_seconds: float = 10.0  # how long a body may take to arrive
    inline_bytes: int = 64 * 1024  # up to these a body is parsed in the loop's own thread
    waiting_rows: int = 20_000  # a request that would exceed them is refused
    batch_rows: int = 256  # computed together; a larger request is computed by itself
    # up to these a batch is computed in the loop's own thread; a larger one has a thread of its
    # own, so that other requests are answered meanwhile
    inline_rows: int = 256
    seconds: float = 10.0  # a request is answered within these, or refused by then
    shadow_rows: int = 5_000  # rows that may wait for the challenger; further ones are dropped
    pinned_versions: int = 3  # versions that are loaded for requests by number
