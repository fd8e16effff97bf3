"""Ingest: what Great Expectations and the row rules of one suite say of the same rows."""

from dataclasses import replace

import pytest

from assets.orders import ASSETS, history
from lockstep.checks.suites import disagreement
from lockstep.columns.decode import decode
from lockstep.scoring.ingest import Ingested, check_input_suite, ingest
from lockstep.suites.results import Finding


@pytest.fixture(scope="module")
def ingested() -> Ingested:
    frame = history().head(60)
    frame.loc[frame.index[0], "price"] = -1.0
    schema = ASSETS.pipeline.joint_schema
    suite = ASSETS.suites.to_json("input")
    return ingest(decode(frame, schema), schema, suite, ASSETS.max_quarantined)


def counts(ingested: Ingested) -> list[int]:
    """What Great Expectations counts of each expectation about single rows."""
    return [one.unexpected_count or 0 for one in ingested.result.findings if one.row_level]


def test_both_refuse_the_same_rows(ingested: Ingested) -> None:
    assert sum(counts(ingested)) > 0
    assert ingested.disagreement is None
    assert not check_input_suite(ingested).is_error


def test_another_count_is_told_with_its_expectation(ingested: Ingested) -> None:
    (position,) = [at for at, count in enumerate(counts(ingested)) if count]
    refused = counts(ingested)
    refused[position] += 1
    said = disagreement(ingested.result, refused)
    assert said is not None
    assert said.startswith("price: ")
    assert said.endswith("while its row rule refuses 2 rows")


def test_an_expectation_that_cannot_be_evaluated_is_no_agreement(ingested: Ingested) -> None:
    def broken(one: Finding) -> Finding:
        return replace(one, error="it broke") if one.row_level else one

    findings = tuple(map(broken, ingested.result.findings))
    assert disagreement(replace(ingested.result, findings=findings), counts(ingested))


def test_a_disagreement_is_an_error(ingested: Ingested) -> None:
    found = check_input_suite(replace(ingested, disagreement="price: 1 of 60 rows"))
    assert found.is_error
    assert "price: 1 of 60 rows" in found.summary
