"""Traces of a partition's row: computed again and compared, or set aside with its reasons."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any

from lockstep.artifacts.version import LoadedVersion
from lockstep.checks.streams import stream_records, streams
from lockstep.columns.graph import Graph
from lockstep.columns.kinds import Columns
from lockstep.columns.pipeline import Pipeline, Trace
from lockstep.columns.plain import PERSONAL, counted, plain
from lockstep.columns.tables import from_arrow
from lockstep.errors import LockstepError, NotStoredError
from lockstep.parity.comparison import Comparison, compare
from lockstep.project.declaration import PipelineAssets
from lockstep.project.home import Home
from lockstep.registry.registry import Registry
from lockstep.scoring.record_form import record_form
from lockstep.scoring.rows import computable
from lockstep.scoring.scorer import load_scorer
from lockstep.store.attempts import Attempt
from lockstep.store.parquet import Store
from lockstep.store.partition_records import Records
from lockstep.store.pinned_tables import PinnedTables
from lockstep.store.quarantine import AsideRow, find_aside, find_blocked
from lockstep.tables.found import LookedUp
from lockstep.tables.readers import looked_up

if TYPE_CHECKING:
    import pyarrow as pa


@dataclass(frozen=True)
class TracedRow:
    """A row computed again by the version that scored it, or set it aside.

    Attributes:
        attempt: Number of the attempt at its partition.
        version: Number of the version; None where none served.
        stored: Every column as stored, in graph order; nothing of a row that was set aside.
        computed: Every column as computed now; the delivered fields alone of a row that was set
            aside before it was computed.
        comparison: The comparison of the two; None of a row that was set aside.
        aside: The row as it was set aside, with its reasons; None of one that was scored.
        looked_up: The rows of tables that it was computed with.
    """

    key: str | None
    attempt: int
    version: int | None
    stored: Mapping[str, Any]
    computed: Mapping[str, Any]
    graph: Graph = field(repr=False)
    comparison: Comparison | None = None
    aside: AsideRow | None = None
    looked_up: tuple[LookedUp, ...] = ()

    @property
    def agrees(self) -> bool:
        """Whether it was scored, and every column is the same now."""
        return self.comparison is not None and self.comparison.ok

    @property
    def summary(self) -> str:
        """A line that says how it differs, or why it was not published."""
        if self.aside is None:
            return self.comparison.summary if self.comparison is not None else ""
        if self.aside.fate == "blocked":
            return f"It was not scored, since a check blocks its batch: {self.aside.reasons}"
        when = "before it was computed" if self.aside.step == "batch" else "after it was computed"
        return f"It was set aside {when}, as {self.aside.fate}: {self.aside.reasons}"

    def _repr_html_(self) -> str:
        """A notebook's form of it: its values, the first that differs marked, and the graph."""
        before, sides = (
            self.stored or self.computed,
            ("stored" if self.stored else "", "computed now"),
        )
        values = {name: (before[name], value) for name, value in self.computed.items()}
        told = (self.key or "without a key", self.summary)
        return record_form(told, sides, values, self.comparison, self.graph)

    def to_json(self) -> dict[str, Any]:
        """As plain data."""
        return {
            "key": self.key,
            "attempt": self.attempt,
            "version": self.version,
            "agrees": self.agrees,
            "finding": self.summary,
            **({"set_aside": asdict(self.aside)} if self.aside is not None else {}),
            "columns": [
                {
                    "column": name,
                    "role": self.graph.roles.get(name, "column"),
                    "stored": self.stored.get(name),
                    "computed": self.computed[name],
                }
                for name in self.stored or self.computed
            ],
            "looked_up": [asdict(read) for read in self.looked_up],
        }


def trace_row(
    declared: PipelineAssets,
    home: Home,
    registry: Registry,
    partition: str,
    key: str,
    number: int | None = None,
) -> TracedRow:
    """Find a row, and compute it again with the version that scored it or set it aside.

    Args:
        declared: The pipeline.
        home: Where its rows are kept.
        registry: Where its versions are.
        partition: The day or file.
        key: The row's key.
        number: Number of the attempt at the partition. By default the published one or, without
            one, the last that scored it or, without one, the last that set rows aside.

    Raises:
        LockstepError: The partition has not been scored, or has no such row.
    """
    store = Store(home.data / declared.name)
    attempt = _attempt(declared, store, partition, number)
    is_scored = "scored.parquet" in attempt.files
    table = attempt.read("scored") if is_scored else None
    keys = _texts(table, declared.pipeline.key) if table is not None else []
    if table is not None and key in keys:
        return _traced(declared, registry, store, attempt, table.slice(keys.index(key), 1), key)
    schema = declared.pipeline.record_schema
    aside = find_aside(attempt, schema, key)
    if aside is None and not is_scored:
        aside = find_blocked(attempt, schema, key)
    if aside is not None:
        return _traced_aside(declared, registry, store, attempt, aside)
    if not is_scored:
        raise _not_scored(declared, partition, number)
    raise LockstepError(
        f"{declared.name} scored no row {key!r} in {partition}, and set none aside; it scored "
        f"{counted(len(keys), 'row')}, such as {', '.join(keys[:3])}."
    )


def _traced(
    declared: PipelineAssets,
    registry: Registry,
    store: Store,
    attempt: Attempt,
    row: pa.Table,
    key: str,
) -> TracedRow:
    loaded = _scorer(declared, registry, store, attempt, "scored")
    pipeline, graph = loaded.pipeline, loaded.pipeline.graph
    stored = from_arrow(row, {name: graph.kind(name) for name in graph.served})
    computed = pipeline.trace({name: stored[name] for name in pipeline.record_schema.names})
    expected = Trace(stored[pipeline.key], stored, {})
    return TracedRow(
        key=key,
        attempt=attempt.number,
        version=loaded.version,
        stored=_values(stored, graph),
        computed=_values(computed.columns, graph),
        comparison=compare(
            expected,
            computed,
            graph,
            scales=loaded.golden.scales,
            columns=graph.served,
            version=loaded.version,
        ),
        graph=graph,
        looked_up=looked_up(pipeline, computed.columns),
    )


def _scorer(
    declared: PipelineAssets, registry: Registry, store: Store, attempt: Attempt, step: str
) -> LoadedVersion:
    """The version that carried out a step, reading the tables that it read then."""
    tables = PinnedTables.of(store, attempt.record.steps[step])
    return load_scorer(registry, declared.name, attempt, step).with_tables(tables)


def _traced_aside(
    declared: PipelineAssets,
    registry: Registry,
    store: Store,
    attempt: Attempt,
    aside: AsideRow,
) -> TracedRow:
    version = attempt.record.steps[aside.step].version
    columns: Mapping[str, Any] = aside.record
    read: tuple[LookedUp, ...] = ()
    is_ingested = aside.step == "scored" or aside.fate == "blocked"
    if is_ingested and version is not None:
        scorer = _scorer(declared, registry, store, attempt, aside.step)
        computed = _computed(scorer.pipeline, attempt, aside)
        columns = _values(computed, scorer.pipeline.graph)
        read = looked_up(scorer.pipeline, computed)
    return TracedRow(
        key=aside.key,
        attempt=attempt.number,
        version=version,
        stored={},
        computed=columns,
        graph=declared.pipeline.graph,
        aside=aside,
        looked_up=read,
    )


def _computed(pipeline: Pipeline, attempt: Attempt, aside: AsideRow) -> Columns:
    """Every column of an ingested row that can be computed."""
    table = attempt.read("batch")
    row = table.slice(_texts(table, pipeline.key).index(aside.key or ""), 1)
    return computable(pipeline, from_arrow(row, pipeline.record_schema.kinds))


def _texts(table: pa.Table, name: str) -> list[str]:
    return [str(value) for value in table.column(name).to_pylist()]


def _attempt(declared: PipelineAssets, store: Store, partition: str, number: int | None) -> Attempt:
    """The attempt that scored a partition or, without one, an attempt that set rows aside."""
    by_stream = [stream_records(declared, store, stream.name) for stream in streams(declared)]
    for made in ("scored.parquet", "batch_quarantine.parquet"):
        for records in by_stream:
            for attempt in _candidates(records, partition, number):
                if made in attempt.files:
                    return attempt
    raise _not_scored(declared, partition, number)


def _not_scored(declared: PipelineAssets, partition: str, number: int | None) -> NotStoredError:
    which = f" in attempt {number}" if number is not None else ""
    return NotStoredError(f"{declared.name} has not scored {partition}{which}.")


def _candidates(records: Records, partition: str, number: int | None) -> Iterable[Attempt]:
    if number is not None:
        kept = number in records.numbers(partition)
        return [records.attempt(partition, number)] if kept else []
    committed = records.committed(partition)
    return [committed] if committed is not None else records.newest_first(partition)


def _values(columns: Columns, graph: Graph) -> dict[str, Any]:
    return {
        name: PERSONAL if name in graph.personal else plain(array[0])
        for name, array in columns.items()
    }
