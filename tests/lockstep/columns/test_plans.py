"""Plans: nodes as one function of arrays, and of a single row's scalars, bit for bit."""

from __future__ import annotations

from collections.abc import Callable
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
from lockstep.columns.row_plans import NoScalarError, RowPlanSource, column_of, scalar_of
from lockstep.errors import FunctionError, NotFittedError
from lockstep.parity.scalar_forms import bits

from .conftest import named

half = named("half", lambda number: number / 2)
# Another dtype than its column's; NumPy's texts, not Python's.
whole = named("whole", lambda half: half.astype(np.int32), returns=Ints)
is_large = named("is_large", lambda whole, number: (whole > 2) & (number < 100), returns=Bools)
name = named("name", lambda is_large: np.where(is_large, "large", "small"), returns=Texts)

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
    raises = named("raises", lambda half: value)
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


# A single row


FIELDS = dict.fromkeys("ab", Kind.FLOAT) | dict.fromkeys("ij", Kind.INT)
FIELDS |= dict.fromkeys("pq", Kind.BOOL) | {"t": Kind.TIME, "u": Kind.TEXT}
_TABLE = np.array(["no", "yes"], dtype=object)

MADE: list[tuple[Kind, tuple[Kind, ...], Callable[..., Any]]] = [
    (Kind.FLOAT, (Kind.FLOAT, Kind.FLOAT), lambda x, y: x * y - x / y),
    (Kind.FLOAT, (Kind.FLOAT, Kind.FLOAT), lambda x, y: x % y + x // y),
    (Kind.FLOAT, (Kind.FLOAT, Kind.FLOAT), lambda x, y: np.fmax(x, y) - np.minimum(x, -y)),
    (Kind.FLOAT, (Kind.FLOAT, Kind.FLOAT), lambda x, y: np.where(x < y, x, np.nan)),
    (Kind.FLOAT, (Kind.FLOAT, Kind.INT), lambda x, k: np.sin(x) + k / 60.0),
    (Kind.FLOAT, (Kind.BOOL, Kind.FLOAT), lambda f, x: f * x + ~f),
    (Kind.INT, (Kind.INT, Kind.INT), lambda k, n: k * n + k - n),
    (Kind.INT, (Kind.INT, Kind.INT), lambda k, n: k // n + k % n),
    (Kind.INT, (Kind.INT, Kind.TIME), lambda k, t: t.astype("datetime64[m]").astype(np.int64) - k),
    (Kind.BOOL, (Kind.FLOAT, Kind.FLOAT), lambda x, y: ~np.isnan(x + y) & (x != y)),
    (Kind.BOOL, (Kind.TIME, Kind.BOOL), lambda t, f: (t > np.datetime64("2000-01-01")) | f),
    (Kind.TIME, (Kind.TIME, Kind.INT), lambda t, k: t + k % 1000 * np.timedelta64(1, "h")),
    (Kind.TEXT, (Kind.BOOL, Kind.BOOL), lambda f, g: _TABLE[(f ^ g).astype(np.int64)]),
    (Kind.FLOAT, (Kind.TEXT,), lambda u: np.array([float(len(v or "")) for v in u.tolist()])),
]
"""Functions of every kind: what it gives, what it is given, and what it computes."""

VALUES: dict[Kind, st.SearchStrategy[Any]] = {
    Kind.FLOAT: st.floats(),
    Kind.INT: st.integers(-(2**63), 2**63 - 1) | st.integers(-5, 5),
    Kind.BOOL: st.booleans(),
    Kind.TEXT: st.none() | st.text(max_size=3),
    Kind.TIME: st.just(-(2**63)) | st.integers(-(10**16), 10**17),
}


@st.composite
def graphs(draw: st.DrawFn) -> tuple[list[Node], dict[str, Kind]]:
    """Functions, each of fields and of the functions before it, and what each column holds."""
    kinds, nodes = dict(FIELDS), list[Node]()
    for place in range(draw(st.integers(1, 8))):
        gives, takes, compute = draw(st.sampled_from(MADE))
        inputs = tuple(
            draw(st.sampled_from([name for name, kind in kinds.items() if kind is taken]))
            for taken in takes
        )
        name = f"made_{place}"
        compute.__name__ = name
        nodes.append(Column(name=name, role="feature", function=compute, inputs=inputs, kind=gives))
        kinds[name] = gives
    return nodes, kinds


def row_of(values: dict[str, Any]) -> Columns:
    return {
        name: np.array([values[name]], "i8").view(kind.dtype)
        if kind is Kind.TIME
        else np.array([values[name]], kind.dtype)
        for name, kind in FIELDS.items()
    }


@settings(max_examples=150)
@given(graphs(), st.fixed_dictionaries({name: VALUES[kind] for name, kind in FIELDS.items()}))
def test_a_row_by_scalars_is_the_row_by_arrays_bit_for_bit(
    graph: tuple[list[Node], dict[str, Kind]], values: dict[str, Any]
) -> None:
    nodes, kinds = graph
    dtypes = {name: kind.dtype for name, kind in kinds.items()}
    known = row_of(values)
    scalar = [node.name for node in nodes if Kind.TEXT not in map(kinds.get, node.inputs)]
    source = RowPlanSource(nodes, dtypes, tuple(FIELDS), scalar, {})
    plan = source.plan([*FIELDS, *source.computed])
    given_scalars = [known[name][0] for name in FIELDS]
    given_values = [known[name].tolist()[0] for name in FIELDS]

    with np.errstate(all="ignore"):
        scalars, asked = plan(given_scalars, given_values)
        plan_of(nodes, dtypes)(known, {}, 1)

    for name, value in zip(source.computed, scalars, strict=True):
        assert type(value) is type(known[name][0])
        column = column_of(value, dtypes[name])
        assert bits(column) == bits(known[name])
        assert not column.flags.writeable
    for name, value in zip((*FIELDS, *source.computed), asked, strict=True):
        expected = known[name].tolist()[0]
        assert type(value) is type(expected)
        assert value == expected or (value != value and expected != expected)


def test_the_sign_of_a_missing_number_tells_nothing_apart() -> None:
    assert bits(np.array([np.nan, 0.0])) == bits(np.array([-np.nan, 0.0]))
    assert bits(np.array([0.0])) != bits(np.array([-0.0]))


ROW_DTYPES = {name: kind.dtype for name, kind in FIELDS.items()} | {"made": Kind.FLOAT.dtype}


@pytest.mark.parametrize(
    ("value", "kind"),
    [
        (1.0, Kind.FLOAT),
        (1, Kind.INT),
        (True, Kind.BOOL),
        (np.int32(1), Kind.INT),
        (np.int64(1), Kind.FLOAT),
        (np.datetime64("2000-01-01"), Kind.TIME),
        (np.str_("a"), Kind.TEXT),
        (np.ones(1), Kind.FLOAT),
        (None, Kind.FLOAT),
    ],
)
def test_what_is_not_the_scalar_of_its_column_is_refused(value: Any, kind: Kind) -> None:
    with pytest.raises(NoScalarError, match=f"returned {type(value).__name__}"):
        scalar_of(value, kind.dtype)


def test_an_array_without_a_dimension_is_its_value() -> None:
    value = scalar_of(np.where(np.bool_(True), np.float64(2.0), 0.0), Kind.FLOAT.dtype)
    assert (type(value), value) == (np.float64, 2.0)


def test_a_value_of_another_type_ends_the_row_whenever_it_comes() -> None:
    made = named("made", lambda a: float(a) if a > 1 else a)
    plan = RowPlanSource([made], ROW_DTYPES, ("a",), ["made"], {}).plan(["made"])
    assert plan([np.float64(1.0)], [1.0]) == ((1.0,), (1.0,))
    with pytest.raises(NoScalarError, match="float"):
        plan([np.float64(2.0)], [2.0])


class _RowPredictor:
    """Predicts a row by Python values, and several columns by arrays."""

    def __init__(self) -> None:
        self.rows: list[list[Any]] = []

    def of_row(self, row: list[Any]) -> float:
        self.rows.append(row)
        return float(sum(row))

    def __call__(self, columns: Columns, /) -> Columns:
        raise AssertionError("a single row has no need of arrays")

    def matrix(self, columns: Columns, /) -> Any:
        raise AssertionError("nobody asks for a matrix")


def test_a_model_with_a_form_for_rows_gets_pythons_values() -> None:
    node = Model(
        name="made",
        role="model",
        inputs=("a", "i", "p"),
        learns="label",
        function=lambda: None,
        kind=Kind.FLOAT,
    )
    predictor = _RowPredictor()
    plan = RowPlanSource([node], ROW_DTYPES, ("a", "i", "p"), [], {"made": predictor}).plan(
        ["made"]
    )
    scalars, asked = plan([np.float64(0.5), np.int64(2), np.bool_(True)], [0.5, 2, True])
    assert predictor.rows == [[0.5, 2, True]]
    assert [type(value) for value in predictor.rows[0]] == [float, int, bool]
    assert (scalars, asked) == ((3.5,), (3.5,))
    assert type(scalars[0]) is np.float64


def test_functions_may_share_a_plan_with_those_of_arrays() -> None:
    twice = named("twice", lambda a: a * 2)
    longer = named("longer", lambda twice, u: twice + [len(text) for text in u.tolist()])
    made = named("made", lambda longer: longer + 1)
    dtypes = {**ROW_DTYPES, "twice": Kind.FLOAT.dtype, "longer": Kind.FLOAT.dtype}
    nodes: list[Node] = [twice, longer, made]
    source = RowPlanSource(nodes, dtypes, ("a", "u"), ["twice", "made"], {})
    scalars, _ = source.plan([])([np.float64(1.5), "abc"], [1.5, "abc"])
    assert scalars == (3.0, 6.0, 7.0)
    assert {type(value) for value in scalars} == {np.float64}
