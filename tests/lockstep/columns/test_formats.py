"""One record decodes to the same arrays from every format, alone or among others."""

import json
import math
import tempfile
from collections.abc import Callable
from datetime import UTC, date, datetime, time, timedelta, timezone
from decimal import Decimal
from fractions import Fraction
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from pyarrow import parquet

from lockstep.columns.decode import Decoded, decode
from lockstep.columns.files import decode_file, decode_json
from lockstep.columns.kinds import Columns
from lockstep.columns.records import EventTime, Key, Record
from lockstep.columns.schema import Schema
from lockstep.columns.tables import from_arrow, take_rows, to_arrow


class Sample(Record):
    key: Key[str]
    at: EventTime
    real: float
    real_or_none: float | None
    whole: int
    whole_or_none: int | None
    flag: bool
    flag_or_none: bool | None
    text: str
    text_or_none: str | None
    choice: Literal["red", "blue"]
    choice_or_none: Literal["red", "blue"] | None
    at_or_none: datetime | None


SCHEMA = Sample.schema()
Row = dict[str, Any]

FLOATS = st.floats(allow_nan=False, allow_infinity=False)
INTS = st.integers(-(2**63), 2**63 - 1)
EXACT_INTS = st.integers(-(2**53), 2**53)
TEXTS = st.text(max_size=8) | st.sampled_from(["", " ", "NA", "nan", "null", "1", "a\r\nb", 'a"b'])
CHOICES = st.sampled_from(["red", "blue"])
TIMES = st.integers(-(2**53), 2**53).map(
    lambda microseconds: datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=microseconds)
)

DRAWN = {
    "key": TEXTS,
    "at": TIMES,
    "real": FLOATS,
    "whole": INTS,
    "flag": st.booleans(),
    "text": TEXTS,
    "choice": CHOICES,
}
OPTIONAL = {**DRAWN, "whole": EXACT_INTS}
ROWS = st.fixed_dictionaries(
    DRAWN
    | {
        name: st.none() | OPTIONAL[name.removesuffix("_or_none")]
        for name in SCHEMA.names
        if name.endswith("_or_none")
    }
)
TABLES = st.lists(ROWS, min_size=1, max_size=5)

MISSING: Row = dict.fromkeys(SCHEMA.names) | {
    "key": "only what must be there",
    "at": datetime(2013, 4, 1, tzinfo=UTC),
    "real": -0.0,
    "whole": -(2**63),
    "flag": False,
    "text": "",
    "choice": "red",
}


# Formats


def plain(rows: list[Row]) -> list[Row]:
    """Rows as JSON holds them."""
    return [
        {
            name: value.isoformat() if isinstance(value, datetime) else value
            for name, value in row.items()
        }
        for row in rows
    ]


def frame(rows: list[Row], dtypes: dict[str, str]) -> pd.DataFrame:
    """Rows in a DataFrame, each column of the dtype for its declared type."""
    return pd.DataFrame(
        {
            field.name: pd.Series([row[field.name] for row in rows], dtype=dtypes[field.declared])
            for field in SCHEMA
        }
    )


def numpy_frame(rows: list[Row]) -> pd.DataFrame:
    """Rows in a DataFrame of NumPy's dtypes, where missing numbers make floats."""
    return pd.DataFrame(
        {
            name: pd.Series(array).dt.tz_localize("UTC")
            if array.dtype.kind == "M"
            else pd.Series(array, dtype=array.dtype)
            for name, array in decode(rows, SCHEMA).columns.items()
        }
    )


def arrow_table(rows: list[Row]) -> pa.Table:
    types = {
        "float": pa.float64(),
        "int": pa.int64(),
        "bool": pa.bool_(),
        "str": pa.string(),
        "datetime": pa.timestamp("us", tz="America/New_York"),
    }
    arrays = {
        field.name: pa.array([row[field.name] for row in rows], type=types[field.declared])
        for field in SCHEMA
    }
    return pa.table(arrays)


def categories(rows: list[Row]) -> pd.DataFrame:
    """All columns as categories but those with both zeros, which pandas takes for one category."""
    table = numpy_frame(rows)
    signs = {name: {math.copysign(1, x) for x in table[name] if x == 0} for name in REALS}
    return table.astype(
        {name: "category" for name in table.columns if len(signs.get(name, ())) < 2}
    )


def csv_text(rows: list[Row]) -> str:
    """CSV with each text in quotes, so that an empty one is not a missing one."""
    lines = [",".join(SCHEMA.names)]
    for row in plain(rows):
        cells = []
        for value in map(row.__getitem__, SCHEMA.names):
            if isinstance(value, str):
                cells.append('"' + value.replace('"', '""') + '"')
            else:
                cells.append("" if value is None else repr(value).lower())
        lines.append(",".join(cells))
    return "\n".join(lines) + "\n"


def json_lines(rows: list[Row]) -> str:
    return "".join(json.dumps(row) + "\n" for row in plain(rows))


def from_file(suffix: str, content: str | pa.Table) -> Decoded:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "rows" + suffix)
        if isinstance(content, str):
            path.write_bytes(content.encode())
        else:
            parquet.write_table(content, path)
        return decode_file(path, SCHEMA)


REALS = ("real", "real_or_none")
NULLABLE = {
    "float": "Float64",
    "int": "Int64",
    "bool": "boolean",
    "str": "string",
    "datetime": "datetime64[us, Asia/Tokyo]",
}
ARROW = {
    "float": "double[pyarrow]",
    "int": "int64[pyarrow]",
    "bool": "bool[pyarrow]",
    "str": "string[pyarrow]",
    "datetime": "timestamp[us, UTC][pyarrow]",
}

FORMATS: dict[str, Callable[[list[Row]], Decoded]] = {
    "records of JSON": lambda rows: decode(plain(rows), SCHEMA),
    "objects in a DataFrame": lambda rows: decode(pd.DataFrame(rows, dtype=object), SCHEMA),
    "a DataFrame as pandas infers it": lambda rows: decode(pd.DataFrame(rows), SCHEMA),
    "a DataFrame of NumPy's dtypes": lambda rows: decode(numpy_frame(rows), SCHEMA),
    "a DataFrame of nullable dtypes": lambda rows: decode(frame(rows, NULLABLE), SCHEMA),
    "a DataFrame of Arrow's dtypes": lambda rows: decode(frame(rows, ARROW), SCHEMA),
    "a DataFrame of categories": lambda rows: decode(categories(rows), SCHEMA),
    "a pyarrow table": lambda rows: decode(arrow_table(rows), SCHEMA),
    "a pyarrow table of chunks": lambda rows: decode(
        pa.concat_tables([arrow_table(rows[:1]), arrow_table(rows[1:])]), SCHEMA
    ),
    "a record batch": lambda rows: decode(arrow_table(rows).to_batches()[0], SCHEMA),
    "a Parquet file": lambda rows: from_file(".parquet", arrow_table(rows)),
    "a CSV file": lambda rows: from_file(".csv", csv_text(rows)),
    "a file of JSON lines": lambda rows: from_file(".jsonl", json_lines(rows)),
    "a JSON text": lambda rows: decode_json(json.dumps(plain(rows)), SCHEMA),
}


def exact(columns: Columns) -> dict[str, Any]:
    """Columns for comparison: their dtypes and values, to the last bit and sign of zero."""
    return {name: (array.dtype.str, repr(array.tolist())) for name, array in columns.items()}


# Records that fit


@pytest.mark.parametrize("form", FORMATS)
@settings(max_examples=20)
@given(rows=TABLES)
@example(rows=[MISSING])
@example(rows=[MISSING, MISSING])
@example(rows=[{**MISSING, "real": 0.0}, {**MISSING, "real": -0.0}])
def test_records_decode_to_the_same_arrays_alone_and_in_company(form: str, rows: list[Row]) -> None:
    expected = decode(rows, SCHEMA)
    found = FORMATS[form](rows)
    assert found.rejected == expected.rejected == ()
    assert exact(found.columns) == exact(expected.columns)
    for position, row in enumerate(rows):
        own = exact(take_rows(expected.columns, slice(position, position + 1)))
        assert exact(FORMATS[form]([row]).columns) == own
        assert exact(decode(row, SCHEMA).columns) == own


@given(rows=TABLES)
def test_values_keep_what_they_were(rows: list[Row]) -> None:
    columns = decode(rows, SCHEMA).columns
    for name in SCHEMA.names:
        for value, row in zip(columns[name].tolist(), rows, strict=True):
            came = row[name]
            if came is None:
                assert value is None or math.isnan(value)
            elif isinstance(came, datetime):
                assert value.replace(tzinfo=UTC) == came
            else:
                assert value == came


@given(rows=st.lists(ROWS, max_size=5))
@example(rows=[])
@example(rows=[MISSING])
def test_columns_survive_a_table_exactly(rows: list[Row]) -> None:
    columns = decode(rows, SCHEMA).columns
    table = to_arrow(columns)
    with tempfile.TemporaryDirectory() as folder:
        parquet.write_table(table, Path(folder, "rows.parquet"))
        read = parquet.ParquetFile(Path(folder, "rows.parquet")).read()
    assert exact(from_arrow(table, SCHEMA.kinds)) == exact(columns)
    assert exact(from_arrow(read, SCHEMA.kinds)) == exact(columns)
    assert exact(decode(table, SCHEMA).columns) == exact(columns)


# Columns that do not fit: every format gives the same refusals, with the same reasons


def declared(name: str) -> Schema:
    """A schema of a key and one of the sample's fields."""
    return Schema("Pair", (SCHEMA["key"], SCHEMA[name]))


WHOLE = st.sampled_from([0.0, 1.0, 2.0**53, -(2.0**63), 2.0**63, 3.5])
EDGES = st.sampled_from([0, 1, 2, 2**53, 2**53 + 1])
NATURALS = st.integers(0, 2**64 - 1) | st.sampled_from([2**63 - 1, 2**63])
CARRIERS: dict[str, tuple[st.SearchStrategy[Any], pa.DataType, str, str]] = {
    "float64": (st.floats(width=64) | WHOLE, pa.float64(), "float64", "Float64"),
    "float32": (st.floats(width=32), pa.float32(), "float32", "Float32"),
    "int64": (INTS | EDGES, pa.int64(), "int64", "Int64"),
    "uint64": (NATURALS, pa.uint64(), "uint64", "UInt64"),
    "int8": (st.integers(-128, 127), pa.int8(), "int8", "Int8"),
    "bool": (st.booleans(), pa.bool_(), "bool", "boolean"),
    "text": (TEXTS | CHOICES, pa.string(), "object", "string"),
}


def outcome(data: Any, schema: Schema) -> tuple[Any, ...]:
    """All that decoding told but for what the values looked like."""
    found = decode(data, schema)
    rejected = [(row.row, row.key, row.reasons) for row in found.rejected]
    return exact(found.columns), rejected, found.rows.tolist(), found.total


@pytest.mark.parametrize("field", SCHEMA.names[1:])
@pytest.mark.parametrize("carrier", CARRIERS)
@settings(max_examples=10)
@given(data=st.data())
def test_a_column_is_refused_for_one_reason(field: str, carrier: str, data: st.DataObject) -> None:
    strategy, arrow, numpy, nullable = CARRIERS[carrier]
    values = data.draw(st.lists(strategy, min_size=1, max_size=5))
    if carrier == "float32":
        values = [float(np.float32(value)) for value in values]
    keys = [f"row {position}" for position in range(len(values))]
    schema = declared(field)
    records = [{"key": key, field: value} for key, value in zip(keys, values, strict=True)]

    expected = outcome(records, schema)

    columns = {"key": keys, field: values}
    assert outcome(pd.DataFrame(columns, dtype=object), schema) == expected
    assert outcome(pd.DataFrame(columns).astype({field: numpy}), schema) == expected
    assert outcome(pd.DataFrame(columns).astype({field: nullable}), schema) == expected
    assert outcome(pa.table({"key": keys, field: pa.array(values, arrow)}), schema) == expected
    if not carrier.startswith("float"):  # categories lose the sign of zero
        assert outcome(pd.DataFrame(columns).astype({field: "category"}), schema) == expected
    if all(not isinstance(value, float) or math.isfinite(value) for value in values):
        decoded = decode_json(json.dumps(records), schema)
        assert [(row.row, row.reasons) for row in decoded.rejected] == [
            (row, reasons) for row, _, reasons in expected[1]
        ]


@given(nanoseconds=st.lists(st.integers(-(2**62), 2**62), min_size=1, max_size=5))
@example(nanoseconds=[0, 1, 1000])
def test_times_finer_than_a_microsecond_are_refused_alike(nanoseconds: list[int]) -> None:
    schema = declared("at")
    keys = [str(position) for position in range(len(nanoseconds))]
    stamps = [pd.Timestamp(one, tz="UTC") for one in nanoseconds]

    expected = outcome(
        [{"key": key, "at": stamp} for key, stamp in zip(keys, stamps, strict=True)], schema
    )

    times = pa.array(nanoseconds, pa.timestamp("ns", tz="Europe/Berlin"))
    assert outcome(pa.table({"key": keys, "at": times}), schema) == expected
    series = pd.Series(np.array(nanoseconds, "M8[ns]")).dt.tz_localize("UTC")
    assert outcome(pd.DataFrame({"key": keys, "at": series}), schema) == expected
    assert [row.row for row in decode(pa.table({"key": keys, "at": times}), schema).rejected] == [
        position for position, one in enumerate(nanoseconds) if one % 1000
    ]


@given(seconds=st.lists(st.integers(-(2**62), 2**62), min_size=1, max_size=3))
@example(seconds=[-62135596801, -62135596800, 253402300799, 253402300800])
def test_times_outside_the_calendar_are_refused_alike(seconds: list[int]) -> None:
    schema = declared("at")
    keys = [str(position) for position in range(len(seconds))]
    table = pa.table({"key": keys, "at": pa.array(seconds, pa.timestamp("s", tz="UTC"))})
    series = pd.Series(np.array(seconds, "M8[s]")).dt.tz_localize("UTC")

    found = decode(table, schema)

    assert [row.row for row in found.rejected] == [
        position
        for position, second in enumerate(seconds)
        if not -62135596800 <= second <= 253402300799
    ]
    assert outcome(pd.DataFrame({"key": keys, "at": series}), schema) == outcome(table, schema)


# Anything at all


ZONES = st.integers(-23, 23).map(lambda hours: timezone(timedelta(hours=hours)))
ANYTHING = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.sampled_from([2**53, 2**53 + 1, 2**63, -(2**63) - 1, 10**400, 10**5000]),
    st.floats(),
    st.text(st.characters(), max_size=5),  # lone surrogates too
    st.text(st.characters(categories=["Cs"]), max_size=3),
    st.binary(max_size=5),
    st.decimals(),
    st.fractions(),
    st.complex_numbers(),
    st.datetimes(),
    st.datetimes(timezones=ZONES),
    st.datetimes(timezones=ZONES).map(datetime.isoformat),
    st.dates(),
    st.times(),
    st.timedeltas(),
    st.lists(st.integers(), max_size=2),
    st.dictionaries(st.text(max_size=2), st.integers(), max_size=2),
    st.sampled_from(
        [
            pd.NA, pd.NaT, np.nan, Decimal("sNaN"), Decimal("-Infinity"), Decimal("1E+999999"),
            np.bool_(True), np.int8(1), np.uint64(2**64 - 1), np.float16(0.5), np.float32(0.1),
            np.longdouble(1) / 3, np.str_("é"), np.bytes_(b"x"), np.complex64(1),
            np.datetime64("2013-04-01"), np.datetime64("NaT"), np.timedelta64(1, "s"),
            np.void(b"x"), pd.Timestamp("2013-04-01", tz="Asia/Tokyo"), pd.Timestamp("2013-04-01"),
            pd.Timestamp(1, tz="UTC"), pd.Period("2013", "Y"), pd.Interval(0, 1), object(), int,
            Fraction(1, 2), date(2013, 4, 1), time(9, 30), ..., "2013-04-01T09:30:00.0000001Z",
        ]
    ),
)  # fmt: skip


@pytest.mark.parametrize("field", SCHEMA.names)
@settings(max_examples=60)
@given(value=ANYTHING)
def test_any_value_is_taken_or_refused_alike_wherever_it_is(field: str, value: Any) -> None:
    good = MISSING | {"key": "good"}
    row = MISSING | {field: value}
    alone = decode(row, SCHEMA)
    among = decode([good, row, good], SCHEMA)
    framed = decode(pd.DataFrame([good, row, good], dtype=object), SCHEMA)
    for found in (among, framed):
        assert [row.reasons for row in found.rejected] == [row.reasons for row in alone.rejected]
    assert exact(framed.columns) == exact(among.columns)
    if not alone.rejected:
        assert exact(take_rows(among.columns, slice(1, 2))) == exact(alone.columns)


@pytest.mark.parametrize("field", ["real", "real_or_none", "whole", "whole_or_none"])
@settings(max_examples=60)
@given(value=st.integers() | st.floats(allow_nan=False) | st.decimals(allow_nan=False) | EXACT_INTS)
def test_a_number_that_is_taken_is_kept_whole(field: str, value: Any) -> None:
    found = decode(MISSING | {field: value}, SCHEMA)

    if not found.rejected:
        kept = found.columns[field].tolist()[0]
        assert value in (kept, Decimal(repr(kept)))
