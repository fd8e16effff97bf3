"""Row plans: the columns of a single row, computed with NumPy's scalars instead of arrays.

Most functions of arrays give the same value for a scalar, at a fifth of the cost. Those that are
proven to (`lockstep.parity.scalar_forms`) get scalars here; all others, and nodes that are no
functions, get arrays of one value.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from typing import Any, TypeAlias

import numpy as np

from lockstep.columns.kinds import Array, Kind, kind_of_dtype
from lockstep.columns.nodes import Bound, Node
from lockstep.columns.plain import show
from lockstep.columns.plans import Dtypes, compiled, lines_of, names_of

SCALARS: dict[Kind, type[np.generic]] = {
    Kind.FLOAT: np.float64,
    Kind.INT: np.int64,
    Kind.BOOL: np.bool_,
    Kind.TIME: np.datetime64,
}
"""The type of a value, by kind; texts are Python's own `str`, and None."""

RowPlan: TypeAlias = Callable[[Sequence[Any], Sequence[Any]], tuple[tuple[Any, ...], ...]]
"""From a row's fields, as scalars and as Python's values (of times, these do not matter), to the
scalars of the computed columns, and to the Python values of the columns that are asked for.

It raises whatever a function raises, and `NoScalarError`; arrays of the row tell what is wrong.
"""


class NoScalarError(Exception):
    """A function of a scalar returned something else than the scalar of its column."""


def scalar_of(value: Any, dtype: np.dtype[Any]) -> Any:
    """What a function returned for scalars, as the scalar of its column.

    Arrays without a dimension, as of `np.where`, are taken too. Raises `NoScalarError` for another
    type, such as one of Python's, whose operators do other things than NumPy's.
    """
    if type(value) is np.ndarray and value.shape == ():
        value = value[()]
    kind = kind_of_dtype(dtype)
    if kind is Kind.TEXT:
        is_scalar = value is None or type(value) is str
    else:
        is_scalar = kind is not None and type(value) is SCALARS[kind] and value.dtype == dtype
    if not is_scalar:
        raise NoScalarError(f"it returned {type(value).__name__} {show(value)}")
    return value


def column_of(scalar: Any, dtype: np.dtype[Any]) -> Array:
    """The column of one row that holds a scalar, read-only."""
    column = np.array([scalar], dtype)
    column.setflags(write=False)
    return column


class RowPlanSource:
    """The source of a plan for a single row: which form of each column it has by then.

    Args:
        nodes: The nodes, each after its inputs.
        fields: Names of the fields, in the order in which they are given.
        scalar: Names of the functions that get scalars.

    Attributes:
        computed: Names of the columns that the nodes give, in order.
    """

    def __init__(
        self,
        nodes: Sequence[Node],
        dtypes: Dtypes,
        fields: Sequence[str],
        scalar: Collection[str],
        bound: Bound,
    ) -> None:
        self.computed = tuple(name for node in nodes for name in _given_by(node, bound))
        self._dtypes, self._fields = dtypes, tuple(fields)
        self._places = {name: place for place, name in enumerate((*fields, *self.computed))}
        self._arrays: set[str] = set()
        self._scalars = set(fields)
        self._values = {name for name in fields if kind_of_dtype(dtypes[name]) is not Kind.TIME}
        self._lines: list[str] = []
        self._names: dict[str, Any] = {
            **names_of(nodes, dtypes),
            **{f"dtype_of_{place}": dtypes[name] for name, place in self._places.items()},
            "bound": bound,
            "column_of": column_of,
            "scalar_of": scalar_of,
            "float64": np.float64,
        }
        for place, node in enumerate(nodes):
            of_row = getattr(bound.get(node.name), "of_row", None)
            if node.name in scalar:
                self._of_function(place, node)
            elif of_row is not None:
                self._of_row(node, of_row)
            else:
                for name in node.inputs:
                    self._array(name)
                self._lines += lines_of(place, node, dtypes)
                self._arrays.update(_given_by(node, bound))

    def plan(self, asked: Sequence[str]) -> RowPlan:
        """The plan, which returns the Python values of the columns that are asked for."""
        values = "".join(f"{self._value(name)}, " for name in asked)
        scalars = "".join(f"{self._scalar(name)}, " for name in self.computed)
        source = _FRAME.format(
            scalars="".join(f"s{self._places[name]}, " for name in self._fields),
            values="".join(f"v{self._places[name]}, " for name in self._fields),
            body="".join(f"    {line}\n" for line in self._lines),
            returned=f"({scalars}), ({values})",
        )
        plan: RowPlan = compiled(source, self._names)
        return plan

    def _of_function(self, place: int, node: Node) -> None:
        kind, column = kind_of_dtype(self._dtypes[node.name]), self._places[node.name]
        given = ", ".join(self._scalar(name) for name in node.inputs)
        self._lines.append(f"s{column} = node_{place}.function({given})")
        other = f"s{column} = scalar_of(s{column}, dtype_of_{column})"
        if kind in (Kind.FLOAT, Kind.INT, Kind.BOOL):
            self._names[f"type_{column}"] = SCALARS[kind]
            other = f"if type(s{column}) is not type_{column}: {other}"
        self._lines.append(other)
        self._scalars.add(node.name)

    def _of_row(self, node: Node, of_row: Callable[[Sequence[Any]], float]) -> None:
        column = self._places[node.name]
        values = ", ".join(self._value(name) for name in node.inputs)
        self._names[f"of_row_{column}"] = of_row
        self._lines.append(f"s{column} = float64(of_row_{column}([{values}]))")
        self._scalars.add(node.name)

    def _array(self, name: str) -> None:
        """Have a column as an array, in `known`."""
        if name not in self._arrays:
            place = self._places[name]
            self._lines.append(f"known[{name!r}] = column_of(s{place}, dtype_of_{place})")
            self._arrays.add(name)

    def _scalar(self, name: str) -> str:
        """Have a column as a scalar; returns its name in the source."""
        place = self._places[name]
        if name not in self._scalars:
            self._lines.append(f"s{place} = known[{name!r}][0]")
            self._scalars.add(name)
        return f"s{place}"

    def _value(self, name: str) -> str:
        """Have a column as Python's own value; returns its name in the source."""
        place = self._places[name]
        if self._dtypes[name].hasobject:
            return self._scalar(name)
        if name not in self._values:
            holder = f"s{place}" if name in self._scalars else f"known[{name!r}]"
            self._lines.append(f"v{place} = {holder}.item()")
            self._values.add(name)
        return f"v{place}"


def _given_by(node: Node, bound: Bound) -> list[str]:
    """The columns of a node, and what is given beside them by what it computes with."""
    return [*node.gives, *getattr(bound.get(node.name), "beside", ())]


_FRAME = """\
def plan(scalars, values):
    known, rows, shape = {{}}, 1, (1,)
    {scalars}= scalars
    {values}= values
{body}
    return {returned}
"""
