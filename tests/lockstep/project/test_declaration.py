"""Declarations: what contradicts itself is refused when the file is imported."""

from dataclasses import replace
from datetime import UTC, date, datetime

import pytest

from assets.orders import ASSETS
from lockstep.columns.errors import DeclarationError
from lockstep.project.declaration import Calendar
from lockstep.project.quality import Quality


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"calendar": None}, "orders has a daily source but no calendar; give both."),
        ({"daily": None}, "orders has outcomes of days, but no daily source."),
        ({"holdout": 1.0}, "orders: holdout is a share between 0 and 1."),
        ({"slices": ("colour",)}, "orders: slices names 'colour', which is no column."),
        (
            {"quality": (Quality("risk", "price", "auc", 0.5),)},
            "orders: quality is measured between a column that is served and a label, "
            "not between 'risk' and 'price'.",
        ),
        (
            {"quality": (Quality("returned", "came_back", "auc", 0.5),)},
            "orders: quality is measured between a column that is served and a label, "
            "not between 'returned' and 'came_back'.",
        ),
    ],
    ids=["no calendar", "no daily", "holdout", "slices", "no label", "not served"],
)
def test_a_contradiction_is_refused(change: dict[str, object], said: str) -> None:
    with pytest.raises(DeclarationError) as refused:
        replace(ASSETS, **change)
    assert str(refused.value) == said


def test_a_calendar_has_its_last_day() -> None:
    days = Calendar(date(2020, 3, 1), date(2020, 3, 3)).days()
    assert days == ["2020-03-01", "2020-03-02", "2020-03-03"]


def test_a_calendar_that_goes_on_has_the_days_that_are_over() -> None:
    noon = datetime(2020, 3, 3, 12, tzinfo=UTC)
    assert Calendar(date(2020, 3, 1)).days(noon) == ["2020-03-01", "2020-03-02"]


def test_a_day_is_over_when_it_is_over_in_the_calendars_time_zone() -> None:
    calendar = Calendar(date(2020, 3, 1), timezone="America/New_York")
    assert calendar.days(datetime(2020, 3, 2, 4, tzinfo=UTC)) == []
    assert calendar.days(datetime(2020, 3, 2, 6, tzinfo=UTC)) == ["2020-03-01"]


def test_a_calendar_has_every_day_of_the_weeks_in_which_clocks_change() -> None:
    calendar = Calendar(date(2020, 10, 24), date(2020, 10, 27), timezone="Europe/Berlin")
    assert calendar.days() == ["2020-10-24", "2020-10-25", "2020-10-26", "2020-10-27"]
