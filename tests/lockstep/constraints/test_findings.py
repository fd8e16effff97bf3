"""Findings: one a cause, told shortly, accepted as far as they went."""

import re
from dataclasses import replace

import numpy as np
import pytest

from tests.lockstep.constraints.tables import changed, joined, only

SOME = slice(0, 70, 7)
TEN = ("shop", "city", "courier", "article", "least", "most", "weight", "temp", "credit", "note")


@pytest.fixture
def rows(shops):
    return shops.day()


def lacking(rows, names=TEN):
    for name in names:
        rows = changed(rows, name, SOME, None if rows[name].dtype == object else np.nan)
    return rows


def test_columns_that_are_missing_in_the_same_rows_are_one_finding(shops, rows):
    (found,) = shops.findings(lacking(rows))
    assert found.rows.tolist() == list(range(0, 70, 7))
    told_by_shop = {"city"}  # its rows of a shop are one observation
    assert {*TEN} - told_by_shop <= {*found.columns}


def test_a_shop_that_is_closed_is_one_finding(shops, rows):
    (found,) = shops.findings(only(rows, rows["shop"] != "port"))
    assert found.columns[0] == "shop"


def test_a_sensor_that_is_gone_is_one_finding(sensors):
    rows = sensors.day()
    assert len(sensors.findings(only(rows, rows["sensor"] != "s3"))) == 1


def test_the_first_suspect_is_what_the_text_begins_with(sensors):
    rows = sensors.day()
    found = sensors.first(only(rows, rows["sensor"] != "s3"))
    assert found.what.startswith(f"{found.columns[0]}: ")


def test_causes_that_have_nothing_in_common_are_findings_of_their_own(shops, rows):
    wrong = changed(changed(rows, "weight", slice(0, 9), np.nan), "note", slice(30, 60), "NULL")
    assert [one.columns[0] for one in shops.findings(wrong)] == ["note", "weight"]


def test_columns_that_have_all_values_are_not_said_to_have_none(shops, rows):
    found = shops.first(changed(rows, "weight", SOME, np.nan))
    assert found.what == f"weight: 10 of {len(rows['id'])} rows have no value (usually 0.0%)"


def test_the_worst_of_what_blocks_comes_first(shops, rows):
    wrong = changed(changed(rows, "weight", SOME, np.nan), "courier", [3], "ship")
    found = shops.findings(wrong)
    assert [one.blocks for one in found] == sorted((one.blocks for one in found), reverse=True)
    assert [one.share for one in found] == sorted((one.share for one in found), reverse=True)


# --- what is told ---


def test_counts_are_of_the_rows_of_the_batch(shops, rows):
    wrong = changed(rows, "note", slice(None, None, 2), None)
    found, count = shops.first(wrong), sum(one is None for one in wrong["note"])
    assert found.what.startswith(f"note: {count} of {len(rows['id'])} rows have no value (usually ")


def test_shares_are_of_the_rows_of_the_batch(shops, rows):
    notes = changed(rows, "note", slice(0, 60), "gift")
    share = np.mean(notes["note"] == "gift")
    assert f'note: {share:.1%} of the rows have note "gift" (usually ' in shops.first(notes).what


def test_rows_without_it_are_counted_beside_those_of_the_weekday(shops, rows):
    (found,) = shops.findings(only(rows, rows["shop"] != "port"))
    assert found.what.startswith("shop: 0 rows of shop port, about 1")
    assert "on Tuesdays before" in found.what


def test_usual_figures_are_those_of_training(shops, rows):
    (found,) = shops.findings(changed(rows, "note", slice(0, 50), None))
    shares = [np.mean([one is None for one in shops.make(day)["note"]]) for day in range(120)]
    low, high = re.search(r"usually (.*)% to (.*)%\)", found.what).groups()
    assert float(low) / 100 == pytest.approx(sorted(shares)[1], abs=0.02)
    assert float(high) / 100 == pytest.approx(sorted(shares)[-2], abs=0.02)


def test_a_finding_has_at_most_three_hundred_characters(shops, rows):
    long = changed(lacking(rows), "id", slice(None), rows["id"] + "-" * 200)
    for found in [*shops.findings(long), *shops.findings(changed(rows, "note", SOME, "x" * 900))]:
        assert len(found.what) + len(found.where) <= 300


# --- what is accepted ---


@pytest.fixture
def blocking(shops, rows):
    return shops.first(changed(rows, "weight", SOME, np.nan))


def test_a_finding_is_accepted_as_far_as_it_went(blocking):
    assert blocking.is_within(blocking.extents)
    assert not blocking.is_within({})


@pytest.mark.parametrize(("much", "within"), [(1.9, True), (2.1, False)])
def test_a_finding_is_not_accepted_where_it_goes_much_farther(blocking, much, within):
    farther = replace(blocking, share=much * blocking.share)
    assert farther.is_within(blocking.extents) == within


def test_another_finding_is_not_accepted(shops, rows, blocking):
    other = shops.first(changed(rows, "note", slice(0, 40), "NULL"))
    assert not other.is_within(blocking.extents)


def test_a_finding_keeps_its_name_on_the_next_day(shops, blocking):
    found = shops.first(changed(shops.day(1), "weight", SOME, np.nan))
    assert found.identity == blocking.identity


# --- several days ---


def test_each_day_of_a_batch_has_its_own_findings(shops):
    first = changed(shops.day(0), "weight", SOME, np.nan)
    second = changed(shops.day(2), "courier", slice(0, 5), "ship")
    found = shops.findings(joined([first, shops.day(1), second]))
    start = int(np.datetime64("2024-04-30", "D").astype(int))
    assert [(one.day - start, one.columns[0]) for one in found] == [(0, "weight"), (2, "courier")]


def test_rows_of_a_later_day_are_told_by_their_place_in_the_batch(shops):
    before = shops.day(0)
    second = changed(shops.day(1), "courier", slice(0, 5), "ship")
    (found,) = shops.findings(joined([before, second]))
    assert (found.rows - len(before["id"])).tolist() == [0, 1, 2, 3, 4]
    assert f"5 of {len(second['id'])} rows" in found.what
