"""Columns as tables and back, without a change of any value."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from lockstep.columns.kinds import Array, Columns, Kind, kind_of_dtype

if TYPE_CHECKING:
    import pyarrow as pa


def to_frame(columns: Columns) -> pd.DataFrame:
    """A DataFrame with the columns' own dtypes; texts as `object`, times in UTC.

    pandas would infer other dtypes (`str` for texts), which encoders treat otherwise.
    """
    dtypes = {array.dtype for array in columns.values()}
    if len(dtypes) == 1 and dtypes <= _NUMBERS:  # a matrix: 30 times faster for 2,000 columns
        rows = np.array(list(columns.values()))
        return pd.DataFrame(rows.T, columns=list(columns), copy=False)
    return pd.DataFrame({name: _series(array) for name, array in columns.items()}, copy=False)


_NUMBERS = {kind.dtype for kind in (Kind.FLOAT, Kind.INT, Kind.BOOL)}


def _series(array: Array) -> Any:
    if array.dtype == object:
        return pd.Series(array, dtype=object, copy=False)
    if array.dtype.kind == "M":
        times: Any = pd.Series(array, copy=False)
        return times.dt.tz_localize("UTC")
    return array


def to_arrow(columns: Columns) -> pa.Table:
    """A pyarrow table: NaN, None and NaT are nulls, times are timestamps in UTC."""
    import pyarrow as pa

    arrays = {}
    for name, array in columns.items():
        kind = kind_of_dtype(array.dtype)
        if kind is Kind.TEXT:
            arrays[name] = pa.array(array, type=pa.string())
        elif kind is Kind.TIME:
            arrays[name] = pa.array(array).cast(pa.timestamp("us", tz="UTC"))
        else:
            arrays[name] = pa.array(array, from_pandas=True)
    return pa.table(arrays)


def from_arrow(table: pa.Table, kinds: Mapping[str, Kind]) -> Columns:
    """The columns that `to_arrow` wrote, read-only.

    Args:
        table: The table.
        kinds: What each column to take holds.
    """
    columns: Columns = {}
    for name, kind in kinds.items():
        column = table.column(name)
        if kind is Kind.TIME:
            column = column.cast("timestamp[us]")
        array = column.to_numpy()
        columns[name] = np.array(array, dtype=kind.dtype)
        columns[name].flags.writeable = False
    return columns
