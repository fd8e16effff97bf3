"""The column graph: its columns, evaluated in order."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping
from functools import cached_property
from typing import Any, ParamSpec, TypeVar

import numpy as np

from lockstep.columns.contexts import OwnContext
from lockstep.columns.finite import traced_to_origin
from lockstep.columns.kinds import Array, Columns, Kind, example_array, kind_of_dtype
from lockstep.columns.nodes import NOTHING, Bound, Node
from lockstep.columns.plain import did_you_mean, listed
from lockstep.columns.plans import Plan, plan_of
from lockstep.columns.returned import canonical, raised, writes_to_input
from lockstep.columns.schema import Schema
from lockstep.columns.structure import Structure
from lockstep.errors import (
    DeclarationError,
    FunctionError,
    FutureError,
    LeakageError,
    UnknownInputError,
)

P = ParamSpec("P")
T = TypeVar("T")

_MOST_PLANS = 1_000
"""Plans that a graph keeps: requests with wrong fields ask for ever other columns."""


class Graph(Structure):
    """The columns of a pipeline, and their evaluation.

    It raises a `DefinitionError` where the nodes make no graph, and a `FunctionError` where a
    function returns no column of example rows, or writes to its input.

    Attributes:
        unprobed: By column that could not be computed on example rows: why.
        context: The context of the modules of a stored version; None for that of the caller.
    """

    def __init__(self, nodes: Iterable[Node], record: Schema, outcome: Schema | None) -> None:
        super().__init__(nodes, record, outcome)
        self.context: OwnContext | None = None
        check_classes(self)
        check_inputs(self)
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


def _read_only(array: Array) -> Array:
    view = array.view()
    view.flags.writeable = False
    return view


def _kind_of(array: Array) -> Kind:
    kind = kind_of_dtype(array.dtype)
    assert kind is not None, "evaluate() lets only canonical arrays through"
    return kind


def check_classes(graph: Structure) -> None:
    """Check that every model that learns texts declares its classes."""
    for node in graph.columns.values():
        label = graph.node(node.learns) if node.learns is not None else None
        if label is None or label.gives[node.learns or ""] is not Kind.TEXT:
            continue
        if node.gives[node.column] is not Kind.TEXT:
            raise DeclarationError(
                f"{node.title} learns {label.name!r}, which holds {Kind.TEXT.alias}, and does not "
                "say which there are: give them as classes=[...]."
            )


def check_inputs(graph: Structure) -> None:
    """Check that every input, and what every model learns, is a field or a column."""
    for node in graph.columns.values():
        learns = (node.learns,) if node.learns is not None else ()
        for name in (*node.inputs, *learns):
            if name in graph:
                continue
            if (several := graph.columns.get(name)) is not None:
                raise UnknownInputError(
                    f"{node.title} asks for {name!r}, which is no column but gives several: name "
                    f"one of {listed(several.gives)}."
                )
            raise UnknownInputError(
                f"{node.title} asks for {name!r}, which is neither a field of "
                f"{graph.fields.name} nor a column.{did_you_mean(name, graph.names)}"
            )


def check_roles(graph: Structure) -> None:
    """Check that models learn labels, only labels read outcomes, and labels need no model."""
    outcome = graph.outcome.names if graph.outcome is not None else ()
    unknown_when_served = {*outcome, *graph.labels}
    for node in graph.columns.values():
        if node.learns is not None and node.learns not in graph.labels:
            raise DeclarationError(
                f"{node.title} learns {node.learns!r}, which is no label; decorate the "
                "function that computes it with @label."
            )
        if node.role != "label":
            path = _path_to(graph, node, unknown_when_served)
            if path:
                raise LeakageError(
                    f"{node.title} depends on {path[-1]!r}, which is known only after the fact "
                    f"({' ← '.join((node.name, *path))}). Only labels may read the outcome."
                )
        elif models := sorted(graph.models_behind(node.name)):
            raise DeclarationError(
                f"{node.title} depends on the model {models[0]!r}; a label is what models "
                "learn, so it is computed before any is fitted."
            )


def check_kinds(graph: Structure) -> None:
    """Check that every input holds what the function's annotation says."""
    for node in graph.columns.values():
        for name, annotated in zip(node.inputs, node.input_kinds, strict=False):
            giver = graph.node(name)
            held = giver.gives[name] if giver is not None else None
            if annotated is not None and held is not None and annotated is not held:
                field = graph.fields[name].declared_name if name in graph.fields else None
                raise DeclarationError(
                    f"{node.title} says that {name} holds {annotated.alias}, but it holds "
                    f"{held.alias}{f' (declared {field})' if field else ''}."
                )


def _path_to(graph: Structure, node: Node, targets: set[str]) -> tuple[str, ...]:
    """The path from a node to one of the targets, as names; empty if there is none."""
    paths: dict[str, tuple[str, ...]] = {name: (name,) for name in node.inputs}
    open_names = list(paths)
    while open_names:
        name = open_names.pop()
        if name in targets:
            return paths[name]
        for source in graph.inputs(name):
            if source not in paths:
                paths[source] = (*paths[name], source)
                open_names.append(source)
    return ()
