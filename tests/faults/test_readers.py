"""Hundreds read what is published while it is replaced: each sees one whole partition."""

from __future__ import annotations

from contextlib import suppress
from functools import partial
from pathlib import Path

import pyarrow as pa
import pytest
from pyarrow import dataset, parquet

from lockstep.checks.handovers import Handovers
from lockstep.errors import ReplacedError
from lockstep.project.sinks import ParquetSink
from lockstep.store.attempts import StepRecord
from lockstep.store.partition_records import Records
from tests.fixtures.readers import read_by_many

pytestmark = pytest.mark.long

DAY = "2020-03-01"
ROWS = 500


def publish(place: Handovers, number: int) -> None:
    """Publish rows that all have the same number."""
    records = place.records
    with records.step(DAY, "published", f"run {number}") as attempt:
        columns = {"id": range(ROWS + number % 2), "x": [number % 2] * (ROWS + number % 2)}
        attempt.write("published", pa.table({**columns, "version": [1] * len(columns["x"])}))
        attempt.keep("published", StepRecord({"published": ROWS}, version=1))
        records.commit(attempt)
        place.hand_over(attempt)


def read_published(records: Records) -> pa.Table:
    """Read what the record names; once more where that was replaced since it was opened."""
    while True:
        with suppress(ReplacedError):
            return records.demand(DAY).read("published")


def read(records: Records, tree: Path) -> str:
    """Read the file, the tree, and what the record names; a word where each is whole."""
    tables = (
        parquet.ParquetFile(records.export_path(DAY)).read(),
        dataset.dataset(tree, partitioning="hive").to_table(),
        read_published(records),
    )
    for table in tables:
        (number,) = set(table["x"].to_pylist())
        assert table["id"].to_pylist() == list(range(ROWS + number))
    return "whole"


@pytest.mark.parametrize(("readers", "times"), [(24, 6), (240, 30)])
def test_readers_see_a_whole_partition_each_time(tmp_path: Path, readers: int, times: int) -> None:
    records = Records(tmp_path / "daily", lambda day: f"score {day}", exported="published")
    place = Handovers("orders", records, [ParquetSink(str(tmp_path / "predictions"))])
    publish(place, 0)
    found = read_by_many(
        partial(read, records, tmp_path / "predictions" / "current"),
        {"whole"},
        lambda number: publish(place, number + 1),
        scratch=tmp_path,
        readers=readers,
        times=times,
    )
    assert found.readers == readers
    assert found.reads >= 3 * readers
    assert (found.partial, found.examples) == (0, [])
