"""What actions need, loaded and used once: a process forked from one that has it pays nothing."""

from __future__ import annotations

import gc
from pathlib import Path
from tempfile import TemporaryDirectory

from lockstep.cli.process import start_command

start_command()

import dagster as dg  # noqa: E402
import great_expectations  # noqa: E402, F401, TID253
import matplotlib.pyplot  # noqa: E402, F401
import mlflow.pyfunc  # noqa: E402, F401, TID253
import pyarrow.csv  # noqa: E402
import pyarrow.parquet  # noqa: E402, F401
import sklearn.dummy  # noqa: E402
import sklearn.linear_model  # noqa: E402
import sklearn.pipeline  # noqa: E402, F401
import skops.io  # noqa: E402, F401

import lockstep.cli.main  # noqa: E402
import lockstep.dagster.definitions  # noqa: E402, F401
from lockstep.artifacts import round_trip  # noqa: E402, F401
from lockstep.cli import console, days, progress  # noqa: E402, F401
from lockstep.dagster.instance import open_instance  # noqa: E402
from lockstep.parity import locality, replay, selection, shift, wire  # noqa: E402, F401
from lockstep.project.home import Home  # noqa: E402
from lockstep.suites import validation  # noqa: E402, F401

_QUIET = {"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}}


def _use_once() -> None:
    """Have Dagster and MLflow load what they load at the first use."""

    @dg.asset
    def nothing() -> None:
        """Nothing."""

    with TemporaryDirectory() as folder:
        home = Home(Path(folder))
        with open_instance(home) as instance:
            dg.materialize([nothing], instance=instance, run_config=_QUIET)
        home.registry().versions("none")


_use_once()
gc.freeze()  # what is loaded stays: nobody looks for garbage in it
