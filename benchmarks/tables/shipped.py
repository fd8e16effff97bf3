"""Tables that packages ship: installed into a folder of their own, cut into days, expected."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

import lockstep as ls
from lockstep.columns.kinds import Array, Kind
from lockstep.columns.nodes import Column, Model


@dataclass(frozen=True)
class Package:
    """A package that ships tables; of no library but for its files."""

    release: str  # name and version
    data: str  # the folder of the tables in it

    def file(self, name: str) -> Path:
        """One of its files; the package is installed if it is not yet.

        Raises:
            BenchmarkError: It cannot be installed.
        """
        from benchmarks._rounds import HERE, BenchmarkError

        folder = HERE / ".peers" / self.release.partition("==")[0].lower()
        if not (folder / self.data / name).is_file():
            command = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps"]
            options = ["--disable-pip-version-check", "--target", str(folder), self.release]
            done = subprocess.run([*command, *options], capture_output=True, text=True, check=False)
            if done.returncode:
                why = done.stderr.strip()[-600:]
                raise BenchmarkError(f"{self.release} cannot be installed: {why}")
        return folder / self.data / name


@dataclass(frozen=True)
class Span:
    """The days of a table."""

    begin: date  # the first day that is trained on
    first: date  # the first day that is scored
    last: date
    zone: str = "UTC"  # whose calendar they are of


def days_between(first: date, last: date) -> list[date]:
    """The days from one to another, both of them included."""
    return [first + timedelta(number) for number in range((last - first).days + 1)]


def rows_between(
    rows: pd.DataFrame, time: str, first: date, last: date, timezone: str = "UTC"
) -> pd.DataFrame:
    """The rows of some days, by the column that holds when each happened."""
    begin = pd.Timestamp(first, tz=timezone)
    end = pd.Timestamp(last + timedelta(days=1), tz=timezone)
    is_between = (rows[time] >= begin) & (rows[time] < end)
    return rows[is_between].reset_index(drop=True)


def local_days(times: pd.Series, zone: str) -> pd.Series:
    """The day of each time, by the clock of a place."""
    days: pd.Series = times.dt.tz_convert(zone).dt.tz_localize(None).dt.normalize()
    return days


def minutes(spans: pd.Series) -> pd.Series:
    """How many minutes spans of time are long."""
    found: pd.Series = spans.dt.total_seconds() / 60.0
    return found


def last_before(
    rows: pd.DataFrame, events: pd.DataFrame, by: str, name: str, back: int = 0, most: int = 9999
) -> pd.Series:
    """What the last event of each row's kind had that was on an earlier day than the row.

    Args:
        rows: The rows, with their `day`.
        events: The events, with their `day`.
        by: The column of their kind.
        name: The column of the events that is looked up.
        back: How many more days it has to be earlier.
        most: How many days events are known for.
    """
    asked = pd.DataFrame({"day": rows["day"] - pd.Timedelta(days=back), by: rows[by]})
    asked = asked[asked[by].notna()]
    found = pd.merge_asof(
        asked.reset_index(names="row").sort_values("day", kind="stable"),
        events[["day", by, name]].sort_values("day", kind="stable"),
        on="day",
        by=by,
        allow_exact_matches=False,
        tolerance=pd.Timedelta(days=most),
    )
    return found.set_index("row")[name].reindex(rows.index)


def sum_before(
    rows: pd.DataFrame, events: pd.DataFrame, by: str, days: int, name: str | None = None
) -> pd.Series:
    """The sum of a column of events, or their count, over the days before each row's own day."""
    ordered = events.sort_values("day", kind="stable")
    values = ordered[name] if name else pd.Series(1, ordered.index)
    totals = ordered.assign(total=values.groupby(ordered[by]).cumsum())
    now, then = (last_before(rows, totals, by, "total", back).fillna(0) for back in (0, days))
    return now - then


def learned(
    record: type[ls.Record], becomes: tuple[str, Any], uses: str, *, chance: bool = False
) -> tuple[type[ls.Outcome], Column, Column, Model, Column]:
    """The least that a pipeline has: an outcome, its label, a feature, a model and an output.

    Args:
        record: The record.
        becomes: What becomes of it: the one field of the outcome, and its type.
        uses: Columns that the model is given; the feature is the difference of the first numbers.
        chance: Whether the probability is expected that it is above 0.
    """
    name, kind = becomes
    outcome = type("Outcome", (ls.Outcome,), {"__annotations__": {name: kind}})
    kinds = record.schema().kinds
    numbers = [one for one in uses.split() if kinds[one] in (Kind.INT, Kind.FLOAT)]
    texts = [one for one in uses.split() if kinds[one] is Kind.TEXT]

    def actual(values: Array) -> Array:
        return values > 0 if chance else values.astype(np.float64)

    def contrast(first: Array, second: Array) -> Array:
        return np.subtract(first, second, dtype=np.float64)

    def expected() -> Any:
        return _boosted([*uses.split(), "contrast"], texts, chance=chance)

    def prediction(expected: ls.Floats) -> ls.Floats:
        return expected

    label = Column(name="actual", role="label", function=actual, inputs=(name,))
    feature = Column(name="contrast", role="feature", function=contrast, inputs=(*numbers[:2],))
    model = ls.model(learns=label, uses=[*uses.split(), feature])(expected)
    return outcome, label, feature, model, ls.output(prediction)


def _boosted(names: Sequence[str], texts: Sequence[str], *, chance: bool) -> Any:
    """Boosted trees on categories, which are the texts, and numbers."""
    from sklearn.compose import ColumnTransformer
    from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import OrdinalEncoder

    encode = OrdinalEncoder(
        handle_unknown="use_encoded_value", unknown_value=np.nan, max_categories=120
    )
    numbers = [name for name in names if name not in texts]
    parts = [("texts", encode, [*texts])] if texts else []
    prepare = ColumnTransformer([*parts, ("numbers", "passthrough", numbers)])
    kind = HistGradientBoostingClassifier if chance else HistGradientBoostingRegressor
    return make_pipeline(prepare, kind(max_iter=60, random_state=0))
