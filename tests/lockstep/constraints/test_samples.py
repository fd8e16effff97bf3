"""Samples: of many rows all are held against strict rules, and statistics are of some of them."""

import numpy as np
import pytest

from lockstep.constraints import constraint_set
from lockstep.constraints.quantities import Quantity, value
from lockstep.constraints.quantity_values import evaluate
from lockstep.constraints.rows_before import previous_code
from lockstep.constraints.view import View
from tests.lockstep.constraints.tables import changed, days_of, only

MOST = 30
BY_METER = [
    Quantity("previous", ("reading",), ("meter",)),
    *(Quantity(made, (), ("meter",)) for made in ("elapsed", "today")),
    Quantity("count", (), ("meter",), 7),
    *(Quantity(made, ("used",), ("meter",), 7) for made in ("sum", "mean")),
    *(Quantity(made, ("used",), unit="hour") for made in ("peers", "peers before")),
    Quantity("moment before", ("used",), ("meter",), unit="hour"),
    value("reading"),
]


@pytest.fixture
def few(monkeypatch):
    monkeypatch.setattr(constraint_set, "SAMPLE", MOST)


@pytest.fixture
def rows(shops):
    return shops.day()


@pytest.fixture
def whole(meters):
    past = meters.constraints.past
    rows = [meters.make(meters.days + ahead) for ahead in range(3)]
    columns = {name: np.concatenate([one[name] for one in rows]) for name in rows[0]}
    return View(columns, meters.constraints.layout, days_of(columns), past)


@pytest.mark.parametrize("quantity", BY_METER, ids=lambda one: one.made)
def test_a_sample_looks_back_at_all_rows(whole, quantity):
    sample = whole.sample(20)
    assert 0 < len(sample) < len(whole)
    np.testing.assert_array_equal(
        evaluate(sample, quantity), evaluate(whole, quantity)[sample.positions]
    )


def test_a_sample_compares_with_the_row_before_of_all(whole):
    sample = whole.sample(20)
    codes = previous_code(whole, ("meter",), "reading")[sample.positions]
    np.testing.assert_array_equal(previous_code(sample, ("meter",), "reading"), codes)


def test_few_rows_are_no_sample(whole):
    assert whole.sample(len(whole)) is whole


def test_a_part_is_sampled_like_the_whole(whole):
    half = np.arange(len(whole)) % 2 == 0
    part = View(only(whole.columns, half), whole.layout, whole.day[half])
    keys = {*whole.sample(20).columns["id"]}
    share = np.bincount(part.group) / np.bincount(whole.group)[: len(part.days)]
    sampled = {*part.sample(int(20 * share.min())).columns["id"]}
    assert sampled <= keys


@pytest.mark.usefixtures("few")
def test_one_row_that_breaks_a_strict_rule_is_found_among_many(shops, rows):
    view = shops.constraints.view(rows, days_of(rows), ())
    outside = np.setdiff1d(np.arange(len(view)), view.sample(MOST).positions)
    for row in outside[:5].tolist():
        found = shops.first(changed(rows, "total", row, rows["total"][row] + 3))
        assert (found.strict, found.rows.tolist()) == (True, [row])
        never = shops.first(changed(rows, "weight", row, 0.0))
        assert (never.columns[0], never.strict, never.rows.tolist()) == ("weight", True, [row])


@pytest.mark.usefixtures("few")
def test_what_a_sample_shows_is_told_of_all_rows(shops, rows):
    found = shops.first(changed(rows, "note", slice(None), None))
    count = len(rows["id"])
    assert found.what.startswith(f"note: about {count} of {count} rows have no value")


@pytest.mark.usefixtures("few")
def test_clean_days_of_many_rows_break_nothing(shops):
    assert not [one for one in shops.quiet(10) if one.blocks]
