"""A project's settings: where its registry and its Dagster are."""

from pathlib import Path

import pytest
from dagster import UrlMetadataValue

from lockstep.dagster.metadata import version_link
from lockstep.errors import ProjectError
from lockstep.pages.background import LastAnswer
from lockstep.pages.version_state import version_state
from lockstep.project.project import Project

SETTINGS = """\
[tool.lockstep]
mlflow_tracking_uri = "{uri}"
dagster_home = "{dagster}"
"""


@pytest.fixture(autouse=True)
def _no_variables(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HOME", "WORKERS", "RAY"):
        monkeypatch.delenv(f"LOCKSTEP_{name}", raising=False)
    for name in ("MLFLOW_TRACKING_URI", "DAGSTER_HOME"):
        monkeypatch.delenv(name, raising=False)


def project(folder: Path, uri: str, dagster: str = "/srv/dagster") -> Project:
    (folder / "pyproject.toml").write_text(SETTINGS.format(uri=uri, dagster=dagster))
    return Project.find(folder)


def test_settings_name_the_registry_and_dagsters_folder(tmp_path: Path) -> None:
    home = project(tmp_path, "http://mlflow:5000").home
    assert home.tracking_uri.full == "http://mlflow:5000"
    assert home.registry().address.full == "http://mlflow:5000"
    assert home.dagster == Path("/srv/dagster")
    assert home.path == tmp_path / ".lockstep"


def test_the_password_of_a_registry_is_on_no_page_and_in_no_link(tmp_path: Path) -> None:
    found = project(tmp_path, "https://ada:se/c@Qx7@mlflow/team?token=Qx7")
    home = found.home
    state = version_state("orders", home, LastAnswer(), None)
    link = version_link(home, "orders", 3)
    assert isinstance(link, UrlMetadataValue)
    assert str(link.url).startswith("https://mlflow/team/#/models/orders")
    assert "The registry at https://***@mlflow/team does not" in str(state.notes)
    for shown in (state, link, found, home, home.addresses, home.registry().address):
        assert "Qx7" not in repr(shown)


def test_environment_variables_override_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://other:5000")
    monkeypatch.setenv("DAGSTER_HOME", "/srv/other")
    home = project(tmp_path, "http://mlflow:5000").home
    assert (home.tracking_uri.full, home.dagster) == ("http://other:5000", Path("/srv/other"))


def test_a_pod_says_where_its_units_are_worked_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "pyproject.toml").write_text('[tool.lockstep]\nworkers = 2\nray = "local"\n')
    home = Project.find(tmp_path).home
    assert (home.workers, home.ray) == (2, "local")
    monkeypatch.setenv("LOCKSTEP_WORKERS", "4")
    monkeypatch.setenv("LOCKSTEP_RAY", "ray://head:10001")
    home = Project.find(tmp_path).home
    assert (home.workers, home.ray) == (4, "ray://head:10001")


@pytest.mark.parametrize("number", ["0", "-1", "2.5", "two"])
def test_a_number_of_processes_that_is_none_is_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: str
) -> None:
    (tmp_path / "pyproject.toml").write_text("[tool.lockstep]\n")
    monkeypatch.setenv("LOCKSTEP_WORKERS", number)
    with pytest.raises(ProjectError, match=f"is a number from 1 on, not '{number}'"):
        _ = Project.find(tmp_path).home


def test_relative_paths_are_in_the_projects_folder(tmp_path: Path) -> None:
    home = project(tmp_path, "sqlite:///team.db", "../dagster").home
    assert home.tracking_uri.full == f"sqlite:///{tmp_path}/team.db"
    assert home.dagster == tmp_path.parent / "dagster"
    assert (
        project(tmp_path, "sqlite:////srv/team.db").home.tracking_uri.full
        == "sqlite:////srv/team.db"
    )


def test_a_setting_of_another_kind_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "pyproject.toml").write_text("[tool.lockstep]\ndagster_home = 3\n")
    with pytest.raises(ProjectError, match=r"\[tool.lockstep\]: dagster_home is a text, not 3"):
        Project.find(tmp_path)
