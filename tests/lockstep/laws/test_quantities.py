"""Logarithms of numbers that are nothing now and then."""

import numpy as np
import pytest

from lockstep.columns.kinds import Columns
from lockstep.columns.schema import Field, Schema
from lockstep.laws.quantities import Quantity, plain_quantities
from lockstep.laws.relations import Relation, discover
from lockstep.laws.rows import Rows, TrainingRows

SCHEMA = Schema(
    "Sale",
    (
        Field("id", "str", role="key"),
        Field("at", "datetime", role="event_time"),
        Field("usual", "float"),
        Field("sold", "float"),  # goes with what is usual; on one day of seven hardly anybody opens
    ),
)
SHOPS, DAYS = 80, 42


def sales() -> Columns:
    generator = np.random.default_rng(1)
    day = np.repeat(np.arange(DAYS), SHOPS)
    usual = np.tile(np.exp(generator.normal(4, 1, SHOPS)), DAYS).round(1)
    is_closed = (day % 7 == 6) & (generator.random(len(day)) < 0.9)
    sold = np.where(is_closed, 0.0, 1 + usual * np.exp(generator.normal(0, 0.2, len(day)))).round()
    return {
        "id": np.array([str(one) for one in range(len(day))], dtype=object),
        "at": np.datetime64("2021-01-04", "us") + day.astype("timedelta64[D]"),
        "usual": usual,
        "sold": sold,
    }


@pytest.fixture(scope="module")
def rows() -> Rows:
    return Rows(sales(), SCHEMA)


def test_a_number_that_is_nothing_now_and_then_has_a_logarithm(rows):
    assert Quantity("sold", "logarithm") in plain_quantities(rows)


def test_a_number_that_is_below_nothing_has_none(rows):
    columns = {**rows.columns, "sold": rows.columns["sold"] - 1}
    assert Quantity("sold", "logarithm") not in plain_quantities(Rows(columns, SCHEMA))


def test_a_number_that_is_only_nothing_has_none(rows):
    columns = {**rows.columns, "sold": np.zeros(len(rows))}
    assert Quantity("sold", "logarithm") not in plain_quantities(Rows(columns, SCHEMA))


def test_numbers_that_go_together_where_they_are_something_do_so_on_days_of_nothing(rows):
    (law,) = (one for one in discover(TrainingRows.of(rows)) if one.target.column == "sold")
    assert law.target == Quantity("sold", "logarithm")


def test_numbers_that_were_dealt_to_other_rows_are_found_on_a_usual_day(rows):
    (law,) = (one for one in discover(TrainingRows.of(rows)) if one.target.column == "sold")
    assert isinstance(law, Relation)
    day = rows.take(slice(0, SHOPS))
    dealt = {**day.columns, "sold": np.sort(day.columns["sold"])}
    assert law.measure(Rows(dealt, SCHEMA))["unexplained"].value > law.bands["unexplained"].highest


def test_where_a_term_lies_is_known_of_the_rows_that_are_told_by_it(rows):
    (law,) = (one for one in discover(TrainingRows.of(rows)) if one.target.column == "sold")
    day = np.repeat(np.arange(DAYS), SHOPS)
    is_open = rows.columns["sold"] > 0
    (term,) = law.terms
    means = [term.of(rows)[is_open & (day == one)].mean() for one in range(DAYS)]
    assert law.known[0] == pytest.approx((min(means), max(means)))
