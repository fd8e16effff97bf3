"""Decoding: what is refused and why, and what is told about it."""

# ruff: noqa: DTZ001  times without a zone are what is tested

from datetime import UTC, date, datetime, timedelta, timezone
from decimal import Decimal
from types import MappingProxyType
from typing import Any, Literal

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from lockstep.columns.decode import decode
from lockstep.columns.kinds import Kind
from lockstep.columns.records import EventTime, Key, Outcome, Record
from lockstep.columns.tables import concat
from lockstep.errors import InputError
from lockstep.refusals import Reason


class Sample(Record):
    key: Key[str]
    at: EventTime | None  # type: ignore[valid-type]
    real: float | None
    whole: int | None
    must: int
    flag: bool | None
    text: str | None
    choice: Literal["red", "blue"] | None


SCHEMA = Sample.schema()


def taken(field: str, value: Any) -> Any:
    """What a value becomes."""
    found = decode({"key": "k", "must": 1, field: value}, SCHEMA)
    assert found.rejected == ()
    return found.columns[field].tolist()[0]


def frame(**columns: Any) -> pd.DataFrame:
    """Two rows, of which columns are given."""
    missing: dict[str, Any] = dict.fromkeys(SCHEMA.names, pd.Series([None, None], dtype=object))
    return pd.DataFrame({**missing, "key": ["a", "b"], "must": [1, 2], **columns})


def arrow(**columns: Any) -> pa.Table:
    """The same in a pyarrow table."""
    missing = dict.fromkeys(SCHEMA.names, pa.nulls(2))
    return pa.table({**missing, "key": ["a", "b"], "must": [1, 2], **columns})


def holding(field: str, values: Any) -> Any:
    """Two rows with these values, in a table of the library that they are of."""
    return (arrow if isinstance(values, pa.Array) else frame)(**{field: values})


TOKYO = pd.DatetimeIndex(["2013-04-01T09:30", None], tz="Asia/Tokyo").as_unit("s")
OUTSIDE = "lies outside the years 1 to 9999 in UTC"


# Lossy casts


NAIVE = ' is a naive time; say its zone (Z), or mark the field Zone("UTC")'
MISSING_MUST = "missing, and declared int (never missing)"
EARLIEST = datetime(1, 1, 1, tzinfo=timezone(timedelta(hours=1)))
DIGITS = Decimal("0.12345678901234567890")


@pytest.mark.parametrize(
    ("field", "value", "message"),
    [
        ("whole", 3.5, "3.5 is not an integer"),
        ("whole", float("inf"), "inf is not an integer"),
        ("whole", Decimal("3.5"), "3.5 is not an integer"),
        ("whole", "3", "'3' is text, not a number"),
        ("whole", True, "True is true or false, not a number"),
        ("whole", 2**53 + 1, "9007199254740993 lies beyond 2^53, where optional integers are no"),
        ("must", 2**63, "9223372036854775808 does not fit a 64-bit integer"),
        ("must", -(2**63) - 1, "-9223372036854775809 does not fit a 64-bit integer"),
        ("must", 1e300, "an integer of 997 bits does not fit a 64-bit integer"),
        ("must", None, MISSING_MUST),
        ("must", float("nan"), MISSING_MUST),
        ("must", pd.NA, MISSING_MUST),
        ("key", None, "missing, and declared str (never missing)"),
        ("real", float("inf"), "inf is not a finite number"),
        ("real", Decimal("-Infinity"), "-inf is not a finite number"),
        ("real", "1.5", "'1.5' is text, not a number"),
        ("real", b"1.5", "b'1.5' is of type bytes, not a number"),
        ("real", [1.5], "[1.5] is of type list, not a number"),
        ("real", {"value": 1.5}, "{'value': 1.5} is of type dict, not a number"),
        ("real", False, "False is true or false, not a number"),
        ("real", np.timedelta64(1, "s"), "datetime.timedelta(seconds=1) is of type timedelta64,"),
        ("real", 2**53 + 1, "9007199254740993 has no exact float; it lies beyond 2^53"),
        ("real", 10**400, "an integer of 1329 bits does not fit a float"),
        pytest.param("real", 10**5000, "an integer of 16610 bits does not fit", id="beyond text"),
        ("real", DIGITS, "Decimal('0.12345678901234567890') has no float that keeps its digits"),
        ("flag", 2, "2 is a number, not true or false"),
        ("flag", "true", "'true' is text, not true or false"),
        ("flag", np.datetime64(0, "s"), "1970-01-01T00:00:00Z is a time, not true or false"),
        ("text", 5, "5 is a number, not text"),
        ("text", b"x", "b'x' is of type bytes, not text"),
        ("text", True, "True is true or false, not text"),
        ("text", ["x"], "['x'] is of type list, not text"),
        ("text", "\ud800", "'\\ud800' is not valid Unicode text"),
        ("choice", "green", "'green' is none of 'red', 'blue'"),
        ("choice", 1, "1 is a number, not text"),
        ("at", "2013-04-01T09:30:00", "2013-04-01T09:30:00" + NAIVE),
        ("at", datetime(2013, 4, 1), "2013-04-01T00:00:00" + NAIVE),
        ("at", np.datetime64("2013-04-01"), "2013-04-01" + NAIVE),
        ("at", "2013-04-01T09:30:00.0000001Z", "2013-04-01T09:30:00.0000001Z is finer than a mic"),
        ("at", pd.Timestamp(1, tz="UTC"), "1970-01-01T00:00:00.000000001+00:00 is finer than a m"),
        ("at", EARLIEST, "lies outside the years 1 to 9999 in UTC"),
        ("at", "yesterday", "'yesterday' is not a time such as 2013-04-01T09:30:00Z"),
        ("at", 1364808600, "1364808600 is a number, not a time such as 2013-04-01T09:30:00Z"),
        ("at", date(2013, 4, 1), "datetime.date(2013, 4, 1) is of type date, not a time such as"),
    ],
)
def test_a_lossy_cast_is_refused_with_its_reason(field: str, value: Any, message: str) -> None:
    (rejected,) = decode({"key": "k", "must": 1, field: value}, SCHEMA).rejected
    (reason,) = rejected.reasons
    assert (reason.column, reason.rule) == (field, "type")
    assert reason.message.startswith(message)


@pytest.mark.parametrize(
    ("field", "value", "canonical"),
    [
        ("whole", 3.0, 3.0),
        ("whole", -(2**53), -(2.0**53)),
        ("must", 2**63 - 1, 2**63 - 1),
        ("must", np.uint8(7), 7),
        ("must", Decimal("7.00"), 7),
        ("real", 3, 3.0),
        ("real", np.float32(0.5), 0.5),
        ("real", Decimal("0.1"), 0.1),
        ("real", 2**60, 2.0**60),
        ("flag", 1, 1.0),
        ("flag", 0.0, 0.0),
        ("flag", np.bool_(True), 1.0),
        ("text", np.str_("é"), "é"),
        ("text", "", ""),
        ("at", "2013-04-01T11:30:00+02:00", datetime(2013, 4, 1, 9, 30)),
        ("at", "2013-04-01T09:30:00.1234560Z", datetime(2013, 4, 1, 9, 30, 0, 123456)),
        ("at", pd.Timestamp("2013-04-01T11:30+02:00"), datetime(2013, 4, 1, 9, 30)),
    ],
)
def test_a_cast_that_loses_nothing_is_made(field: str, value: Any, canonical: Any) -> None:
    found = taken(field, value)
    assert found == canonical
    assert type(found) is type(canonical)


@pytest.mark.parametrize("field", ["at", "real", "whole", "flag", "text", "choice"])
@pytest.mark.parametrize(
    "missing", [None, float("nan"), np.nan, pd.NA, pd.NaT, np.datetime64("NaT"), Decimal("NaN")]
)
def test_every_form_of_missing_is_missing(field: str, missing: Any) -> None:
    found = taken(field, missing)
    assert found is None or np.isnan(found)


# What is told of a refused row


def test_a_refused_row_has_all_its_reasons_in_the_order_of_the_fields() -> None:
    record = {"key": "k", "choice": "green", "real": "high", "must": None, "more": 1}
    (rejected,) = decode([record], SCHEMA).rejected
    assert rejected.reasons == (
        Reason("real", "type", "'high' is text, not a number", "is text, not a number"),
        Reason("must", "type", MISSING_MUST, MISSING_MUST),
        Reason("choice", "type", "'green' is none of 'red', 'blue'", "is none of 'red', 'blue'"),
    )
    assert (rejected.row, rejected.key, rejected.record) == (0, "k", record)


@pytest.mark.parametrize("field", ["real", "whole", "must", "flag", "choice", "at"])
@pytest.mark.parametrize(
    "value",
    [
        "Anna Karenina" * 1000,
        "2013-04-01T09:30:00",
        "2013-04-01T09:30:00.1234567Z",
        ["Anna Karenina"],
        987654321987654321.5,
        98765432198765432198765,
        Decimal("98765432198765432198765.5"),
        datetime(2013, 4, 1, 9, 30),
    ],
    ids=lambda value: str(value)[:30],
)
def test_a_refusal_repeats_no_value_and_its_message_cuts_it(field: str, value: Any) -> None:
    for rejected in decode({"key": "k", "must": 1, field: value}, SCHEMA).rejected:
        (one,) = rejected.reasons
        assert not any(told in one.refusal for told in ("Anna", "T09:30:00.1", "9876", "1, 9, 30"))
        assert one.message.endswith(one.refusal)
        assert len(one.message) < 120


def test_rows_are_parted_and_counted() -> None:
    records = [{"key": name, "must": must} for name, must in zip("abcd", [1, 2.5, 3, "x"])]  # noqa: B905
    found = decode(records, SCHEMA)
    assert found.columns["key"].tolist() == ["a", "c"]
    assert found.rows.tolist() == [0, 2]
    assert [(row.row, row.key) for row in found.rejected] == [(1, "b"), (3, "d")]
    assert found.total == 4


class Numbered(Record):
    number: Key[int]
    x: int


class Result(Outcome):
    x: int


@pytest.mark.parametrize(
    ("row", "declared", "key"),
    [
        ({"key": 5, "must": 1}, Sample, None),
        (pd.DataFrame({"number": [7.0], "x": ["x"]}), Numbered, "7"),
        (pd.DataFrame({"number": [np.nan], "x": ["x"]}), Numbered, None),
        ({"x": "x"}, Result, None),
    ],
    ids=["of another type", "an integer", "missing", "an outcome without a key"],
)
def test_the_key_of_a_refused_row_is_told_as_text(row: Any, declared: Any, key: str | None) -> None:
    (rejected,) = decode(row, declared.schema()).rejected
    assert rejected.key == key


@pytest.mark.parametrize("form", [frame, arrow], ids=["pandas", "pyarrow"])
def test_a_refused_row_of_a_table_holds_its_values_as_they_came(form: Any) -> None:
    (rejected,) = decode(form(must=[2.5, 2.0], more=["m", "n"]), SCHEMA).rejected
    assert rejected.record == dict.fromkeys(SCHEMA.names) | {"key": "a", "must": 2.5, "more": "m"}


@pytest.mark.parametrize("kind", [pa.string_view(), pa.binary_view()])
def test_a_refused_row_may_hold_views_of_texts_and_bytes(kind: pa.DataType) -> None:
    table = arrow(must=pa.nulls(2), more=pa.array(["x", "y"]).cast(kind))
    assert len(decode(table, SCHEMA).rejected) == 2


def test_columns_that_are_not_declared_are_listed_once() -> None:
    records = [{"key": "a", "must": 1, "x": 1}, {"key": "b", "must": 1, "y": 1, "x": 2}]
    assert decode(records, SCHEMA).ignored == ("x", "y")
    assert decode(frame(x=1, y=2), SCHEMA).ignored == ("x", "y")


# Tables


def in_levels() -> pd.DataFrame:
    table = frame()
    return table.set_axis(pd.MultiIndex.from_product([["all"], table.columns]), axis=1)


@pytest.mark.parametrize(
    ("table", "message"),
    [
        (
            frame(extra=1).drop(columns=["real", "at"]),
            r"lacks the columns at, real of Sample\. It has columns that are not declared: extra\.",
        ),
        (in_levels(), "lacks the columns key, at, real"),
        (pd.concat([frame(), frame()[["text"]]], axis=1), "has the column text more than once"),
    ],
    ids=["without columns", "with columns in levels", "with a column twice"],
)
def test_a_table_of_other_columns_is_refused(table: pd.DataFrame, message: str) -> None:
    with pytest.raises(InputError, match=f"^today\\.csv {message}"):
        decode(table, SCHEMA, source="today.csv")


def test_a_table_that_has_another_column_twice_is_decoded() -> None:
    table = pd.concat([frame(x=1, must=[1.5, 2]), frame(x=2)[["x"]]], axis=1)
    found = decode(table, SCHEMA)
    assert (found.ignored, len(found.rejected), found.rows.tolist()) == (("x",), 1, [1])


@pytest.mark.parametrize(
    "name", [7, ("a", "b"), None, np.nan, pd.NA, datetime(2013, 4, 1, tzinfo=UTC)]
)
def test_column_names_that_are_no_text_are_not_declared(name: Any) -> None:
    found = decode(frame(x=1).rename(columns={"x": name}), SCHEMA)
    assert found.rows.tolist() == [0, 1]
    assert len(found.ignored) == 1


@pytest.mark.parametrize(
    ("field", "values", "expected"),
    [
        ("text", pd.Categorical(["x", None]), ["x", None]),
        ("text", pd.Series(["x", None], dtype="string[python]"), ["x", None]),
        ("text", pd.Series(["x", None], dtype="str"), ["x", None]),
        ("whole", pd.Categorical([5, None]), [5.0, None]),
        ("whole", pd.array([5, None], "Int8"), [5.0, None]),
        ("flag", pd.array([True, None], "boolean"), [1.0, None]),
        ("real", pd.arrays.SparseArray([0.5, np.nan]), [0.5, None]),
        ("must", pd.arrays.SparseArray([0, 5]), [0, 5]),
        ("flag", pd.arrays.SparseArray([True, False]), [1.0, 0.0]),
        ("real", np.array([0.5, 1], np.float16), [0.5, 1.0]),
        ("at", TOKYO, [datetime(2013, 4, 1, 0, 30), None]),
        ("real", pa.array([Decimal("0.10"), None], pa.decimal128(20, 2)), [0.1, None]),
        ("whole", pa.array([Decimal("5.00"), None], pa.decimal256(40, 2)), [5.0, None]),
        ("real", pa.array([0.5, None], pa.float16()), [0.5, None]),
        ("real", pa.nulls(2), [None, None]),
        ("text", pa.array(["x", None], pa.large_string()), ["x", None]),
        ("text", pa.array(["x", None], pa.string_view()), ["x", None]),
        ("text", pa.array(["x", None]).dictionary_encode(), ["x", None]),
        ("choice", pa.array(["red", None], pa.large_string()).dictionary_encode(), ["red", None]),
        ("must", pa.array([5, 6], pa.uint8()), [5, 6]),
        ("flag", pa.array([True, None]), [1.0, None]),
    ],
)
def test_every_type_of_pandas_and_pyarrow_is_decoded(
    field: str, values: Any, expected: list[Any]
) -> None:
    found = decode(holding(field, values), SCHEMA)
    assert found.rejected == ()
    taken = [None if value != value else value for value in found.columns[field].tolist()]
    assert taken == expected


@pytest.mark.parametrize(
    ("field", "values", "message"),
    [
        ("at", pd.to_datetime(["2013-04-01", None]), "2013-04-01T00:00:00 is a naive time"),
        ("at", pd.period_range("2013", periods=2, freq="Y"), "Period('2013', 'Y-DEC') is of"),
        ("real", pd.to_timedelta([1, None]), "Timedelta('0 days 00:00:00.000000001') is of type"),
        ("real", np.array([1j, np.nan]), "1j is of type complex, not a number"),
        ("real", np.array([np.longdouble(1) / 3, 1]), "0.3333333333333333 has no exact float"),
        ("real", TOKYO, "2013-04-01T00:30:00Z is a time, not a number"),
        ("text", pd.interval_range(0, 2), "Interval(0, 1, closed='right') is of type Interval"),
        ("text", pd.Series([b"x", None]), "b'x' is of type bytes, not text"),
        ("text", pd.Series(["\ud800", None], dtype=object), "'\\ud800' is not valid Unicode"),
        ("flag", pd.to_timedelta([0, None]), "Timedelta('0 days 00:00:00') is of type Timedelta"),
        ("must", pd.array([2**63, 1], "UInt64"), "9223372036854775808 does not fit a 64-bit"),
        ("whole", np.array([2**53 + 1, 1]), "9007199254740993 lies beyond 2^53"),
        ("real", pd.Series([2**53 + 1, 1]), "9007199254740993 has no exact float"),
        ("text", pa.array([b"x"] * 2), "b'x' is of type bytes, not text"),
        ("text", pa.array([["x"]] * 2), "['x'] is of type list, not text"),
        ("real", pa.array([{"x": 1}] * 2), "{'x': 1} is of type dict, not a number"),
        ("at", pa.array([0] * 2, pa.date32()), "datetime.date(1970, 1, 1) is of type date, not a"),
        ("at", pa.array([0] * 2, pa.timestamp("us")), "1970-01-01T00:00:00 is a naive time"),
        ("at", pa.array([2**60] * 2, pa.timestamp("s")), OUTSIDE),
        ("real", pa.array([10**15] * 2, pa.timestamp("ms")), "33658-09-27T01:46:40 is a time, not"),
        ("at", pa.array([10**8] * 2, pa.date32()), OUTSIDE),
        (
            "real",
            pa.array([0] * 2, pa.timestamp("us", "Mars/Base")),
            "1970-01-01T00:00:00Z is a ti",
        ),
        (
            "at",
            pa.array([1] * 2, pa.timestamp("ns", "Asia/Tokyo")),
            "1970-01-01T00:00:00.000000001",
        ),
        ("at", pa.array([10**15] * 2, pa.timestamp("ms", "UTC")), OUTSIDE),
        ("at", pa.array([2**60] * 2, pa.timestamp("s", "UTC")), OUTSIDE),
        ("real", pa.array([DIGITS] * 2, pa.decimal128(30, 20)), "Decimal('0.1234567"),
    ],
)
def test_a_type_that_does_not_fit_is_refused(field: str, values: Any, message: str) -> None:
    rejected = decode(holding(field, values), SCHEMA).rejected[0]
    assert (rejected.row, rejected.key) == (0, "a")
    (one,) = rejected.reasons
    assert one.message.startswith(message)


# Data of other forms


@pytest.mark.parametrize(
    ("data", "name"),
    [
        ("text", "str"),
        (b"bytes", "bytes"),
        (None, "NoneType"),
        (5, "int"),
        (np.zeros(3), "ndarray"),
        (pd.Series([1]), "Series"),
        (pa.array([1]), "Int64Array"),
        (iter([]), "list_iterator"),
    ],
)
def test_data_of_no_known_form_is_refused(data: Any, name: str) -> None:
    with pytest.raises(InputError, match=f"^input: {name} cannot be decoded; give a DataFrame"):
        decode(data, SCHEMA)


@pytest.mark.parametrize("odd", [["a"], [None], [{"key": "k", "must": 1}, 5]])
def test_a_row_that_is_no_record_is_refused(odd: list[Any]) -> None:
    with pytest.raises(InputError, match=rf"input: row {len(odd) - 1} is \w+, not a record"):
        decode(odd, SCHEMA)


def test_any_mapping_is_a_record() -> None:
    record = MappingProxyType({"key": "k", "must": 1, "more": 2})
    found = decode((record,), SCHEMA)
    assert (found.rows.tolist(), found.ignored) == ([0], ("more",))


@pytest.mark.parametrize(
    ("data", "total"), [([], 0), (frame().iloc[:0], 0), (arrow().slice(0, 0), 0), ({"key": "k"}, 1)]
)
def test_where_no_row_is_taken_columns_are_empty_of_their_dtypes(data: Any, total: int) -> None:
    found = decode(data, SCHEMA)
    assert (found.total, len(found.rejected)) == (total, total)
    for name, array in found.columns.items():
        assert (array.shape, array.dtype) == ((0,), SCHEMA[name].kind.dtype)


# Columns


@pytest.mark.parametrize("data", [{"key": "k", "must": 1}, [{"key": "k", "must": 1}] * 2, frame()])
def test_decoded_columns_are_in_the_order_of_the_fields_and_read_only(data: Any) -> None:
    found = decode(data, SCHEMA)
    assert tuple(found.columns) == SCHEMA.names
    assert not any(array.flags.writeable for array in (*found.columns.values(), found.rows))


def test_decoded_columns_do_not_change_with_their_source_which_stays_writable() -> None:
    values = np.array([0.5, 1.5])
    texts = pd.Series(["x", "y"], dtype=object)
    table = pd.DataFrame({**frame(text=texts), "real": values}, copy=False)
    found = decode(table, SCHEMA)
    values[0] = 9.0
    table.loc[0, "must"] = 9
    table.loc[0, "text"] = "z"
    assert found.columns["real"].tolist() == [0.5, 1.5]
    assert found.columns["must"].tolist() == [1, 2]
    assert found.columns["text"].tolist() == ["x", "y"]


def test_columns_of_a_frame_lie_in_memory_like_those_of_a_record() -> None:
    table = pd.DataFrame(np.arange(6).reshape(3, 2), columns=["number", "x"], copy=False)
    assert not table["x"].to_numpy().flags.c_contiguous
    assert decode(table, Numbered.schema()).columns["x"].flags.c_contiguous


def test_concat_joins_rows_and_keeps_dtypes() -> None:
    one = decode(frame(text=["x", None]), SCHEMA).columns
    joined = concat([one, one], SCHEMA.kinds)
    assert joined["text"].tolist() == ["x", None, "x", None]
    assert {name: array.dtype for name, array in joined.items()} == {
        name: kind.dtype for name, kind in SCHEMA.kinds.items()
    }
    assert concat([], {"x": Kind.TIME})["x"].dtype == Kind.TIME.dtype
