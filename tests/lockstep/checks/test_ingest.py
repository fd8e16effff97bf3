"""Ingest: what is said of rows that are refused, and of a batch without any."""

from pathlib import Path

import numpy as np
import pytest

from assets.orders import ASSETS, history
from lockstep.checks.ingest import (
    QuarantinedValues,
    check_decoding,
    check_input_suite,
    ingest,
    todo_of,
)
from lockstep.checks.messages import Message, Place
from lockstep.columns.aside import Aside
from lockstep.columns.decode import decode
from lockstep.columns.files import decode_file
from lockstep.columns.schema import Field, Schema
from lockstep.refusals import Reason, Rejected
from lockstep.rules.record_rules import RecordRules
from lockstep.rules.row_rules import compile_rules

SCHEMA = ASSETS.pipeline.joint_schema
SUITE = ASSETS.suites.to_json("input")
RULES = RecordRules(ASSETS.pipeline, compile_rules(SUITE))
FRAME = history().head(60)
FRAME.loc[FRAME.index[0], "price"] = -1.0
ROWS = decode(FRAME, SCHEMA)


def test_a_refused_row_is_set_aside_and_warns() -> None:
    ingested, _ = ingest(ROWS, SCHEMA, RULES, ASSETS.max_quarantined)
    found = check_input_suite(ingested, ROWS.columns, SUITE, lambda told: None)
    assert (found.result, found.column) == ("warned", "price")
    assert found.numbers["set aside"] == len(ingested.broken) == 1


def test_a_delivery_with_a_header_alone_says_that_no_rows_came_and_what_to_do() -> None:
    nothing = decode(FRAME.head(0), SCHEMA)
    ingested, _ = ingest(nothing, SCHEMA, RULES, ASSETS.max_quarantined)
    decoding = check_decoding(ingested)
    assert decoding.result == "warned"
    assert decoding.summary == "no rows came: the delivery has columns, and no row"
    suite = check_input_suite(ingested, nothing.columns, SUITE, lambda told: None)
    assert suite.result == "failed"
    assert suite.summary.startswith("No rows came. ")
    assert all(one.todo.startswith("Ask upstream whether rows are") for one in (decoding, suite))
    told = {
        asset: str(Message.of("decoding", decoding, Place(f"orders/{asset}", partition)))
        for asset, partition in {
            "inbox/batch": "a.csv",
            "daily/batch": "2020-03-01",
            "history": None,
        }.items()
    }
    assert "nothing is to do: a file without rows is not scored." in told["inbox/batch"]
    assert "drop the corrected file into the inbox" in told["inbox/batch"]
    assert "left out by its calendar: Calendar(" in told["daily/batch"]
    assert "Calendar" not in told["inbox/batch"] + told["history"]


@pytest.mark.parametrize(("cut", "told", "result"), [(1, "row", "warned"), (20, "rows", "failed")])
def test_malformed_lines_are_told_by_their_number_and_count_as_rows_set_aside(
    tmp_path: Path, cut: int, told: str, result: str
) -> None:
    lines = history().head(60).to_csv(index=False).splitlines(keepends=True)
    path = tmp_path / "orders.csv"
    path.write_text("".join((*lines[:7], *["cut\n"] * cut, *lines[7 + cut :])))
    ingested, _ = ingest(decode_file(path, SCHEMA), SCHEMA, RULES, 0.05)
    decoding = check_decoding(ingested)
    assert (decoding.result, decoding.column) == (result, None)
    assert decoding.numbers["refused"] == cut
    assert f"such as row 6: line 8 has 1 cell, and the header {FRAME.shape[1]}" in decoding.summary
    assert decoding.where.startswith(f"{told} 6")
    assert decoding.todo.startswith("Have that line corrected where the file is written")


@pytest.mark.parametrize(
    ("field", "value", "told"),
    [
        (Field("x", "float"), None, "declare it `float | None`"),
        (Field("x", "float"), float("nan"), "declare it `float | None`"),
        (Field("x", "float"), "1,5", "a decimal point"),
        (Field("x", "float"), float("inf"), "a finite number"),
        (Field("x", "int", optional=True), 1.5, "declare it `float | None`"),
        (Field("x", "str", choices=("a", "b")), "c", "among those of the Literal"),
        (Field("x", "datetime"), "12/31/2020", "ISO 8601 with its zone"),
        (Field("x", "bool"), "maybe", "true or false"),
        (Field("x", "str"), 5, "text in UTF-8"),
    ],
)
def test_what_to_do_about_a_value_is_told_by_what_is_wrong_with_it(field, value, told: str) -> None:
    assert told in todo_of(field, value)


TABLE = Schema("Row", (Field("id", "str", role="key"), Field("city", "str", alias="the city")))
REASON = Reason("price", "type", "is no number: 'n/a'", "is no number")


def rejected(count: int, **record: str) -> list[Rejected]:
    return [Rejected(row, f"Q-{row}", (REASON,), dict(record)) for row in range(count)]


@pytest.mark.parametrize(
    ("count", "kept", "is_told"), [(20, 0, True), (20, 20, True), (20, 30, False), (2, 0, False)]
)
@pytest.mark.parametrize("named", ["city", "the city"])
def test_a_value_most_of_whose_rows_were_quarantined_is_told(count, kept, is_told, named):
    columns = {"city": np.array(["London"] * kept + ["Rome"] * 50, dtype=object)}
    rows = rejected(count, **{named: "London"})
    told = QuarantinedValues(Aside.of(rows), columns, TABLE).told(["city"])

    assert ("20 of" in told and "city London were quarantined" in told) is is_told
    assert bool(told) is is_told
