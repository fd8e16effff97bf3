"""The process of a command: its settings before libraries are loaded, and its end."""

from __future__ import annotations

import gc
import os
import sys
from contextlib import suppress
from io import TextIOWrapper
from typing import NoReturn

from lockstep.columns.threads import set_blas_threads

_SETTINGS = {
    # Telemetry of all libraries is off, unless a person turns it on.
    "DAGSTER_DISABLE_TELEMETRY": "1",
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "DO_NOT_TRACK": "true",
    # OpenMP's threads sleep while they wait. Spinning ones slow down whatever else runs: with
    # both cores busy, a fit took up to eight times as long.
    "OMP_WAIT_POLICY": "PASSIVE",
}
_COLLECT_AFTER = (500_000, 20, 1_000)
"""Thresholds of the garbage collector. Loading the libraries makes some millions of objects that
stay; by Python's own thresholds the collector walks through them over and over, which is a fifth of
the time of loading."""


def prepare_process() -> None:
    """Set the environment of this process and its children, where it is not set yet."""
    for name, value in _SETTINGS.items():
        os.environ.setdefault(name, value)
    set_blas_threads()


def start_command() -> None:
    """Prepare a process that carries out one command."""
    prepare_process()
    if isinstance(sys.stdout, TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")  # such as names of files in no UTF-8
    gc.set_threshold(*_COLLECT_AFTER)


def end_command(status: int) -> NoReturn:
    """End the process at once: Python would free all objects one by one, which takes a second."""
    with suppress(BrokenPipeError):  # nobody reads on
        sys.stdout.flush()
        sys.stderr.flush()
    os._exit(status)
