"""The wheel, installed where the checkout cannot be imported: what a user's machine has."""

import os
import shutil
import subprocess
import sys
import sysconfig
import zipfile
from collections.abc import Sequence
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path

import pytest

pytestmark = pytest.mark.long

CHECKOUT = Path(__file__).parents[2]
BUILT_FROM = ("lockstep", "pyproject.toml", "README.md", "LICENSE")
DG = "from dagster_dg_cli.cli import main; main()"


@dataclass(frozen=True)
class Installed:
    """An environment that has the wheel, and of this one its dependencies only.

    Attributes:
        python: Its interpreter.
        folder: An empty folder to work in.
    """

    python: Path
    folder: Path

    def run(self, arguments: Sequence[str], cwd: Path) -> subprocess.CompletedProcess[str]:
        """Run its Python, as somebody does who has never seen the checkout."""
        hidden = ("PYTHONPATH", "LOCKSTEP_HOME", "DAGSTER_HOME", "MLFLOW_TRACKING_URI")
        return subprocess.run(
            [self.python, *arguments],
            cwd=cwd,
            env={
                **{name: value for name, value in os.environ.items() if name not in hidden},
                "TMPDIR": str(self.folder),
                "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1",  # those of this environment
            },
            capture_output=True,
            text=True,
            timeout=300,
            check=False,
        )

    def lockstep(self, *arguments: str, cwd: Path) -> subprocess.CompletedProcess[str]:
        """Run the command that was installed."""
        return self.run([str(self.python.with_name("lockstep")), *arguments], cwd)


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel, built from a copy of what it is built from."""
    folder = tmp_path_factory.mktemp("wheel")
    for name in BUILT_FROM:
        if (CHECKOUT / name).is_dir():
            shutil.copytree(
                CHECKOUT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__")
            )
        else:
            shutil.copyfile(CHECKOUT / name, folder / name)
    # Where the build backend is here, nothing is downloaded.
    here = int(metadata.version("setuptools").partition(".")[0]) >= 77
    isolation = ["--no-build-isolation"] if here else []
    found = subprocess.run(
        [
            *(sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", *isolation),
            *("--wheel-dir", str(folder / "dist"), str(folder)),
        ],
        capture_output=True,
        text=True,
        check=False,
    )
    assert found.returncode == 0, found.stderr
    (built,) = (folder / "dist").iterdir()
    return built


@pytest.fixture(scope="module")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Installed:
    """An environment with the wheel."""
    folder = tmp_path_factory.mktemp("user")
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", folder / "venv"], check=True)
    python = folder / "venv" / "bin" / "python"
    install = ["install", "--quiet", "--no-deps", "--no-index", str(wheel)]
    subprocess.run([sys.executable, "-m", "pip", "--python", python, *install], check=True)
    version = f"python{sys.version_info.major}.{sys.version_info.minor}"
    packages = folder / "venv" / "lib" / version / "site-packages"
    # A folder in a .pth file is searched; the .pth files in it, one of which names the checkout,
    # are not followed.
    (packages / "dependencies.pth").write_text(sysconfig.get_path("purelib") + "\n")
    (folder / "work").mkdir()
    return Installed(python, folder / "work")


@pytest.fixture(scope="module")
def demonstrated(installed: Installed) -> Path:
    """The project that `lockstep demo` made, trained and scored."""
    found = installed.lockstep("demo", cwd=installed.folder)
    assert found.returncode == 0, found.stdout + found.stderr
    (project,) = installed.folder.glob("lockstep-demo-*/bottles")
    return project


def test_the_wheel_holds_the_library_its_templates_and_its_page_alone(wheel: Path) -> None:
    names = zipfile.ZipFile(wheel).namelist()
    assert {name.partition("/")[0].partition("-")[0] for name in names} == {
        "lockstep",
        "lockstep_scoring",
    }
    for folder in (
        "templates/files",
        "templates/proposed",
        "serving/page/web",
        "serving/protocols",
    ):
        for file in (CHECKOUT / "lockstep" / folder).rglob("*"):
            if file.is_file() and "__pycache__" not in file.parts:
                assert str(file.relative_to(CHECKOUT)) in names


def test_lockstep_comes_from_the_wheel(installed: Installed) -> None:
    program = "import lockstep; print(lockstep.__file__)"
    found = installed.run(["-c", program], installed.folder)
    assert found.stdout.startswith(str(installed.python.parents[1])), found.stderr


@pytest.mark.parametrize(
    "arguments",
    [["-c", DG, "check", "defs"], ["-m", "pytest", "-q", "-p", "no:cacheprovider"]],
    ids=["dg", "pytest"],
)
def test_its_project_is_sound_for(
    installed: Installed, demonstrated: Path, arguments: list[str]
) -> None:
    found = installed.run(arguments, demonstrated)
    assert found.returncode == 0, found.stdout + found.stderr
