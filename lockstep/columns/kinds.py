"""What an array holds: the five canonical forms of a column."""

from __future__ import annotations

import enum
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from operator import itemgetter
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]
Columns = dict[str, Array]
"""Columns by name: one-dimensional arrays of one length, in canonical form."""

Floats = NDArray[np.float64]
"""float64; NaN where missing."""
Ints = NDArray[np.int64]
"""int64; never missing."""
Bools = NDArray[np.bool_]
"""bool; never missing."""
Texts = NDArray[np.object_]
"""Python `str`; `None` where missing."""
Times = NDArray[np.datetime64]
"""datetime64[us] in UTC; NaT where missing."""


def picker(keys: Sequence[Any]) -> Callable[[Any], Sequence[Any]]:
    """The function from columns, a record or a row to what they hold at these keys, in order."""
    if len(keys) > 1:
        return itemgetter(*keys)
    return lambda given: [given[key] for key in keys]


class Kind(enum.Enum):
    """What an array holds, and so its dtype."""

    FLOAT = "float"
    INT = "int"
    BOOL = "bool"
    TEXT = "text"
    TIME = "time"

    @property
    def dtype(self) -> np.dtype[Any]:
        """The one dtype that arrays of this kind have."""
        return _DTYPES[self]

    @property
    def alias(self) -> str:
        """The name by which functions declare this kind in their annotations."""
        return f"{self.value.capitalize()}s"


_DTYPES: dict[Kind, np.dtype[Any]] = {
    Kind.FLOAT: np.dtype(np.float64),
    Kind.INT: np.dtype(np.int64),
    Kind.BOOL: np.dtype(np.bool_),
    Kind.TEXT: np.dtype(object),
    Kind.TIME: np.dtype("datetime64[us]"),
}
_ALIASES: dict[Kind, Any] = {
    Kind.FLOAT: Floats,
    Kind.INT: Ints,
    Kind.BOOL: Bools,
    Kind.TEXT: Texts,
    Kind.TIME: Times,
}
_BY_DTYPE = {dtype: kind for kind, dtype in _DTYPES.items()}


def kind_of_alias(annotation: object) -> Kind | None:
    """The kind that an annotation such as `Floats` stands for; None if it is no alias."""
    return next((kind for kind, alias in _ALIASES.items() if alias == annotation), None)


def kind_of_dtype(dtype: np.dtype[Any]) -> Kind | None:
    """The kind whose canonical dtype this is; None if it is no canonical dtype."""
    return _BY_DTYPE.get(dtype)


def utc(time: datetime) -> np.datetime64:
    """A time that has a zone, as columns hold it."""
    return np.datetime64(time.astimezone(UTC).replace(tzinfo=None), "us")


_EXAMPLES: dict[Kind, tuple[Any, Any, Any]] = {
    Kind.FLOAT: (0.0, 1.0, np.nan),
    Kind.INT: (0, 1, None),
    Kind.BOOL: (False, True, None),
    Kind.TEXT: ("a", "b", None),
    Kind.TIME: (np.datetime64("2000-01-01"), np.datetime64("2000-01-02"), np.datetime64("NaT")),
}


def example_array(
    kind: Kind, *, optional: bool = False, choices: tuple[str, ...] | None = None
) -> Array:
    """Three values of a kind: two distinct ones, then a missing one or a repetition."""
    first, second, missing = _EXAMPLES[kind]
    if choices is not None:
        first, second = choices[0], choices[-1]
    return np.array([first, second, missing if optional else second], dtype=kind.dtype)
