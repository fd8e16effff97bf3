"""Row tests: what a rule asks of values, of whole arrays at once and of one value alone.

A missing value (NaN, None, NaT) passes every test of one column but "not missing": Great
Expectations leaves it out before it looks. For a pair of columns the expectation says which rows
to leave out.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lockstep.columns.kinds import Array, Kind

Mask = NDArray[np.bool_]

NUMBERS = frozenset({Kind.FLOAT, Kind.INT, Kind.BOOL})

_NAT = int(np.datetime64("NaT", "us").astype(np.int64))


class NoRowTestError(Exception):
    """An expectation cannot be tested row by row; the message says why. Caught in this package."""


@dataclass(frozen=True)
class ValueTest:
    """What is asked of the values of a column of one kind.

    Attributes:
        accepts: Whether a value passes (truthy), of one that is not missing; None if all pass.
        refused: Which values of an array do not pass.
        refuses_missing: Whether a missing value does not pass.
    """

    accepts: Callable[[Any], object] | None
    refused: Callable[[Array], Mask]
    refuses_missing: bool = False


@dataclass(frozen=True)
class PairTest:
    """What is asked of the values of two columns.

    Attributes:
        accepts: Whether two values pass (truthy); None stands for a missing one.
        refused: Which rows of two arrays do not pass.
    """

    accepts: Callable[[Any, Any], object]
    refused: Callable[[Array, Array], Mask]


def value_at(array: Array, row: int) -> Any:
    """The value of a row as Python has it; None if it is missing.

    A time is its microseconds since 1970 in UTC: they compare exactly, in any year.
    """
    if array.dtype.kind == "M":
        microseconds = array.view(np.int64).item(row)
        return None if microseconds == _NAT else microseconds
    value = array.item(row)
    return value if value == value else None  # only NaN differs from itself
