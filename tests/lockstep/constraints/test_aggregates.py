"""Aggregates: what a batch is as a whole."""

import numpy as np
import pytest

from lockstep.columns.schema import Schema
from tests.lockstep.constraints.tables import (
    HOUR,
    ORDERS,
    Known,
    changed,
    only,
    orders,
)


def hours(rows):
    return rows["at"].astype(np.int64) // HOUR % 24


def test_half_of_the_rows_are_found_to_be_lacking(shops):
    rows = only(orders(120), slice(None, None, 2))
    found = shops.first(rows)
    assert "at" in found.columns[:3]
    assert f"{len(rows['at'])} rows" in found.what


def test_hours_without_rows_are_found(sensors):
    rows = sensors.day()
    found = sensors.first(only(rows, (hours(rows) < 6) | (hours(rows) > 14)))
    assert (found.columns[0], found.blocks) == ("at", True)


@pytest.mark.parametrize(
    ("table", "column", "name"), [("sensors", "sensor", "s3"), ("shops", "shop", "port")]
)
def test_one_thing_without_rows_is_found(request, table, column, name):
    known = request.getfixturevalue(table)
    rows = known.day()
    found = known.first(only(rows, rows[column] != name))
    assert (found.details[0].statistic.columns[0], found.blocks) == (column, True)


@pytest.mark.parametrize(("column", "value"), [("weight", 10.3), ("note", "gift")])
def test_a_column_that_is_constant_is_found(shops, column, value):
    found = shops.first(changed(shops.day(), column, slice(None), value))
    assert found.columns[0] == column
    assert found.blocks


def test_a_third_more_rows_do_not_block(shops):
    assert not [one for one in shops.findings(orders(120, growth=1.3)) if one.blocks]


@pytest.fixture(scope="module")
def steady():
    """Orders of which each day has as many."""
    fields = tuple(one for one in ORDERS if one.name in ("id", "at", "shop", "price", "weight"))

    def make(day):
        rows = orders(day)
        return {one.name: rows[one.name][:70] for one in fields}

    return Known.of(make, Schema("Steady", fields), 60)


def grown(known, share):
    """A day of other rows, so many times as many."""
    rows = orders(known.days, growth=2)
    return {name: rows[name][: int(70 * share)] for name in known.day()}


def test_more_rows_than_any_day_had_are_no_news_of_their_columns(steady):
    found = steady.findings(grown(steady, 1.3))
    assert not [one for one in found if {*one.columns} <= {"price", "weight"}]
