"""What a node returned, as a canonical column."""

from __future__ import annotations

from collections.abc import Sequence
from types import NoneType
from typing import Any

import numpy as np
import pandas as pd

from lockstep.columns.kinds import Array, Kind, kind_of_dtype
from lockstep.columns.nodes import Node
from lockstep.columns.plain import counted, listed, one_line, show
from lockstep.errors import FunctionError, FutureError
from lockstep.refusals import Reason

_KIND_OF_NUMPY_KIND = {
    "f": Kind.FLOAT,
    "i": Kind.INT,
    "u": Kind.INT,
    "b": Kind.BOOL,
    "O": Kind.TEXT,
    "U": Kind.TEXT,
    "M": Kind.TIME,
}
_TEXT_TYPES = frozenset((str, NoneType))


def canonical(node: Node, value: Any, dtype: np.dtype[Any] | None, length: int) -> Array:
    """The column that a function returned, an array or one of pandas' columns, in canonical form.

    `dtype` is None where it is not known yet. Raises `FunctionError` where it is no column of this
    length, or its values are of another type.
    """
    array = _of_pandas(value)
    if not isinstance(array, np.ndarray) or isinstance(array, np.ma.MaskedArray) or array.ndim != 1:
        raise FunctionError(
            node.column,
            f"{node.title} returned {described(value)}; it must return a one-dimensional array "
            f"of {counted(length, 'value')}, one a row.",
        )
    if len(array) != length:
        raise FunctionError(
            node.column,
            f"{node.title} returned {counted(len(array), 'value')} for "
            f"{counted(length, 'row')}; it must return one a "
            "row.",
        )
    nearest = _KIND_OF_NUMPY_KIND.get(array.dtype.kind)
    target = nearest.dtype if dtype is None and nearest is not None else dtype
    if target is None or not _holds_all_of(target, array.dtype):
        kind = kind_of_dtype(target) if target is not None else None
        wanted = (
            f"but the column holds {kind.alias} ({target})"
            if kind is not None
            else "which is none of Floats, Ints, Bools, Texts and Times"
        )
        raise FunctionError(
            node.column, f"{node.title} returned an array of {array.dtype}, {wanted}."
        )
    array = np.asarray(array, dtype=target)
    return _texts(node, array) if target.hasobject else array


def are_texts(array: Array) -> bool:
    """Whether an array of objects holds nothing but `str` and None."""
    return _TEXT_TYPES.issuperset(map(type, array.tolist()))


def raised(node: Node, error: Exception) -> FunctionError:
    """The error of a column whose function raised another."""
    hint = ""
    if writes_to_input(error):
        hint = ". Arrays are read-only, since other columns read them too: work on a copy of it"
    return FunctionError(
        node.column, f"{node.title} raised {type(error).__name__}: {one_line(str(error))}{hint}"
    )


def reason_of(error: FunctionError, inputs: Sequence[str] = ()) -> Reason:
    """The reason to refuse a row at which the function of a column with these inputs fails."""
    if isinstance(error, FutureError):
        return Reason(error.column, "as_of", str(error), str(error))
    of = f" of {listed(inputs)}" if inputs else ""
    cause = error.__cause__
    why = f": its function raised {type(cause).__name__}" if cause is not None else ""
    refusal = (
        f"cannot be computed{of} for this row{why}"
        if error.origin is None
        else f"is no finite number{f', computed{of},' if of else ''} for this row, and "
        f"{error.column} cannot be computed of it"
    )
    return Reason(error.blamed, "function", str(error), refusal)


def writes_to_input(error: BaseException | None) -> bool:
    """Whether this is NumPy's error for writing to a read-only array."""
    return isinstance(error, ValueError) and "read-only" in str(error)


def _of_pandas(value: Any) -> Any:
    """The array of one of pandas' columns; anything else as it is."""
    if not isinstance(value, pd.Series | pd.Index | pd.api.extensions.ExtensionArray):
        return value
    if isinstance(value, pd.MultiIndex):
        return value
    series: Any = pd.Series(value)
    dtype = series.dtype
    if isinstance(dtype, pd.DatetimeTZDtype):
        return series.dt.tz_convert("UTC").dt.tz_localize(None).to_numpy()
    if isinstance(dtype, np.dtype) and dtype.kind != "O":
        return series.to_numpy()
    if not isinstance(dtype, pd.CategoricalDtype) and dtype.kind in "iufb":  # pandas' nullable
        if series.isna().any():
            return series.to_numpy(dtype=np.float64, na_value=np.nan)
        return series.to_numpy(dtype=dtype.numpy_dtype)
    return series.to_numpy(dtype=object, na_value=None)


def _holds_all_of(target: np.dtype[Any], source: np.dtype[Any]) -> bool:
    """Whether an array can become another by its dtype alone, as in int32 → int64."""
    if source.kind == "U" or target.kind == "O" or source.kind == "O":
        return target.kind == "O" and source.kind in "OU"
    if source.kind == "M" and target.kind == "M":
        return np.datetime_data(source)[0] in ("D", "h", "m", "s", "ms", "us")
    if source.kind == "b" or target.kind == "b":
        return source.kind == target.kind
    return np.can_cast(source, target, "safe")


def _texts(node: Node, array: Array) -> Array:
    values = [str(value) if isinstance(value, str) else value for value in array.tolist()]
    for row, value in enumerate(values):
        if value is not None and type(value) is not str:
            raise FunctionError(
                node.column,
                f"{node.title} returned an array of objects with {described(value)} in row "
                f"{row}; Texts hold str, and None where missing.",
            )
    return np.array(values, dtype=object)


def described(value: Any) -> str:
    """What a function returned, in a sentence."""
    if isinstance(value, np.ndarray | pd.DataFrame):
        name = "an array" if type(value) is np.ndarray else f"a {type(value).__name__}"
        return f"{name} of shape {value.shape}"
    return f"{type(value).__name__} {show(value)}"
