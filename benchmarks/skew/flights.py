"""Flights: the project's own table, and what its columns are."""

from __future__ import annotations

import pandas as pd

from benchmarks.skew.roles import Joined, Roles, Unit


def _hhmm(local: pd.Series) -> pd.Series:
    clock: pd.Series = local.dt.hour * 100 + local.dt.minute
    return clock


_PLACE = ("dest_latitude", "dest_longitude", "dest_utc_offset")
_WEATHER = (
    *("temp", "dewp", "humid", "wind_dir", "wind_speed", "wind_gust"),
    *("precip", "pressure", "visib"),
)
ROLES = Roles(
    key="flight_id", time="scheduled_at", reporter="carrier", zone="America/New_York",
    segment="origin",
    units={
        "distance": Unit(1.609344), "dest_latitude": Unit(0.0174533), "temp": Unit(1 / 1.8, -32.0),
        "dewp": Unit(1 / 1.8, -32.0), "humid": Unit(0.01), "wind_speed": Unit(0.44704),
        "wind_gust": Unit(0.44704), "wind_dir": Unit(0.0174533), "precip": Unit(25.4),
        "pressure": Unit(0.02953), "visib": Unit(1.609344)
    },
    numbers=("dest_longitude", "dest_utc_offset", "plane_year"), counts=("plane_seats",),
    codes=("carrier", "dest"), categories=("plane_maker", "origin"),
    words=("carrier", "dest", "origin", "plane_maker"), zeroed=("flight_id",),
    sparse=(*("plane_year", "plane_seats", "plane_maker"), "wind_gust"), lookups={"dest": _PLACE},
    joined=(Joined(_WEATHER, "origin"),), clocks={"sched_dep_time": _hhmm},
    alike=(
        ("temp", "dewp"), ("dest_latitude", "dest_longitude"), ("sched_dep_time", "sched_arr_time"),
        ("wind_speed", "wind_gust"), ("plane_year", "plane_seats"), ("origin", "dest")
    )
)  # fmt: skip
