"""Soundness: what must hold of a graph before anything is computed with it."""

from __future__ import annotations

from difflib import get_close_matches
from typing import TYPE_CHECKING

from lockstep.columns.errors import DeclarationError, LeakageError, UnknownInputError
from lockstep.columns.kinds import Kind
from lockstep.columns.nodes import Column, Model

if TYPE_CHECKING:
    from lockstep.columns.graph import Graph


def check_inputs(graph: Graph) -> None:
    """Every input, and what every model learns, is a field or a column.

    Raises:
        UnknownInputError: One is not.
    """
    for column in graph.columns.values():
        learns = (column.learns,) if isinstance(column, Model) else ()
        for name in (*column.inputs, *learns):
            if name not in graph:
                raise UnknownInputError(
                    f"{column.title} asks for {name!r}, which is neither a field of "
                    f"{graph.fields.name} nor a column.{_did_you_mean(name, graph)}"
                )


def check_roles(graph: Graph) -> None:
    """Models learn labels; only labels read outcomes; labels need no model.

    Raises:
        DeclarationError: A model learns what is no label, or a label depends on a model.
        LeakageError: Something else than a label depends on an outcome or on a label.
    """
    outcome = graph.outcome.names if graph.outcome is not None else ()
    unknown_when_served = {*outcome, *graph.labels}
    for column in graph.columns.values():
        if isinstance(column, Model) and column.learns not in graph.labels:
            raise DeclarationError(
                f"{column.title} learns {column.learns!r}, which is no label; decorate the "
                "function that computes it with @label."
            )
        if column.role != "label":
            path = _path_to(graph, column, unknown_when_served)
            if path:
                raise LeakageError(
                    f"{column.title} depends on {path[-1]!r}, which is known only after the fact "
                    f"({' ← '.join((column.name, *path))}). Only labels may read the outcome."
                )
        elif models := sorted(graph.models_behind(column.name)):
            raise DeclarationError(
                f"{column.title} depends on the model {models[0]!r}; a label is what models "
                "learn, so it is computed before any is fitted."
            )


def check_kinds(graph: Graph) -> None:
    """Every input holds what the function's annotation says it does.

    Raises:
        DeclarationError: One holds something else.
    """
    for column in graph.columns.values():
        for name, said in zip(column.inputs, column.input_kinds, strict=True):
            held = _declared_kind(graph, name)
            if said is not None and held is not None and said is not held:
                field = graph.fields[name].declared_name if name in graph.fields else None
                raise DeclarationError(
                    f"{column.title} says that {name} holds {said.alias}, but it holds "
                    f"{held.alias}{f' (declared {field})' if field else ''}."
                )


def _declared_kind(graph: Graph, name: str) -> Kind | None:
    producer = graph.producer(name)
    if producer is None:
        return graph.fields[name].kind
    return producer.kind if producer.name == name else Kind.FLOAT  # a class's probability


def _path_to(graph: Graph, column: Column, targets: set[str]) -> tuple[str, ...]:
    """How a column comes to depend on one of the targets, as names; none if it does not."""
    paths: dict[str, tuple[str, ...]] = {name: (name,) for name in column.inputs}
    open_names = list(paths)
    while open_names:
        name = open_names.pop()
        if name in targets:
            return paths[name]
        for one in graph.inputs(name):
            if one not in paths:
                paths[one] = (*paths[name], one)
                open_names.append(one)
    return ()


def _did_you_mean(name: str, graph: Graph) -> str:
    close = get_close_matches(name, graph.names, n=1)
    return f" Did you mean {close[0]!r}?" if close else ""
