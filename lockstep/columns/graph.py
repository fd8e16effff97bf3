"""The column graph: which column comes from which, and their evaluation in order."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from graphlib import CycleError as _Circle
from graphlib import TopologicalSorter
from types import MappingProxyType
from typing import Any

import numpy as np

from lockstep.columns.errors import (
    CycleError,
    DuplicateNameError,
    FunctionError,
    InputError,
    NotFittedError,
)
from lockstep.columns.examples import example_array, example_columns, example_predictions
from lockstep.columns.kinds import Array, Columns, Kind, kind_of_dtype
from lockstep.columns.nodes import Column, Model
from lockstep.columns.predictors import predict
from lockstep.columns.records import Schema
from lockstep.columns.returned import are_texts, canonical, raised, writes_to_input
from lockstep.columns.soundness import check_inputs, check_kinds, check_roles

_NO_MODELS: Mapping[str, Any] = MappingProxyType({})


@dataclass(frozen=True)
class _Step:
    """One column's computation, with all that needs no looking up per batch."""

    column: Column
    is_model: bool
    dtype: np.dtype[Any] | None


class Graph:
    """The columns of a pipeline and what each is computed from.

    Args:
        columns: The decorated columns, in the order of their definition.
        record: Fields that are known when serving.
        outcome: Fields that are known later, if any.

    Raises:
        DuplicateNameError: Two columns, or a column and a field, share a name.
        UnknownInputError: An input is neither field nor column.
        CycleError: Columns depend on each other in a circle.
        LeakageError: A feature, model or output depends on an outcome or a label.
        DeclarationError: A function says that an input holds another kind than it does, a
            model learns what is no label, or a label depends on a model.
        FunctionError: A function returned no column when computed on example rows, or wrote to
            its input.
    """

    def __init__(self, columns: Iterable[Column], record: Schema, outcome: Schema | None) -> None:
        self.record = record
        self.outcome = outcome
        self.columns: Mapping[str, Column] = _by_name(columns, record, outcome)
        self.fields = record.joined(outcome)
        self._producers = _producers(self.columns.values(), self.fields)
        check_inputs(self)
        self._node_order = self._sort()
        check_roles(self)
        check_kinds(self)
        self._plans: dict[tuple[frozenset[str], tuple[str, ...]], tuple[_Step, ...]] = {}
        self._kinds: dict[str, Kind] = dict(self.fields.kinds)
        for column in self.columns.values():
            if column.kind is not None:
                self._kinds[column.name] = column.kind
            if isinstance(column, Model):
                self._kinds.update(dict.fromkeys(column.probabilities, Kind.FLOAT))
        self.unprobed: Mapping[str, str] = self._probe()

    # Structure

    def __contains__(self, name: object) -> bool:
        return name in self.fields or name in self._producers

    @property
    def names(self) -> tuple[str, ...]:
        """All columns, in the order of their definition."""
        return (*self.fields.names, *self._producers)

    @cached_property
    def order(self) -> tuple[str, ...]:
        """All columns: the record's fields, the outcome's, then each after its inputs."""
        names = list(self.fields.names)
        for name in self._node_order:
            names.append(name)
            column = self.columns[name]
            if isinstance(column, Model):
                names.extend(column.probabilities)
        return tuple(names)

    def _names(self, role: str) -> tuple[str, ...]:
        return tuple(name for name in self._node_order if self.columns[name].role == role)

    @cached_property
    def features(self) -> tuple[str, ...]:
        """Names of the features, in graph order."""
        return self._names("feature")

    @cached_property
    def labels(self) -> tuple[str, ...]:
        """Names of the labels, in graph order."""
        return self._names("label")

    @cached_property
    def models(self) -> tuple[str, ...]:
        """Names of the models, in graph order: a second stage after the first."""
        return self._names("model")

    @cached_property
    def outputs(self) -> tuple[str, ...]:
        """Names of the outputs, in graph order."""
        return self._names("output")

    @cached_property
    def served(self) -> tuple[str, ...]:
        """All columns that need no outcome, in graph order."""
        outcome = set(self.outcome.names) if self.outcome else set()
        return tuple(name for name in self.order if name not in outcome and name not in self.labels)

    @cached_property
    def model_free(self) -> tuple[str, ...]:
        """Features that no model is behind: computable before anything is fitted."""
        return tuple(name for name in self.features if not self.models_behind(name))

    def model_of(self, name: str) -> Model:
        """The model of this name.

        Raises:
            KeyError: There is none.
        """
        column = self.columns[name]
        if not isinstance(column, Model):
            raise KeyError(name)
        return column

    def producer(self, name: str) -> Column | None:
        """The column whose function computes this one; None for a field.

        A multiclass model produces its columns of probabilities too.
        """
        found = self._producers.get(name)
        return self.columns[found] if found is not None else None

    def inputs(self, name: str) -> tuple[str, ...]:
        """Columns that this one is computed from directly; none for a field."""
        column = self.producer(name)
        return column.inputs if column is not None else ()

    def ancestors(self, name: str) -> frozenset[str]:
        """All columns that this one comes from, itself excluded."""
        found: set[str] = set()
        open_names = list(self.inputs(name))
        while open_names:
            one = open_names.pop()
            if one not in found:
                found.add(one)
                open_names.extend(self.inputs(one))
        return frozenset(found)

    def lineage(self, name: str) -> frozenset[str]:
        """The fields that this column comes from in the end; a field comes from itself."""
        if name in self.fields:
            return frozenset((name,))
        return frozenset(one for one in self.ancestors(name) if one in self.fields)

    def models_behind(self, name: str) -> frozenset[str]:
        """Models that this column depends on, itself excluded."""
        producers = {self._producers.get(one, one) for one in self.ancestors(name)}
        own = self._producers.get(name)
        return frozenset(one for one in producers if one in self.models and one != own)

    def kind(self, name: str) -> Kind:
        """What this column's array holds."""
        return self._kinds[name]

    def ulps(self, name: str) -> int:
        """Largest difference, in units in the last place, that still counts as equal.

        Declared, or else the largest of its inputs' for a float column, and 0 (bit-exact)
        for fields and for whatever is not a float.
        """
        return self._ulps[name]

    @cached_property
    def _ulps(self) -> dict[str, int]:
        budgets: dict[str, int] = {}
        for name in self.order:
            column = self.producer(name)
            if column is None or self.kind(name) is not Kind.FLOAT:
                budgets[name] = 0
                continue
            inherited = max((budgets[one] for one in column.inputs), default=0)
            if isinstance(column, Model):
                budgets[name] = max(column.ulps or 0, inherited)
            else:
                budgets[name] = column.ulps if column.ulps is not None else inherited
        return budgets

    # Evaluation

    def evaluate(
        self,
        columns: Columns,
        wanted: Iterable[str],
        models: Mapping[str, Any] = _NO_MODELS,
    ) -> Columns:
        """Compute columns that are wanted and not there yet.

        Args:
            columns: What is known, in canonical form; a column that is given is not computed.
            wanted: Names of the columns to have.
            models: Fitted estimators by the name of their column.

        Returns:
            The given columns and the wanted ones with all that they needed, read-only.

        Raises:
            FunctionError: A function raised, or returned something that is no column.
            NotFittedError: A model is needed and is not among the models.
            InputError: A field is needed and not given.
            KeyError: A column that is wanted does not exist.
        """
        found = {
            name: _read_only(array) if array.flags.writeable else array
            for name, array in columns.items()
        }
        length = len(next(iter(found.values()))) if found else 0
        shape = (length,)
        with np.errstate(all="ignore"):
            for step in self._plan(frozenset(found), tuple(wanted)):
                column = step.column
                if step.is_model:
                    found = self._predictions(column.name, found, models) | found
                    continue
                try:
                    value = column.function(*[found[name] for name in column.inputs])
                except Exception as error:
                    raise raised(column, error) from error
                if (
                    type(value) is not np.ndarray
                    or value.dtype != step.dtype
                    or value.shape != shape
                    or (value.dtype.hasobject and not are_texts(value))
                ):
                    value = canonical(column, value, step.dtype, length)
                value.setflags(write=False)
                found[column.name] = value
        return found

    def _plan(self, given: frozenset[str], wanted: tuple[str, ...]) -> tuple[_Step, ...]:
        plan = self._plans.get((given, wanted))
        if plan is None:
            needed = self._needed(given, wanted)
            columns = [self.columns[name] for name in self._node_order if name in needed]
            plan = tuple(
                _Step(column, isinstance(column, Model), self._dtype(column.name))
                for column in columns
            )
            self._plans[(given, wanted)] = plan
        return plan

    def _dtype(self, name: str) -> np.dtype[Any] | None:
        kind = self._kinds.get(name)
        return kind.dtype if kind is not None else None

    def _needed(self, given: frozenset[str], wanted: Iterable[str]) -> set[str]:
        needed: set[str] = set()
        open_names = [name for name in wanted if name not in given]
        while open_names:
            name = open_names.pop()
            producer = self._producers.get(name)
            if producer is None:
                if name in self.fields:
                    raise InputError(f"The field {name!r} is needed, and it is not given.")
                raise KeyError(f"There is no column {name!r}.")
            if producer not in needed:
                needed.add(producer)
                open_names.extend(one for one in self.columns[producer].inputs if one not in given)
        return needed

    def _predictions(self, name: str, found: Columns, models: Mapping[str, Any]) -> Columns:
        model = self.model_of(name)
        if name not in models:
            raise NotFittedError(
                f"{model.title} is not fitted: call fit(history) of its pipeline, or load a "
                "version from the registry."
            )
        try:
            return predict(model, models[name], found)
        except Exception as error:
            raise raised(model, error) from error

    # Building

    def _sort(self) -> tuple[str, ...]:
        position = {name: index for index, name in enumerate(self.columns)}
        sorter: TopologicalSorter[str] = TopologicalSorter()
        for column in self.columns.values():
            behind = {self._producers[name] for name in column.inputs if name in self._producers}
            sorter.add(column.name, *sorted(behind, key=position.__getitem__))
        try:
            return tuple(sorter.static_order())
        except _Circle as error:
            circle = " ← ".join(reversed(error.args[1]))
            raise CycleError(f"Columns depend on each other in a circle: {circle}.") from None

    def _probe(self) -> dict[str, str]:
        """Compute every column on example rows, to see what each function returns.

        A function that raises on them may be right on real rows, so that is no error here,
        unless it is the only way to tell what it returns.
        """
        columns = example_columns(self.fields)
        unprobed: dict[str, str] = {}
        for name in self._node_order:
            column = self.columns[name]
            if isinstance(column, Model):
                columns.update(example_predictions(column))
                continue
            try:
                columns = self.evaluate(columns, (name,))
            except FunctionError as error:
                if error.__cause__ is None or writes_to_input(error.__cause__):
                    raise
                if column.kind is None:
                    raise FunctionError(
                        name,
                        f"{error} on example rows, so what it returns cannot be told: annotate "
                        "it with -> Floats, Ints, Bools, Texts or Times.",
                    ) from error
                unprobed[name] = str(error)
                columns[name] = example_array(column.kind, optional=False)
            self._kinds[name] = _kind_of(columns[name])
        self._plans.clear()
        return unprobed


def _by_name(
    columns: Iterable[Column], record: Schema, outcome: Schema | None
) -> dict[str, Column]:
    fields = dict.fromkeys(record.names, record.name)
    for name in outcome.names if outcome else ():
        if name in fields:
            raise DuplicateNameError(
                f"{name!r} is a field of both {record.name} and {outcome.name if outcome else ''}; "
                "rename one."
            )
        fields[name] = outcome.name if outcome else ""
    found: dict[str, Column] = {}
    for column in columns:
        if column.name in fields:
            raise DuplicateNameError(
                f"{column.title} has the name of a field of {fields[column.name]}; rename one."
            )
        known = found.setdefault(column.name, column)
        if known is not column:
            raise DuplicateNameError(
                f"{column.name!r} is defined twice: at {known.location} and at {column.location}."
            )
    return found


def _producers(columns: Iterable[Column], fields: Schema) -> dict[str, str]:
    """For every column that is no field, whose function computes it."""
    producers: dict[str, str] = {}
    for column in columns:
        probabilities = column.probabilities if isinstance(column, Model) else ()
        for name in (column.name, *probabilities):
            if name in producers or (name != column.name and name in fields):
                raise DuplicateNameError(
                    f"{column.title} gives a column {name!r}, a name that is taken already; "
                    "rename one."
                )
            producers[name] = column.name
    return producers


def _read_only(array: Array) -> Array:
    """A view that cannot be written to."""
    view = array.view()
    view.flags.writeable = False
    return view


def _kind_of(array: Array) -> Kind:
    kind = kind_of_dtype(array.dtype)
    assert kind is not None, "evaluate() lets only canonical arrays through"
    return kind
