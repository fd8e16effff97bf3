"""Behaviours of pyarrow's readers that decoding files is built on, or guards against."""

import io
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from pyarrow import csv, parquet


def texts(content: bytes) -> dict[str, Any]:
    """Columns of a CSV file, every cell as text."""
    return csv.read_csv(
        io.BytesIO(content),
        convert_options=csv.ConvertOptions(
            column_types={"a": pa.string()},
            null_values=[""],
            strings_can_be_null=True,
            quoted_strings_can_be_null=False,
        ),
    ).to_pydict()


def test_an_empty_cell_in_quotes_is_text_and_one_without_is_missing() -> None:
    assert texts(b'a,b\n"",1\n,1\n')["a"] == ["", None]


def test_a_byte_order_mark_is_no_part_of_a_name() -> None:
    assert texts(b"\xef\xbb\xbfa,b\nx,1\n")["a"] == ["x"]


def test_a_file_of_a_header_alone_has_no_rows() -> None:
    assert texts(b"a,b\n") == {"a": [], "b": []}


def test_parquet_is_read_without_a_look_at_its_texts() -> None:
    offsets = pa.py_buffer(np.array([0, 1], np.int32))
    broken = pa.Array.from_buffers(pa.string(), 1, [None, offsets, pa.py_buffer(b"\xff")])
    file = io.BytesIO()
    parquet.write_table(pa.table({"a": broken}), file)

    table = parquet.ParquetFile(file).read()

    with pytest.raises(pa.ArrowInvalid, match="Invalid UTF8"):
        table.validate(full=True)
