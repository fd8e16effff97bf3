"""A file that is cut into units gives the rows, numbers and reasons of the whole file."""

import csv
import io
import re
from codecs import BOM_UTF8
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from lockstep.columns.decode import Decoded
from lockstep.columns.files import decode_file
from lockstep.columns.schema import Field, Schema
from lockstep.columns.tables import concat
from lockstep.columns.units import Units, cut, read_files
from lockstep.errors import UnavailableError, UnreadableError

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


def assert_alike(parts: tuple[Decoded, ...], whole: Decoded, schema: Schema = NUMBERED) -> None:
    assert sum(part.total for part in parts) == whole.total
    assert np.concatenate([part.rows for part in parts]).tolist() == whole.rows.tolist()
    assert [row for part in parts for row in part.rejected] == list(whole.rejected)
    columns = concat([part.columns for part in parts], schema.kinds)
    for name, array in whole.columns.items():
        assert columns[name].dtype == array.dtype
        assert columns[name].tolist() == array.tolist()


WRITERS: dict[str, Any] = {
    ".csv": lambda frame, path, _: frame.to_csv(path, index=False),
    ".jsonl": lambda frame, path, _: frame.to_json(path, orient="records", lines=True),
    ".parquet": lambda frame, path, group: frame.to_parquet(path, row_group_size=group),
}


@pytest.mark.parametrize("kind", WRITERS)
@given(rows=ROWS, size=st.integers(1, 12), group=st.integers(1, 50))
def test_a_file_in_units_has_all_its_rows(tmp_path_factory, kind, rows, size, group) -> None:
    path = tmp_path_factory.mktemp("units") / f"rows{kind}"
    WRITERS[kind](pd.DataFrame(rows, columns=["text", "number"]), path, group)
    parts = together(path, size)
    assert max(part.total for part in parts) <= size
    assert len(parts) >= -(-len(rows) // size)
    assert len(parts) == -(-len(rows) // size) or kind == ".parquet"
    assert_alike(parts, decode_file(path, NUMBERED))


def in_units(path: Path, size: int, schema: Schema) -> tuple[Decoded, ...]:
    units = Units.of(read_files([path], schema, rows=size)).units
    return tuple(unit.read(schema) for unit in units)


def assert_read_alike(path: Path, size: int, schema: Schema = NUMBERED) -> None:
    """The units of a file have what the whole has; or both are refused for the same reason."""
    try:
        whole = decode_file(path, schema)
    except UnreadableError as error:
        with pytest.raises(UnreadableError, match=f"^{re.escape(str(error))}$"):
            in_units(path, size, schema)
    else:
        assert_alike(in_units(path, size, schema), whole, schema)


BEGINNINGS = st.sampled_from(
    [b"", BOM_UTF8, b"\n", BOM_UTF8 + b"\n", b"\n" + BOM_UTF8, BOM_UTF8 * 2]
)
LINES = st.lists(
    st.text(alphabet='ab1",\n\r é\ufeff', max_size=8).map(str.encode)
    | st.sampled_from([b"a", b"a,1", b"a,\xff", b"\0,1", b'"a"b,1', b'"a\r",1'])
).map(b"\n".join)


@given(beginning=BEGINNINGS, lines=LINES, size=st.integers(1, 4))
@example(beginning=b"", lines=b'a,1\n"\n\r1\n"\n1\r', size=1)
@example(beginning=BOM_UTF8 + b"\n", lines=b"a,1\nb,2", size=1)
@example(beginning=b"", lines=b"a\nb\nc\n", size=1)
@example(beginning=b"", lines=b"a,1\n" + b"y" * 3 * 2**20 + b",1\nb,2\n", size=1)
@example(beginning=b"", lines=b'a,1\n"' + b"y\n" * 2 * 2**20 + b'",1\nb,2\n', size=1)
def test_any_text_in_units_has_the_rows_and_malformed_lines_of_the_whole(
    tmp_path_factory, beginning, lines, size
) -> None:
    path = tmp_path_factory.mktemp("csv") / "rows.csv"
    path.write_bytes(beginning + b"text,number\n" + lines)
    assert_read_alike(path, size)


@given(
    beginning=BEGINNINGS,
    lines=st.lists(
        st.sampled_from([b'{"text": "a", "number": 1}', b"[1]", b"", b"{", BOM_UTF8, b" \t"])
    ).map(b"\n".join),
    size=st.integers(1, 4),
)
@example(beginning=BOM_UTF8 + b"\n", lines=b'{"number": 1}', size=1)
@example(beginning=b"", lines=b"{\n[1]\n", size=1)
def test_any_json_lines_in_units_have_the_rows_and_malformed_lines_of_the_whole(
    tmp_path_factory, beginning, lines, size
) -> None:
    path = tmp_path_factory.mktemp("lines") / "rows.jsonl"
    path.write_bytes((beginning + lines) or b"\n")
    assert_read_alike(path, size)


def cells_at_the_end(text: str) -> int | None:
    """Cells of the row that a CSV text ends in; 0 at the end of one, None inside quotes."""
    is_quoted, cells = False, 0
    for character in text:
        is_quoted ^= character == '"'
        if not is_quoted:
            cells = 0 if character in "\r\n" else max(cells, 1) + (character == ",")
    return None if is_quoted else cells


@given(
    rows=st.lists(st.lists(CELL, min_size=1, max_size=3), min_size=1, max_size=6).filter(
        lambda rows: len({*map(len, rows)}) == 1
    ),
    end=st.sampled_from(["\n", "\r\n"]),
    quoting=st.sampled_from([csv.QUOTE_MINIMAL, csv.QUOTE_ALL]),
    size=st.integers(1, 3),
    data=st.data(),
)
@example(rows=[["a", "x"], ["b", "yyy"]], end="\n", quoting=csv.QUOTE_ALL, size=1, data=None)
def test_a_csv_file_that_is_cut_off_in_a_row_is_refused_whole_and_in_units(
    tmp_path_factory, rows, end, quoting, size, data
) -> None:
    """By the grammar: its last row has fewer cells than the header, or is within quotes."""
    names = [f"c{place}" for place in range(len(rows[0]))]
    fields = (NUMBERED.fields[0], *(Field(name, "str", optional=True) for name in names))
    header, text = ",".join(names) + end, io.StringIO(newline="")
    csv.writer(text, lineterminator=end, quoting=quoting).writerows(rows)
    content = text.getvalue()
    kept = content[: data.draw(st.integers(0, len(content)))] if data else content[:-2]
    path = tmp_path_factory.mktemp("cut") / "rows.csv"
    path.write_bytes((header + kept).encode())
    cells = cells_at_the_end(kept)
    if cells is None or 0 < cells < len(names):
        with pytest.raises(UnreadableError, match=r"ends in the middle of row \d"):
            decode_file(path, Schema("Row", fields))
    else:
        found, read = (
            decode_file(path, Schema("Row", fields)),
            csv.reader(io.StringIO(kept, newline="")),
        )
        assert (found.total, found.rejected) == (sum(map(bool, read)), ())
    assert_read_alike(path, size, Schema("Row", fields))


def test_a_quote_within_a_cell_leaves_a_csv_file_whole(tmp_path: Path) -> None:
    """Nobody knows where its rows end without reading them one by one."""
    path = tmp_path / "inches.csv"
    path.write_text('text,number\n5" wide,1\n"a\nb",2\n3,3\n')
    assert cut(path, rows=1) == ()


@pytest.mark.parametrize("kind", WRITERS)
@pytest.mark.parametrize("how", ["renamed", "in place"])
def test_no_unit_is_read_of_a_file_that_took_the_place_of_the_one_that_was_cut(
    tmp_path: Path, kind: str, how: str
) -> None:
    path, other = tmp_path / f"rows{kind}", tmp_path / f"other{kind}"
    WRITERS[kind](pd.DataFrame({"text": [*"abcd"], "number": [1, 2, 3, 4]}), path, 2)
    WRITERS[kind](pd.DataFrame({"text": [*"efgh"], "number": [5, 6, 7, 8]}), other, 2)
    first, second = cut(path, rows=2)
    assert first.read(NUMBERED).columns["text"].tolist() == ["a", "b"]
    if how == "renamed":
        other.replace(path)
    else:
        path.write_bytes(other.read_bytes())
    with pytest.raises(UnavailableError, match="was replaced while it was read"):
        second.read(NUMBERED)


def test_files_are_one_input_in_units_that_small_ones_share(tmp_path: Path) -> None:
    frame = pd.DataFrame({"text": ["a"] * 4, "number": [1, 2, 3, 4]})
    paths = [tmp_path / name for name in ("a.csv", "b.parquet", "c.csv.gz", "d.jsonl", "e.csv")]
    for path in paths[:4]:
        WRITERS[path.suffix if path.suffix != ".gz" else ".csv"](frame, path, 2)
    frame.head(1).to_csv(paths[4], index=False)
    units = read_files(paths, NUMBERED, rows=8)
    assert isinstance(units, Units)
    assert [unit.rows for unit in units.units] == [8, 8, 1]
    read = [unit.read(NUMBERED) for unit in units.units]
    assert np.concatenate([part.rows for part in read]).tolist() == list(range(17))
    together = read_files(paths, NUMBERED)
    assert isinstance(together, Decoded)
    assert_alike(tuple(read), together)
