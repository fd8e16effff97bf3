"""Small tables of days: sensors of some sites that report every quarter of an hour."""

from __future__ import annotations

import numpy as np

from lockstep.columns.kinds import Columns
from lockstep.columns.schema import Field, Schema
from lockstep.laws.law import Broken, Law
from lockstep.laws.rows import Rows, TrainingRows

DAYS = 30
SITES = ("north", "south", "west")
SCHEMA = Schema(
    "Report",
    (
        Field("id", "str", role="key"),
        Field("at", "datetime", role="event_time"),
        Field("site", "str"),
        Field("unit", "str"),  # goes with the site and the load
        Field("heat", "float", optional=True),  # tenths; its level moves with the season
        Field("chill", "float", optional=True),  # never above heat
        Field("flow", "float"),  # told by heat and chill
        Field("load", "float", optional=True),  # missing in a fifth of the rows
        Field("starts", "int"),  # hhmm, the local clock of `at`
    ),
)


def reports(day: int = 0, days: int = 1, seed: int = 0) -> Columns:
    """Reports of some days, of which each has 288.

    Args:
        day: The first day, counted from the first of training.
        days: How many days.
        seed: Of the numbers by chance.
    """
    parts = [_day(one, seed) for one in range(day, day + days)]
    return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}


def _day(day: int, seed: int) -> Columns:
    generator = np.random.default_rng((seed, day))
    quarters = np.repeat(np.arange(96), len(SITES))
    site = np.tile(np.arange(len(SITES)), 96)
    phase = 2 * np.pi * quarters / 96
    season = 20 * np.sin(2 * np.pi * day / 365)
    wander = generator.normal(0, 0.4, (96, len(SITES))).cumsum(axis=0)
    wander -= np.linspace(0, 1, 96)[:, None] * wander[-1]
    heat = 50 + season + 8 * np.sin(phase + site / 5) + wander[quarters, site]
    chill = heat - np.maximum(generator.exponential(4, (96, 3))[quarters, site] - 0.5, 0)
    load = 100 + 40 * site + generator.integers(0, 20, len(site))
    unit = (load // 10 + site) % 4
    is_missing = generator.random(len(site)) < 0.2
    at = np.datetime64("2021-01-01", "m") + day * 1440 + quarters * 15
    return {
        "id": np.array([f"R-{day:03}-{row:04}" for row in range(len(site))], dtype=object),
        "at": at.astype("datetime64[us]"),
        "site": np.array(SITES, dtype=object)[site],
        "unit": np.array(["Ax", "Bx", "Cx", "Dx"], dtype=object)[unit],
        "heat": heat.round(1),
        "chill": chill.round(1),
        "flow": 2 * heat - chill + generator.normal(0, 0.1, len(site)),
        "load": np.where(is_missing, np.nan, load),
        "starts": quarters // 4 * 100 + quarters % 4 * 15,
    }


def training(**changes: np.ndarray) -> TrainingRows:
    """The rows of the training days."""
    return TrainingRows.of(Rows({**reports(days=DAYS), **changes}, SCHEMA))


def batch(day: int = DAYS, **changes: np.ndarray) -> Rows:
    """A later day, some of its columns changed."""
    return Rows({**reports(day), **changes}, SCHEMA)


def broken(laws: list[Law], rows: Rows) -> list[Broken]:
    """What rows break of some laws."""
    return [found for law in laws if (found := law.find(rows)) is not None]


def columns(laws: list[Law], rows: Rows, *, strict: bool = True) -> set[str]:
    """The first suspects of what rows break."""
    return {one.columns[0] for one in broken(laws, rows) if one.strict or not strict}
