"""Settings of a pipeline's request log."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any, Literal, get_args

from lockstep.columns.setting_checks import demand_setting, is_list, is_number, is_whole
from lockstep.errors import DeclarationError

Flush = Literal["never", "segment", "interval", "always"]
WhenFull = Literal["refuse", "serve"]
Redaction = Literal["dropped", "hashed"]


@dataclass(frozen=True)
class RequestLog:
    """How the requests that a version answers are logged.

    Attributes:
        share: Share of the requests that are logged, by the digest of their ids: the same id is
            always in, or always out.
        drop: Fields and outputs that are not logged.
        hash: Fields and outputs that are logged as keyed hashes, so that equal values can be told
            without being known; `LOCKSTEP_LOG_KEY` holds the key.
        flush: When the log is forced to disk: `"always"` before each response, `"interval"` once a
            second, `"segment"` when a segment is sealed, `"never"` when the system does so by
            itself. A process that is killed loses nothing; a power failure loses what was not
            forced.
        when_full: What happens to requests that cannot be logged, since the disk is full or fails:
            `"refuse"` answers 503, `"serve"` answers them unlogged.
        segment_bytes: Size at which a segment is sealed.
        segment_age: Age at which a segment is sealed.
        keep: How long sealed segments are kept; None for good. One that was not replayed is kept
            for longer, as far as `keep_bytes` has room.
        keep_bytes: Bytes that sealed segments may take together, the oldest going first, also if
            they were not replayed; None for any number.
    """

    share: float = 1.0
    drop: Sequence[str] = ()
    hash: Sequence[str] = ()
    flush: Flush = "segment"
    when_full: WhenFull = "refuse"
    segment_bytes: int = 64 * 2**20
    segment_age: timedelta = field(default=timedelta(hours=1))
    keep: timedelta | None = field(default=timedelta(days=30))
    keep_bytes: int | None = 10 * 2**30

    def __post_init__(self) -> None:
        share = self.share
        _demand(is_number(share) and 0 < share <= 1, "share", share, _SHARE)
        for name in ("drop", "hash"):
            given = getattr(self, name)
            _demand(is_list(given, str), name, given, "names of columns, such as ['customer']")
        both = sorted({*self.drop} & {*self.hash})
        if both:
            raise DeclarationError(f"RequestLog: {both[0]!r} is both dropped and hashed; say one.")
        for name, kinds in (("flush", Flush), ("when_full", WhenFull)):
            given, known = getattr(self, name), get_args(kinds)
            _demand(given in known, name, given, "one of " + ", ".join(map(repr, known)))
        for name in ("segment_age", "keep"):
            given = getattr(self, name)
            is_time = isinstance(given, timedelta) and given > timedelta(0)
            is_left_out = name == "keep" and given is None
            _demand(is_time or is_left_out, name, given, "a timedelta, such as timedelta(days=7)")
        for name in ("segment_bytes", "keep_bytes"):
            given = getattr(self, name)
            is_size = is_whole(given, 1) or (name == "keep_bytes" and given is None)
            _demand(is_size, name, given, "a number of bytes, such as 64 * 2**20")

    @property
    def redacted(self) -> dict[str, Redaction]:
        """Each redacted column, and whether it is dropped or hashed."""
        dropped: dict[str, Redaction] = dict.fromkeys(self.drop, "dropped")
        hashed: dict[str, Redaction] = dict.fromkeys(self.hash, "hashed")
        return dropped | hashed


_SHARE = "a share above 0 and up to 1; for no log at all, Serving(log=None)"


def _demand(is_right: bool, name: str, given: Any, meant: str) -> None:
    demand_setting(is_right, f"RequestLog: {name}", given, meant)
