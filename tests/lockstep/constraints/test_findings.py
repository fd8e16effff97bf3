"""Findings: one a cause, told shortly, accepted as far as they went."""

import re
from dataclasses import replace

import numpy as np
import pytest

from lockstep.checks.constraint_checks import Terms
from tests.lockstep.constraints.tables import changed, days_of, joined, only, texts, weighed_day

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
    assert {*TEN} - {"note"} <= {*found.columns}  # which is missing in a third of all rows


def test_a_sensor_that_is_gone_is_one_finding_that_begins_with_the_first_suspect(sensors):
    rows = sensors.day()
    (found,) = sensors.findings(only(rows, rows["sensor"] != "s3"))
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


def test_a_shop_that_is_closed_is_one_finding_and_counted_beside_its_weekday(shops, rows):
    (found,) = shops.findings(only(rows, rows["shop"] != "port"))
    assert found.columns[0] == "shop"
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


def test_a_finding_is_accepted_as_far_as_it_went_and_no_other(shops, rows, blocking):
    assert blocking.is_within(blocking.extents)
    assert not blocking.is_within({})
    other = shops.first(changed(rows, "note", slice(0, 40), "NULL"))
    assert not other.is_within(blocking.extents)


@pytest.mark.parametrize(("much", "within"), [(1.9, True), (2.1, False)])
def test_a_finding_is_not_accepted_where_it_goes_much_farther(blocking, much, within):
    farther = replace(blocking, share=much * blocking.share)
    assert farther.is_within(blocking.extents) == within


def test_a_finding_keeps_its_name_on_the_next_day(shops, blocking):
    found = shops.first(changed(shops.day(1), "weight", SOME, np.nan))
    assert found.identity == blocking.identity


# --- several days ---


def test_each_day_of_a_batch_has_its_own_findings_of_rows_by_their_place_in_it(shops):
    before = joined([changed(shops.day(0), "weight", SOME, np.nan), shops.day(1)])
    last = changed(shops.day(2), "courier", slice(0, 5), "ship")
    found = shops.findings(joined([before, last]))
    start = int(np.datetime64("2024-04-30", "D").astype(int))
    assert [(one.day - start, one.columns[0]) for one in found] == [(0, "weight"), (2, "courier")]
    assert (found[1].rows - len(before["id"])).tolist() == [0, 1, 2, 3, 4]
    assert f"5 of {len(last['id'])} rows" in found[1].what


# --- what changed of labels and identifiers that no output comes from ---


def weights(shops, rows, *reaching):
    """How each finding of a day is weighed, given what outputs come from."""
    view = shops.constraints.view(rows, days_of(rows), [])
    judged = weighed_day(shops.constraints, view, Terms(reaching=reaching))
    return {(found.finding.columns[0], found.weight) for found in judged.findings}


def port(rows):
    return rows["shop"] == "port"


def test_a_new_city_of_a_known_shop_warns_where_no_output_uses_it(shops, rows):
    renamed = changed(rows, "city", port(rows), "Kiel am See")
    assert weights(shops, renamed, "shop", "price") == {("city", "unusual")}
    assert ("city", "an error") in weights(shops, renamed, "city")


def test_a_known_city_of_another_shop_is_an_error_all_the_same(shops, rows):
    mixed = changed(rows, "city", port(rows), "Oslo")
    assert ("city", "an error") in weights(shops, mixed, "shop", "price")


def test_another_form_of_the_identifier_warns_where_no_output_uses_it(shops, rows):
    plain = {**rows, "id": texts([f"N{number:06}" for number in range(len(rows["id"]))])}
    assert weights(shops, plain, "price") == {("id", "unusual")}
    assert weights(shops, plain, "id") == {("id", "an error")}


def test_identifiers_of_another_day_are_an_error_all_the_same(shops, rows):
    stale = {**rows, "id": texts([name.replace("2024-", "2023-") for name in rows["id"]])}
    assert weights(shops, stale, "price") == {("id", "an error")}
    changed_first = changed(stale, "id", slice(0, 5), "x")
    assert weights(shops, changed_first, "price") == {("id", "an error")}
