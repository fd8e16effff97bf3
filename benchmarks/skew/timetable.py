"""What several faults of flights are made of: clocks, hours, and the list of places."""

from __future__ import annotations

import pandas as pd

from benchmarks.skew.deliveries import PLACE, Delivery

MINUTES_A_DAY = 1440


def minutes_of(clock: pd.Series) -> pd.Series:
    """Minutes after midnight of times such as 1530."""
    return clock // 100 * 60 + clock % 100


def clock_of(minutes: pd.Series) -> pd.Series:
    """Times such as 1530 of minutes after midnight."""
    return minutes // 60 % 24 * 100 + minutes % 60


def hours_of(rows: pd.DataFrame) -> pd.Series:
    """The hours in which rows are scheduled."""
    hours: pd.Series = rows["scheduled_at"].dt.floor("h")
    return hours


def in_order_of_time(rows: pd.DataFrame) -> pd.DataFrame:
    """Rows in the order in which they are scheduled."""
    return rows.sort_values("scheduled_at", kind="stable", ignore_index=True)


def places_of(delivery: Delivery) -> pd.DataFrame:
    """The list of places of destinations, by airport; those without one are not in it."""
    flights = pd.concat([delivery.rows, delivery.yesterday])
    places = flights[["dest", *PLACE]].dropna().drop_duplicates("dest").sort_values("dest")
    return places.set_index("dest")


def joined(delivery: Delivery, keys: pd.Series, places: pd.DataFrame) -> pd.DataFrame:
    """The rows with the places of keys; they keep their own where no place has the key."""
    rows = delivery.rows.copy()
    for name in PLACE:
        told = keys.map(places[name])
        rows[name] = told.where(keys.isin(places.index), rows[name])
    return rows
