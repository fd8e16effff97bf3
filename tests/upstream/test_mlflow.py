"""What the registry relies on in MLflow, and why it goes its own way in places."""

from __future__ import annotations

import os
import socket
import sys
import threading
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import pytest
import requests

if TYPE_CHECKING:
    from mlflow import MlflowClient

os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
os.environ.setdefault("MLFLOW_LOGGING_LEVEL", "WARNING")


@pytest.fixture(scope="module", autouse=True)
def _imported() -> None:
    """MLflow warns of its own type hints when `mlflow.pyfunc` is imported."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import mlflow.pyfunc  # noqa: F401


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory) -> MlflowClient:
    from mlflow import MlflowClient

    uri = f"sqlite:///{tmp_path_factory.mktemp('store')}/mlflow.db"
    return MlflowClient(uri, uri)


@pytest.fixture(scope="module")
def experiment(client: MlflowClient, tmp_path_factory: pytest.TempPathFactory) -> str:
    location = str(tmp_path_factory.mktemp("files"))
    return str(client.create_experiment("experiment", artifact_location=location))


# Signatures: why inputs have the type `any`


def cast(values: list[Any], kind: Any) -> list[Any]:
    """A column of a request as MLflow's server casts it."""
    from mlflow.types.schema import ColSpec, Schema
    from mlflow.utils.proto_json_utils import dataframe_from_parsed_json

    records = [{"column": value} for value in values]
    schema = Schema([ColSpec(kind, "column")])
    return list(dataframe_from_parsed_json(records, "records", schema)["column"].tolist())


@pytest.mark.parametrize("sent", [3.5, "12", True, None, "2020-01-01T00:00:00Z"])
def test_a_column_of_any_type_of_a_request_is_left_as_it_is(sent: Any) -> None:
    from mlflow.types.schema import AnyType

    assert cast([sent], AnyType()) == [sent]


def enforce(values: Any, kind: Any) -> pd.Series[Any]:
    """A column of a table as MLflow gives it to the model."""
    from mlflow.models.utils import _enforce_schema
    from mlflow.types.schema import ColSpec, Schema

    table = pd.DataFrame({"column": values})
    return _enforce_schema(table, Schema([ColSpec(kind, "column")]))["column"]


TIMES = pd.Series(pd.to_datetime(["2020-01-01T00:00:00Z"]))


@pytest.mark.parametrize(
    "values", [pd.Series([1, 2]), pd.Series([1.0, np.nan]), TIMES, pd.Series(["a", None])]
)
def test_a_column_of_any_type_of_a_table_keeps_its_values(values: pd.Series[Any]) -> None:
    from mlflow.types.schema import AnyType

    pd.testing.assert_series_equal(
        enforce(values, AnyType()), values, check_names=False, check_exact=True
    )


# Models from code


ECHO = """
import mlflow
import pandas as pd

class Echo(mlflow.pyfunc.PythonModel):
    def load_context(self, context):
        self.file = __file__

    def predict(self, context, model_input: pd.DataFrame, params=None) -> pd.DataFrame:
        return model_input.assign(file=self.file)

mlflow.models.set_model(Echo())
"""


@pytest.fixture(scope="module")
def saved(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model from code, saved with a signature and an example."""
    import mlflow.pyfunc
    from mlflow.models import ModelSignature
    from mlflow.types.schema import AnyType, ColSpec, Schema

    directory = tmp_path_factory.mktemp("model")
    (directory / "model.py").write_text(ECHO)
    mlflow.pyfunc.save_model(
        str(directory / "saved"),
        python_model=str(directory / "model.py"),
        signature=ModelSignature(Schema([ColSpec(AnyType(), "column")])),
        input_example=pd.DataFrame({"column": pd.Series([1, None], dtype=object)}),
        pip_requirements=["mlflow"],
    )
    return directory / "saved"


def test_a_signature_that_is_given_is_kept(saved: Path) -> None:
    from mlflow.models import Model

    signature = Model.load(str(saved)).signature
    assert signature is not None
    assert signature.inputs.input_names() == ["column"]


def test_a_model_from_code_runs_from_where_its_files_are(saved: Path) -> None:
    import mlflow

    path = list(sys.path)
    answer = mlflow.pyfunc.load_model(str(saved)).predict([{"column": 1}])
    assert answer["file"].tolist() == [str(saved / "model.py")]
    assert sys.path == path


# Versions


@pytest.fixture
def logged(client: MlflowClient, experiment: str, saved: Path) -> Any:
    """A logged model with its files."""
    model = client.create_logged_model(experiment, name="model")
    client.log_model_artifacts(model.model_id, str(saved))
    return client.finalize_logged_model(model.model_id, "READY")


def test_a_version_may_point_to_the_place_of_its_files(client: MlflowClient, logged: Any) -> None:
    client.create_registered_model("by_place")
    version = client.create_model_version(
        "by_place", logged.artifact_location, "run", model_id=logged.model_id
    )
    assert client.get_model_version_download_uri("by_place", version.version) == (
        logged.artifact_location
    )


def test_a_search_gives_versions_without_their_aliases(client: MlflowClient) -> None:
    client.create_registered_model("searched")
    client.create_model_version("searched", "somewhere")
    client.set_registered_model_alias("searched", "live", "1")
    (found,) = client.search_model_versions("name='searched'")
    assert list(found.aliases) == []
    assert client.get_registered_model("searched").aliases == {"live": 1}


@pytest.mark.parametrize(
    ("name", "code"), [("none", "RESOURCE_DOES_NOT_EXIST"), ("bare", "INVALID_PARAMETER_VALUE")]
)
def test_how_mlflow_says_that_an_alias_is_not_set(
    client: MlflowClient, name: str, code: str
) -> None:
    from mlflow import MlflowException

    if name == "bare":
        client.create_registered_model("bare")
    with pytest.raises(MlflowException, match="not found") as raised:
        client.get_model_version_by_alias(name, "live")
    assert raised.value.error_code == code


# Behaviour when there is no answer


def test_the_settings_that_the_registry_makes_are_known_to_mlflow() -> None:
    from mlflow import environment_variables

    from lockstep.registry.connection import _DEFAULTS

    assert [name for name in _DEFAULTS if not hasattr(environment_variables, name)] == []


@pytest.fixture
def hangs_up() -> Iterator[tuple[str, list[Any]]]:
    """Address of a server that hangs up on everyone, and the calls that it got."""
    listener = socket.create_server(("127.0.0.1", 0))
    calls: list[Any] = []

    def serve() -> None:
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            calls.append(connection.recv(1000))
            connection.close()

    thread = threading.Thread(target=serve)
    thread.start()
    yield f"http://127.0.0.1:{listener.getsockname()[1]}", calls
    listener.shutdown(socket.SHUT_RDWR)
    listener.close()
    thread.join()


def test_the_number_of_retries_is_read_at_each_request(
    hangs_up: tuple[str, list[Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    from mlflow import MlflowClient, MlflowException

    address, calls = hangs_up
    client = MlflowClient(address, address)
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    with pytest.raises(MlflowException):
        client.get_experiment_by_name("any")
    assert len(calls) == 1


def test_a_broken_connection_is_told_by_what_the_error_came_from(
    hangs_up: tuple[str, list[Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    from mlflow import MlflowClient, MlflowException

    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    with pytest.raises(MlflowException) as raised:
        MlflowClient(hangs_up[0], hangs_up[0]).get_experiment_by_name("any")
    assert isinstance(raised.value.__context__, requests.ConnectionError)
