"""The column graph: which column comes from which, and their evaluation in order."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping
from functools import cached_property
from graphlib import CycleError as _Circle
from graphlib import TopologicalSorter
from typing import Any, ParamSpec, TypeVar

import numpy as np

from lockstep.columns.contexts import OwnContext
from lockstep.columns.finite import traced_to_origin
from lockstep.columns.kinds import Array, Columns, Kind, example_array, kind_of_dtype
from lockstep.columns.nodes import NOTHING, Bound, FieldNode, Node
from lockstep.columns.plans import Plan, plan_of
from lockstep.columns.returned import canonical, raised, writes_to_input
from lockstep.columns.schema import Field, Schema
from lockstep.columns.soundness import check_classes, check_inputs, check_kinds, check_roles
from lockstep.errors import (
    CycleError,
    DeclarationError,
    DuplicateNameError,
    FunctionError,
    FutureError,
)

P = ParamSpec("P")
T = TypeVar("T")

_MOST_PLANS = 1_000
"""Plans that a graph keeps: requests with wrong fields ask for ever other columns."""


class Graph:
    """The columns of a pipeline and what each is computed from.

    It raises a `DefinitionError` where the nodes make no graph, and a `FunctionError` where a
    function returns no column of example rows, or writes to its input.

    Attributes:
        nodes: All nodes by name: the fields, then each after its inputs.
        columns: The nodes that are no fields, in the order of their definition.
        fields: The fields of record and outcome.
        unprobed: By column that could not be computed on example rows: why.
        context: The context of the modules of a stored version; None for that of the caller.
    """

    def __init__(self, nodes: Iterable[Node], record: Schema, outcome: Schema | None) -> None:
        self.record = record
        self.outcome = outcome
        self.context: OwnContext | None = None
        self.columns: Mapping[str, Node] = _by_name(nodes, record, outcome)
        self.fields = record.joined(outcome)
        fields = [FieldNode.of(field) for field in self.fields]
        self._givers = _givers([*fields, *self.columns.values()])
        check_classes(self)
        check_inputs(self)
        self.nodes: Mapping[str, Node] = {node.name: node for node in (*fields, *self._sort())}
        check_roles(self)
        check_kinds(self)
        self._plans: dict[tuple[frozenset[str], tuple[str, ...]], Plan] = {}
        self._kinds = {
            name: kind
            for node in self.nodes.values()
            for name, kind in node.gives.items()
            if kind is not None
        }
        self.unprobed: Mapping[str, str] = self._probe()
        self._dtypes = {name: kind.dtype for name, kind in self._kinds.items()}

    # Structure

    def __contains__(self, name: object) -> bool:
        return name in self._givers

    @property
    def names(self) -> tuple[str, ...]:
        """All columns, in the order of their definition."""
        return tuple(self._givers)

    @cached_property
    def order(self) -> tuple[str, ...]:
        """All columns: the record's fields, the outcome's, then each after its inputs."""
        return tuple(name for node in self.nodes.values() for name in node.gives)

    def _names(self, *roles: str) -> tuple[str, ...]:
        nodes = (node for node in self.nodes.values() if node.role in roles)
        return tuple(name for node in nodes for name in node.gives)

    @cached_property
    def roles(self) -> Mapping[str, str]:
        """By column, in graph order, the role of its node."""
        return {name: node.role for node in self.nodes.values() for name in node.gives}

    @cached_property
    def features(self) -> tuple[str, ...]:
        """Columns of features, look-ups and windows, in graph order."""
        return self._names("feature", "lookup", "window")

    @cached_property
    def labels(self) -> tuple[str, ...]:
        """Names of the labels, in graph order."""
        return self._names("label")

    @cached_property
    def models(self) -> tuple[str, ...]:
        """Names of what is fitted, in graph order: a second stage after the first."""
        return tuple(node.name for node in self.nodes.values() if node.learns is not None)

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

    @cached_property
    def personal(self) -> frozenset[str]:
        """Columns that are declared to tell of a person, and what functions compute of them."""
        personal = {*self.fields.personal}
        for node in self.nodes.values():
            read: tuple[Field, ...] = getattr(node, "given_fields", ())  # of a table
            personal |= {field.name for field in read if field.personal}
            if node.learns is None and not personal.isdisjoint(node.inputs):
                personal.update(node.gives)
        return frozenset(personal)

    def node(self, name: str) -> Node | None:
        """The node that gives this column; None if there is no such column.

        A multiclass model gives its columns of probabilities too.
        """
        return self._givers.get(name)

    def inputs(self, name: str) -> tuple[str, ...]:
        """Columns that this one is computed from directly; none for a field."""
        node = self._givers.get(name)
        return node.inputs if node is not None else ()

    def ancestors(self, name: str) -> frozenset[str]:
        """All columns that this one depends on, itself excluded."""
        ancestors: set[str] = set()
        open_names = list(self.inputs(name))
        while open_names:
            ancestor = open_names.pop()
            if ancestor not in ancestors:
                ancestors.add(ancestor)
                open_names.extend(self.inputs(ancestor))
        return frozenset(ancestors)

    def lineage(self, name: str) -> frozenset[str]:
        """The fields that this column depends on; a field depends on itself."""
        return frozenset(
            column for column in (name, *self.ancestors(name)) if column in self.fields
        )

    def models_behind(self, name: str) -> frozenset[str]:
        """Models that this column depends on, itself excluded."""
        own = self._givers.get(name)
        givers = {self._givers[ancestor] for ancestor in self.ancestors(name)} - {own}
        return frozenset(node.name for node in givers if node.learns is not None)

    @cached_property
    def depths(self) -> Mapping[str, int]:
        """By column, the longest path from a field to it: 0 for a field."""
        depths: dict[str, int] = {}
        for node in self.nodes.values():
            depth = max((depths[name] + 1 for name in node.inputs), default=0)
            depths.update(dict.fromkeys(node.gives, depth))
        return depths

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
        for node in self.nodes.values():
            inherited = max((budgets[name] for name in node.inputs), default=0)
            for name in node.gives:
                is_float = self.kind(name) is Kind.FLOAT
                budgets[name] = node.budget(inherited) if is_float else 0
        return budgets

    # Evaluation

    def evaluate(self, columns: Columns, wanted: Iterable[str], bound: Bound = NOTHING) -> Columns:
        """Compute the wanted columns that are not given.

        All that they needed comes with them, in canonical form and read-only. For no rows, no
        function of an author and no model is called. `bound` has the models' predictors.

        Raises:
            FunctionError: A function raised, or returned something that is no column.
            NotFittedError: A model is needed and its predictor is not given.
            InputError: A field is needed and not given.
            KeyError: A wanted column does not exist.
        """
        return self.in_context(self._evaluate, columns, wanted, bound)

    def in_context(self, function: Callable[P, T], *args: P.args, **options: P.kwargs) -> T:
        """Call a function in the context of the modules, in which all columns are computed."""
        if self.context is None:
            return function(*args, **options)
        return self.context.compute(function, *args, **options)

    def _evaluate(self, columns: Columns, wanted: Iterable[str], bound: Bound) -> Columns:
        known = {
            name: _read_only(array) if array.flags.writeable else array
            for name, array in columns.items()
        }
        rows = len(next(iter(known.values()))) if known else 0
        with np.errstate(all="ignore"):
            if known and not rows:
                self._add_empty(known, wanted, bound)
                return known
            plan = self._plan(frozenset(known), tuple(wanted))
            try:
                plan(known, bound, rows)
            except FunctionError as error:  # `known` now holds all that was computed before
                hides = not self.personal.isdisjoint((error.column, *self.inputs(error.column)))
                if hides and not isinstance(error, FutureError):  # its text may show a value
                    kind = type(error.__cause__ or error).__name__
                    what = f"{self._givers[error.column].title} fails on a personal value: {kind}"
                    raise FunctionError(error.column, what) from None
                raise traced_to_origin(self, known, error) from error.__cause__
        return known

    def _add_empty(self, known: Columns, wanted: Iterable[str], bound: Bound) -> None:
        """Add the wanted columns of no rows: no function and no model is asked for these."""
        for node in self.path(known, wanted):
            empty = {name: np.empty(0, self._dtypes[name]) for name in node.gives}
            given = empty if node.runs_code else node.compute(known, bound)
            for name, array in given.items():
                known.setdefault(name, _read_only(array))

    def _plan(self, given: frozenset[str], wanted: tuple[str, ...]) -> Plan:
        plan = self._plans.get((given, wanted))
        if plan is None:
            nodes = self.path(given, wanted)
            if len(self._plans) >= _MOST_PLANS:
                self._plans.clear()
            plan = self._plans[(given, wanted)] = plan_of(nodes, self._dtypes, given)
        return plan

    def path(self, given: Collection[str], wanted: Iterable[str]) -> list[Node]:
        """The nodes that compute the wanted columns from the given ones, each after its inputs."""
        needed: set[Node] = set()
        open_names = [name for name in wanted if name not in given]
        while open_names:
            name = open_names.pop()
            node = self._givers.get(name)
            if node is None:
                raise KeyError(f"There is no column {name!r}.")
            if node not in needed:
                needed.add(node)
                open_names.extend(column for column in node.inputs if column not in given)
        return [node for node in self.nodes.values() if node in needed]

    # Building

    def _sort(self) -> tuple[Node, ...]:
        """The nodes that are no fields, each after its inputs."""
        position = {name: index for index, name in enumerate(self.columns)}
        sorter: TopologicalSorter[str] = TopologicalSorter()
        for node in self.columns.values():
            behind = {self._givers[name].name for name in node.inputs} - self.fields.kinds.keys()
            sorter.add(node.name, *sorted(behind, key=position.__getitem__))
        try:
            names = tuple(sorter.static_order())
        except _Circle as error:
            circle = " ← ".join(reversed(error.args[1]))
            raise CycleError(f"Columns depend on each other in a circle: {circle}.") from None
        return tuple(self.columns[name] for name in names)

    def _probe(self) -> dict[str, str]:
        """Compute every column on example rows; return by column why one could not be computed.

        A function that raises on them may be right on real rows, so that is no error here, unless
        nothing else shows what it returns.
        """
        self._dtypes = {name: kind.dtype for name, kind in self._kinds.items()}
        known: Columns = {}
        unprobed: dict[str, str] = {}
        with np.errstate(all="ignore"):
            for node in self.nodes.values():
                try:
                    for name, value in _example(node, known).items():
                        array = canonical(node, value, self._dtypes.get(name), 3)
                        known[name] = _read_only(array)
                except FunctionError as error:
                    if error.__cause__ is None or writes_to_input(error.__cause__):
                        raise
                    if any(kind is None for kind in node.gives.values()):
                        raise FunctionError(
                            node.column,
                            f"{error} on example rows, so what it returns cannot be told: annotate "
                            "it with -> Floats, Ints, Bools, Texts or Times.",
                        ) from error
                    for name, kind in node.gives.items():
                        unprobed[name] = str(error)
                        known[name] = _read_only(example_array(kind or Kind.FLOAT))
                self._kinds.update((name, _kind_of(known[name])) for name in node.gives)
        return unprobed


def _example(node: Node, known: Columns) -> Mapping[str, Any]:
    try:
        return node.example(known)
    except (DeclarationError, FunctionError):
        raise
    except Exception as error:
        raise raised(node, error) from error


def _by_name(nodes: Iterable[Node], record: Schema, outcome: Schema | None) -> dict[str, Node]:
    fields = dict.fromkeys(record.names, record.name)
    for name in outcome.names if outcome else ():
        if name in fields:
            raise DuplicateNameError(
                f"{name!r} is a field of both {record.name} and {outcome.name if outcome else ''}; "
                "rename one."
            )
        fields[name] = outcome.name if outcome else ""
    named: dict[str, Node] = {}
    for node in nodes:
        if node.name in fields:
            raise DuplicateNameError(
                f"{node.title} has the name of a field of {fields[node.name]}; rename one."
            )
        known = named.setdefault(node.name, node)
        if known is not node:
            raise DuplicateNameError(
                f"{node.name!r} is defined twice: at {known.location} and at {node.location}."
            )
    return named


def _givers(nodes: Iterable[Node]) -> dict[str, Node]:
    """For every column, the node that gives it."""
    givers: dict[str, Node] = {}
    named = {node.name: node for node in nodes}
    for node in named.values():
        for name in node.gives:
            if name in givers or named.get(name, node) is not node:
                raise DuplicateNameError(
                    f"{node.title} gives a column {name!r}, a name that is taken already; "
                    "rename one."
                )
            givers[name] = node
    return givers


def _read_only(array: Array) -> Array:
    view = array.view()
    view.flags.writeable = False
    return view


def _kind_of(array: Array) -> Kind:
    kind = kind_of_dtype(array.dtype)
    assert kind is not None, "evaluate() lets only canonical arrays through"
    return kind
