"""Ingest: what Great Expectations and the row rules of one suite say of the same rows."""

from dataclasses import replace
from pathlib import Path

import pytest

from assets.orders import ASSETS, history
from lockstep.checks.ingest import check_decoding, check_input_suite, ingest
from lockstep.checks.messages import Message, Place
from lockstep.checks.suite_checks import Quarantined, disagreement, suite_result
from lockstep.columns.decode import decode
from lockstep.columns.files import decode_file
from lockstep.rules.record_rules import RecordRules
from lockstep.rules.row_rules import compile_rules
from lockstep.suites.suite_results import SuiteResult
from lockstep.suites.validation import validate

SCHEMA = ASSETS.pipeline.joint_schema
SUITE = ASSETS.suites.to_json("input")
RULES = RecordRules(ASSETS.pipeline, compile_rules(SUITE))
FRAME = history().head(60)
FRAME.loc[FRAME.index[0], "price"] = -1.0
ROWS = decode(FRAME, SCHEMA)


@pytest.fixture(scope="module")
def result() -> SuiteResult:
    return validate(ROWS.columns, SUITE, key=SCHEMA.key or "")


def counts(result: SuiteResult) -> list[int]:
    """What Great Expectations counts of each expectation about single rows."""
    return [one.unexpected_count or 0 for one in result.findings if one.row_level]


def test_both_refuse_the_same_rows(result: SuiteResult) -> None:
    assert sum(counts(result)) > 0
    assert disagreement(result, compile_rules(SUITE).counts(ROWS.columns)) is None


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


def test_another_count_is_told_with_its_expectation(result: SuiteResult) -> None:
    (position,) = [at for at, count in enumerate(counts(result)) if count]
    refused = counts(result)
    refused[position] += 1
    said = disagreement(result, refused)
    assert said is not None
    assert said.startswith("price values must be ")
    assert said.endswith("while its row rule refuses 2 rows")


def test_an_expectation_that_cannot_be_evaluated_is_no_agreement(result: SuiteResult) -> None:
    raised = {"raised_exception": True, "exception_message": "it broke"}
    results = [{**one, "exception_info": raised} for one in result.validation["results"]]
    broken = replace(result, validation={**result.validation, "results": results})
    assert disagreement(broken, counts(result))


def test_a_disagreement_is_an_error(result: SuiteResult) -> None:
    found = suite_result(result, 1, Quarantined(1, 60, 59, 0.1), "price: 1 of 60 rows")
    assert found.is_error
    assert "price: 1 of 60 rows" in found.summary
