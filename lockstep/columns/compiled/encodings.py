"""Encodings: what stands for the values of a column, and columns that are others, encoded or not.

Encoders one after the other are one look at what the first is given.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, TypeVar

import numpy as np

from lockstep.columns.kinds import Array

T = TypeVar("T")
U = TypeVar("U")


class Known(dict[Any, T]):
    """What stands for each value of a column, by value; None is a missing one, NaN too.

    Args:
        known: What stands for the values that are known.
        other: What stands for any other one.
        refused: Why any other one is refused; None if it is not.
    """

    def __init__(self, known: Mapping[Any, T], other: T, refused: str | None) -> None:
        super().__init__(known)
        self._other = other
        self._refused = refused

    def __missing__(self, value: Any) -> T:
        """What stands for a value that is not among them as it is.

        Raises:
            ValueError: The value is refused.
        """
        if value != value and None in self:
            return self[None]
        if self._refused is not None:
            raise ValueError(self._refused)
        return self._other

    def of(self, array: Array, dtype: type[np.generic] = np.float64) -> Array:
        """What stands for each value of a column, where that is a number.

        Args:
            array: The column.
            dtype: What the numbers are.

        Raises:
            ValueError: A value is refused.
        """
        return np.fromiter(map(self.__getitem__, array.tolist()), dtype, len(array))

    def then(self, following: Known[U]) -> Known[U]:
        """What stands for what stands for each value.

        Args:
            following: What stands for that.

        Raises:
            ValueError: It refuses some of it.
        """
        known = {value: following[one] for value, one in self.items()}
        if self._refused is not None:  # then nothing stands for any other value
            return Known(known, next(iter(known.values())), self._refused)
        return Known(known, following[self._other], None)


Look = tuple[int, Known[float] | None]
"""A column that is one of those that are given, by its place: as it is, or what stands for it."""


def composed(
    first: Sequence[Look] | None, following: Sequence[Look] | None
) -> tuple[Look, ...] | None:
    """Looks at what looks give, as looks at what these are given.

    None where either are none, or what stands for a value is refused.
    """
    if first is None or following is None:
        return None
    found: list[Look] = []
    for through, known in following:
        place, before = first[through]
        if before is None or known is None:
            found.append((place, known if before is None else before))
            continue
        try:
            found.append((place, before.then(known)))
        except ValueError:
            return None
    return tuple(found)
