"""The check of laws tells what a batch breaks, and how much of it was looked at."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from lockstep.checks.laws import check_laws
from lockstep.columns.kinds import Array
from lockstep.laws.book import Book, discover
from lockstep.laws.rows import Rows
from lockstep.parity.counterfactuals import Impact
from lockstep.parity.effect import Effect
from tests.lockstep.laws.tables import DAYS, SCHEMA, batch, reports


@pytest.fixture(scope="module")
def book() -> Book:
    return discover(reports(days=DAYS), SCHEMA)


def test_without_laws_it_is_said_how_many_days_they_take():
    result = check_laws(discover(reports(days=4), SCHEMA), batch())

    assert not result.judged
    assert "No law is kept: there are 4 training days, and it takes 20." in result.summary


def test_a_later_day_passes_and_all_laws_look_at_it(book):
    before = book.remembered(batch(DAYS - 1), "the day before")
    today = str(batch().columns["at"][0].astype("datetime64[D]"))
    result = check_laws(book, replace(batch(), day=today, earlier=(before,)))

    assert result.passed
    assert result.numbers["laws with nothing to compare"] == 0
    assert result.numbers["rows looked at least"] == len(batch())


def test_the_statistics_nearest_to_their_limits_are_listed_beside_these(book):
    result = check_laws(book, batch())

    shares = [float(row["of its limit"]) for row in result.table]
    assert len(shares) == 20
    assert shares == sorted(shares, reverse=True)
    assert 0 < shares[0] <= 1
    assert all("◆" in row["training days"] for row in result.table)
    assert all("usually" in row["limits"] and "above" in row["limits"] for row in result.table)
    assert (
        "of 100 days without any change, one passes any of their limits, and of 500"
        in result.summary
    )


def test_a_broken_statistic_is_listed_once_and_with_its_limits(book):
    heat = reports(DAYS)["heat"]
    result = check_laws(book, batch(heat=np.random.default_rng(0).permutation(heat)))

    told = [(row["law"], row["statistic"]) for row in result.table if row["statistic"]]
    assert len(told) == len(set(told))
    broken = [row for row in result.table if row["is"] == "an error" and row["statistic"]]
    assert broken
    assert all(float(row["of its limit"]) > 1 for row in broken)
    assert {len(row) for row in result.table} == {len(result.table[0])}
    assert "lost" not in {row["statistic"] for row in result.table}
    assert "the nearest" not in result.summary  # of a law that is broken that would sound harmless


def test_a_fault_is_an_error_that_names_column_and_keys(book):
    heat = reports(DAYS)["heat"]
    rows = batch(heat=np.where(np.arange(len(heat)) < 100, heat + 0.05, heat))

    result = check_laws(book, rows)

    assert result.is_error
    assert result.column == "heat"
    assert set(result.keys) <= set(rows.columns["id"][:100])


def test_what_the_suspect_does_to_decisions_is_told_beside_the_finding(book):
    heat = reports(DAYS)["heat"]
    rows = batch(heat=np.where(np.arange(len(heat)) < 100, heat + 0.05, heat))
    asked = []

    def ask(column: str, places: Array) -> Impact:
        asked.append((column, len(places)))
        return Impact("typical values", (Effect("is_hot", len(places), 7),), len(places))

    result = check_laws(book, rows, ask=ask)

    assert asked[0] == ("heat", 100)
    assert len(asked) == len(set(asked))
    assert "Against typical values: is_hot flips in 7 of 100 rows." in result.summary
    said = "Against typical values: is_hot flips in 7 of 100 rows"
    assert result.table[0]["found"].endswith(f". {said}")
    assert sum(said in row["found"] for row in result.table) == len(asked)
    assert result.numbers["is_hot: rows that differ"] == 7


def test_a_batch_that_is_no_day_says_which_laws_had_nothing_to_compare(book):
    result = check_laws(book, batch().take(slice(0, 20)))

    assert result.numbers["laws with nothing to compare"] > 0
    assert "the batch has no day as large as those of training" in result.summary


def test_a_large_batch_says_that_only_some_rows_were_looked_at(book):
    days = reports(DAYS, days=200)
    rows = Rows(days, SCHEMA)

    result = check_laws(book, rows)

    assert 0 < result.numbers["rows looked at least"] < len(rows)
    assert f"or more of the {len(rows):,} rows" in result.summary
