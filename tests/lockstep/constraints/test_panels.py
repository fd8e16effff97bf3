"""Panels: one thing beside its like, and beside its own past."""

import numpy as np
import pytest

from tests.lockstep.constraints.tables import changed, readings


@pytest.fixture
def rows(sensors):
    return sensors.day()


@pytest.fixture
def own(rows):
    """The rows of one sensor."""
    return rows["sensor"] == "s3"


def kinds(found):
    return {one.statistic.feature.kind for finding in found for one in finding.details}


def test_clean_days_break_nothing(sensors):
    assert not [one for one in sensors.quiet(10) if one.blocks]
    assert len(sensors.quiet(10)) <= 1


def test_one_sensor_that_is_off_is_found(sensors, rows, own):
    found = sensors.first(changed(rows, "heat", own, rows["heat"][own] + 3))
    assert found.columns[0] == "heat"
    assert found.where == "rows of sensor s3"


def test_a_sensor_that_is_stuck_while_its_peers_move_is_found(sensors, rows, own):
    found = sensors.first(changed(rows, "heat", own, rows["heat"][own][0]))
    assert found.columns[0] == "heat"


def test_a_number_of_its_own_that_is_stuck_is_found(sensors, rows, own):
    found = sensors.first(changed(rows, "load", own, rows["load"][own][0]))
    assert found.columns[0] == "load"
    assert "stuck" in kinds([found])


def test_a_sensor_that_lags_behind_its_peers_is_found(sensors, rows, own):
    last = readings(119)["heat"][own][-1]
    late = np.append(last, rows["heat"][own][:-1])
    found = sensors.findings(changed(rows, "heat", own, late))
    assert found[0].columns[0] == "heat"


def test_sensors_that_move_beyond_the_range_of_training_are_not_stuck(sensors, rows):
    found = sensors.findings(changed(rows, "heat", slice(None), rows["heat"] - 60))
    assert "stuck" not in kinds(found)


def test_a_number_that_goes_no_more_with_another_is_found(sensors, rows):
    dealt = np.random.default_rng(0).permutation(rows["damp"])
    found = sensors.first({**rows, "damp": dealt})
    assert (found.columns[0], found.blocks) == ("damp", True)


def test_residuals_of_training_are_told_by_other_days(sensors):
    names = [one.target.title for one in sensors.constraints.panels.residuals]
    assert names == ["heat", "damp"]  # and no load, which nothing tells
