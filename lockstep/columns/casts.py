"""Casting: from many values, in whatever they came, to the canonical array of a declared type.

Whole arrays are cast at once where their type allows it, which gives the same as casting each
value alone with `converter`. Only `converter` says what is refused, and why.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from types import NoneType
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from lockstep.columns.converters import (
    EXACT_INTEGERS,
    FIRST_TIME,
    LAST_TIME,
    Convert,
    Refusal,
    RefusedError,
)
from lockstep.columns.kinds import Array, Kind
from lockstep.columns.schema import Field
from lockstep.columns.tables import is_missing

if TYPE_CHECKING:
    import pyarrow as pa

Cast = tuple[Array, dict[int, Refusal]]
"""A canonical array, and the reason for each refused position, which holds a placeholder."""

_PLACEHOLDERS: dict[Kind, Any] = {Kind.INT: 0, Kind.BOOL: False}
_TYPES: dict[str, set[type]] = {"float": {float, int}, "int": {int}, "bool": {bool}, "str": {str}}
"""For each declared type: the types in which JSON carries it."""


def cast_values(field: Field, convert: Convert, values: Sequence[Any]) -> Cast:
    """The canonical array of Python values."""
    alike = cast_alike(field, values)
    if alike is not None:
        return alike, {}
    converted: list[Any] = []
    refused: dict[int, Refusal] = {}
    for position, value in enumerate(values):
        try:
            converted.append(convert(value))
        except RefusedError as error:
            converted.append(_PLACEHOLDERS.get(field.kind))
            refused[position] = error.refusal
    return np.array(converted, dtype=field.kind.dtype), refused


def cast_array(field: Field, convert: Convert, values: Array, missing: Array | None = None) -> Cast:
    """The canonical array of numbers, flags or times in UTC (`datetime64`); always a copy.

    `missing` says where there is no value, besides NaN and NaT.
    """
    cast, sources = _CASTS.get(field.declared, (None, ""))
    absent = is_missing(values) if missing is None else missing | is_missing(values)
    if cast is None or values.dtype.kind not in sources:
        listed = [
            None if gone else value
            for value, gone in zip(_listed(values), absent.tolist(), strict=True)
        ]
        return cast_values(field, convert, listed)
    array, bad = cast(field, values)
    if absent.any():
        array[absent] = _PLACEHOLDERS.get(field.kind)
        bad = bad & ~absent if field.optional else bad | absent
    refused = {}
    for position in np.flatnonzero(bad).tolist():
        value = None if absent[position] else _listed(values[position : position + 1])[0]
        refused[position] = _reason(convert, value)
    return array, refused


def cast_distinct(field: Field, convert: Convert, distinct: list[Any], codes: Array) -> Cast:
    """The canonical array of values that recur; `codes` are their places, -1 for none."""
    if (codes < 0).any():
        distinct = [*distinct, None]
    array, refused = cast_values(field, convert, distinct)
    if not refused:
        return array[codes], {}
    codes = codes % len(distinct)
    rows = np.flatnonzero(np.isin(codes, list(refused)))
    reasons = {
        row: refused[code] for row, code in zip(rows.tolist(), codes[rows].tolist(), strict=True)
    }
    return array[codes], reasons


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
        import pyarrow as pa

        array = pa.array(series)
        chunked = isinstance(array, pa.ChunkedArray)
        return cast_chunks(array if chunked else pa.chunked_array([array]), field, convert)
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
        distinct, codes = encoded_texts(values)
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


def cast_cells(
    cells: pa.ChunkedArray, field: Field, convert: Convert, parse: Callable[[str], Any]
) -> Cast:
    """The canonical array of the texts of a CSV column; a null is an empty cell without quotes."""
    distinct, codes = encoded_texts(cells)
    return cast_distinct(field, convert, [parse(cell) for cell in distinct], codes)


def cast_alike(field: Field, values: Sequence[Any]) -> Array | None:
    """The array of values that all have exactly the declared type; None if one must be cast alone.

    They may be of several fields that are declared alike: at once takes a fraction of the time.
    """
    types = set(map(type, values))
    if field.missing and str in types:
        return None
    if field.optional:
        types.discard(NoneType)
    if not types or not types <= _TYPES.get(field.declared, set()):
        return None
    try:
        array = np.array(values, dtype=field.kind.dtype)
    except OverflowError:
        return None
    if field.kind is Kind.FLOAT and int in types and (np.abs(array) >= EXACT_INTEGERS).any():
        return None
    if field.declared == "float":
        admitted = ~np.isinf(array) if field.optional else np.isfinite(array)
        return array if admitted.all() else None
    if field.declared == "str" and not _are_admitted(field, values):
        return None
    return array


def _are_admitted(field: Field, texts: Sequence[str | None]) -> bool:
    if field.choices is not None:
        return {None, *field.choices}.issuperset(texts)
    try:
        "".join(filter(None, set(texts))).encode()
    except UnicodeEncodeError:
        return False
    return True


def _floats(field: Field, values: Array) -> tuple[Array, Array]:
    array = np.array(values, dtype=np.float64)
    if values.dtype.kind == "f":
        return array, np.isinf(array) | (array != values)
    bad = np.zeros(len(values), dtype=bool)
    large = (array >= EXACT_INTEGERS) | (array <= -EXACT_INTEGERS)
    for position in np.flatnonzero(large).tolist():
        bad[position] = int(array[position]) != int(values[position])
    return array, bad


def _integers(field: Field, values: Array) -> tuple[Array, Array]:
    if values.dtype.kind == "f":
        wide = values.astype(np.float64)
        bad = (wide != values) | (wide != np.trunc(wide))
        if field.optional:
            bad |= np.abs(wide) > EXACT_INTEGERS
        else:
            bad |= (wide >= 2.0**63) | (wide < -(2.0**63))
        whole = np.where(bad, 0, wide) + 0.0  # an integer's zero has no sign
        return whole.astype(field.kind.dtype), bad
    most = EXACT_INTEGERS if field.optional else 2**63 - 1
    bad = np.zeros(len(values), dtype=bool)
    if np.iinfo(values.dtype).max > most:
        bad |= values > most
    if field.optional and np.iinfo(values.dtype).min < -most:
        bad |= values < -most
    return np.array(values, dtype=field.kind.dtype), bad


def _booleans(field: Field, values: Array) -> tuple[Array, Array]:
    array = (values == 1).astype(field.kind.dtype)
    return array, (values != 0) & (values != 1)


def _times(field: Field, values: Array) -> tuple[Array, Array]:
    array = np.array(values, dtype=Kind.TIME.dtype)
    since = array.view(np.int64)
    return array, (array.astype(values.dtype) != values) | (since < FIRST_TIME) | (
        since > LAST_TIME
    )


_CASTS: dict[str, tuple[Callable[[Field, Array], tuple[Array, Array]], str]] = {
    "float": (_floats, "iuf"),
    "int": (_integers, "iuf"),
    "bool": (_booleans, "biuf"),
    "datetime": (_times, "M"),
}
"""For each declared type: the cast of a whole array, and the NumPy kinds that it takes.

A cast returns a new array and where its values are wrong; missing values do not matter.
"""


def _listed(values: Array) -> list[Any]:
    """The values as records would hold them."""
    if values.dtype.kind == "M":
        return pd.DatetimeIndex(values).tz_localize("UTC").tolist()
    return values.tolist()  # type: ignore[no-any-return]


def _reason(convert: Convert, value: Any) -> Refusal:
    try:
        convert(value)
    except RefusedError as error:
        return error.refusal
    raise AssertionError(f"{value!r} is refused in an array but not alone")


def encoded_texts(texts: pa.ChunkedArray) -> tuple[list[Any], Any]:
    """The distinct texts of a column, and the index of each row's text: -1 for none."""
    import pyarrow as pa

    encoded = texts.cast(pa.large_string()).combine_chunks().dictionary_encode()
    return encoded.dictionary.to_pylist(), encoded.indices.fill_null(-1).to_numpy()
