"""Environment: what is said of another environment than that of the fit."""

from dataclasses import replace

from lockstep.checks.code_checks import check_environment
from lockstep.parity.environment import Environment


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
    found = check_environment(loaded, proven=False)
    assert found.passed
    assert found.numbers["facts"] > len(loaded.environment.libraries)
