"""Relations that are nearly exact: what most rows leave of them, whatever a few do."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lockstep.laws.deviations import left_by_most
from lockstep.laws.margins import calibrated
from lockstep.laws.relations import Relation, discover
from tests.lockstep.laws.tables import DAYS, batch, broken, reports, training


def told(columns: dict[str, np.ndarray], seed: int) -> np.ndarray:
    """A number that heat and chill tell on a curve, but for some rows that are elsewhere."""
    generator = np.random.default_rng(seed)
    exact = 90 + 0.6 * columns["heat"] - columns["chill"] + columns["heat"] ** 2 / 1500
    is_elsewhere = generator.random(len(exact)) < generator.uniform(0, 0.2)
    return (exact + np.where(is_elsewhere, generator.normal(0, 4, len(exact)), 0)).round(2)


@pytest.fixture(scope="module")
def laws() -> list[Relation]:
    days = [told(reports(day), day) for day in range(DAYS)]
    return list(calibrated(discover(training(flow=np.concatenate(days))))[0])


def day(number: int = DAYS, **changes: np.ndarray):
    """A later day."""
    columns = reports(number)
    return batch(number, **{"flow": told(columns, number), **changes})


def halves(laws: list[Relation]) -> list[str]:
    return [name for law in laws for name in law.bands if name.startswith("half")]


@pytest.mark.parametrize("number", [DAYS, 91, 182, 274])
def test_a_relation_that_most_rows_keep_is_kept_in_any_season(laws, number):
    found = broken([law for law in laws if halves([law])], day(number))

    assert halves(laws)
    assert not [one for one in found if "half" in " ".join(one.numbers)]


def test_a_column_of_two_hours_before_is_an_error(laws):
    heat = reports(DAYS)["heat"]

    found = broken(laws, day(heat=np.r_[heat[:24], heat[:-24]]))

    assert [one for one in found if one.strict and "half" in " ".join(one.numbers)]


def test_a_segment_that_is_off_by_a_hundredth_is_an_error(laws):
    columns = reports(DAYS)
    flow = told(columns, DAYS)
    off = np.where(columns["site"] == "west", flow * 1.01, flow)

    found = [one for one in broken(laws, day(flow=off)) if "half in west" in one.numbers]

    assert found
    assert found[0].strict
    assert set(columns["site"][found[0].rows]) == {"west"}


def test_a_relation_that_leaves_as_much_of_most_rows_has_no_such_statistic():
    generator = np.random.default_rng(0)
    columns = reports(days=DAYS)
    spread = generator.normal(0, 3, len(columns["heat"]))
    laws = discover(training(flow=2 * columns["heat"] - columns["chill"] + spread))

    assert [law for law in laws if "flow" in law.columns]
    assert not [name for law in laws if "flow" in law.columns[:1] for name in halves([law])]


def test_an_exact_relation_has_room_for_rounding():
    columns = reports(days=DAYS)
    laws, _ = calibrated(discover(training(flow=columns["heat"] - columns["chill"])))
    later = reports(DAYS)

    assert halves(laws)
    assert broken(laws, batch(flow=(later["heat"] - later["chill"]) * (1 + 1e-9))) == []


@given(st.integers(0, 2**32 - 1), st.floats(0, 0.2))
@settings(max_examples=25, deadline=None)
def test_rows_that_are_far_off_do_not_draw_a_fit_to_themselves(seed, share):
    generator = np.random.default_rng(seed)
    terms = list(generator.normal(size=(2, 400)))
    target = 3 + terms[0] - 2 * terms[1]
    is_far = generator.random(400) < share
    target[is_far] += generator.exponential(20, np.count_nonzero(is_far))

    left = left_by_most(target, terms)

    assert np.abs(left[~is_far]).max() < 0.2


def test_what_is_not_known_leaves_nothing():
    numbers = np.array([1.0, 2.0, np.nan, 4.0])

    assert np.isnan(left_by_most(numbers, [np.arange(4.0)]))[2]
    assert np.isnan(left_by_most(np.full(3, np.nan), [np.arange(3.0)])).all()
