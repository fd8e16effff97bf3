"""Where orders come from: made up anew for each day, unless upstream delivered a file."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import numpy as np
import pandas as pd

from expectations.orders import SUITES
from lockstep import Calendar, Constraints, FunctionSource, PipelineAssets, Quality, Serving
from lockstep.project.project import Project
from transforms.orders import PIPELINE

FIRST, LAST = date(2020, 3, 1), date(2020, 3, 31)


def orders_with_fates(day: date, rows: int = 120) -> pd.DataFrame:
    """A day's orders and what became of them; the same at every call."""
    rng = np.random.default_rng(day.toordinal())
    items = rng.integers(1, 9, rows)
    price = np.round(rng.gamma(3.0, 12.0, rows) * items + 1, 2)
    weight = np.round(rng.gamma(2.0, 2.0, rows), 3)
    country = rng.choice(np.array(["DE", "AT", "FR", "US", None], dtype=object), rows)
    gift = rng.random(rows) < 0.2
    push = 0.04 * price / items - 1.5 + 1.2 * (weight > 5) - 0.8 * gift
    returned = rng.random(rows) < 1 / (1 + np.exp(-push))
    return pd.DataFrame(
        {
            "order_id": [f"{day}-{number:04}" for number in range(rows)],
            "sent_at": pd.Timestamp(day, tz="UTC") + pd.to_timedelta(range(rows), unit="min"),
            "price": price,
            "items": items,
            "weight": np.where(rng.random(rows) < 0.1, np.nan, weight),
            "coupons": pd.array(np.where(rng.random(rows) < 0.5, None, 1), dtype="Int64"),
            "country": country,
            "gift": gift,
            "returned": returned,
            "cost": np.where(returned, np.round(3 + 0.1 * price, 2), np.nan),
        }
    )


def history() -> pd.DataFrame:
    """The orders of January and February."""
    days = pd.date_range("2020-01-01", "2020-02-29")
    return pd.concat([orders_with_fates(day.date()) for day in days], ignore_index=True)


def orders(day: date) -> pd.DataFrame:
    """A day's orders: what upstream delivered, or else made up."""
    delivered = Project.find(Path(__file__)).home.path / "upstream" / f"{day}.pickle"
    if delivered.exists():
        return pd.read_pickle(delivered)
    return orders_with_fates(day).drop(columns=["returned", "cost"])


def fates(day: date) -> pd.DataFrame:
    """What became of a day's orders."""
    return orders_with_fates(day)[["order_id", "returned", "cost"]]


ASSETS = PipelineAssets(
    pipeline=PIPELINE,
    suites=SUITES,
    history=FunctionSource(history),
    daily=FunctionSource(orders),
    outcomes=FunctionSource(fates),
    calendar=Calendar(FIRST, LAST),
    quality=(
        Quality("risk", "came_back", "auc", threshold=0.6),
        Quality("expected_cost", "return_cost", "mae", threshold=5.0),
    ),
    slices=("region",),
    constraints=Constraints(first_batches=0),
    serving=Serving(),
)
