"""Where the live version is: a file that opens without a registry."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from lockstep.artifacts.pointers import LivePointer, open_live, read_live, write_live
from lockstep.errors import ArtifactError, NotLiveError
from lockstep.project.home import Home
from lockstep.registry.registry import Registry


@pytest.fixture
def home(tmp_path: Path) -> Home:
    return Home(tmp_path / "home")


@pytest.fixture
def pointer(registry: Registry, tumour: Any, home: Home) -> Path:
    """The file of a pointer to a version whose files are in the same home."""
    registry = Registry(registry.address.full, artifact_root=home.mlflow / "artifacts")
    version = registry.log(tumour.pipeline, **tumour.arguments)
    loaded = registry.load("tumour", version.version)
    write_live(home.live("tumour"), LivePointer.to(loaded))
    return home.live("tumour")


def test_the_live_version_opens_without_the_registry(
    pointer: Path, tumour: Any, tmp_path: Path
) -> None:
    (tmp_path / "mlflow.db").unlink()
    loaded = open_live(pointer)
    assert (loaded.name, loaded.version, loaded.rows) == ("tumour", 1, 569)
    expected = tumour.pipeline.predict(tumour.records)
    pd.testing.assert_frame_equal(loaded.pipeline.predict(tumour.records), expected)


OPEN = """
import sys
from pathlib import Path
from lockstep.artifacts.pointers import open_live
loaded = open_live(Path(sys.argv[1]))
loaded.pipeline.predict([])
loaded.golden, loaded.profile, loaded.suites, loaded.environment
print(*sorted({"mlflow", "dagster", "great_expectations", "matplotlib"} & set(sys.modules)))
"""


def test_no_framework_is_imported_to_open_it(pointer: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", OPEN, str(pointer)],
        cwd=Path(__file__).parents[3],
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.stdout.strip(), done.returncode) == ("", 0), done.stderr


def test_it_is_read_as_it_was_written(tmp_path: Path) -> None:
    path = tmp_path / "home" / "live" / "tumour.json"
    elsewhere = LivePointer(
        "tumour", 7, tmp_path / "elsewhere", "5a1c", decision="lockstep.live.2026"
    )
    write_live(path, elsewhere)
    assert read_live(path) == elsewhere


def test_the_pointer_of_a_copied_home_points_into_the_copy(
    pointer: Path, home: Home, tmp_path: Path
) -> None:
    copy = Home(shutil.move(home.path, tmp_path / "moved"))
    loaded = open_live(copy.live("tumour"))
    assert loaded.directory.is_relative_to(copy.path)


def test_another_version_takes_the_place_of_the_one_before(pointer: Path, tmp_path: Path) -> None:
    write_live(pointer, LivePointer("tumour", 2, tmp_path, "5a1c"))
    found = read_live(pointer)
    assert found is not None
    assert found.version == 2
    assert [path.name for path in pointer.parent.iterdir()] == ["tumour.json"]


def test_before_any_version_is_live_there_is_none(home: Home) -> None:
    assert read_live(home.live("tumour")) is None
    with pytest.raises(NotLiveError, match=r"No version of tumour is live: .* lockstep train"):
        open_live(home.live("tumour"))


def test_files_other_than_those_that_were_proven_do_not_open(pointer: Path) -> None:
    found = read_live(pointer)
    assert found is not None
    manifest = found.directory / "manifest.json"
    stored = json.loads(manifest.read_bytes())
    manifest.write_text(json.dumps(stored | {"rows": 1}))
    with pytest.raises(ArtifactError, match=r"manifest\.json is not what was logged"):
        open_live(pointer)


def test_files_of_another_pipeline_do_not_open(pointer: Path) -> None:
    found = read_live(pointer)
    assert found is not None
    other = pointer.with_name("flights.json")
    write_live(other, LivePointer("flights", 1, found.directory, found.digest))
    with pytest.raises(ArtifactError, match=r"a version of tumour, not of flights"):
        open_live(other)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[]",
        '{"format": 2, "name": "tumour"}',
        '{"format": 9}',
        '{"format": 2, "name": "tumour", "version": "new", "directory": ".", "digest": ""}',
        '{"format": 2, "name": "flights", "version": 1, "directory": ".", "digest": "", '
        '"since": "2026-01-31T08:15:00+00:00", "decision": ""}',
        '{"format": 2, "name": "tumour", "version": 1, "directory": ".", "digest": "", '
        '"since": "2026-01-31T08:15:00", "decision": ""}',
    ],
)
def test_a_damaged_pointer_is_named(home: Home, text: str) -> None:
    path = home.live("tumour")
    path.parent.mkdir(parents=True)
    path.write_text(text)
    with pytest.raises(ArtifactError, match=f"{path} does not tell which version is live") as found:
        open_live(path)
    assert "Error" not in str(found.value)


def test_a_pointer_that_is_a_folder_is_damaged(home: Home) -> None:
    path = home.live("tumour")
    path.mkdir(parents=True)
    with pytest.raises(ArtifactError, match="it is a folder"):
        open_live(path)
