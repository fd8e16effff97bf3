"""Metrics: what a server tells Prometheus."""

from __future__ import annotations

import os
import shutil
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from tempfile import TemporaryDirectory
from threading import Lock
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from lockstep.serving.requestlog.log import Counts, Log
    from lockstep.serving.shadow.challenger_comparison import ComparedRows
    from lockstep.serving.versions.batching import MicroBatches
    from lockstep.serving.versions.request_scorer import Scorer
    from lockstep.serving.versions.served_versions import Versions

CONTENT_TYPE = b"text/plain; version=0.0.4; charset=utf-8"
_SECONDS = (0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0)
_ROWS = (1, 2, 4, 8, 16, 32, 64, 128, 256, 1_000, 10_000)
_TOGETHER = "PROMETHEUS_MULTIPROC_DIR"
"""The environment variable by which Prometheus' client knows the folder of all processes."""
_PREFIX = "lockstep-metrics-"


@contextmanager
def counted_together() -> Iterator[None]:
    """Have processes that are started meanwhile answer for all, in a folder that they share.

    A folder that the environment names is used, and kept.
    """
    if _TOGETHER in os.environ:
        yield
        return
    with TemporaryDirectory(prefix=_PREFIX) as folder:
        os.environ[_TOGETHER] = folder
        try:
            yield
        finally:
            del os.environ[_TOGETHER]


def forget_all() -> None:
    """Remove the folder that processes share, which the one that made it no longer can."""
    folder = Path(os.environ.get(_TOGETHER, ""))
    if folder.name.startswith(_PREFIX):
        shutil.rmtree(folder, ignore_errors=True)  # the others do so too


def forget_the_dead() -> None:
    """Leave what rows waited in processes that are gone out of the sums of those that are not."""
    from prometheus_client.multiprocess import mark_process_dead

    if _TOGETHER not in os.environ:
        return
    for path in Path(os.environ[_TOGETHER]).glob("gauge_live*_*.db"):
        process = int(path.stem.rpartition("_")[2])
        try:
            os.kill(process, 0)
        except ProcessLookupError:
            mark_process_dead(process)  # type: ignore[no-untyped-call]


class Metrics:
    """The counters of one process.

    Where several worker processes share a port, each answers only some of the scrapes: what all of
    them keep in one folder is added up (`counted_together`).

    Args:
        pipeline: Name of the pipeline, a label of every metric.
    """

    def __init__(self, pipeline: str) -> None:
        from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

        self._registry = CollectorRegistry()
        told: dict[str, Any] = {"registry": self._registry, "namespace": "lockstep"}
        self._pipeline = pipeline
        self._requests = Counter(
            "requests", "Requests by route and status.", ["pipeline", "route", "status"], **told
        )
        self._seconds = Histogram(
            "request_seconds",
            "From the first byte of a request to the last of its response, in seconds.",
            ["pipeline", "route"],
            buckets=_SECONDS,
            **told,
        )
        self._version_seconds = Histogram(
            "version_request_seconds",
            "What requests took until they were answered, in seconds, by the version that answered "
            "and whether it did as the live one, as the canary, or since they asked for it.",
            ["pipeline", "version", "role", "status"],
            buckets=_SECONDS,
            **told,
        )
        self._batch_rows = Histogram(
            "batch_rows",
            "Rows that were computed together.",
            ["pipeline"],
            buckets=_ROWS,
            **told,
        )
        gauge: dict[str, Any] = {**told, "multiprocess_mode": "livemostrecent"}
        self._waiting = Gauge(
            "waiting_rows",
            "Rows that wait.",
            ["pipeline"],
            **{**gauge, "multiprocess_mode": "livesum"},
        )
        self._version = Gauge("version", "The version that serves.", ["pipeline"], **gauge)
        self._loaded = Gauge("versions_loaded", "Versions that are loaded.", ["pipeline"], **gauge)
        self._listed_at = Gauge(
            "registry_read_timestamp_seconds",
            "When the registry was read last, to learn which other versions may be used.",
            ["pipeline"],
            **gauge,
        )
        self._registry_failing = Gauge(
            "registry_failing",
            "1 while the registry cannot be read; what it told last holds.",
            ["pipeline"],
            **gauge,
        )
        self._compiled = Gauge(
            "compiled_models",
            "Models that are served compiled, found equal to scikit-learn in this process.",
            ["pipeline"],
            **gauge,
        )
        self._refused = Gauge(
            "version_refused",
            "1 while the version that is live is refused here, and another one or none serves.",
            ["pipeline"],
            **gauge,
        )
        self._cached = Counter(
            "cache_rows",
            "Rows that were looked up in the cache of outputs, by `outcome`: `known` ones were not "
            "computed again.",
            ["pipeline", "outcome"],
            **told,
        )
        self._log = Counter(
            "request_log",
            "What became of requests, bytes and segments of the request log: requests `logged`, "
            "`left_out` by the share that is, `unlogged` or `refused` where it cannot be written.",
            ["pipeline", "outcome"],
            **told,
        )
        self._log_failing = Gauge(
            "request_log_failing",
            "1 while the request log cannot be written; `when_full` says what happens to requests.",
            ["pipeline", "when_full"],
            **{**gauge, "multiprocess_mode": "livemax"},
        )
        self._shadow = Counter(
            "shadow_rows",
            "Rows that the challenger was to score too, by `outcome`: `compared`, `refused` by its "
            "row rules, `failed`, or `dropped` since too many waited.",
            ["pipeline", "version", "outcome"],
            **told,
        )
        self._shadow_differing = Counter(
            "shadow_differing_rows",
            "Rows of which the challenger's output differs by more than it declares as exact.",
            ["pipeline", "version", "output"],
            **told,
        )
        self._shadow_difference = Counter(
            "shadow_difference",
            "The sum of the absolute differences of an output; by the rows that were compared, it "
            "is their mean.",
            ["pipeline", "version", "output"],
            **told,
        )
        self._shadow_largest = Gauge(
            "shadow_largest_difference",
            "The largest absolute difference of an output.",
            ["pipeline", "version", "output"],
            **{**gauge, "multiprocess_mode": "livemax"},
        )
        self._shadow_seconds = Histogram(
            "shadow_seconds",
            "What the challenger took for rows that were handed over together, in seconds.",
            ["pipeline", "version"],
            buckets=_SECONDS,
            **told,
        )
        self._largest: dict[tuple[int, str], float] = defaultdict(float)
        self._logged: dict[str, int] = defaultdict(int)
        self._lock = Lock()
        self._children: dict[tuple[str, int], Any] = {}
        self._timers: dict[str, Any] = {}
        self._by_version: dict[tuple[int, str, int], Any] = {}
        self._batches = self._batch_rows.labels(pipeline)

    def answered(self, route: str, status: int, seconds: float) -> None:
        """Count a request.

        Args:
            route: The route that answered, not the path that was asked for: there are few.
            status: The status of the response.
            seconds: What it took.
        """
        counter = self._children.get((route, status))
        if counter is None:
            counter = self._requests.labels(self._pipeline, route, str(status))
            self._children[(route, status)] = counter
            self._timers.setdefault(route, self._seconds.labels(self._pipeline, route))
        counter.inc()
        self._timers[route].observe(seconds)

    def answered_by(self, version: int, role: str, status: int, seconds: float) -> None:
        """Count a request that a version answered.

        Args:
            version: Its number.
            role: What it answered as.
            status: The status of the response.
            seconds: What it took.
        """
        timer = self._by_version.get((version, role, status))
        if timer is None:
            labels = (self._pipeline, str(version), role, str(status))
            timer = self._by_version[version, role, status] = self._version_seconds.labels(*labels)
        timer.observe(seconds)

    def shadow_compared(self, version: int, found: ComparedRows) -> None:
        """Count rows that the challenger scored.

        Args:
            version: Its number.
            found: What came of them.
        """
        whose = (self._pipeline, str(version))
        for outcome in ("compared", "refused", "failed"):
            number = found.rows if outcome == "compared" else getattr(found, outcome)
            self._shadow.labels(*whose, outcome).inc(number)
        self._shadow_seconds.labels(*whose).observe(found.seconds)
        for output, one in found.outputs.items():
            self._shadow_differing.labels(*whose, output).inc(one.differing)
            self._shadow_difference.labels(*whose, output).inc(one.total)
            largest = max(self._largest[version, output], one.largest)
            self._largest[version, output] = largest
            self._shadow_largest.labels(*whose, output).set(largest)

    def shadow_dropped(self, version: int, rows: int) -> None:
        """Count rows that the challenger does not score, since too many wait for it."""
        self._shadow.labels(self._pipeline, str(version), "dropped").inc(rows)

    def computed(self, rows: int) -> None:
        """Count a micro-batch."""
        self._batches.observe(rows)

    def follow_cache(self, scorer: Scorer) -> None:
        """Count what is looked up in the cache of a version, if it has one."""
        if scorer.cache is not None:
            known = self._cached.labels(self._pipeline, "known")
            unknown = self._cached.labels(self._pipeline, "computed")

            def looked_up(found: int, lacking: int) -> None:
                known.inc(found)
                unknown.inc(lacking)

            scorer.cache.looked_up.append(looked_up)

    def logged(self, counts: Counts) -> None:
        """Count what became of requests, bytes and segments of the request log since the last time.

        It is not called for every request, which would cost as much as writing it down.
        """
        with self._lock:
            for outcome, number in asdict(counts).items():
                self._log.labels(self._pipeline, outcome).inc(number - self._logged[outcome])
                self._logged[outcome] = number

    def look(self, batches: MicroBatches, versions: Versions, log: Log | None = None) -> None:
        """Tell how things stand in this process now.

        Args:
            batches: What waits.
            versions: What serves.
            log: Where requests are logged; None where they are not.
        """
        scorer = versions.scorer
        name = self._pipeline
        self._waiting.labels(name).set(batches.waiting_rows)
        self._version.labels(name).set(scorer.loaded.version if scorer is not None else 0)
        self._compiled.labels(name).set(len(scorer.compiled.models) if scorer is not None else 0)
        self._refused.labels(name).set(versions.refusal is not None)
        self._loaded.labels(name).set(len(versions.scorers.loaded))
        if versions.listed is not None:
            self._listed_at.labels(name).set(versions.listed.looked_at.timestamp())
            self._registry_failing.labels(name).set(versions.registry_trouble is not None)
        if log is not None:
            self.logged(log.counts)
            failing = log.failing is not None
            self._log_failing.labels(name, log.settings.when_full).set(failing)

    def text(self) -> bytes:
        """All metrics as Prometheus reads them."""
        from prometheus_client import generate_latest

        if _TOGETHER not in os.environ:
            return generate_latest(self._registry)
        from prometheus_client import CollectorRegistry
        from prometheus_client.multiprocess import MultiProcessCollector

        together = CollectorRegistry()
        MultiProcessCollector(together)  # type: ignore[no-untyped-call]
        return generate_latest(together)
