"""Columns with one value a day, judged by days; what training never had, judged by rows."""

import numpy as np
import pytest

from lockstep.columns.schema import Field, Schema
from tests.lockstep.constraints.tables import (
    EVENT,
    FIRST,
    KEY,
    Known,
    changed,
    days_of,
    remembered_days,
    texts,
    times,
)

DAYS, ALL, ONE = 100, slice(None), slice(7, 8)
RANDOM = np.random.default_rng(5)
RATE = np.round(1.1 * np.exp(np.cumsum(RANDOM.normal(0, 0.005, DAYS + 60))), 4)
HEAT = np.round(14 + 6 * np.cos(np.arange(DAYS + 60) / 50) + RANDOM.normal(0, 2, DAYS + 60), 1)
SALES = Schema(
    "Sale",
    (
        KEY,
        EVENT,
        *(Field(name, "float") for name in ("rate", "heat", "since", "price", "gain")),
        *(Field(name, "float", optional=True) for name in ("coupon", "discount")),
        *(Field(name, "str") for name in ("weekday", "shop", "street")),
    ),
)


def sales(day: int) -> dict[str, np.ndarray]:
    """The sales of a day: its rate, its heat and its days since the last feast are one each."""
    random = np.random.default_rng(day)
    rows = int(random.integers(30, 41))
    has_coupon = random.random(rows) < 0.3
    shop = random.integers(0, 4, rows)
    return {
        "id": texts([f"{day}/{number}" for number in range(rows)]),
        "at": times(np.full(rows, FIRST + day), np.sort(random.uniform(8, 20, rows))),
        "rate": np.full(rows, RATE[day]),
        "heat": np.full(rows, HEAT[day]),
        "since": np.full(rows, float(day + 5 if day < 6 else (day - 6) % (DAYS + 10))),
        "price": np.round(random.uniform(5, 90, rows), 2),
        "gain": np.round(random.normal(2, 4, rows), 2),
        "coupon": np.where(has_coupon, random.integers(100, 999, rows), np.nan),
        "discount": np.where(has_coupon, np.round(random.uniform(1, 9, rows), 2), np.nan),
        "weekday": texts([f"day {day % 7}"] * rows),
        "shop": texts([f"s{number}" for number in shop]),
        "street": texts([f"street {number // 2}" for number in shop]),
    }


@pytest.fixture(scope="module")
def known():
    return Known.of(sales, SALES, DAYS)


def test_clean_days_are_quiet(known):
    found = known.quiet(40)
    assert not [finding for finding in found if finding.blocks or finding.strict]
    assert len({finding.day for finding in found}) <= 2


@pytest.mark.parametrize(
    ("column", "change"),
    [
        ("rate", lambda rate: rate * 100),
        ("rate", lambda rate: rate * 1.2),
        ("rate", lambda rate: rate * 0),
        ("rate", lambda rate: -rate),
        ("rate", lambda rate: rate * 0 + 0.5),
        ("heat", lambda heat: heat * 1.8 + 32),
        ("heat", lambda heat: heat * 0 - 999),
    ],
    ids=["hundredfold", "a fifth more", "zero", "negative", "constant", "other unit", "sentinel"],
)
def test_the_wrong_value_of_a_day_blocks(known, column, change):
    rows = known.day()
    found = known.first({**rows, column: change(rows[column])})
    assert (found.columns[0], found.family, found.blocks) == (column, "values", True)


def test_a_finding_of_a_day_shows_its_number_beside_the_usual_ones(known):
    rows = known.day()
    found = known.first({**rows, "rate": rows["rate"] * 1.2})
    assert found.what.startswith(f"rate: level of rate: {RATE[DAYS] * 1.2:.5g} (usually ")


def test_a_value_that_no_day_had_is_found(known):
    found = known.first(changed(known.day(), "weekday", ALL, "holiday"))
    assert (found.columns[0], found.strict) == ("weekday", True)


def test_a_counter_of_days_may_begin_anew(known):
    assert not known.findings(changed(known.day(), "since", ALL, 0.0))


@pytest.mark.parametrize(
    ("column", "value", "what"),
    [
        ("price", 0.0, "price: 1 of {} rows have price 0, and no row of training has"),
        ("price", -12.5, "price: 1 of {} rows have negative price, and no row of training has"),
        ("shop", "s9", 'shop: 1 of {} rows hold a value that training never had, such as "s9"'),
    ],
    ids=["zero", "negative", "unseen"],
)
def test_one_row_of_what_never_was_is_an_error_that_names_it(known, column, value, what):
    rows = known.day()
    found = known.first(changed(rows, column, ONE, value))
    assert (found.strict, found.rows.tolist()) == (True, [7])
    assert found.what == what.format(len(rows["id"]))
    assert found.where == f"row {DAYS}/7"


def test_one_row_that_breaks_an_implication_is_an_error_that_names_it(known):
    rows = known.day()
    lone = np.flatnonzero(np.isnan(rows["coupon"]))[:1]
    found = known.first(changed(rows, "coupon", lone, 555.0))
    assert (found.strict, found.rows.tolist()) == (True, lone.tolist())
    assert {"coupon", "discount"} <= {*found.columns}


def test_what_training_came_near_to_is_no_rule(known):
    strict = {(one.kind, one.columns[0]) for one in known.constraints.features if one.strict}
    assert {("zero", "price"), ("negative", "price"), ("zero", "rate")} <= strict
    assert not strict & {("zero", "gain"), ("negative", "gain"), ("zero", "heat")}
    assert not strict & {("negative", "heat"), ("negative", "since")}


def test_what_is_true_of_a_single_value_of_a_category_is_no_rule(known):
    implications = [one for one in known.constraints.features if one.kind == "implication"]
    assert {one.strict for one in implications if one.columns == ("shop", "street")} == {False}
    assert {one.strict for one in implications if {*one.columns} == {"coupon", "discount"}} == {
        True
    }


def test_a_value_that_two_batches_before_had_is_known(known):
    past = []
    for ahead in range(3):
        rows = changed(known.day(ahead), "shop", slice(0, 5), "s9")
        found = known.findings(rows, past)
        is_new = [one for one in found if one.strict and one.columns[0] == "shop"]
        assert bool(is_new) == (ahead < 2)
        view = known.constraints.view(rows, days_of(rows), past)
        (measured,), shown = known.constraints.measure(view)
        judged = [known.constraints.judge(measured, past, shown)]
        past += remembered_days(known.constraints, view, judged, f"day {ahead}")
