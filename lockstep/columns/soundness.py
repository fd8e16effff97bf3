"""Soundness: what must hold of a graph before anything is computed with it."""

from __future__ import annotations

from lockstep.columns.kinds import Kind
from lockstep.columns.nodes import Node
from lockstep.columns.plain import did_you_mean, listed
from lockstep.columns.structure import Structure
from lockstep.errors import DeclarationError, LeakageError, UnknownInputError


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
