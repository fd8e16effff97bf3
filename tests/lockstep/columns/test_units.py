"""A file that is cut into units gives the rows, numbers and reasons of the whole file."""

from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pyarrow import parquet

from lockstep.columns.decode import Decoded
from lockstep.columns.files import decode_file
from lockstep.columns.schema import Field, Schema
from lockstep.columns.tables import concat
from lockstep.columns.units import cut
from lockstep.errors import UnreadableError

NUMBERED = Schema(
    "Row",
    (
        Field("row", "int", role="key", is_row_number=True),
        Field("text", "str", optional=True),
        Field("number", "int"),
    ),
)
CELL = st.text(alphabet='ab",\n é', max_size=4)
ROWS = st.lists(st.tuples(CELL, st.sampled_from(["1", "2", "x", ""])), min_size=1, max_size=40)


def together(path: Path, size: int) -> tuple[Decoded, ...]:
    return tuple(unit.read(NUMBERED) for unit in cut(path, rows=size))


def assert_alike(parts: tuple[Decoded, ...], whole: Decoded) -> None:
    assert sum(part.total for part in parts) == whole.total
    assert np.concatenate([part.rows for part in parts]).tolist() == whole.rows.tolist()
    assert [row for part in parts for row in part.rejected] == list(whole.rejected)
    columns = concat([part.columns for part in parts], NUMBERED.kinds)
    for name, array in whole.columns.items():
        assert columns[name].dtype == array.dtype
        assert columns[name].tolist() == array.tolist()


@given(rows=ROWS, size=st.integers(1, 12))
def test_a_csv_file_in_units_has_the_rows_of_the_whole(tmp_path_factory, rows, size) -> None:
    path = tmp_path_factory.mktemp("csv") / "rows.csv"
    pd.DataFrame(rows, columns=["text", "number"]).to_csv(path, index=False)
    parts = together(path, size)
    if parts:
        assert_alike(parts, decode_file(path, NUMBERED))
    else:
        assert decode_file(path, NUMBERED).total <= size


@given(rows=ROWS, size=st.integers(1, 12), groups=st.integers(1, 50))
def test_a_parquet_file_in_units_has_the_rows_of_the_whole(
    tmp_path_factory, rows, size, groups
) -> None:
    path = tmp_path_factory.mktemp("parquet") / "rows.parquet"
    frame = pd.DataFrame(rows, columns=["text", "number"])
    parquet.write_table(pa.Table.from_pandas(frame), path, row_group_size=groups)
    parts = together(path, size)
    assert max((part.total for part in parts), default=0) <= size
    if len(rows) > size:
        assert_alike(parts, decode_file(path, NUMBERED))
    else:
        assert not parts


@given(rows=ROWS, size=st.integers(1, 12))
def test_json_lines_in_units_have_the_rows_of_the_whole(tmp_path_factory, rows, size) -> None:
    path = tmp_path_factory.mktemp("lines") / "rows.jsonl"
    pd.DataFrame(rows, columns=["text", "number"]).to_json(path, orient="records", lines=True)
    if parts := together(path, size):
        assert_alike(parts, decode_file(path, NUMBERED))


def test_a_quote_within_a_cell_leaves_a_csv_file_whole(tmp_path: Path) -> None:
    """Nobody knows where its rows end without reading them one by one."""
    path = tmp_path / "inches.csv"
    path.write_text('text,number\n5" wide,1\n"a\nb",2\n3,3\n')
    assert cut(path, rows=1) == ()


def test_a_line_at_fault_is_named_as_in_the_whole_file(tmp_path: Path) -> None:
    path = tmp_path / "odd.csv"
    path.write_text("text,number\na,1\n\nb,2\nc,3\nd,4,5\n")
    messages = []
    for read in (lambda: together(path, 2), lambda: decode_file(path, NUMBERED)):
        with pytest.raises(UnreadableError) as raised:
            read()
        messages.append(str(raised.value))
    assert messages[0] == messages[1]
