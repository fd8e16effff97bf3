"""Flights: the project's own table, and what its columns are."""

from __future__ import annotations

from benchmarks.tables.roles import CELSIUS, RADIANS, Unit, roles_of
from transforms.flight_delay import Departure

ROLES = roles_of(
    Departure, reporter="carrier", zone="America/New_York", segment="origin",
    units={
        CELSIUS: "temp dewp", RADIANS: "dest_latitude wind_dir", Unit(0.01): "humid",
        Unit(0.44704): "wind_speed wind_gust", Unit(25.4): "precip", Unit(0.02953): "pressure",
        Unit(1.609344): "distance visib"
    },
    numbers="dest_longitude dest_utc_offset plane_year", counts="plane_seats",
    codes="carrier dest", categories="plane_maker origin", words="carrier dest origin plane_maker",
    zeroed="flight_id", sparse="plane_year plane_seats plane_maker wind_gust",
    lookups={"dest": "dest_latitude dest_longitude dest_utc_offset"},
    joined=[("temp dewp humid wind_dir wind_speed wind_gust precip pressure visib", "origin")],
    clocks={"sched_dep_time": lambda local: local.dt.hour * 100 + local.dt.minute},
    alike="temp dewp, dest_latitude dest_longitude, sched_dep_time sched_arr_time, "
    "wind_speed wind_gust, plane_year plane_seats, origin dest"
)  # fmt: skip
