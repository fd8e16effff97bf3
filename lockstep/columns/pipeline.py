"""Pipelines: the columns of one use case, fitted and served by one definition."""

from __future__ import annotations

import ast
import copy
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from types import ModuleType
from typing import TYPE_CHECKING, Any, Self, TypeGuard

import numpy as np
import pandas as pd

from lockstep.columns.decode import Data, decode
from lockstep.columns.fitting import fit_models
from lockstep.columns.from_table import FromTable, Rows
from lockstep.columns.graph import Graph
from lockstep.columns.graph_drawing import graph_drawing
from lockstep.columns.html import table, titled
from lockstep.columns.kinds import Array, Columns
from lockstep.columns.nodes import Bound, Model, Node
from lockstep.columns.plain import counted, listed
from lockstep.columns.predictors import Keeping, ReferencePredictor
from lockstep.columns.records import Outcome, Record
from lockstep.columns.schema import Schema
from lockstep.columns.setting_checks import declaration
from lockstep.columns.syntax import parse, source_of
from lockstep.columns.table_schema import TableSchema
from lockstep.columns.tables import stacked, take_rows, to_frame
from lockstep.errors import (
    DeclarationError,
    DefinitionError,
    DuplicateNameError,
    InputError,
    InvalidRecordsError,
    NotFittedError,
)

if TYPE_CHECKING:
    from sklearn.base import BaseEstimator


@dataclass(frozen=True)
class Trace:
    """Every column of some rows, and what each model's estimator was given.

    Attributes:
        columns: All columns, in graph order.
        matrices: By model (or other node that keeps one): the two-dimensional array that its final
            estimator got, after its transformers. Empty for a trace without matrices.
        roles: By column whose values a notebook shows: its role.
    """

    keys: Array
    columns: Columns
    matrices: Mapping[str, Array]
    roles: Mapping[str, str] = field(default_factory=dict, repr=False)

    def take(self, rows: Sequence[int] | Array) -> Trace:
        """Some of its rows, by position, in the order given."""
        chosen = np.asarray(rows, dtype=np.int64)
        columns, matrices = take_rows(self.columns, chosen), take_rows(self.matrices, chosen)
        return Trace(self.keys[chosen], columns, matrices, self.roles)

    def _repr_html_(self) -> str:
        """A notebook's form of it: the first rows, a line for each column."""
        rows = [["column", "role", *map(str, self.keys[:5])]]
        for name in filter(self.columns.__contains__, self.roles):
            rows.append([name, self.roles[name], *self.columns[name][:5]])
        return titled(f"Trace of {counted(len(self.keys), 'row')}", (), table(rows))

    @classmethod
    def joined(cls, traces: Sequence[Trace]) -> Trace:
        """The rows of one or more traces of the same columns, one trace after the other."""
        return cls(
            np.concatenate([trace.keys for trace in traces]),
            stacked([trace.columns for trace in traces]),
            stacked([trace.matrices for trace in traces]),
            traces[0].roles,
        )


@declaration
class Pipeline:
    """The column graph of one use case, and its models once they are fitted.

    Args:
        module: Name of the module that defines the columns: `__name__`. Its last part names the
            pipeline.
        record: The fields that are known when serving.
        outcome: The fields that are known later; None for a pipeline without labels.

    Attributes:
        bound: By node, what it computes with beside its code: the predictors of fitted models.

    Raises:
        DefinitionError: The columns do not make a graph; the message names the culprit.
        FunctionError: A column's function returns something that is no column.
    """

    def __init__(
        self, module: str, *, record: type[Record], outcome: type[Outcome] | None = None
    ) -> None:
        self.module = module
        self.name = module.rpartition(".")[2]
        self.record = record
        self.outcome = outcome
        self.record_schema = record.schema()
        self.outcome_schema = outcome.schema() if outcome is not None else None
        self.joint_schema = self.record_schema.joined(self.outcome_schema)
        self.graph = Graph(_nodes_of(module), self.record_schema, self.outcome_schema)
        self.bound: Bound = {}
        _check_tables(self.reading)
        for node in self.reading:
            if not self.graph.personal.isdisjoint(node.inputs):
                raise DeclarationError(
                    f"{node.title} is asked by what is Personal, and rows of tables are named by "
                    "their keys wherever they are shown: ask by a key that tells of nobody."
                )

    def __repr__(self) -> str:
        state = "fitted" if self.is_fitted else "not fitted"
        return f"<Pipeline {self.name}: {counted(len(self.graph.columns), 'column')}, {state}>"

    def _repr_html_(self) -> str:
        """A notebook's form of it: its graph."""
        return titled(repr(self)[1:-1], (), graph_drawing(self.graph))

    @property
    def key(self) -> str:
        """Name of the field that names a row."""
        return self.record_schema.key or ""

    @property
    def is_fitted(self) -> bool:
        """Whether it has fitted models for all its model columns."""
        return self.bound.keys() >= set(self.graph.models)

    @property
    def models_(self) -> dict[str, Any]:
        """The estimators of the fitted models."""
        return {
            name: predictor.estimator
            for name, predictor in self.bound.items()
            if isinstance(predictor, ReferencePredictor)
        }

    def lineage(self, column: str) -> frozenset[str]:
        """The fields that a column depends on.

        Raises:
            KeyError: There is no such column.
        """
        if column not in self.graph.order:
            raise KeyError(f"{self.name} has no column {column!r}")
        return self.graph.lineage(column)

    def unfitted(self) -> Pipeline:
        """The same definition without fitted models."""
        unfitted = copy.copy(self)
        unfitted.bound = self._bound_without_models()
        return unfitted

    def with_models(self, models: Mapping[str, BaseEstimator]) -> Pipeline:
        """The same definition with these fitted models, an estimator for each model column.

        Raises:
            NotFittedError: A model column has no estimator among them.
        """
        lacking = [name for name in self.graph.models if name not in models]
        if lacking:
            raise NotFittedError(f"{self.name}: no fitted model for {', '.join(lacking)}.")
        nodes = self.graph.columns
        return self.bind(
            {
                name: ReferencePredictor(node, estimator)
                for name, estimator in models.items()
                if isinstance(node := nodes.get(name), Model)
            }
        )

    def bind(self, bound: Bound) -> Self:
        """The same definition with other predictors by model, or what else nodes compute with.

        Other nodes keep theirs.
        """
        copied = copy.copy(self)
        copied.bound = {**self.bound, **bound}
        return copied

    @cached_property
    def tables(self) -> Mapping[str, TableSchema]:
        """The declarations of the tables that look-ups and windows read, by name."""
        return {node.table.name: node.table for node in self.reading}

    def with_tables(self, tables: Mapping[str, Rows]) -> Self:
        """The same definition, whose look-ups and windows read these rows, by name of their table.

        Raises:
            InputError: A table has no rows among them, or rows of another declaration.
        """
        lacking = [name for name in self.tables if name not in tables]
        if lacking:
            raise InputError(f"{self.name}: no rows of the tables {listed(lacking)} are given.")
        for name, declared in self.tables.items():
            if not declared.is_same_as(tables[name].schema):
                raise InputError(
                    f"{self.name}: the rows of the table {name!r} were delivered under another "
                    "declaration of its fields and times; deliver the table anew."
                )
        return self.bind({node.name: node.reader(tables[node.table.name]) for node in self.reading})

    @property
    def reading(self) -> list[FromTable]:
        """Its look-ups and windows."""
        return [node for node in self.graph.columns.values() if isinstance(node, FromTable)]

    @cached_property
    def looked_up_schema(self) -> Schema:
        """The fields of the record, and the columns of look-ups and windows after them."""
        given = tuple(field for node in self.reading for field in node.given_fields)
        return Schema(self.record_schema.name, (*self.record_schema, *given))

    @cached_property
    def watched_schema(self) -> Schema:
        """`looked_up_schema` without personal columns: what is learnt of rows is kept and shown."""
        looked_up, personal = self.looked_up_schema, self.graph.personal
        fields = tuple(field for field in looked_up if field.name not in personal)
        return Schema(looked_up.name, fields)

    def _bound_without_models(self) -> Bound:
        models = set(self.graph.models)
        return {name: predictor for name, predictor in self.bound.items() if name not in models}

    def fit(self, data: Data | Columns) -> Self:
        """Fit every model on rows whose outcome is known, and return the pipeline itself.

        Args:
            data: A DataFrame, records or a pyarrow table with the fields of record and outcome, or
                columns that were decoded before. Features and labels that are among them are taken
                as they are; what a model computed is not, since that model may have been fitted on
                these very rows.

        Raises:
            InvalidRecordsError: A row does not fit its declaration.
            InputError: A column is lacking.
            FitError: A model cannot be fitted on these rows.
        """
        columns = self._columns(data, self.joint_schema)
        wanted = (*self.graph.model_free, *self.graph.labels)
        kept = {*self.joint_schema.names, *wanted}
        columns = {name: array for name, array in columns.items() if name in kept}
        bound = self._bound_without_models()
        known = self.graph.evaluate(columns, wanted, bound)
        self.bound = {**bound, **fit_models(self.graph, known, bound=bound)}
        return self

    def predict(self, data: Data | Columns) -> pd.DataFrame:
        """Predict: the key, the event time if there is one, and all outputs, one row a record.

        Where a look-up or window has no rows of its table, its columns are taken from a DataFrame
        that has all of them.

        Args:
            data: A DataFrame (its index is kept), records, a pyarrow table, or columns.

        Raises:
            NotFittedError: `fit` has not been called.
            InvalidRecordsError: A row does not fit its declaration; use `decode` to set such
                rows aside.
            InputError: A column is lacking, or the rows of a table.
        """
        columns = self.evaluate(self._columns(data, self._with_given(data)), self.graph.outputs)
        time = self.record_schema.event_time
        names = [self.key, *([time] if time is not None else []), *self.graph.outputs]
        frame = to_frame({name: columns[name] for name in names})
        if isinstance(data, pd.DataFrame):
            frame.index = data.index
        return frame

    def evaluate(self, columns: Columns, wanted: tuple[str, ...] | None = None) -> Columns:
        """Compute columns of decoded rows: the wanted ones, or all that need no outcome.

        Raises:
            NotFittedError: A model's column is needed and `fit` has not been called.
            InputError: A field is needed and not among the columns.
            FunctionError: A column's function raised or returned no column.
        """
        names = self.graph.served if wanted is None else wanted
        return self.graph.evaluate(columns, names, self.bound)

    def trace(self, data: Data | Columns, *, labels: bool = False, matrices: bool = False) -> Trace:
        """Every column of some rows, in graph order; raises as `predict` and `evaluate` do.

        Args:
            data: A DataFrame, records, a pyarrow table, or columns.
            labels: Whether to include outcome and labels; the data must then hold the outcome.
            matrices: Whether to include what each final estimator was given.
        """
        schema = self.joint_schema if labels else self.record_schema
        known = self._columns(data, schema)
        wanted = self.graph.order if labels else self.graph.served
        bound = self.bound
        if matrices:
            bound = {
                name: Keeping(predictor) if isinstance(predictor, ReferencePredictor) else predictor
                for name, predictor in bound.items()
            }
        evaluated = self.graph.evaluate(known, wanted, bound)
        columns = {name: evaluated[name] for name in wanted}
        insides = {}
        for name, node in self.graph.nodes.items() if matrices else ():
            inside = node.inside(evaluated, bound) if node.column in evaluated else None
            if inside is not None:
                insides[name] = inside
        shown = self.graph.roles.keys() - self.graph.personal
        roles = {name: role for name, role in self.graph.roles.items() if name in shown}
        return Trace(columns[self.key], columns, insides, roles)

    def _columns(self, data: Data | Columns, schema: Schema) -> Columns:
        """Columns as they are, if they are canonical; anything else decoded, every row of it."""
        if _are_columns(data):
            self._check_canonical(data)
            return data
        decoded = decode(data, schema)
        if decoded.rejected:
            raise InvalidRecordsError(decoded.rejected, decoded.total, schema.name)
        return decoded.columns

    def _with_given(self, data: Data | Columns) -> Schema:
        """The fields of the record, and columns of look-ups and windows that are given instead."""
        names = {*data.columns} if isinstance(data, pd.DataFrame) else set()
        given = [
            field
            for node in self.reading
            if node.name not in self.bound and names >= node.gives.keys()
            for field in node.given_fields
        ]
        schema = self.record_schema
        return Schema(schema.name, (*schema.fields, *given)) if given else schema

    def _check_canonical(self, columns: Columns) -> None:
        length = len(columns.get(self.key, next(iter(columns.values()))))
        for name, array in columns.items():
            dtype = self.graph.kind(name).dtype if name in self.graph else array.dtype
            if array.dtype != dtype or array.shape != (length,):
                raise InputError(
                    f"{self.name}: {name} is an array of {array.dtype} and shape {array.shape}, "
                    f"not of {dtype} and shape ({length},); decode() makes columns of any table."
                )


def _check_tables(nodes: Sequence[FromTable]) -> None:
    """Two tables of one name would be taken for each other."""
    named: dict[str, FromTable] = {}
    for node in nodes:
        other = named.setdefault(node.table.name, node)
        if not other.table.is_same_as(node.table):
            raise DuplicateNameError(
                f"{other.title} and {node.title} read two tables of the name {node.table.name!r}; "
                "rename one."
            )


def _are_columns(data: Data | Columns) -> TypeGuard[Columns]:
    return (
        isinstance(data, dict)
        and bool(data)
        and all(isinstance(value, np.ndarray) for value in data.values())
    )


def _nodes_of(module_name: str) -> list[Node]:
    """The nodes of a module, decorated functions above all, its imports of them included."""
    module = sys.modules.get(module_name)
    if module is None:
        raise DefinitionError(
            f"There is no module {module_name!r}: write Pipeline(__name__, ...) in the module that "
            "defines the columns."
        )
    _check_defined_once(module)
    return [value for value in vars(module).values() if isinstance(value, Node)]


def _check_defined_once(module: ModuleType) -> None:
    """A second function of one name would replace the first without a word."""
    try:
        definitions = parse(source_of(module)).body
    except (OSError, TypeError):
        return  # made in memory, without a source to read
    lines: dict[str, int] = {}
    for node in definitions:
        if isinstance(node, ast.FunctionDef) and isinstance(vars(module).get(node.name), Node):
            if node.name in lines:
                raise DuplicateNameError(
                    f"{module.__name__}: {node.name!r} is defined twice, in lines "
                    f"{lines[node.name]} and {node.lineno}; rename one."
                )
            lines[node.name] = node.lineno
