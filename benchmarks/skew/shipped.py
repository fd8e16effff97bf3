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
    """What the last event of each row's kind had that was on a day before the row's.

    Args:
        rows: The rows, with their `day`.
        events: The events, with their `day`.
        by: The column of their kind.
        name: The column of the events that is looked up.
        back: How many days before the row's own day that day lies.
        most: How many days before it events are still known.
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
    record: type[ls.Record], becomes: str, uses: str, *, chance: bool = False
) -> tuple[Column, Model, Column]:
    """The least that a pipeline has: a label, a model that learns it, and an output.

    Args:
        record: The record.
        becomes: The field of the outcome that is expected.
        uses: Columns that the model is given.
        chance: Whether the probability is expected that it is above 0.
    """

    def actual(values: Array) -> Array:
        return values > 0 if chance else values.astype(np.float64)

    def expected() -> Any:
        return _boosted(record, uses.split(), chance=chance)

    def prediction(expected: ls.Floats) -> ls.Floats:
        return expected

    label = Column(name="actual", role="label", function=actual, inputs=(becomes,))
    return label, ls.model(learns=label, uses=uses.split())(expected), ls.output(prediction)


def _boosted(record: type[ls.Record], names: Sequence[str], *, chance: bool) -> Any:
    """Boosted trees on categories, which are the texts, and numbers."""
    from sklearn.compose import ColumnTransformer
    from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import OrdinalEncoder

    kinds = record.schema().kinds
    texts = [name for name in names if kinds.get(name) is Kind.TEXT]
    encode = OrdinalEncoder(
        handle_unknown="use_encoded_value", unknown_value=np.nan, max_categories=120
    )
    parts = [("texts", encode, texts)] if texts else []
    numbers = [name for name in names if name not in texts]
    prepare = ColumnTransformer([*parts, ("numbers", "passthrough", numbers)])
    kind = HistGradientBoostingClassifier if chance else HistGradientBoostingRegressor
    return make_pipeline(prepare, kind(max_iter=60, random_state=0))
