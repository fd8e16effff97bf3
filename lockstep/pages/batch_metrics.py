"""Metrics of batches, for Prometheus: what was published last, what is open, how old it is.

They are read from the records when they are asked for. A batch has no process to be asked once it
is through, and days are missing all the more when nothing runs.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from contextlib import suppress
from datetime import UTC, datetime
from math import nan
from typing import get_args

from lockstep.columns.from_table import CLOCK_TOLERANCE
from lockstep.errors import DamagedError
from lockstep.pages.events import open_events
from lockstep.pages.pipeline_state import Overview, PipelineState
from lockstep.pages.tiles import PUBLISHED
from lockstep.project.alerting import Kind
from lockstep.store.ledgers import ledger_of

_WAIT_SECONDS = 2.0
GAUGES = {
    "published_timestamp_seconds": "When a day or file of the stream was published last.",
    "published_rows": "Rows of it that came in.",
    "published_aside_rows": "Rows of it that were set aside.",
    "published_day_end_timestamp_seconds": "The end of the last published day.",
    "live_version": "The version that is live in this home; 0 without one.",
    "live_since_timestamp_seconds": "Since when it is live.",
    "live_quality": "A metric of the last days whose outcomes are known.",
    "table_newest_timestamp_seconds": "From when the newest row of the table is valid.",
    "events_open": "Events that go on, by kind; `lockstep alerts` lists them.",
    "events_unknown": "Days, files and kinds of events of which nothing is known now.",
}
_Figure = tuple[str, dict[str, str], float]


def batch_metrics(overview: Overview) -> bytes:
    """The metrics of all pipelines of a project, in Prometheus' format."""
    from prometheus_client import CollectorRegistry, Gauge, generate_latest

    registry, events = CollectorRegistry(), open_events(overview)
    opened = Counter((event.pipeline, event.kind) for event in events.open.values())
    unknown = Counter(name.partition(" ")[0] for name in events.unknown)
    gauges: dict[str, Gauge] = {}
    for state in overview.states(_WAIT_SECONDS):
        kinds: list[_Figure] = [
            ("events_open", {"kind": kind}, opened[state.name, kind]) for kind in get_args(Kind)
        ]
        known = _figures(overview, state) if state.error is None else ()
        for name, labels, value in [*kinds, ("events_unknown", {}, unknown[state.name]), *known]:
            names = ["pipeline", *labels]
            if name not in gauges:
                gauges[name] = Gauge(name, GAUGES[name], names, "lockstep", registry=registry)
            gauges[name].labels(state.name, *labels.values()).set(value)
    return generate_latest(registry)


def _figures(overview: Overview, state: PipelineState) -> Iterator[_Figure]:
    declared = overview.watched[state.name].declared
    yield "live_version", {}, state.versions.live or 0
    if state.versions.since is not None:
        yield "live_since_timestamp_seconds", {}, state.versions.since.timestamp()
    for stream in state.streams:
        for tile in [tile for tile in stream.tiles if tile.state in PUBLISHED][-1:]:
            of = {"stream": stream.name}
            at = datetime.fromisoformat(tile.at).timestamp()
            yield "published_timestamp_seconds", of, at
            yield "published_rows", of, tile.rows
            yield "published_aside_rows", of, tile.quarantined
            if stream.name == "daily" and declared.calendar is not None:
                end = declared.calendar.end_of(tile.partition)
                yield "published_day_end_timestamp_seconds", {}, end.timestamp()
    for series in state.quality:
        value = [*series.figures.values()][-1][0]
        yield "live_quality", {"figure": series.title}, nan if value is None else value
    for table in declared.tables:
        with suppress(DamagedError):  # `lockstep checks` tells it
            ledger = ledger_of(overview.home.data / state.name, table.schema)
            last = ledger.newest(datetime.now(UTC) + CLOCK_TOLERANCE)
            if last is not None:
                yield "table_newest_timestamp_seconds", {"table": table.name}, last.timestamp()
