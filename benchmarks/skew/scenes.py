"""The faults that are carried out at sites of their own."""

from __future__ import annotations

from benchmarks.skew.artifact import ARTIFACT_SCENES
from benchmarks.skew.code import CODE_SCENES
from benchmarks.skew.environment import ENVIRONMENT_SCENES
from benchmarks.skew.online import ONLINE_SCENES
from benchmarks.skew.promotion import PROMOTION_SCENES

SCENES = (
    *(*CODE_SCENES, *ENVIRONMENT_SCENES, *ARTIFACT_SCENES),
    *(*PROMOTION_SCENES, *ONLINE_SCENES),
)
