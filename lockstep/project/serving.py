"""Serving: a pipeline's settings of its server."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from lockstep.columns.plain import show
from lockstep.errors import DeclarationError
from lockstep.project.keywords import known_keywords
from lockstep.serving.requestlog.settings import RequestLog
from lockstep.serving.versions.canary import Canary


@known_keywords
@dataclass(frozen=True)
class Serving:
    """The settings of a pipeline's server.

    Attributes:
        log: How requests are logged; None for no log.
        cached_rows: Number of rows whose outputs each process caches; 0 for none.
        registry_seconds: Seconds between looks in the registry for a challenger and for other
            versions that have passed the gate; None for never: the live version serves alone.
        canary: Another version that answers a share of the requests; None for none.
        compat: Whether the server is as lenient as MLflow's, with its statuses, as `lockstep serve
            --compat` makes it.
    """

    log: RequestLog | None = field(default_factory=RequestLog)
    cached_rows: int = 0
    registry_seconds: float | None = 5.0
    canary: Canary | None = None
    compat: bool = False

    def __post_init__(self) -> None:
        if self.log is not None and not isinstance(self.log, RequestLog):
            raise DeclarationError(
                f"Serving: log is {show(self.log)}; give a RequestLog(...), or None for no log."
            )
        rows: Any = self.cached_rows
        if not isinstance(rows, int) or isinstance(rows, bool) or rows < 0:
            raise DeclarationError(
                f"Serving: cached_rows is {show(rows)}; give a number of rows, such as 10_000, or "
                "0 for no cache."
            )
        seconds: Any = self.registry_seconds
        is_number = isinstance(seconds, int | float) and not isinstance(seconds, bool)
        if seconds is not None and not (is_number and seconds > 0):
            raise DeclarationError(
                f"Serving: registry_seconds is {show(seconds)}; give seconds, such as 5.0, or None."
            )
        compat: Any = self.compat
        if not isinstance(compat, bool):
            raise DeclarationError(f"Serving: compat is {show(compat)}; give True or False.")
        if self.canary is not None and not isinstance(self.canary, Canary):
            raise DeclarationError(
                f"Serving: canary is {show(self.canary)}; give a Canary(3, share=0.05), or None."
            )
        if self.canary is not None and seconds is None:
            raise DeclarationError(
                "Serving: a canary is found by asking the registry; give registry_seconds, too."
            )
