"""The process: what has to be in its environment before libraries are loaded."""

from __future__ import annotations

import os

_SETTINGS = {
    # Telemetry of all libraries is off, unless a person turns it on.
    "DAGSTER_DISABLE_TELEMETRY": "1",
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "DO_NOT_TRACK": "true",
    # OpenMP's threads sleep while they wait. Spinning ones slow down whatever else runs: with
    # both cores busy, a fit took up to eight times as long.
    "OMP_WAIT_POLICY": "PASSIVE",
}


def prepare_process() -> None:
    """Set what is not set yet, for this process and its children."""
    for name, value in _SETTINGS.items():
        os.environ.setdefault(name, value)
