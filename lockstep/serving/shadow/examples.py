"""Examples: rows at which the challenger differs, as far as the log may tell of them."""

from __future__ import annotations

import logging
from collections.abc import Callable
from time import monotonic
from typing import Any

import numpy as np

from lockstep.artifacts.version import LoadedVersion
from lockstep.serving.requestlog.redaction import keyed_hashes, log_key
from lockstep.serving.requestlog.settings import RequestLog
from lockstep.serving.shadow.comparison import Example

MOST = 10
"""Examples that are told in a minute."""
_SECONDS = 60.0

log = logging.getLogger(__name__)


class Examples:
    """Tells of rows that differ, a few a minute, without what the request log does not hold.

    Args:
        settings: What is logged of requests: outputs that it redacts are not told, and a key that
            it hashes is told as a hash. Without a log, no key is.
        clock: The time in seconds.
    """

    def __init__(self, settings: RequestLog | None, clock: Callable[[], float] = monotonic) -> None:
        self._settings, self._clock = settings, clock
        self._redacted = settings.redacted if settings is not None else {}
        self._since, self._told = clock(), 0

    def tell(self, live: LoadedVersion, challenger: int, example: Example) -> None:
        """Tell of a row, unless enough were told lately.

        Args:
            live: The version that answered.
            challenger: Number of the one that differs.
            example: The row.
        """
        now = self._clock()
        if now - self._since >= _SECONDS:
            self._since, self._told = now, 0
        outputs = {
            name: {"live": answered, "challenger": computed}
            for name, (answered, computed) in example.outputs.items()
            if name not in self._redacted
        }
        if self._told == MOST or not outputs:
            return
        self._told += 1
        key = self._shown_key(live.pipeline.key, example.key)
        facts = {"request_id": example.request, **key, "outputs": outputs}
        log.info(
            "the challenger, version %s, differs from version %s",
            challenger,
            live.version,
            extra={"facts": facts},
        )

    def _shown_key(self, name: str, key: Any) -> dict[str, Any]:
        if self._settings is None or self._redacted.get(name) == "dropped":
            return {}
        if self._redacted.get(name) == "hashed":
            return {name: keyed_hashes(log_key())(np.array([key], dtype=object))[0]}
        return {name: key}
