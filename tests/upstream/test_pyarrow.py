"""What we rely on in pyarrow."""

import io

import pyarrow as pa
from pyarrow import csv


def test_the_csv_writer_quotes_an_empty_text_and_leaves_a_missing_one_bare() -> None:
    file = io.BytesIO()
    csv.write_csv(pa.table({"a": pa.array(["", None, 'x"y'], pa.string())}), file)
    assert file.getvalue() == b'"a"\n""\n\n"x""y"\n'


def test_the_csv_writer_writes_floats_that_read_back_the_same() -> None:
    values = [0.1, 1 / 3, 5e-324, 1.7976931348623157e308, -0.0, 2**53 + 2.0]
    file = io.BytesIO()
    csv.write_csv(pa.table({"a": pa.array(values)}), file)
    read = [float(cell) for cell in file.getvalue().decode().splitlines()[1:]]
    assert [value.hex() for value in read] == [value.hex() for value in values]


def test_a_column_of_the_csv_writer_keeps_microseconds() -> None:
    times = pa.array([1356998400000001], pa.timestamp("us", tz="UTC"))
    file = io.BytesIO()
    csv.write_csv(pa.table({"a": times}), file)
    assert file.getvalue() == b'"a"\n2013-01-01 00:00:00.000001Z\n'
