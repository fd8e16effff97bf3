"""One scored row, beside the same row computed anew."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from lockstep.columns.errors import LockstepError
from lockstep.columns.kinds import Columns
from lockstep.columns.pipeline import Trace
from lockstep.columns.plain import plain
from lockstep.columns.tables import from_arrow
from lockstep.project.declaration import PipelineAssets
from lockstep.project.home import Home
from lockstep.scoring.attempts import Attempt
from lockstep.scoring.records import Records
from lockstep.scoring.store import NotStoredError, Store
from lockstep.scoring.streams import stream_records, streams

if TYPE_CHECKING:
    from lockstep.parity.comparison import Comparison
    from lockstep.registry.registry import Registry


@dataclass(frozen=True)
class TracedRow:
    """One scored row, and the same row computed anew by the version that scored it.

    Attributes:
        key: The row's key.
        attempt: Number of the attempt at its partition.
        version: The version.
        stored: Every column as it was stored, in graph order.
        computed: Every column as it is computed now.
        roles: What each column is for.
        comparison: Where the two differ.
    """

    key: str
    attempt: int
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
            "attempt": self.attempt,
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
    declared: PipelineAssets,
    home: Home,
    registry: Registry,
    partition: str,
    key: str,
    number: int | None = None,
) -> TracedRow:
    """Find a scored row, and compute it anew with the version that scored it.

    Args:
        declared: The pipeline.
        home: Where its rows are kept.
        registry: Where its versions are.
        partition: The day or file.
        key: The row's key.
        number: Which attempt at the partition; None for the one that is published or, where none
            is, for the last that scored it.

    Raises:
        LockstepError: The partition has not been scored, or has no such row.
    """
    from lockstep.parity.comparison import compare

    attempt = _scored_attempt(declared, Store(home.data / declared.name), partition, number)
    version = attempt.record.steps["scored"].version
    assert version is not None, "a version scores"
    table = attempt.read("scored")
    keys = [str(value) for value in table.column(declared.pipeline.key).to_pylist()]
    if key not in keys:
        near = ", ".join(keys[:3])
        raise LockstepError(
            f"{declared.name} scored no row {key!r} in {partition}; it has {len(keys)} rows, such "
            f"as {near}. Rows set aside are in {attempt.path('batch_quarantine.parquet')}."
        )
    loaded = registry.load(declared.name, version)
    pipeline, graph = loaded.pipeline, loaded.pipeline.graph
    row = table.slice(keys.index(key), 1)
    stored = from_arrow(row, {name: graph.kind(name) for name in graph.served})
    computed = pipeline.trace({name: stored[name] for name in pipeline.record_schema.names})
    expected = Trace(stored[pipeline.key], stored, {})
    return TracedRow(
        key=key,
        attempt=attempt.number,
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


def _scored_attempt(
    declared: PipelineAssets, store: Store, partition: str, number: int | None
) -> Attempt:
    for stream in streams(declared):
        records = stream_records(declared, store, stream.name)
        for attempt in _candidates(records, partition, number):
            if "scored.parquet" in attempt.files:
                return attempt
    which = f" in attempt {number}" if number is not None else ""
    raise NotStoredError(f"{declared.name} has not scored {partition}{which}.")


def _candidates(records: Records, partition: str, number: int | None) -> Iterable[Attempt]:
    if number is not None:
        kept = number in records.numbers(partition)
        return [records.attempt(partition, number)] if kept else []
    committed = records.committed(partition)
    return [committed] if committed is not None else records.newest_first(partition)


def _values(columns: Columns) -> dict[str, Any]:
    return {name: plain(array[0]) for name, array in columns.items()}


def _role(declared: PipelineAssets, name: str) -> str:
    node = declared.pipeline.graph.node(name)
    return node.role if node is not None else "column"
