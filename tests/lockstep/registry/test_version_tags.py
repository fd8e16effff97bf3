"""Tags that say what was found of a version hold for its own bytes, and for nothing else."""

from __future__ import annotations

import json
from dataclasses import replace
from hashlib import sha256
from typing import Any

import pytest

from lockstep.errors import EvidenceError
from lockstep.registry.registry import Registry
from lockstep.registry.sites import Site
from lockstep.registry.version_tags import (
    EVIDENCE,
    PROVEN,
    TrainingEvidence,
    is_proven,
    proofs,
    proven_in,
    read_evidence,
    write_evidence,
    write_proven,
)
from lockstep.registry.versions import MANIFEST_TAG, Version

HERE = Site("operator", "/srv/flights/.lockstep", "one")
ENVIRONMENT = "5a1c" * 4
FOUND = TrainingEvidence(
    training_set="5a1c",
    results={"round_trip": "passed", "quality": "failed"},
    counts={"golden rows": 40},
)


@pytest.fixture
def tagged(registry: Registry, tumour: Any) -> Version:
    """A version that is tagged with evidence and as proven."""
    version = registry.log(tumour.pipeline, **tumour.arguments)
    write_evidence(registry, version, FOUND)
    write_proven(registry, version, HERE, ENVIRONMENT)
    (tagged,) = registry.versions("tumour")
    return tagged


def with_tags(version: Version, **tags: str) -> Version:
    return replace(version, tags={**version.tags, **tags})


def test_evidence_is_read_as_it_was_written(tagged: Version) -> None:
    assert read_evidence(tagged) == FOUND
    assert FOUND.failed == ("quality",)
    assert is_proven(tagged)


def test_a_version_is_proven_in_each_environment_of_its_own(
    registry: Registry, tagged: Version
) -> None:
    write_proven(registry, tagged, replace(HERE, host="two"), "0e77" * 4)
    (tagged,) = registry.versions("tumour")
    assert [proof.host for proof in proofs(tagged)] == ["two", "one"]
    assert proven_in(tagged, ENVIRONMENT) == proofs(tagged)[1]
    assert proven_in(tagged, "beef" * 4) is None


def test_that_it_is_proven_in_one_environment_says_nothing_of_another(tagged: Version) -> None:
    proof = tagged.tags[PROVEN + ENVIRONMENT]
    assert proven_in(with_tags(tagged, **{PROVEN + "0e77" * 4: proof}), "0e77" * 4) is None


def test_a_version_without_the_tags_has_no_evidence_and_is_not_proven(tagged: Version) -> None:
    untagged = replace(tagged, tags={MANIFEST_TAG: tagged.digest})
    assert not is_proven(untagged)
    with pytest.raises(EvidenceError, match=r"version 1 of tumour has no tag lockstep\.evidence"):
        read_evidence(untagged)


def test_a_tag_that_was_edited_by_hand_says_nothing(tagged: Version) -> None:
    edited = with_tags(tagged, **{EVIDENCE: tagged.tags[EVIDENCE].replace("failed", "passed")})
    with pytest.raises(EvidenceError, match="has been edited since it was written"):
        read_evidence(edited)


def test_tags_copied_to_a_version_of_other_bytes_say_nothing_of_it(tagged: Version) -> None:
    other = with_tags(tagged, **{MANIFEST_TAG: "0" * 64})
    assert not is_proven(other)
    with pytest.raises(EvidenceError, match="was written about other files"):
        read_evidence(other)


def test_tags_copied_to_another_pipelines_version_say_nothing_of_it(tagged: Version) -> None:
    other = replace(tagged, name="flights")
    assert not is_proven(other)
    with pytest.raises(EvidenceError, match="is that of a version of tumour"):
        read_evidence(other)


@pytest.mark.parametrize(
    "change",
    [
        {"results": None},
        {"counts": {"golden rows": "many"}},
        {"manifest": None},
        {"training_set": []},
    ],
)
def test_evidence_of_another_form_says_what_is_wrong_with_it(
    tagged: Version, change: dict[str, Any]
) -> None:
    stored = {**json.loads(tagged.tags[EVIDENCE]), **change}
    del stored["sha256"]
    digest = sha256(json.dumps(stored, sort_keys=True).encode()).hexdigest()
    other = with_tags(tagged, **{EVIDENCE: json.dumps({**stored, "sha256": digest})})
    (at_fault,) = change
    with pytest.raises(EvidenceError, match=rf"not as this Lockstep writes it .*{at_fault}"):
        read_evidence(other)


@pytest.mark.parametrize("text", ["", "true", "[]", "{}", json.dumps({"at": "2026-01-31"})])
def test_a_tag_that_is_something_else_says_nothing(tagged: Version, text: str) -> None:
    assert not is_proven(with_tags(tagged, **{PROVEN + ENVIRONMENT: text}))
