"""The face of the library: what a pipeline's author imports."""

import ast
import subprocess
import sys
from importlib import import_module
from pathlib import Path

import pytest

import lockstep


def test_every_exported_name_is_there_and_all_that_its_types_name_are_exported() -> None:
    assert [name for name in lockstep.__all__ if not hasattr(lockstep, name)] == []
    tree = ast.parse(Path(lockstep.__file__).read_text(encoding="utf-8"))
    typed = {
        alias.name: node.module
        for node in ast.walk(tree)
        if isinstance(node, ast.ImportFrom) and str(node.module).startswith("lockstep.")
        for alias in node.names
    }
    assert sorted(typed) == lockstep.__all__
    for name, module in typed.items():
        assert getattr(lockstep, name) is getattr(import_module(module), name)


@pytest.mark.parametrize(
    ("program", "heavy"),
    [
        (
            "from lockstep.cli.main import main\n"
            "sys.argv = ['lockstep', '--help']\n"
            "try: main()\n"
            "except SystemExit: pass",
            ("numpy", "pandas"),
        ),
        (
            "import lockstep; [getattr(lockstep, name) for name in lockstep.__all__]",
            ("dagster", "mlflow", "great_expectations", "matplotlib"),
        ),
    ],
    ids=["the help of the command line", "the face"],
)
def test_it_loads_no_heavy_library(program: str, heavy: tuple[str, ...]) -> None:
    told = f"import sys\n{program}\nprint([name for name in {heavy} if name in sys.modules])"
    found = subprocess.run([sys.executable, "-c", told], capture_output=True, text=True, check=True)
    assert found.stdout.splitlines()[-1] == "[]"
