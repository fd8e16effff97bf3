"""One scored row, beside the same row computed anew."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from lockstep.columns.errors import LockstepError
from lockstep.columns.kinds import Columns
from lockstep.columns.pipeline import Trace
from lockstep.columns.plain import plain
from lockstep.columns.tables import from_arrow
from lockstep.project.declaration import PipelineAssets
from lockstep.project.home import Home
from lockstep.scoring.store import NotStoredError, Store

if TYPE_CHECKING:
    from lockstep.parity.comparison import Comparison
    from lockstep.registry.registry import Registry


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
    loaded = registry.load(declared.name, version)
    pipeline, graph = loaded.pipeline, loaded.pipeline.graph
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
        comparison=compare(
            expected,
            computed,
            graph,
            scales=loaded.golden.scales,
            columns=graph.served,
            version=version,
        ),
    )


def _values(columns: Columns) -> dict[str, Any]:
    return {name: plain(array[0]) for name, array in columns.items()}


def _role(declared: PipelineAssets, name: str) -> str:
    node = declared.pipeline.graph.node(name)
    return node.role if node is not None else "column"
