"""What the tools are given, and what they say: rows as Parquet, alarms as JSON.

A folder holds `training.parquet` and the deliveries, `clean/DAY.parquet` and `FAULT/DAY.parquet`.
"""

from __future__ import annotations

import json
import logging
import sys
import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from functools import cached_property
from pathlib import Path

import pandas as pd

CLEAN = "clean"
KEY, TIME = "flight_id", "scheduled_at"
TABLE = "(table)"
"""What is named in the place of a column where a tool speaks of the table."""
ERROR = "(error)"
"""What is named in the place of a column where a tool ends in an error."""
Judge = Callable[[str], set[str]]
"""Gives the columns that a tool alarms on in a delivery."""
Judges = Mapping[str, Judge]
"""By the set-up of the tool."""


@dataclass(frozen=True)
class Batches:
    """A folder of rows.

    Attributes:
        folder: The folder.
    """

    folder: Path

    def path(self, batch: str) -> Path:
        """The file of a delivery, such as `clean/2013-04-16`."""
        return self.folder / f"{batch}.parquet"

    def training(self) -> pd.DataFrame:
        """The rows of the training."""
        return pd.read_parquet(self.path("training"))

    def rows(self, batch: str) -> pd.DataFrame:
        """The rows of a delivery.

        A column of floats is one where a day has nothing missing in it, or nothing else; what
        pandas makes of it then is no fault of a delivery.
        """
        rows = pd.read_parquet(self.path(batch))
        floats = {
            name: rows[name].astype("float64")
            for name in self._floats
            if pd.api.types.is_integer_dtype(rows[name]) or rows[name].isna().all()
        }
        return rows.assign(**floats)

    @cached_property
    def _floats(self) -> list[str]:
        training = self.training().select_dtypes("float64")
        return [str(name) for name in training]


def yesterday_of(batch: str) -> str:
    """The clean delivery of the day before a delivery's."""
    day = date.fromisoformat(batch.rpartition("/")[2])
    return f"{CLEAN}/{day - timedelta(1)}"


def features(rows: pd.DataFrame) -> pd.DataFrame:
    """The columns but the key and the time, which are new in every row."""
    return rows.drop(columns=[KEY, TIME])


def tell(judges_of: Callable[[Batches], Judges]) -> None:
    """Read from the command line which deliveries to judge, and print the alarms as JSON.

    Args:
        judges_of: Learns from the training rows.
    """
    warnings.filterwarnings("ignore")
    logging.disable(logging.WARNING)
    folder, wanted = map(Path, sys.argv[1:])
    judges = judges_of(Batches(folder))
    names = json.loads(wanted.read_text())
    alarms = {
        set_up: {name: sorted(_alarms(judge, name)) for name in names}
        for set_up, judge in judges.items()
    }
    print(json.dumps(alarms))


def _alarms(judge: Judge, batch: str) -> set[str]:
    try:
        return judge(batch)
    except Exception as error:  # noqa: BLE001 - a user of the tool would see it, too
        print(f"{batch}: {type(error).__name__}: {error}", file=sys.stderr)
        return {ERROR}
