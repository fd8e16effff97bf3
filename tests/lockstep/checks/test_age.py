"""The age of the live version at every batch, by the clock or on the day that is replayed."""

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta

import pytest

from assets.orders import ASSETS
from lockstep.checks.age import check_age, scoring_time
from lockstep.project.declaration import Calendar

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
