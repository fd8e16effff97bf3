"""Scalar forms: a function gets scalars only if these are proven to give what arrays give."""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from lockstep.columns.decorators import feature
from lockstep.columns.graph import Graph
from lockstep.columns.kinds import Columns, Floats, Ints
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


def why(function: Callable[..., Any]) -> str | None:
    """Why a feature is left to arrays; None if it gets scalars."""
    random = np.random.default_rng(1)
    fields: Columns = {
        "key": np.array([f"k{row}" for row in range(40)], dtype=object),
        "a": random.normal(size=40),
        "b": random.uniform(1, 2, 40),
        "i": random.integers(0, 50, 40),
        "p": random.random(40) < 0.5,
        "t": random.integers(0, 10**15, 40).view("datetime64[us]"),
    }
    node = feature(function)
    forms = scalar_forms(Graph([node], SCHEMA, None), fields)
    assert (node.name in forms.names) is (node.name not in forms.reasons)
    return forms.reasons.get(node.name)


_TABLE = np.arange(100.0)
_NAMES = np.array(["low", "high"], dtype=object)
_CALLS: list[None] = []

SAME: dict[str, Callable[..., Any]] = {
    "arithmetic": lambda a, i: (a - 32.0) / 1.8 + i // 7 * 60,
    "looked up": lambda i: _TABLE[i % 100],
    "where": lambda a, b: np.where(a > b, a, np.nan),
    "text": lambda p: _NAMES[p.astype(np.int64)],
    "day": lambda t: t.astype("datetime64[D]").astype(np.int64),
    "overflowing": lambda i: i * 3_000_000_007 * i,
}


@pytest.mark.parametrize("name", SAME)
def test_a_function_that_gives_the_same_gets_scalars(name: str) -> None:
    assert why(SAME[name]) is None


def _helper(b: Floats) -> Floats:
    return b**0.5


def branching(a: Floats) -> Floats:
    if np.any(a == 0.123456):  # of no golden or extreme value
        return a * 7
    return a + 0


def catching(i: Ints) -> Floats:
    try:
        return _TABLE[i % 200]
    except IndexError:
        return np.asarray(i * 0.5, dtype=np.float64)


def assigned(a: Floats) -> Floats:
    filled = a.copy()
    filled[np.isnan(filled)] = 0.0
    return filled


def aliased(a: Floats) -> Floats:
    first = a + 1.0
    second = first
    second += 1.0  # which an array shares, and a scalar does not
    return first


def remembering(a: Floats) -> Floats:
    _CALLS.append(None)
    return a + len(_CALLS)


def failing(a: Floats) -> Floats:
    raise ValueError("always")


# `~` of Python's False is true.
OTHER: list[tuple[Callable[..., Any], str]] = [
    (lambda key: np.where(~(key == "nobody has it"), 1.0, 2.0), "it is given texts"),
    (lambda b: b**2, "<lambda> raises to a power"),
    (lambda b: np.power(b, 3), "<lambda> raises to a power"),
    (lambda b: _helper(b) + 1, "_helper raises to a power"),
    (branching, "a value may decide what branching computes"),
    (catching, "only one form raises|an error may decide what catching computes"),
    (lambda b: b.item() * 2 if b.ndim == 0 else b * 2, "only one form raises.*returned float"),
    (assigned, "only one form raises"),
    (aliased, "it gives"),
    (lambda a: a + np.ndim(a), "it gives"),
    (lambda i: (i % 7).astype(np.int32), "only one form raises.*returned int32"),
    (remembering, "it gives"),
    (lambda i: np.array([math.sqrt(one % 9) for one in i.tolist()]), "only one form raises"),
    (failing, "^there is no row for which it gives a value$"),
]


@pytest.mark.parametrize(("function", "reason"), OTHER)
def test_a_function_whose_scalar_form_may_differ_is_left_to_arrays(
    function: Callable[..., Any], reason: str
) -> None:
    assert re.search(reason, str(why(function)))
