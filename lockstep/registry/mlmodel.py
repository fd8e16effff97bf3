"""A version as an MLflow model: its signature, input example, requirements and files."""

from __future__ import annotations

import shutil
import warnings
from collections.abc import Mapping
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING

import pandas as pd

from lockstep.artifacts.distributions import imported_distributions
from lockstep.artifacts.framework import framework_sources
from lockstep.artifacts.snapshot import Snapshot
from lockstep.columns.kinds import Columns, Kind
from lockstep.columns.pipeline import Pipeline
from lockstep.errors import RegistryError
from lockstep.parity.wire import wire_record

if TYPE_CHECKING:
    from mlflow.models import Model, ModelSignature

ARTIFACT = "lockstep"
_SCRIPT = Path(__file__).with_name("python_function.py")
_EXAMPLE_ROWS = 3
_OURS = "lockstep-scoring"


def save_mlmodel(
    directory: Path,
    artifact: Path,
    pipeline: Pipeline,
    snapshot: Snapshot,
    example: Columns,
    model: Model,
) -> None:
    """Write an MLflow model around a version's directory, which is moved into it.

    `directory` must not exist yet. The first few rows of `example` (raw columns, and those of
    look-ups and windows) become the input example. Raises RegistryError if MLflow stored no
    signature.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # MLflow warns of its own type hints
        import mlflow.pyfunc
    from mlflow.models import Model as MLModel
    from mlflow.models.model import MLMODEL_FILE_NAME

    mlflow.pyfunc.save_model(
        str(directory),
        python_model=str(_SCRIPT),
        signature=signature(pipeline),
        input_example=input_example(pipeline, example),
        pip_requirements=requirements({**framework_sources(), **snapshot.modules}),
        metadata={"inputs": {f.name: f.declared_name for f in pipeline.looked_up_schema}},
        mlflow_model=model,
    )
    shutil.move(artifact, directory / ARTIFACT)
    files = (path for path in directory.rglob("*") if path.is_file())
    model.model_size_bytes = sum(path.stat().st_size for path in files)
    model.save(str(directory / MLMODEL_FILE_NAME))
    if MLModel.load(str(directory)).signature is None:
        raise RegistryError(
            f"MLflow stored no signature for {pipeline.name}, so that nothing would check what "
            "it is asked. This is a fault of Lockstep or MLflow; please report it."
        )


def signature(pipeline: Pipeline) -> ModelSignature:
    """MLflow's signature of a pipeline's input and output.

    Inputs have the type `any`: with another one, MLflow silently casts values before Lockstep sees
    them (3.5 becomes 3, a null becomes False, the text "12" becomes 12.0), and refuses times with a
    time zone. So the record's declaration decides, as everywhere; the declared types are in the
    model's metadata and in its card. The record's fields are required. Columns of look-ups and
    windows may be left out: Lockstep then says what is lacking.
    """
    from mlflow.models import ModelSignature
    from mlflow.types.schema import AnyType, ColSpec, DataType, Schema

    types = {
        Kind.FLOAT: DataType.double,
        Kind.INT: DataType.long,
        Kind.BOOL: DataType.boolean,
        Kind.TEXT: DataType.string,
        Kind.TIME: DataType.datetime,
    }
    anything = AnyType()  # type: ignore[no-untyped-call]
    record = pipeline.record_schema
    kinds = {name: record[name].kind for name in (record.key, record.event_time) if name}
    kinds |= {name: pipeline.graph.kind(name) for name in pipeline.graph.outputs}
    given = [name for node in pipeline.reading for name in node.gives]
    return ModelSignature(
        inputs=Schema(
            [
                *(ColSpec(anything, name) for name in record.names),
                *(ColSpec(anything, name, required=False) for name in given),
            ]
        ),
        outputs=Schema([ColSpec(types[kind], name) for name, kind in kinds.items()]),
    )


def input_example(pipeline: Pipeline, columns: Columns) -> pd.DataFrame:
    """The first few rows as a client would send them: times in ISO form, nulls where missing."""
    fields = pipeline.looked_up_schema
    rows = min(_EXAMPLE_ROWS, len(columns[pipeline.key]))
    records = [wire_record(columns, row, fields) for row in range(rows)]
    return pd.DataFrame(records, columns=fields.names, dtype=object)


def requirements(sources: Mapping[str, str]) -> list[str]:
    """The installed distributions that sources import, each as `name==version`.

    Their own requirements are left to pip.
    """
    names = {*imported_distributions(sources), "mlflow"} - {_OURS}  # ours travel in the version
    return [f"{name}=={metadata.version(name)}" for name in sorted(names)]
