"""Rows of a file whose keys another file published before are told, since both are read."""

import gc
import tracemalloc
from pathlib import Path

import pandas as pd
import pytest

from assets.orders import ASSETS
from lockstep.columns.decode import decode
from lockstep.columns.tables import to_arrow
from lockstep.scoring.restated import published_elsewhere
from lockstep.store.attempts import StepRecord, write_part
from lockstep.store.partition_records import Records
from lockstep.store.results import CheckResult
from tests.fixtures.order_store import DAY, orders_of

ROWS = orders_of(DAY)


@pytest.fixture
def restated(place):
    """Scores orders as a file, and gives what is found of their keys."""

    def found(name: str, frame: pd.DataFrame) -> CheckResult:
        names = ASSETS.pipeline.record_schema.names
        scored = place.score(frame, name, "inbox", accept=names)
        assert scored.published is not None, scored.results
        return scored.results["restated"]

    return found


def test_keys_that_another_file_published_are_told_with_it_and_which_row_came_last(
    restated,
) -> None:
    assert restated("a.csv", ROWS[:60]).passed
    told = restated("b.csv", ROWS[40:])
    assert (told.result, told.column) == ("warned", "order_id")
    assert told.summary.startswith(
        "The order_id of 20 rows of 80 was published of other files before, with the same values, "
        "such as '2020-03-01-0040': a.csv (20)."
    )
    assert "latest came_at" in told.todo


def test_fields_that_have_other_values_than_in_the_other_file_are_named(restated) -> None:
    restated("a.csv", ROWS[:60])
    others = ROWS[40:].assign(gift=~ROWS["gift"])
    told = restated("b.csv", others)
    assert told.also == ("gift",)
    assert "with other values in gift (20)" in told.summary


def test_files_without_a_common_key_have_nothing_to_tell(restated) -> None:
    restated("a.csv", ROWS[:60])
    assert restated("b.csv", ROWS[60:]).passed


def test_a_file_that_is_scored_again_is_compared_with_those_before_it_alone(restated) -> None:
    restated("a.csv", ROWS[:60])
    restated("b.csv", ROWS[40:])
    assert restated("a.csv", ROWS[:60]).passed
    assert restated("b.csv", ROWS[40:]).result == "warned"


def test_of_a_key_that_came_again_the_last_delivery_counts_also_if_the_first_is_scored_later(
    place, restated
) -> None:
    restated("a.csv", ROWS[:60])
    restated("b.csv", ROWS[40:].assign(gift=~ROWS["gift"]))
    restated("a.csv", ROWS[:60])
    folder = place.store.root / "inbox" / "published"
    tables = [pd.read_parquet(path) for path in sorted(folder.iterdir())]
    both = pd.concat(tables)
    last = both.sort_values("came_at").drop_duplicates("order_id", keep="last")
    assert len(both) == len(ROWS) + 20
    assert len(last) == len(ROWS)
    (second,) = (table for table in tables if len(table) == len(ROWS[40:]))
    of_second = last[last["came_at"] == second["came_at"].iloc[0]]
    assert sorted(of_second["order_id"]) == sorted(ROWS["order_id"][40:])


def published_in_units(root: Path, name: str, units: int) -> Records:
    """Records of a file of so many units of 2,000 rows each, of which the first one is `ROWS`."""
    schema = ASSETS.pipeline.record_schema
    records = Records(root, str, exported="published")
    with records.step(name, "batch", "run") as attempt:
        for unit in range(units):
            frame = pd.concat([ROWS] * 17, ignore_index=True).head(2_000)
            frame["order_id"] = [f"{name} {unit} {row}" for row in range(2_000)]
            if unit == 0:
                frame = ROWS
            table = to_arrow(decode(frame, schema).columns)
            for part in ("batch", "scored"):
                attempt.written.update([write_part(attempt.folder, part, unit, table)])
        attempt.keep("batch", StepRecord())
        attempt.keep("scored", StepRecord(facts={"published": ["order_id"]}))
        attempt.write_joined("published", attempt.parts("scored"))
        attempt.keep("published", StepRecord())
        records.commit(attempt)
    return records


def test_of_the_files_before_a_unit_at_a_time_is_in_memory(tmp_path) -> None:
    schema, peaks = ASSETS.pipeline.record_schema, []
    raw = decode(ROWS, schema).columns
    for units in (2, 30):
        records = published_in_units(tmp_path / f"{units}" / "inbox", "before.csv", units)
        gc.collect()
        tracemalloc.start()
        result = published_elsewhere(records, "now.csv", raw, schema)
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
        assert result is not None
        assert result.numbers["published of other files"] == len(ROWS)
    assert peaks[1] < 1.5 * peaks[0]
