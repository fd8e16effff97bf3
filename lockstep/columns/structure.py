"""The structure of a graph: which column comes from which, before anything is computed."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import cached_property
from graphlib import CycleError as _Circle
from graphlib import TopologicalSorter

from lockstep.columns.nodes import FieldNode, Node
from lockstep.columns.schema import Field, Schema
from lockstep.errors import CycleError, DuplicateNameError


class Structure:
    """The columns of a pipeline, and from which each is computed.

    Attributes:
        columns: The nodes that are no fields, in the order of their definition.
        fields: The fields of record and outcome.
    """

    def __init__(self, nodes: Iterable[Node], record: Schema, outcome: Schema | None) -> None:
        self.record = record
        self.outcome = outcome
        self.columns: Mapping[str, Node] = _by_name(nodes, record, outcome)
        self.fields = record.joined(outcome)
        self._field_nodes = [FieldNode.of(field) for field in self.fields]
        self._givers = _givers([*self._field_nodes, *self.columns.values()])

    @cached_property
    def nodes(self) -> Mapping[str, Node]:
        """All nodes by name: the fields, then each after its inputs, which must be there."""
        return {node.name: node for node in (*self._field_nodes, *self._sort())}

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
