"""Columns as a table: some of its rows, and the same table in pandas or Arrow and back."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from lockstep.columns.kinds import Array, Columns, Kind, Times, kind_of_dtype

if TYPE_CHECKING:
    import pyarrow as pa


_NONE = np.array(None, dtype=object)


WITHDRAWN = "(withdrawn)"
"""Name, which no field has, of what tells withdrawals of a table's rows from rows."""


def take_rows(columns: Mapping[str, Array], rows: Array | slice) -> Columns:
    """Some rows of columns: by position, where a mask is true, or a slice, which is not copied."""
    return {name: array[rows] for name, array in columns.items()}


def concat(parts: Iterable[Columns], kinds: Mapping[str, Kind]) -> Columns:
    """The rows of several column sets, one after the other."""
    sets = list(parts)
    return {
        name: np.concatenate([part[name] for part in sets])
        if sets
        else np.empty(0, dtype=kind.dtype)
        for name, kind in kinds.items()
    }


def stacked(parts: Sequence[Mapping[str, Array]]) -> Columns:
    """The rows of one or more sets of the same columns, one after the other."""
    return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}


def with_known(columns: Columns, known: Times) -> Columns:
    """Fields of a table's rows; under `WITHDRAWN` which withdraw others, under "" when known."""
    none = np.zeros(len(known), dtype=bool)
    return {**columns, WITHDRAWN: columns.get(WITHDRAWN, none), "": known}


def is_missing(array: Array) -> Array:
    """Where a column has no value: bool, one a row."""
    if array.dtype == object:
        missing: Array = np.equal(array, _NONE)
        return missing
    if array.dtype.kind == "f":
        return np.isnan(array)
    if array.dtype.kind == "M":
        return np.isnat(array)
    return np.zeros(len(array), dtype=bool)


def first_of_each(keys: Array) -> Array:
    """Positions of the rows whose key has not occurred before."""
    rows: dict[object, int] = {}
    for row, key in enumerate(keys.tolist()):
        rows.setdefault(key, row)
    return np.fromiter(rows.values(), np.int64, len(rows))


def to_frame(columns: Columns) -> pd.DataFrame:
    """A DataFrame with the columns' own dtypes; texts as `object`, times in UTC.

    pandas would infer other dtypes (`str` for texts), which encoders treat differently.
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


def kinds_of(table: pa.Table) -> dict[str, Kind]:
    """What each column of a table that `to_arrow` made holds."""
    import pyarrow as pa

    kinds = {pa.float64(): Kind.FLOAT, pa.int64(): Kind.INT, pa.bool_(): Kind.BOOL}
    return {
        field.name: kinds.get(
            field.type, Kind.TIME if pa.types.is_timestamp(field.type) else Kind.TEXT
        )
        for field in table.schema
    }


def from_arrow(table: pa.Table, kinds: Mapping[str, Kind]) -> Columns:
    """The columns of these kinds that `to_arrow` wrote, read-only."""
    columns: Columns = {}
    for name, kind in kinds.items():
        column = table.column(name)
        if kind is Kind.TIME:
            column = column.cast("timestamp[us]")
        array = column.to_numpy()
        columns[name] = np.array(array, dtype=kind.dtype)
        columns[name].flags.writeable = False
    return columns


def with_time(table: pa.Table, name: str, time: datetime) -> pa.Table:
    """A table with a column that holds one time, in microseconds of UTC."""
    import pyarrow as pa

    return table.append_column(name, pa.array([time] * len(table), pa.timestamp("us", tz="UTC")))
