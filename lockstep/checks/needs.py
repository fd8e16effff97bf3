"""Needs: what a pipeline must declare so that a check can be judged."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from lockstep.columns.kinds import Kind
from lockstep.project.declaration import PipelineAssets

_NUMBERS = (Kind.FLOAT, Kind.INT, Kind.BOOL)


@dataclass(frozen=True)
class Need:
    """A declaration that a check needs."""

    words: str  # its name, to follow "for a pipeline with"
    is_met: Callable[[PipelineAssets], bool]


def _has_profiled_fields(declared: PipelineAssets) -> bool:
    schema = declared.pipeline.watched_schema
    return any(name != schema.key and kind is not Kind.TIME for name, kind in schema.kinds.items())


def _has_profiled_outputs(declared: PipelineAssets) -> bool:
    graph = declared.pipeline.graph
    told = (name for name in graph.outputs if name not in graph.personal)
    return any(graph.kind(name) is not Kind.TIME for name in told)


def _predicts_numbers(declared: PipelineAssets) -> bool:
    kind = declared.pipeline.graph.kind
    pairs = [(kind(quality.column), kind(quality.label)) for quality in declared.quality]
    return any(column is Kind.FLOAT and label in _NUMBERS for column, label in pairs)


def _reads_known_rows(declared: PipelineAssets) -> bool:
    tables = declared.pipeline.tables.values()
    has_time = declared.pipeline.record_schema.event_time is not None
    return has_time and any(not table.static for table in tables)


EVENT_TIME = Need(
    "an event time", lambda declared: declared.pipeline.record_schema.event_time is not None
)
FIELDS = Need("fields beside its key and times", _has_profiled_fields)
OUTPUTS = Need("outputs that are no times", _has_profiled_outputs)
FEATURE_SUITE = Need("a feature suite", lambda declared: declared.suites.expects("features"))
OUTPUT_SUITE = Need("an output suite", lambda declared: declared.suites.expects("outputs"))
QUALITY = Need("demands on its quality", lambda declared: bool(declared.quality))
SINKS = Need("sinks", lambda declared: bool(declared.sinks))
MODELS = Need("models", lambda declared: bool(declared.pipeline.graph.models))
AGEING = Need(
    "an event time, and demands on its quality",
    lambda declared: bool(EVENT_TIME.is_met(declared) and QUALITY.is_met(declared)),
)
SLICES = Need(
    "demands on its quality, and slices",
    lambda declared: bool(declared.quality) and bool(declared.slices),
)
LIMITS = Need(
    "limits of slices, as slices={'region': 0.05}",
    lambda declared: bool(declared.quality) and isinstance(declared.slices, Mapping),
)
TABLES = Need("look-ups or windows", lambda declared: bool(declared.pipeline.tables))
KNOWN_ROWS = Need(
    "an event time, and look-ups or windows of tables that have times", _reads_known_rows
)
PERSONAL = Need(
    "what tells of a person, as Annotated[str, Personal]",
    lambda declared: bool(declared.pipeline.graph.personal),
)
CANARY = Need(
    "a canary", lambda declared: bool(declared.serving is not None and declared.serving.canary)
)
OUTCOMES = Need("outcomes", lambda declared: declared.outcomes is not None)
REQUESTS = Need("a server with a log", lambda declared: declared.request_log is not None)
NUMBERS = Need("a demand on a prediction that is a number", _predicts_numbers)
