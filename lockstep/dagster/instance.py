"""The embedded Dagster instance of a home."""

from __future__ import annotations

import fcntl
import logging
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import unquote

import dagster as dg
from sqlalchemy import make_url
from sqlalchemy.exc import ArgumentError

from lockstep.columns.plain import one_line
from lockstep.dagster.jobs import BACKFILL_POOL, BACKFILL_TAG
from lockstep.dagster.schedules import ONE_AT_A_TIME
from lockstep.errors import LockstepError
from lockstep.project.home import Home
from lockstep.store.disks import disk_error, replace_text

_FILE = "dagster.yaml"
_SETTINGS = f"""\
# Written by Lockstep where it is missing; yours to change.
telemetry:
  enabled: false
nux:
  enabled: false
run_retries:
  enabled: false
run_monitoring:
  # A run whose process was killed would otherwise count as running for ever.
  enabled: true
  max_runtime_seconds: 86400
concurrency:
  runs:
    max_concurrent_runs: 2
    tag_concurrency_limits:
      # Days of a schedule are run in order: each is compared with those before it.
      - key: {ONE_AT_A_TIME}
        value:
          applyLimitPerUniqueValue: true
        limit: 1
      # Runs of a backfill leave a place to the daily ones.
      - key: {BACKFILL_TAG}
        limit: 1
  pools:
    # One run at a time holds a pool, such as {BACKFILL_POOL}.
    granularity: run
    default_limit: 1
python_logs:
  # Runs write what they log to the log of `lockstep up`; DEBUG would add each of Dagster's events.
  python_log_level: INFO
"""
_LIMIT, _LIMIT_BEFORE = f"- key: {ONE_AT_A_TIME}\n", "- key: lockstep/one_at_a_time\n"
"""The limit of the tag, as homes are given it and as they were before pages hid it."""
_DEMANDED = {
    ONE_AT_A_TIME: f"does not limit {ONE_AT_A_TIME}, so that days of a schedule may be run at the "
    "same time",
    BACKFILL_TAG: f"does not limit {BACKFILL_TAG}, so that a backfill may take the places "
    "of the daily runs",
    "granularity: run": "does not set pools with `granularity: run`, so that backfills may "
    "take the places of the daily runs",
    "python_log_level": "does not set python_log_level, so that runs write each of Dagster's "
    "events to the log of `lockstep up`",
}
"""Settings that a person's own file may lack, each with the consequence."""


def prepare_instance(home: Home) -> Path:
    """Prepare the instance's folder, which `Home.dagster` names.

    Raises:
        LockstepError: Dagster cannot use the folder, or it is named and not there, or cannot be
            written to, or it would fail to write to its database.
    """
    path = _folder(home)
    if "?" in str(path) or unquote(str(path)) != str(path):
        raise LockstepError(
            f"Dagster cannot keep its databases in {path}, since it reads the ? and the %.. in it "
            "as parts of an address. Set DAGSTER_HOME to another folder; the rest of the home may "
            "stay."
        )
    try:
        home.prepare()
        path.mkdir(parents=True, exist_ok=True)
        written = _read_settings(path)
        if written is None:
            replace_text(path / _FILE, _SETTINGS)
        elif _LIMIT_BEFORE in written and path.is_relative_to(home.path.resolve()):
            replace_text(path / _FILE, written.replace(_LIMIT_BEFORE, _LIMIT))
    except OSError as error:
        raise _unwritable(path, error) from error
    _demand_driver(path / _FILE)
    return path


def _folder(home: Home) -> Path:
    """The instance's folder; one outside the home, which somebody names, has to be there."""
    path = home.dagster.resolve()
    if not path.is_relative_to(home.path.resolve()) and not path.is_dir():
        raise LockstepError(
            f"{path} is not a folder: DAGSTER_HOME, or dagster_home in [tool.lockstep], names the "
            "folder of Dagster's dagster.yaml. Make it, or name another one."
        )
    return path


def _demand_driver(file: Path) -> None:
    """Demand the driver that Dagster's own storage on PostgreSQL needs, if it is stored there.

    What `postgresql://` stands for is SQLAlchemy's choice: from 2.1 on it is psycopg 3, and Dagster
    then fails when it tells other processes of an event (`NOTIFY run_events, $1`).
    """
    for address in _postgres_addresses(_settings(file)):
        try:
            driver = make_url(address).get_dialect().driver
        except ArgumentError:
            continue  # Dagster says what is wrong with it
        if driver != "psycopg2":
            raise LockstepError(
                f"{file} has Dagster reach PostgreSQL through {driver}, by which it fails at its "
                "first event. Name the driver that it is made for: `scheme: postgresql+psycopg2` "
                "below postgres_db, or a postgres_url that begins with postgresql+psycopg2://. "
                "It comes with `pip install 'lockstep-scoring[postgres]'`."
            )


def _settings(file: Path) -> object:
    """The content of the instance's own file; None where Dagster will say what is wrong with it."""
    from yaml import YAMLError, safe_load  # type: ignore[import-untyped]

    try:
        return safe_load(_read_settings(file.parent) or "")
    except YAMLError:
        return None


def _postgres_addresses(settings: object) -> Iterator[str]:
    """The beginnings of all addresses of PostgreSQL, with the driver that they name."""
    if not isinstance(settings, dict):
        return
    for name, value in settings.items():
        if name == "postgres_db" and isinstance(value, dict):
            yield f"{value.get('scheme', 'postgresql')}://"
        elif name == "postgres_url":
            from_environment = value.get("env", "") if isinstance(value, dict) else ""
            yield str(os.environ.get(from_environment, "") or value)
        else:
            yield from _postgres_addresses(value)


def lacking_settings(home: Home) -> list[str]:
    """Sentences about settings that the instance's own file lacks."""
    file = home.dagster.resolve() / _FILE
    written = _read_settings(file.parent) or ""
    return [
        f"{file} {lacking}. Add that as `lockstep` writes it in a new home, or move the file away "
        "to have it written anew."
        for setting, lacking in _DEMANDED.items()
        if setting not in written
    ]


def find_instance(home: Home) -> dg.DagsterInstance | None:
    """Open the instance if it exists; None where nothing was run yet.

    Raises:
        LockstepError: Its folder cannot be read, or is named and not there.
    """
    folder = _folder(home)
    return open_instance(home) if folder.is_dir() and any(folder.iterdir()) else None


def open_instance(home: Home) -> dg.DagsterInstance:
    """Open the instance, which records runs, events and checks; make it if it does not exist.

    Raises:
        LockstepError: Its folder cannot be written to or read, or its PostgreSQL does not answer.
    """
    from sqlalchemy.exc import DatabaseError
    from yaml import YAMLError

    path = prepare_instance(home)
    try:
        with _alone(path), _without_retries_told():
            return dg.DagsterInstance.from_config(str(path))
    except OSError as error:
        raise _unwritable(path, error) from error
    except DatabaseError as error:
        raise LockstepError(
            f"A database of Dagster's in {path} cannot be used ({error.orig}). Make room, if "
            "its disk is full; else restore the folder from a copy, or move it away to begin anew."
        ) from error
    except (dg.DagsterError, YAMLError) as error:
        raise LockstepError(
            f"{path / _FILE} cannot be used: {one_line(_reason(error), 300)}."
        ) from error
    except _postgres_errors() as error:
        raise LockstepError(
            f"The PostgreSQL of {path / _FILE} does not answer ({one_line(_reason(error), 300)})."
        ) from error


def _postgres_errors() -> tuple[type[Exception], ...]:
    """What Dagster raises where its PostgreSQL does not answer; none where it is not used."""
    module = sys.modules.get("dagster_postgres.utils")
    return (module.DagsterPostgresException,) if module is not None else ()


def _reason(error: Exception) -> str:
    """Why Dagster cannot use its settings or its database, without the settings themselves."""
    faults = [fault.message for fault in getattr(error, "errors", ())]
    cause = error.__cause__ or error
    return "; ".join(faults) or str(getattr(cause, "orig", cause))


@contextmanager
def _without_retries_told() -> Iterator[None]:
    """Leave out what Dagster logs of each try to reach PostgreSQL: that none succeeds is raised."""
    root = logging.getLogger()

    def is_other(record: logging.LogRecord) -> bool:
        return not record.getMessage().startswith("Retrying failed database connection")

    root.addFilter(is_other)
    try:
        yield
    finally:
        root.removeFilter(is_other)


def _unwritable(path: Path, error: OSError) -> LockstepError:
    return disk_error(error, path) or LockstepError(
        f"{path} cannot be written to ({error.strerror}); set LOCKSTEP_HOME to a folder that can "
        "be."
    )


def _read_settings(path: Path) -> str | None:
    try:
        return (path / _FILE).read_text(encoding="utf-8", errors="replace")
    except FileNotFoundError:
        return None


@contextmanager
def _alone(path: Path) -> Iterator[None]:
    """Keep other processes from making the instance's databases at the same time.

    Dagster makes them at the first use; of two processes that do so, one fails.
    """
    with (path / ".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
