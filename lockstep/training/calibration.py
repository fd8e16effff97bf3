"""Calibration: how far batches of the training are from each other, and what models do on them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from lockstep.columns.errors import FitError
from lockstep.columns.kinds import Array, Columns
from lockstep.columns.pipeline import Pipeline
from lockstep.columns.tables import take_rows
from lockstep.project.declaration import PipelineAssets
from lockstep.project.quality import Quality
from lockstep.scoring.live_quality import WINDOW_DAYS, figures, worse
from lockstep.training.holdout import Evaluation, predict_unseen

if TYPE_CHECKING:
    from lockstep.parity.bands import Bands
    from lockstep.parity.limits import Limits
    from lockstep.parity.profiles import Profile


@dataclass(frozen=True)
class Calibration:
    """What a version knows of how batches differ.

    Attributes:
        profile: The profile of the training rows.
        limits: How far a batch may be from it.
        bands: Where figures of predictions lie, a week at a time.
    """

    profile: Profile
    limits: Limits
    bands: Bands


def calibrate(
    declared: PipelineAssets, fitted: Pipeline, columns: Columns, evaluation: Evaluation
) -> Calibration:
    """Measure the training rows, day by day.

    Args:
        declared: The pipeline and the demands on it.
        fitted: The pipeline, fitted to all rows.
        columns: The rows, with features and labels.
        evaluation: Its evaluation on the newest of them.
    """
    from lockstep.parity.bands import Bands
    from lockstep.parity.limits import Limits, parts_of
    from lockstep.parity.profiles import Profile

    graph, schema = fitted.graph, fitted.record_schema
    raw = {name: columns[name] for name in fitted.joint_schema.names}
    try:
        known = predict_unseen(declared.pipeline, columns, evaluation, declared.holdout)
        judged, qualities = (*schema.names, *graph.outputs), tuple(declared.quality)
    except FitError:  # too few rows to fit to a part of them: outputs are not judged
        known, judged, qualities = fitted.evaluate(raw), schema.names, ()
    kinds = {name: graph.kind(name) for name in graph.served if name != fitted.key}
    profile = Profile.of(known, kinds)
    times = columns[schema.event_time] if schema.event_time is not None else None
    parts, has_days = parts_of(times, profile.rows, declared.timezone)
    kinds = {name: kind for name, kind in kinds.items() if name in judged}
    limits = Limits.of(profile, known, kinds, parts, has_days=has_days)
    bands = _bands(qualities, known, parts) if has_days else Bands.none()
    return Calibration(profile, limits, bands)


def _bands(qualities: Sequence[Quality], known: Columns, parts: Array) -> Bands:
    """The bands of figures over every seven days that follow each other."""
    from lockstep.parity.bands import Bands

    names = {name for one in qualities for name in (one.label, one.column)}
    order = np.argsort(parts, kind="stable")
    ordered, columns = parts[order], {name: known[name][order] for name in names}
    days = int(parts.max()) + 1
    windows: dict[str, list[float]] = {}
    sizes = []
    for last in range(WINDOW_DAYS, days + 1):
        start, end = np.searchsorted(ordered, (last - WINDOW_DAYS, last)).tolist()
        sizes.append(end - start)
        for name, value in figures(qualities, take_rows(columns, slice(start, end))).items():
            windows.setdefault(name, []).append(value)
    rows = int(np.median(sizes)) if sizes else 0
    return Bands.of(windows, worse(qualities), weeks=days // WINDOW_DAYS, rows=rows)
