"""History: what the rows before of the same thing tell."""

import numpy as np
import pytest

from lockstep.columns.schema import Field, Schema
from lockstep.constraints.quantities import Quantity
from lockstep.constraints.quantity_values import evaluate
from lockstep.constraints.view import View
from tests.lockstep.constraints.tables import (
    EVENT,
    FIRST,
    KEY,
    Known,
    changed,
    days_of,
    judged_days,
    meter_columns,
    remembered_days,
    texts,
    times,
)

METER = ("meter",)
MADE = {
    "prior": Quantity("previous", ("reading",), METER),
    "since": Quantity("elapsed", (), METER),
    "visits": Quantity("count", (), METER, 7),
    "week": Quantity("sum", ("used",), METER, 7),
}


@pytest.mark.parametrize(("column", "quantity"), MADE.items(), ids=MADE)
def test_rows_before_tell_what_pandas_computes(meters, column, quantity):
    rows = meter_columns(30)
    view = View(rows, meters.constraints.layout, days_of(rows))
    np.testing.assert_array_equal(evaluate(view, quantity), rows[column])


@pytest.mark.parametrize(
    ("column", "says"),
    [
        ("prior", "prior = reading of the previous meter"),
        ("since", "since = the minutes since the previous meter"),
        ("visits", "visits = the rows of the 7 days before, same meter"),
        ("week", "week = the sum of used over the 7 days before, same meter"),
        ("reading", "reading of the previous meter <= reading"),
    ],
)
def test_what_rows_before_tell_is_found_and_where_it_is_wrong(meters, column, says):
    assert says in meters.features
    rows = meters.day()
    wrong = rows[column][-1] + (-5000 if column == "reading" else 10)
    found = meters.first(changed(rows, column, [-1], wrong))
    assert column in found.columns[:2]
    assert found.where == f"row {rows['id'][-1]}"
    assert says in {one.statistic.feature.says for one in found.details}


def test_clean_days_break_nothing(meters):
    assert not [one for one in meters.quiet(7) if one.blocks]


@pytest.mark.parametrize("says", ["visits = visits of the previous visits",
                                  "week = week of the previous week"])  # fmt: skip
def test_what_holds_of_anything_is_no_rule(meters, says):
    assert says not in meters.features


def pairs_of_calls(day):
    """Each of thirty callers calls twice within minutes, once a day."""
    random = np.random.default_rng(day)
    caller = np.repeat(np.arange(30), 2)
    hours = np.repeat(8 + 10 * random.random(30), 2) + np.tile([0, 0.1], 30)
    return {
        "id": texts([f"{day}-{number}" for number in range(60)]),
        "at": times(np.full(60, FIRST + day), hours),
        "caller": texts([f"c{number}" for number in caller]),
        "city": texts([f"city {number % 7}" for number in caller]),
        "tariff": texts([f"tariff {number % 4}" for number in caller]),
        "length": np.round(random.gamma(4, 2, 60), 1),
    }


NAMES = ("caller", "city", "tariff")
CALLS = Schema(
    "Call", (KEY, EVENT, *(Field(name, "str") for name in NAMES), Field("length", "float"))
)


def test_the_days_after_one_that_is_held_back_are_not_judged_by_the_rows_that_are_left():
    calls = Known.of(pairs_of_calls, CALLS, 60)
    past = []
    for ahead in range(3):
        rows = calls.day(ahead)
        view = calls.constraints.view(rows, days_of(rows), past)
        judged = judged_days(calls.constraints, view)
        if ahead:  # of the first calls of each pair, no call before is known
            assert not [one for one in calls.findings(rows, past) if one.blocks]
        past += [
            batch.held_back({"length"})
            for batch in remembered_days(calls.constraints, view, judged, f"day {ahead}")
        ]
