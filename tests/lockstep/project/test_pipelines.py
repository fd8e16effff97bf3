"""Discovery: what pipelines there are, and that a broken one does not stop the others."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

PROJECT = Path(__file__).parents[3]
BIN = Path(sys.executable).parent

DESCRIBE = """
import json
from orchestration.definitions import defs

graph = defs.resolve_asset_graph()
print(json.dumps({
    key.to_user_string(): graph.get(key).description for key in graph.get_all_asset_keys()
}))
"""
UNSOUND = """
from lockstep import Floats, Key, Pipeline, Record, feature


class Row(Record):
    name: Key[str]
    x: float


@feature
def double(y: Floats) -> Floats:
    return 2 * y


PIPELINE = Pipeline(__name__, record=Row)
"""
ONE = """
import sys
from lockstep.cli import context

print(context.pipeline("orders").name)
print([name for name in sys.modules if name.startswith("assets.")])
"""
LOADED = """
import sys
import orchestration.definitions

print([name for name in ("mlflow", "great_expectations") if name in sys.modules])
"""


@pytest.fixture(scope="module")
def checkout_of_broken_ones(tmp_path_factory: pytest.TempPathFactory, checkouts):
    """The project with a pipeline that is sound, and others that cannot be imported."""
    checkout = checkouts(tmp_path_factory.mktemp("broken"))
    pipelines = checkout.folder / "assets"
    (pipelines / "broken.py").write_text("from transforms.broken import PIPELINE\n")
    (checkout.folder / "transforms" / "broken.py").write_text(
        '"""Broken."""\n\nRATE = 1 / 0  # at import\n'
    )
    (pipelines / "empty.py").write_text('"""Nothing is declared here."""\n')
    (pipelines / "misnamed.py").write_text("from assets.orders import ASSETS\n")
    (pipelines / "unfinished.py").write_text("ASSETS = (\n")
    (pipelines / "unsound.py").write_text("import transforms.unsound\n")
    (checkout.folder / "transforms" / "unsound.py").write_text(UNSOUND)
    return checkout


@pytest.fixture(scope="module")
def described(checkout_of_broken_ones) -> dict[str, str]:
    """The descriptions of all assets, by key."""
    found = checkout_of_broken_ones.python("-c", DESCRIBE)
    assert found.returncode == 0, found.stderr
    return json.loads(found.stdout)


def test_the_pipelines_that_are_sound_go_on(described: dict[str, str]) -> None:
    assert "orders/daily/published" in described


def test_a_pipeline_that_raises_is_an_asset_with_file_line_and_error(
    described: dict[str, str], checkout_of_broken_ones
) -> None:
    said = described["broken/broken"].splitlines()[0]
    assert f"{checkout_of_broken_ones.folder}/transforms/broken.py:3" in said
    assert "ZeroDivisionError: division by zero" in said


def test_a_file_with_a_syntax_error_is_an_asset_that_names_its_line(
    described: dict[str, str],
) -> None:
    said = described["unfinished/broken"].splitlines()[0]
    assert "assets/unfinished.py:1" in said
    assert "SyntaxError" in said


def test_a_pipeline_that_is_declared_wrongly_is_told_by_the_line_of_the_users_file(
    described: dict[str, str],
) -> None:
    said = described["unsound/broken"].splitlines()[0]
    assert "transforms/unsound.py:15)" in said
    assert "'y'" in said


def test_a_file_without_a_declaration_is_told_what_to_add(described: dict[str, str]) -> None:
    said = described["empty/broken"]
    assert "assets/empty.py has no ASSETS = PipelineAssets(...); add it." in said


def test_a_file_that_declares_a_pipeline_of_another_name_says_so(described: dict[str, str]) -> None:
    said = described["misnamed/broken"]
    assert "assets/misnamed.py declares the pipeline 'orders'" in said


def test_a_command_on_a_broken_pipeline_is_one_clear_line(
    checkout_of_broken_ones, lockstep
) -> None:
    lockstep.go_to(checkout_of_broken_ones.folder, checkout_of_broken_ones.home)
    line = lockstep("train", "broken").error
    assert line.startswith("Pipeline broken cannot be imported (")
    assert "transforms/broken.py:3): ZeroDivisionError: division by zero" in line


def test_a_command_on_one_pipeline_imports_none_of_the_others(checkout_of_broken_ones) -> None:
    found = checkout_of_broken_ones.python("-c", ONE)
    assert found.stdout.splitlines() == ["orders", "['assets.orders']"], found.stderr


def test_columns_that_no_file_declares_a_pipeline_are_told_which_file_is_missing(
    checkout_of_broken_ones, lockstep
) -> None:
    columns = checkout_of_broken_ones.folder / "transforms" / "columns_alone.py"
    columns.write_text('"""Columns, and nothing else yet."""\n')

    lockstep.go_to(checkout_of_broken_ones.folder, checkout_of_broken_ones.home)

    assert lockstep("train", "columns_alone").error == (
        "columns_alone has a file with columns, and none in assets/ declares it a pipeline: "
        "add assets/columns_alone.py with ASSETS = PipelineAssets(...)."
    )


def test_importing_the_definitions_loads_neither_mlflow_nor_great_expectations(
    checkout_of_broken_ones,
) -> None:
    assert checkout_of_broken_ones.python("-c", LOADED).stdout == "[]\n"


def test_the_project_is_valid_for_dagsters_own_tools(tmp_path: Path) -> None:
    found = subprocess.run(
        [BIN / "dagster", "definitions", "validate"],
        cwd=PROJECT,
        env={**os.environ, "LOCKSTEP_HOME": str(tmp_path), "DAGSTER_HOME": ""},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert found.returncode == 0, found.stdout + found.stderr
