"""What all tests share: small pipelines beside the project's own, and a home of their own."""

import os
from pathlib import Path

import pytest

import assets
import expectations
import transforms
from orchestration._process import prepare_process

prepare_process()
os.environ.setdefault("OMP_NUM_THREADS", "1")
for package in (transforms, expectations, assets):
    package.__path__.append(str(Path(__file__).parent / "pipelines" / package.__name__))


@pytest.fixture
def home_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty `LOCKSTEP_HOME`."""
    path = tmp_path / "home"
    use_home(path, monkeypatch)
    return path


def use_home(path: Path, patch: pytest.MonkeyPatch) -> None:
    """Make a folder the home of this process."""
    patch.setenv("LOCKSTEP_HOME", str(path))
    for name in ("DAGSTER_HOME", "MLFLOW_TRACKING_URI", "LOCKSTEP_MLFLOW_UI"):
        patch.delenv(name, raising=False)
