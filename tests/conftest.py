"""What all tests share: the small project `orders` beside this one, and a home of their own."""

import gc
import os
import shutil
import signal
from pathlib import Path

import pytest
from hypothesis import settings

from lockstep.cli.process import start_command
from lockstep.project.project import Project
from tests.fixtures.databases import keep_scripts_and_engines
from tests.fixtures.homes import use_home

start_command()
keep_scripts_and_engines()
# How fast a machine is, is no property; and each run draws other examples than the one before.
settings.register_profile("lockstep", deadline=None, max_examples=30)
settings.load_profile("lockstep")
os.environ.setdefault("OMP_NUM_THREADS", "1")
# As the registry sets it, whichever test is the first to import MLflow.
os.environ.setdefault("MLFLOW_LOGGING_LEVEL", "WARNING")
# Processes inherit that SIGINT is ignored, as it is where a shell runs the tests in the background.
signal.signal(signal.SIGINT, signal.default_int_handler)

# A run forces the databases of its home to disk a thousand times, which takes longer than the run.
# What a killed process has written is there all the same: only a power failure is told apart.
MEMORY = Path("/dev/shm")
ROOM = 6 * 2**30
if (
    os.access(MEMORY, os.W_OK)
    and shutil.disk_usage(MEMORY).free > ROOM
    and not os.statvfs(MEMORY).f_flag & os.ST_NOEXEC  # some tests make an environment
):
    os.environ.setdefault("PYTEST_DEBUG_TEMPROOT", str(MEMORY))

pytest_plugins = [
    "tests.fixtures.flights",
    "tests.fixtures.object_store",
    "tests.fixtures.orders",
    "tests.fixtures.commands",  # which imports the one before
    "tests.fixtures.outside",
    "tests.fixtures.receivers",
    "tests.fixtures.sites",
    "tests.fixtures.tumours",
]

ORDERS = Project.find(Path(__file__).parent / "projects" / "orders")
ORDERS.activate()


def pytest_collection_finish() -> None:
    """Nobody looks for garbage in libraries and collected tests: that was a quarter of the time."""
    gc.freeze()


@pytest.fixture(scope="session")
def orders_project() -> Project:
    """The project `orders`."""
    return ORDERS


@pytest.fixture
def home_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty `LOCKSTEP_HOME`."""
    path = tmp_path / "home"
    use_home(path, monkeypatch)
    return path
