"""What a pipeline's author writes: records, columns, pipelines, suites, and the sources of rows.

Everything else is in the submodules, each named for what it holds, such as
`lockstep.columns.decode`. Importing this package loads neither Dagster nor MLflow nor Great
Expectations.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from lockstep.columns.decorators import feature, label, model, output
from lockstep.columns.kinds import Bools, Floats, Ints, Texts, Times
from lockstep.columns.pipeline import Pipeline
from lockstep.columns.records import (
    EventTime,
    Key,
    Missing,
    Named,
    Outcome,
    Record,
    RowNumber,
    Zone,
    fields,
)

if TYPE_CHECKING:
    from lockstep.project.declaration import Calendar, PipelineAssets
    from lockstep.project.quality import Quality
    from lockstep.project.serving import Serving
    from lockstep.project.sources import CsvSource, FunctionSource, ParquetSource, SqlSource
    from lockstep.serving.canary import Canary
    from lockstep.serving.requestlog.settings import RequestLog
    from lockstep.suites.suites import Suites

__all__ = [
    "Bools",
    "Calendar",
    "Canary",
    "CsvSource",
    "EventTime",
    "Floats",
    "FunctionSource",
    "Ints",
    "Key",
    "Missing",
    "Named",
    "Outcome",
    "ParquetSource",
    "Pipeline",
    "PipelineAssets",
    "Quality",
    "Record",
    "RequestLog",
    "RowNumber",
    "Serving",
    "SqlSource",
    "Suites",
    "Texts",
    "Times",
    "Zone",
    "feature",
    "fields",
    "label",
    "model",
    "output",
]

_DECLARATIONS = {
    "Calendar": "project.declaration",
    "Canary": "serving.canary",
    "CsvSource": "project.sources",
    "FunctionSource": "project.sources",
    "ParquetSource": "project.sources",
    "PipelineAssets": "project.declaration",
    "Quality": "project.quality",
    "RequestLog": "serving.requestlog.settings",
    "Serving": "project.serving",
    "SqlSource": "project.sources",
    "Suites": "suites.suites",
}
"""Names that a stored version's columns have no use for, loaded at their first use: a version
carries the modules of the columns alone."""


def __getattr__(name: str) -> Any:
    if name not in _DECLARATIONS:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(import_module(f"{__name__}.{_DECLARATIONS[name]}"), name)
    globals()[name] = value
    return value
