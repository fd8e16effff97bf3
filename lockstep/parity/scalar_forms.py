"""Scalar forms: the functions that give the same for NumPy's scalars as for arrays of one value.

A single record is served with scalars where that is proven, in the process that serves: on golden
records, and on values of these beside missing, extreme and infinite ones, a function has to give
the same bits in both forms. It is left to arrays where few values would not show a difference: with
texts as inputs (Python's `str` has operators of its own), where a value decides what is computed
(`if`, `try`), and with powers, which NumPy computes in another way for arrays (`x ** 2` as
`x * x`). In NumPy's other operators and functions there is none (`tests/upstream/test_numpy.py`).
"""

from __future__ import annotations

import dis
import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import CodeType
from typing import Any

import numpy as np

from lockstep.columns.converters import FIRST_TIME, LAST_TIME
from lockstep.columns.graph import Graph
from lockstep.columns.kinds import Array, Columns, Kind
from lockstep.columns.nodes import Function, Node
from lockstep.columns.plain import show
from lockstep.columns.plans import settled
from lockstep.columns.row_plans import column_of, scalar_of

_EXTREMES: dict[Kind, Array] = {
    Kind.FLOAT: np.array(
        [np.nan, 0.0, 1.0, 5e-324, 1e-9, 1e30, 1e300, 2.0**53, 2.0**63, np.inf], Kind.FLOAT.dtype
    ),
    Kind.INT: np.array([0, 1, 2**31, 2**53, 2**63 - 1], Kind.INT.dtype),
    Kind.BOOL: np.array([False, True]),
    Kind.TIME: np.array(["NaT", 0, FIRST_TIME, LAST_TIME], Kind.TIME.dtype),
}
"""Values at which two ways to compute differ most easily; of numbers, also their negatives."""
_ROWS = 256
"""Rows that are made of golden and extreme values, beside the golden rows themselves."""
_POWERS = frozenset({"pow", "__pow__", "__rpow__", "__ipow__", "power", "float_power"})
_NUMPY = str(Path(np.__file__).parent)


@dataclass(frozen=True)
class ScalarForms:
    """Which functions of a graph may be given scalars."""

    names: frozenset[str]
    reasons: Mapping[str, str]  # by name of each other function, why not


def scalar_forms(graph: Graph, columns: Columns) -> ScalarForms:
    """Prove which functions give the same for scalars as for arrays of one value.

    Args:
        columns: All columns of some rows that represent all, such as golden records.
    """
    return graph.in_context(_scalar_forms, graph, columns)


def _scalar_forms(graph: Graph, columns: Columns) -> ScalarForms:
    served = {node.name: node for name in graph.served if (node := graph.node(name)) is not None}
    with np.errstate(all="ignore"):
        reasons = {
            name: _difference(graph, node, columns)
            for name, node in served.items()
            if node.is_direct
        }
    return ScalarForms(
        frozenset(name for name, why in reasons.items() if why is None),
        {name: why for name, why in reasons.items() if why is not None},
    )


def _difference(graph: Graph, node: Node, columns: Columns) -> str | None:
    """Why a function is not to be given scalars; None if it may be."""
    kinds, function = [graph.kind(name) for name in node.inputs], node.function
    assert function is not None, "a direct node has a function"
    if Kind.TEXT in kinds:
        return "it is given texts"
    dtype, compared = graph.kind(node.name).dtype, 0
    of_array = lambda value: settled(node, value, dtype, 1)  # noqa: E731
    of_scalar = lambda value: column_of(scalar_of(value, dtype), dtype)  # noqa: E731
    golden = [columns[name] for name in node.inputs]
    for arrays in (golden, _made(golden, kinds)):
        views = [array.view() for array in arrays]
        for view in views:
            view.setflags(write=False)
        for row in range(len(views[0])):
            scalars = [view[row] for view in views]
            expected = _answer(function, [view[row : row + 1] for view in views], of_array)
            actual = _answer(function, scalars, of_scalar)
            errors = [each for each in (expected, actual) if isinstance(each, Exception)]
            if len(errors) == 1:
                return f"only one form raises, of {_shown(scalars)}: {errors[0]}"
            if isinstance(expected, Exception) or isinstance(actual, Exception):
                continue
            if bits(actual) != bits(expected):
                which = f"{show(actual[0])}, not {show(expected[0])}"
                return f"it gives {which}, of {_shown(scalars)}"
            compared += 1
            if compared == 1 and (why := _crooked(function, scalars)):
                return why
    return None if compared else "there is no row for which it gives a value"


def _answer(
    function: Function, given: list[Any], column: Callable[[Any], Array]
) -> Array | Exception:
    try:
        return column(function(*given))
    except Exception as error:  # noqa: BLE001 - whatever it is, the other form has to raise, too
        return error


def _shown(scalars: list[Any]) -> str:
    return ", ".join(map(show, scalars))


def bits(array: Array) -> object:
    """What tells columns of one kind apart: texts, or the bits of numbers and times.

    All NaN are one: their sign is whatever a processor makes of it, and means nothing.
    """
    if array.dtype.hasobject:
        return array.tolist()
    return (
        np.where(np.isnan(array), np.nan, array) if array.dtype.kind == "f" else array
    ).tobytes()


def _made(golden: list[Array], kinds: list[Kind]) -> list[Array]:
    """Rows in which one input is extreme, and rows in which about half of them are."""
    random = np.random.default_rng(0)
    count = len(golden[0])
    rows = np.arange(_ROWS)
    is_extreme = random.random((_ROWS, len(golden))) < 0.5
    is_extreme[::2] = rows[::2, np.newaxis] // 2 % len(golden) == np.arange(len(golden))
    return [
        np.where(is_extreme[:, place], _extremes(kind, random), _varied(values, count, random))
        for place, (values, kind) in enumerate(zip(golden, kinds, strict=True))
    ]


def _extremes(kind: Kind, random: np.random.Generator) -> Array:
    values = random.choice(_EXTREMES[kind], _ROWS)
    if kind not in (Kind.FLOAT, Kind.INT):
        return values
    other = -values if kind is Kind.FLOAT else ~values  # which is the least one, of the greatest
    signed: Array = np.where(random.random(_ROWS) < 0.5, values, other)
    return signed


def _varied(values: Array, count: int, random: np.random.Generator) -> Array:
    """Golden values; of floats, half with other digits."""
    if not count:
        return np.zeros(_ROWS, dtype=values.dtype)
    chosen = values[random.integers(0, count, _ROWS)]
    if values.dtype == Kind.FLOAT.dtype:
        chosen = chosen * np.where(random.random(_ROWS) < 0.5, 1.0, random.uniform(0.5, 2.0, _ROWS))
    return chosen


def _crooked(function: Function, scalars: list[Any]) -> str | None:
    """Why what a function does may depend on values that were not compared; None if it does not."""
    for code in _entered(function, scalars):
        for step in dis.get_instructions(code):
            name = f"{step.opname} {step.argrepr}"
            if "JUMP" in step.opname and "IF" in step.opname:
                return f"a value may decide what {code.co_name} computes"
            if step.opname == "PUSH_EXC_INFO":
                return f"an error may decide what {code.co_name} computes"
            if name in ("BINARY_OP **", "BINARY_OP **=") or _POWERS.intersection(code.co_names):
                return f"{code.co_name} raises to a power"
    return None


def _entered(function: Function, scalars: list[Any]) -> Iterator[CodeType]:
    """The Python functions that a function calls, itself included, but for NumPy's own."""
    entered: dict[CodeType, None] = {}

    def note(frame: Any, event: str, argument: Any) -> None:
        if event == "call" and not frame.f_code.co_filename.startswith(_NUMPY):
            entered[frame.f_code] = None

    before = sys.getprofile()
    sys.setprofile(note)
    try:
        function(*scalars)
    finally:
        sys.setprofile(before)
    return iter(entered)
