"""Encodings: what stands for the values of a column, and columns that are looked up in others.

Several encoders in a row are one look-up in the input of the first.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, TypeVar

import numpy as np

from lockstep.columns.kinds import Array

T = TypeVar("T")
U = TypeVar("U")


class Known(dict[Any, T]):
    """The encoding of each value of a column, by value; None stands for missing ones, NaN included.

    Any other value has the encoding `other`, or is refused, by the text `refused`.
    """

    def __init__(self, known: Mapping[Any, T], other: T, refused: str | None) -> None:
        super().__init__(known)
        self._other = other
        self._refused = refused

    def __missing__(self, value: Any) -> T:
        """The encoding of a value that is no key; `ValueError` where it is refused."""
        if value != value and None in self:
            return self[None]
        if self._refused is not None:
            raise ValueError(self._refused)
        return self._other

    def of(self, array: Array, dtype: type[np.generic] = np.float64) -> Array:
        """The encoding of each value of a column, as numbers of a dtype."""
        return np.fromiter(map(self.__getitem__, array.tolist()), dtype, len(array))

    def then(self, following: Known[U]) -> Known[U]:
        """These encodings, encoded once more; `ValueError` where one of them is refused."""
        known = {value: following[stand_in] for value, stand_in in self.items()}
        if self._refused is not None:  # then nothing stands for any other value
            return Known(known, next(iter(known.values())), self._refused)
        return Known(known, following[self._other], None)


Look = tuple[int, Known[float] | None]
"""The place of a column in the input, and the encodings of its values; None to keep them."""


def composed(
    first: Sequence[Look] | None, following: Sequence[Look] | None
) -> tuple[Look, ...] | None:
    """Two rounds of looks as one; None if either is None, or the second refuses an encoding."""
    if first is None or following is None:
        return None
    looks: list[Look] = []
    for through, known in following:
        place, before = first[through]
        if before is None or known is None:
            looks.append((place, known if before is None else before))
            continue
        try:
            looks.append((place, before.then(known)))
        except ValueError:
            return None
    return tuple(looks)
