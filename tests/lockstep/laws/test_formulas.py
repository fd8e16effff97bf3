"""Numbers that others of their row tell exactly: what a day's rows off the curve say."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lockstep.columns.kinds import Columns, Floats
from lockstep.laws import formulas
from lockstep.laws.formulas import Formula
from tests.lockstep.laws.tables import DAYS, batch, broken, reports, training


def _vapour(fahrenheit: Floats) -> Floats:
    celsius = (fahrenheit - 32) / 1.8
    return np.exp(17.625 * celsius / (243.04 + celsius))


def _humidity(rows: Columns) -> Floats:
    """Relative humidity of a temperature and a dew point (August, Roche and Magnus)."""
    return (100 * _vapour(rows["chill"]) / _vapour(rows["heat"])).round(2)


def _by_hand(rows: Columns) -> Floats:
    """The same, of other instruments where there is no load."""
    drifts = 1 + 0.1 * np.sin(np.arange(len(rows["heat"])))
    return np.where(np.isnan(rows["load"]), _humidity(rows) * drifts, _humidity(rows))


@pytest.fixture(scope="module")
def laws() -> list[Formula]:
    return formulas.discover(training(flow=_humidity(reports(days=DAYS))))


@pytest.fixture(scope="module")
def laws_where_known() -> list[Formula]:
    return formulas.discover(training(flow=_by_hand(reports(days=DAYS))))


def test_one_formula_is_found_of_the_columns_that_it_is_about(laws):
    assert [set(law.columns) for law in laws] == [{"flow", "heat", "chill"}]


@pytest.mark.parametrize("day", [DAYS, 91, 182, 274])
def test_a_day_of_any_season_is_on_a_curve(laws, day):
    assert broken(laws, batch(day, flow=_humidity(reports(day)))) == []


def test_a_site_that_is_off_by_a_fiftieth_is_an_error_that_names_its_rows(laws):
    rows = reports(DAYS)
    is_in = rows["site"] == "west"

    (found,) = broken(laws, batch(flow=np.where(is_in, 1.02, 1.0) * _humidity(rows)))

    assert found.strict
    assert set(found.rows) <= set(np.flatnonzero(is_in))
    assert len(found.rows) > 0.9 * np.count_nonzero(is_in)


def test_another_number_at_all_rows_is_an_error(laws):
    rows = reports(DAYS)

    (found,) = broken(laws, batch(flow=_humidity(rows), heat=np.roll(rows["heat"], 24)))

    assert found.strict


def test_one_row_that_is_off_is_not_unusual(laws):
    flow = _humidity(reports(DAYS))
    flow[7] *= 1.1

    assert broken(laws, batch(flow=flow)) == []


def test_a_day_on_which_the_number_hardly_varies_is_judged_as_one_on_which_it_does(laws):
    (law,) = laws
    little = np.random.default_rng(0).uniform(-1, 1, len(batch())) * law.tolerance * law.narrowest

    assert broken(laws, batch(**{law.target.column: 50 + little / 2})) == []


def test_how_far_rows_are_off_is_told_by_the_spread_that_days_have(laws):
    (law,) = laws
    still = 50 + 1e-6 * np.arange(len(batch()))
    still[:5] += 10 * law.narrowest

    rows = batch(**{law.target.column: still})
    ((name, reading),) = law.measure(rows).items()

    assert "1000% of its spread" in law.tell(name, reading, law.bands[name], rows)


def test_a_formula_may_hold_where_another_column_is_known(laws_where_known):
    assert [law.known for law in laws_where_known] == ["load"]
    assert broken(laws_where_known, batch(flow=_by_hand(reports(DAYS)))) == []


def test_what_fills_the_column_that_is_to_be_known_is_at_fault(laws_where_known):
    rows = reports(DAYS)
    filled = np.where(np.isnan(rows["load"]), 120.0, rows["load"])

    (found,) = broken(laws_where_known, batch(flow=_by_hand(rows), load=filled))

    assert found.strict
    assert "load" in found.columns


def test_the_column_that_is_to_be_known_is_not_at_fault_for_other_rows(laws_where_known):
    rows = reports(DAYS)
    is_in = rows["site"] == "west"

    (found,) = broken(laws_where_known, batch(flow=np.where(is_in, 1.02, 1.0) * _by_hand(rows)))

    assert "load" not in found.columns


def test_what_is_told_but_for_chance_is_no_formula():
    assert formulas.discover(training()) == []


@given(
    st.lists(st.floats(-5, 5), min_size=6, max_size=6),
    st.floats(0.05, 100),
    st.integers(0, 2**32 - 1),
)
def test_a_quarter_of_the_rows_that_is_elsewhere_does_not_move_the_curve(weights, away, seed):
    generator = np.random.default_rng(seed)
    one, other = generator.normal(size=(2, 400))
    curve = np.column_stack([np.ones(400), one, other, one * one, one * other, other * other])
    is_away = np.arange(400) % 4 == 0
    numbers = curve @ np.array(weights)

    left = formulas.beside(numbers + away * is_away, curve)

    np.testing.assert_allclose(left, away * is_away, atol=0.01 * away)
