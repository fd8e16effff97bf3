"""A version served by MLflow: from the version's own files, whether Lockstep is installed or not.

MLflow copies this file into the model and runs it there (models from code). It never runs as a
part of Lockstep, and takes everything from the directory beside it, Lockstep's own modules
included. These run under a private name, so that `sys.path` and `sys.modules` stay as they are.
"""

import hashlib
import json
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import mlflow  # noqa: TID253  this is MLflow's side
import pandas as pd
from mlflow.exceptions import MlflowException  # noqa: TID253
from mlflow.pyfunc.model import PythonModel, PythonModelContext  # noqa: TID253


class PythonFunction(PythonModel):
    """A version as a `python_function`.

    A version has no tables: the columns of its look-ups and windows are taken from the input, all
    of a look-up's or none. A record without them is refused, with the names of what is lacking:
    Lockstep's server, and its batches, look them up.
    """

    def load_context(self, context: PythonModelContext) -> None:
        """Load the pipeline; called once by MLflow."""
        directory = Path(__file__).with_name("lockstep")
        stored = (directory / "framework.json").read_bytes()
        sources = json.loads(stored)
        digest = hashlib.sha256(stored).hexdigest()[:12]
        name = f"_lockstep_modules_{digest}"
        if name not in sys.modules:
            sys.modules[name] = ModuleType(name)
            source = compile(sources["lockstep.artifacts.modules"], "modules.py", "exec")
            exec(source, vars(sys.modules[name]))
        loader: Any = sys.modules[name]
        framework = loader.ModuleSet(f"_lockstep_framework_{digest}", sources)
        self.refused: type[Exception] = framework.load("lockstep.errors").LockstepError
        artifact = framework.load("lockstep.artifacts.artifact")
        self.predict_rows: Callable[[pd.DataFrame], pd.DataFrame] = (
            artifact.Artifact.open(directory).pipeline().predict
        )

    def predict(
        self,
        context: PythonModelContext,
        model_input: pd.DataFrame,
        params: dict[str, Any] | None = None,
    ) -> pd.DataFrame:
        """Key, event time and outputs of each row.

        Raises MlflowException, which a server answers with status 400, where a row does not fit its
        declaration; the message names the row, the column and what is wrong.
        """
        try:
            return self.predict_rows(model_input)
        except self.refused as error:
            raise MlflowException.invalid_parameter_value(str(error)) from error


mlflow.models.set_model(PythonFunction())
