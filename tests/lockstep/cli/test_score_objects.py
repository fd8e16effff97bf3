"""Files of an object store that a command names: scored as files of this machine, by content."""

import json
from datetime import date
from pathlib import Path

import pandas as pd
import pytest
from pyarrow import parquet

from tests.fixtures.commands import Lockstep
from tests.fixtures.object_store import SECRET, Bucket, ObjectStore
from tests.fixtures.order_store import orders_of
from tests.fixtures.orders import Workplace

ROWS = orders_of(date(2020, 4, 1), 40)


def published(lockstep: Lockstep, file: str) -> tuple[str, pd.DataFrame]:
    """The partition of a file that is scored, and what is published of it."""
    answer = lockstep("score", "orders", "--file", file, "--json")
    assert answer.status == 0, answer
    (run,) = json.loads(answer.out)["runs"]
    path = run["materialized"]["orders/inbox/published"]["path"]
    return run["partition"], parquet.read_table(path).to_pandas()


def test_an_object_is_scored_as_the_file_of_its_content_and_is_one_partition(
    live: Workplace, lockstep: Lockstep, bucket: Bucket, tmp_path: Path
) -> None:
    local = tmp_path / "elsewhere.parquet"
    ROWS.to_parquet(local, index=False)
    bucket.put("in/monday.parquet", local.read_bytes())
    address, before = f"{bucket.address}/in/monday.parquet", bucket.state()
    partition, rows = published(lockstep, address)
    assert partition.startswith("monday-")
    assert len(rows) == 40
    for file in (address, str(local), f"file://{local}"):
        again, same = published(lockstep, file)
        assert again == partition
        kept = [name for name in rows if name not in ("scored_at", "came_at")]
        pd.testing.assert_frame_equal(same[kept], rows[kept])
    assert live.records("inbox").partitions() == [partition]
    assert bucket.state() == before
    assert list(live.home.fetched.iterdir()) == []


def test_a_folder_of_part_files_is_scored_once_it_is_whole(
    live: Workplace, lockstep: Lockstep, bucket: Bucket
) -> None:
    for name, part in (("part-0.csv", ROWS[:20]), ("part-1.csv", ROWS[20:])):
        bucket.put(f"in/tuesday/{name}", part.to_csv(index=False))
    address = f"{bucket.address}/in/tuesday"
    assert lockstep("score", "orders", "--file", address).error == (
        f"{address} is a folder without _SUCCESS. Once it is whole, put an empty _SUCCESS into it, "
        "or correct its _MANIFEST."
    )
    bucket.put("in/tuesday/_SUCCESS", b"")
    assert len(published(lockstep, address)[1]) == 40


def test_an_object_that_is_missing_or_no_table_is_one_line(
    live: Workplace, lockstep: Lockstep, bucket: Bucket
) -> None:
    bucket.put("notes.xlsx", b"PK")
    missing, notes = f"{bucket.address}/nothing.csv", f"{bucket.address}/notes.xlsx"
    told = lockstep("score", "orders", "--file", missing).error
    assert told == f"{missing}: there is nothing there; deliver it, or correct the address."
    assert "is none of .csv, .parquet, .jsonl" in lockstep("score", "orders", "--file", notes).error
    assert not live.home.inbox("orders").exists()


def test_a_store_that_does_not_answer_is_one_line_and_nothing_is_written(
    live: Workplace, lockstep: Lockstep, object_store: ObjectStore, bucket: Bucket
) -> None:
    object_store.stop()
    try:
        address = f"{bucket.address}/in/monday.csv"
        told = lockstep("score", "orders", "--file", address).error
    finally:
        object_store.start_again()
    assert told.startswith(f"{address} cannot be read now: ")
    assert SECRET not in told
    assert not live.home.inbox("orders").exists()


@pytest.mark.parametrize("address", ["nowhere://bucket/a.csv", "s3://key:hidden@bucket/a.csv"])
def test_what_is_no_address_is_one_line(live: Workplace, lockstep: Lockstep, address: str) -> None:
    told = lockstep("score", "orders", "--file", address).error
    assert "no address that fsspec knows" in told or "holds a password" in told
    assert "hidden" not in told
