"""Bakeries: how much of a product will a shop sell on the day that follows? A table of sales.

What the 35 shops of a chain in Germany sold of three products on each day, with holidays,
promotions and the weather, as the package ddop ships it (BSD licence). What was sold before is
joined as a store of features would: the day before, the week before, and the mean of four weeks.
"""

from __future__ import annotations

from datetime import date
from functools import cache
from typing import Any

import numpy as np
import pandas as pd

import lockstep as ls
from benchmarks.skew.roles import Joined, Roles, Unit
from benchmarks.skew.shipped import Package, Span, boosted

PACKAGE = Package("ddop==0.7.6", "ddop/datasets/data")
SPAN = Span(date(2017, 1, 1), date(2018, 1, 1), date(2018, 4, 30))
_WEEKDAYS = ("MON", "TUE", "WED", "THU", "FRI", "SAT", "SUN")


class Sale(ls.Record):
    """What is known of a product in a shop when a day is over."""

    sale_id: ls.Key[str]  # such as "2018-01-05 17-101"
    sold_on: ls.EventTime  # midnight at which the day begins, taken for UTC
    shop: int
    product: int  # 101, 109 or 110
    weekday: str  # such as "FRI"
    is_holiday: bool  # shops are closed then
    is_holiday_soon: bool  # in the next two days
    is_school_holiday: bool  # where the shop is
    is_promoted: bool  # in this week, in all shops
    was_promoted: bool  # in the week before
    rain: float  # where the shop is, mm
    temp: float  # where the shop is, mean of the day, degrees Celsius
    sold: float  # pieces; 0 where the shop was closed
    sold_day_before: float
    sold_week_before: float  # on the same day of it
    sold_on_average: float  # a day, in the 28 days before


class Sold(ls.Outcome):
    """What became of it."""

    sold_next: float  # on the day that follows, pieces


@ls.feature
def growth(sold: ls.Floats, sold_week_before: ls.Floats) -> ls.Floats:
    """How much more was sold than a week before, pieces."""
    return sold - sold_week_before


@ls.label
def demand(sold_next: ls.Floats) -> ls.Floats:
    """Pieces sold on the day that follows."""
    return sold_next


_NUMBERS = [
    "shop", "product", "temp", "sold", "sold_day_before", "sold_week_before", "sold_on_average",
    "growth"
]  # fmt: skip


@ls.model(
    learns=demand,
    uses=["weekday", "is_holiday", "is_holiday_soon", "is_promoted", "was_promoted", *_NUMBERS],
)
def expected_demand() -> Any:
    """Pieces expected to be sold on the day that follows."""
    return boosted(
        ["weekday"], _NUMBERS, ["is_holiday", "is_holiday_soon", "is_promoted", "was_promoted"]
    )


@ls.output
def pieces(expected_demand: ls.Floats) -> ls.Floats:
    """Pieces expected to be sold, none below 0."""
    return np.maximum(expected_demand, 0.0)


PIPELINE = ls.Pipeline(__name__, record=Sale, outcome=Sold)
QUALITY = ("pieces", "demand", "mae", 60.0)
ROLES = Roles(
    key="sale_id", time="sold_on", reporter="shop", segment="product",
    units={
        "rain": Unit(0.0393701), "temp": Unit(1.8, 32.0 / 1.8), "sold": Unit(1 / 12.0),
        "sold_on_average": Unit(7.0)
    },
    counts=("sold",), codes=("shop", "product"), categories=("product",), words=("weekday",),
    zeroed=("sale_id",),
    flags=("is_holiday", "is_holiday_soon", "is_school_holiday", "is_promoted", "was_promoted"),
    joined=(Joined(("rain", "temp"), "shop"), Joined(("is_promoted", "was_promoted"))),
    lags=dict.fromkeys(("sold_day_before", "sold_week_before", "sold_on_average"), "shop"),
    calendar={"weekday": lambda local: local.dt.dayofweek.map(dict(enumerate(_WEEKDAYS)))},
    alike=(
        ("sold", "sold_day_before"), ("sold_day_before", "sold_week_before"), ("shop", "product"),
        ("is_promoted", "was_promoted"), ("rain", "temp")
    ),
    regular=True
)  # fmt: skip
_NAMES = {
    "store": "shop", "is_holiday_next2days": "is_holiday_soon",
    "is_schoolholiday": "is_school_holiday", "promotion_currentweek": "is_promoted",
    "promotion_lastweek": "was_promoted", "temperature": "temp", "demand": "sold"
}  # fmt: skip
_FLAGS = ("is_holiday", "is_holiday_soon", "is_school_holiday", "is_promoted", "was_promoted")


@cache
def load() -> pd.DataFrame:
    """The sales of the days from the first that is trained on to the last that is scored."""
    told = pd.read_csv(PACKAGE.file("bakery_data.csv"))
    told["demand"] = pd.read_csv(PACKAGE.file("bakery_target.csv"))["demand"]
    rows = told.rename(columns=_NAMES).sort_values(["date", "shop", "product"], ignore_index=True)
    days = pd.to_datetime(rows["date"], utc=True).dt.as_unit("us")
    sold = rows.groupby(["shop", "product"])["sold"]
    return rows.assign(
        sale_id=rows["date"] + " " + rows["shop"].astype(str) + "-" + rows["product"].astype(str),
        sold_on=days,
        weekday=days.dt.dayofweek.map(dict(enumerate(_WEEKDAYS))),  # the file's is the day before
        sold_day_before=sold.shift(1),
        sold_week_before=sold.shift(7),
        sold_on_average=sold.transform(lambda one: one.shift(1).rolling(28).mean().round(2)),
        sold_next=sold.shift(-1),
        **{name: rows[name].astype(bool) for name in _FLAGS},
    )
