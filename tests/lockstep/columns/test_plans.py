"""Plans: some nodes as one function, which computes what they compute one after the other."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lockstep.columns.decorators import feature
from lockstep.columns.kinds import Bools, Columns, Floats, Ints, Kind, Texts
from lockstep.columns.nodes import Column, Model, Node
from lockstep.columns.plans import plan_of
from lockstep.columns.returned import canonical
from lockstep.errors import FunctionError, NotFittedError


@feature
def half(number: Floats) -> Floats:
    return number / 2


@feature
def whole(half: Floats) -> Ints:
    return half.astype(np.int32)  # another dtype than its column's


@feature
def is_large(whole: Ints, number: Floats) -> Bools:
    return (whole > 2) & (number < 100)


@feature
def name(is_large: Bools) -> Texts:
    return np.where(is_large, "large", "small")  # NumPy's texts, not Python's


NODES: list[Node] = [half, whole, is_large, name]
DTYPES = {
    "half": Kind.FLOAT.dtype,
    "whole": Kind.INT.dtype,
    "is_large": Kind.BOOL.dtype,
    "name": Kind.TEXT.dtype,
    "raises": Kind.FLOAT.dtype,
}


@settings(max_examples=50)
@given(st.lists(st.floats(-1e6, 1e6), min_size=1, max_size=5))
def test_a_plan_computes_what_its_nodes_compute_one_after_the_other(numbers: list[float]) -> None:
    known: Columns = {"number": np.array(numbers)}
    found = dict(known)
    plan_of(NODES, DTYPES)(found, {}, len(numbers))
    for node in NODES:
        (value,) = node.compute(known, {}).values()
        known[node.name] = canonical(node, value, DTYPES[node.name], len(numbers))
        assert not found[node.name].flags.writeable
    assert list(found) == list(known)
    for one, array in found.items():
        assert array.dtype == known[one].dtype
        assert array.tolist() == known[one].tolist()


def test_the_node_that_raises_is_named_with_its_place_and_the_error_is_kept() -> None:
    @feature
    def raises(half: Floats) -> Floats:
        raise ZeroDivisionError("nothing is left")

    plan = plan_of([half, raises, whole], DTYPES)
    with pytest.raises(FunctionError, match=r"raised ZeroDivisionError: nothing is") as caught:
        plan({"number": np.ones(1)}, {}, 1)
    assert caught.value.column == "raises"
    assert f"columns/test_plans.py:{raises.function.__code__.co_firstlineno}" in str(caught.value)
    assert isinstance(caught.value.__cause__, ZeroDivisionError)


@pytest.mark.parametrize("value", [np.ones(2), np.ones((1, 1)), 1.0, np.array(["a"]), None])
def test_what_is_no_column_is_refused_with_the_name_of_its_node(value: Any) -> None:
    @feature
    def raises(half: Floats) -> Floats:
        return value  # type: ignore[no-any-return]

    plan = plan_of([half, raises], DTYPES)
    with pytest.raises(FunctionError, match=r"Feature raises .* returned"):
        plan({"number": np.ones(1)}, {}, 1)


def _twice(columns: Columns) -> Columns:
    return {"guess": columns["half"] * 2, "guess_high": columns["half"] * 3}


class _Predictor:
    """Gives two columns."""

    __call__ = staticmethod(_twice)
    matrix = staticmethod(lambda columns: columns["half"][:, np.newaxis])


def test_a_node_that_gives_several_columns_leaves_those_that_are_known() -> None:
    node = Model(
        name="guess",
        role="model",
        inputs=("half",),
        learns="label",
        function=lambda: None,
        kind=Kind.FLOAT,
        probabilities=("guess_high",),
    )
    dtypes = {**DTYPES, "guess": Kind.FLOAT.dtype, "guess_high": Kind.FLOAT.dtype}
    plan = plan_of([half, node], dtypes)
    found: Columns = {"number": np.array([4.0]), "guess_high": np.array([0.0])}
    plan(found, {"guess": _Predictor()}, 1)
    values = {"number": [4.0], "guess_high": [0.0], "half": [2.0], "guess": [4.0]}
    assert {one: array.tolist() for one, array in found.items()} == values
    with pytest.raises(NotFittedError, match="guess"):
        plan({"number": np.array([4.0])}, {}, 1)


def test_a_function_is_asked_when_a_plan_computes(monkeypatch: pytest.MonkeyPatch) -> None:
    node: Column = half
    plan = plan_of([node], DTYPES)
    monkeypatch.setitem(vars(node), "function", lambda number: number * 10)
    found: Columns = {"number": np.ones(1)}
    plan(found, {}, 1)
    assert found["half"].tolist() == [10.0]
