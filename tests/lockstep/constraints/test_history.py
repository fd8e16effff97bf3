"""History: what the rows before of the same thing tell."""

import numpy as np
import pytest

from lockstep.constraints.quantities import Quantity
from lockstep.constraints.view import View
from tests.lockstep.constraints.tables import changed, days_of, meter_columns

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
    np.testing.assert_array_equal(view.number(quantity), rows[column])


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
