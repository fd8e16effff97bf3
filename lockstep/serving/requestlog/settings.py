"""Settings of a pipeline's request log."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Annotated, Literal, TypeAlias

from lockstep.columns.setting_checks import Allowed, declaration
from lockstep.errors import DeclarationError

Flush = Literal["never", "segment", "interval", "always"]
WhenFull = Literal["refuse", "serve"]
Redaction = Literal["dropped", "hashed"]
Span: TypeAlias = Annotated[
    timedelta, Allowed(above=timedelta(), meant="a timedelta, such as timedelta(days=7)")
]
Bytes: TypeAlias = Annotated[int, Allowed(least=1, meant="a number of bytes, such as 64 * 2**20")]
LoggedShare: TypeAlias = Annotated[
    float,
    Allowed(
        above=0, most=1, meant="a share above 0 and up to 1; for no log at all, Serving(log=None)"
    ),
]


@declaration
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

    share: LoggedShare = 1.0
    drop: Sequence[str] = ()
    hash: Sequence[str] = ()
    flush: Flush = "segment"
    when_full: WhenFull = "refuse"
    segment_bytes: Bytes = 64 * 2**20
    segment_age: Span = field(default=timedelta(hours=1))
    keep: Span | None = field(default=timedelta(days=30))
    keep_bytes: Bytes | None = 10 * 2**30

    def __post_init__(self) -> None:
        both = sorted({*self.drop} & {*self.hash})
        if both:
            raise DeclarationError(f"RequestLog: {both[0]!r} is both dropped and hashed; say one.")

    @property
    def redacted(self) -> dict[str, Redaction]:
        """Each redacted column, and whether it is dropped or hashed."""
        dropped: dict[str, Redaction] = dict.fromkeys(self.drop, "dropped")
        hashed: dict[str, Redaction] = dict.fromkeys(self.hash, "hashed")
        return dropped | hashed
