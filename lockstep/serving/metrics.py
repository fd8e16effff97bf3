"""Metrics: the counters of a server, for Prometheus."""

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
"""The environment variable with the folder that Prometheus' client shares among processes."""
_PREFIX = "lockstep-metrics-"


@contextmanager
def counted_together() -> Iterator[None]:
    """Have the processes that start meanwhile add up their counts, in a folder that they share.

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
    """Remove the folder that processes share, as the process that made it is gone."""
    folder = Path(os.environ.get(_TOGETHER, ""))
    if folder.name.startswith(_PREFIX):
        shutil.rmtree(folder, ignore_errors=True)  # the others do so too


def forget_the_dead() -> None:
    """Leave the waiting rows of dead processes out of the sums."""
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

    Where several workers share a port, each answers only some of the scrapes: they keep their
    counts in one folder, where these are added up (`counted_together`).
    """

    def __init__(self, pipeline: str) -> None:
        from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

        self._registry = CollectorRegistry()
        self._pipeline = pipeline
        shared: dict[str, Any] = {"registry": self._registry, "namespace": "lockstep"}

        def counter(name: str, text: str, *labels: str) -> Counter:
            return Counter(name, text, ["pipeline", *labels], **shared)

        def seconds(name: str, text: str, *labels: str) -> Histogram:
            return Histogram(name, text, ["pipeline", *labels], buckets=_SECONDS, **shared)

        def gauge(name: str, text: str, *labels: str, joined: Any = "livemostrecent") -> Gauge:
            return Gauge(name, text, ["pipeline", *labels], multiprocess_mode=joined, **shared)

        self._requests = counter("requests", "Requests by route and status.", "route", "status")
        self._seconds = seconds(
            "request_seconds",
            "From the first byte of a request to the last of its response, in seconds.",
            "route",
        )
        self._version_seconds = seconds(
            "version_request_seconds",
            "From a request's arrival to its response, in seconds, by the version that answered "
            "and its role: `live`, `canary`, or `pinned` where the request asked for it.",
            *("version", "role", "status"),
        )
        self._batch_rows = Histogram(
            "batch_rows", "Rows that were computed together.", ["pipeline"], buckets=_ROWS, **shared
        )
        self._waiting = gauge("waiting_rows", "Rows that wait.", joined="livesum")
        self._version = gauge("version", "The version that serves.")
        self._loaded = gauge("versions_loaded", "Versions that are loaded.")
        self._listed_at = gauge(
            "registry_read_timestamp_seconds",
            "When the registry was read last, to learn which other versions may be used.",
        )
        self._registry_failing = gauge(
            "registry_failing", "1 while the registry cannot be read; its last content holds."
        )
        self._compiled = gauge(
            "compiled_models",
            "Models that are served compiled, found in this process to give what scikit-learn "
            "gives, as exactly as each declares.",
        )
        self._refused = gauge(
            "version_refused",
            "1 while the version that is live is refused here, and another one or none serves.",
        )
        self._cached = counter(
            "cache_rows",
            "Rows that were looked up in the cache of outputs, by `outcome`: `known` ones were not "
            "computed again.",
            "outcome",
        )
        self._log = counter(
            "request_log",
            "What became of requests, bytes and segments of the request log: requests `logged`, "
            "`left_out` by the share that is, `unlogged` or `refused` where it cannot be written.",
            "outcome",
        )
        self._log_failing = gauge(
            "request_log_failing",
            "1 while the request log cannot be written; `when_full` says what happens to requests.",
            "when_full",
            joined="livemax",
        )
        self._shadow = counter(
            "shadow_rows",
            "Rows that the challenger was to score too, by `outcome`: `compared`, `refused` by its "
            "row rules, `failed`, or `dropped` since too many waited.",
            *("version", "outcome"),
        )
        self._shadow_differing = counter(
            "shadow_differing_rows",
            "Rows whose output by the challenger differs by more than it declares as exact.",
            *("version", "output"),
        )
        self._shadow_difference = counter(
            "shadow_difference",
            "The sum of the absolute differences of an output; divided by the compared rows, it "
            "is their mean.",
            *("version", "output"),
        )
        self._shadow_largest = gauge(
            "shadow_largest_difference",
            "The largest absolute difference of an output.",
            *("version", "output"),
            joined="livemax",
        )
        self._shadow_seconds = seconds(
            "shadow_seconds",
            "What the challenger took for rows that were handed over together, in seconds.",
            "version",
        )
        self._largest: dict[tuple[int, str], float] = defaultdict(float)
        self._logged: dict[str, int] = defaultdict(int)
        self._lock = Lock()
        self._children: dict[tuple[str, int], Any] = {}
        self._timers: dict[str, Any] = {}
        self._by_version: dict[tuple[int, str, int], Any] = {}
        self._batches = self._batch_rows.labels(pipeline)

    def answered(self, route: str, status: int, seconds: float) -> None:
        """Count a request by its route; there are few routes, unlike paths."""
        counter = self._children.get((route, status))
        if counter is None:
            counter = self._requests.labels(self._pipeline, route, str(status))
            self._children[(route, status)] = counter
            self._timers.setdefault(route, self._seconds.labels(self._pipeline, route))
        counter.inc()
        self._timers[route].observe(seconds)

    def answered_by(self, version: int, role: str, status: int, seconds: float) -> None:
        """Count a request that a version answered in a role: `live`, `canary` or `pinned`."""
        timer = self._by_version.get((version, role, status))
        if timer is None:
            labels = (self._pipeline, str(version), role, str(status))
            timer = self._by_version[version, role, status] = self._version_seconds.labels(*labels)
        timer.observe(seconds)

    def shadow_compared(self, version: int, compared: ComparedRows) -> None:
        """Count rows that a challenger scored."""
        whose = (self._pipeline, str(version))
        for outcome in ("compared", "refused", "failed"):
            number = compared.rows if outcome == "compared" else getattr(compared, outcome)
            self._shadow.labels(*whose, outcome).inc(number)
        self._shadow_seconds.labels(*whose).observe(compared.seconds)
        for output, difference in compared.outputs.items():
            self._shadow_differing.labels(*whose, output).inc(difference.differing)
            self._shadow_difference.labels(*whose, output).inc(difference.total)
            largest = max(self._largest[version, output], difference.largest)
            self._largest[version, output] = largest
            self._shadow_largest.labels(*whose, output).set(largest)

    def shadow_dropped(self, version: int, rows: int) -> None:
        """Count rows that the challenger does not score, since too many wait."""
        self._shadow.labels(self._pipeline, str(version), "dropped").inc(rows)

    def computed(self, rows: int) -> None:
        """Count a micro-batch."""
        self._batches.observe(rows)

    def follow_cache(self, scorer: Scorer) -> None:
        """Count the look-ups in a version's cache, if it has one."""
        if scorer.cache is not None:
            known = self._cached.labels(self._pipeline, "known")
            unknown = self._cached.labels(self._pipeline, "computed")

            def looked_up(hits: int, misses: int) -> None:
                known.inc(hits)
                unknown.inc(misses)

            scorer.cache.looked_up.append(looked_up)

    def logged(self, counts: Counts) -> None:
        """Add what the request log counted since the last call.

        It is not called for every request, which would cost as much as logging it.
        """
        with self._lock:
            for outcome, number in asdict(counts).items():
                self._log.labels(self._pipeline, outcome).inc(number - self._logged[outcome])
                self._logged[outcome] = number

    def look(self, batches: MicroBatches, versions: Versions, log: Log | None = None) -> None:
        """Set the gauges to the state of this process, and count what its log has counted."""
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
        """All metrics in Prometheus' format."""
        from prometheus_client import generate_latest

        if _TOGETHER not in os.environ:
            return generate_latest(self._registry)
        from prometheus_client import CollectorRegistry
        from prometheus_client.multiprocess import MultiProcessCollector

        together = CollectorRegistry()
        MultiProcessCollector(together)  # type: ignore[no-untyped-call]
        return generate_latest(together)
