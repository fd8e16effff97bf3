"""The embedded Dagster instance of a home."""

from __future__ import annotations

import os
from pathlib import Path

import dagster as dg

from assets import Home, replace_text

_SETTINGS = """\
# Written by Lockstep where it is missing; yours to change.
telemetry:
  enabled: false
nux:
  enabled: false
run_retries:
  enabled: false
concurrency:
  runs:
    max_concurrent_runs: 2
"""


def prepare_instance(home: Home) -> Path:
    """Make sure that there is an instance, and that this process and its children use it.

    `DAGSTER_HOME` names the instance where it is set; otherwise it is kept in the home.
    """
    path = Path(os.environ.get("DAGSTER_HOME") or home.dagster).resolve()
    path.mkdir(parents=True, exist_ok=True)
    if not (path / "dagster.yaml").exists():
        replace_text(path / "dagster.yaml", _SETTINGS)
    os.environ["DAGSTER_HOME"] = str(path)
    return path


def open_instance(home: Home) -> dg.DagsterInstance:
    """The instance, in which runs, events and checks are recorded."""
    prepare_instance(home)
    return dg.DagsterInstance.get()
