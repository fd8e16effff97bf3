"""Series: columns of pandas, pyarrow and CSV, cast by their type."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from lockstep.columns.casts import Cast, cast_array, cast_distinct, cast_values
from lockstep.columns.kinds import Kind
from lockstep.columns.records import Field
from lockstep.columns.values import Convert, cell_parser

if TYPE_CHECKING:
    import pyarrow as pa


def cast_series(series: Any, field: Field, convert: Convert) -> Cast:
    """The canonical array of a pandas Series of any dtype."""
    dtype = series.dtype
    if isinstance(dtype, pd.CategoricalDtype):
        codes = series.cat.codes.to_numpy()
        return cast_distinct(field, convert, dtype.categories.tolist(), codes)
    if isinstance(dtype, pd.SparseDtype):
        return cast_series(series.sparse.to_dense(), field, convert)
    if isinstance(dtype, pd.ArrowDtype) or (
        isinstance(dtype, pd.StringDtype) and dtype.storage == "pyarrow"
    ):
        return cast_chunks(_chunks(series), field, convert)
    if isinstance(dtype, pd.DatetimeTZDtype):
        naive = series.dt.tz_convert("UTC").dt.tz_localize(None)
        return cast_array(field, convert, naive.to_numpy())
    if isinstance(dtype, np.dtype) and dtype.kind in "iufb":
        return cast_array(field, convert, series.to_numpy())
    numpy_dtype = getattr(dtype, "numpy_dtype", None)
    if numpy_dtype is not None and numpy_dtype.kind in "iufb":  # pandas' nullable dtypes
        values = series.to_numpy(dtype=numpy_dtype, na_value=0)
        return cast_array(field, convert, values, series.isna().to_numpy())
    return cast_values(field, convert, series.to_numpy(dtype=object).tolist())


def cast_chunks(values: pa.ChunkedArray, field: Field, convert: Convert) -> Cast:
    """The canonical array of a pyarrow column of any type."""
    import pyarrow as pa

    kind = values.type
    if pa.types.is_dictionary(kind):
        return cast_chunks(values.cast(kind.value_type), field, convert)
    if pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_boolean(kind):
        missing = values.is_null().to_numpy() if values.null_count else None
        filled = values.fill_null(False if pa.types.is_boolean(kind) else 0)
        return cast_array(field, convert, filled.to_numpy(), missing)
    if pa.types.is_timestamp(kind) and kind.tz is not None:
        return cast_array(field, convert, values.cast(pa.timestamp(kind.unit)).to_numpy())
    is_text = pa.types.is_string(kind) or pa.types.is_large_string(kind)
    if is_text and field.kind is Kind.TEXT and field.role != "key":  # a key does not recur
        distinct, codes = _encoded(values)
        return cast_distinct(field, convert, distinct, codes)
    return cast_values(field, convert, values_of(values))


def values_of(values: pa.ChunkedArray) -> list[Any]:
    """The values of a pyarrow column as Python's own, or pandas' where Python has none."""
    import pyarrow as pa

    try:
        return values.to_pylist()  # type: ignore[no-any-return]
    except (KeyError, OverflowError, ValueError):  # an unknown zone; a time beyond `datetime`
        if pa.types.is_timestamp(values.type) and values.type.tz is not None:
            values = values.cast(pa.timestamp(values.type.unit, "UTC"))
        return values.to_pandas(date_as_object=False).tolist()  # type: ignore[no-any-return]


def cast_cells(cells: pa.ChunkedArray, field: Field, convert: Convert) -> Cast:
    """The canonical array of the cells of a CSV column; a null is an empty cell without quotes."""
    parse = cell_parser(field)
    distinct, codes = _encoded(cells)
    return cast_distinct(field, convert, [parse(cell) for cell in distinct], codes)


def _encoded(texts: pa.ChunkedArray) -> tuple[list[Any], Any]:
    """The different texts, and which of them each row holds: -1 for none."""
    import pyarrow as pa

    encoded = texts.cast(pa.large_string()).combine_chunks().dictionary_encode()
    return encoded.dictionary.to_pylist(), encoded.indices.fill_null(-1).to_numpy()


def _chunks(series: Any) -> pa.ChunkedArray:
    import pyarrow as pa

    array = pa.array(series)
    return array if isinstance(array, pa.ChunkedArray) else pa.chunked_array([array])
