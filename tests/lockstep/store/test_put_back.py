"""Rows that were set aside are put back, corrected or as they are, in their own places."""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from assets.orders import ASSETS
from lockstep.checks.ingest import Ingested, ingest
from lockstep.columns.aside import record_digest
from lockstep.columns.decode import Decoded, decode
from lockstep.columns.files import decode_file
from lockstep.columns.kinds import Columns
from lockstep.columns.tables import take_rows
from lockstep.refusals import Rejected
from lockstep.rules.record_rules import RecordRules
from lockstep.rules.row_rules import compile_rules
from lockstep.store.partition_records import Records
from lockstep.store.put_back import RowBack, put_back, read_put_back, with_rows_back
from tests.fixtures.order_store import orders_of

DAY = "2020-03-01"
SCHEMA = ASSETS.pipeline.record_schema
ITEMS = {"column": "items", "min_value": 1, "max_value": 100}
SUITE = {
    "name": "orders input",
    "expectations": [
        {"type": "expect_column_values_to_be_between", "kwargs": ITEMS, "severity": "critical"}
    ],
}

RULES = RecordRules(ASSETS.pipeline, compile_rules(SUITE))


def delivery(**changed: dict[int, Any]) -> pd.DataFrame:
    """Ten orders, some values of which are others."""
    frame = orders_of(np.datetime64(DAY).item(), 10)
    frame = frame.astype(object)
    for column, cells in changed.items():
        for row, value in cells.items():
            frame.loc[row, column] = value
    return frame


def delivered(**changed: dict[int, Any]) -> Decoded:
    return decode(delivery(**changed), SCHEMA)


@dataclass(frozen=True)
class PartedRows:
    """What goes on, and what is set aside.

    Attributes:
        columns: The rows that go on.
        ingested: All rows.
    """

    columns: Columns
    ingested: Ingested


def parted(rows: Decoded, back: list[RowBack]) -> PartedRows:
    found = with_rows_back(rows, SCHEMA, back)
    ingested, keep = ingest(found.rows, SCHEMA, RULES, 1.0, found.accepted)
    return PartedRows(take_rows(found.rows.columns, keep), ingested)


def aside(parted: PartedRows) -> list[Rejected]:
    found = parted.ingested
    return [*found.refused.rows, *found.broken.rows, *found.duplicates.rows]


def corrected(row: Any, **values: Any) -> RowBack:
    """A row that was set aside, with some values corrected."""
    good = delivered()
    place = good.rows.tolist().index(row.row)
    record = {name: array[place] for name, array in good.columns.items()}
    record = {**record, "coupons": None, "sent_at": f"{record['sent_at']}Z", **values}
    return RowBack(row.key, record_digest(row.record), record)


@pytest.mark.parametrize("wrong", [{"items": {4: 0}}, {"items": {4: "many"}}])
def test_a_corrected_row_takes_its_place_whether_it_broke_a_rule_or_did_not_fit(wrong) -> None:
    rows = delivered(**wrong)
    (row,) = aside(parted(rows, []))
    now = parted(rows, [corrected(row, items=7)])
    assert aside(now) == []
    assert now.columns["items"][4] == 7
    assert now.columns["order_id"].tolist() == delivered().columns["order_id"].tolist()
    assert now.ingested.counts == {"rows_in": 10, "accepted": 10, "quarantined": 0, "duplicates": 0}


def test_a_corrected_row_takes_its_place_among_malformed_lines(tmp_path: Path) -> None:
    frame = delivery(items={4: "many"})
    header, *lines = frame.to_csv(index=False).splitlines()
    lines[2:2] = ["this is no row"]
    path = tmp_path / "orders.csv"
    path.write_text("\n".join([header, *lines]) + "\n")
    rows = decode_file(path, SCHEMA)
    row = next(row for row in aside(parted(rows, [])) if row.key is not None)
    now = parted(rows, [corrected(replace(row, row=4), items=7)])
    assert [left.key for left in aside(now)] == [None]
    assert now.columns["items"][4] == 7


def test_a_row_that_is_corrected_wrongly_is_set_aside_again_and_can_be_corrected_again() -> None:
    rows = delivered(items={4: "many"})
    (first,) = aside(parted(rows, []))
    back = [corrected(first, items=0)]
    (second,) = aside(parted(rows, back))
    assert "0 is not between 1 and 100" in str(second.reasons[0])
    assert aside(parted(rows, [*back, corrected(second, items=7)])) == []


def test_an_accepted_row_goes_on_as_it_is_and_others_that_break_the_rule_do_not() -> None:
    rows = delivered(items={4: 0, 6: 0})
    row, other = aside(parted(rows, []))
    now = parted(rows, [RowBack(row.key, record_digest(row.record), None)])
    assert [left.key for left in aside(now)] == [other.key]
    assert now.columns["items"][4] == 0


def test_a_row_that_does_not_fit_its_declaration_cannot_be_accepted() -> None:
    rows = delivered(items={4: "many"})
    (row,) = aside(parted(rows, []))
    found = with_rows_back(rows, SCHEMA, [RowBack(row.key, record_digest(row.record), None)])
    assert found.put_back.facts == {"corrected": [], "accepted": [], "otherwise": 1}


def test_a_row_that_comes_otherwise_is_taken_as_it_comes() -> None:
    (row,) = aside(parted(delivered(items={4: 0}), []))
    back = [corrected(row, items=7)]
    found = with_rows_back(delivered(items={4: 5}), SCHEMA, back)
    assert (found.rows.columns["items"][4], found.put_back.facts["otherwise"]) == (5, 1)


def test_a_row_is_found_wherever_it_is_in_the_delivery() -> None:
    (row,) = aside(parted(delivered(items={4: 0}), []))
    rows = delivered(items={4: 0})
    turned = decode(
        [
            {name: value if value == value else None for name, value in record.items()}
            for record in _records(rows)[::-1]
        ],
        SCHEMA,
    )
    assert aside(parted(turned, [corrected(row, items=7)])) == []


def test_rows_that_are_equal_are_put_back_together_wherever_they_are_cut() -> None:
    rows = delivered(items={4: 0})
    (row,) = aside(parted(rows, []))
    twice = decode(delivery(items={4: 0}).iloc[[4, 4]], SCHEMA)
    found = with_rows_back(twice, SCHEMA, [corrected(row, items=7)])
    assert found.rows.columns["items"].tolist() == [7, 7]
    one = with_rows_back(rows, SCHEMA, [corrected(row, items=7)]).put_back
    others = with_rows_back(delivered(), SCHEMA, [corrected(row, items=7)]).put_back
    assert (one + others).facts == {"corrected": [row.key], "accepted": [], "otherwise": 0}


def test_one_that_repeats_a_key_gets_a_key_of_its_own() -> None:
    first = delivered().columns["order_id"][2]
    rows = delivered(order_id={4: first})
    (row,) = aside(parted(rows, []))
    now = parted(rows, [corrected(row, order_id="its own")])
    assert aside(now) == []
    assert now.columns["order_id"][4] == "its own"


def test_rows_that_are_put_back_are_kept_with_those_before(tmp_path: Path) -> None:
    records = Records(tmp_path / "daily", str)
    first, second = RowBack("a", "1", None), RowBack("b", "2", {"items": 1})
    put_back(records, DAY, [first])
    put_back(records, DAY, [second, RowBack("a", "1", {"items": 2})])
    assert read_put_back(records, DAY) == [RowBack("a", "1", {"items": 2}), second]


def _records(rows: Decoded) -> list[dict[str, Any]]:
    columns = {
        name: [f"{value}Z" for value in array] if array.dtype.kind == "M" else array.tolist()
        for name, array in rows.columns.items()
    }
    return [dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)]
