"""Rows of columns: choosing some, and telling which lack a value."""

from __future__ import annotations

import numpy as np

from transforms import Array, Columns


def take_rows(columns: Columns, rows: Array) -> Columns:
    """Some rows, by position, in the order given."""
    return {name: values[rows] for name, values in columns.items()}


def first_of_each(keys: Array) -> Array:
    """Positions of the rows whose key has not occurred before."""
    rows: dict[object, int] = {}
    for row, key in enumerate(keys.tolist()):
        rows.setdefault(key, row)
    return np.fromiter(rows.values(), np.int64, len(rows))


def is_missing(values: Array) -> Array:
    """Where a column has no value: bool, one per row."""
    if values.dtype.kind == "O":
        return np.fromiter((value is None for value in values.tolist()), bool, len(values))
    if values.dtype.kind == "M":
        return np.isnat(values)
    return np.isnan(values) if values.dtype.kind == "f" else np.zeros(len(values), dtype=bool)
