"""Calibration: predictions of training rows that models did not see, and how days differ."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from lockstep.checks.live_quality import WINDOW_DAYS, figures, worse
from lockstep.columns.kinds import Columns, Kind
from lockstep.columns.pipeline import Pipeline
from lockstep.columns.schema import Field, Schema
from lockstep.columns.tables import is_missing, take_rows
from lockstep.constraints.constraint_set import ConstraintSet, discover, in_order
from lockstep.constraints.view import by_clock
from lockstep.errors import FitError
from lockstep.parity.counterfactuals import Counterfactuals
from lockstep.parity.profiles import Profile
from lockstep.parity.weekly import WeeklyFigures
from lockstep.project.declaration import PipelineAssets
from lockstep.project.quality import Quality
from lockstep.training.holdout import Evaluation, predict_unseen

_DECLARED = {
    Kind.FLOAT: "float",
    Kind.INT: "int",
    Kind.BOOL: "bool",
    Kind.TEXT: "str",
    Kind.TIME: "datetime",
}


@dataclass(frozen=True)
class Calibration:
    """How batches of the training differ, for a version."""

    profile: Profile
    # the constraints on the outputs, day by day; None where these cannot be predicted
    outputs: ConstraintSet | None
    weekly: WeeklyFigures


def calibrate(
    declared: PipelineAssets, fitted: Pipeline, columns: Columns, evaluation: Evaluation
) -> Calibration:
    """Measure the training rows, day by day."""
    graph = fitted.graph
    raw = {name: columns[name] for name in fitted.joint_schema.names}
    told = (name for name in graph.served if name != fitted.key and name not in graph.personal)
    kinds = {name: graph.kind(name) for name in told}
    try:
        known = predict_unseen(declared.pipeline, columns, evaluation, declared.holdout)
    except FitError:  # too few rows to fit to a part: outputs are not judged
        profile = Profile.of(fitted.evaluate(raw), kinds)
        return Calibration(profile, None, WeeklyFigures())
    return Calibration(
        _with_moves(Profile.of(known, kinds), fitted, raw, declared.timezone),
        _outputs(fitted, known, declared.timezone),
        _weekly(tuple(declared.quality), fitted, known, declared.timezone),
    )


def _with_moves(profile: Profile, fitted: Pipeline, raw: Columns, timezone: str) -> Profile:
    """The profile, with how far each raw column moved the outputs on a training day."""
    schema = fitted.looked_up_schema
    rows, day = in_order(raw, fitted.record_schema, timezone)
    names = (field.name for field in schema if field.role == "value")
    moves = Counterfactuals(fitted, rows, profile).moves_of_days(names, day)
    columns = {
        name: replace(column, moves=moves.get(name, {})) for name, column in profile.columns.items()
    }
    return replace(profile, columns=columns)


def _outputs(fitted: Pipeline, known: Columns, timezone: str) -> ConstraintSet | None:
    """The constraints on the outputs; None without outputs."""
    graph, record = fitted.graph, fitted.record_schema
    told = [name for name in graph.outputs if name not in graph.personal]
    if not told:
        return None
    named = [field for field in record if field.role != "value"]
    outputs = [Field(name, _DECLARED[graph.kind(name)]) for name in told]
    schema = Schema(f"outputs of {record.name}", (*named, *outputs))
    return discover(known, schema, timezone, population=True)


def _weekly(
    qualities: Sequence[Quality], fitted: Pipeline, known: Columns, timezone: str
) -> WeeklyFigures:
    """The metrics of every seven days in a row."""
    time = fitted.record_schema.event_time
    if time is None or not qualities:
        return WeeklyFigures()
    rows = np.argsort(known[time], kind="stable")
    rows = rows[~is_missing(known[time][rows])]
    days = by_clock(known[time][rows], timezone).astype("datetime64[D]")
    names = {name for quality in qualities for name in (quality.label, quality.column)}
    columns = {name: known[name][rows] for name in names}
    starts = np.append(np.unique(days, return_index=True)[1], len(days))
    windows: dict[str, list[float]] = {}
    sizes = np.subtract(starts[WINDOW_DAYS:], starts[:-WINDOW_DAYS])
    for start, size in zip(starts.tolist(), sizes.tolist(), strict=False):
        of_week = take_rows(columns, slice(start, start + size))
        for name, value in figures(qualities, of_week).items():
            windows.setdefault(name, []).append(value)
    median = int(np.median(sizes)) if len(sizes) else 0
    weeks = (len(starts) - 1) // WINDOW_DAYS
    return WeeklyFigures.of(windows, worse(qualities), weeks=weeks, rows=median)
