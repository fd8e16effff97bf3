"""Calibration: how far batches of the training are from each other, and what models do on them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lockstep.columns.errors import FitError
from lockstep.columns.kinds import Columns
from lockstep.columns.pipeline import Pipeline
from lockstep.project.declaration import PipelineAssets
from lockstep.training.holdout import Evaluation, predict_unseen

if TYPE_CHECKING:
    from lockstep.parity.limits import Limits
    from lockstep.parity.profiles import Profile


def calibrate(
    declared: PipelineAssets, fitted: Pipeline, columns: Columns, evaluation: Evaluation
) -> tuple[Profile, Limits]:
    """The profile of the training rows, and how far a batch may be from it.

    Args:
        declared: The pipeline and the demands on it.
        fitted: The pipeline, fitted to all rows.
        columns: The rows, with features and labels.
        evaluation: Its evaluation on the newest of them.
    """
    from lockstep.parity.limits import Limits, parts_of
    from lockstep.parity.profiles import Profile

    graph, schema = fitted.graph, fitted.record_schema
    raw = {name: columns[name] for name in fitted.joint_schema.names}
    try:
        known = predict_unseen(declared.pipeline, columns, evaluation, declared.holdout)
        judged = (*schema.names, *graph.outputs)
    except FitError:  # too few rows to fit to a part of them: outputs are not judged
        known, judged = fitted.evaluate(raw), schema.names
    kinds = {name: graph.kind(name) for name in graph.served if name != fitted.key}
    profile = Profile.of(known, kinds)
    times = columns[schema.event_time] if schema.event_time is not None else None
    parts, has_days = parts_of(times, profile.rows, declared.timezone)
    kinds = {name: kind for name, kind in kinds.items() if name in judged}
    return profile, Limits.of(profile, known, kinds, parts, has_days=has_days)
