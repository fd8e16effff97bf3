"""Behaviours of NumPy that casting and the column graph are built on."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest


@pytest.mark.parametrize("dtype", ["float64", "datetime64[us]"])
def test_none_becomes_the_missing_value(dtype: str) -> None:
    array = np.array([0, None], dtype=dtype)

    assert (array != array).tolist() == [False, True]


def test_an_integer_is_a_time_in_the_unit_of_the_array() -> None:
    assert np.array([5], "datetime64[us]")[0] == np.datetime64("1970-01-01T00:00:00.000005")


def test_a_span_of_time_counts_as_an_integer() -> None:
    assert isinstance(np.timedelta64(1, "s"), np.integer)


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
