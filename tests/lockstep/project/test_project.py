"""A project's settings: where its registry and its Dagster are."""

from pathlib import Path

import pytest

from lockstep.errors import ProjectError
from lockstep.project.project import Project

SETTINGS = """\
[tool.lockstep]
mlflow_tracking_uri = "{uri}"
dagster_home = "{dagster}"
"""


@pytest.fixture(autouse=True)
def _no_variables(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("LOCKSTEP_HOME", "MLFLOW_TRACKING_URI", "DAGSTER_HOME"):
        monkeypatch.delenv(name, raising=False)


def project(folder: Path, uri: str, dagster: str = "/srv/dagster") -> Project:
    (folder / "pyproject.toml").write_text(SETTINGS.format(uri=uri, dagster=dagster))
    return Project.find(folder)


def test_settings_name_the_registry_and_dagsters_folder(tmp_path: Path) -> None:
    home = project(tmp_path, "http://mlflow:5000").home
    assert home.tracking_uri == "http://mlflow:5000"
    assert home.registry().tracking_uri == "http://mlflow:5000"
    assert home.dagster == Path("/srv/dagster")
    assert home.path == tmp_path / ".lockstep"


def test_environment_variables_override_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://other:5000")
    monkeypatch.setenv("DAGSTER_HOME", "/srv/other")
    home = project(tmp_path, "http://mlflow:5000").home
    assert (home.tracking_uri, home.dagster) == ("http://other:5000", Path("/srv/other"))


def test_relative_paths_are_in_the_projects_folder(tmp_path: Path) -> None:
    home = project(tmp_path, "sqlite:///team.db", "../dagster").home
    assert home.tracking_uri == f"sqlite:///{tmp_path}/team.db"
    assert home.dagster == tmp_path.parent / "dagster"
    assert project(tmp_path, "sqlite:////srv/team.db").home.tracking_uri == "sqlite:////srv/team.db"


def test_a_setting_of_another_kind_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "pyproject.toml").write_text("[tool.lockstep]\ndagster_home = 3\n")
    with pytest.raises(ProjectError, match=r"\[tool.lockstep\]: dagster_home is a text, not 3"):
        Project.find(tmp_path)
