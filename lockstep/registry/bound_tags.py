"""Tags that hold for the very bytes of a version, and for nothing else.

A tag can be edited, copied to another version, or outlive its files. So each holds the pipeline's
name, the SHA-256 of the version's manifest and one of the tag itself; where these do not agree, it
is ignored.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, TypeVar

import msgspec

from lockstep.errors import EvidenceError
from lockstep.registry.versions import Version

Held = TypeVar("Held")


@dataclass(frozen=True)
class _Binding:
    """The pipeline and the SHA-256 of the manifest that a tag was written about."""

    pipeline: str
    manifest: str


def bound(name: str, manifest: str, facts: Mapping[str, Any]) -> str:
    """A tag's text: facts, as plain data, that hold for the bytes of this manifest."""
    stored = {"pipeline": name, "manifest": manifest, **facts}
    return json.dumps({**stored, "sha256": _digest(stored)})


def held(version: Version, tag: str, kind: type[Held]) -> Held:
    """The facts of a tag; EvidenceError where no such one holds for the version's bytes."""
    text = version.tags.get(tag)
    which = f"version {version.version} of {version.name}"
    if text is None:
        raise EvidenceError(f"{which} has no tag {tag}")
    manifest, facts = unbound(text, version.name, f"the tag {tag} of {which}", kind)
    if manifest != version.digest:
        raise EvidenceError(
            f"the tag {tag} of {which} was written about other files: their manifest has SHA-256 "
            f"{manifest[:12]}…, and this version's {version.digest[:12]}…"
        )
    return facts


def unbound(text: str, name: str, which: str, kind: type[Held]) -> tuple[str, Held]:
    """The SHA-256 of the manifest and the facts that a tag's text is about; see `bound`.

    Raises EvidenceError, naming `which` tag, where it was edited, or is another pipeline's.
    """
    try:
        stored: dict[str, Any] = json.loads(text)
        digest = stored.pop("sha256")
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise EvidenceError(f"{which} cannot be read ({error})") from error
    if digest != _digest(stored):
        raise EvidenceError(f"{which} has been edited since it was written")
    try:
        about, facts = msgspec.convert(stored, _Binding), msgspec.convert(stored, kind)
    except msgspec.ValidationError as error:
        raise EvidenceError(f"{which} is not as this Lockstep writes it ({error})") from error
    if about.pipeline != name:
        raise EvidenceError(f"{which} is that of a version of {about.pipeline}")
    return about.manifest, facts


def _digest(facts: Mapping[str, Any]) -> str:
    return hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()
