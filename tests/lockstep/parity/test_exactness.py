"""The distance between floats, where two arrays differ, and the usual size of a column."""

import math
import sys
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lockstep.columns.kinds import Array
from lockstep.columns.pipeline import Trace
from lockstep.parity.exactness import BEYOND, difference, ulp_distance
from lockstep.parity.scales import Scales

FLOATS = st.floats(allow_nan=True, allow_infinity=True)


def distance(first: float, second: float) -> int:
    return int(ulp_distance(np.array([first]), np.array([second]))[0])


def objects(*values: Any) -> np.ndarray[Any, Any]:
    array = np.empty(len(values), dtype=object)
    array[:] = values
    return array


@given(FLOATS, FLOATS, FLOATS)
def test_it_is_a_distance_and_only_the_same_value_is_at_none(x: float, y: float, z: float) -> None:
    assert distance(x, x) == 0
    assert (distance(x, y) == 0) == (repr(x) == repr(y))
    assert distance(x, y) == distance(y, x)
    assert distance(x, z) <= distance(x, y) + distance(y, z)


@given(st.floats(allow_nan=False, allow_infinity=False, width=64), st.integers(1, 50))
def test_steps_to_the_next_float_are_counted(x: float, steps: int) -> None:
    y = x
    for _ in range(steps):
        y = math.nextafter(y, -math.inf)
    crosses_zero = math.copysign(1, x) > 0 > y
    if math.isfinite(y):
        assert distance(x, y) == steps + crosses_zero


@pytest.mark.parametrize(
    ("first", "second", "steps"),
    [
        (-0.0, 0.0, 1),
        (-5e-324, 5e-324, 3),
        *((math.inf, other, BEYOND) for other in (0.0, sys.float_info.max, -math.inf, math.nan)),
    ],
)
def test_zeros_are_neighbours_and_infinity_is_beyond_everything(
    first: float, second: float, steps: int
) -> None:
    assert distance(first, second) == steps


def test_all_nans_are_one_value_and_float32_counts_its_own_steps() -> None:
    payload = np.array([0x7FF8000000000123], dtype=np.uint64).view(np.float64)
    assert ulp_distance(payload, np.array([np.nan])).tolist() == [0]
    one = np.array([1.0], dtype=np.float32)
    assert ulp_distance(one, np.nextafter(one, np.float32(2))).tolist() == [1]


def test_other_dtypes_have_no_ulps() -> None:
    with pytest.raises(TypeError, match="not between int64 and float64"):
        ulp_distance(np.array([1]), np.array([1.0]))


def test_a_budget_allows_that_many_ulps_and_no_more() -> None:
    found = difference(np.ones(2), np.array([1.0 + 2 * 2.0**-52, 1.0 + 3 * 2.0**-52]), ulps=2)
    assert (found.cells.tolist(), found.ulps) == ([False, True], 3)


def test_a_nan_that_faces_a_number_differs_at_any_budget() -> None:
    found = difference(np.array([np.nan, 1.0]), np.array([1.0, 1.5]), ulps=2**62)
    assert (found.cells.tolist(), found.largest, found.ulps) == ([True, False], 0.5, BEYOND)


def test_texts_differ_in_value_and_in_type() -> None:
    expected = objects("a", None, "1", None, math.nan, True)
    actual = objects("a", None, 1, math.nan, float("nan"), 1)
    assert difference(expected, actual).cells.tolist() == [False, False, True, True, False, True]


def test_times_differ_by_seconds_and_nat_equals_nat() -> None:
    expected = np.array(["2013-01-01T10:00:00", "NaT", "NaT"], dtype="datetime64[us]")
    actual = np.array(["2013-01-01T10:00:30.5", "NaT", "2013-01-01"], dtype="datetime64[us]")
    found = difference(expected, actual)
    assert (found.cells.tolist(), found.largest) == ([True, False, True], 30.5)


@given(st.integers(-(2**63), 2**63 - 1), st.integers(-(2**63), 2**63 - 1))
def test_the_difference_of_integers_does_not_overflow(x: int, y: int) -> None:
    found = difference(np.array([x]), np.array([y]))
    assert found.largest == float(abs(x - y))


@pytest.mark.parametrize(
    ("actual", "differ", "largest"),
    [([1.0, 2.0], [True, True], 0), ([1.0, 2.5], [False, True], 0.5)],
)
def test_another_dtype_differs_where_values_do_or_else_in_every_cell(
    actual: list[float], differ: list[bool], largest: float
) -> None:
    found = difference(np.array([1, 2]), np.array(actual))
    assert (found.cells.tolist(), found.forms) == (differ, ("int64", "float64"))
    assert (found.largest or 0) == largest


@pytest.mark.parametrize(
    ("expected", "actual", "rows", "forms"),
    [
        (np.zeros((3, 2)), np.diag([0.0, 1.0, 0.0])[:, :2], [False, True, False], None),
        (np.empty((0, 3)), np.empty((0, 3)), [], None),
        (np.zeros((2, 3)), np.zeros((2, 4)), [True, True], ("float64 × 3", "float64 × 4")),
    ],
    ids=["one cell", "no rows", "another width"],
)
def test_a_row_of_a_matrix_differs_where_one_of_its_cells_does(
    expected: Array, actual: Array, rows: list[bool], forms: tuple[str, str] | None
) -> None:
    found = difference(expected, actual)
    assert (found.rows.tolist(), found.forms) == (rows, forms)
    if not rows:
        assert (found.largest, found.ulps) == (None, 0)


def test_arrays_of_another_length_are_not_compared() -> None:
    with pytest.raises(ValueError, match="2 rows cannot be compared with 3"):
        difference(np.zeros(2), np.zeros(3))


CANCELLED = [0.4186070692778685], [0.4186070692778401]


@pytest.mark.parametrize(
    ("expected", "actual", "ulps", "scale", "differ"),
    [
        pytest.param(*CANCELLED, 64, 150.0, [False], id="what is left of terms that cancel"),
        pytest.param(*CANCELLED, 0, 150.0, [True], id="but not without a budget"),
        pytest.param([150, 0.5], [150, 0.5 + 1e-11], 64, 150.0, [False, True], id="beyond it"),
        pytest.param(
            [1e9, 1e-6], [1e9, 1.4e-6], 64, 1e-6, [False, True], id="a large value beside"
        ),
    ],
)
def test_a_value_may_have_the_rounding_of_its_columns_scale(
    expected: list[float], actual: list[float], ulps: int, scale: float, differ: list[bool]
) -> None:
    expected, actual = np.array(expected, dtype=float), np.array(actual, dtype=float)
    assert difference(expected, actual, ulps=ulps, scale=scale).rows.tolist() == differ


def test_a_matrix_has_a_scale_at_each_position() -> None:
    expected = np.zeros((1, 2))
    actual = np.full((1, 2), 1e-13)
    found = difference(expected, actual, ulps=8, scale=np.array([100.0, 1.0]))
    assert found.cells.tolist() == [[False, True]]


def scale_of(values: Array) -> object:
    keys = np.arange(len(values))
    if values.ndim > 1:
        return Scales.of(Trace(keys, {}, {"m": values})).matrices["m"].tolist()
    return float(Scales.of(Trace(keys, {"c": values}, {})).columns["c"])


@pytest.mark.parametrize(
    ("values", "scale"),
    [
        pytest.param([1.0, -2.0, 3.0, 1e9], 2.0, id="one extreme value does not move it"),
        pytest.param([np.nan, np.inf, 0.0, 0.0, 0.0, 4.0], 4.0, id="of what has a size"),
        pytest.param([0.0, np.nan], 0.0, id="none without any size"),
        pytest.param([[1, 0, 100], [3, 0, 300]], [1.0, 0.0, 100.0], id="one for each position"),
    ],
)
def test_the_scale_of_a_column_is_its_usual_size(values: list[Any], scale: object) -> None:
    array = np.array(values, dtype=np.float64 if isinstance(values[0], float) else np.float32)
    assert scale_of(array) == scale


def test_only_floats_have_one_and_only_where_there_are_rows() -> None:
    texts = np.array(["a"], dtype=object)
    columns = {"texts": texts, "ints": np.array([1]), "floats": np.array([1.5])}
    assert set(Scales.of(Trace(texts, columns, {})).columns) == {"floats"}
    nothing = {name: values[:0] for name, values in columns.items()}
    assert Scales.of(Trace(texts[:0], nothing, {})) == Scales()
