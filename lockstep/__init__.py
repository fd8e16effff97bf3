"""What a pipeline's author writes: records, columns, pipelines, suites, and the sources of rows.

Everything else is in the submodules, each named for what it holds, such as
`lockstep.columns.decode`. Importing this package loads neither Dagster nor MLflow nor Great
Expectations.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from lockstep.columns.csv_format import CsvFormat
    from lockstep.columns.decorators import feature, label, model, output
    from lockstep.columns.from_table import Asked
    from lockstep.columns.kinds import Bools, Floats, Ints, Texts, Times
    from lockstep.columns.pipeline import Pipeline
    from lockstep.columns.records import (
        EventTime,
        Key,
        KnownTime,
        Missing,
        Named,
        Outcome,
        Personal,
        Record,
        RowNumber,
        Zone,
        fields,
    )
    from lockstep.project.constraint_levels import Constraints
    from lockstep.project.declaration import Calendar, PipelineAssets
    from lockstep.project.quality import Quality
    from lockstep.project.serving import Serving
    from lockstep.project.sinks import ParquetSink, SqlSink
    from lockstep.project.sources import CsvSource, FunctionSource, ParquetSource, SqlSource
    from lockstep.project.table_assets import TableAssets
    from lockstep.serving.requestlog.settings import RequestLog
    from lockstep.serving.versions.canary import Canary
    from lockstep.suites.suites import Suites
    from lockstep.tables.declaration import Event, Table
    from lockstep.tables.decorators import lookup, window

__all__ = [
    "Asked",
    "Bools",
    "Calendar",
    "Canary",
    "Constraints",
    "CsvFormat",
    "CsvSource",
    "Event",
    "EventTime",
    "Floats",
    "FunctionSource",
    "Ints",
    "Key",
    "KnownTime",
    "Missing",
    "Named",
    "Outcome",
    "ParquetSink",
    "ParquetSource",
    "Personal",
    "Pipeline",
    "PipelineAssets",
    "Quality",
    "Record",
    "RequestLog",
    "RowNumber",
    "Serving",
    "SqlSink",
    "SqlSource",
    "Suites",
    "Table",
    "TableAssets",
    "Texts",
    "Times",
    "Zone",
    "feature",
    "fields",
    "label",
    "lookup",
    "model",
    "output",
    "window",
]

_HOMES = {
    "Asked": "columns.from_table",
    "Bools": "columns.kinds",
    "Calendar": "project.declaration",
    "Canary": "serving.versions.canary",
    "Constraints": "project.constraint_levels",
    "CsvFormat": "columns.csv_format",
    "CsvSource": "project.sources",
    "Event": "tables.declaration",
    "EventTime": "columns.records",
    "Floats": "columns.kinds",
    "FunctionSource": "project.sources",
    "Ints": "columns.kinds",
    "Key": "columns.records",
    "KnownTime": "columns.records",
    "Missing": "columns.records",
    "Named": "columns.records",
    "Outcome": "columns.records",
    "ParquetSink": "project.sinks",
    "ParquetSource": "project.sources",
    "Personal": "columns.records",
    "Pipeline": "columns.pipeline",
    "PipelineAssets": "project.declaration",
    "Quality": "project.quality",
    "Record": "columns.records",
    "RequestLog": "serving.requestlog.settings",
    "RowNumber": "columns.records",
    "Serving": "project.serving",
    "SqlSink": "project.sinks",
    "SqlSource": "project.sources",
    "Suites": "suites.suites",
    "Table": "tables.declaration",
    "TableAssets": "project.table_assets",
    "Texts": "columns.kinds",
    "Times": "columns.kinds",
    "Zone": "columns.records",
    "feature": "columns.decorators",
    "fields": "columns.records",
    "label": "columns.decorators",
    "lookup": "tables.decorators",
    "model": "columns.decorators",
    "output": "columns.decorators",
    "window": "tables.decorators",
}
"""The module of each name, loaded at its first use: the command line needs none to say what it
can do, and a stored version carries the modules of the columns alone."""


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
    globals()[name] = value
    return value
