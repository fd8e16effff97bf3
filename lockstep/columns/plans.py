"""Plans: the nodes that give some columns, as one function.

A graph is evaluated for every request. What is known of its nodes beforehand (their inputs, columns
and dtypes) is written as Python source once, a line a node: looking it up for a single row would
take as long as computing the row's columns.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any, TypeAlias

import numpy as np

from lockstep.columns.kinds import Array, Columns
from lockstep.columns.nodes import Bound, Node
from lockstep.columns.returned import are_texts, canonical, raised
from lockstep.errors import LockstepError

Dtypes: TypeAlias = Mapping[str, np.dtype[Any]]
"""By column, the dtype of its array."""

Plan: TypeAlias = Callable[[Columns, Bound, int], None]
"""Adds columns to the known ones, of so many rows.

It raises `FunctionError` where a node's function raises, or returns no column.
"""


def plan_of(nodes: Sequence[Node], dtypes: Dtypes, given: Collection[str] = ()) -> Plan:
    """The plan of nodes, each after its inputs; columns in `given` are known before."""
    each = enumerate(nodes)
    lines = [line for place, node in each for line in lines_of(place, node, dtypes, given)]
    body = "".join(f"        {line}\n" for line in lines)
    names = {**names_of(nodes, dtypes), "raised": raised, "LockstepError": LockstepError}
    plan: Plan = compiled(_FRAME.format(body=body), names)
    return plan


def compiled(source: str, names: dict[str, Any]) -> Any:
    """The function `plan` of a source, in which names stand for these objects."""
    exec(compile(source, "<plan>", "exec"), names)
    return names["plan"]


def names_of(nodes: Sequence[Node], dtypes: Dtypes) -> dict[str, Any]:
    """What the names in the lines of nodes stand for; see `lines_of`."""
    return {
        **{f"node_{place}": node for place, node in enumerate(nodes)},
        **{f"dtype_{place}": dtypes[node.column] for place, node in enumerate(nodes)},
        "dtypes": dtypes,
        "ndarray": np.ndarray,
        "settled": settled,
        "settle": _settle,
    }


_FRAME = """\
def plan(known, bound, rows):
    shape = (rows,)
    node = None
    try:
{body}
        return
    except LockstepError:
        raise
    except Exception as error:
        raise raised(node, error) from error
"""


def lines_of(place: int, node: Node, dtypes: Dtypes, given: Collection[str] = ()) -> list[str]:
    """The source that adds the columns of the node at a place of the plan to `known`."""
    if node.is_canonical:
        add = "known.update(node.compute(known, bound))"
        if not node.gives.keys().isdisjoint(given):
            add = "known |= {**node.compute(known, bound), **known}"
        return [f"node = node_{place}", add]
    if not node.is_direct:
        return [
            f"node = node_{place}",
            "settle(node, node.compute(known, bound), known, dtypes, rows)",
        ]
    given = ", ".join(f"known[{name!r}]" for name in node.inputs)
    as_column = f"settled(node, value, dtype_{place}, rows)"
    column = f"known[{node.column!r}]"
    begin = [f"node = node_{place}", f"value = node.function({given})"]
    if dtypes[node.column].hasobject:  # an array of objects may hold anything
        return [*begin, f"{column} = {as_column}"]
    return [
        *begin,
        f"if type(value) is ndarray and value.dtype is dtype_{place} and value.shape == shape:",
        "    value.setflags(False)",  # write, which takes twice as long by its name
        f"    {column} = value",
        f"else: {column} = {as_column}",
    ]


def _settle(
    node: Node, given: Mapping[str, Any], known: Columns, dtypes: Dtypes, rows: int
) -> None:
    """Add the columns that a node gave to the known ones, unless they are known already."""
    for name, value in given.items():
        if name not in known:
            known[name] = settled(node, value, dtypes[name], rows)


def settled(node: Node, value: Any, dtype: np.dtype[Any], rows: int) -> Array:
    """What a node gave as its column, in canonical form and read-only.

    Raises `FunctionError` where it is no column of this dtype and so many rows.
    """
    if (
        type(value) is not np.ndarray
        or value.dtype != dtype
        or value.shape != (rows,)
        or (dtype.hasobject and not are_texts(value))
    ):
        value = canonical(node, value, dtype, rows)
    column: Array = value
    column.setflags(write=False)
    return column
