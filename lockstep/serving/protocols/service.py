"""The service of a pipeline, which answers behind every protocol."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Collection
from pathlib import Path
from typing import Any

from lockstep.errors import NotReadyError
from lockstep.serving.metrics import Metrics
from lockstep.serving.protocols.bodies import Bodies
from lockstep.serving.requestlog.log import Log
from lockstep.serving.shadow.challenger_comparison import ComparedRows, Examples
from lockstep.serving.shadow.shadow import Shadow, Standing
from lockstep.serving.traffic import Traffic
from lockstep.serving.versions.asked import RequestFacts, RequestIds
from lockstep.serving.versions.batching import MicroBatches
from lockstep.serving.versions.canary import Canary
from lockstep.serving.versions.canary_version import CanaryVersion
from lockstep.serving.versions.request_limits import RequestLimits
from lockstep.serving.versions.request_scorer import Scorer
from lockstep.serving.versions.scorers import Scorers
from lockstep.serving.versions.served_tables import ServedTables
from lockstep.serving.versions.served_versions import Versions

_logger = logging.getLogger(__name__)


class Service:
    """The versions of a pipeline and the requests that wait for them.

    Not strict, it has the rules and the status codes of MLflow's scoring server, where the meaning
    of a request is certain; strict, undeclared fields are refused, and refused rows get status 422.
    """

    def __init__(
        self,
        pipeline: str,
        pointer: Path,  # the file that says which version is live
        limits: RequestLimits | None = None,
        *,
        listing: Path | None = None,  # the file that lists which other versions may be used
        canary: Canary | None = None,
        strict: bool = True,
        cached_rows: int = 0,  # rows whose outputs a version keeps
        log: Log | None = None,
        tables: ServedTables | None = None,
    ) -> None:
        self.pipeline, self.limits = pipeline, limits or RequestLimits()
        self.strict, self.log, self.tables = strict, log, tables
        self.ids = RequestIds()
        self.metrics, self.traffic = Metrics(pipeline), Traffic()
        self.bodies = Bodies(self.limits)
        record = log.record if log is not None else None
        if log is not None:
            log.on_tick.append(self.metrics.logged)
        self.batches = MicroBatches(self.limits, record, self.metrics.computed)
        scorers = Scorers(strict=strict, cached_rows=cached_rows, tables=tables)
        scorers.on_load.append(self.metrics.follow_cache)
        self.versions = Versions(pointer, scorers, listing, self.limits, canary)
        self.shadow = Shadow(
            self.batches,
            self.limits.shadow_rows,
            self._compared,
            self.metrics.shadow_dropped,
            tables,
        )
        self._examples = Examples(log.settings if log is not None else None)
        # about to stop: it says that it is not ready, so that no more requests come, and answers
        # those that come nevertheless
        self.is_draining = False

    def measure(self) -> None:
        """Bring the metrics up to date."""
        self.metrics.look(self.batches, self.versions, self.log)

    @property
    def hidden(self) -> Collection[str]:
        """The columns that the log drops or hashes: their values are shown to nobody."""
        return self.log.settings.redacted if self.log is not None else ()

    async def follow(self, seconds: float) -> None:
        """Load and unload versions as the files say, for as long as the server runs."""
        while True:
            try:
                await self.look()
            except Exception:
                _logger.exception("the files of versions cannot be followed; it is tried again")
            await asyncio.sleep(seconds)

    async def look(self) -> None:
        """Load and unload versions as the files say now, and read what was delivered."""
        versions = self.versions
        if self.tables is not None:
            await self.tables.look()
        await versions.look()
        await versions.look_beside()
        await self.shadow.look(versions.listed, versions.scorer)

    def _compared(self, live: Scorer, challenger: int, compared: ComparedRows) -> None:
        self.metrics.shadow_compared(challenger, compared)
        for example in compared.examples:
            self._examples.tell(live.loaded, challenger, example)

    @property
    def is_ready(self) -> bool:
        """Whether requests are answered, and the server goes on."""
        is_refusing = self.log is not None and self.log.is_refusing
        return self.versions.scorer is not None and not is_refusing and not self.is_draining

    def claim(self, asked: RequestFacts) -> Scorer:
        """The version for a request; it stays loaded until the request releases it."""
        scorer, asked.role = self.demand_scorer(), "live"
        canary = self.versions.canary_of(asked.id)
        if canary is not None:
            scorer, asked.role = canary, "canary"
        scorer.lease.hold()
        asked.scorer = scorer
        return scorer

    def claim_live(self, asked: RequestFacts) -> Scorer:
        """The live version, for a request that is not shared out; it stays loaded, too."""
        asked.scorer = scorer = self.demand_scorer()
        scorer.lease.hold()
        return scorer

    async def claim_version(self, asked: RequestFacts, version: int) -> Scorer:
        """The version that a request asks for by number; it stays loaded until it is released.

        Raises UnknownError where it has not passed the gate, or is not known; NotReadyError where
        it is not loaded in time, or there is no room for it.
        """
        scorer, asked.role = await self.versions.acquire(version), "pinned"
        asked.scorer = scorer
        return scorer

    def drain(self) -> None:
        """Say from now on that the server is not ready, as it is about to stop."""
        self.is_draining = True

    def demand_scorer(self) -> Scorer:
        """The version that serves; raises NotReadyError where none does."""
        scorer = self.versions.scorer
        if scorer is None:
            refusal = self.versions.refusal
            why = f": {refusal.reason}" if refusal is not None else " yet"
            raise NotReadyError(f"No version serves{why}")
        return scorer


def readiness(service: Service) -> dict[str, Any]:
    """Whether requests are answered, and the state of each version."""
    versions = service.versions
    scorer = versions.scorer
    return {
        "ready": service.is_ready,
        "version": scorer.loaded.version if scorer is not None else None,
        "refused": versions.refusal,
        "versions": versions.numbers,
        "canary": _canary(versions.canary),
        "challenger": _challenger(service.shadow.standing),
        "pinned_refused": versions.pins.refusals,
        "registry": versions.registry_trouble,
        "tables": _tables(scorer),
        "log": _log(service.log),
        "draining": service.is_draining,
    }


def _tables(scorer: Scorer | None) -> dict[str, Any]:
    """The state of each table that the live version reads."""
    read = scorer.tables.tables if scorer is not None and scorer.tables is not None else {}
    return {
        name: {"version": table.rows.version, "rows": len(table.rows), "trouble": table.trouble}
        for name, table in read.items()
    }


def _log(log: Log | None) -> dict[str, Any] | None:
    """The state of the request log; None where there is none."""
    if log is None:
        return None
    return {
        "failing": log.failing,
        "when_full": log.settings.when_full,
        "overdue": log.overdue,
        "lost": log.counts.lost,
    }


def _canary(canary: CanaryVersion | None) -> dict[str, Any] | None:
    if canary is None:
        return None
    version = canary.scorer.loaded.version if canary.scorer is not None else None
    return {"version": version, "share": canary.declared.share, "refused": canary.refusal}


def _challenger(standing: Standing) -> dict[str, Any] | None:
    if standing.version is None:
        return None
    return {
        "version": standing.version,
        "reason": standing.reason,
        "rows": standing.rows,
        "differing": standing.differing,
    }
