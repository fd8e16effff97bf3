"""Tensors: reads the inputs of the Open Inference Protocol as values, writes columns as outputs.

A tensor is a column: its shape is `[rows]`, or `[rows, 1]`. Its data is a JSON list, where null is
a missing value, or binary (an extension of Triton's clients), where NaN is one.
"""

from __future__ import annotations

import struct
from collections.abc import Mapping
from typing import Any

import msgspec
import numpy as np

from lockstep.columns.kinds import Array, Kind
from lockstep.columns.plain import counted
from lockstep.columns.schema import Field
from lockstep.errors import UnreadableBodyError
from lockstep.serving.versions.request_rows import plain_values

Parameters = dict[str, Any]
"""Parameters by name. Those that mean nothing here are left alone."""

_DECLARED = {"float": "FP64", "int": "INT64", "bool": "BOOL", "str": "BYTES", "datetime": "BYTES"}
_KINDS = {
    Kind.FLOAT: "FP64",
    Kind.INT: "INT64",
    Kind.BOOL: "BOOL",
    Kind.TEXT: "BYTES",
    Kind.TIME: "BYTES",
}
_DTYPES = {
    "BOOL": np.dtype("?"),
    **{
        f"{sign}INT{bits}": np.dtype(f"<{code}{bits // 8}")
        for sign, code in (("", "i"), ("U", "u"))
        for bits in (8, 16, 32, 64)
    },
    **{f"FP{bits}": np.dtype(f"<f{bits // 8}") for bits in (16, 32, 64)},
}
_LENGTH = struct.Struct("<I")

DATATYPES = (*_DTYPES, "BYTES")
"""The datatypes of tensors."""


class Input(msgspec.Struct):
    """An input of a request."""

    name: str
    shape: list[int]
    datatype: str
    # `binary_data_size`, the number of its bytes behind the JSON text
    parameters: Parameters | None = None
    data: list[Any] | None = None  # None where its elements are binary

    def rows(self) -> int:
        """Number of rows."""
        if not self.shape or self.shape[0] < 0 or self.shape[1:] not in ([], [1]):
            raise UnreadableBodyError("The shape of an input is [rows], or [rows, 1].")
        return self.shape[0]

    def binary_size(self) -> int | None:
        """Number of its bytes behind the JSON text; None where its data is in the text."""
        size = (self.parameters or {}).get("binary_data_size")
        if size is None and self.data is not None:
            return None
        if type(size) is not int or size < 0 or self.data is not None:
            raise UnreadableBodyError("An input has `data`, or else `binary_data_size`, its bytes.")
        return size


def datatype_of_field(field: Field) -> str:
    """The datatype of a field."""
    return _DECLARED[field.declared]


def datatype_of_kind(kind: Kind) -> str:
    """The datatype of a column."""
    return _KINDS[kind]


def values_of_json(tensor: Input) -> list[Any]:
    """The elements of a tensor in JSON, checked against its datatype; None where missing."""
    rows, data = tensor.rows(), tensor.data or []
    if len(tensor.shape) == 2 and any(type(element) is list for element in data):
        if not all(type(element) is list and len(element) == 1 for element in data):
            raise UnreadableBodyError(f"The data of input {tensor.name} does not have its shape.")
        data = [element[0] for element in data]
    if len(data) != rows:
        raise UnreadableBodyError(
            f"Input {tensor.name} has {len(data)} elements for {counted(rows, 'row')}."
        )
    for place, value in enumerate(data):
        if value is not None and not _is_of(value, tensor.datatype):
            raise UnreadableBodyError(
                f"Element {place} of input {tensor.name} is not exactly a {tensor.datatype}."
            )
    return data


def _is_of(value: Any, datatype: str) -> bool:
    """Whether a datatype holds an element of a JSON list exactly."""
    if datatype == "BYTES":
        return type(value) is str
    dtype = _DTYPES[datatype]
    if dtype.kind == "b":
        return type(value) is bool
    if dtype.kind in "iu":
        bounds = np.iinfo(dtype)
        return type(value) is int and bool(bounds.min <= value <= bounds.max)
    if type(value) is not int and type(value) is not float:
        return False
    if datatype == "FP64":
        return True  # checked against its declaration later, by row
    with np.errstate(over="ignore"):
        return abs(value) < 1e300 and float(dtype.type(value)) == value


def values_of_binary(tensor: Input, data: memoryview) -> list[Any]:
    """The elements of a binary tensor; None where they are NaN."""
    rows = tensor.rows()
    if tensor.datatype == "BYTES":
        return _texts(tensor, data, rows)
    dtype = _DTYPES[tensor.datatype]
    if len(data) != rows * dtype.itemsize:
        raise UnreadableBodyError(
            f"Input {tensor.name} has {counted(len(data), 'byte')}, and {rows} of "
            f"{tensor.datatype} have {rows * dtype.itemsize}."
        )
    if dtype.kind == "b" and (np.frombuffer(data, np.uint8) > 1).any():
        raise UnreadableBodyError(
            f"A BOOL is a byte of 0 or 1; input {tensor.name} has another one."
        )
    values = np.frombuffer(data, dtype).tolist()
    if dtype.kind == "f":
        return [value if value == value else None for value in values]
    return values  # type: ignore[no-any-return]


def _texts(tensor: Input, data: memoryview, rows: int) -> list[Any]:
    texts: list[str] = []
    start = 0
    try:
        while start < len(data):
            (length,) = _LENGTH.unpack_from(data, start)
            start += _LENGTH.size
            if start + length > len(data):
                raise UnreadableBodyError(f"Input {tensor.name} is cut off.")
            texts.append(str(data[start : start + length], "utf-8"))
            start += length
    except struct.error:
        raise UnreadableBodyError(f"Input {tensor.name} is cut off.") from None
    except UnicodeDecodeError:
        raise UnreadableBodyError(f"Input {tensor.name} is not in UTF-8.") from None
    if len(texts) != rows:
        raise UnreadableBodyError(
            f"Input {tensor.name} has {len(texts)} elements for {counted(rows, 'row')}."
        )
    return texts


def binary_of(array: Array) -> bytes | None:
    """A column as a binary tensor; None where a text or a time is missing, which has no bytes."""
    if array.dtype == object or array.dtype.kind == "M":
        parts = []
        for value in plain_values(array):
            if value is None:
                return None
            text = value.encode()
            parts.append(_LENGTH.pack(len(text)) + text)
        return b"".join(parts)
    return array.astype(array.dtype.newbyteorder("<")).tobytes()


def described(name: str, datatype: str) -> Mapping[str, Any]:
    """A column in the metadata of a model."""
    return {"name": name, "datatype": datatype, "shape": [-1]}
