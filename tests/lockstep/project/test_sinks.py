"""Sinks keep published predictions for consumers, who read them with a line of their own tools."""

import json
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime
from itertools import count
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import fsspec
import pandas as pd
import pyarrow as pa
import pytest
import sqlalchemy
from pyarrow.parquet import write_table

from lockstep import ParquetSink, PipelineAssets, SqlSink
from lockstep.errors import DeclarationError, SinkError
from lockstep.project.sinks import PublishedRows
from tests.fixtures.postgres import running_postgres

AT = datetime(2020, 3, 2, tzinfo=UTC)
FOLDER = TemporaryDirectory()
NUMBERS = count()


def of_day(risks: dict[str, float | None], version: int = 1, **others: Any) -> PublishedRows:
    """Published rows of a day."""
    return in_a_file(table_of(risks, version, **others), version)


def in_a_file(table: pa.Table, version: int) -> PublishedRows:
    file = Path(FOLDER.name) / f"{next(NUMBERS)}.parquet"
    write_table(table, file)
    return PublishedRows("orders", "daily", "2020-03-01", version, file)


def table_of(risks: dict[str, float | None], version: int, **others: Any) -> pa.Table:
    """Published rows: a risk by key."""
    columns = {
        "order_id": pa.array(list(risks), pa.string()),
        "risk": pa.array(list(risks.values()), pa.float64()),
        **others,
        "version": pa.array([version] * len(risks), pa.int64()),
        "scored_at": pa.array([AT] * len(risks), pa.timestamp("us", tz="UTC")),
    }
    return pa.table(columns)


@pytest.fixture(scope="module")
def postgres() -> Iterator[str]:
    """The address of a database on a PostgreSQL server."""
    with running_postgres() as server:
        server.create("scores")
        yield server.url("scores")


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.long)])
def sql(request: pytest.FixtureRequest, tmp_path: Path) -> SqlSink:
    """A sink in a database, of whose table there is nothing yet."""
    if request.param == "sqlite":
        return SqlSink(f"sqlite:///{tmp_path}/made/predictions.db")
    return SqlSink(request.getfixturevalue("postgres"), f"predictions_{tmp_path.name}")


def rows(sink: SqlSink, query: str = "SELECT order_id, version, risk, is_current FROM {}") -> set:
    engine = sqlalchemy.create_engine(sink.url, poolclass=sqlalchemy.NullPool)
    with engine.connect() as connection:
        found = connection.execute(sqlalchemy.text(query.format(sink.table)))
        return {tuple(row) for row in found}


def test_rows_handed_over_twice_are_there_once_and_those_withdrawn_are_gone(sql) -> None:
    sql.write(of_day({"a": 0.5, "b": None, "c": 0.25}))
    sql.write(of_day({"a": 0.5, "b": 0.125}))
    sql.write(of_day({"a": 0.5, "b": 0.125}))
    assert rows(sql) == {("a", 1, 0.5, True), ("b", 1, 0.125, True)}


def test_two_versions_are_side_by_side_in_the_table_and_one_is_current(sql) -> None:
    sql.write(of_day({"a": 0.5, "b": 0.5}))
    sql.write(of_day({"a": 0.75}, version=2))
    former = {("a", 1, 0.5, False), ("b", 1, 0.5, False)}
    assert rows(sql) == {*former, ("a", 2, 0.75, True)}
    sql.write(of_day({"a": 0.5}))  # rolled back
    assert rows(sql) == {("a", 1, 0.5, True), ("a", 2, 0.75, False)}


def test_other_partitions_and_streams_are_left_as_they_are(sql) -> None:
    day = of_day({"a": 0.5})
    for other in (day, replace(day, partition="2020-03-02"), replace(day, stream="inbox")):
        sql.write(other)
    sql.write(of_day({"a": 0.75}))
    current = "SELECT stream, partition, risk FROM {} WHERE is_current"
    assert rows(sql, current) == {
        ("daily", "2020-03-01", 0.75),
        ("daily", "2020-03-02", 0.5),
        ("inbox", "2020-03-01", 0.5),
    }


def test_a_partition_that_breaks_off_midway_leaves_the_table_as_it_was(sql) -> None:
    sql.write(of_day({"a": 0.5}))
    rows_now = table_of({"a": 0.75, "b": 0.75}, 1)
    doubled = pa.concat_tables([rows_now, rows_now])  # the key refuses it, after the delete
    with pytest.raises(sqlalchemy.exc.IntegrityError):
        sql.write(in_a_file(doubled, 1))
    assert rows(sql) == {("a", 1, 0.5, True)}


@pytest.mark.long
def test_a_row_that_a_database_cannot_take_is_set_aside_and_the_others_are_written(
    postgres,
) -> None:
    sink = SqlSink(postgres, "of_nul")
    long = "".join(map(str, range(9_999)))  # beyond what an index of PostgreSQL takes
    keys = ("a", "b\0", "c", long, "e")
    notes = pa.array(["", "", "x\0", "", None])
    refused = sink.write(of_day(dict.fromkeys(keys, 0.5), note=notes))
    reason = "3 rows are kept in of_nul_quarantine instead: ValueError: A string literal cannot"
    assert str(refused).startswith(reason)
    assert rows(sink) == {("a", 1, 0.5, True), ("e", 1, 0.5, True)}
    query = "SELECT row, reason, record FROM {}_quarantine"
    kept = {number: json.loads(record) for number, _, record in rows(sink, query)}
    assert {number: row["order_id"] for number, row in kept.items()} == {1: "b\0", 2: "c", 3: long}
    assert sink.write(of_day({"a": 0.5, "b": 0.5})) is None
    assert rows(sink, query) == set()


def test_a_version_with_a_new_output_adds_its_column(sql) -> None:
    sql.write(of_day({"a": 0.5}))
    sql.write(of_day({"a": 0.5}, version=2, late=pa.array([True]), note=pa.array(["x"])))
    query = "SELECT version, late, note FROM {}"
    assert rows(sql, query) == {(1, None, None), (2, True, "x")}


def test_a_table_of_somebody_else_is_refused_and_left_alone(tmp_path) -> None:
    with closing(sqlite3.connect(tmp_path / "theirs.db")) as database, database:
        database.execute("CREATE TABLE predictions (order_id TEXT)")
    sink = SqlSink(f"sqlite:///{tmp_path}/theirs.db")
    with pytest.raises(SinkError, match="has no column pipeline, stream, partition"):
        sink.write(of_day({"a": 0.5}))
    assert rows(sink, "SELECT name FROM pragma_table_info('{}')") == {("order_id",)}


def test_a_password_is_not_told() -> None:
    sink = SqlSink("postgresql+psycopg2://me:secret@db/scores")
    assert "secret" not in f"{sink.describe()} {sink}"


@pytest.fixture(params=["folder", "memory"])
def parquet(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[ParquetSink]:
    """A sink in a folder, or in an object store."""
    if request.param == "folder":
        yield ParquetSink(tmp_path / "predictions")
        return
    yield ParquetSink("memory://bucket/predictions")
    fsspec.filesystem("memory").rm("/bucket", recursive=True)


def test_a_line_of_pandas_reads_each_row_once_by_the_version_that_counts(parquet) -> None:
    parquet.write(of_day({"a": 0.5, "b": 0.5}))
    parquet.write(replace(of_day({"a": 0.125}), partition="2020-03-02"))
    parquet.write(of_day({"a": 0.75}, version=2))
    current = pd.read_parquet(f"{parquet.path}/current")
    assert set(zip(current["partition"], current["order_id"], current["version"], strict=True)) == {
        ("2020-03-01", "a", 2),
        ("2020-03-02", "a", 1),
    }
    assert set(current["pipeline"]) == {"orders"}


def test_a_line_of_pandas_reads_all_versions_side_by_side(parquet) -> None:
    parquet.write(of_day({"a": 0.5, "b": 0.5}))
    parquet.write(of_day({"a": 0.75}, version=2))
    parquet.write(of_day({"a": 0.25}))
    both = pd.read_parquet(f"{parquet.path}/versions")
    assert set(zip(both["order_id"], both["version"].astype(int), both["risk"], strict=True)) == {
        ("a", 1, 0.25),
        ("a", 2, 0.75),
    }


def test_a_name_of_a_file_with_any_letters_is_one_partition(parquet) -> None:
    """Also where it is as long as a claimed file's may be, and spelt out would be longer."""
    digest = "-0123456789ab.parquet"
    names = {
        "März 1/2=3%.csv",
        f"{'ж' * 90}{digest}",
        f"{'ж' * 89}я{digest}",
        f"{'= ' * 90}{digest}",
    }
    for name in names:
        parquet.write(replace(of_day({"a": 0.5}), partition=name))
    for tree in ("current", "versions"):
        assert set(pd.read_parquet(f"{parquet.path}/{tree}")["partition"]) == names


def test_a_sink_that_is_declared_twice_is_refused(orders: PipelineAssets) -> None:
    with pytest.raises(DeclarationError, match=r"Parquet files in scores twice"):
        replace(orders, sinks=[ParquetSink("scores"), ParquetSink("scores")])


def test_what_is_no_sink_is_refused(orders: PipelineAssets) -> None:
    with pytest.raises(DeclarationError, match=r"sinks\[0\] is 'scores'; give a ParquetSink"):
        replace(orders, sinks=["scores"])


@pytest.fixture
def orders() -> PipelineAssets:
    from assets.orders import ASSETS

    return ASSETS
