"""Sources in an object store: read like files, once a day, and told by their address."""

import gzip
import io
from datetime import UTC, date, datetime
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from lockstep.columns.decode import Decoded
from lockstep.columns.records import EventTime, Key, Record
from lockstep.columns.units import Units
from lockstep.errors import (
    DeclarationError,
    InputError,
    NotDeliveredError,
    UnavailableError,
    UnreadableError,
)
from lockstep.project.object_stores import StoreAddress
from lockstep.project.sinks import ParquetSink
from lockstep.project.sources import CsvSource, ParquetSource, decode_source, read_source
from tests.fixtures.object_store import SECRET, Bucket, ObjectStore

DAY = date(2013, 4, 1)


class Parcel(Record):
    parcel: Key[str]
    sent_at: EventTime
    weight: float | None


SCHEMA = Parcel.schema()


def parcels(count: int) -> pd.DataFrame:
    return pd.DataFrame(
        {
            "parcel": [f"p{number:06}" for number in range(count)],
            "sent_at": datetime(2013, 4, 1, 9, tzinfo=UTC),
            "weight": np.arange(count) / 8,
        }
    )


def as_parquet(frame: pd.DataFrame) -> bytes:
    file = io.BytesIO()
    frame.to_parquet(file, row_group_size=60_000)
    return file.getvalue()


def read_all(rows: Decoded | Units) -> list[str]:
    units = Units.of(rows).units
    return [key for unit in units for key in unit.read(SCHEMA).columns["parcel"]]


def test_an_object_whose_name_is_too_long_for_a_file_is_read(
    bucket: Bucket, tmp_path: Path
) -> None:
    name = f"{'ж' * 200}.parquet"
    bucket.put(name, as_parquet(parcels(3)))
    source = ParquetSource(f"{bucket.address}/{name}")
    assert len(decode_source(source, SCHEMA).columns["parcel"]) == 3
    assert len(read_all(read_source(source, SCHEMA, tmp_path))) == 3


def test_a_day_of_a_compressed_csv_file_is_read(bucket: Bucket, tmp_path: Path) -> None:
    text = parcels(3).to_csv(index=False)
    bucket.put(f"days/{DAY}.csv.gz", gzip.compress(text.encode()))
    source = CsvSource(f"{bucket.address}/days/{{day}}.csv.gz")
    expected = parcels(3)["parcel"].tolist()
    assert decode_source(source, SCHEMA, DAY).columns["parcel"].tolist() == expected
    assert read_all(read_source(source, SCHEMA, tmp_path, DAY)) == expected
    assert list(tmp_path.iterdir()) == []


def test_a_large_file_is_read_in_units_of_a_copy_that_is_removed_after(
    bucket: Bucket, tmp_path: Path
) -> None:
    bucket.put("all.parquet", as_parquet(parcels(150_000)))
    rows = read_source(ParquetSource(f"{bucket.address}/all.parquet"), SCHEMA, tmp_path / "scratch")
    assert isinstance(rows, Units)
    assert len(rows.units) > 1
    assert read_all(rows) == parcels(150_000)["parcel"].tolist()
    assert [*rows.scratch] == list((tmp_path / "scratch").iterdir())


def test_what_has_not_come_yet_is_named_by_its_address(bucket: Bucket, tmp_path: Path) -> None:
    source = ParquetSource(f"{bucket.address}/days/{{day}}.parquet")
    address = f"{bucket.address}/days/{DAY}.parquet"
    for read in (
        lambda: decode_source(source, SCHEMA, DAY),
        lambda: read_source(source, SCHEMA, tmp_path, DAY),
    ):
        with pytest.raises(NotDeliveredError, match=f"{address}: there is nothing there; deliver"):
            read()


def test_what_cannot_be_read_is_named_by_its_address(bucket: Bucket, tmp_path: Path) -> None:
    bucket.put("lacking.csv", "parcel,weight\na,1\n")
    source, address = (CsvSource(f"{bucket.address}/lacking.csv"), f"{bucket.address}/lacking.csv")
    for read in (
        lambda: decode_source(source, SCHEMA),
        lambda: read_source(source, SCHEMA, tmp_path),
    ):
        with pytest.raises(UnreadableError) as refused:
            read()
        assert str(refused.value).startswith(f"{address} lacks the column sent_at")
        assert str(tmp_path) not in str(refused.value)
    assert list(tmp_path.iterdir()) == []


def test_a_unit_that_cannot_be_read_is_named_by_the_address(bucket: Bucket, tmp_path: Path) -> None:
    bucket.put("all.parquet", as_parquet(parcels(150_000).drop(columns="weight")))
    address = f"{bucket.address}/all.parquet"
    rows = read_source(ParquetSource(address), SCHEMA, tmp_path)
    with pytest.raises(UnreadableError) as refused:
        read_all(rows)
    assert str(rows.failing(refused.value)).startswith(f"{address} lacks the column weight")


def test_an_object_that_is_replaced_while_it_is_read_is_read_again(
    bucket: Bucket, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bucket.put("all.csv", parcels(2).to_csv(index=False))
    read = StoreAddress.read

    def replacing(address: StoreAddress, *limits: int) -> bytes:
        data = read(address, *limits)
        bucket.put("all.csv", parcels(3).to_csv(index=False))
        return data

    source = CsvSource(f"{bucket.address}/all.csv")
    with monkeypatch.context() as patch:
        patch.setattr(StoreAddress, "read", replacing)
        with pytest.raises(UnavailableError, match="was replaced while it was read"):
            read_source(source, SCHEMA, tmp_path)
    assert list(tmp_path.iterdir()) == []
    assert len(read_all(read_source(source, SCHEMA, tmp_path))) == 3


def test_a_store_that_does_not_answer_is_one_line_without_secrets(
    object_store: ObjectStore, bucket: Bucket
) -> None:
    bucket.put("all.csv", parcels(2).to_csv(index=False))
    object_store.stop()
    try:
        with pytest.raises(UnavailableError) as refused:
            decode_source(CsvSource(f"{bucket.address}/all.csv"), SCHEMA)
    finally:
        object_store.start_again()
    message = str(refused.value)
    assert message.startswith(f"{bucket.address}/all.csv cannot be read now: ")
    assert "\n" not in message
    assert SECRET not in message


@pytest.mark.parametrize(
    "declare",
    [
        lambda address: CsvSource(f"{address}/a.csv"),
        lambda address: ParquetSource(f"{address}/a.parquet"),
        lambda address: ParquetSink(f"{address}/predictions"),
    ],
    ids=["CSV", "Parquet", "sink"],
)
def test_a_password_in_an_address_is_refused_when_it_is_declared(declare) -> None:
    with pytest.raises(DeclarationError, match="holds a password") as refused:
        declare("s3://key:hidden@bucket")
    assert "hidden" not in str(refused.value)


def test_a_signature_in_an_address_is_not_told() -> None:
    source = CsvSource("https://host.example/a.csv?signature=hidden")
    assert source.describe() == "CSV file https://host.example/a.csv"


def test_an_object_of_another_kind_is_refused_when_it_is_declared() -> None:
    with pytest.raises(
        DeclarationError, match=r"s3://bucket/a\.xlsx: the name of this file should"
    ):
        CsvSource("s3://bucket/a.xlsx")


def test_a_store_without_its_library_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    from fsspec.registry import known_implementations

    lacking = {"class": "no_such_store.FileSystem", "err": "Install no-such-store to read from it"}
    monkeypatch.setitem(known_implementations, "nss", lacking)
    with pytest.raises(InputError, match=r"nss://bucket/a\.csv: Install no-such-store"):
        decode_source(CsvSource("nss://bucket/a.csv"), SCHEMA)


def test_a_file_by_its_address_is_a_file(tmp_path: Path) -> None:
    (tmp_path / "all.csv").write_text(parcels(2).to_csv(index=False))
    assert CsvSource(f"file://{tmp_path}/all.csv").read() == tmp_path / "all.csv"
