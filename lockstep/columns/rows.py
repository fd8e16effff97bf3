"""Rows of columns: some of them, several parts of them, which come first, which lack a value."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import numpy as np

from lockstep.columns.kinds import Array, Columns, Kind


def take_rows(columns: Columns, rows: Array | slice) -> Columns:
    """Some rows of columns: by position, where a mask is true, or a slice, which is not copied."""
    return {name: array[rows] for name, array in columns.items()}


def concat(parts: Iterable[Columns], kinds: Mapping[str, Kind]) -> Columns:
    """The rows of several column sets, one after the other."""
    found = list(parts)
    return {
        name: np.concatenate([part[name] for part in found])
        if found
        else np.empty(0, dtype=kind.dtype)
        for name, kind in kinds.items()
    }


def first_of_each(keys: Array) -> Array:
    """Positions of the rows whose key has not occurred before."""
    rows: dict[object, int] = {}
    for row, key in enumerate(keys.tolist()):
        rows.setdefault(key, row)
    return np.fromiter(rows.values(), np.int64, len(rows))


def is_missing(array: Array) -> Array:
    """Where a column has no value: bool, one a row."""
    if array.dtype == object:
        return np.fromiter((value is None for value in array.tolist()), bool, len(array))
    if array.dtype.kind == "f":
        return np.isnan(array)
    if array.dtype.kind == "M":
        return np.isnat(array)
    return np.zeros(len(array), dtype=bool)
