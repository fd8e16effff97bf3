"""Rules: what a row keeps, over its own columns; one row that breaks a strict one is a finding."""

import numpy as np
import pytest

from lockstep.constraints.dependencies import OfDay
from lockstep.constraints.view import View
from tests.lockstep.constraints.tables import changed, only, texts

ROW = 7


@pytest.mark.parametrize(
    ("says", "is_strict"),
    [
        ("total = price x quantity", True),
        ("gross = total + fee", True),
        ("least <= most", True),
        ("hour and shop tells temp of a day", True),
        ("shop tells city", False),
        ('refund is missing never where status is "void"', False),
        ("id holds its day", True),
    ],
)
def test_a_rule_is_found_and_strict_where_enough_distinct_things_kept_it(shops, says, is_strict):
    assert shops.features[says].strict == is_strict


@pytest.mark.parametrize(
    ("column", "more"), [("total", 2.0), ("fee", 2.0), ("gross", 2.0), ("most", -30.0)]
)
def test_one_row_that_breaks_a_strict_rule_is_a_finding_with_its_key(shops, column, more):
    rows = shops.day()
    found = shops.first(changed(rows, column, [ROW], rows[column][ROW] + more))
    assert column in found.columns
    assert (found.strict, found.blocks) == (True, True)
    assert found.where == f"row {rows['id'][ROW]}"


def test_a_row_that_breaks_a_strict_rule_is_named_though_a_mean_strays_farther(shops):
    rows = shops.day()
    found = shops.first(changed(rows, "total", [ROW], 5001.0))
    assert found.strict
    assert found.where == f"row {rows['id'][ROW]}"


@pytest.mark.parametrize(
    ("told", "again"),
    [
        ("hour and shop tells temp of a day", "time of day and shop tells temp of a day"),
        (
            'refund is missing never where status is "void"',
            'status is "void" never where refund is missing',
        ),
    ],
)
def test_what_follows_from_a_rule_is_no_rule_of_its_own(shops, told, again):
    assert told in shops.features
    assert again not in shops.features


def test_what_mostly_tells_a_courier_is_found(shops):
    loose = [one for one in shops.features.values() if one.kind == "loose look-up"]
    assert "courier" in {one.columns[0] for one in loose}


def test_a_number_that_is_no_product_is_the_first_suspect(shops):
    rows = shops.day()
    found = shops.first(changed(rows, "total", [ROW], rows["total"][ROW] + 5))
    assert found.columns[0] == "total"


def test_what_is_alike_at_each_hour_and_shop_is_found_where_a_row_differs(shops):
    rows = shops.day()
    hour = rows["at"].astype("datetime64[h]").astype(np.int64)
    alike = np.array([np.sum((rows["shop"] == shop) & (hour == at)) for shop, at in
                      zip(rows["shop"], hour, strict=True)])  # fmt: skip
    row = int(np.flatnonzero(alike >= 3)[0])
    found = shops.first(changed(rows, "temp", [row], 33.3 if rows["temp"][row] != 33.3 else 33.4))
    assert found.columns[0] == "temp"
    assert found.where == f"row {rows['id'][row]}"


def test_two_rows_that_should_be_alike_and_differ_break_a_dependency(shops):
    rows = {**only(shops.day(), slice(0, 2)), "shop": texts(["port"] * 2)}
    view = View(rows, shops.constraints.layout, np.zeros(2, dtype=np.int64))
    assert OfDay(("shop",), "price").breaks(view).max() == 1


def other_cities(rows):
    some = ["Kiel" if city != "Kiel" else "Rome" for city in rows["city"][:3]]
    return changed(rows, "city", slice(0, 3), some)


def dealt_couriers(rows):
    return {**rows, "courier": np.random.default_rng(0).permutation(rows["courier"])}


@pytest.mark.parametrize(
    ("change", "column"), [(other_cities, "city"), (dealt_couriers, "courier")]
)
def test_what_does_not_go_with_its_shop_is_found(shops, change, column):
    assert shops.first(change(shops.day())).columns[0] == column


@pytest.mark.parametrize(("status", "refund"), [("open", 7.0), ("void", np.nan)])
def test_a_number_that_is_missing_only_where_it_may_be_is_found(shops, status, refund):
    rows = shops.day()
    row = int(np.flatnonzero(rows["status"] == status)[0])
    found = shops.first(changed(rows, "refund", [row], refund))
    assert "refund" in found.columns[:2]
    assert "implication" in {one.statistic.feature.kind for one in found.details}


def test_a_key_of_another_day_is_found(shops):
    found = shops.first(changed(shops.day(), "id", [ROW], "2024-05-21/0007"))
    assert found.columns[0] == "id"
    assert "id holds its day" in {one.statistic.feature.says for one in found.details}
