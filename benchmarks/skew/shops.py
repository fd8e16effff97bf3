"""The shops of a bakery as they arrive: their sales by day, and the faults that are tried on them.

They were thought of from what goes wrong with tills, plans of promotions and what is joined to
sales, before any of them was tried; what came of them has been looked at since.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import date, timedelta
from functools import cache, partial

import pandas as pd

from benchmarks.skew.bakeries import PIPELINE
from benchmarks.skew.deliveries import (
    Change,
    DataFault,
    Delivery,
    Where,
    alter,
    averaged,
    between,
    both,
    fault_of_data,
    in_order,
    in_part,
    moved,
    put,
    share,
    value,
    without,
)
from benchmarks.skew.shipped import Package, rows_between
from lockstep import Calendar, FunctionSource, PipelineAssets, Quality

PACKAGE = Package("ddop==0.7.6", "ddop/datasets/data")
BEGIN, FIRST, LAST = date(2017, 1, 1), date(2018, 1, 1), date(2018, 4, 30)
"""The first day that is trained on, and the days that are scored: a year has one Christmas."""
_NAMES = {
    "store": "shop",
    "is_holiday_next2days": "is_holiday_soon",
    "is_schoolholiday": "is_school_holiday",
    "promotion_currentweek": "is_promoted",
    "promotion_lastweek": "was_promoted",
    "temperature": "temp",
    "demand": "sold",
}
_FLAGS = ("is_holiday", "is_holiday_soon", "is_school_holiday", "is_promoted", "was_promoted")
_WEEKDAYS = ("MON", "TUE", "WED", "THU", "FRI", "SAT", "SUN")
_LAGS = ("sold_day_before", "sold_week_before", "sold_on_average")
"""What is joined of the days before."""


@cache
def sales() -> pd.DataFrame:
    """The sales of the days from the first that is trained on to the last that is scored."""
    told = pd.read_csv(PACKAGE.file("bakery_data.csv"))
    told["demand"] = pd.read_csv(PACKAGE.file("bakery_target.csv"))["demand"]
    rows = told.rename(columns=_NAMES).sort_values(["date", "shop", "product"], ignore_index=True)
    days = pd.to_datetime(rows["date"], utc=True).dt.as_unit("us")
    sold = rows.groupby(["shop", "product"])["sold"]
    rows = rows.assign(
        sale_id=_keys(rows["date"], rows),
        sold_on=days,
        weekday=days.dt.dayofweek.map(dict(enumerate(_WEEKDAYS))),  # the file's is the day before
        sold_day_before=sold.shift(1),
        sold_week_before=sold.shift(7),
        sold_on_average=sold.transform(lambda one: one.shift(1).rolling(28).mean().round(2)),
        sold_next=sold.shift(-1),
        **{name: rows[name].astype(bool) for name in _FLAGS},
    )
    return rows_between(rows, "sold_on", BEGIN, LAST)[list(PIPELINE.joint_schema.names)]


def _keys(days: pd.Series | str, rows: pd.DataFrame) -> pd.Series:
    pairs: pd.Series = rows["shop"].astype(str) + "-" + rows["product"].astype(str)
    return days + (" " + pairs)


def first_year() -> pd.DataFrame:
    """The sales of 2017, with those of the days that follow."""
    return rows_between(sales(), "sold_on", BEGIN, FIRST - timedelta(days=1))


def sales_of(day: date) -> pd.DataFrame:
    """The sales of a day."""
    return rows_between(sales().drop(columns="sold_next"), "sold_on", day, day)


BAKERIES = PipelineAssets(
    pipeline=PIPELINE,
    history=FunctionSource(first_year),
    daily=FunctionSource(sales_of),
    calendar=Calendar(FIRST, LAST),
    quality=(Quality("pieces", "demand", "mae", threshold=60.0),),
)


def _shops(*numbers: int) -> Where:
    return value("shop", *numbers)


def _between_shops(first: int, last: int) -> Where:
    return between("shop", first, last + 1)


def _looked_up(day: str, *columns: str) -> Change:
    """Values that the same shop and product had on another day."""

    def change(delivery: Delivery) -> pd.DataFrame:
        others: pd.DataFrame = getattr(delivery, day)
        keys = ["shop", "product"]
        told = delivery.rows[keys].merge(others[[*keys, *columns]], "left", keys)
        return delivery.rows.assign(**{name: told[name].to_numpy() for name in columns})

    return change


def _exchanged(column: str, first: int, second: int, *columns: str) -> Change:
    """Two shops, or products, are taken for each other: each has some values of the other one."""

    def change(delivery: Delivery) -> pd.DataFrame:
        rows = delivery.rows.copy()
        masks = [rows[column] == number for number in (first, second)]
        for mask, other in zip(masks, masks[::-1], strict=True):
            rows.loc[mask, list(columns)] = delivery.rows.loc[other, list(columns)].to_numpy()
        return rows

    return change


def _by_shop_alone(delivery: Delivery) -> pd.DataFrame:
    """The week before is looked up by shop: that of its first product."""
    first = delivery.rows.groupby("shop")["sold_week_before"].transform("first")
    return delivery.rows.assign(sold_week_before=first)


def _in_order_of_text(delivery: Delivery) -> pd.DataFrame:
    """What was sold comes by number of the shop as a text, 17 before 2, and is put in order."""
    rows = delivery.rows
    as_text = rows.assign(text=rows["shop"].astype(str)).sort_values(["text", "product"])
    return rows.assign(sold=as_text["sold"].to_numpy())


def _one_station(delivery: Delivery) -> pd.DataFrame:
    """All shops get the weather of the first."""
    rows = delivery.rows
    return rows.assign(**{name: rows[name].iloc[0] for name in ("rain", "temp")})


def _filled(delivery: Delivery) -> pd.DataFrame:
    """What the plan was, the mean of four weeks, stands for what was sold."""
    return delivery.rows.assign(sold=delivery.rows["sold_on_average"].round())


def _twice(where: Where) -> Change:
    """Some rows come twice, under keys of their own."""

    def change(delivery: Delivery) -> pd.DataFrame:
        again = delivery.rows[where(delivery)].copy()
        again["sale_id"] += " B"
        return pd.concat([delivery.rows, again], ignore_index=True)

    return change


def _redated(delivery: Delivery) -> pd.DataFrame:
    """Some shops send yesterday's sales again, with today's date."""
    mask = _between_shops(24, 31)
    yesterday = Delivery(delivery.yesterday, delivery.yesterday, delivery.rows)
    again = delivery.yesterday[mask(yesterday)].copy()
    again["sold_on"] += pd.Timedelta(days=1)
    again["sale_id"] = _keys(delivery.rows["sale_id"].iloc[0][:10], again)
    rows = pd.concat([delivery.rows[~mask(delivery)], again])
    return rows.sort_values(["shop", "product"], ignore_index=True)


def _one_row_a_shop(delivery: Delivery) -> pd.DataFrame:
    """All products of a shop are added up, under the first one's number."""
    rows = delivery.rows
    counts = ["sold", *_LAGS]
    added = rows.groupby("shop")[counts].transform("sum")
    return rows.assign(**added)[~rows.duplicated("shop")].reset_index(drop=True)


def _renumbered(delivery: Delivery) -> pd.DataFrame:
    """A shop has another number, in its keys, too."""
    rows = delivery.rows.assign(shop=delivery.rows["shop"].replace({17: 117}))
    return rows.assign(sale_id=_keys(rows["sale_id"].str[:10], rows))


def _of_closed_days_left_out(delivery: Delivery) -> pd.DataFrame:
    """The average is that of 24 days, Sundays left out, whether a shop is closed then or not."""
    return delivery.rows.assign(sold_on_average=(delivery.rows["sold_on_average"] * 28 / 24))


def _times(factor: float, digits: int = 0) -> Callable[[pd.Series], object]:
    return lambda values: (values * factor).round(digits)


_sold = value("sold", 0.0)
_SOLD = ("sold", "growth", "against_average")
_GERMAN = {
    "MON": "MO",
    "TUE": "DI",
    "WED": "MI",
    "THU": "DO",
    "FRI": "FR",
    "SAT": "SA",
    "SUN": "SO",
}
_fault = partial(fault_of_data, half="tuning")
BAKERY_FAULTS: tuple[DataFault, ...] = (
    # Tills.
    _fault("bakeries_sold_in_dozens_of_a_product", "sold of 101 is told in dozens", _SOLD,
           alter("sold", _times(1 / 12), value("product", 101))),
    _fault("bakeries_two_tills_told_twice", "sold of shops from 33 to 36 is twice what it is",
           _SOLD, alter("sold", _times(2), _between_shops(33, 36))),
    _fault("bakeries_sold_at_most_the_stock", "sold is at most 100, what was baked", _SOLD,
           alter("sold", lambda values: values.clip(upper=100.0))),
    _fault("bakeries_told_before_noon_of_some",
           "sold of shops from 20 to 27 is six tenths of what it is, read before they closed",
           _SOLD, alter("sold", _times(0.6), _between_shops(20, 27))),
    _fault("bakeries_tills_of_yesterday_of_some", "sold of shops from 2 to 19 is that of yesterday",
           _SOLD, in_part(_looked_up("yesterday", "sold"), "sold", where=_between_shops(2, 19))),
    _fault("bakeries_till_not_read_of_one", "sold of shop 27 is 0", _SOLD,
           put("sold", 0.0, _shops(27))),
    _fault("bakeries_plan_for_sales_of_some",
           "sold of shops from 40 to 45 is the mean of the four weeks before", _SOLD,
           in_part(_filled, "sold", where=_between_shops(40, 45))),
    _fault("bakeries_nothing_told_as_missing", "sold is missing where it is 0", _SOLD,
           put("sold", None, _sold), blocks=False),
    _fault("bakeries_sold_with_its_unit_of_some", "sold of shops from 46 on is a text, 94 St.",
           "sold", alter("sold", lambda values: [f"{one:.0f} St." for one in values],
                         _between_shops(46, 71))),
    _fault("bakeries_two_shops_exchanged", "shops 2 and 38 have each other's sold",
           ("shop", *_SOLD), _exchanged("shop", 2, 38, "sold")),
    _fault("bakeries_two_products_exchanged", "109 and 110 have each other's sold",
           ("product", *_SOLD), _exchanged("product", 109, 110, "sold")),
    _fault("bakeries_sold_sorted_in_a_product", "sold was sorted by itself in each product", _SOLD,
           in_order("sold", by="product")),
    _fault("bakeries_shops_in_order_of_text",
           "sold comes in the order of shops as texts, 17 before 2", ("shop", *_SOLD),
           _in_order_of_text),
    # What is joined of days before.
    _fault("bakeries_week_before_by_shop_alone",
           "sold_week_before is that of the first product of the shop",
           ("sold_week_before", "growth"), _by_shop_alone),
    _fault("bakeries_week_of_six_days", "sold_week_before is that of six days before",
           ("sold_week_before", "growth"), _looked_up("tomorrow", "sold_week_before")),
    _fault("bakeries_day_before_is_today", "sold_day_before is what was sold today",
           "sold_day_before", lambda one: one.rows.assign(sold_day_before=one.rows["sold"])),
    _fault("bakeries_average_of_the_chain", "sold_on_average is that of all shops",
           ("sold_on_average", "against_average"), averaged("sold_on_average", by="product")),
    _fault("bakeries_average_without_sundays",
           "sold_on_average is that of 24 days, also of shops that open on Sundays",
           ("sold_on_average", "against_average"), _of_closed_days_left_out),
    _fault("bakeries_lags_of_a_cache", "what is joined of the days before is that of yesterday",
           (*_LAGS, "growth", "against_average"), _looked_up("yesterday", *_LAGS)),
    # Calendars, plans and weather.
    _fault("bakeries_weekday_of_the_day_before", "weekday is that of the day before", "weekday",
           _looked_up("yesterday", "weekday")),
    _fault("bakeries_weekday_in_german_of_some", "weekday of shops from 46 on is DI for TUE",
           "weekday", alter("weekday", lambda texts: texts.replace(_GERMAN),
                            _between_shops(46, 71)), population=True),
    _fault("bakeries_holiday_of_some", "is_holiday is true in 3 % of the rows", "is_holiday",
           put("is_holiday", True, both(share(0.03), value("is_holiday", False)))),
    _fault("bakeries_promotion_of_some_shops", "is_promoted of 101 is true in shops from 40 on",
           ("is_promoted", "was_promoted"),
           put("is_promoted", True, both(_between_shops(40, 71), value("product", 101)))),
    _fault("bakeries_fahrenheit_of_some", "temp of shops from 20 to 31 comes in Fahrenheit", "temp",
           alter("temp", lambda values: (values * 1.8 + 32.0).round(1), _between_shops(20, 31))),
    _fault("bakeries_weather_of_one_station", "all shops get the weather of shop 2",
           ("rain", "temp"), _one_station),
    # Rows.
    _fault("bakeries_midnight_of_berlin", "sold_on is midnight in Berlin, an hour early",
           ("sold_on", "sale_id"), moved("sold_on", timedelta(hours=-1))),
    _fault("bakeries_yesterday_redated_of_some",
           "shops from 24 to 31 send yesterday's sales with today's date",
           ("sale_id", "sold_on", "weekday", "sold", *_LAGS, "growth", "rain", "temp"), _redated),
    _fault("bakeries_one_shop_lost", "the rows of shop 36 are lost", ("shop", "sale_id", "rows"),
           without(_shops(36)), blocks=False),
    _fault("bakeries_a_product_twice", "the rows of 109 come twice, under keys of their own",
           ("sale_id", "product", "rows"), _twice(value("product", 109))),
    _fault("bakeries_one_row_a_shop", "all products of a shop are added up in one row",
           ("product", *_SOLD, *_LAGS, "sale_id", "rows"), _one_row_a_shop),
    _fault("bakeries_one_renumbered", "shop 17 is told as 117", ("shop", "sale_id"), _renumbered,
           blocks=False, population=True),
    _fault("bakeries_products_merged", "110 is told as 109", ("product", "sale_id"),
           alter("product", lambda numbers: numbers.replace({110: 109})), population=True),
)  # fmt: skip
"""Faults of these sales."""
