"""Listings: what the registry tells of versions that a server may use beside the live one."""

from __future__ import annotations

import logging
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from lockstep.artifacts.pointers import read_listing, write_listing
from lockstep.errors import ArtifactError
from lockstep.project.home import Home
from lockstep.registry.description import Presentation
from lockstep.registry.listing import list_versions, update_listing
from lockstep.registry.registry import Registry
from lockstep.registry.version_tags import PROVEN, write_proven
from lockstep.registry.versions import Version
from tests.fixtures.registries import ENVIRONMENT, HERE


@pytest.fixture
def listing(tmp_path: Path) -> Path:
    return Home(tmp_path / "home").listing("tumour")


@pytest.fixture
def first(registry: Registry, tumour: Any) -> Version:
    return registry.log(tumour.pipeline, **tumour.arguments)


def test_a_version_is_listed_once_it_is_proven_or_the_challenger(
    registry: Registry, first: Version
) -> None:
    assert list_versions(registry, "tumour").versions == {}

    registry.set_alias("tumour", "challenger", 1)
    found = list_versions(registry, "tumour")
    assert (found.challenger, found.versions[1].proven_at) == (1, None)

    write_proven(registry, first, HERE, ENVIRONMENT)
    found = list_versions(registry, "tumour")
    assert found.versions[1].proven_at is not None
    assert found.versions[1].open().digest == first.digest


def test_a_proof_that_was_copied_from_another_version_lists_nothing(
    registry: Registry, tumour: Any, first: Version
) -> None:
    second = registry.log(
        tumour.pipeline, **tumour.arguments, shown=Presentation(tags={"note": "other"})
    )
    write_proven(registry, first, HERE, ENVIRONMENT)
    proof = registry.versions("tumour")[0].tags[PROVEN + ENVIRONMENT]
    registry.tag(second, PROVEN + ENVIRONMENT, proof.replace(first.digest, "0" * 64))

    assert list(list_versions(registry, "tumour").versions) == [1]


def test_what_is_written_down_is_read_again_and_moves_with_its_home(
    registry: Registry, tumour: Any, tmp_path: Path
) -> None:
    home = Home(tmp_path / "home")
    inner = Registry(registry.address.full, artifact_root=home.mlflow / "artifacts")
    write_proven(inner, inner.log(tumour.pipeline, **tumour.arguments), HERE, ENVIRONMENT)
    found = update_listing(inner, "tumour", home.listing("tumour"))

    assert read_listing(home.listing("tumour")) == found
    home.path.rename(tmp_path / "moved")
    moved = read_listing(Home(tmp_path / "moved").listing("tumour"))
    assert moved is not None
    assert moved.versions[1].open().version == 1


def test_while_the_registry_does_not_answer_the_last_listing_holds_and_that_is_told_once(
    registry: Registry, first: Version, listing: Path, caplog: pytest.LogCaptureFixture
) -> None:
    write_proven(registry, first, HERE, ENVIRONMENT)
    before = update_listing(registry, "tumour", listing)
    gone = Registry("http://127.0.0.1:9", attempts=1)

    with caplog.at_level(logging.INFO, "lockstep.registry"):
        for _ in range(2):
            found = update_listing(gone, "tumour", listing)
        assert [one.levelname for one in caplog.records] == ["WARNING"]
        again = update_listing(registry, "tumour", listing)
        assert caplog.messages[1:] == ["the registry answers again"]

    assert found.trouble is not None
    assert "http://127.0.0.1:9" in found.trouble
    assert (found.versions, found.looked_at) == (before.versions, before.looked_at)
    assert again.trouble is None


def test_a_version_that_lockstep_did_not_log_is_lacking_with_the_reason(
    registry: Registry, first: Version
) -> None:
    client = registry._connection.client
    client.delete_model_version_tag("tumour", "1", "lockstep.manifest")
    registry.set_alias("tumour", "challenger", 1)

    found = list_versions(registry, "tumour")

    assert found.versions == {}
    assert "was not logged by Lockstep" in found.lacking[1]


def test_files_that_are_at_hand_are_looked_for_again_when_they_are_gone(
    registry: Registry, first: Version, tmp_path: Path
) -> None:
    write_proven(registry, first, HERE, ENVIRONMENT)
    last = list_versions(registry, "tumour")
    copy = shutil.copytree(last.versions[1].directory, tmp_path / "copy")
    moved = list_versions(registry, "tumour", last)
    assert moved.versions == last.versions

    elsewhere = replace(last, versions={1: replace(last.versions[1], directory=copy)})
    assert list_versions(registry, "tumour", elsewhere).versions[1].directory == copy
    shutil.rmtree(copy)
    assert list_versions(registry, "tumour", elsewhere).versions == last.versions


@pytest.mark.parametrize("text", ["{", '{"format": 9}', "[]", '{"format": 1, "name": "tumour"}'])
def test_a_damaged_listing_is_named_and_written_anew(
    text: str, registry: Registry, listing: Path
) -> None:
    listing.parent.mkdir(parents=True)
    listing.write_text(text)
    with pytest.raises(ArtifactError, match="does not list which versions may be used"):
        read_listing(listing)

    update_listing(registry, "tumour", listing)

    assert read_listing(listing) is not None


def test_a_listing_is_read_without_mlflow(
    registry: Registry, first: Version, listing: Path
) -> None:
    write_listing(listing, list_versions(registry, "tumour"))
    program = (
        "import sys\nfrom pathlib import Path\n"
        "from lockstep.artifacts.pointers import read_listing\n"
        "assert read_listing(Path(sys.argv[1])) is not None\nassert 'mlflow' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", program, str(listing)], check=True)
