"""The files of a version: written, read, and found out when they change."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from lockstep.artifacts import trusted
from lockstep.artifacts.artifact import Artifact
from lockstep.artifacts.artifact_writing import write_artifact
from lockstep.errors import ArtifactError, FormatError, UntrustedTypeError


@pytest.fixture
def written(tumour: Any, tmp_path: Path) -> tuple[Path, str]:
    """The tumour version's directory and the digest of its manifest."""
    directory = tmp_path / "version"
    digest = write_artifact(directory, tumour.pipeline, tumour.source, tumour.evidence)
    return directory, digest


def test_the_pipeline_comes_back_bit_for_bit(tumour: Any, written: tuple[Path, str]) -> None:
    loaded = Artifact.open(*written).pipeline()
    expected = tumour.pipeline.predict(tumour.records)
    pd.testing.assert_frame_equal(loaded.predict(tumour.records), expected, check_exact=True)


def test_the_snapshot_comes_back(tumour: Any, written: tuple[Path, str]) -> None:
    assert Artifact.open(*written).snapshot == tumour.source


def test_the_manifest_says_what_the_version_is(tumour: Any, written: tuple[Path, str]) -> None:
    manifest = Artifact.open(*written).manifest
    assert manifest["pipeline"] == "tumour"
    assert manifest["rows"] == 569
    assert manifest["source"]["digest"] == tumour.source.digest
    assert manifest["record"] == tumour.pipeline.record_schema.to_json()
    assert manifest["ulps"]["linear_probability"] == 16
    assert manifest["ulps"]["tree_probability"] == 0


def test_every_file_but_the_manifest_has_its_digest(written: tuple[Path, str]) -> None:
    directory, digest = written
    there = {str(path.relative_to(directory)) for path in directory.rglob("*") if path.is_file()}
    assert set(Artifact.open(directory, digest).manifest["files"]) == there - {"manifest.json"}


def files_of(directory: Path) -> list[Path]:
    return sorted(path for path in directory.rglob("*") if path.is_file())


def test_any_file_that_was_changed_is_named(written: tuple[Path, str]) -> None:
    directory, digest = written
    for path in files_of(directory):
        original = path.read_bytes()
        path.write_bytes(original[:-1] + bytes([original[-1] ^ 1]))
        with pytest.raises(ArtifactError, match=f"{path} is not what was logged"):
            Artifact.open(directory, digest)
        path.write_bytes(original)


def test_any_file_that_is_missing_is_named(written: tuple[Path, str]) -> None:
    directory, digest = written
    for path in files_of(directory):
        original = path.read_bytes()
        path.unlink()
        with pytest.raises(ArtifactError, match=f"{path} cannot be read"):
            Artifact.open(directory, digest)
        path.write_bytes(original)


def test_a_manifest_that_was_rewritten_to_suit_a_change_is_found_out(
    written: tuple[Path, str],
) -> None:
    directory, digest = written
    manifest = json.loads((directory / "manifest.json").read_bytes())
    manifest["rows"] = 1
    (directory / "manifest.json").write_text(json.dumps(manifest))
    with pytest.raises(ArtifactError, match=r"manifest\.json is not what was logged"):
        Artifact.open(directory, digest)


@pytest.mark.parametrize(
    ("told", "cause"),
    [("{}", r"tells \{\}\. That is no SHA-256: it was edited"), ("0" * 64, "either this file or")],
)
def test_a_digest_that_was_edited_elsewhere_is_not_blamed_on_the_files(
    written: tuple[Path, str], told: str, cause: str
) -> None:
    with pytest.raises(ArtifactError, match=cause):
        Artifact.open(written[0], told)


def test_a_manifest_that_is_no_json_is_told(written: tuple[Path, str]) -> None:
    directory, _ = written
    (directory / "manifest.json").write_text('{"format": 1, "files"')
    with pytest.raises(ArtifactError, match=r"manifest\.json is damaged"):
        Artifact.open(directory)


def test_a_version_of_an_older_format_says_to_train_again(written: tuple[Path, str]) -> None:
    directory, _ = written
    (directory / "manifest.json").write_text('{"format": 1, "pipeline": "tumour", "files": {}}')
    with pytest.raises(FormatError) as raised:
        Artifact.open(directory)
    assert str(raised.value).endswith(
        "manifest.json has format 1, and this Lockstep reads format 4: "
        "train again: lockstep train tumour."
    )


def test_a_version_of_a_newer_format_asks_for_a_newer_lockstep(written: tuple[Path, str]) -> None:
    directory, _ = written
    (directory / "manifest.json").write_text('{"format": 99, "files": {}}')
    with pytest.raises(FormatError, match="reads format 4: use the Lockstep that wrote it"):
        Artifact.open(directory)


def test_of_models_that_cannot_be_loaded_another_release_of_scikit_learn_is_named_first(
    tumour: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fitted = tumour.evidence.environment
    libraries = {**fitted.libraries, "scikit-learn": "1.5.0"}
    older = replace(tumour.evidence, environment=replace(fitted, libraries=libraries))
    digest = write_artifact(tmp_path / "version", tumour.pipeline, tumour.source, older)
    opened = Artifact.open(tmp_path / "version", digest)
    opened.pipeline()  # it may well load them
    monkeypatch.setattr(trusted, "TRUSTED", ())
    with pytest.raises(ArtifactError) as raised:
        opened.pipeline()
    told = str(raised.value)
    assert told.startswith("The models were fitted with scikit-learn 1.5.0, and scikit-learn ")
    assert "install scikit-learn==1.5.0, or train" in told
    assert "which may not be stored or loaded" in told


def test_of_the_same_release_the_type_is_named(
    written: tuple[Path, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(trusted, "TRUSTED", ())
    with pytest.raises(UntrustedTypeError, match=r"^Model \w+ holds "):
        Artifact.open(*written).pipeline()
