"""How far apart two arrays are: bit for bit, and in units in the last place (ulp)."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

BEYOND = np.iinfo(np.uint64).max
"""The distance from NaN, or from infinity, to another value."""

_INTEGERS = {4: np.int32, 8: np.int64}
"""The integers as wide as a float, by their size in bytes."""


@dataclass(frozen=True)
class Difference:
    """The cells in which two arrays of equal shape differ, and by how much."""

    # bool, the arrays' shape: True where the two differ by more than the budget
    cells: NDArray[np.bool_]
    # the largest absolute difference of two finite numbers (seconds for times); None for
    # text, or where no two finite numbers face each other
    largest: float | None
    # the largest distance in ulps between two floats; None where either array holds no
    # floats. `BEYOND` if a NaN faces a number, or infinity a finite number
    ulps: int | None
    # what the two arrays hold if that differs, such as `("int64", "float64")`; that is a
    # difference by itself
    forms: tuple[str, str] | None

    @property
    def rows(self) -> NDArray[np.bool_]:
        """Whether each row has a differing cell: bool."""
        return np.asarray(self.cells.any(axis=tuple(range(1, self.cells.ndim))))


def ulp_distance(first: NDArray[Any], second: NDArray[Any]) -> NDArray[np.uint64]:
    """Count the representable floats between two arrays, element by element.

    The bits of a float, read as a sign and a magnitude, order like the floats themselves, so that
    the distance is a difference of integers (Bruce Dawson, "Comparing floating point numbers",
    2012). The order is totalOrder of IEEE 754-2019, section 5.10, in which -0 comes right before
    +0: they are 1 apart, and distance 0 means the same bits. Two departures from it: all NaNs are
    one value, and NaN or infinity is `BEYOND` everything else, as overflow is no rounding error.

    Args:
        first, second: Arrays of one shape and one dtype, float32 or float64.

    Raises:
        TypeError: The arrays are not both float32 or both float64.
    """
    if first.dtype != second.dtype or first.dtype.kind != "f" or first.itemsize not in _INTEGERS:
        raise TypeError(
            f"ulps count between two arrays of float32 or of float64, "
            f"not between {first.dtype} and {second.dtype}"
        )
    distance = _gap(_ordered(first), _ordered(second))
    nan = np.isnan(first), np.isnan(second)
    beyond = (nan[0] != nan[1]) | ((np.isinf(first) | np.isinf(second)) & (first != second))
    distance = np.where(nan[0] & nan[1], np.uint64(0), distance)
    return np.where(beyond, BEYOND, distance)


def difference(
    expected: NDArray[Any],
    actual: NDArray[Any],
    *,
    ulps: int = 0,
    scale: NDArray[Any] | float = 0.0,
) -> Difference:
    """Compare two arrays row by row.

    Floats may differ by `ulps`: of their own size, or of the usual size of their column (see
    `lockstep.parity.scales`). Everything else must be the same: times to the microsecond, text and
    other objects in type and value, where a missing value (NaN, NaT, None) equals only its own
    kind. Arrays of another dtype always differ: in the cells whose values differ, or in every cell
    if these are the same numbers. So do matrices of another width, in every cell.

    Args:
        scale: The usual size of the values; of a matrix, that at each position of a row.

    Raises:
        ValueError: The arrays have different numbers of rows.
    """
    if len(expected) != len(actual):
        raise ValueError(f"{len(expected)} rows cannot be compared with {len(actual)}")
    if expected.shape != actual.shape or expected.dtype != actual.dtype:
        return _difference_of_forms(expected, actual)
    if expected.dtype.kind == "f" and expected.itemsize in _INTEGERS:
        if same_bits(expected, actual):
            largest = 0.0 if np.isfinite(expected).any() else None
            return Difference(np.zeros(expected.shape, dtype=bool), largest, 0, None)
        distance = ulp_distance(expected, actual)
        first, second = (np.where(np.isfinite(side), side, np.nan) for side in (expected, actual))
        apart = np.abs(first - second)
        step = np.spacing(np.asarray(scale, dtype=expected.dtype))
        is_rounding = (apart <= ulps * step) & (distance != BEYOND)
        known = apart[~np.isnan(apart)]
        return Difference(
            cells=(distance > ulps) & ~is_rounding,
            largest=float(known.max()) if known.size else None,
            ulps=int(distance.max(initial=0)),
            forms=None,
        )
    if expected.dtype.kind == "O":
        return _difference_of_objects(expected, actual, ulps)
    return _difference_of_exact(expected, actual)


def same_bits(expected: NDArray[Any], actual: NDArray[Any]) -> bool:
    """Whether two arrays of one shape have the same bits: a fast check, which most arrays pass."""
    if expected.dtype != actual.dtype:
        return False
    if expected.dtype.kind == "O":
        return bool(expected.tolist() == actual.tolist())
    bits = f"u{expected.itemsize}"
    return bool((expected.view(bits) == actual.view(bits)).all())


def _ordered(values: NDArray[Any]) -> NDArray[np.int64]:
    """Integers in the order of the floats: -0 -> -1, +0 -> 0, the least positive float -> 1."""
    bits = np.ascontiguousarray(values).view(_INTEGERS[values.itemsize]).astype(np.int64)
    magnitude = 2 ** (8 * values.itemsize - 1) - 1  # all bits but the sign
    return np.where(bits < 0, bits ^ magnitude, bits)


def _gap(first: NDArray[np.int64], second: NDArray[np.int64]) -> NDArray[np.uint64]:
    """The absolute difference of integers; modulo 2^64, so that it cannot overflow."""
    high, low = np.maximum(first, second), np.minimum(first, second)
    return high.view(np.uint64) - low.view(np.uint64)


def _difference_of_exact(expected: NDArray[Any], actual: NDArray[Any]) -> Difference:
    """The difference of integers, booleans or times of one dtype."""
    largest = None
    if expected.dtype.kind == "M":
        cells = np.asarray(expected.view(np.int64) != actual.view(np.int64))
        sides = (side.astype("datetime64[us]").view(np.int64) for side in (expected, actual))
        gap = _gap(*sides)[~(np.isnat(expected) | np.isnat(actual))]
        largest = float(gap.max()) / 1e6 if gap.size else None
    else:
        cells = np.asarray(expected != actual)
        if expected.dtype.kind in "iub":
            gap = _gap(expected.astype(np.int64), actual.astype(np.int64))
            largest = float(gap.max()) if gap.size else None
    return Difference(cells, largest, None, None)


def _difference_of_objects(expected: NDArray[Any], actual: NDArray[Any], ulps: int) -> Difference:
    """The difference of texts, or of the mixed cells of a matrix, in which floats have ulps."""
    first, second = expected.ravel().tolist(), actual.ravel().tolist()
    if first == second and [*map(type, first)] == [*map(type, second)]:
        return Difference(np.zeros(expected.shape, dtype=bool), None, None, None)
    pairs = list(zip(first, second, strict=True))
    cells = np.fromiter((not _same(*pair) for pair in pairs), bool, len(pairs))
    unlike = [row for row in np.flatnonzero(cells) if {float} == set(map(type, pairs[row]))]
    if not unlike:
        return Difference(cells.reshape(expected.shape), None, None, None)
    floats = np.array([pairs[row] for row in unlike], dtype=np.float64)
    apart = difference(floats[:, 0], floats[:, 1], ulps=ulps)
    cells[unlike] = apart.cells
    return Difference(cells.reshape(expected.shape), apart.largest, apart.ulps, None)


def _same(first: Any, second: Any) -> bool:
    """Whether two Python values are one value of one type; NaN is NaN, NaT is NaT."""
    if first is second:
        return True
    if type(first) is not type(second):
        return False
    return bool(first == second) or bool(first != first and second != second)


def _difference_of_forms(expected: NDArray[Any], actual: NDArray[Any]) -> Difference:
    """The difference of arrays of unlike shapes or dtypes, by their values if both hold numbers."""
    forms = (_form(expected), _form(actual))
    everywhere = np.ones(expected.shape, dtype=bool)
    are_numbers = expected.dtype.kind in "biuf" and actual.dtype.kind in "biuf"
    if expected.shape != actual.shape or not are_numbers:
        return Difference(everywhere, None, None, forms)
    values = difference(expected.astype(np.float64), actual.astype(np.float64))
    cells = values.cells if values.cells.any() else everywhere
    return Difference(cells, values.largest, None, forms)


def _form(values: NDArray[Any]) -> str:
    return " × ".join([str(values.dtype), *map(str, values.shape[1:])])
