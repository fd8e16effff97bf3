"""The row at which a column's function raises is named, with what the function was given."""

import numpy as np
import pytest

from lockstep import Floats, Key, Record, feature
from lockstep.columns.failing import at_first_row
from lockstep.columns.graph import Graph
from lockstep.errors import FunctionError


class Parcel(Record):
    parcel_id: Key[str]
    weight: float
    height: float


@feature
def heavier(weight: Floats) -> Floats:
    return weight * 1.5


@feature
def load(heavier: Floats, height: Floats) -> Floats:
    if (heavier == 15.0).any():
        raise ValueError("too heavy")
    return heavier / height


@feature
def lonely(weight: Floats) -> Floats:
    if 1 < len(weight) < 16:
        raise ValueError("not alone")
    return weight


def failing(*columns, weight):
    """The error of a column of sixteen parcels, named."""
    graph = Graph([*columns], Parcel.schema(), None)
    rows = {
        "parcel_id": np.array([f"p{number}" for number in range(len(weight))], dtype=object),
        "weight": np.array(weight),
        "height": np.full(len(weight), 2.0),
    }
    with pytest.raises(FunctionError) as raised:
        graph.evaluate(rows, [columns[-1].name])
    return at_first_row(graph, rows, raised.value)


def test_the_first_row_that_raises_is_named_with_the_values_that_the_function_was_given() -> None:
    error = failing(heavier, load, weight=[1.0] * 11 + [10.0, 1.0, 10.0, 1.0, 1.0])
    assert str(error).endswith(
        "raised ValueError: too heavy, at key p11, of heavier 15.0, height 2.0"
    )
    assert isinstance(error.__cause__, ValueError)


def test_where_no_row_alone_raises_none_is_named() -> None:
    error = failing(lonely, weight=[1.0] * 15)
    assert str(error).endswith("raised ValueError: not alone")
