"""Decoding: what is refused and why, and what is told about it."""

from collections.abc import Mapping
from datetime import UTC, date, datetime, timedelta, timezone
from decimal import Decimal
from types import MappingProxyType
from typing import Any, Literal

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from lockstep.columns.decode import Reason, decode
from lockstep.columns.kinds import Kind
from lockstep.columns.records import EventTime, Key, Outcome, Record
from lockstep.columns.tables import concat
from lockstep.errors import InputError


class Sample(Record):
    """A field of every sort that matters here."""

    key: Key[str]
    at: EventTime | None  # type: ignore[valid-type]
    real: float | None
    whole: int | None
    must: int
    flag: bool | None
    text: str | None
    choice: Literal["red", "blue"] | None


SCHEMA = Sample.schema()


def reason(field: str, value: Any) -> str | None:
    """Why a value of a field is refused; None if it is not."""
    found = decode({"key": "k", "must": 1, field: value}, SCHEMA)
    if not found.rejected:
        return None
    (rejected,) = found.rejected
    (one,) = rejected.reasons
    assert (one.column, one.rule) == (field, "type")
    return one.message


def taken(field: str, value: Any) -> Any:
    """What a value becomes."""
    found = decode({"key": "k", "must": 1, field: value}, SCHEMA)
    assert found.rejected == ()
    return found.columns[field].tolist()[0]


def frame(**columns: Any) -> pd.DataFrame:
    """Two rows, of which columns are given."""
    missing: dict[str, Any] = dict.fromkeys(SCHEMA.names, pd.Series([None, None], dtype=object))
    return pd.DataFrame({**missing, "key": ["a", "b"], "must": [1, 2], **columns})


# Lossy casts


@pytest.mark.parametrize(
    ("field", "value", "message"),
    [
        ("whole", 3.5, "3.5 is not an integer"),
        ("whole", float("inf"), "inf is not an integer"),
        ("whole", Decimal("3.5"), "3.5 is not an integer"),
        ("whole", "3", "'3' is text, not a number"),
        ("whole", True, "True is true or false, not a number"),
        (
            "whole",
            2**53 + 1,
            "9007199254740993 lies beyond 2^53, where optional integers are no longer exact",
        ),
        ("must", 2**63, "9223372036854775808 does not fit a 64-bit integer"),
        ("must", -(2**63) - 1, "-9223372036854775809 does not fit a 64-bit integer"),
        ("must", 1e300, "an integer of 997 bits does not fit a 64-bit integer"),
        ("must", None, "missing, and declared int (never missing)"),
        ("must", float("nan"), "missing, and declared int (never missing)"),
        ("must", pd.NA, "missing, and declared int (never missing)"),
        ("key", None, "missing, and declared str (never missing)"),
        ("real", float("inf"), "inf is not a finite number"),
        ("real", Decimal("-Infinity"), "-inf is not a finite number"),
        ("real", "1.5", "'1.5' is text, not a number"),
        ("real", b"1.5", "b'1.5' is of type bytes, not a number"),
        ("real", [1.5], "[1.5] is of type list, not a number"),
        ("real", {"value": 1.5}, "{'value': 1.5} is of type dict, not a number"),
        ("real", False, "False is true or false, not a number"),
        (
            "real",
            np.timedelta64(1, "s"),
            "datetime.timedelta(seconds=1) is of type timedelta64, not a number",
        ),
        ("real", 2**53 + 1, "9007199254740993 has no exact float; it lies beyond 2^53"),
        ("real", 10**400, "an integer of 1329 bits does not fit a float"),
        pytest.param(
            "real", 10**5000, "an integer of 16610 bits does not fit a float", id="beyond text"
        ),
        (
            "real",
            Decimal("0.12345678901234567890"),
            "Decimal('0.12345678901234567890') has no float that keeps its digits",
        ),
        ("flag", 2, "2 is a number, not true or false"),
        ("flag", "true", "'true' is text, not true or false"),
        (
            "flag",
            np.datetime64(0, "s"),
            "1970-01-01T00:00:00Z is a time, not true or false",
        ),
        ("text", 5, "5 is a number, not text"),
        ("text", b"x", "b'x' is of type bytes, not text"),
        ("text", True, "True is true or false, not text"),
        ("text", ["x"], "['x'] is of type list, not text"),
        ("text", "\ud800", "'\\ud800' is not valid Unicode text"),
        ("choice", "green", "'green' is none of 'red', 'blue'"),
        ("choice", 1, "1 is a number, not text"),
        (
            "at",
            "2013-04-01T09:30:00",
            '2013-04-01T09:30:00 is a naive time; say its zone (Z), or mark the field Zone("UTC")',
        ),
        (
            "at",
            datetime(2013, 4, 1),  # noqa: DTZ001
            '2013-04-01T00:00:00 is a naive time; say its zone (Z), or mark the field Zone("UTC")',
        ),
        (
            "at",
            np.datetime64("2013-04-01"),
            '2013-04-01 is a naive time; say its zone (Z), or mark the field Zone("UTC")',
        ),
        (
            "at",
            "2013-04-01T09:30:00.0000001Z",
            "2013-04-01T09:30:00.0000001Z is finer than a microsecond",
        ),
        (
            "at",
            pd.Timestamp(1, tz="UTC"),
            "1970-01-01T00:00:00.000000001+00:00 is finer than a microsecond",
        ),
        (
            "at",
            datetime(1, 1, 1, tzinfo=timezone(timedelta(hours=1))),
            "lies outside the years 1 to 9999 in UTC",
        ),
        ("at", "yesterday", "'yesterday' is not a time such as 2013-04-01T09:30:00Z"),
        ("at", 1364808600, "1364808600 is a number, not a time such as 2013-04-01T09:30:00Z"),
        (
            "at",
            date(2013, 4, 1),
            "datetime.date(2013, 4, 1) is of type date, not a time such as 2013-04-01T09:30:00Z",
        ),
    ],
)
def test_a_lossy_cast_is_refused_with_its_reason(field: str, value: Any, message: str) -> None:
    assert reason(field, value) == message


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
        ("at", "2013-04-01T11:30:00+02:00", datetime(2013, 4, 1, 9, 30)),  # noqa: DTZ001
        ("at", "2013-04-01T09:30:00.1234560Z", datetime(2013, 4, 1, 9, 30, 0, 123456)),  # noqa: DTZ001
        ("at", pd.Timestamp("2013-04-01T11:30+02:00"), datetime(2013, 4, 1, 9, 30)),  # noqa: DTZ001
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


def test_a_field_that_may_be_missing_may_be_left_out() -> None:
    assert decode({"key": "k", "must": 1}, SCHEMA).rejected == ()


def test_a_long_value_is_cut_in_its_reason() -> None:
    message = reason("real", "x" * 10_000)

    assert message is not None
    assert len(message) < 120


# What is told of a refused row


MISSING_MUST = "missing, and declared int (never missing)"


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
        "Anna Karenina",
        "2013-04-01T09:30:00",
        "2013-04-01T09:30:00.1234567Z",
        ["Anna Karenina"],
        987654321987654321.5,
        98765432198765432198765,
        Decimal("98765432198765432198765.5"),
        datetime(2013, 4, 1, 9, 30),  # noqa: DTZ001
    ],
)
def test_a_refusal_repeats_nothing_of_the_value(field: str, value: Any) -> None:
    found = decode({"key": "k", "must": 1, field: value}, SCHEMA)

    for rejected in found.rejected:
        (one,) = rejected.reasons
        assert not any(told in one.refusal for told in ("Anna", "T09:30:00.1", "9876", "1, 9, 30"))
        assert one.message.endswith(one.refusal)


def test_rows_are_parted_and_counted() -> None:
    records = [{"key": name, "must": must} for name, must in zip("abcd", [1, 2.5, 3, "x"])]  # noqa: B905

    found = decode(records, SCHEMA)

    assert found.columns["key"].tolist() == ["a", "c"]
    assert found.rows.tolist() == [0, 2]
    assert [(row.row, row.key) for row in found.rejected] == [(1, "b"), (3, "d")]
    assert found.total == 4


def test_a_key_that_cannot_be_read_is_told_as_none() -> None:
    (rejected,) = decode({"key": 5, "must": 1}, SCHEMA).rejected

    assert rejected.key is None


def test_an_integer_key_is_told_as_text() -> None:
    class Numbered(Record):
        number: Key[int]
        real: float

    table = pd.DataFrame({"number": [7.0, np.nan], "real": ["x", "y"]})

    first, second = decode(table, Numbered.schema()).rejected

    assert (first.key, second.key) == ("7", None)


def test_a_refused_row_of_a_frame_holds_its_values_as_they_came() -> None:
    table = frame(must=[2.5, 2.0], more=["m", "n"])

    (rejected,) = decode(table, SCHEMA).rejected

    assert rejected.record == dict.fromkeys(SCHEMA.names) | {"key": "a", "must": 2.5, "more": "m"}


def test_a_refused_row_of_a_pyarrow_table_holds_its_values_as_they_came() -> None:
    table = pa.table(
        {**dict.fromkeys(SCHEMA.names, pa.nulls(2)), "key": ["a", "b"], "must": [2.5, 2.0]}
    )

    (rejected,) = decode(table, SCHEMA).rejected

    assert rejected.record == dict.fromkeys(SCHEMA.names) | {"key": "a", "must": 2.5}


@pytest.mark.parametrize("kind", [pa.string_view(), pa.binary_view()])
def test_a_refused_row_may_hold_views_of_texts_and_bytes(kind: pa.DataType) -> None:
    table = pa.table({**dict.fromkeys(SCHEMA.names, pa.nulls(2)), "key": ["a", "b"]})
    found = decode(table.append_column("more", pa.array(["x", "y"]).cast(kind)), SCHEMA)
    assert len(found.rejected) == 2


def test_columns_that_are_not_declared_are_listed_once() -> None:
    records = [{"key": "a", "must": 1, "x": 1}, {"key": "b", "must": 1, "y": 1, "x": 2}]

    assert decode(records, SCHEMA).ignored == ("x", "y")
    assert decode(frame(x=1, y=2), SCHEMA).ignored == ("x", "y")


# Tables


def test_a_table_without_a_column_is_refused() -> None:
    with pytest.raises(InputError) as found:
        decode(frame(extra=1).drop(columns=["real", "at"]), SCHEMA, source="today.csv")
    assert str(found.value) == (
        "today.csv lacks the columns at, real of Sample. It has columns that are not declared: "
        "extra. Add what is lacking, or change the declaration, and train and promote a version of "
        "that."
    )


def test_a_table_that_has_a_declared_column_twice_is_refused() -> None:
    table = pd.concat([frame(), frame()[["text"]]], axis=1)

    with pytest.raises(InputError) as found:
        decode(table, SCHEMA)
    assert str(found.value) == "input has the column text more than once. Keep one of them."


def test_a_table_that_has_another_column_twice_is_decoded() -> None:
    table = pd.concat([frame(x=1, must=[1.5, 2]), frame(x=2)[["x"]]], axis=1)

    found = decode(table, SCHEMA)

    assert (found.ignored, len(found.rejected), found.rows.tolist()) == (("x",), 1, [1])


@pytest.mark.parametrize(
    "name", [7, ("a", "b"), None, np.nan, pd.NA, datetime(2013, 4, 1, tzinfo=UTC)]
)
def test_column_names_that_are_no_text_are_not_declared(name: Any) -> None:
    table = frame(x=1).rename(columns={"x": name})

    found = decode(table, SCHEMA)

    assert found.rows.tolist() == [0, 1]
    assert len(found.ignored) == 1


def test_columns_in_levels_are_refused() -> None:
    table = frame()
    table.columns = pd.MultiIndex.from_product([["all"], table.columns])

    with pytest.raises(InputError, match="lacks the columns key, at, real"):
        decode(table, SCHEMA)


@pytest.mark.parametrize(
    ("columns", "field", "expected"),
    [
        ({"text": pd.Categorical(["x", None])}, "text", ["x", None]),
        ({"text": pd.Series(["x", None], dtype="string[python]")}, "text", ["x", None]),
        ({"text": pd.Series(["x", None], dtype="str")}, "text", ["x", None]),
        ({"whole": pd.Categorical([5, None])}, "whole", [5.0, None]),
        ({"whole": pd.array([5, None], "Int8")}, "whole", [5.0, None]),
        ({"flag": pd.array([True, None], "boolean")}, "flag", [1.0, None]),
        ({"real": pd.arrays.SparseArray([0.5, np.nan])}, "real", [0.5, None]),
        ({"must": pd.arrays.SparseArray([0, 5])}, "must", [0, 5]),
        ({"flag": pd.arrays.SparseArray([True, False])}, "flag", [1.0, 0.0]),
        ({"real": np.array([0.5, 1], np.float16)}, "real", [0.5, 1.0]),
        (
            {"at": pd.DatetimeIndex(["2013-04-01T09:30", None], tz="Asia/Tokyo").as_unit("s")},
            "at",
            [datetime(2013, 4, 1, 0, 30), None],  # noqa: DTZ001
        ),
    ],
)
def test_every_dtype_of_pandas_is_decoded(
    columns: Mapping[str, Any], field: str, expected: list[Any]
) -> None:
    found = decode(frame(**columns), SCHEMA)

    assert found.rejected == ()
    assert [None if value != value else value for value in found.columns[field].tolist()] == (
        expected
    )


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        ({"at": pd.to_datetime(["2013-04-01", None])}, "2013-04-01T00:00:00 is a naive time"),
        ({"at": pd.period_range("2013", periods=2, freq="Y")}, "Period('2013', 'Y-DEC') is of"),
        ({"real": pd.to_timedelta([1, None])}, "Timedelta('0 days 00:00:00.000000001') is of type"),
        ({"real": np.array([1j, np.nan])}, "1j is of type complex, not a number"),
        ({"real": np.array([np.longdouble(1) / 3, 1])}, "0.3333333333333333 has no exact float"),
        (
            {"real": pd.to_datetime(["2013-04-01", None], utc=True)},
            "2013-04-01T00:00:00Z is a time, not a number",
        ),
        ({"text": pd.interval_range(0, 2)}, "Interval(0, 1, closed='right') is of type Interval"),
        ({"text": pd.Series([b"x", None])}, "b'x' is of type bytes, not text"),
        ({"text": pd.Series(["\ud800", None], dtype=object)}, "'\\ud800' is not valid Unicode"),
        ({"flag": pd.to_timedelta([0, None])}, "Timedelta('0 days 00:00:00') is of type Timedelta"),
        ({"must": pd.array([2**63, 1], "UInt64")}, "9223372036854775808 does not fit a 64-bit"),
        ({"whole": np.array([2**53 + 1, 1])}, "9007199254740993 lies beyond 2^53"),
        ({"real": pd.Series([2**53 + 1, 1])}, "9007199254740993 has no exact float"),
    ],
)
def test_a_dtype_that_does_not_fit_is_refused(columns: Mapping[str, Any], message: str) -> None:
    rejected = decode(frame(**columns), SCHEMA).rejected[0]

    assert rejected.row == 0
    (one,) = rejected.reasons
    assert one.message.startswith(message)


@pytest.mark.parametrize(
    ("values", "kind", "field", "expected"),
    [
        ([Decimal("0.10"), None], pa.decimal128(20, 2), "real", [0.1, None]),
        ([Decimal("5.00"), None], pa.decimal256(40, 2), "whole", [5.0, None]),
        ([0.5, None], pa.float16(), "real", [0.5, None]),
        ([None, None], pa.null(), "real", [None, None]),
        (["x", None], pa.large_string(), "text", ["x", None]),
        (["x", None], pa.string_view(), "text", ["x", None]),
        (["x", None], pa.dictionary(pa.int8(), pa.string()), "text", ["x", None]),
        (["red", None], pa.dictionary(pa.int8(), pa.large_string()), "choice", ["red", None]),
        ([5, 6], pa.uint8(), "must", [5, 6]),
        ([True, None], pa.bool_(), "flag", [1.0, None]),
    ],
)
def test_every_type_of_pyarrow_is_decoded(
    values: list[Any], kind: pa.DataType, field: str, expected: list[Any]
) -> None:
    table = pa.table(
        {**dict.fromkeys(SCHEMA.names, pa.nulls(2)), "key": ["a", "b"], "must": [1, 2]}
        | {field: pa.array(values, kind)}
    )

    found = decode(table, SCHEMA)

    assert found.rejected == ()
    assert [None if value != value else value for value in found.columns[field].tolist()] == (
        expected
    )


@pytest.mark.parametrize(
    ("values", "kind", "field", "message"),
    [
        ([b"x"], pa.binary(), "text", "b'x' is of type bytes, not text"),
        ([["x"]], pa.list_(pa.string()), "text", "['x'] is of type list, not text"),
        ([{"x": 1}], pa.struct({"x": pa.int8()}), "real", "{'x': 1} is of type dict, not a number"),
        ([0], pa.date32(), "at", "datetime.date(1970, 1, 1) is of type date, not a time such as"),
        ([0], pa.timestamp("us"), "at", "1970-01-01T00:00:00 is a naive time"),
        ([2**60], pa.timestamp("s"), "at", "lies outside the years 1 to 9999 in UTC"),
        ([10**15], pa.timestamp("ms"), "real", "33658-09-27T01:46:40 is a time, not"),
        ([10**8], pa.date32(), "at", "lies outside the years 1 to 9999 in UTC"),
        ([0], pa.timestamp("us", "Mars/Base"), "real", "1970-01-01T00:00:00Z is a time, not"),
        ([1], pa.timestamp("ns", "Asia/Tokyo"), "at", "1970-01-01T00:00:00.000000001+00:00 is fin"),
        ([10**15], pa.timestamp("ms", "UTC"), "at", "lies outside the years 1 to 9999 in UTC"),
        ([2**60], pa.timestamp("s", "UTC"), "at", "lies outside the years 1 to 9999 in UTC"),
        ([Decimal("0.12345678901234567890")], pa.decimal128(30, 20), "real", "Decimal('0.1234567"),
    ],
)
def test_a_type_of_pyarrow_that_does_not_fit_is_refused(
    values: list[Any], kind: pa.DataType, field: str, message: str
) -> None:
    table = pa.table(
        {**dict.fromkeys(SCHEMA.names, pa.nulls(1)), "key": ["a"], "must": [1]}
        | {field: pa.array(values, kind)}
    )

    (rejected,) = decode(table, SCHEMA).rejected

    (one,) = rejected.reasons
    assert one.message.startswith(message)
    assert rejected.record["key"] == "a"


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
    with pytest.raises(InputError) as found:
        decode(data, SCHEMA)
    assert str(found.value) == (
        f"input: {name} cannot be decoded; give a DataFrame, a pyarrow table, a record (dict) or a "
        "list of records."
    )


@pytest.mark.parametrize("odd", [["a"], [None], [{"key": "k", "must": 1}, 5]])
def test_a_row_that_is_no_record_is_refused(odd: list[Any]) -> None:
    with pytest.raises(InputError, match=r"input: row \d is \w+, not a record"):
        decode(odd, SCHEMA)


def test_any_mapping_is_a_record() -> None:
    record = MappingProxyType({"key": "k", "must": 1, "more": 2})

    found = decode((record,), SCHEMA)

    assert (found.rows.tolist(), found.ignored) == ([0], ("more",))


@pytest.mark.parametrize("data", [[], frame().iloc[:0], pa.table(frame().iloc[:0].to_dict("list"))])
def test_no_rows_give_empty_columns_of_their_dtypes(data: Any) -> None:
    found = decode(data, SCHEMA)

    assert (found.total, found.rejected) == (0, ())
    for name, array in found.columns.items():
        assert (array.shape, array.dtype) == ((0,), SCHEMA[name].kind.dtype)


def test_all_rows_refused_give_empty_columns_of_their_dtypes() -> None:
    found = decode({"key": "k"}, SCHEMA)

    assert found.total == 1
    for name, array in found.columns.items():
        assert (array.shape, array.dtype) == ((0,), SCHEMA[name].kind.dtype)


def test_an_outcome_is_decoded_without_a_key() -> None:
    class Result(Outcome):
        y: float

    (rejected,) = decode({"y": "x"}, Result.schema()).rejected

    assert rejected.key is None


# Columns


@pytest.mark.parametrize("data", [{"key": "k", "must": 1}, [{"key": "k", "must": 1}] * 2, frame()])
def test_decoded_columns_are_in_the_order_of_the_fields_and_read_only(data: Any) -> None:
    found = decode(data, SCHEMA)

    assert tuple(found.columns) == SCHEMA.names
    assert not any(array.flags.writeable for array in (*found.columns.values(), found.rows))


def test_decoded_columns_do_not_change_with_their_source() -> None:
    table = frame(real=[0.5, 1.5], text=pd.Series(["x", "y"], dtype=object))
    found = decode(table, SCHEMA)

    table.loc[0, "real"] = 9.0
    table.loc[0, "must"] = 9
    table.loc[0, "text"] = "z"

    assert found.columns["real"].tolist() == [0.5, 1.5]
    assert found.columns["must"].tolist() == [1, 2]
    assert found.columns["text"].tolist() == ["x", "y"]


def test_decoding_leaves_its_source_writable() -> None:
    values = np.array([0.5, 1.5])

    decode(pd.DataFrame({**frame(), "real": values}, copy=False), SCHEMA)

    assert values.flags.writeable


def test_columns_of_a_frame_lie_in_memory_like_those_of_a_record() -> None:
    class Numbers(Record):
        key: Key[int]
        x: int

    table = pd.DataFrame(np.arange(6).reshape(3, 2), columns=["key", "x"], copy=False)
    assert not table["x"].to_numpy().flags.c_contiguous

    found = decode(table, Numbers.schema())

    assert found.columns["x"].flags.c_contiguous


def test_concat_joins_rows_and_keeps_dtypes() -> None:
    one = decode(frame(text=["x", None]), SCHEMA).columns

    joined = concat([one, one], SCHEMA.kinds)

    assert joined["text"].tolist() == ["x", None, "x", None]
    assert {name: array.dtype for name, array in joined.items()} == {
        name: kind.dtype for name, kind in SCHEMA.kinds.items()
    }


def test_concat_of_nothing_has_no_rows() -> None:
    assert concat([], {"x": Kind.TIME})["x"].dtype == Kind.TIME.dtype
