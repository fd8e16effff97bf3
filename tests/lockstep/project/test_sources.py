"""Sources: where rows come from, and what they say when they cannot be read."""

import gzip
import sqlite3
from contextlib import closing
from datetime import UTC, date, datetime
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from pyarrow import parquet

from lockstep.columns.records import EventTime, Key, Record
from lockstep.errors import DeclarationError, InputError, NotDeliveredError
from lockstep.project.sources import (
    CsvSource,
    FunctionSource,
    ParquetSource,
    Source,
    SqlSource,
    decode_source,
)

DAY, NEXT_DAY = date(2013, 4, 1), date(2013, 4, 2)


class Parcel(Record):
    parcel: Key[str]
    sent_at: EventTime
    note: str | None
    weight: float | None


SCHEMA = Parcel.schema()
ROWS = [
    {
        "parcel": "a",
        "sent_at": datetime(2013, 4, 1, 9, tzinfo=UTC),
        "note": "",
        "weight": 0.1,
    },
    {
        "parcel": "b",
        "sent_at": datetime(2013, 4, 1, 10, tzinfo=UTC),
        "note": None,
        "weight": None,
    },
]


def decoded(source, day=None):
    columns = decode_source(source, SCHEMA, day).columns
    return {name: array.tolist() for name, array in columns.items()}


def the_rows():
    return {
        "parcel": ["a", "b"],
        "sent_at": [datetime(2013, 4, 1, 9), datetime(2013, 4, 1, 10)],  # noqa: DTZ001
        "note": ["", None],
        "weight": pytest.approx([0.1, np.nan], nan_ok=True),
    }


@pytest.fixture
def parquet_source(tmp_path):
    parquet.write_table(pa.Table.from_pylist(ROWS), tmp_path / "2013-04-01.parquet")
    return ParquetSource(tmp_path / "{day}.parquet")


@pytest.fixture
def csv_source(tmp_path):
    (tmp_path / "2013-04-01.csv").write_text(
        'parcel,sent_at,note,weight\na,2013-04-01T09:00:00Z,"",0.1\nb,2013-04-01T10:00:00+00:00,,\n'
    )
    return CsvSource(str(tmp_path / "{day}.csv"))


@pytest.fixture
def database(tmp_path):
    path = tmp_path / "parcels.db"
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("CREATE TABLE parcels (parcel, sent_at, note, weight, day)")
        connection.executemany(
            "INSERT INTO parcels VALUES (?, ?, ?, ?, ?)",
            [
                ("a", "2013-04-01T09:00:00Z", "", 0.1, "2013-04-01"),
                ("b", "2013-04-01T10:00:00Z", None, None, "2013-04-01"),
                ("c", "2013-04-02T10:00:00Z", None, 2.0, "2013-04-02"),
            ],
        )
    return f"sqlite:///{path}"


@pytest.fixture
def sql_source(database):
    return SqlSource(
        database,
        "SELECT parcel, sent_at, note, weight FROM parcels WHERE day = :day ORDER BY parcel",
    )


@pytest.fixture
def function_source():
    return FunctionSource(lambda day: ROWS if day == DAY else [])


@pytest.fixture(params=["parquet_source", "csv_source", "sql_source", "function_source"])
def source(request):
    return request.getfixturevalue(request.param)


def test_every_form_is_a_source(source):
    assert isinstance(source, Source)


def test_every_form_gives_the_same_rows_of_a_day(source):
    assert decoded(source, DAY) == the_rows()


def test_every_form_says_what_it_is_in_a_line(source):
    assert len(source.describe().splitlines()) == 1


@pytest.mark.parametrize("kind", ["parquet_source", "csv_source"])
def test_a_file_that_is_not_there_is_named(kind, request):
    source = request.getfixturevalue(kind)
    with pytest.raises(NotDeliveredError, match=r"there is no file .*2013-04-02.*deliver it"):
        source.read(NEXT_DAY)


@pytest.mark.parametrize("kind", ["parquet_source", "csv_source", "sql_source"])
def test_a_source_by_day_cannot_be_read_without_one(kind, request):
    with pytest.raises(InputError, match="read day by day, and no day is given"):
        request.getfixturevalue(kind).read()


def test_a_source_that_does_not_say_where_the_day_goes_is_not_read_by_day(tmp_path, database):
    path = tmp_path / "all.parquet"
    parquet.write_table(pa.Table.from_pylist(ROWS), path)
    for source in (ParquetSource(path), SqlSource(database, "SELECT * FROM parcels")):
        with pytest.raises(InputError, match="the same rows for 2013-04-01 as for any other day"):
            source.read(DAY)


def test_a_file_without_days_is_read_as_a_whole(tmp_path):
    path = tmp_path / "all.parquet"
    parquet.write_table(pa.Table.from_pylist(ROWS), path)
    assert decoded(ParquetSource(path)) == the_rows()


def test_other_braces_in_a_path_are_left_alone(tmp_path):
    (tmp_path / "{x} 2013-04-01.csv").write_text("parcel\n")
    source = CsvSource(tmp_path / "{x} {day}.csv")
    assert source.read(DAY).name == "{x} 2013-04-01.csv"


def test_a_file_of_another_kind_is_refused_when_it_is_declared():
    with pytest.raises(DeclarationError, match=r"flights\.csv.*\.parquet"):
        ParquetSource("flights.csv")


def test_a_query_with_the_day_as_text_is_refused_when_it_is_declared():
    with pytest.raises(DeclarationError, match="write :day"):
        SqlSource("sqlite://", "SELECT * FROM parcels WHERE day = '{day}'")


def test_a_query_without_days_is_read_as_a_whole(database):
    query = "SELECT parcel, sent_at, note, weight FROM parcels"
    assert decoded(SqlSource(database, query))["parcel"] == ["a", "b", "c"]


def test_a_query_that_finds_no_rows_still_has_its_columns(database):
    query = "SELECT parcel, sent_at, note, weight FROM parcels WHERE day = :day"
    assert decoded(SqlSource(database, query), date(2014, 1, 1))["parcel"] == []


def test_a_query_that_lacks_a_column_is_named(database):
    source = SqlSource(database, "SELECT parcel, sent_at, weight FROM parcels")
    with pytest.raises(InputError, match=r"SQL on sqlite:.*lacks the column note"):
        decode_source(source, SCHEMA)


def test_a_table_that_is_not_there_is_named(database):
    with pytest.raises(InputError, match=r"no such table: letters.*Check that"):
        SqlSource(database, "SELECT * FROM letters").read()


def test_a_database_that_is_not_there_is_named_and_not_made(tmp_path):
    path = tmp_path / "missing.db"
    with pytest.raises(InputError, match=r"there is no file .*missing\.db"):
        SqlSource(f"sqlite:///{path}", "SELECT 1").read()
    assert not path.exists()


def test_an_address_that_is_none_is_refused():
    with pytest.raises(InputError, match="Could not parse SQLAlchemy URL"):
        SqlSource("parcels", "SELECT 1").read()


def test_a_driver_that_is_not_installed_is_named():
    with pytest.raises(InputError, match="the driver MySQLdb is not installed"):
        SqlSource("mysql://localhost/parcels", "SELECT 1").read()


def test_a_password_is_never_shown():
    source = SqlSource("postgresql://reader:secret@db.example/parcels", "SELECT 1")
    assert "secret" not in repr(source) + source.describe()


def test_a_function_without_a_day_is_called_with_nothing():
    assert FunctionSource(lambda: ROWS).read() is ROWS


@pytest.mark.parametrize("form", [pd.DataFrame, pa.Table.from_pylist])
def test_a_function_may_return_a_table(form):
    assert decoded(FunctionSource(lambda: form(ROWS)))["parcel"] == ["a", "b"]


def failing(day):
    raise KeyError("depot")


def test_a_function_that_raises_is_named_with_the_day_and_the_cause():
    with pytest.raises(
        InputError, match=r"failing, for 2013-04-01 raised KeyError: 'depot'"
    ) as found:
        FunctionSource(failing).read(DAY)
    assert isinstance(found.value.__cause__, KeyError)


def test_a_function_that_misses_a_file_says_that_it_is_not_delivered_yet(tmp_path):
    def read(day):
        return pd.read_csv(tmp_path / f"{day}.csv")

    with pytest.raises(NotDeliveredError, match=r"read, for 2013-04-01: .*2013-04-01\.csv"):
        FunctionSource(read).read(DAY)


def test_an_error_that_is_clear_already_is_passed_on():
    def unreadable():
        raise InputError("the depot is closed")

    with pytest.raises(InputError, match=r"^the depot is closed$"):
        FunctionSource(unreadable).read()


@pytest.mark.parametrize("returned", [None, "a,b\n1,2\n", 42, (row for row in ROWS)])
def test_a_function_that_returns_no_rows_is_named_with_what_it_returned(returned):
    with pytest.raises(InputError, match=f"returned {type(returned).__name__}; return a DataFrame"):
        FunctionSource(lambda: returned).read()


def test_a_compressed_csv_file_is_a_source(tmp_path: Path) -> None:
    path = tmp_path / "2024-01-01.csv.gz"
    path.write_bytes(gzip.compress(b"key,x\na,1\n"))

    class Row(Record):
        key: Key[str]
        x: float

    source = CsvSource(tmp_path / "{day}.csv.gz")
    assert decode_source(source, Row.schema(), date(2024, 1, 1)).columns["x"].tolist() == [1.0]
