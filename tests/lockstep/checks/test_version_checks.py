"""Versions: how old one is, where it was fitted, and what differs between two."""

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta

import pytest

from assets.orders import ASSETS
from lockstep.checks.age import check_age, scoring_time
from lockstep.checks.code_checks import check_environment
from lockstep.checks.version_differences import VersionDifferences
from lockstep.parity.environment import Environment
from lockstep.project.declaration import Calendar
from tests.fixtures.orders import EDITED

DAILY, INBOX = "daily", "inbox"
NOW = datetime(2026, 5, 1, 6, tzinfo=UTC)
YEAR = timedelta(days=365)


def test_a_day_of_a_replayed_calendar_counts_as_scored_when_it_was_over() -> None:
    assert scoring_time(ASSETS, DAILY, "2020-03-04", NOW) == datetime(2020, 3, 5, tzinfo=UTC)


def test_a_file_beside_a_replayed_calendar_counts_as_scored_at_its_end() -> None:
    assert scoring_time(ASSETS, INBOX, "a.csv", NOW) == datetime(2020, 4, 1, tzinfo=UTC)


@pytest.mark.parametrize("stream", [DAILY, INBOX])
def test_with_a_calendar_that_goes_on_the_clock_counts(stream) -> None:
    declared = replace(ASSETS, calendar=Calendar(date(2020, 3, 1)))
    assert scoring_time(declared, stream, "2020-03-04", NOW) == NOW


def test_a_version_grows_old_by_the_clock(live) -> None:
    version = live.registry.load("orders", "live")
    assert version.trained_until.date() == date(2020, 2, 29)
    assert check_age(version, datetime(2021, 2, 1, tzinfo=UTC), YEAR).passed
    old = check_age(version, datetime(2021, 4, 1, tzinfo=UTC), YEAR)
    assert (old.result, old.numbers) == ("warned", {"age_days": 396})


def test_a_version_that_does_not_tell_of_when_its_rows_are_is_not_judged(live) -> None:
    version = replace(live.registry.load("orders", "live"), trained_until=None)
    assert check_age(version, NOW, YEAR).result == "not_judged"


def test_another_release_of_scikit_learn_is_an_error_until_it_is_proven(workplace) -> None:
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


def test_units_that_were_worked_on_in_another_environment_are_a_warning(workplace) -> None:
    loaded = workplace.registry.load("orders", 1)
    found = check_environment(loaded, proven=True, units=["another"])
    assert (found.result, found.todo) == (
        "warned",
        "Give them the installation of this process, then: AGAIN",
    )


def test_the_environment_of_the_fit_passes(workplace) -> None:
    loaded = replace(workplace.registry.load("orders", 1), environment=Environment.capture())
    found = check_environment(loaded, proven=False)
    assert found.passed
    assert found.numbers["facts"] > len(loaded.environment.libraries)


def test_versions_of_the_same_code_and_rows_do_not_differ(two_versions) -> None:
    first, second = (two_versions.registry.load("orders", number) for number in (1, 2))
    assert not VersionDifferences.of(first, second).any


def test_a_changed_function_is_told_with_its_column_and_its_code(three_versions) -> None:
    first, second = (three_versions.registry.load("orders", each) for each in (1, EDITED))
    differences = VersionDifferences.of(first, second, ("5a1c", "0e77"))
    assert differences.columns == {"will_return": "changed"}
    assert [*differences.code] == ["transforms.orders.will_return"]
    diff = differences.code["transforms.orders.will_return"].splitlines()
    assert diff[:2] == ["--- version 1", f"+++ version {EDITED}"]
    assert [line for line in diff[2:] if line[0] in "+-"] == [
        "-    return return_probability >= 0.5",
        "+    return return_probability >= 0.2",
    ]
    assert differences.files == {"module transforms.orders": "changed"}
    assert (differences.suites, differences.environment) == ({}, {})
    assert differences.rows == {"SHA-256 of the training set": ("5a1c", "0e77")}
