"""Versions served by MLflow itself, from the version's files alone.

The processes here cannot import Lockstep: a `sitecustomize` refuses it, wherever it is installed.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import requests

from lockstep.columns.decode import decode
from lockstep.parity.wire import wire_record
from lockstep.registry.registry import Registry
from tests.fixtures.ports import free_port
from tests.fixtures.waiting import wait_until

REFUSAL = """
import sys

class Refusal:
    def find_spec(self, name, path=None, target=None):
        if name in {"lockstep", "transforms", "measures"}:
            raise ImportError(f"{name} is not installed here")

sys.meta_path.insert(0, Refusal())
"""

PREDICT = """
import sys
import mlflow
import pandas as pd

before = set(sys.path)
model = mlflow.pyfunc.load_model(sys.argv[1])
frames = {name: model.predict(pd.read_pickle(f"{name}.pkl")) for name in sys.argv[2:]}
pd.to_pickle(frames, "predictions.pkl")
assert not {"lockstep", "transforms", "measures"} & set(sys.modules)
came = set(sys.path) - before
assert not [place for place in came if "lockstep" in place], came
"""


@pytest.fixture(scope="module")
def elsewhere(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A directory where Lockstep cannot be imported."""
    directory = tmp_path_factory.mktemp("elsewhere")
    (directory / "site").mkdir()
    (directory / "site" / "sitecustomize.py").write_text(REFUSAL)
    return directory


@pytest.fixture(scope="module")
def environment(elsewhere: Path) -> dict[str, str]:
    return os.environ | {
        "PYTHONPATH": str(elsewhere / "site"),
        "MLFLOW_DISABLE_TELEMETRY": "true",
        "OMP_NUM_THREADS": "1",
    }


@pytest.fixture(scope="module")
def registry(
    tmp_path_factory: pytest.TempPathFactory, empty_database: Path, tumour: Any
) -> Registry:
    """A registry with one version, the champion."""
    directory = tmp_path_factory.mktemp("registry")
    shutil.copy(empty_database, directory / "mlflow.db")
    registry = Registry(f"sqlite:///{directory}/mlflow.db", artifact_root=directory / "artifacts")
    registry.log(tumour.pipeline, **tumour.arguments)
    registry.set_alias("tumour", "champion", 1)
    return registry


@pytest.fixture(scope="module")
def location(registry: Registry) -> str:
    """Where the version's files are."""
    return registry.versions("tumour")[0].location


@pytest.fixture(scope="module")
def model(location: str) -> Any:
    """The version as MLflow loads it, in this process."""
    import mlflow

    return mlflow.pyfunc.load_model(location)


@pytest.fixture(scope="module")
def inputs(tumour: Any) -> dict[str, Any]:
    """The same rows in several forms, some of which MLflow would cast by itself."""
    table = tumour.records
    columns = decode(table, tumour.pipeline.record_schema).columns
    records = [
        wire_record(columns, row, tumour.pipeline.record_schema) for row in range(len(table))
    ]
    loose = table.assign(
        area=table["area"].round().astype("int64"),
        site=table["site"].astype("category"),
        radius=table["radius"].astype("float32"),
        grade=table["grade"].astype("float64"),
        taken_at=table["taken_at"].dt.tz_convert("America/New_York"),
    )
    nulls = table[table["site"].isna()].head(3).assign(texture=float("nan"), site=float("nan"))
    one = table.head(1)
    return {"all": table, "one": one, "nulls": nulls, "loose": loose, "records": records}


@pytest.fixture(scope="module")
def predictions(
    elsewhere: Path, environment: dict[str, str], registry: Registry, inputs: dict[str, Any]
) -> dict[str, pd.DataFrame]:
    """What a process with nothing but MLflow and the version's files predicts."""
    for name, data in inputs.items():
        pd.to_pickle(data, elsewhere / f"{name}.pkl")
    subprocess.run(
        [sys.executable, "-c", PREDICT, "models:/tumour@champion", *inputs],
        cwd=elsewhere,
        env=environment | {"MLFLOW_TRACKING_URI": registry.address.full},
        check=True,
    )
    found: dict[str, pd.DataFrame] = pd.read_pickle(elsewhere / "predictions.pkl")
    return found


@pytest.mark.parametrize("name", ["all", "one", "nulls", "loose", "records"])
def test_tables_and_records_get_the_very_predictions_of_the_pipeline(
    tumour: Any, inputs: dict[str, Any], predictions: dict[str, pd.DataFrame], name: str
) -> None:
    expected = tumour.pipeline.predict(inputs[name])
    pd.testing.assert_frame_equal(predictions[name], expected, check_exact=True)


# In the process that has Lockstep too


@pytest.mark.usefixtures("model")
def test_it_loads_beside_lockstep_without_touching_its_modules(location: str) -> None:
    import mlflow

    path, finders, modules = list(sys.path), list(sys.meta_path), dict(sys.modules)
    mlflow.pyfunc.load_model(location)
    assert sys.path == path
    assert sys.meta_path == finders
    assert {name: sys.modules[name] for name in modules} == modules


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"cells": 3.5}, "cells: 3.5 is not an integer"),
        ({"screened": "yes"}, "screened: 'yes'"),
        ({"taken_at": "2020-01-01T05:00:00"}, "taken_at: .* naive"),
        ({"radius": None}, "radius"),
        ({"grade": 2**60}, "grade"),
    ],
)
def test_rows_that_the_declaration_refuses_are_refused_by_name(
    model: Any, inputs: dict[str, Any], change: dict[str, Any], reason: str
) -> None:
    import mlflow

    with pytest.raises(mlflow.MlflowException, match=f"row 0 .*{reason}"):
        model.predict([inputs["records"][0] | change])


def test_a_column_that_is_lacking_is_named(model: Any, tumour: Any) -> None:
    import mlflow

    with pytest.raises(mlflow.MlflowException, match="texture"):
        model.predict(tumour.records.drop(columns="texture"))


def test_tampered_files_are_refused(location: str, tmp_path: Path) -> None:
    import mlflow

    copy = shutil.copytree(location, tmp_path / "model")
    source = copy / "lockstep" / "source" / "transforms" / "units.py"
    source.write_text(source.read_text().replace("1000.0", "999.0"))
    with pytest.raises(Exception, match=r"units\.py is not what was logged"):
        mlflow.pyfunc.load_model(str(copy))


# What the model says of itself


def test_the_signature_names_every_column_and_the_metadata_their_types(
    model: Any, tumour: Any
) -> None:
    schema, told = tumour.pipeline.record_schema, model.metadata
    assert tuple(told.signature.inputs.input_names()) == schema.names
    assert {column.name: column.type.name for column in told.signature.outputs} == {
        "sample_id": "string",
        "taken_at": "datetime",
        "sampled_at": "datetime",
        "probability": "double",
        "verdict": "string",
    }
    assert told.metadata["inputs"] == {field.name: field.declared_name for field in schema}


def test_requirements_are_the_installed_versions(location: str) -> None:
    lines = Path(location, "requirements.txt").read_text().split()
    names = {line.partition("==")[0] for line in lines}
    assert {"mlflow", "numpy", "pandas", "scikit-learn", "skops"} <= names
    assert "lockstep-scoring" not in names


# MLflow's server


@pytest.fixture(scope="module")
def scoring_server(location: str, elsewhere: Path, environment: dict[str, str]) -> Iterator[str]:
    """Address of `mlflow models serve`, run where Lockstep cannot be imported."""
    port = free_port()
    command = [
        *(sys.executable, "-m", "mlflow", "models", "serve", "--model-uri", location),
        *("--env-manager", "local", "--host", "127.0.0.1", "--port", str(port)),
    ]
    with (elsewhere / "serve.log").open("wb") as log:
        process = subprocess.Popen(
            command,
            cwd=elsewhere,
            env=environment | {"PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"},
            stdout=log,
            stderr=log,
            start_new_session=True,
        )

    def answers() -> bool:
        assert process.poll() is None, (elsewhere / "serve.log").read_text()
        try:
            return requests.get(f"http://127.0.0.1:{port}/ping", timeout=5).ok
        except requests.ConnectionError:
            return False

    try:
        wait_until(answers, 120, 0.1)
        yield f"http://127.0.0.1:{port}/invocations"
    finally:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()


@pytest.mark.parametrize("form", ["dataframe_records", "dataframe_split", "inputs", "instances"])
def test_each_form_of_request_gets_the_very_predictions_of_the_pipeline(
    scoring_server: str, tumour: Any, inputs: dict[str, Any], form: str
) -> None:
    records = inputs["records"]
    body: Any = records
    if form == "dataframe_split":
        body = {"columns": list(records[0]), "data": [list(one.values()) for one in records]}
    answer = requests.post(scoring_server, json={form: body}, timeout=60)
    found = pd.DataFrame(answer.json()["predictions"])
    for name in ("taken_at", "sampled_at"):
        found[name] = pd.to_datetime(found[name])
    expected = tumour.pipeline.predict(records)
    pd.testing.assert_frame_equal(found, expected, check_exact=True, check_dtype=False)


def test_a_null_in_a_text_column_alone_in_its_request_is_a_null(
    scoring_server: str, tumour: Any, inputs: dict[str, Any]
) -> None:
    record = next(one for one in inputs["records"] if one["site"] is None)
    answer = requests.post(scoring_server, json={"dataframe_records": [record]}, timeout=60)
    (expected,) = tumour.pipeline.predict([record])["probability"].tolist()
    assert answer.json()["predictions"][0]["probability"] == expected


def test_a_refused_row_is_a_bad_request_that_says_why(
    scoring_server: str, inputs: dict[str, Any]
) -> None:
    record = inputs["records"][0] | {"cells": 3.5}
    answer = requests.post(scoring_server, json={"dataframe_records": [record]}, timeout=60)
    assert answer.status_code == 400
    assert "cells: 3.5 is not an integer" in answer.json()["message"]


def test_the_stored_example_is_a_valid_request(scoring_server: str, location: str) -> None:
    path = Path(location, "serving_input_example.json")
    answer = requests.post(scoring_server, json=json.loads(path.read_bytes()), timeout=60)
    assert len(answer.json()["predictions"]) == 3
