"""Values: what a column holds, whatever its row's others do."""

import numpy as np
import pytest

from tests.lockstep.constraints.tables import changed, texts

SOME, FEW = slice(0, 70, 7), slice(0, 4)


def test_clean_days_break_nothing(shops):
    assert not [one for one in shops.quiet(10) if one.blocks]
    assert len(shops.quiet(10)) <= 1


FAULTS = {
    "missing number": ("weight", SOME, np.nan, "missing"),
    "missing text": ("note", slice(0, 50), None, "missing"),
    "unseen value": ("courier", FEW, "ship", "unseen"),
    "form": ("article", FEW, "a-00123", "form"),
    "beyond range": ("weight", SOME, 38.4, "beyond"),
    "far beyond range": ("weight", FEW, 9999.0, "far beyond"),
    "sentinel": ("weight", FEW, -999.0, "negative"),
    "off the grid": ("weight", FEW, 3.14159, "grid"),
    "zero": ("weight", SOME, 0.0, "zero"),
    "negative": ("weight", FEW, -3.5, "negative"),
}


@pytest.mark.parametrize(("column", "rows", "value", "kind"), FAULTS.values(), ids=FAULTS)
def test_what_a_column_never_had_is_found(shops, column, rows, value, kind):
    found = shops.first(changed(shops.day(), column, rows, value))
    assert found.columns[0] == column
    assert found.family == "values"
    assert kind in {one.statistic.feature.kind for one in found.details}


@pytest.mark.parametrize(
    ("change", "kind"),
    [(np.ceil, "round"), (lambda weight: np.round(weight * 2.2, 1), None)],
    ids=["rounded", "another unit"],
)
def test_numbers_that_are_all_otherwise_are_found(shops, change, kind):
    rows = shops.day()
    found = shops.first({**rows, "weight": change(rows["weight"])})
    assert found.columns[0] == "weight"
    assert found.blocks
    assert kind in (None, found.details[0].statistic.feature.kind)


def test_rows_that_show_it_are_named(shops):
    found = shops.first(changed(shops.day(), "weight", SOME, np.nan))
    assert found.rows.tolist() == list(range(0, 70, 7))
    assert found.where.startswith("rows 2024-04-30/0000, 2024-04-30/0007")


def test_what_never_was_in_half_of_the_rows_blocks(shops):
    rows = shops.day()
    half = np.arange(len(rows["id"])) % 100 < 47
    found = shops.first(changed(rows, "note", half, "NULL"))
    assert (found.columns[0], found.blocks) == ("note", True)


def test_a_number_that_was_in_a_batch_before_is_not_beyond_the_range(shops):
    rows = changed(shops.day(), "weight", SOME, 38.4)
    view = shops.constraints.view(rows, np.full(len(rows["id"]), 19843), ())
    past = shops.constraints.remembered(view, "before")
    found = shops.findings(changed(shops.day(1), "weight", SOME, 38.4), past)
    assert "beyond" not in {
        one.statistic.feature.kind for finding in found for one in finding.details
    }


def test_a_value_that_is_usual_elsewhere_is_none_of_a_column(shops):
    rows = shops.day()
    found = shops.first({**rows, "courier": texts(rows["shop"].tolist())})
    assert found.columns[0] == "courier"
