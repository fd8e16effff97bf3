"""What a pipeline declares of its server."""

from __future__ import annotations

from dataclasses import dataclass, field

from lockstep.columns.errors import DeclarationError
from lockstep.columns.plain import show
from lockstep.serving.requestlog.settings import RequestLog


@dataclass(frozen=True)
class Serving:
    """That a pipeline has a server, and how it serves.

    Attributes:
        log: How requests are logged; None where they are not.
    """

    log: RequestLog | None = field(default_factory=RequestLog)

    def __post_init__(self) -> None:
        if self.log is not None and not isinstance(self.log, RequestLog):
            raise DeclarationError(
                f"Serving: log is {show(self.log)}; give a RequestLog(...), or None for no log."
            )
