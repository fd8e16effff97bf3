"""The service: what answers behind every protocol."""

from __future__ import annotations

from pathlib import Path

from lockstep.serving.asked import RequestIds
from lockstep.serving.batching import MicroBatches
from lockstep.serving.errors import NotReadyError
from lockstep.serving.limits import Limits
from lockstep.serving.metrics import Metrics
from lockstep.serving.reading import Bodies
from lockstep.serving.requestlog.log import Log
from lockstep.serving.scorer import Scorer
from lockstep.serving.versions import Versions


class ServiceEndpoint:
    """What answers at a path.

    Args:
        service: The service behind it.
    """

    def __init__(self, service: Service) -> None:
        self._service = service


class Service:
    """The versions of a pipeline and the requests that wait for them.

    Args:
        pipeline: Name of the pipeline.
        pointer: The file that says which version of it is live.
        limits: How much is taken at once.
        strict: Whether what is not declared is refused, and rows that are refused get status 422;
            otherwise the rules and the status codes are those of MLflow's scoring server, where
            the meaning of a request is certain.
        cached_rows: How many rows a version keeps the outputs of; 0 for none.
        log: Where requests are written down before they are answered; None where they are not.

    Attributes:
        pipeline: Name of the pipeline.
        limits: How much is taken at once.
        metrics: What is counted.
        bodies: The bodies that are being read.
        versions: The version that serves, kept up with the file.
        batches: The requests that wait.
        ids: Ids of requests.
        log: Where they are written down.
        is_draining: Whether the server is stopping: it answers what it has, and takes no more.
    """

    def __init__(
        self,
        pipeline: str,
        pointer: Path,
        limits: Limits | None = None,
        *,
        strict: bool = True,
        cached_rows: int = 0,
        log: Log | None = None,
    ) -> None:
        self.pipeline = pipeline
        self.limits = limits or Limits()
        self.ids, self.log = RequestIds(), log
        self.strict = strict
        self.metrics = Metrics(pipeline)
        self.bodies = Bodies(self.limits)
        record = log.record if log is not None else None
        if log is not None:
            log.on_tick.append(self.metrics.logged)
        self.batches = MicroBatches(self.limits, record, self.metrics.computed)
        self.versions = Versions(pointer, self.batches, strict=strict, cached_rows=cached_rows)
        self.versions.on_swap.append(self.metrics.follow_cache)
        self.is_draining = False

    @property
    def is_ready(self) -> bool:
        """Whether requests are answered."""
        return self.versions.scorer is not None and not self.is_draining

    def demand_scorer(self) -> Scorer:
        """The version that serves.

        Raises:
            NotReadyError: There is none, or the server is stopping.
        """
        scorer = self.versions.scorer
        if self.is_draining:
            raise NotReadyError("The server is stopping.")
        if scorer is None:
            refusal = self.versions.refusal
            why = f": {refusal.reason}" if refusal is not None else " yet"
            raise NotReadyError(f"No version serves{why}")
        return scorer
