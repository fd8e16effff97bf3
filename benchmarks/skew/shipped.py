"""Tables that packages ship: installed into a folder of their own, and cut into days."""

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


@dataclass(frozen=True)
class Package:
    """A package that ships tables; of no library but for its files.

    Attributes:
        release: Name and version.
        data: The folder of the tables in it.
    """

    release: str
    data: str

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
                raise BenchmarkError(
                    f"{self.release} cannot be installed: {done.stderr.strip()[-600:]}"
                )
        return folder / self.data / name


@dataclass(frozen=True)
class Span:
    """The days of a table.

    Attributes:
        begin: The first day that is trained on.
        first: The first day that is scored.
        last: The last one.
        zone: Whose calendar they are of.
    """

    begin: date
    first: date
    last: date
    zone: str = "UTC"


def days_between(first: date, last: date) -> list[date]:
    """The days from one to another, both of them included."""
    return [first + timedelta(number) for number in range((last - first).days + 1)]


def rows_between(
    rows: pd.DataFrame, time: str, first: date, last: date, timezone: str = "UTC"
) -> pd.DataFrame:
    """The rows of some days.

    Args:
        rows: Rows of all days.
        time: The column that holds when each happened.
        first: The first day.
        last: The last day.
        timezone: Whose calendar the days are of.
    """
    begin = pd.Timestamp(first, tz=timezone)
    end = pd.Timestamp(last + timedelta(days=1), tz=timezone)
    is_between = (rows[time] >= begin) & (rows[time] < end)
    return rows[is_between].reset_index(drop=True)


def of_week_before(rows: pd.DataFrame, local: pd.Series, by: str) -> pd.Series:
    """How many rows of its kind there were in the seven days before each row's own day.

    Args:
        rows: The rows.
        local: When each happened, by the clock of the place.
        by: The column of their kind.
    """
    days = local.dt.tz_localize(None).dt.normalize()
    counts = pd.crosstab(days, rows[by]).asfreq("D", fill_value=0)
    of_week = counts.shift(1).rolling(7, min_periods=1).sum().fillna(0).astype(int).stack()
    pairs = pd.MultiIndex.from_arrays([days, rows[by]])
    return pd.Series(of_week.reindex(pairs).to_numpy(), index=rows.index)


def boosted(
    texts: Sequence[str], numbers: Sequence[str], flags: Sequence[str] = (), *, chance: bool = False
) -> Any:
    """Boosted trees on categories and numbers.

    Args:
        texts: The categories.
        numbers: The numbers.
        flags: Numbers that are 0 or 1.
        chance: Whether they tell a probability.
    """
    from sklearn.compose import ColumnTransformer
    from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import OrdinalEncoder

    encode = OrdinalEncoder(
        handle_unknown="use_encoded_value", unknown_value=np.nan, max_categories=120
    )
    parts = [("texts", encode, [*texts])] if texts else []
    prepare = ColumnTransformer([*parts, ("numbers", "passthrough", [*numbers, *flags])])
    kind = HistGradientBoostingClassifier if chance else HistGradientBoostingRegressor
    return make_pipeline(prepare, kind(max_iter=60, random_state=0))
