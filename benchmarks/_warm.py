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
import pandas as pd  # noqa: E402
import pyarrow.csv  # noqa: E402
import pyarrow.parquet  # noqa: E402, F401
import sklearn.dummy  # noqa: E402
import sklearn.linear_model  # noqa: E402
import sklearn.pipeline  # noqa: E402
import skops.io  # noqa: E402, F401
from mlflow.utils.requirements_utils import (  # noqa: E402, TID253
    warn_dependency_requirement_mismatches,
)

import lockstep.cli.main  # noqa: E402
import lockstep.dagster.definitions  # noqa: E402, F401
from lockstep.artifacts import carried, round_trip  # noqa: E402, F401
from lockstep.cli import arguments, console, progress, recorded_checks  # noqa: E402, F401
from lockstep.columns import decorators  # noqa: E402, F401
from lockstep.columns.compiled import predictor  # noqa: E402, F401
from lockstep.dagster import runs  # noqa: E402, F401
from lockstep.dagster.instance import open_instance  # noqa: E402
from lockstep.parity import (  # noqa: E402
    company,  # noqa: F401
    compiled,  # noqa: F401
    locality,  # noqa: F401
    replay,  # noqa: F401
    selection,  # noqa: F401
    wire,  # noqa: F401
)
from lockstep.project.home import Home  # noqa: E402
from lockstep.registry.mlmodel import requirements  # noqa: E402
from lockstep.suites import validation  # noqa: E402, F401

_QUIET = {"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}}


def _use_once() -> None:
    """Have libraries load, and look up, what they do at the first use."""

    @dg.asset
    def nothing() -> None:
        """Nothing."""

    with TemporaryDirectory() as folder:
        home = Home(Path(folder))
        with open_instance(home) as instance:
            dg.materialize([nothing], instance=instance, run_config=_QUIET)
        home.registry().open()
    requirement = requirements({"anything": "import sklearn"})
    warn_dependency_requirement_mismatches(requirement)
    sklearn.linear_model.LinearRegression().fit(pd.DataFrame({"number": [0.0, 1.0]}), [0, 1])


_use_once()
gc.freeze()  # what is loaded stays: nobody looks for garbage in it
