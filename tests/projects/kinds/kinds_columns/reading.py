"""What all pipelines here are of: readings of a meter, which are made up."""

from __future__ import annotations

from datetime import date, timedelta

import numpy as np
import pandas as pd

from lockstep import EventTime, Key, Outcome, Record

FIRST = date(2020, 1, 1)
ROWS = 60
"""Rows of a day."""


class Reading(Record):
    """One flat on one day."""

    reading_id: Key[str]
    read_at: EventTime
    outside: float
    wind: float | None
    rooms: int


class Use(Outcome):
    """What became of it."""

    used: float | None


def readings(day: date) -> pd.DataFrame:
    """The readings of a day, with what became of them."""
    drawn = np.random.default_rng(day.toordinal())
    outside, rooms = drawn.normal(8, 6, ROWS).round(1), drawn.integers(1, 6, ROWS)
    wind = np.where(drawn.random(ROWS) < 0.1, np.nan, drawn.gamma(2, 2, ROWS).round(1))
    used = 2.0 * np.maximum(18 - outside, 0) + 3 * rooms + np.nan_to_num(wind)
    used = (used + drawn.normal(0, 3, ROWS)).round(1)
    minutes = pd.to_timedelta(drawn.integers(0, 1440, ROWS), unit="min")
    return pd.DataFrame(
        {
            "reading_id": [f"{day}-{number:03d}" for number in range(ROWS)],
            "read_at": pd.Timestamp(day, tz="UTC") + minutes,
            "outside": outside,
            "wind": wind,
            "rooms": rooms,
            "used": np.where(drawn.random(ROWS) < 0.02, np.nan, used),
        }
    )


def history() -> pd.DataFrame:
    """The readings of thirty days."""
    return pd.concat([readings(FIRST + timedelta(days=number)) for number in range(30)])
