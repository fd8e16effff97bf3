"""Serving: a pipeline's settings of its server."""

from __future__ import annotations

from dataclasses import dataclass, field

from lockstep.columns.setting_checks import demand_setting, is_number, is_whole, known_keywords
from lockstep.errors import DeclarationError
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
        log, seconds = self.log, self.registry_seconds
        checked = {
            "log": (
                log is None or isinstance(log, RequestLog),
                "a RequestLog(...), or None for no log",
            ),
            "cached_rows": (
                is_whole(self.cached_rows, 0),
                "a number of rows, such as 10_000, or 0 for no cache",
            ),
            "registry_seconds": (
                seconds is None or (is_number(seconds) and seconds > 0),
                "seconds, such as 5.0, or None",
            ),
            "compat": (isinstance(self.compat, bool), "True or False"),
            "canary": (
                self.canary is None or isinstance(self.canary, Canary),
                "a Canary(3, share=0.05), or None",
            ),
        }
        for name, (is_right, meant) in checked.items():
            demand_setting(is_right, f"Serving: {name}", getattr(self, name), meant)
        if self.canary is not None and seconds is None:
            raise DeclarationError(
                "Serving: a canary is found by asking the registry; give registry_seconds, too."
            )
