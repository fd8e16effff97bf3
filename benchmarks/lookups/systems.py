"""The systems: each answers the same questions, in an environment of its own.

Run as a script, `systems.py SYSTEM FOLDER VALUES`: it reads the files in its own way, untimed,
answers each question so many times, prints the seconds as JSON and writes what it found beside the
files. A table's rows are asked for as of when they were known: an hour of weather an hour after it
began, a landing half an hour after it. So the weather is at most two hours old by then, and a
window of 30 days reaches half an hour less.
"""

from __future__ import annotations

import json
import sys
import time
from abc import ABC, abstractmethod
from collections.abc import Callable
from datetime import timedelta
from importlib.metadata import version
from pathlib import Path
from typing import Any

VALUES = (
    *("temp", "dewp", "humid", "wind_dir", "wind_speed"),
    *("wind_gust", "precip", "pressure", "visib"),
)
HOW = ("count", "mean", "max", "last")
_WEATHER_KNOWN, _LANDING_KNOWN = timedelta(hours=1), timedelta(minutes=30)
_TOLERANCE = timedelta(hours=3) - _WEATHER_KNOWN
_REACH = timedelta(days=30) - _LANDING_KNOWN


class System(ABC):
    """Something that looks up and sums over time.

    Args:
        folder: Where the files are.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    @abstractmethod
    def join(self) -> Any:
        """The nine columns of weather of each flight, from a table as it came."""

    def window(self) -> Any:
        """What the landings of each flight's aircraft come to; None for who has no windows."""
        return None

    def prepared_join(self) -> Any:
        """The same from a table that is prepared; None for who cannot prepare one."""
        return None

    def prepared_window(self) -> Any:
        """The same from a table that is prepared; None for who cannot prepare one."""
        return None

    @abstractmethod
    def write(self, found: Any, path: Path) -> None:
        """Write what was found into a Parquet file, in the order of the flights."""


class _Lockstep(System):
    """This library: rows are digested, ordered and indexed; then nodes read them."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        from pyarrow import parquet

        from benchmarks.lookups import request
        from benchmarks.lookups.tables import Landing, Weather
        from lockstep.columns.kinds import Kind
        from lockstep.columns.tables import from_arrow

        self.weather, self.landing = Weather.declaration(), Landing.declaration()
        kinds = {"origin": Kind.TEXT, "tail": Kind.TEXT, "as_of": Kind.TIME}
        asked = from_arrow(parquet.read_table(folder / "asked.parquet"), kinds)
        self.asked = {**asked, "scheduled_at": asked["as_of"]}
        self.columns = {
            schema.name: from_arrow(parquet.read_table(folder / file), schema.schema.kinds)
            for schema, file in (
                (self.weather, "weather.parquet"),
                (self.landing, "landings.parquet"),
            )
        }
        self.nodes = {node.name: node for node in request.PIPELINE.reading}
        self.readers = {
            node: self._reader(node, schema)
            for node, schema in (("weather", self.weather), ("landings", self.landing))
        }

    def _reader(self, node: str, schema: Any) -> Callable[[Any], Any]:
        from lockstep.tables.rows import TableRows

        return self.nodes[node].reader(TableRows.of(schema, self.columns[schema.name]))

    def join(self) -> Any:
        return self._reader("weather", self.weather)(self.asked)

    def window(self) -> Any:
        return self._reader("landings", self.landing)(self.asked)

    def prepared_join(self) -> Any:
        return self.readers["weather"](self.asked)

    def prepared_window(self) -> Any:
        return self.readers["landings"](self.asked)

    def write(self, found: Any, path: Path) -> None:
        import pyarrow as pa
        from pyarrow import parquet

        names = {name.split("_", 1)[1]: values for name, values in found.items()}
        names.pop("age", None)
        parquet.write_table(pa.table(names), path)


class _Pandas(System):
    """pandas: `merge_asof`, and `rolling` over landings and flights together."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        import pandas as pd

        self.pandas = pd
        self.asked, self.weather, self.landings = (
            pd.read_parquet(folder / f"{name}.parquet") for name in ("asked", "weather", "landings")
        )
        self.known = self._known()

    def _known(self) -> Any:
        return self.weather.assign(known=self.weather["hour"] + _WEATHER_KNOWN).sort_values("known")

    def join(self) -> Any:
        return self._join(self._known())

    def prepared_join(self) -> Any:
        return self._join(self.known)

    def _join(self, known: Any) -> Any:
        joined = self.pandas.merge_asof(
            self.asked.sort_values("as_of"),
            known,
            by="origin",
            left_on="as_of",
            right_on="known",
            tolerance=self.pandas.Timedelta(_TOLERANCE),
        )
        return joined.sort_values("row")[list(VALUES)]

    def window(self) -> Any:
        pd = self.pandas
        asked = self.asked.dropna(subset=["tail"]).rename(columns={"as_of": "at"})
        known = self.landings.assign(at=self.landings["landed_at"] + _LANDING_KNOWN)
        every = pd.concat([known[["tail", "at", "arr_delay"]], asked[["tail", "at", "row"]]])
        # of one time, landings come before the flights that ask
        every = every.sort_values(["tail", "at", "row"], na_position="first", ignore_index=True)
        rolled = every.groupby("tail", sort=False).rolling(pd.Timedelta(_REACH), on="at")[
            "arr_delay"
        ]
        found = pd.DataFrame({how: getattr(rolled, how)().to_numpy() for how in HOW})
        asks = every["row"].notna().to_numpy()
        found = found[asks].set_axis(every["row"][asks].astype("int64"))
        found = found.reindex(self.asked["row"])
        return found.assign(count=found["count"].fillna(0))

    def write(self, found: Any, path: Path) -> None:
        found.to_parquet(path, index=False)


class _Polars(System):
    """Polars: `join_asof`, and `rolling_*_by` over landings and flights together."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        import polars

        self.polars = polars
        self.asked, self.weather, self.landings = (
            polars.read_parquet(folder / f"{name}.parquet")
            for name in ("asked", "weather", "landings")
        )
        self.known = self._known()

    def _known(self) -> Any:
        col = self.polars.col
        return self.weather.with_columns(known=col("hour") + _WEATHER_KNOWN).sort("known")

    def join(self) -> Any:
        return self._join(self._known())

    def prepared_join(self) -> Any:
        return self._join(self.known)

    def _join(self, known: Any) -> Any:
        joined = self.asked.sort("as_of").join_asof(
            known, by="origin", left_on="as_of", right_on="known", tolerance=_TOLERANCE
        )
        return joined.sort("row").select(VALUES)

    def window(self) -> Any:
        pl, col = self.polars, self.polars.col
        known = self.landings.select(
            "tail", (col("landed_at") + _LANDING_KNOWN).alias("at"), "arr_delay"
        )
        asked = self.asked.drop_nulls("tail").select("tail", col("as_of").alias("at"), "row")
        # of one time, landings come before the flights that ask
        every = pl.concat([known, asked], how="diagonal").sort("tail", "at", "row")
        value, span = col("arr_delay"), {"window_size": _REACH, "closed": "right"}
        rolled = every.with_columns(
            value.is_not_null()
            .cast(pl.Int64)
            .rolling_sum_by("at", **span)
            .over("tail")
            .alias("count"),
            value.rolling_mean_by("at", **span).over("tail").alias("mean"),
            value.rolling_max_by("at", **span).over("tail").alias("max"),
            value.forward_fill().over("tail").alias("last"),
        )
        found = rolled.filter(col("row").is_not_null()).with_columns(
            last=pl.when(col("count") > 0).then(col("last"))
        )
        return (
            self.asked.select("row")
            .join(found.select("row", *HOW), on="row", how="left", maintain_order="left")
            .with_columns(col("count").fill_null(0))
            .select(HOW)
        )

    def write(self, found: Any, path: Path) -> None:
        found.write_parquet(path)


class _DuckDB(System):
    """DuckDB: `ASOF JOIN`, and window functions over landings and flights together."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        import duckdb

        self.base = duckdb.connect()
        self.base.execute("SET TimeZone = 'UTC'")
        for name in ("asked", "weather", "landings"):
            self.base.execute(f"CREATE TABLE {name} AS FROM '{folder}/{name}.parquet'")

    def join(self) -> Any:
        seconds = int(_TOLERANCE.total_seconds())
        known = f"known + INTERVAL {seconds} SECOND >= as_of"
        values = ", ".join(f"CASE WHEN {known} THEN {name} END AS {name}" for name in VALUES)
        return self._query(
            f"SELECT {values} FROM asked ASOF LEFT JOIN (SELECT *, hour + INTERVAL 1 HOUR AS known "
            "FROM weather) AS reported ON asked.origin = reported.origin AND as_of >= known "
            "ORDER BY row"
        )

    def window(self) -> Any:
        reach = int(_REACH.total_seconds()) * 1_000_000 - 1  # both ends of a RANGE are in it
        return self._query(
            "WITH every AS (SELECT tail, landed_at + INTERVAL 30 MINUTE AS moment, arr_delay, "
            "NULL AS row FROM landings UNION ALL "
            "SELECT tail, as_of, NULL, row FROM asked WHERE tail IS NOT NULL), "
            "found AS (SELECT row, count(arr_delay) OVER past AS count, avg(arr_delay) OVER past "
            "AS mean, max(arr_delay) OVER past AS max, "
            "last_value(arr_delay IGNORE NULLS) OVER past AS last FROM every "
            "WINDOW past AS (PARTITION BY tail ORDER BY moment "
            f"RANGE BETWEEN INTERVAL {reach} MICROSECOND PRECEDING AND CURRENT ROW)) "
            "SELECT coalesce(count, 0) AS count, mean, max, last FROM asked LEFT JOIN "
            "(FROM found WHERE row IS NOT NULL) USING (row) ORDER BY row"
        )

    def _query(self, text: str) -> Any:
        return self.base.sql(text).to_arrow_table()

    def write(self, found: Any, path: Path) -> None:
        from pyarrow import parquet

        parquet.write_table(found, path)


class _Feast(System):
    """Feast: historical features of a feature view, whose rows it reads from a Parquet file.

    Its offline store is the one on DuckDB; the default one joins each flight with all hours of its
    airport first.
    """

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        import pandas as pd
        from feast import Entity, FeatureStore, FeatureView, Field, FileSource, RepoConfig
        from feast.types import Float64, String
        from feast.value_type import ValueType

        weather = pd.read_parquet(folder / "weather.parquet")
        weather["known"] = weather.pop("hour") + _WEATHER_KNOWN
        weather.to_parquet(folder / "feast_weather.parquet", index=False)
        asked = pd.read_parquet(folder / "asked.parquet", columns=["row", "origin", "as_of"])
        self.asked = asked.rename(columns={"as_of": "event_timestamp"})
        self.store = FeatureStore(
            config=RepoConfig(
                project="lookups",
                registry=str(folder / "registry.db"),
                provider="local",
                offline_store={"type": "duckdb"},
                entity_key_serialization_version=3,
            )
        )
        airport = Entity(name="airport", join_keys=["origin"], value_type=ValueType.STRING)
        view = FeatureView(
            name="weather",
            entities=[airport],
            ttl=_TOLERANCE,
            schema=[
                Field(name="origin", dtype=String),
                *(Field(name=name, dtype=Float64) for name in VALUES),
            ],
            source=FileSource(path=str(folder / "feast_weather.parquet"), timestamp_field="known"),
        )
        self.store.apply([airport, view])

    def join(self) -> Any:
        features = [f"weather:{name}" for name in VALUES]
        found = self.store.get_historical_features(self.asked, features).to_df()
        return found.sort_values("row")[list(VALUES)]

    def write(self, found: Any, path: Path) -> None:
        found.to_parquet(path, index=False)


SYSTEMS: dict[str, type[System]] = {
    "lockstep": _Lockstep,
    "pandas": _Pandas,
    "polars": _Polars,
    "duckdb": _DuckDB,
    "feast": _Feast,
}
TASKS = ("join", "window", "prepared_join", "prepared_window")


def main(name: str, folder: Path, values: int) -> None:
    """Carry out every task of a system so many times; the first time is not counted."""
    system = SYSTEMS[name](folder)
    seconds: dict[str, list[float]] = {}
    for task in TASKS:
        answer: Callable[[], Any] = getattr(system, task)
        found = answer()
        if found is None:
            continue
        if not task.startswith("prepared"):
            system.write(found, folder / f"{task}-{name}.parquet")
        for _ in range(values):
            begun = time.perf_counter()
            answer()
            seconds.setdefault(task, []).append(time.perf_counter() - begun)
    package = "lockstep-scoring" if name == "lockstep" else name
    print(json.dumps({"version": version(package), "seconds": seconds}))


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]), int(sys.argv[3]))
