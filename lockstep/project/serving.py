"""Serving: a pipeline's settings of its server."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Annotated

from lockstep.columns.setting_checks import Allowed, declaration
from lockstep.errors import DeclarationError
from lockstep.serving.requestlog.settings import RequestLog
from lockstep.serving.versions.canary import Canary


@declaration
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
    cached_rows: Annotated[int, Allowed(least=0)] = 0
    registry_seconds: Annotated[float, Allowed(above=0)] | None = 5.0
    canary: Canary | None = None
    compat: bool = False

    def __post_init__(self) -> None:
        if self.canary is not None and self.registry_seconds is None:
            raise DeclarationError(
                "Serving: a canary is found by asking the registry; give registry_seconds, too."
            )
