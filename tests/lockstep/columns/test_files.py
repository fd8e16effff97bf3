"""Files and texts as they arrive, whole and broken."""

import gzip
import json
import re
import shlex
import subprocess
import sys
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from pyarrow import parquet

from lockstep.columns.decode import Decoded
from lockstep.columns.files import decode_file, decode_json, read_parquet
from lockstep.columns.records import EventTime, Key, Record
from lockstep.errors import InputError, UnreadableError


class Sample(Record):
    key: Key[str]
    real: float | None
    whole: int
    flag: bool | None
    text: str | None
    at: EventTime | None  # type: ignore[valid-type]


SCHEMA = Sample.schema()
Store = Callable[[pa.Table], Path]
HEADER = "key,real,whole,flag,text,at\n"
ROW = "a,1.5,3,true,x,2013-04-01T05:00:00Z\n"
RECORD = '{"key": "a", "whole": 1}'
# Without the time of day: it would be in the names of the tests, which workers have to agree on.
COMPRESSED = gzip.compress((HEADER + ROW).encode(), mtime=0)


def written(folder: Path, name: str, content: str | bytes) -> Path:
    path = folder / name
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


def csv(folder: Path, content: str | bytes) -> Decoded:
    return decode_file(written(folder, "rows.csv", content), SCHEMA)


def lines(folder: Path, content: str | bytes) -> Decoded:
    return decode_file(written(folder, "rows.jsonl", content), SCHEMA)


def values(found: Decoded, *names: str) -> list[Any]:
    """Values of the only row."""
    assert found.rejected == ()
    return [found.columns[name].tolist()[0] for name in names]


def refusal(read: Any, *arguments: Any) -> str:
    with pytest.raises(InputError) as found:
        read(*arguments)
    return str(found.value)


def table(**columns: Any) -> pa.Table:
    return pa.table(
        {
            "key": ["a"],
            "real": [1.5],
            "whole": [3],
            "flag": [True],
            "text": ["x"],
            "at": pa.array([0], pa.timestamp("us", "UTC")),
            **columns,
        }
    )


# CSV


@pytest.mark.parametrize(
    "content",
    [
        HEADER + ROW,
        HEADER + ROW.rstrip("\n"),
        "\ufeff" + HEADER + ROW,
        (HEADER + ROW).replace("\n", "\r\n"),
        (HEADER + ROW).replace("\n", "\r"),
        HEADER + "\n\n" + ROW + "\n",
        HEADER.replace("key", '"key"') + ROW,
    ],
)
def test_csv_is_read_however_its_lines_end(tmp_path: Path, content: str) -> None:
    found = csv(tmp_path, content)
    assert values(found, "key", "real", "whole", "flag", "text") == ["a", 1.5, 3, 1.0, "x"]
    assert found.columns["at"][0] == np.datetime64("2013-04-01T05:00:00")


@pytest.mark.parametrize("content", [HEADER, HEADER.rstrip("\n"), HEADER.rstrip("\n") + "\r\n"])
def test_csv_with_nothing_but_a_header_has_no_rows(tmp_path: Path, content: str) -> None:
    found = csv(tmp_path, content)
    assert (found.total, found.rejected) == (0, ())


def with_cell(field: str, cell: str) -> tuple[dict[str, str], str]:
    """A row with a cell, and the CSV of it."""
    row = {"key": "a", "real": "", "whole": "3", "flag": "", "text": "", "at": "", field: cell}
    return row, HEADER + ",".join(row.values()) + "\n"


@pytest.mark.parametrize(
    ("field", "cell", "value"),
    [
        ("text", "", None),
        ("text", '""', ""),
        ("text", '"x\ny"', "x\ny"),
        ("text", '"x\r\ny"', "x\r\ny"),
        ("text", '"say ""yes"""', 'say "yes"'),
        ("text", '"a,b"', "a,b"),
        *[("text", text, text) for text in ("NA", "null", "007", " x ")],
        ("real", "1", 1.0),
        ("real", "-1.5e3", -1500.0),
        ("real", ".5", 0.5),
        ("real", "0.1", 0.1),
        ("whole", "+5", 5),
        ("whole", "5.0", 5),
        ("whole", "9223372036854775807", 2**63 - 1),
        ("flag", "True", 1.0),
        ("flag", "FALSE", 0.0),
        ("flag", "1", 1.0),
        ("flag", "0.0", 0.0),
    ],
)
def test_a_csv_cell_is_read_as_its_field_is_declared(
    tmp_path: Path, field: str, cell: str, value: Any
) -> None:
    assert values(csv(tmp_path, with_cell(field, cell)[1]), field) == [value]


@pytest.mark.parametrize(
    ("field", "cell", "message"),
    [
        ("real", " 1.5 ", "' 1.5 ' is text, not a number"),
        ("real", "1_000", "'1_000' is text, not a number"),
        ("real", "0x10", "'0x10' is text, not a number"),
        ("real", "nan", "'nan' is text, not a number"),
        ("real", "1e400", "inf is not a finite number"),
        ("whole", "3.5", "3.5 is not an integer"),
        ("whole", "", "missing, and declared int (never missing)"),
        ("whole", "9" * 100, "an integer of 333 bits does not fit a 64-bit integer"),
        ("flag", "yes", "'yes' is text, not true or false"),
        ("flag", "2", "2 is a number, not true or false"),
        ("at", "2013/04/01", "'2013/04/01' is not a time such as 2013-04-01T09:30:00Z"),
    ],
)
def test_a_csv_cell_that_does_not_fit_is_refused(
    tmp_path: Path, field: str, cell: str, message: str
) -> None:
    row, content = with_cell(field, cell)
    (rejected,) = csv(tmp_path, content).rejected
    assert [reason.message for reason in rejected.reasons] == [message]
    assert rejected.record == {name: cell or None for name, cell in row.items()}


TWICE = HEADER.strip() + ",text\n" + ROW.strip() + ",y\n"
LONG = HEADER + ROW.strip() + ",9\n"
OPEN = HEADER + 'a,1.5,3,true,"x,2013\n'
WORKBOOK = b"PK\x03\x04\x14\0\x06\0\x08\0\0\0!\0"
LATIN = (HEADER + "a,,3,,é,\n" + "b,,3,,é,\n").encode("latin-1")
CUT_OFF = " ends in the middle of row 0: line 2 "
LINE_2 = " cannot be read as CSV: line 2 has "


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("", " is empty"),
        ("\n", " cannot be read as CSV: "),
        (b"\xef\xbb\xbf", " cannot be read as CSV: "),
        (HEADER + "a,1.5", CUT_OFF + "has 2 cells, and the header 6: 'a,1.5'. The file is cut off"),
        (HEADER + "a,1.5\n", LINE_2 + "2 cells, and the header 6: 'a,1.5'. Correct"),
        (LONG, LINE_2 + "7 cells, and the header 6: 'a,1.5,3,true,x,2013"),
        (OPEN, CUT_OFF + "begins a row with a quoted text that does not end"),
        (TWICE, " has the column text more than once"),
        ((HEADER + ROW).replace(",", ";"), " separates its cells by semicolons, not commas. Decl"),
        (LATIN, " is not in UTF-8 (line 2). Write it anew, such as by: python -c"),
        (HEADER.replace("e", "é").encode("latin-1"), " is not in UTF-8 (line 1). Write it anew"),
        ((HEADER + ROW).encode("utf-16"), " is in UTF-16, not UTF-8. Write it anew, such as by: "),
        (COMPRESSED, " is compressed by gzip. Write it anew, such as"),
        (b"\x7fELF\x00\xff\x80", " is no text. Write it anew as CSV."),
        (WORKBOOK, " is a workbook, or another archive by ZIP. Write it anew"),
    ],
)
def test_csv_that_cannot_be_read_is_refused_in_one_line(
    tmp_path: Path, content: str | bytes, message: str
) -> None:
    told = refusal(csv, tmp_path, content)
    assert told.startswith(f"{tmp_path / 'rows.csv'}{message}")
    assert "\n" not in told


@pytest.mark.parametrize(
    ("content", "key", "text"),
    [
        ((HEADER + ROW).encode("utf-16"), "a", "x"),
        (COMPRESSED, "a", "x"),
        (HEADER.replace(",", ";") + "007;1,5;3;true;NA;2013-04-01T09:30:00Z\n", "007", "NA"),
    ],
    ids=["UTF-16", "gzip", "semicolons"],
)
def test_the_command_that_writes_a_file_anew_keeps_its_values(
    tmp_path: Path, content: str | bytes, key: str, text: str
) -> None:
    told = refusal(csv, tmp_path, content)
    _, *command = shlex.split(told.partition("such as by: ")[2])
    subprocess.run([sys.executable, *command], check=True)
    found = decode_file(tmp_path / "rows-new.csv", SCHEMA)
    assert values(found, "key", "real", "whole", "text") == [key, 1.5, 3, text]


@pytest.mark.parametrize(
    ("read", "content", "place"),
    [
        (csv, LATIN, "rows.csv, line 2"),
        (csv, "key,real\na,1\n", "rows.csv"),
        (lines, RECORD + "\n{", "rows.jsonl, line 2"),
    ],
)
def test_what_cannot_be_read_says_where_it_is(
    tmp_path: Path, read: Any, content: str | bytes, place: str
) -> None:
    with pytest.raises(UnreadableError) as found:
        read(tmp_path, content)
    assert found.value.where == str(tmp_path / place)


def test_a_malformed_row_is_named_by_its_first_line_in_any_thread(tmp_path: Path) -> None:
    (refused,) = csv(tmp_path, HEADER + ROW * 100_000 + "a,1.5\n" + ROW).rejected
    assert str(refused) == "row 100000: line 100002 has 2 cells, and the header 6: 'a,1.5'"
    assert refused.record == {"line": 100_002, "text": "a,1.5"}


@settings(deadline=None, max_examples=100)
@given(content=st.binary(max_size=60) | st.text(',"\n\rkwx1é', max_size=60).map(str.encode))
@example(content=b'"')
def test_any_bytes_as_csv_are_read_or_refused(
    tmp_path_factory: pytest.TempPathFactory, content: bytes
) -> None:
    path = written(tmp_path_factory.getbasetemp(), "any.csv", HEADER.encode() + content)
    with suppress(InputError):
        found = decode_file(path, SCHEMA)
        assert len(found.rows) + len(found.rejected) == found.total


# Malformed lines


def rows(count: int) -> list[str]:
    """Lines of CSV, every third over two lines."""
    texts = ('"a, ""b"""', "x", '"two\nlines"')
    return [
        f"k{row},{row / 7!r},{row},true,{texts[row % 3]},2013-04-01T05:00:00Z"
        for row in range(count)
    ]


DAMAGES = (
    "k,1.5",
    "k,1,2,true,x,2013-04-01T05:00:00Z,and more",
    'k,1,2,true,"not closed,2013-04-01T05:00:00Z',
    '"k,1,2,true,not closed,2013-04-01T05:00:00Z',
    "nothing of a row",
    "\0\0\0",
    "k,1,2,true,\udcff\udcfe,2013-04-01T05:00:00Z",
)


@settings(deadline=None, max_examples=60)
@given(
    # The last lines hold quotes: one that is not closed before them is none that the end cuts off.
    damaged=st.dictionaries(st.integers(0, 17), st.sampled_from(DAMAGES), min_size=1, max_size=17),
    end=st.sampled_from(["\n", "\r\n"]),
)
@example(damaged={3: DAMAGES[2], 5: DAMAGES[2]}, end="\n")
def test_whatever_lines_of_csv_are_damaged_all_others_are_read_to_the_bit(
    tmp_path_factory: pytest.TempPathFactory, damaged: dict[int, str], end: str
) -> None:
    folder = tmp_path_factory.getbasetemp()
    intact = rows(20)
    lines_now = [damaged.get(row, line) for row, line in enumerate(intact)]
    whole = csv(folder, HEADER + "".join(line + "\n" for line in intact))
    text = HEADER + "".join(line + end for line in lines_now)

    found = csv(folder, text.encode(errors="surrogateescape"))

    kept = np.array([row for row in range(20) if row not in damaged], dtype=np.int64)
    assert found.rows.tolist() == kept.tolist()
    assert found.total == 20
    for name in SCHEMA.names:
        np.testing.assert_array_equal(found.columns[name], whole.columns[name][kept])
    assert [row.row for row in found.rejected] == sorted(damaged)
    before = {row: 2 + sum(line.count("\n") + 1 for line in lines_now[:row]) for row in damaged}
    told = [row.record["line"] for row in found.rejected]
    assert told == [before[row] for row in sorted(damaged)]


@settings(deadline=None, max_examples=60)
@given(
    damaged=st.dictionaries(
        st.integers(0, 19),
        st.sampled_from([b'{"key":', b"[1]", b"\xff", b"\0", b'{"key": NaN}', b"}"]),
        min_size=1,
        max_size=19,
    )
)
def test_whatever_json_lines_are_damaged_all_others_are_read_to_the_bit(
    tmp_path_factory: pytest.TempPathFactory, damaged: dict[int, bytes]
) -> None:
    folder = tmp_path_factory.getbasetemp()
    intact = [json.dumps({"key": f"k{row}", "whole": row}).encode() for row in range(20)]
    whole = lines(folder, b"\n".join(intact))

    now = [damaged.get(row, line) for row, line in enumerate(intact)]
    found = lines(folder, b"\n".join(now) + b"\n")

    kept = np.array([row for row in range(20) if row not in damaged])
    assert found.rows.tolist() == kept.tolist()
    assert [row.record["line"] - 1 for row in found.rejected] == sorted(damaged)
    for name in SCHEMA.names:
        np.testing.assert_array_equal(found.columns[name], whole.columns[name][kept])


# Compressed files


@pytest.mark.parametrize(
    ("suffix", "pack"),
    [(".gz", gzip.compress), (".zst", lambda data: pa.Codec("zstd").compress(data, asbytes=True))],
)
@pytest.mark.parametrize(("kind", "content"), [(".csv", HEADER + ROW), (".jsonl", RECORD + "\n")])
def test_a_compressed_file_is_read_as_what_it_holds(
    tmp_path: Path, suffix: str, pack: Any, kind: str, content: str
) -> None:
    plain = decode_file(written(tmp_path, f"rows{kind}", content), SCHEMA)
    packed = pack(content.encode())
    found = decode_file(written(tmp_path, f"rows{kind}{suffix}", packed), SCHEMA)
    for name in SCHEMA.names:
        np.testing.assert_array_equal(found.columns[name], plain.columns[name])
    cut = written(tmp_path, f"cut{kind}{suffix}", packed[:-3])
    assert "Have it delivered whole" in refusal(decode_file, cut, SCHEMA)


# JSON


@pytest.mark.parametrize("start", ["", "\ufeff", "\n\n"])
@pytest.mark.parametrize("end", ["", "\n", "\r\n", "\n\n  \n"])
def test_json_lines_are_read_however_they_end(tmp_path: Path, start: str, end: str) -> None:
    assert values(lines(tmp_path, start + RECORD + end), "key", "whole") == ["a", 1]


HUGE = f'{{"key": "a", "whole": {"9" * 5000}}}'


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ('{"key": "a", "real": NaN}', ", line 1 is not valid JSON: "),
        ('{"key": "a", "real": 1e400}', ", line 1 is not valid JSON: Number out of range"),
        (HUGE, ", line 1 is not valid JSON: Integer value out of range"),
        (RECORD + '\n{"key":', ", line 2 is not valid JSON: Input data was truncated"),
        (RECORD + "\n[1]", ", line 2: not a JSON object: b'[1]'"),
        (RECORD + "\n\nnull", ", line 3: not a JSON object: b'null'"),
        ('{\n"key": "a"\n}', ", line 1 is not valid JSON: Input data was truncated"),
        (b'{"key": "\xff"}', ", line 1 is not valid JSON: "),
        ('{"key": "\\ud800"}', ", line 1 is not valid JSON: "),
        ("[" * 100_000, ", line 1 is not valid JSON: maximum recursion depth exceeded"),
        (HEADER + ROW, ", line 1 is not valid JSON: "),
        ("", " is empty"),
    ],
)
def test_json_lines_that_cannot_be_read_are_refused_by_their_number(
    tmp_path: Path, content: str | bytes, message: str
) -> None:
    told = refusal(lines, tmp_path, content)
    assert told.startswith(f"{tmp_path / 'rows.jsonl'}{message}")
    assert len(told) < 300


def test_the_last_of_two_values_of_one_name_counts_in_json(tmp_path: Path) -> None:
    text = '{"key": "a", "whole": 1, "whole": 2}'
    assert values(lines(tmp_path, text), "whole") == [2]
    assert values(decode_json(text, SCHEMA), "whole") == [json.loads(text)["whole"]]


def test_a_large_integer_in_json_is_refused_alone(tmp_path: Path) -> None:
    found = lines(tmp_path, RECORD + '\n{"key": "b", "whole": 123456789012345678901234567890}')
    assert (found.rows.tolist(), [row.key for row in found.rejected]) == ([0], ["b"])


def test_nested_values_in_json_are_refused_alone() -> None:
    text = '{"key": "a", "whole": ' + "[" * 500 + "]" * 500 + "}"
    (rejected,) = decode_json(text, SCHEMA).rejected
    assert rejected.reasons[0].message == "[[[[[[[...]]]]]]] is of type list, not a number"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "JSON text is not valid JSON: Input data was truncated"),
        ("5", "JSON text: expected an object or an array of objects, not '5'"),
        ('"x"', "JSON text: expected an object or an array of objects, not '\"x\"'"),
        ("null", "JSON text: expected an object or an array of objects, not 'null'"),
        (f"[{RECORD}, 5]", "JSON text: row 1 is int, not a record"),
        (
            b"\xff\xfe{",
            "JSON text is not valid JSON: JSON is malformed: invalid character (byte 0)",
        ),
    ],
)
def test_json_that_holds_no_records_is_refused(text: str | bytes, message: str) -> None:
    assert refusal(decode_json, text, SCHEMA).startswith(message)


@pytest.mark.parametrize("text", [RECORD, f"[{RECORD}]", RECORD.encode(), "\ufeff" + RECORD])
def test_json_text_is_an_object_or_an_array(text: str | bytes) -> None:
    assert values(decode_json(text, SCHEMA), "key", "whole") == ["a", 1]


@given(text=st.binary(max_size=40) | st.text(max_size=40) | st.text('{}[]":,0e-.n\\u', max_size=20))
def test_any_text_as_json_is_read_or_refused(text: str | bytes) -> None:
    with suppress(InputError):
        found = decode_json(text, SCHEMA)
        assert len(found.rows) + len(found.rejected) == found.total


# Parquet


@pytest.fixture
def stored(tmp_path: Path) -> Callable[[pa.Table], Path]:
    """A function from a table to its Parquet file."""

    def store(of: pa.Table) -> Path:
        parquet.write_table(of, tmp_path / "rows.parquet")
        return tmp_path / "rows.parquet"

    return store


def test_parquet_is_read_and_nested_columns_besides(stored: Store) -> None:
    found = decode_file(stored(table(more=[{"a": [1]}])), SCHEMA)
    assert values(found, "key", "real", "whole", "flag", "text") == ["a", 1.5, 3, 1.0, "x"]
    assert found.ignored == ("more",)


def test_parquet_without_rows_has_no_rows(stored: Store) -> None:
    assert decode_file(stored(table().slice(0, 0)), SCHEMA).total == 0


@pytest.mark.parametrize(("name", "columns"), [(None, ["price"]), ("id", ["price", "id"])])
def test_a_dataframes_index_is_a_column_if_it_has_a_name(
    tmp_path: Path, name: str | None, columns: list[str]
) -> None:
    frame = pd.DataFrame({"price": [1.5, 2.5]}, index=pd.Index([7, 3], name=name))
    frame.to_parquet(tmp_path / "rows.parquet")
    assert read_parquet(tmp_path / "rows.parquet").column_names == columns


@pytest.mark.parametrize("kept", [0.01, 0.3, 0.5, 0.9, 0.999])
def test_half_written_parquet_is_refused(stored: Store, kept: float) -> None:
    path = stored(table())
    content = path.read_bytes()
    path.write_bytes(content[: max(1, int(len(content) * kept))])
    told = refusal(decode_file, path, SCHEMA)
    assert told.startswith(f"{path} cannot be read as Parquet (cut off or half-written?): ")


def test_parquet_whose_text_is_no_text_is_refused(stored: Store) -> None:
    offsets = pa.py_buffer(np.array([0, 1], np.int32))
    broken = pa.Array.from_buffers(pa.string(), 1, [None, offsets, pa.py_buffer(b"\xff")])
    assert "Invalid UTF8 sequence" in refusal(decode_file, stored(table(text=broken)), SCHEMA)


def test_parquet_with_a_column_twice_is_refused(stored: Store) -> None:
    double = pa.Table.from_arrays([*table().columns, pa.array(["y"])], [*SCHEMA.names, "text"])
    assert "has the column text more than once" in refusal(decode_file, stored(double), SCHEMA)


# Suffixes


def test_a_suffix_tells_the_kind_whatever_its_case(tmp_path: Path) -> None:
    assert decode_file(written(tmp_path, "rows.CSV", HEADER + ROW), SCHEMA).total == 1


KNOWN = ": its kind is not known; use .csv, .parquet, .jsonl."


@pytest.mark.parametrize(
    ("name", "message"),
    [
        *[(name, f"{KNOWN}$") for name in ("rows.txt", "rows", "rows.json")],
        ("rows.xlsx", rf"{KNOWN} Write it anew.*pandas\.read_excel\("),
        ("rows.feather", rf"{KNOWN} Write it anew.*pandas\.read_feather\("),
        ("rows.tsv", rf"{KNOWN} Write it anew.*pandas\.read_csv\("),
        (
            "rows.tsv.gz",
            r"Compressed files end in \.csv\.gz, \.jsonl\.gz: name it by what it holds",
        ),
        ("long" * 100 + ".csv", " cannot be read: .*File name too long"),
        ("none.csv", r": no such file\.$"),
        ("folder.csv", ": it is a folder"),
    ],
)
def test_a_file_that_is_not_read_is_refused_by_name(
    tmp_path: Path, name: str, message: str
) -> None:
    (tmp_path / "folder.csv").mkdir()
    if name not in ("none.csv", "folder.csv", "long" * 100 + ".csv"):
        written(tmp_path, name, HEADER + ROW)
    told = refusal(decode_file, tmp_path / name, SCHEMA)
    assert told.startswith(str(tmp_path / name))
    assert re.search(message, told)


@pytest.mark.parametrize("suffix", [".csv", ".parquet", ".jsonl"])
def test_a_file_of_another_kind_than_its_suffix_is_refused(stored: Store, suffix: str) -> None:
    packed = stored(table())
    content = packed.read_bytes() if suffix == ".csv" else HEADER + ROW
    path = written(packed.parent, "other" + suffix, content)
    assert refusal(decode_file, path, SCHEMA).startswith(str(path))
