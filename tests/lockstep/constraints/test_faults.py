"""Faults of a day: each is found, told with the column that is suspected first, and may block."""

from collections.abc import Callable

import numpy as np
import pytest

from lockstep.columns.kinds import Columns
from lockstep.columns.schema import Schema
from lockstep.constraints.dependencies import OfDay
from lockstep.constraints.findings import Finding
from lockstep.constraints.view import View
from tests.lockstep.constraints.tables import (
    HOUR,
    ORDERS,
    Known,
    changed,
    joined,
    only,
    orders,
    readings,
    texts,
)

Change = Callable[[Columns], Columns]
ALL, SOME, FEW, ROW = slice(None), slice(0, 70, 7), slice(0, 4), 7


def put(column: str, rows: slice, value: object) -> Change:
    return lambda day: changed(day, column, rows, value)


def by(column: str, change: Callable[[np.ndarray], object]) -> Change:
    return lambda day: {**day, column: change(day[column])}


def without(column: str, name: str) -> Change:
    return lambda day: only(day, day[column] != name)


def kinds(*findings: Finding) -> set[str]:
    return {one.statistic.feature.kind for finding in findings for one in finding.details}


@pytest.mark.parametrize("table", ["shops", "sensors"])
def test_clean_days_break_nothing(request, table):
    quiet = request.getfixturevalue(table).quiet(10)
    assert not [one for one in quiet if one.blocks]
    assert len(quiet) <= 1


VALUES = {
    "missing number": (put("weight", SOME, np.nan), "weight", "missing", True),
    "missing text": (put("note", slice(0, 50), None), "note", "missing", False),
    "unseen value": (put("courier", FEW, "ship"), "courier", "unseen", True),
    "form": (put("article", FEW, "a-00123"), "article", "form", True),
    "beyond range": (put("weight", SOME, 38.4), "weight", "beyond", False),
    "far beyond range": (put("weight", FEW, 9999.0), "weight", "far beyond", False),
    "sentinel": (put("weight", FEW, -999.0), "weight", "negative", True),
    "off the grid": (put("weight", FEW, 3.14159), "weight", "grid", False),
    "zero": (put("weight", SOME, 0.0), "weight", "zero", True),
    "negative": (put("weight", FEW, -3.5), "weight", "negative", True),
    "rounded": (by("weight", np.ceil), "weight", "round", True),
    "another unit": (by("weight", lambda own: np.round(own * 2.2, 1)), "weight", "level", True),
    "usual of another column": (
        lambda day: {**day, "courier": texts(day["shop"].tolist())},
        "courier",
        "unseen",
        True,
    ),
    "never in half of the rows": (
        lambda day: changed(day, "note", np.arange(len(day["id"])) % 100 < 47, "NULL"),
        "note",
        "unseen",
        True,
    ),
}


@pytest.mark.parametrize(("change", "column", "kind", "blocks"), VALUES.values(), ids=VALUES)
def test_what_a_column_never_had_is_found(shops, change, column, kind, blocks):
    found = shops.first(change(shops.day()))
    assert (found.columns[0], found.family, found.blocks) == (column, "values", blocks)
    assert kind in kinds(found)


def deal(own: np.ndarray) -> np.ndarray:
    return np.random.default_rng(0).permutation(own)


def of_one(column: str, change: Callable[[np.ndarray], object]) -> Change:
    """Of one sensor's values."""

    def of_sensor(day: Columns) -> Columns:
        own = day["sensor"] == "s3"
        return changed(day, column, own, change(day[column][own]))

    return of_sensor


def lag(own: np.ndarray) -> np.ndarray:
    last = readings(119)
    return np.append(last["heat"][last["sensor"] == "s3"][-1], own[:-1])


def some_hours(day: Columns) -> Columns:
    hours = day["at"].astype(np.int64) // HOUR % 24
    return only(day, (hours < 6) | (hours > 14))


def other_cities(day: Columns) -> Columns:
    some = ["Kiel" if city != "Kiel" else "Rome" for city in day["city"][:3]]
    return changed(day, "city", slice(0, 3), some)


OTHERS = {
    "a constant number": ("shops", put("weight", ALL, 10.3), "weight", "distinct", True),
    "a constant text": ("shops", put("note", ALL, "gift"), "note", "top share", True),
    "other cities of shops": ("shops", other_cities, "city", "look-up", True),
    "couriers dealt out": ("shops", by("courier", deal), "courier", "loose look-up", False),
    "hours without rows": ("sensors", some_hours, "at", "volume", True),
    "one that is off": (
        "sensors",
        of_one("heat", lambda own: own + 3),
        "heat",
        "far residual",
        True,
    ),
    "stuck while its peers move": (
        "sensors",
        of_one("heat", lambda own: own[0]),
        "heat",
        "far residual",
        True,
    ),
    "a number of its own stuck": (
        "sensors",
        of_one("load", lambda own: own[0]),
        "load",
        "stuck",
        True,
    ),
    "one that lags behind": ("sensors", of_one("heat", lag), "heat", "far residual", False),
    "goes no more with another": ("sensors", by("damp", deal), "damp", "correlation", True),
}


@pytest.mark.parametrize(
    ("table", "change", "column", "kind", "blocks"), OTHERS.values(), ids=OTHERS
)
def test_what_is_otherwise_than_on_other_days_is_found(
    request, table, change, column, kind, blocks
):
    known = request.getfixturevalue(table)
    found = known.first(change(known.day()))
    assert (found.columns[0], found.blocks) == (column, blocks)
    assert kind in kinds(found)


@pytest.mark.parametrize(
    ("column", "value"),
    [
        ("total", lambda own: own + 2),
        ("total", lambda _: 5001.0),  # though a mean strays farther
        ("fee", lambda own: own + 2),
        ("gross", lambda own: own + 2),
        ("most", lambda own: own - 30),
    ],
)
def test_one_row_that_breaks_a_strict_rule_is_a_finding_with_its_key(shops, column, value):
    rows = shops.day()
    found = shops.first(changed(rows, column, [ROW], value(rows[column][ROW])))
    assert column in found.columns
    assert (found.strict, found.blocks) == (True, True)
    assert found.where == f"row {rows['id'][ROW]}"


def test_a_key_of_another_day_is_found(shops):
    found = shops.first(changed(shops.day(), "id", [ROW], "2024-05-21/0007"))
    assert found.columns[0] == "id"
    assert "id holds its day" in {one.statistic.feature.says for one in found.details}


def test_a_number_that_is_no_product_is_the_first_suspect(shops):
    rows = shops.day()
    assert shops.first(changed(rows, "total", [ROW], rows["total"][ROW] + 5)).columns[0] == "total"


@pytest.mark.parametrize(("status", "refund"), [("open", 7.0), ("void", np.nan)])
def test_a_number_that_is_missing_only_where_it_may_be_is_found(shops, status, refund):
    rows = shops.day()
    row = int(np.flatnonzero(rows["status"] == status)[0])
    found = shops.first(changed(rows, "refund", [row], refund))
    assert "refund" in found.columns[:2]
    assert "implication" in kinds(found)


# --- rules ---


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


def test_what_is_alike_at_each_hour_and_shop_is_found_where_a_row_differs(shops):
    rows = shops.day()
    hours = rows["at"].astype("datetime64[h]").astype(np.int64)
    places = list(zip(rows["shop"], hours.tolist(), strict=True))
    row = next(row for row, place in enumerate(places) if places.count(place) >= 3)
    found = shops.first(changed(rows, "temp", [row], 33.3 if rows["temp"][row] != 33.3 else 33.4))
    assert (found.columns[0], found.where) == ("temp", f"row {rows['id'][row]}")


def test_two_rows_that_should_be_alike_and_differ_break_a_dependency(shops):
    rows = {**only(shops.day(), slice(0, 2)), "shop": texts(["port"] * 2)}
    view = View(rows, shops.constraints.layout, np.zeros(2, dtype=np.int64))
    assert OfDay(("shop",), "price").breaks(view).max() == 1


def test_rows_that_show_it_are_named(shops):
    found = shops.first(changed(shops.day(), "weight", SOME, np.nan))
    assert found.rows.tolist() == list(range(0, 70, 7))
    assert found.where.startswith("rows 2024-04-30/0000, 2024-04-30/0007")


def test_a_number_that_was_in_a_batch_before_is_not_beyond_the_range(shops):
    rows = changed(shops.day(), "weight", SOME, 38.4)
    view = shops.constraints.view(rows, np.full(len(rows["id"]), 19843), ())
    past = shops.constraints.remembered(view, "before")
    found = shops.findings(changed(shops.day(1), "weight", SOME, 38.4), past)
    assert "beyond" not in kinds(*found)


# --- identity ---


@pytest.mark.parametrize(("row", "ahead", "kind"), [(8, 0, "twice"), (7, -3, "again")])
def test_a_key_that_came_before_is_found(shops, row, ahead, kind):
    found = shops.first(changed(shops.day(), "id", [row], shops.day(ahead)["id"][7]))
    assert (found.columns, found.family) == (("id",), "identity")
    assert kind in kinds(found)


def sent_twice(rows: Columns, later: float) -> Columns:
    """Rows of which ten come again, some time later, by other keys."""
    again = only(rows, slice(0, 10))
    again["id"] = texts([f"2024-04-30/9{number:03d}" for number in range(10)])
    again["at"] = again["at"] + np.timedelta64(int(later * HOUR), "us")
    return joined([rows, again])


def test_rows_that_come_twice_by_other_keys_are_found(shops):
    assert "twice" in kinds(*shops.findings(sent_twice(shops.day(), 0.01)))


def test_rows_that_come_twice_at_one_moment_are_one_finding(shops):
    (found,) = shops.findings(sent_twice(shops.day(), 0.0))
    assert found.columns[0] == "id"


def test_rows_of_the_day_before_by_other_keys_are_found(shops):
    rows, before = only(shops.day(), slice(0, 70)), only(shops.day(-1), slice(0, 70))
    found = shops.first({**before, "id": rows["id"], "at": rows["at"]})
    assert (found.family, found.blocks, len(found.rows)) == ("identity", True, 70)
    assert "again" in kinds(found)


# --- panels and aggregates ---


def test_what_is_off_of_one_sensor_is_told_by_it(sensors):
    day = sensors.day()
    found = sensors.first(of_one("heat", lambda own: own + 3)(day))
    assert {*day["sensor"][found.rows]} == {"s3"}


def test_sensors_that_move_beyond_the_range_of_training_are_not_stuck(sensors):
    assert "stuck" not in kinds(*sensors.findings(by("heat", lambda own: own - 60)(sensors.day())))


def test_residuals_of_training_are_told_by_other_days(sensors):
    names = [one.target.title for one in sensors.constraints.panels.residuals]
    assert names == ["heat", "damp"]  # and no load, which nothing tells


@pytest.mark.parametrize(
    ("table", "thing", "name"), [("sensors", "sensor", "s3"), ("shops", "shop", "port")]
)
def test_one_thing_without_rows_is_found(request, table, thing, name):
    known = request.getfixturevalue(table)
    found = known.first(without(thing, name)(known.day()))
    assert (found.details[0].statistic.columns[0], found.blocks) == (thing, True)


def test_half_of_the_rows_are_found_to_be_lacking(shops):
    rows = only(shops.day(), slice(None, None, 2))
    found = shops.first(rows)
    assert "at" in found.columns[:3]
    assert f"{len(rows['at'])} rows" in found.what


def test_a_third_more_rows_do_not_block(shops):
    assert not [one for one in shops.findings(orders(120, growth=1.3)) if one.blocks]


def test_more_rows_than_any_day_had_are_no_news_of_their_columns():
    fields = [one for one in ORDERS if one.name in ("id", "at", "shop", "price", "weight")]

    def make(day: int, rows: int = 70, growth: float = 1.0) -> Columns:
        each = orders(day, growth)
        return {one.name: each[one.name][:rows] for one in fields}

    steady = Known.of(make, Schema("Steady", tuple(fields)), 60)
    found = steady.findings(make(60, 91, growth=2))
    assert not [one for one in found if {*one.columns} <= {"price", "weight"}]
