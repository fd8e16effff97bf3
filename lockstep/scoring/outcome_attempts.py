"""Attempts at outcomes: each look at a day's outcomes is one, recorded like one at scoring.

The record of a look names the attempt at the day that it compared. Once the day is published again,
the look no longer counts.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, datetime, timedelta

from lockstep.checks.arrival import Arrival
from lockstep.checks.live_quality import WINDOW_DAYS
from lockstep.checks.streams import outcome_records, stream_records
from lockstep.columns.kinds import Columns, Kind
from lockstep.columns.tables import from_arrow, kinds_of
from lockstep.errors import DamagedError
from lockstep.project.declaration import PipelineAssets
from lockstep.store.attempts import Attempt, StepRecord
from lockstep.store.parquet import Store

STEP = "outcomes"
"""The only step of a look, and the name of the file of compared rows."""
OUTDATED = "it was published again since it was compared"
"""Why a look at rows that are no longer published does not count."""


def open_days(declared: PipelineAssets, store: Store, now: datetime) -> list[str]:
    """The published days to compare with their outcomes, the oldest first.

    A day is open if it was never compared since it was published, or if too few outcomes were known
    and it is time to look again.
    """
    assert declared.calendar is not None, "what has outcomes has days"
    published = set(stream_records(declared, store, "daily").partitions())
    return [
        day
        for day in declared.calendar.days(now)
        if day in published and _is_open(declared, store, day, now)
    ]


def published_at(declared: PipelineAssets, store: Store, day: str) -> datetime | None:
    """When a day was published last; None if it was not, or if that is lost."""
    try:
        commit = stream_records(declared, store, "daily").commit_of(day)
    except DamagedError:
        return None
    return None if commit is None else datetime.fromisoformat(commit.committed_at)


def _is_open(declared: PipelineAssets, store: Store, day: str, now: datetime) -> bool:
    try:
        look = outcome_records(declared, store).committed(day)
        if look is None or is_outdated(declared, store, look):
            return True
    except DamagedError:
        return True  # another look reports or repairs the damage
    return _arrival(declared, day, look.record.steps[STEP]).is_to_be_looked_at(declared, now)


def is_outdated(declared: PipelineAssets, store: Store, look: Attempt) -> bool:
    """Whether the day was published again, or no longer is, since the look.

    Raises:
        DamagedError: The published rows are not known.
    """
    commit = stream_records(declared, store, "daily").commit_of(look.record.partition)
    return commit is None or look.record.steps[STEP].facts["of"] != commit.record


def _arrival(declared: PipelineAssets, day: str, look: StepRecord) -> Arrival:
    """How much was known at an earlier look, by the present demands."""
    at = datetime.fromisoformat(look.facts["looked_at"])
    return Arrival.of(declared, day, look.counts["published"], look.counts["known"], at)


def days_before(
    declared: PipelineAssets, store: Store, day: str, kinds: Mapping[str, Kind]
) -> tuple[list[Columns], dict[str, str]]:
    """The compared rows of the days before one, and the days left out, each with the reason."""
    compared: list[Columns] = []
    left_out: dict[str, str] = {}
    for back in range(WINDOW_DAYS - 1, 0, -1):
        earlier = (date.fromisoformat(day) - timedelta(days=back)).isoformat()
        try:
            rows = _compared(declared, store, earlier, kinds)
        except DamagedError as error:
            rows = str(error)
        if isinstance(rows, str):
            left_out[earlier] = rows
        elif rows is not None:
            compared.append(rows)
    return compared, left_out


def _compared(
    declared: PipelineAssets, store: Store, day: str, kinds: Mapping[str, Kind]
) -> Columns | str | None:
    """The compared rows of a day, or why they do not count; None if it was never compared."""
    look = outcome_records(declared, store).committed(day)
    if look is None:
        return None
    if is_outdated(declared, store, look):
        return f"{OUTDATED}; compare it again: {look.again}"
    done = look.record.steps[STEP]
    arrival = _arrival(declared, day, done)
    if not arrival.is_enough:
        return f"{arrival}"
    table = look.read(STEP)
    lacking = [name for name, kind in kinds.items() if kinds_of(table).get(name) is not kind]
    if lacking:
        return f"version {done.version} scored it, which has no such {', '.join(lacking)}"
    return from_arrow(table, kinds)
