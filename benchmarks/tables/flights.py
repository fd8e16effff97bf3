"""Flights: the project's own table, and what its columns are."""

from __future__ import annotations

from benchmarks.tables.roles import Unit, roles_of
from transforms.flight_delay import Departure

ROLES = roles_of(
    Departure, reporter="carrier", zone="America/New_York", segment="origin",
    units={Unit(1.609344): "distance"}, codes="carrier dest tail", categories="origin",
    words="carrier dest origin tail", zeroed="flight_id", sparse="tail",
    clocks={"sched_dep_time": lambda local: local.dt.hour * 100 + local.dt.minute},
    alike="sched_dep_time sched_arr_time, origin dest"
)  # fmt: skip
