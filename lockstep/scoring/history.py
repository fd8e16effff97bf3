"""The history as scoring needs it: its last days, with which the first days are compared.

A training keeps the profiles of these days as a file of its attempt. Those of the attempt that
counts are read: what a training left behind that broke off or was blocked is no measure of a day.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from lockstep.columns.kinds import Columns
from lockstep.columns.schema import Schema
from lockstep.columns.tables import is_missing
from lockstep.parity.shift import WINDOW
from lockstep.project.declaration import PipelineAssets
from lockstep.scoring.attempts import Attempt
from lockstep.scoring.records import Records
from lockstep.scoring.store import Store
from lockstep.scoring.window import profiled

if TYPE_CHECKING:
    from lockstep.parity.profiles import Profile

CANDIDATE = "candidate"
"""What a training attempts, step by step: a partition of its own, in the words of the records."""
_DAYS = "history_days"


def training_records(declared: PipelineAssets, store: Store) -> Records:
    """The attempts at a candidate, each with its history, training set and version."""
    return Records(store.root / "training", lambda _: f"lockstep train {declared.name}")


def write_days(attempt: Attempt, columns: Columns, declared: PipelineAssets) -> None:
    """Keep the profiles of the last days before the first day to score, in an attempt's step.

    Args:
        attempt: The training's attempt.
        columns: Its history.
        declared: The pipeline; one without a calendar or an event time has no days.
    """
    schema, calendar = declared.pipeline.record_schema, declared.calendar
    if calendar is None or schema.event_time is None:
        return
    days = profile_days(columns, schema, calendar.timezone, calendar.start.isoformat())
    attempt.write_json(_DAYS, {day: profile.to_json() for day, profile in days.items()})


def profile_days(
    columns: Columns, schema: Schema, timezone: str, before: str
) -> dict[str, Profile]:
    """Profiles of the last days of the history, by day in ISO form.

    Args:
        columns: The history.
        schema: What a record holds, an event time among it.
        timezone: Where a day begins and ends.
        before: Only days before this one, in ISO form.
    """
    from lockstep.parity.profiles import Profile

    assert schema.event_time is not None, "days are told apart by it"
    given = columns[schema.event_time]
    times = pd.DatetimeIndex(given, tz="UTC").tz_convert(timezone)
    days = np.array(times.strftime("%Y-%m-%d"), dtype=object)
    last = sorted({day for day in days[~is_missing(given)].tolist() if day < before})[-WINDOW:]
    kinds = profiled(schema)
    return {
        day: Profile.of({name: array[days == day] for name, array in columns.items()}, kinds)
        for day in last
    }


def read_days(declared: PipelineAssets, store: Store) -> Mapping[str, Profile]:
    """Profiles of the last days of the history that the last sound candidate was trained on.

    Raises:
        DamagedError: They are not what was recorded.
    """
    attempt = training_records(declared, store).committed(CANDIDATE)
    if attempt is None or f"{_DAYS}.json" not in attempt.files:
        return {}
    return attempt.read_json(_DAYS, _days)


def _days(stored: Mapping[str, Mapping[str, Any]]) -> dict[str, Profile]:
    from lockstep.parity.profiles import Profile

    return {day: Profile.from_json(profile) for day, profile in stored.items()}
