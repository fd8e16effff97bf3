"""The usual size of the values of columns."""

import numpy as np

from lockstep.columns.kinds import Array
from lockstep.columns.pipeline import Trace
from lockstep.parity.scales import Scales


def scale_of(values: Array) -> object:
    keys = np.arange(len(values))
    if values.ndim > 1:
        return Scales.of(Trace(keys, {}, {"m": values})).matrices["m"].tolist()
    return float(Scales.of(Trace(keys, {"c": values}, {})).columns["c"])


def test_one_extreme_value_does_not_move_it() -> None:
    assert scale_of(np.array([1.0, -2.0, 3.0, 1e9])) == 2.0


def test_missing_and_infinite_values_and_zeros_tell_nothing_of_it() -> None:
    assert scale_of(np.array([np.nan, np.inf, 0.0, 0.0, 0.0, 4.0])) == 4.0


def test_a_column_without_any_size_has_none() -> None:
    assert scale_of(np.array([0.0, np.nan])) == 0.0


def test_each_position_of_a_matrix_has_its_own() -> None:
    matrix = np.array([[1.0, 0.0, 100.0], [3.0, 0.0, 300.0]], dtype=np.float32)
    assert scale_of(matrix) == [1.0, 0.0, 100.0]


def test_only_floats_have_one_and_only_where_there_are_rows() -> None:
    texts = np.array(["a"], dtype=object)
    columns = {"texts": texts, "ints": np.array([1]), "floats": np.array([1.5])}
    assert set(Scales.of(Trace(texts, columns, {})).columns) == {"floats"}
    nothing = {name: values[:0] for name, values in columns.items()}
    assert Scales.of(Trace(texts[:0], nothing, {})) == Scales()
