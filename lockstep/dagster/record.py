"""The record: what checks found and what rows were scored, looked up again."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import dagster as dg

from lockstep.columns.errors import LockstepError
from lockstep.columns.kinds import Columns
from lockstep.columns.plain import plain
from lockstep.dagster.assets import pipeline_assets
from lockstep.dagster.runs import CheckReport
from lockstep.project.declaration import PipelineAssets
from lockstep.project.home import Home
from lockstep.scoring.store import NotStoredError, Store

if TYPE_CHECKING:
    from lockstep.parity.comparison import Comparison
    from lockstep.registry.registry import Registry

_MOST_EVALUATIONS = 10_000


def recorded_checks(
    declared: PipelineAssets,
    instance: dg.DagsterInstance,
    *,
    day: str | None = None,
    all_partitions: bool = False,
) -> list[CheckReport]:
    """What every check of a pipeline found last, in the order of its assets.

    Args:
        declared: The pipeline.
        instance: Where it is recorded.
        day: Only this partition.
        all_partitions: The last finding of every partition, rather than of the last one.
    """
    keys = [key for asset in pipeline_assets(declared) for key in asset.check_keys]
    found = []
    for key in keys:
        latest: dict[str | None, CheckReport] = {}
        for report in _evaluations(key, instance):
            if day is None or report.partition == day:
                latest.setdefault(report.partition, report)
                if not all_partitions:
                    break
        found += [latest[partition] for partition in sorted(latest, key=str)]
    return found


def _evaluations(key: dg.AssetCheckKey, instance: dg.DagsterInstance) -> Iterator[CheckReport]:
    """All evaluations of a check, the newest first."""
    for record in instance.event_log_storage.get_asset_check_execution_history(
        key, limit=_MOST_EVALUATIONS
    ):
        if isinstance(record.evaluation, dg.AssetCheckEvaluation):  # and not merely planned
            yield CheckReport.of(record.evaluation)


@dataclass(frozen=True)
class TracedRow:
    """One scored row, and the same row computed anew by the version that scored it.

    Attributes:
        key: The row's key.
        version: The version.
        stored: Every column as it was stored, in graph order.
        computed: Every column as it is computed now.
        roles: What each column is for.
        comparison: Where the two differ.
    """

    key: str
    version: int
    stored: dict[str, Any]
    computed: dict[str, Any]
    roles: dict[str, str]
    comparison: Comparison

    @property
    def agrees(self) -> bool:
        """Whether every column is the same now."""
        return self.comparison.ok

    def to_json(self) -> dict[str, Any]:
        """As plain data."""
        return {
            "key": self.key,
            "version": self.version,
            "agrees": self.agrees,
            "finding": self.comparison.summary,
            "columns": [
                {
                    "column": name,
                    "role": self.roles[name],
                    "stored": self.stored[name],
                    "computed": self.computed[name],
                }
                for name in self.stored
            ],
        }


def trace_row(
    declared: PipelineAssets, home: Home, registry: Registry, partition: str, key: str
) -> TracedRow:
    """Find a scored row, and compute it anew with the version that scored it.

    Raises:
        LockstepError: The partition has not been scored, or has no such row.
    """
    from lockstep.columns.pipeline import Trace
    from lockstep.columns.tables import from_arrow
    from lockstep.parity.comparison import compare

    store = Store(home.data / declared.name)
    stream = next((s for s in ("daily", "inbox") if store.has(f"{s}/scored", partition)), None)
    if stream is None:
        raise NotStoredError(f"{declared.name} has not scored {partition}.")
    table = store.read(f"{stream}/scored", partition)
    version = int(table.column("version")[0].as_py()) if len(table) else 0
    keys = [str(value) for value in table.column(declared.pipeline.key).to_pylist()]
    if key not in keys:
        near = ", ".join(keys[:3])
        raise LockstepError(
            f"{declared.name} scored no row {key!r} in {partition}; it has {len(keys)} rows, such "
            f"as {near}. Rows set aside are in "
            f"{store.path(f'{stream}/batch_quarantine', partition)}."
        )
    pipeline = registry.load(declared.name, version).pipeline
    graph = pipeline.graph
    row = table.slice(keys.index(key), 1)
    stored = from_arrow(row, {name: graph.kind(name) for name in graph.served})
    computed = pipeline.trace({name: stored[name] for name in pipeline.record_schema.names})
    expected = Trace(stored[pipeline.key], stored, {})
    return TracedRow(
        key=key,
        version=version,
        stored=_values(stored),
        computed=_values(computed.columns),
        roles={name: _role(declared, name) for name in graph.served},
        comparison=compare(expected, computed, graph, columns=graph.served),
    )


def _values(columns: Columns) -> dict[str, Any]:
    return {name: plain(array[0]) for name, array in columns.items()}


def _role(declared: PipelineAssets, name: str) -> str:
    column = declared.pipeline.graph.producer(name)
    return column.role if column is not None else "field"
