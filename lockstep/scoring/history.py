"""The attempts at a candidate: what a training made of the history, step by step."""

from __future__ import annotations

from lockstep.project.declaration import PipelineAssets
from lockstep.scoring.records import Records
from lockstep.scoring.store import Store

CANDIDATE = "candidate"
"""What a training attempts, step by step: a partition of its own, in the words of the records."""


def training_records(declared: PipelineAssets, store: Store) -> Records:
    """The attempts at a candidate, each with its history, training set and version."""
    return Records(store.root / "training", lambda _: f"lockstep train {declared.name}")
