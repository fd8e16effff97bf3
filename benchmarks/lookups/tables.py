"""The tables of the benchmark, as a project declares them."""

from datetime import timedelta
from typing import Literal

from lockstep import Event, EventTime, Key, Table
from lockstep.tables.reductions import Reduction

WITHIN = timedelta(hours=3)
OVER = timedelta(days=30)
HOW: tuple[Reduction, ...] = ("count", "mean", "max", "last")


class Weather(Table, known_after=timedelta(hours=1)):
    """What the station of an airport reported of an hour."""

    origin: Key[Literal["EWR", "JFK", "LGA"]]
    hour: EventTime
    temp: float | None
    dewp: float | None
    humid: float | None
    wind_dir: float | None
    wind_speed: float | None
    wind_gust: float | None
    precip: float | None
    pressure: float | None
    visib: float | None


class Landing(Event, known_after=timedelta(minutes=30)):
    """A flight that has landed."""

    tail: Key[str]
    landed_at: EventTime
    arr_delay: float  # minutes
