"""The faults that are carried out at sites of their own, by class."""

from __future__ import annotations

from collections.abc import Iterable

from benchmarks.skew.artifact import ARTIFACT_SCENES
from benchmarks.skew.code import CODE_SCENES
from benchmarks.skew.environment import ENVIRONMENT_SCENES
from benchmarks.skew.online import ONLINE_SCENES
from benchmarks.skew.promotion import PROMOTION_SCENES
from benchmarks.skew.site import Scene

SCENES: tuple[Scene, ...] = (
    *CODE_SCENES,
    *ENVIRONMENT_SCENES,
    *ARTIFACT_SCENES,
    *PROMOTION_SCENES,
    *ONLINE_SCENES,
)


def scenes_of(classes: Iterable[str]) -> list[Scene]:
    """The faults of some classes."""
    wanted = {*classes}
    return [one for one in SCENES if one.fault.kind in wanted]
