"""Scalar forms: a function gets scalars only if these are proven to give what arrays give."""

from __future__ import annotations

import math
import re
from typing import Any

import numpy as np
import pytest

from lockstep.columns.decorators import feature
from lockstep.columns.graph import Graph
from lockstep.columns.kinds import Bools, Columns, Floats, Ints, Texts, Times
from lockstep.columns.nodes import Node
from lockstep.columns.schema import Field, Schema
from lockstep.parity.scalar_forms import scalar_forms

SCHEMA = Schema(
    "Reading",
    (
        Field("key", "str", role="key"),
        Field("a", "float", optional=True),
        Field("b", "float"),
        Field("i", "int"),
        Field("p", "bool"),
        Field("t", "datetime"),
    ),
)


def why(node: Any) -> str | None:
    """Why a function is left to arrays; None if it gets scalars."""
    rows = 40
    random = np.random.default_rng(1)
    fields: Columns = {
        "key": np.array([f"k{row}" for row in range(rows)], dtype=object),
        "a": random.normal(size=rows),
        "b": random.uniform(1, 2, rows),
        "i": random.integers(0, 50, rows),
        "p": random.random(rows) < 0.5,
        "t": random.integers(0, 10**15, rows).view("datetime64[us]"),
    }
    nodes: list[Node] = [node]
    graph = Graph(nodes, SCHEMA, None)
    forms = scalar_forms(graph, fields)
    assert (node.name in forms.names) is (node.name not in forms.reasons)
    return forms.reasons.get(node.name)


_TABLE = np.arange(100.0)
_NAMES = np.array(["low", "high"], dtype=object)


@feature
def arithmetic(a: Floats, i: Ints) -> Floats:
    return (a - 32.0) / 1.8 + i // 7 * 60


@feature
def looked_up(i: Ints) -> Floats:
    return _TABLE[i % 100]


@feature
def where(a: Floats, b: Floats) -> Floats:
    return np.where(a > b, a, np.nan)


@feature
def text(p: Bools) -> Texts:
    return _NAMES[p.astype(np.int64)]


@feature
def day(t: Times) -> Ints:
    return t.astype("datetime64[D]").astype(np.int64)


@feature
def overflowing(i: Ints) -> Ints:
    return i * 3_000_000_007 * i


@pytest.mark.parametrize("node", [arithmetic, looked_up, where, text, day, overflowing])
def test_a_function_that_gives_the_same_gets_scalars(node: Node) -> None:
    assert why(node) is None


@feature
def of_text(key: Texts) -> Floats:
    return np.where(~(key == "nobody has it"), 1.0, 2.0)  # `~` of Python's False is true


@feature
def squared(b: Floats) -> Floats:
    return b**2


@feature
def powered(b: Floats) -> Floats:
    return np.power(b, 3)


def _helper(b: Floats) -> Floats:
    return b**0.5


@feature
def powered_by_a_helper(b: Floats) -> Floats:
    return _helper(b) + 1


@feature
def branching(a: Floats) -> Floats:
    if np.any(a == 0.123456):  # of no golden or extreme value
        return a * 7
    return a + 0


@feature
def catching(i: Ints) -> Floats:
    try:
        return _TABLE[i % 200]
    except IndexError:
        return np.asarray(i * 0.5, dtype=np.float64)


@feature
def of_pythons_type(b: Floats) -> Floats:
    return b.item() * 2 if b.ndim == 0 else b * 2  # type: ignore[return-value]


@feature
def assigned(a: Floats) -> Floats:
    filled = a.copy()
    filled[np.isnan(filled)] = 0.0
    return filled


@feature
def aliased(a: Floats) -> Floats:
    first = a + 1.0
    second = first
    second += 1.0  # which an array shares, and a scalar does not
    return first


@feature
def counted(a: Floats) -> Floats:
    return a + np.ndim(a)


@feature
def narrower(i: Ints) -> Ints:
    return (i % 7).astype(np.int32)


_CALLS: list[None] = []


@feature
def remembering(a: Floats) -> Floats:
    _CALLS.append(None)
    return a + len(_CALLS)


@feature
def hashed(i: Ints) -> Floats:
    return np.array([math.sqrt(value % 9) for value in i.tolist()])


@pytest.mark.parametrize(
    ("node", "reason"),
    [
        (of_text, "it is given texts"),
        (squared, "squared raises to a power"),
        (powered, "powered raises to a power"),
        (powered_by_a_helper, "_helper raises to a power"),
        (branching, "a value may decide what branching computes"),
        (catching, "only one form raises|an error may decide what catching computes"),
        (of_pythons_type, "only one form raises.*returned float"),
        (assigned, "only one form raises"),
        (aliased, "it gives"),
        (counted, "it gives"),
        (narrower, "only one form raises.*returned int32"),
        (remembering, "it gives"),
        (hashed, "only one form raises"),
    ],
)
def test_a_function_whose_scalar_form_may_differ_is_left_to_arrays(node: Node, reason: str) -> None:
    found = why(node)

    assert found is not None
    assert re.search(reason, found)


def test_a_function_that_fails_everywhere_is_left_to_arrays() -> None:
    @feature
    def failing(a: Floats) -> Floats:
        raise ValueError("always")

    assert why(failing) == "there is no row for which it gives a value"
