"""What changed of labels and identifiers that no output comes from only warns."""

import pytest

from lockstep.checks.constraint_checks import Terms
from tests.lockstep.constraints.tables import changed, days_of, texts, weighed_day

ALL = slice(None)


def weights(shops, rows, *reaching):
    """How each finding of a day is weighed, given what outputs come from."""
    view = shops.constraints.view(rows, days_of(rows), [])
    judged = weighed_day(shops.constraints, view, Terms(reaching=reaching))
    return {(found.finding.columns[0], found.weight) for found in judged.findings}


@pytest.fixture
def rows(shops):
    return shops.day()


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
