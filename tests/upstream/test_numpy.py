"""Behaviours of NumPy that casting and the column graph are built on."""

import itertools
import operator
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from lockstep.parity.scalar_forms import bits


@pytest.mark.parametrize("dtype", ["float64", "datetime64[us]"])
def test_none_becomes_the_missing_value(dtype: str) -> None:
    array = np.array([0, None], dtype=dtype)

    assert (array != array).tolist() == [False, True]


def test_an_integer_is_a_time_in_the_unit_of_the_array() -> None:
    assert np.array([5], "datetime64[us]")[0] == np.datetime64("1970-01-01T00:00:00.000005")


@pytest.mark.parametrize("value", [2**63, -(2**63) - 1])
def test_an_integer_that_does_not_fit_is_refused(value: int) -> None:
    with pytest.raises(OverflowError):
        np.array([value], dtype=np.int64)


def test_rows_of_a_read_only_array_are_read_only_and_contiguous() -> None:
    array = np.zeros(3)
    array.flags.writeable = False

    for row in array.reshape(-1, 1):
        assert (row.shape, row.flags.writeable, row.flags.c_contiguous) == ((1,), False, True)


@pytest.mark.parametrize(
    "write",
    [
        lambda array: array.__setitem__(0, 1.0),
        lambda array: array.__iadd__(1.0),
        lambda array: array.sort(),
        lambda array: array.fill(0.0),
        lambda array: np.add(array, 1.0, out=array),
        lambda array: np.put(array, [0], [1.0]),
        lambda array: np.nan_to_num(array, copy=False),
        lambda array: np.random.default_rng().shuffle(array),
    ],
)
def test_writing_to_a_read_only_array_says_read_only(write: Callable[[Any], Any]) -> None:
    array = np.zeros(3)
    array.flags.writeable = False

    with pytest.raises(ValueError, match="read-only"):
        write(array)


FLOATS = [np.nan, 0.0, -0.0, 5e-324, 0.1, 1.0, -2.5, 60.0, 1e300, -1e300, 2.0**53, np.inf, -np.inf]
INTS = [0, 1, -1, 7, -100, 60, 2**53, 2**63 - 1, -(2**63)]
OPERATORS: list[Callable[[Any, Any], Any]] = [
    operator.add,
    operator.sub,
    operator.mul,
    operator.truediv,
    operator.floordiv,
    operator.mod,
    operator.lt,
    operator.le,
    operator.eq,
    operator.ne,
    np.maximum,
    np.minimum,
    np.fmax,
    np.fmin,
    np.arctan2,
    np.hypot,
    np.copysign,
]


@pytest.mark.parametrize("operate", OPERATORS)
@pytest.mark.parametrize(("first", "second"), itertools.product([FLOATS, INTS], repeat=2))
def test_scalars_and_arrays_of_one_value_give_the_same_bits(
    operate: Callable[[Any, Any], Any], first: list[Any], second: list[Any]
) -> None:
    with np.errstate(all="ignore"):
        for one, other in itertools.product(np.array(first), np.array(second)):
            scalar = operate(one, other)
            array = operate(np.array([one]), np.array([other]))

            assert isinstance(scalar, np.generic)
            assert scalar.dtype == array.dtype
            assert bits(np.array([scalar])) == bits(array)


@pytest.mark.parametrize(
    "function", [np.sin, np.cos, np.exp, np.log, np.sqrt, np.radians, np.abs, np.isnan, np.round]
)
def test_functions_of_scalars_and_of_arrays_of_one_value_give_the_same_bits(
    function: Callable[[Any], Any],
) -> None:
    values = np.concatenate([FLOATS, np.random.default_rng(0).normal(scale=30, size=2_000)])
    with np.errstate(all="ignore"):
        for value in values:
            assert bits(np.array([function(value)])) == bits(function(np.array([value])))
