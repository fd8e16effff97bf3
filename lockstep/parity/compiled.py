"""Compiled parity: compiled predictors against the reference ones, on golden records and edges."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace

import numpy as np

from lockstep.columns.casts import cast_values
from lockstep.columns.compiled.predictor import Compiled
from lockstep.columns.converters import converter
from lockstep.columns.kinds import Array, Columns, Kind
from lockstep.columns.nodes import Computation
from lockstep.columns.pipeline import Pipeline, Trace
from lockstep.columns.plain import counted
from lockstep.columns.predictors import ReferencePredictor
from lockstep.columns.schema import Field, Schema
from lockstep.columns.tables import concat, stacked, take_rows
from lockstep.parity.comparison import Comparison, ParityReport, compare
from lockstep.parity.golden import GoldenRecords
from lockstep.parity.replay import replay

UNSEEN = "\x00 no text that was ever seen"
EDGES: dict[Kind, tuple[object, ...]] = {
    Kind.FLOAT: (
        *(np.nan, 0.0, -0.0, 5e-324, 1e-9, -1e30, 1e30),
        *(np.inf, -np.inf, -1e300, 1e300),
    ),
    Kind.INT: (0, -1, -(2**53), 2**53),
    Kind.BOOL: (False, True),
    Kind.TEXT: (None, "", UNSEEN),
    Kind.TIME: (),
}
"""Values at which two implementations differ most easily: missing and unseen ones, both zeros, the
least number, infinite ones, and numbers beyond any training row's, within float32 (to which
scikit-learn's own trees round) and beyond."""

_TOGETHER = "on missing, unseen and extreme values"
_ALONE = f"{_TOGETHER}, each row alone"
_BASES = 16
"""Golden rows from which edges are made, one value changed at a time."""


@dataclass(frozen=True)
class Agreement:
    """The compiled predictors that give what the reference ones give.

    Attributes:
        compiled: The pipeline with these alone; all other models keep their reference predictors.
        differing: By model whose compiled form differs: how.
        failure: The comparison that found the first of them; None where none differs.
    """

    compiled: Compiled
    report: ParityReport
    differing: Mapping[str, str]
    failure: ParityReport | None = None


def agreement(
    pipeline: Pipeline, compiled: Compiled, golden: GoldenRecords, *, version: int | None = None
) -> Agreement:
    """Find the compiled predictors that give what the reference ones give.

    The golden records are replayed with them. Then each compiled model is given edges: golden rows
    with one input at a time missing, unseen or extreme, as far as a field may hold such a value.
    Both predictors answer those, the compiled one together and each alone, and what one refuses the
    other must refuse too. A model that differs is left to its reference predictor, and the rest is
    compared anew.
    """
    edges = {
        name: _compared_on_edges(pipeline, compiled, name, golden, version)
        for name in compiled.models
    }
    differing: dict[str, str] = {}
    failure = None
    while True:
        expected = as_computed_by(compiled.pipeline, golden)
        replayed = replay(compiled.pipeline, expected, version=version)
        found = (each for name in compiled.models for each in edges[name].comparisons)
        report = ParityReport((*replayed.comparisons, *found))
        if report.ok or not compiled.models:
            return Agreement(compiled, report, differing, failure)
        failure = failure or report
        faults = {
            name: edges[name].summary for name in compiled.models if not edges[name].ok
        } or _faults_of_replay(compiled, replayed)
        differing.update(faults)
        compiled = compiled.without(pipeline, faults)


def _faults_of_replay(compiled: Compiled, replayed: ParityReport) -> dict[str, str]:
    """The compiled models whose columns or matrices differ; all of them where none is named."""
    differing = {column.column for column in replayed.compared if not column.ok}
    if replayed.first is not None:
        differing.add(replayed.first.column)
    nodes = compiled.pipeline.graph.nodes
    named = [name for name in compiled.models if differing.intersection(nodes[name].gives)]
    return dict.fromkeys(named or compiled.models, replayed.summary)


def as_computed_by(pipeline: Pipeline, golden: GoldenRecords) -> GoldenRecords:
    """Golden records with the matrices of compiled models in float64, as these make them.

    scikit-learn makes a matrix of objects where numbers of several kinds lie side by side.
    """
    matrices = {
        name: matrix
        if isinstance(pipeline.bound.get(name), ReferencePredictor)
        else _as_numbers(matrix)
        for name, matrix in golden.trace.matrices.items()
    }
    return replace(golden, trace=replace(golden.trace, matrices=matrices))


def _as_numbers(matrix: Array) -> Array:
    try:
        return matrix.astype(np.float64)
    except (TypeError, ValueError):
        return matrix  # holds texts: its model has no transformers, and is not compiled


def edge_rows(columns: Columns, kinds: Mapping[str, Kind], schema: Schema) -> Columns:
    """Rows with one value changed in each: missing, never seen, or extreme."""
    count = len(next(iter(columns.values())))
    bases = take_rows(columns, slice(min(count, _BASES)))
    size = len(next(iter(bases.values())))
    if not size:
        return bases
    parts = [
        _changed(take_rows(bases, slice(place % size, place % size + 1)), name, value)
        for place, (name, value) in enumerate(
            (name, value)
            for name, kind in kinds.items()
            for value in EDGES[kind]
            if name not in schema or _may_hold(schema[name], value)
        )
    ]
    return concat([bases, *parts], kinds)


def _may_hold(field: Field, value: object) -> bool:
    _, refused = cast_values(field, converter(field), [value])
    return not refused


def _changed(row: Columns, name: str, value: object) -> Columns:
    cell = np.empty(1, dtype=row[name].dtype)
    cell[0] = value
    return {**row, name: cell}


def _compared_on_edges(
    pipeline: Pipeline, compiled: Compiled, name: str, golden: GoldenRecords, version: int | None
) -> ParityReport:
    try:
        return ParityReport(tuple(_on_edges(pipeline, compiled, name, golden, version)))
    except Exception as error:  # noqa: BLE001 - what cannot be compared is not used
        failure = f"the comparison raised {type(error).__name__}: {error}"
        return ParityReport((Comparison(setting=_TOGETHER, failure=failure),))


def _on_edges(
    pipeline: Pipeline, compiled: Compiled, name: str, golden: GoldenRecords, version: int | None
) -> Iterator[Comparison]:
    graph = pipeline.graph
    node = graph.nodes[name]
    kinds = {column: graph.kind(column) for column in node.inputs}
    known = {column: golden.trace.columns[column] for column in node.inputs}
    rows = edge_rows(known, kinds, pipeline.record_schema)
    keys = np.arange(len(next(iter(rows.values()))))
    reference, other = pipeline.bound[name], compiled.pipeline.bound[name]
    nothing = keys[:0]
    parts = [*_answered(reference, rows, keys), (nothing, reference(take_rows(rows, nothing)))]
    answered = np.concatenate([part for part, _ in parts])
    expected = stacked([columns for _, columns in parts])
    known = take_rows(rows, answered)
    refused = np.setdiff1d(keys, answered).tolist()
    taken = [row for row in refused if _answer(other, _row(rows, row)) is not None]
    failure = (
        f"compiled, {node.title} takes {counted(len(taken), 'row')} that scikit-learn refuses"
        if taken
        else None
    )
    ways: dict[str, Callable[[Columns], Columns]] = {_TOGETHER: other, _ALONE: _each_alone(other)}
    for setting, answer in ways.items():
        try:
            with np.errstate(all="ignore"):
                actual = answer(known)
        except Exception as error:  # noqa: BLE001 - any error is reported
            refusal = f"compiled, {node.title} refuses values that scikit-learn takes: {error}"
            yield Comparison(setting=setting, failure=refusal)
            continue
        comparison = compare(
            Trace(keys[answered], {**known, **expected}, {}),
            Trace(keys[answered], {**known, **actual}, {}),
            graph,
            scales=golden.scales,
            columns=tuple(expected),
            version=version,
        )
        yield replace(comparison, setting=setting, failure=failure)


def _each_alone(predictor: Computation) -> Callable[[Columns], Columns]:
    """A predictor that is given one row at a time, which it computes in another way."""

    def predict(columns: Columns) -> Columns:
        count = len(next(iter(columns.values())))
        parts = [predictor(_row(columns, row)) for row in range(count)]
        return stacked(parts or [predictor(columns)])

    return predict


def _row(columns: Columns, row: int) -> Columns:
    return take_rows(columns, slice(row, row + 1))


def _answered(
    predictor: Computation, rows: Columns, keys: Array
) -> Iterator[tuple[Array, Columns]]:
    """The rows that a predictor takes, searched by halves, and its columns of them."""
    if not len(keys):
        return
    columns = _answer(predictor, take_rows(rows, keys))
    if columns is not None:
        yield keys, columns
    elif len(keys) > 1:
        half = len(keys) // 2
        yield from _answered(predictor, rows, keys[:half])
        yield from _answered(predictor, rows, keys[half:])


def _answer(predictor: Computation, rows: Columns) -> Columns | None:
    """A predictor's columns of some rows; None if it refuses them."""
    with np.errstate(all="ignore"):
        try:
            return predictor(rows)
        except Exception:  # noqa: BLE001 - scikit-learn refuses with errors of many types
            return None
