"""Days on which a column has one value in all rows, and of which values."""

import numpy as np
import pytest

from lockstep.columns.kinds import Kind
from lockstep.parity.profiles import Profile
from lockstep.parity.uniform import FIRST_DAYS, UniformDays


def column(*values):
    array = np.array(values, dtype=float)
    return Profile.of({"x": array}, {"x": Kind.FLOAT}).columns["x"]


def texts(*values):
    return Profile.of({"x": np.array(values, dtype=object)}, {"x": Kind.TEXT}).columns["x"]


@pytest.mark.parametrize(
    ("day", "value"),
    [
        (column(3, 3, 3), 3.0),
        (column(3, 3, 4), None),
        (column(3, 3, np.nan), 3.0),
        (column(3, np.nan, np.nan), None),
        (column(3), None),
        (column(), None),
        (texts("a", "a"), "a"),
        (texts("a", "b"), None),
    ],
)
def test_a_day_is_uniform_if_most_rows_have_a_value_and_all_of_these_the_same(day, value):
    assert day.uniform == value


@pytest.mark.parametrize(
    ("day", "value", "share"),
    [(column(*[0] * 30, *range(1, 71)), 0.0, 0.3), (texts("a", "b", "b"), "b", 2 / 3)],
)
def test_shares_of_a_value_are_told(day, value, share):
    assert day.share(value) == pytest.approx(share, abs=0.01)


def test_a_value_that_comes_after_the_first_days_is_new():
    ordinary = [column(*[1, 2] * 10), column(*[1] * 20)] * (FIRST_DAYS // 2)
    known = UniformDays.of([*ordinary, column(*[2] * 20), column(*[1] * 20)])
    assert known == UniformDays((1.0, 2.0), new=1)


def test_of_later_days_every_value_is_new_that_was_not_known():
    known = UniformDays((1.0,), new=0).and_then([column(2, 2), column(3, 3), column(1, 1)])
    assert (known.new, known.renew) == (2, True)


def test_the_first_value_of_a_column_is_not_new():
    assert UniformDays().and_then([column(1, 1)]) == UniformDays((1.0,), new=0)


def test_rows_that_agree_by_chance_make_no_day_uniform():
    usual = [texts(*"aabc")] * FIRST_DAYS
    assert UniformDays.of([texts("a", "a"), *usual]) == UniformDays()
    assert UniformDays.of([texts(*"a" * 20), *usual]) == UniformDays(("a",))


def test_many_days_of_few_rows_that_agree_are_no_chance():
    assert UniformDays.of([*[texts("a", "a")] * 6, texts("a", "b")]) == UniformDays(("a",))
