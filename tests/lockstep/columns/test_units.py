"""A file that is cut into units gives the rows, numbers and reasons of the whole file."""

import re
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from pyarrow import parquet

from lockstep.columns.decode import Decoded
from lockstep.columns.files import decode_file
from lockstep.columns.schema import Field, Schema
from lockstep.columns.tables import concat
from lockstep.columns.units import Units, cut, read_files
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
    return tuple(piece.read(NUMBERED) for piece in cut(path, rows=size))


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
    assert len(parts) == -(-len(rows) // size)
    assert_alike(parts, decode_file(path, NUMBERED))


@given(
    lines=st.lists(st.text(alphabet='ab1",\n\r é\ufeff', max_size=8), max_size=20).map("\n".join),
    size=st.integers(1, 4),
)
@example(lines='"\n\r1\n"\n1\r', size=1)
def test_any_text_in_units_has_the_rows_and_malformed_lines_of_the_whole(
    tmp_path_factory, lines, size
) -> None:
    path = tmp_path_factory.mktemp("csv") / "rows.csv"
    path.write_bytes(f"text,number\na,1\n{lines}".encode())
    try:
        whole = decode_file(path, NUMBERED)
    except UnreadableError as error:
        with pytest.raises(UnreadableError, match=re.escape(str(error))):
            together(path, size) or decode_file(path, NUMBERED)
    else:
        if parts := together(path, size):
            assert_alike(parts, whole)


@given(rows=ROWS, size=st.integers(1, 12), groups=st.integers(1, 50))
def test_a_parquet_file_in_units_has_the_rows_of_the_whole(
    tmp_path_factory, rows, size, groups
) -> None:
    path = tmp_path_factory.mktemp("parquet") / "rows.parquet"
    frame = pd.DataFrame(rows, columns=["text", "number"])
    parquet.write_table(pa.Table.from_pandas(frame), path, row_group_size=groups)
    parts = together(path, size)
    assert max(part.total for part in parts) <= size
    assert_alike(parts, decode_file(path, NUMBERED))


@given(rows=ROWS, size=st.integers(1, 12))
def test_json_lines_in_units_have_the_rows_of_the_whole(tmp_path_factory, rows, size) -> None:
    path = tmp_path_factory.mktemp("lines") / "rows.jsonl"
    records = pd.DataFrame(rows, columns=["text", "number"]).to_json(orient="records", lines=True)
    lines = [f"{line} \t\n[1]\n" if "a" in line else line for line in records.splitlines(True)]
    path.write_text("".join(lines))
    assert_alike(together(path, size), decode_file(path, NUMBERED))


def test_a_quote_within_a_cell_leaves_a_csv_file_whole(tmp_path: Path) -> None:
    """Nobody knows where its rows end without reading them one by one."""
    path = tmp_path / "inches.csv"
    path.write_text('text,number\n5" wide,1\n"a\nb",2\n3,3\n')
    assert cut(path, rows=1) == ()


def test_a_malformed_line_is_told_by_its_number_in_the_file(tmp_path: Path) -> None:
    path = tmp_path / "odd.csv"
    path.write_text('text,number\na,1\n\n"b\nc",2\nd,3\ne,4,5\nf,6\n')
    refused = [row for part in together(path, 2) for row in part.rejected]
    assert [(row.row, row.record["line"]) for row in refused] == [(3, 7)]


def test_a_file_that_changed_since_it_was_cut_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "rows.csv"
    path.write_text("text,number\na,1\nb,2\nc,3\n")
    pieces = cut(path, rows=2)
    path.write_text("text,number\na,1,b,2\nc,3\n")
    with pytest.raises(UnreadableError, match="was changed while it was read"):
        pieces[0].read(NUMBERED)


def test_files_are_one_input_in_units_that_small_ones_share(tmp_path: Path) -> None:
    frame = pd.DataFrame({"text": ["a"] * 4, "number": [1, 2, 3, 4]})
    paths = [tmp_path / name for name in ("a.csv", "b.parquet", "c.csv.gz", "d.jsonl", "e.csv")]
    frame.to_csv(paths[0], index=False)
    frame.to_parquet(paths[1], row_group_size=2)
    frame.to_csv(paths[2], index=False)
    frame.to_json(paths[3], orient="records", lines=True)
    frame.head(1).to_csv(paths[4], index=False)
    units = read_files(paths, NUMBERED, rows=8)
    assert isinstance(units, Units)
    assert [unit.rows for unit in units.units] == [8, 8, 1]
    read = [unit.read(NUMBERED) for unit in units.units]
    assert np.concatenate([part.rows for part in read]).tolist() == list(range(17))
    together = read_files(paths, NUMBERED)
    assert isinstance(together, Decoded)
    assert_alike(tuple(read), together)
