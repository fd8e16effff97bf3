"""Bakeries: how much of a product will a shop sell on the day that follows? A table of sales.

What the 35 shops of a chain in Germany sold of three products on each day, as the package ddop
ships it (BSD licence), with holidays, promotions, the weather, and what was sold before.
"""

from __future__ import annotations

from datetime import date
from functools import cache

import pandas as pd

import lockstep as ls
from benchmarks.tables.roles import FAHRENHEIT, Unit, roles_of
from benchmarks.tables.shipped import Package, Span, learned

PACKAGE = Package("ddop==0.7.6", "ddop/datasets/data")
SPAN = Span(date(2017, 1, 1), date(2018, 1, 1), date(2018, 4, 30))
METRIC = ("mae", 60.0)


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


_USES = """weekday is_holiday is_holiday_soon is_promoted was_promoted shop product temp sold
    sold_day_before sold_week_before sold_on_average"""
_BECOMES = ("sold_next", float)  # on the day that follows, pieces
Outcome, actual, contrast, expected, prediction = learned(Sale, _BECOMES, _USES)
PIPELINE = ls.Pipeline(__name__, record=Sale, outcome=Outcome)


ROLES = roles_of(
    Sale, reporter="shop", segment="product", regular=True,
    units={Unit(0.0393701): "rain", FAHRENHEIT: "temp", Unit(1 / 12.0): "sold",
           Unit(7.0): "sold_on_average"},
    counts="sold", codes="shop product", categories="product", words="weekday", zeroed="sale_id",
    joined=[("rain temp", "shop"), ("is_promoted was_promoted", None)],
    lags={"shop": "sold_day_before sold_week_before sold_on_average"},
    calendar={"weekday": lambda local: local.dt.strftime("%a").str.upper()},
    alike="sold sold_day_before, sold_day_before sold_week_before, shop product, "
    "is_promoted was_promoted, rain temp"
)  # fmt: skip
_NAMES = {
    "store": "shop", "is_holiday_next2days": "is_holiday_soon",
    "is_schoolholiday": "is_school_holiday", "promotion_currentweek": "is_promoted",
    "promotion_lastweek": "was_promoted", "temperature": "temp", "demand": "sold"
}  # fmt: skip


@cache
def load() -> pd.DataFrame:
    """The sales of all days."""
    told = pd.read_csv(PACKAGE.file("bakery_data.csv"))
    told["demand"] = pd.read_csv(PACKAGE.file("bakery_target.csv"))["demand"]
    rows = told.rename(columns=_NAMES).sort_values(["date", "shop", "product"], ignore_index=True)
    days = pd.to_datetime(rows["date"], utc=True).dt.as_unit("us")
    sold = rows.groupby(["shop", "product"])["sold"]
    return rows.astype(dict.fromkeys(ROLES.flags, bool)).assign(
        sale_id=rows["date"] + " " + rows["shop"].astype(str) + "-" + rows["product"].astype(str),
        sold_on=days,
        weekday=ROLES.calendar["weekday"](days),  # the file's is the day before
        sold_day_before=sold.shift(1),
        sold_week_before=sold.shift(7),
        sold_on_average=sold.transform(lambda one: one.shift(1).rolling(28).mean().round(2)),
        sold_next=sold.shift(-1),
    )
