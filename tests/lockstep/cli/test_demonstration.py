"""`lockstep demo`: the commands of the README on a new project, and a skew that is caught."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path

import pytest
from pyarrow import parquet

from tests.fixtures.commands import Lockstep
from tests.fixtures.orders import Checkout

ROOT = Path(__file__).parents[3]


@pytest.fixture(scope="module")
def demonstrated(
    checkouts: Callable[[Path], Checkout], tmp_path_factory: pytest.TempPathFactory
) -> tuple[str, Path]:
    """What it says, and the project that it made, trained and scored."""
    folder = tmp_path_factory.mktemp("demo")
    with checkouts(folder).start_lockstep("demo", TMPDIR=str(folder)) as process:
        out, errors = process.communicate()
    assert process.returncode == 0, out + errors
    (project,) = folder.glob("lockstep-demo-*/bottles")
    return out, project


def test_it_catches_a_skew_by_name(demonstrated: tuple[str, Path]) -> None:
    said, _ = demonstrated
    assert "Version 1 is live" in said
    assert "Caught by row_locality: column `flavanoid_share`" in said
    assert "Nothing was registered." in said


def test_the_commands_of_its_readme_and_of_ours_are_those_that_it_ran(
    demonstrated: tuple[str, Path],
) -> None:
    said, project = demonstrated
    readme = (project / "README.md").read_text() + (ROOT / "README.md").read_text()
    commands = re.findall(r"^(?: {4})?(lockstep (?:train|promote|score) .+)$", readme, re.MULTILINE)
    assert len(commands) == 6
    assert all(f"$ {command}\n" in said for command in commands)


def test_no_check_of_its_training_failed(
    lockstep: Lockstep, demonstrated: tuple[str, Path]
) -> None:
    lockstep.go_to(demonstrated[1], demonstrated[1] / ".lockstep")
    found = json.loads(lockstep("checks", "wine", "--json").out)
    candidate = [one for one in found if one["asset"] == "wine/candidate"]
    assert len(candidate) == 9
    assert {one["check"]: one["result"] for one in candidate if one["result"] != "passed"} == {
        "champion_comparison": "not_judged"
    }


def test_its_project_has_published_and_set_aside(demonstrated: tuple[str, Path]) -> None:
    inbox = demonstrated[1] / ".lockstep" / "data" / "wine" / "inbox"
    (published,) = (inbox / "published").glob("*.parquet")
    assert parquet.read_table(published).column("bottle").to_pylist() == ["new 1", "new 2", "new 3"]
