"""Declarations: what contradicts itself is refused when the file is imported."""

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from assets.orders import ASSETS
from lockstep.dagster.partitions import daily_partitions
from lockstep.errors import DeclarationError
from lockstep.project.declaration import Calendar, PipelineAssets
from lockstep.project.quality import Quality
from lockstep.project.serving import Serving
from lockstep.project.sources import CsvSource, FunctionSource, ParquetSource, SqlSource
from lockstep.serving.requestlog.settings import RequestLog


def nothing() -> pd.DataFrame:
    return pd.DataFrame()


def of_day(day: date) -> pd.DataFrame:
    return pd.DataFrame()


QUERY = "SELECT * FROM orders"


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (
            {"calendar": None},
            "has a daily source but no calendar; give both, such as "
            "calendar=Calendar(date(2024, 1, 31)).",
        ),
        ({"daily": None}, "has outcomes of days, but no daily source."),
        ({"holdout": 1.0}, "holdout is 1.0; give a number above 0 and below 1."),
        ({"holdout": "a fifth"}, "holdout is 'a fifth'; give a number above 0 and below 1."),
        ({"max_quarantined": 5}, "max_quarantined is 5; give a number from 0 and up to 1."),
        ({"max_age": 30}, "max_age is 30; give a timedelta from 0 on, such as timedelta(days=30)."),
        (
            {"label_delay": 30},
            "label_delay is 30; give a timedelta from 0 on, such as timedelta(days=30).",
        ),
        (
            {"label_delay": timedelta(days=-1)},
            "label_delay is datetime.timedelta(days=-1); give a timedelta from 0 on",
        ),
        (
            {"label_delay": timedelta(days=1), "outcomes": None},
            "has a label_delay, but no source of outcomes;",
        ),
        ({"min_known": 0}, "min_known is 0; give a number above 0 and up to 1."),
        ({"calendar": "2020-03-01"}, "calendar is '2020-03-01'; give Calendar(...) or None."),
        ({"suites": None}, "suites is None; give Suites(...)."),
        ({"quality": Quality("risk", "came_back", "auc", 0.5)}, "quality is Quality("),
        ({"slices": "region"}, "slices is 'region'; give names of columns, such as ['region'] "),
        ({"slices": {"region": "some"}}, "slices['region'] is 'some'; give a number from 0."),
        ({"slices": {"regoin": 0.1}}, "slices names 'regoin', but no column of that name"),
        (
            {"slices": ("regoin",)},
            "slices names 'regoin', but no column of that name is served (did you mean 'region'?).",
        ),
        (
            {"quality": (Quality("risk", "price", "auc", 0.5),)},
            "quality names 'price', but no column of that name is a label.",
        ),
        (
            {"quality": (Quality("return_probabilty", "came_back", "auc", 0.5),)},
            "quality names 'return_probabilty', but no column of that name is served "
            "(did you mean 'return_probability'?).",
        ),
        ({"serving": RequestLog()}, "give Serving(...) or None."),
        (
            {"serving": Serving(log=RequestLog(drop=("contry",)))},
            "RequestLog(drop=...) names 'contry', but no column of that name is a field or an "
            "output (did you mean 'country'?).",
        ),
        (
            {"serving": Serving(log=RequestLog(hash=("region",)))},
            "RequestLog(hash=...) names 'region', but no column of that name is a field or an",
        ),
        ({"history": "rows.csv"}, "history is 'rows.csv'; give CsvSource(\"rows.csv\")."),
        ({"history": Path("a.parquet")}, 'give ParquetSource("a.parquet").'),
        ({"history": nothing}, "give FunctionSource(nothing)."),
        (
            {"daily": CsvSource("days/orders.csv")},
            "daily gives the same rows every day; say where the day goes in its path, such as "
            "days/{day}.csv.",
        ),
        (
            {"daily": SqlSource("sqlite://", QUERY)},
            "daily gives the same rows every day; say where the day goes in its query, such as "
            "WHERE day = :day.",
        ),
        ({"outcomes": ParquetSource("all.parquet")}, "outcomes gives the same rows every day;"),
        (
            {"daily": FunctionSource(nothing)},
            "daily calls nothing with the day, but it is defined as nothing(",
        ),
        (
            {"history": FunctionSource(of_day)},
            "history calls of_day with nothing, but it is defined as of_day(day",
        ),
        (
            {"history": CsvSource("days/{day}.csv")},
            "history is read as a whole, but CSV file days/{day}.csv is of one day; leave the day "
            "out.",
        ),
    ],
)
def test_what_has_no_meaning_is_refused(change: dict[str, Any], said: str) -> None:
    with pytest.raises(DeclarationError) as refused:
        replace(ASSETS, **change)
    assert str(refused.value).startswith(("orders", "PipelineAssets: "))
    assert said in str(refused.value)


def test_a_metric_that_does_not_fit_its_column_is_refused() -> None:
    with pytest.raises(DeclarationError, match="auc needs a label of Bools"):
        replace(ASSETS, quality=(Quality("loss", "return_cost", "auc", 0.5),))


def test_something_else_than_a_pipeline_is_refused() -> None:
    with pytest.raises(DeclarationError, match=r"PipelineAssets: pipeline is 'orders'; give the"):
        replace(ASSETS, pipeline="orders")


def test_suites_may_be_left_out() -> None:
    bare = PipelineAssets(pipeline=ASSETS.pipeline, history=ASSETS.history)
    assert bare.suites.to_json("input")["expectations"] == []


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("2015-07-01",), "start is '2015-07-01'; give a day, such as date(2015, 7, 1)."),
        (("July",), "start is 'July'; give a day, such as date(2024, 1, 31)."),
        ((datetime(2015, 7, 1, tzinfo=UTC),), "give a day, such as date(2015, 7, 1)."),
        (
            (date(2015, 7, 1), "2015-07-02"),
            "end is '2015-07-02'; give a day, such as date(2015, 7, 2) or None.",
        ),
        ((date(2015, 7, 1), date(2015, 6, 30)), "its end 2015-06-30 is before its start"),
        ((date(9998, 1, 1),), "it starts on 9998-01-01, so that it has no days yet"),
        (
            (date(2015, 7, 1), None, "America/New_Yrok"),
            "there is no time zone 'America/New_Yrok' (did you mean 'America/New_York'?)",
        ),
    ],
    ids=["text", "odd text", "time", "end", "backwards", "to come", "time zone"],
)
def test_a_calendar_that_is_none_is_refused(arguments: tuple[Any, ...], said: str) -> None:
    with pytest.raises(DeclarationError) as refused:
        Calendar(*arguments)
    assert said in str(refused.value)


@pytest.mark.parametrize(
    ("source", "arguments", "said"),
    [
        (CsvSource, ("rows.txt",), "the name of this file should end in .csv."),
        (ParquetSource, (None,), "path is None; give a text or a path."),
        (FunctionSource, (pd.DataFrame(),), "give a function by its name, without calling it."),
        (SqlSource, ("sqlite://", "WHERE day = {day}"), "write :day"),
    ],
    ids=["suffix", "no path", "called", "placeholder in SQL"],
)
def test_a_source_that_is_none_is_refused(
    source: Any, arguments: tuple[Any, ...], said: str
) -> None:
    with pytest.raises(DeclarationError) as refused:
        source(*arguments)
    assert said in str(refused.value)


def test_a_calendar_has_its_last_day() -> None:
    days = Calendar(date(2020, 3, 1), date(2020, 3, 3)).days()
    assert days == ["2020-03-01", "2020-03-02", "2020-03-03"]
    assert Calendar(date(2020, 3, 1), date(2020, 3, 1)).days() == days[:1]


def test_a_calendar_leaves_out_weekdays_and_holidays() -> None:
    calendar = Calendar(
        date(2020, 3, 6),
        date(2020, 3, 11),
        weekdays=["Mon", "Tue", "Wed", "Thu", "Fri"],
        holidays=[date(2020, 3, 10)],
    )
    assert calendar.days() == ["2020-03-06", "2020-03-09", "2020-03-11"]
    assert daily_partitions(calendar).get_partition_keys() == calendar.days()


@pytest.mark.parametrize(
    ("left_out", "said"),
    [
        ({"weekdays": ["Monday"]}, "weekdays[0] is 'Monday'; give one of 'Mon', 'Tue'"),
        ({"weekdays": []}, "weekdays is []; give those that it has"),
        (
            {"holidays": ["2020-03-10"]},
            "holidays[0] is '2020-03-10'; give a day, such as date(2020, 3, 10)",
        ),
        (
            {"holidays": 25},
            "holidays is 25; give a list, each a day, such as date(2024, 1, 31)",
        ),
    ],
)
def test_what_a_calendar_cannot_leave_out_is_refused(left_out: dict[str, Any], said: str) -> None:
    with pytest.raises(DeclarationError) as refused:
        Calendar(date(2020, 3, 1), **left_out)
    assert said in str(refused.value)


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


def test_a_day_ends_at_midnight_of_the_calendar_summer_time_or_not() -> None:
    calendar = Calendar(date(2013, 3, 1), timezone="America/New_York")
    assert calendar.end_of("2013-03-09") == datetime(2013, 3, 10, 5, tzinfo=UTC)
    assert calendar.end_of("2013-03-10") == datetime(2013, 3, 11, 4, tzinfo=UTC)
