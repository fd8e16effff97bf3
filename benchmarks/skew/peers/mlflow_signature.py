"""MLflow: a model whose signature is inferred from the training, asked to predict a delivery.

It refuses what does not have the columns and types of the signature, and looks at no values. Times
are given without their zone: it takes no others.
"""

from __future__ import annotations

import re
import tempfile
from pathlib import Path
from typing import Any

import pandas as pd
from mlflow.exceptions import MlflowException
from mlflow.models import infer_signature
from mlflow.pyfunc import load_model, save_model
from mlflow.pyfunc.model import PythonModel

from benchmarks.skew.peers.batches import TABLE, TIME, Batches, Judges, tell


class Nothing(PythonModel):
    """A model that is asked for its signature's sake."""

    def predict(
        self, context: Any, model_input: pd.DataFrame, params: dict[str, Any] | None = None
    ) -> list[int]:
        """As many zeros as there are rows."""
        return [0] * len(model_input)


def judges_of(batches: Batches) -> Judges:
    """Save a model with the signature, and have it predict deliveries."""
    training = _without_zone(batches.training())
    columns = [str(name) for name in training]
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "model"
        signature = infer_signature(training, [0])
        save_model(path, python_model=Nothing(), signature=signature, pip_requirements=[])
        model = load_model(str(path))

    def refused(batch: str) -> set[str]:
        try:
            model.predict(_without_zone(batches.rows(batch)))
        except MlflowException as error:
            reason = str(error).rpartition("Error: ")[2]  # it quotes all of the schema before
            return {one for one in columns if re.search(rf"\b{one}\b", reason)} or {TABLE}
        return set()

    return {"signature": refused}


def _without_zone(rows: pd.DataFrame) -> pd.DataFrame:
    return rows.assign(**{TIME: rows[TIME].dt.tz_localize(None)})


if __name__ == "__main__":
    tell(judges_of)
