"""Evidence: what is said of rows that drifted, and of another environment than that of the fit."""

from dataclasses import replace

import numpy as np

from lockstep.checks.evidence import check_drift, check_environment
from lockstep.columns.kinds import Columns, Kind
from lockstep.parity.environment import Environment
from lockstep.parity.profiles import Profile

ROWS = 2000


def readings(seed: int, *, lift: float = 0.0) -> Columns:
    rng = np.random.default_rng(seed)
    return {"level": rng.normal(0, 1, ROWS) + lift, "speed": rng.normal(50, 5, ROWS)}


TRAINING = Profile.of(readings(0), {"level": Kind.FLOAT, "speed": Kind.FLOAT})


def test_drift_from_training_is_a_warning_that_names_the_column() -> None:
    found = check_drift(TRAINING, readings(1, lift=3.0))
    assert (found.passed, found.is_error, found.column) == (False, False, "level")


def test_rows_distributed_as_in_training_pass() -> None:
    found = check_drift(TRAINING, readings(1))
    assert found.passed, found.summary


def test_nothing_to_compare_with_training_is_a_failure() -> None:
    assert not check_drift(Profile.of({}, {}), readings(1)).passed


def test_another_release_of_scikit_learn_is_an_error_before_the_version_is_proven(
    workplace,
) -> None:
    loaded = workplace.registry.load("orders", 1)
    libraries = {**loaded.environment.libraries, "scikit-learn": "1.2.2"}
    fitted_elsewhere = replace(loaded, environment=replace(loaded.environment, libraries=libraries))
    found = check_environment(fitted_elsewhere, proven=False)
    assert found.is_error
    assert "scikit-learn" in found.summary
    assert "not 1.2.2" in found.summary
    assert not check_environment(fitted_elsewhere, proven=True).is_error


def test_another_time_zone_is_a_warning(workplace) -> None:
    loaded = workplace.registry.load("orders", 1)
    elsewhere = replace(loaded.environment, timezone="NZST/NZDT +12:00")
    found = check_environment(replace(loaded, environment=elsewhere), proven=False)
    assert (found.passed, found.is_error) == (False, False)
    assert "timezone" in found.summary


def test_the_environment_of_the_fit_passes(workplace) -> None:
    loaded = replace(workplace.registry.load("orders", 1), environment=Environment.capture())
    assert check_environment(loaded, proven=False).passed
