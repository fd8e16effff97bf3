"""Marks of fields: other names in data, rows without a name, times without a zone."""

# ruff: noqa: DTZ001  times without a zone are what is tested

from datetime import date, datetime
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from pyarrow import csv, parquet

from lockstep import EventTime, Key, Missing, Named, Record, RowNumber, Zone
from lockstep.columns.decode import decode
from lockstep.columns.files import decode_file
from lockstep.columns.schema import Schema
from lockstep.errors import DeclarationError, InputError


class Parcel(Record):
    parcel: Annotated[Key[str], Named("Parcel No.")]
    class_: Annotated[int, Named("class")]
    weight: float


class Letter(Record):
    letter: Key[str]
    class_: Annotated[int | None, Named("class")]


class Line(Record):
    row: RowNumber
    x: float


class Answers(Record):
    name: Key[str]
    age: Annotated[float | None, Missing("NA", "?")]
    town: Annotated[str | None, Missing("?")]


class Visit(Record):
    visit: Key[int]
    at: Annotated[EventTime, Zone("Europe/Berlin")]
    until: Annotated[datetime | None, Zone("Europe/Berlin")]


ROWS = [
    {"Parcel No.": "a", "class": 1, "weight": 2.5},
    {"Parcel No.": "b", "class": 2, "weight": 3},
]


FORMS = pytest.mark.parametrize("form", ["records", "pyarrow", "pandas", "csv", "parquet"])


def _decoded(declared: type[Record], rows: list[dict[str, Any]], form: str, folder: Path) -> Any:
    table, path = pa.Table.from_pylist(rows), folder / f"rows.{form}"
    if form == "csv":
        csv.write_csv(table, path)
    if form == "parquet":
        parquet.write_table(table, path)
    if path.exists():
        return decode_file(path, declared.schema())
    data = {"records": rows, "pyarrow": table, "pandas": pd.DataFrame(rows)}[form]
    return decode(data, declared.schema())


@FORMS
def test_a_column_of_another_name_is_its_field(form: str, tmp_path: Any) -> None:
    found = _decoded(Parcel, ROWS, form, tmp_path)
    assert found.columns["parcel"].tolist() == ["a", "b"]
    assert found.columns["class_"].tolist() == [1, 2]
    assert (found.rejected, found.ignored) == ((), ())


VISIT = {"visit": 1, "until": None}
SENT = {"letter": "a", "class": 3}
MIDNIGHT = datetime(2020, 6, 30, 22)


@pytest.mark.parametrize(
    ("declared", "data", "field", "values"),
    [
        pytest.param(Parcel, {**ROWS[0]}, "class_", [1], id="its name in data"),
        pytest.param(
            Parcel, {"parcel": "a", "class_": 1, "weight": 2.5}, "class_", [1], id="its own name"
        ),
        pytest.param(Letter, SENT, "class_", [3.0], id="an optional field, in one record"),
        pytest.param(Letter, [SENT] * 2, "class_", [3.0] * 2, id="an optional field, in many"),
        pytest.param(Line, {"x": 0.5}, "row", [0], id="a single record is row 0"),
        pytest.param(
            Line, pd.DataFrame({"row": [7, 9], "x": [0.5, 1.5]}), "row", [7, 9], id="given numbers"
        ),
        pytest.param(Visit, {**VISIT, "at": "2020-07-01"}, "at", [MIDNIGHT], id="text of a date"),
        pytest.param(Visit, {**VISIT, "at": date(2020, 7, 1)}, "at", [MIDNIGHT], id="a date"),
        pytest.param(
            Answers, {"name": "a", "age": 3.5, "town": None}, "age", [3.5], id="beside no values"
        ),
    ],
)
def test_a_marked_field_is_found_and_has_these_values(
    declared: type[Record], data: Any, field: str, values: list[Any]
) -> None:
    assert decode(data, declared.schema()).columns[field].tolist() == values


@pytest.mark.parametrize("form", [list, pd.DataFrame], ids=["records", "pandas"])
def test_a_field_under_both_its_names_is_refused(form: Any) -> None:
    with pytest.raises(InputError, match="has the column class_ more than once"):
        decode(form([{**ROWS[0], "class_": 1}]), Parcel.schema())


def test_a_lacking_column_is_told_by_its_name_in_data() -> None:
    with pytest.raises(InputError, match=r"lacks the column Parcel No\. of Parcel"):
        decode(pd.DataFrame({"class": [1], "weight": [1.0]}), Parcel.schema())


@FORMS
def test_rows_without_a_name_are_numbered(form: str, tmp_path: Any) -> None:
    found = _decoded(Line, [{"x": 0.5}, {"x": 1.5}, {"x": 2.5}], form, tmp_path)
    assert found.columns["row"].tolist() == [0, 1, 2]


def test_a_row_number_that_some_records_lack_is_refused_there() -> None:
    found = decode([{"row": 7, "x": 0.5}, {"x": 1.5}], Line.schema())
    assert [row.row for row in found.rejected] == [1]


@pytest.mark.parametrize(
    "value",
    [
        "2020-07-01T02:00",
        "2020-07-01 02:00:00",
        datetime(2020, 7, 1, 2),
        np.datetime64("2020-07-01T02:00"),
        pd.Timestamp("2020-07-01 02:00"),
        "2020-07-01T00:00Z",
        pd.Timestamp("2020-07-01 00:00", tz="UTC"),
    ],
    ids=["T", "space", "datetime", "numpy", "pandas", "zoned text", "zoned"],
)
@pytest.mark.parametrize("form", [list, pd.DataFrame], ids=["records", "pandas"])
def test_a_time_without_a_zone_is_in_the_declared_one(value: Any, form: Any) -> None:
    data = form([{**VISIT, "at": value}])
    (found,) = decode(data, Visit.schema()).columns["at"].tolist()
    assert found == datetime(2020, 7, 1)


def test_a_parquet_column_of_naive_times_is_in_the_declared_zone() -> None:
    table = pa.table(
        {
            "visit": [1, 2],
            "at": pa.array([datetime(2020, 7, 1, 2), datetime(2020, 1, 1, 1)], pa.timestamp("ns")),
            "until": pa.array([None, datetime(2020, 7, 2)], pa.timestamp("us")),
        }
    )
    found = decode(table, Visit.schema())
    assert found.columns["at"].tolist() == [datetime(2020, 7, 1), datetime(2020, 1, 1)]
    assert np.isnat(found.columns["until"]).tolist() == [True, False]


@pytest.mark.parametrize(
    ("value", "said"),
    [
        ("2020-10-25T02:30", "2020-10-25T02:30:00 is twice shown by the clocks"),
        ("2020-03-29T02:30", "2020-03-29T02:30:00 is never shown by the clocks"),
    ],
    ids=["twice", "never"],
)
def test_a_time_that_clocks_show_twice_or_never_is_refused(value: str, said: str) -> None:
    (row,) = decode({**VISIT, "at": value}, Visit.schema()).rejected
    assert said in str(row)


@FORMS
def test_texts_that_stand_for_no_value_are_missing(form: str, tmp_path: Any) -> None:
    rows = [{"name": "a", "age": "NA", "town": "?"}, {"name": "b", "age": "?", "town": "Ulm"}]
    found = _decoded(Answers, rows, form, tmp_path)
    assert np.isnan(found.columns["age"]).tolist() == [True, True]
    assert found.columns["town"].tolist() == [None, "Ulm"]


def test_marks_survive_storage() -> None:
    for declared in (Parcel, Line, Visit, Answers):
        assert Schema.from_json(declared.schema().to_json()) == declared.schema()


@pytest.mark.parametrize(
    ("mark", "message"),
    [
        (Annotated[float, Missing("NA")], r"Odd\.field has texts that stand for no value"),
        (Annotated[datetime, Zone("Mars/Base")], r"Odd\.field: there is no time zone 'Mars/Base'"),
        (Annotated[float, Zone("UTC")], "only a datetime has a Zone"),
    ],
)
def test_a_mark_that_its_field_cannot_have_is_refused(mark: Any, message: str) -> None:
    class Odd(Record):
        name: Key[str]
        field: mark

    with pytest.raises(DeclarationError, match=message):
        Odd.schema()
