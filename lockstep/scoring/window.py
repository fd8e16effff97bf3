"""The window: the batches before a batch, and whether it departs from them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from lockstep.checks.results import CheckResult, tell, with_unjudged
from lockstep.columns.kinds import Columns, Kind
from lockstep.columns.schema import Schema
from lockstep.columns.tables import is_missing
from lockstep.scoring.records import Records
from lockstep.scoring.store import Store

if TYPE_CHECKING:
    from lockstep.parity.profiles import Profile

_HISTORY = "history_profiles"
WINDOW = 14
"""Days that a batch is compared with: two weeks, so that every day of the week is in it twice."""


def trailing_window(records: Records, store: Store, partition: str) -> list[Profile]:
    """Profiles of the last batches that were published before this one.

    A batch that was blocked is no measure of what is usual, so it is left out. A column whose
    shift somebody accepted begins anew there: earlier profiles are given without it. Before the
    first days, the window is filled with the last days of the history.

    Raises:
        DamagedError: A profile is not what was recorded of its batch.
    """
    from lockstep.parity.profiles import Profile

    window: list[Profile] = []
    accepted: set[str] = set()
    for one in reversed(_before(records, partition)[-WINDOW:]):
        attempt = records.demand(one)
        window.append(_without(Profile.from_json(attempt.read_json("profile")), accepted))
        accepted |= set(attempt.record.steps["batch"].facts["accepted"])
    if records.stream == "daily":
        for profile in (store.read_json(_HISTORY) or [])[::-1][: WINDOW - len(window)]:
            window.append(_without(Profile.from_json(profile), accepted))
    return window[::-1]


def write_history_profiles(
    store: Store, columns: Columns, schema: Schema, timezone: str, before: str
) -> None:
    """Keep the profiles of the last days of the history, for the windows of the first days.

    Args:
        store: Where to keep them.
        columns: The history.
        schema: What a record holds; without an event time there are no days to tell apart.
        timezone: Where a day begins and ends.
        before: Only days before this one, in ISO form.
    """
    from lockstep.parity.profiles import Profile

    if schema.event_time is None:
        return
    given = columns[schema.event_time]
    times = pd.DatetimeIndex(given, tz="UTC").tz_convert(timezone)
    days = np.array(times.strftime("%Y-%m-%d"), dtype=object)
    last = sorted({day for day in days[~is_missing(given)].tolist() if day < before})[-WINDOW:]
    profiles = [
        Profile.of({name: array[days == day] for name, array in columns.items()}, profiled(schema))
        for day in last
    ]
    store.write_json(_HISTORY, [profile.to_json() for profile in profiles])


def profiled(schema: Schema) -> dict[str, Kind]:
    """The fields worth a profile: all but the key, which is new in every row."""
    return {name: kind for name, kind in schema.kinds.items() if name != schema.key}


def _without(profile: Profile, columns: set[str]) -> Profile:
    kept = {name: one for name, one in profile.columns.items() if name not in columns}
    return replace(profile, columns=kept)


def _before(records: Records, partition: str) -> list[str]:
    """The published partitions before this one: earlier days, or files that came earlier."""
    known = [one for one in records.partitions() if one != partition]
    if records.stream == "daily":
        return [one for one in known if one < partition]
    commits = [commit for one in known if (commit := records.commit_of(one)) is not None]
    return [commit.partition for commit in sorted(commits, key=lambda one: one.committed_at)]


def check_shift(window: Sequence[Profile], day: Profile, accepted: Sequence[str]) -> CheckResult:
    """Whether a column jumped, compared with the window; accepted columns only warn."""
    from lockstep.parity.shift import MINIMUM_WINDOW, sudden_shift, unjudged_columns

    if not day.rows:
        return CheckResult(False, "There are no rows to compare with the batches before.")
    if len(window) < MINIMUM_WINDOW:
        return CheckResult.not_judged(
            f"There are {len(window)} earlier batches, and it takes {MINIMUM_WINDOW} to tell how "
            "much batches differ."
        )
    shifts = sudden_shift(window, day)
    shifted = {shift.column for shift in shifts}
    lacking = unjudged_columns(window, day)
    unjudged = {name: why for name, why in lacking.items() if name not in shifted}
    if len(unjudged) == len(day.columns):
        return CheckResult.not_judged(f"No column can be judged: {tell(unjudged)}.", unjudged)
    table = [
        {
            "column": shift.column,
            "what": shift.measure,
            "distance": shift.distance,
            "usual": shift.usual,
            "limit": shift.limit,
            "accepted": shift.column in accepted,
            "found": shift.message,
        }
        for shift in shifts
    ]
    blocking = [shift for shift in shifts if shift.column not in accepted]
    shown = "; ".join(shift.message for shift in (blocking or shifts)[:3])
    if shifts and not blocking:
        shown = f"Accepted by a person: {shown}"
    said = f"{shown}." if shifts else f"No column jumped, compared with {len(window)} batches."
    return CheckResult(
        passed=not shifts,
        summary=with_unjudged(said, unjudged),
        severity="ERROR" if blocking else "WARN",
        column=(blocking or shifts)[0].column if shifts else None,
        numbers={"shifts": len(shifts), "columns not judged": len(unjudged)},
        table=table,
        unjudged=unjudged,
    )
