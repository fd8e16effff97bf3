"""Assets: Dagster assets and checks, built from a pipeline and the sources of its rows.

Every public module of this package says where one pipeline's rows come from.
"""

from assets._build import pipeline_assets
from assets._catalogue import CHECKS, Check
from assets._declaration import Calendar, PipelineAssets
from assets._home import Home
from assets._inbox import Claim, claim_copy, claim_files, unsupported_files
from assets._intake import Intake, take_in
from assets._judgement import Judgement
from assets._promotion import PROVEN, Gate, pass_gate
from assets._quality import METRICS, Quality
from assets._receipt import BlockedError, Receipt, demand_unblocked
from assets._source import (
    CsvSource,
    FunctionSource,
    ParquetSource,
    Source,
    SqlSource,
    decode_source,
)
from assets._store import NotStoredError, Store, replace_text
from assets._stream import Stream, inbox_partitions, streams

__all__ = [
    "CHECKS",
    "METRICS",
    "PROVEN",
    "BlockedError",
    "Calendar",
    "Check",
    "Claim",
    "CsvSource",
    "FunctionSource",
    "Gate",
    "Home",
    "Intake",
    "Judgement",
    "NotStoredError",
    "ParquetSource",
    "PipelineAssets",
    "Quality",
    "Receipt",
    "Source",
    "SqlSource",
    "Store",
    "Stream",
    "claim_copy",
    "claim_files",
    "decode_source",
    "demand_unblocked",
    "inbox_partitions",
    "pass_gate",
    "pipeline_assets",
    "replace_text",
    "streams",
    "take_in",
    "unsupported_files",
]
