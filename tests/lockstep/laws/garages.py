"""A small table of days: cars that come to two garages, and what is joined to each of them."""

from __future__ import annotations

import numpy as np
import pandas as pd

from lockstep.columns.kinds import Columns
from lockstep.columns.schema import Field, Schema
from lockstep.laws.earlier import Earlier
from lockstep.laws.rows import Rows, TrainingRows

SCHEMA = Schema(
    "Car",
    (
        Field("id", "str", role="key"),
        Field("at", "datetime", role="event_time"),
        Field("garage", "str"),
        Field("space", "str"),
        Field("inside", "int"),  # other cars that are in the garage
        Field("free_minutes", "float", optional=True),  # since the space became free
        Field("hours_before", "float", optional=True),  # how long the car before stayed
        Field("price", "float"),  # of the hour and kind of day; other prices from day 40 on
        Field("smog", "float"),  # one for each quarter of an hour
        Field("guess", "int"),  # of nothing
    ),
)
DAYS, TODAY, SPACES = 84, 92, 30
FIRST = pd.Timestamp("2021-01-04")
"""A Monday."""
_PRICES = np.array([[0.1, 0.2, 0.4], [0.15, 0.25, 0.3]])
_NIGHT, _NOON = (0, 8), (12, 17)


def _history() -> pd.DataFrame:
    """The cars of all days, of which the last one is today."""
    random = np.random.default_rng(4)
    cars = []
    for garage in ("east", "west"):
        free = np.zeros(SPACES)
        stayed = np.full(SPACES, np.nan)
        second = 0.0
        while True:
            second = np.floor(second + random.exponential(900 if garage == "east" else 1_500))
            if second >= (TODAY + 1) * 86_400:
                break
            empty = np.flatnonzero(free < second)
            if not len(empty):
                continue
            space = int(random.choice(empty))
            stay = float(random.uniform(600, 20_000))
            cars.append(
                {
                    "second": second,
                    "garage": garage,
                    "space": f"{garage[0].upper()}{space:02}",
                    "inside": int(np.count_nonzero(free >= second)),
                    "free_minutes": (second - free[space]) / 60,
                    "hours_before": stayed[space],
                }
            )
            free[space], stayed[space] = second + stay, stay / 3_600
    rows = pd.DataFrame(cars).sort_values("second", kind="stable", ignore_index=True)
    rows["free_minutes"] = rows["free_minutes"].where(rows["hours_before"].notna()).round(1)
    rows["hours_before"] = rows["hours_before"].round(2)
    rows["at"] = FIRST + pd.to_timedelta(rows["second"], "s")
    rows["day"] = (rows["second"] // 86_400).astype(int)
    rows["price"] = priced(rows["at"])
    smog = random.uniform(0.1, 0.3, (TODAY + 1) * 96).round(4)
    rows["smog"] = smog[(rows["second"] // 900).astype(int)]
    rows["guess"] = random.integers(0, 20, len(rows))
    rows["id"] = [f"C{number}" for number in range(len(rows))]
    return rows


def priced(times: pd.Series) -> np.ndarray:
    """Prices of times: at weekends that of the night, else by the hour; others from day 40 on."""
    hour = times.dt.hour.to_numpy()
    part = np.where((hour >= _NIGHT[0]) & (hour < _NIGHT[1]), 0, 1)
    part[(hour >= _NOON[0]) & (hour < _NOON[1])] = 2
    part[times.dt.day_of_week.to_numpy() >= 5] = 0
    is_late = (times >= FIRST + pd.Timedelta(days=40)).to_numpy().astype(int)
    prices: np.ndarray = _PRICES[is_late, part]
    return prices


HISTORY = _history()
CARS = HISTORY[HISTORY["day"] < DAYS]
"""Those of the training days."""


def columns_of(cars: pd.DataFrame) -> Columns:
    """Cars in canonical form."""
    found = {name: cars[name].to_numpy() for name in SCHEMA.names}
    found["at"] = found["at"].astype("datetime64[us]")
    return found | {name: found[name].astype(object) for name in ("id", "garage", "space")}


def name_of(day: int) -> str:
    """A day in ISO form."""
    return f"{FIRST + pd.Timedelta(days=day):%Y-%m-%d}"


def cars_of(day: int = TODAY) -> pd.DataFrame:
    """The cars of a day."""
    return HISTORY[HISTORY["day"] == day].reset_index(drop=True)


def rows_of(
    cars: pd.DataFrame, day: int = TODAY, earlier: tuple[Earlier, ...] = (), aside: int = 0
) -> Rows:
    """Cars as a batch of a day."""
    return Rows(columns_of(cars), SCHEMA, day=name_of(day), earlier=earlier, aside=aside)


def training(**changes: np.ndarray) -> TrainingRows:
    """The cars of the training days, some of their columns changed."""
    return TrainingRows.of(Rows({**columns_of(CARS), **changes}, SCHEMA))
