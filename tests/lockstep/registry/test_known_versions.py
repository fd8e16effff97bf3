"""Known versions: a number means the same bytes in a home, until a person decides otherwise."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from lockstep.errors import ArtifactError, LockstepError, RenumberedError
from lockstep.registry.known_versions import KnownVersions
from lockstep.registry.registry import Registry
from tests.fixtures.registries import HERE


def registry_at(path: Path, database: str, *, is_known: bool = True) -> Registry:
    """A registry of a home, or a database that the home does not know."""
    return Registry(
        f"sqlite:///{path}/{database}.db",
        artifact_root=path / database,
        known=path / "known" if is_known else None,
    )


@pytest.fixture
def home(tumour: Any, empty_database: Path, tmp_path: Path) -> Path:
    """A home that knows a version 1, and copies of its registry of before that."""
    for name in ("newer", "older", "other"):
        shutil.copy(empty_database, tmp_path / f"{name}.db")
    registry_at(tmp_path, "newer").log(tumour.pipeline, **tumour.arguments)
    return tmp_path


@pytest.fixture
def other(home: Path, tumour: Any) -> Path:
    """The same, where somebody has added another version 1 to one of the copies."""
    evidence = replace(tumour.evidence, metrics={"auc": 0.5})
    registry_at(home, "other", is_known=False).log(tumour.pipeline, tumour.source, evidence)
    return home


def test_other_files_under_a_known_number_are_refused_until_a_person_accepts_them(
    other: Path,
) -> None:
    known = KnownVersions(other / "known" / "tumour.json")
    for _ in range(2):  # each process reads what the one before noted
        with pytest.raises(RenumberedError, match="lockstep versions tumour --accept 1"):
            registry_at(other, "other").load("tumour", 1)
    (sentence,) = known.refusals()
    assert "Version 1 of tumour has other files in the registry than this home knows" in sentence
    registry_at(other, "newer").load("tumour", 1)
    assert known.refusals() == []  # it was restored
    with pytest.raises(LockstepError, match="there is nothing to accept"):
        known.accept(1, HERE, "a guess")

    with pytest.raises(RenumberedError):
        registry_at(other, "other").load("tumour", 1)
    accepted = known.accept(1, HERE, "the backup counts")
    assert (accepted.by, accepted.reason) == (HERE.by, "the backup counts")
    assert registry_at(other, "other").load("tumour", 1).metrics == {"auc": 0.5}
    with pytest.raises(RenumberedError):
        registry_at(other, "newer").load("tumour", 1)


def test_a_number_that_the_home_knows_is_not_given_to_another_version(
    home: Path, tumour: Any
) -> None:
    registry = registry_at(home, "older")
    evidence = replace(tumour.evidence, metrics={"auc": 0.5})
    assert registry.log(tumour.pipeline, tumour.source, evidence).version == 2
    assert [each.version for each in registry.versions("tumour")] == [2]


def test_no_version_is_made_where_the_numbers_cannot_be_told(home: Path, tumour: Any) -> None:
    registry = registry_at(home, "newer")
    (home / "known" / "tumour.json").write_text("{")
    with pytest.raises(ArtifactError, match=r"does not tell which files .* Restore it from a copy"):
        registry.log(tumour.pipeline, **tumour.arguments)
    assert [version.version for version in registry.versions("tumour")] == [1]
