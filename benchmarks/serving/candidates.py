"""The servers that are measured: how each is started, and what exactly it does."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path

from benchmarks._environments import environment_of, pinned
from benchmarks._rounds import HERE, Checkout
from benchmarks.run import lockstep
from benchmarks.serving.peers.reference import POINTER, PORT
from benchmarks.serving.processes import Command
from benchmarks.serving.setting import PIPELINE, Setting

NOOP = "noop"
OURS = "lockstep"
MLFLOW = "mlflow"
BENTOML, LITSERVE = (
    Path(__file__).with_name("peers") / f"{name}.txt" for name in ("bentoml", "litserve")
)
"""What the peers need that have environments of their own."""


@dataclass(frozen=True)
class Candidate:
    """Something that is measured.

    Attributes:
        name: Its name.
        path: The path that is asked.
        version: Version of the server's library.
        does: What it does with a request.
        command: How it is started, given what it serves and the port to listen at.
        predicts: Whether it answers with predictions.
        looks_up: Whether it looks up what a client does not know; others are given it.
    """

    name: str
    path: str
    version: str
    does: str
    command: Callable[[Setting, int], Command]
    predicts: bool = True
    looks_up: bool = False

    def bodies(self, setting: Setting) -> Path:
        """The file of the requests that it is sent."""
        return setting.bodies if self.looks_up else setting.given


def _ours(setting: Setting, port: int) -> Command:
    arguments = lockstep(Checkout(HERE), "serve", PIPELINE, "--port", str(port))
    return _command(setting, arguments, {"LOCKSTEP_HOME": str(setting.home.path)})


def _noop(setting: Setting, port: int) -> Command:
    return _command(setting, [sys.executable, "-m", "benchmarks.serving.noop", str(port)], {})


def _mlflow(setting: Setting, port: int) -> Command:
    model = f"models:/{PIPELINE}/{setting.loaded.version}"
    return _command(
        setting,
        [
            *(sys.executable, "-m", "mlflow", "models", "serve", "--model-uri", model),
            *("--env-manager", "local", "--workers", "1"),
            *("--host", "127.0.0.1", "--port", str(port)),
        ],
        {
            "MLFLOW_TRACKING_URI": setting.home.tracking_uri.full,
            "MLFLOW_DISABLE_TELEMETRY": "true",
            # It starts `uvicorn` by its name.
            "PATH": os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]]),
        },
    )


def _bentoml(setting: Setting, port: int) -> Command:
    service = "benchmarks.serving.peers.bentoml_service:Flights"
    return _command(
        setting,
        [
            *(str(environment_of(BENTOML)), "-m", "bentoml", "serve", service),
            *("--host", "127.0.0.1", "--port", str(port), "--working-dir", str(HERE)),
        ],
        {
            "BENTOML_DO_NOT_TRACK": "True",
            "BENTOML_HOME": str(setting.home.path / "bentoml"),
        },
    )


def _litserve(setting: Setting, port: int) -> Command:
    script = "benchmarks.serving.peers.litserve_server"
    return _command(setting, [str(environment_of(LITSERVE)), "-m", script], {PORT: str(port)})


def _starlette(setting: Setting, port: int) -> Command:
    app = "benchmarks.serving.peers.starlette_app:app"
    return _command(
        setting,
        [
            *(sys.executable, "-m", "uvicorn", app, "--loop", "uvloop", "--http", "httptools"),
            *("--no-access-log", "--log-level", "warning"),
            *("--host", "127.0.0.1", "--port", str(port)),
        ],
        {},
    )


def _command(setting: Setting, arguments: list[str], variables: Mapping[str, str]) -> Command:
    shared = {"PYTHONPATH": str(HERE), POINTER: str(setting.pointer)}
    return Command(arguments, {**shared, **variables}, HERE)


CANDIDATES = (
    Candidate(
        OURS,
        "/invocations",
        metadata.version("lockstep-scoring"),
        "`lockstep serve`: fields, features and outputs validated, for which it computes the "
        "second stage too; compiled predictors, micro-batches, request log on, no cache; the "
        "process that asks the registry is on the same core; weather, aircraft, destination and "
        "landings are looked up, which the others are given",
        _ours,
        looks_up=True,
    ),
    Candidate(
        NOOP,
        "/noop",
        metadata.version("lockstep-scoring"),
        "the same HTTP without a version: reads the request, parses the JSON and answers `{}`",
        _noop,
        predicts=False,
        looks_up=True,
    ),
    Candidate(
        MLFLOW,
        "/invocations",
        metadata.version("mlflow"),
        "`mlflow models serve` of the registered version, one worker: the `python_function` flavor "
        "decodes, and predicts the outputs with scikit-learn; no batching",
        _mlflow,
    ),
    Candidate(
        "bentoml",
        "/invocations",
        pinned(BENTOML),
        "one service, its adaptive batching on (up to 128), access log and metrics off: the "
        "version's pipeline predicts the outputs with scikit-learn",
        _bentoml,
    ),
    Candidate(
        "litserve",
        "/invocations",
        pinned(LITSERVE),
        "one worker process beside its HTTP process, batches of up to 128 within 1 ms: the "
        "version's pipeline predicts the outputs with scikit-learn",
        _litserve,
    ),
    Candidate(
        "starlette",
        "/invocations",
        metadata.version("starlette"),
        "a bare route on uvicorn with uvloop and httptools: the version's pipeline predicts the "
        "outputs with scikit-learn; no batching",
        _starlette,
    ),
)
