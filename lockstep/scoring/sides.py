"""Two sides of a record: every column by a version and by something else.

A side is a version with its own code and models, or the checkout's code with a version's models,
which shows what a change of the code does to a record before anything is trained.
"""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from lockstep.artifacts.version import LoadedVersion
from lockstep.columns.decode import Decoded
from lockstep.columns.files import decode_file, decode_json
from lockstep.columns.graph import Graph
from lockstep.columns.kinds import Columns
from lockstep.columns.pipeline import Pipeline
from lockstep.columns.plain import PERSONAL, plain
from lockstep.columns.tables import take_rows
from lockstep.errors import LockstepError
from lockstep.parity.comparison import Comparison, compare
from lockstep.project.declaration import PipelineAssets
from lockstep.registry.registry import Registry
from lockstep.scoring.record_form import record_form
from lockstep.store.parquet import Store
from lockstep.store.pinned_tables import PinnedTables
from lockstep.tables.found import LookedUp
from lockstep.tables.readers import looked_up

CHECKOUT = "checkout"
"""Names the code of this checkout, among the versions."""
SERVED = "server"
"""Names the compiled predictors of a version, by which its server answers."""


@dataclass(frozen=True)
class Side:
    """A pipeline that computes a record."""

    name: str  # such as `version 3`
    pipeline: Pipeline
    version: int  # of which it has the models


@dataclass(frozen=True)
class TwoSides:
    """A record computed by two sides.

    Attributes:
        values: Every column by each side, in the order of the first side's graph; None where a side
            has no such column.
        comparison: The comparison of the second side with the first.
        outputs: The outputs that differ.
        graph: The graph of the second side.
        looked_up: The rows of tables that the first side reads.
    """

    key: str
    names: tuple[str, str]
    values: Mapping[str, tuple[Any, Any]]
    roles: Mapping[str, str]
    comparison: Comparison
    outputs: tuple[str, ...]
    graph: Graph = field(repr=False)
    looked_up: tuple[LookedUp, ...] = ()

    @property
    def agrees(self) -> bool:
        """Whether the second side has the same value in every column of the first."""
        return self.comparison.ok

    def _repr_html_(self) -> str:
        """A notebook's form of it: its values, the first that differs marked, and the graph."""
        told = (self.key, self.comparison.summary)
        return record_form(told, self.names, self.values, self.comparison, self.graph)

    @property
    def impact(self) -> str:
        """A sentence about the outputs that differ."""
        changes = [f"{name} {self._change(name)}" for name in self.outputs]
        return f"Outputs: {', '.join(changes)}." if changes else "No output differs."

    def _change(self, name: str) -> str:
        first, second = self.values[name]
        return f"{first} → {second}"

    def to_json(self) -> dict[str, Any]:
        """The record as plain data."""
        first = self.comparison.first
        return {
            "key": self.key,
            "sides": list(self.names),
            "agrees": self.agrees,
            "finding": self.comparison.summary,
            "impact": self.impact,
            "first": first.to_json() if first is not None else None,
            "columns": [
                {"column": name, "role": self.roles[name], "first": before, "second": after}
                for name, (before, after) in self.values.items()
            ],
            "looked_up": [asdict(read) for read in self.looked_up],
        }


def read_record(path: Path, pipeline: Pipeline, key: str | None) -> Columns:
    """Read a record of a file: a JSON object, or a row of a table or of JSON lines.

    Args:
        path: The file.
        pipeline: The pipeline that declares the record.
        key: Key of the record; None for the only one.

    Raises:
        InputError: The file cannot be read.
        LockstepError: The file has no such record, or several; or the record does not fit its
            declaration, with all reasons.
    """
    schema = pipeline.record_schema
    if path.suffix.lower() == ".json":
        rows = decode_json(_text(path), schema, source=str(path))
    else:
        rows = decode_file(path, schema)
    return _record(path, rows, pipeline, key)


def _text(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise LockstepError(f"{path} cannot be read: {error.strerror}.") from error


def _record(path: Path, rows: Decoded, pipeline: Pipeline, key: str | None) -> Columns:
    keys = list(map(str, rows.columns[pipeline.key].tolist()))
    for rejected in rows.rejected:
        if key in (None, rejected.key):
            reasons = "; ".join(map(str, rejected.reasons))
            raise LockstepError(
                f"{path}: row {rejected.row} is no {pipeline.record_schema.name}: {reasons}."
            )
    if key is None and len(keys) > 1:
        raise LockstepError(
            f"{path} holds {len(keys):,} records: say which one by --key, such as "
            f"--key {shlex.quote(keys[0])}."
        )
    if not keys or (key is not None and key not in keys):
        which = f"no record {key!r}" if key is not None else "no record"
        raise LockstepError(f"{path} holds {which}; it has {', '.join(keys[:3]) or 'none'}.")
    place = keys.index(key) if key is not None else 0
    return take_rows(rows.columns, slice(place, place + 1))


def two_sides(
    declared: PipelineAssets,
    registry: Registry,
    record: Columns,
    version: int | str = "live",
    against: int | str = SERVED,
    store: Store | None = None,
) -> TwoSides:
    """Compute a record by a version, and by something else.

    Look-ups and windows read the tables as they are now.

    Args:
        declared: The pipeline.
        registry: Where its versions are.
        record: One row of its fields, in canonical form.
        version: Number or alias of the version.
        against: Number or alias of another version; `checkout` for the code of this checkout with
            the models of the version; `server` for the compiled predictors of the version.
        store: Where the pipeline's tables are kept; needed if it has look-ups or windows.

    Raises:
        LockstepError: There is no such version, or it cannot be loaded.
        FunctionError: A function fails on the record.
    """
    loaded = _with_tables(registry.load(declared.name, version), store)
    first = Side(f"version {loaded.version}", loaded.pipeline, loaded.version)
    second = _other(declared, registry, loaded, against, store)
    graph, other = first.pipeline.graph, second.pipeline.graph
    # The matrix of a compiled model may be of another dtype than scikit-learn's, by design.
    matrices = against != SERVED
    before = first.pipeline.trace(_fields(record, first), matrices=matrices)
    after = second.pipeline.trace(_fields(record, second), matrices=matrices)
    comparison = compare(
        before,
        after,
        other,
        scales=loaded.golden.scales,
        columns=[name for name in graph.served if name in other],
        version=second.version,
    )
    names = dict.fromkeys((*graph.served, *other.served))
    values = {
        name: (_value(before.columns, name, graph), _value(after.columns, name, graph))
        for name in names
    }
    divergent = {column.column for column in comparison.divergent}
    return TwoSides(
        key=str(record[first.pipeline.key][0]),
        names=(first.name, second.name),
        values=values,
        roles={**other.roles, **graph.roles},
        comparison=comparison,
        outputs=tuple(name for name in graph.outputs if name in divergent),
        graph=other,
        looked_up=looked_up(first.pipeline, before.columns),
    )


def _with_tables(loaded: LoadedVersion, store: Store | None) -> LoadedVersion:
    if store is None:
        return loaded
    return loaded.with_tables(PinnedTables.now(store, loaded.pipeline))


def _other(
    declared: PipelineAssets,
    registry: Registry,
    loaded: LoadedVersion,
    against: int | str,
    store: Store | None,
) -> Side:
    if against == SERVED:
        name = f"version {loaded.version} as its server computes it"
        return Side(name, loaded.compiled.pipeline, loaded.version)
    if against == CHECKOUT:
        models = loaded.pipeline.models_
        lacking = [model for model in declared.pipeline.graph.models if model not in models]
        if lacking:
            raise LockstepError(
                f"Version {loaded.version} has no model for {', '.join(lacking)}, which this "
                "checkout declares: train a version, and compare with that."
            )
        name = f"this checkout with the models of version {loaded.version}"
        pipeline = declared.pipeline.with_models(models)
        if store is not None:
            pipeline = PinnedTables.now(store, pipeline).bind(pipeline)
        return Side(name, pipeline, loaded.version)
    other = _with_tables(registry.load(declared.name, against), store)
    return Side(f"version {other.version}", other.pipeline, other.version)


def _fields(record: Columns, side: Side) -> Columns:
    """The fields that a side's own record type declares."""
    names = side.pipeline.record_schema.names
    lacking = [name for name in names if name not in record]
    if lacking:
        raise LockstepError(
            f"The record of {side.name} has other fields: {', '.join(lacking)} is not in this one."
        )
    return {name: record[name] for name in names}


def _value(columns: Columns, name: str, graph: Graph) -> Any:
    if name in graph.personal:
        return PERSONAL
    return plain(columns[name][0]) if name in columns else None
