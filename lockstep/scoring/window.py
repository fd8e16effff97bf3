"""The window: the batches before a batch, and whether it departs from them."""

from __future__ import annotations

import shlex
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date
from functools import partial
from itertools import pairwise
from math import isfinite
from statistics import median
from typing import TYPE_CHECKING, Any

from lockstep.checks.impacts import impact_figures, impact_of
from lockstep.checks.results import CheckResult, coverage, tell, with_unjudged
from lockstep.checks.specs import SUDDEN_SHIFT
from lockstep.columns.kinds import Kind
from lockstep.columns.plain import counted
from lockstep.columns.schema import Schema
from lockstep.parity.shift import WINDOW
from lockstep.scoring.attempts import Attempt
from lockstep.scoring.records import Records

if TYPE_CHECKING:
    from lockstep.parity.counterfactuals import Impact
    from lockstep.parity.profiles import Profile
    from lockstep.parity.shift import Jumps, Shift

MOST_APART = 7
"""How many times as far as usual two days that follow each other may be apart, so that one is
compared with the other. Of the days of 2013, clean ones, 1 % at most would be blocked after a gap
of up to 7 days, 2 % after 14, 4 % after 21, 19 % after 60 and 40 % after 90: seasons look like
other units."""
_MOST_TOLD = 3
"""Columns that a summary tells of; the others are named, and told of in the details."""
_PROFILE = "profile"
_OF = "partition"
_UNUSUAL = (
    "Nothing is held back. If it is no holiday and nobody knows why, ask upstream what changed in "
    "the named column. If it was a mistake, have it corrected, then: AGAIN"
)
_ACCEPTED = (
    "Nothing, if the change is meant to stay. If it was a mistake after all, have it corrected, "
    "then: AGAIN"
)


@dataclass(frozen=True)
class Gap:
    """Two days that follow each other, too far apart to be compared.

    Attributes:
        older: The day before the gap.
        newer: The day after it.
        most: How many days they might have been apart.
    """

    older: date
    newer: date
    most: int

    @property
    def days(self) -> int:
        """How many days they are apart."""
        return (self.newer - self.older).days


@dataclass(frozen=True)
class Window:
    """The batches that a batch is compared with.

    Attributes:
        profiles: Their profiles, the oldest first.
        gap: What parts them from those before, if it is a gap.
    """

    profiles: Sequence[Profile]
    gap: Gap | None = None


def trailing_window(
    records: Records, history: Callable[[], Mapping[str, Profile]], partition: str
) -> Window:
    """The last batches that were published before this one.

    A batch that was blocked is no measure of what is usual, so it is left out. A column whose
    shift somebody accepted begins anew there: earlier profiles are given without it. Before the
    first days, the window is filled with the last days of the history. It ends where two days are
    too far apart. Files are of no day: however long ago they came, they are in it.

    Args:
        records: The stream's.
        history: Reads the profiles of the last days of the history, by day in ISO form; asked
            where there are too few batches.
        partition: The batch.

    Raises:
        DamagedError: A profile is not what was recorded of its batch.
    """
    before = records.before(partition)[::-1][:WINDOW]
    gap = None
    earlier: Mapping[str, Profile] = {}
    if records.stream == "daily":
        oldest = before[-1] if before else partition
        filling = history() if len(before) < WINDOW else {}
        earlier = {day: profile for day, profile in filling.items() if day < oldest}
        days = [*before, *sorted(earlier, reverse=True)][:WINDOW]
        gap = _first_gap([date.fromisoformat(day) for day in (partition, *days)])
        before = days if gap is None else days[: days.index(gap.older.isoformat())]
    window: list[Profile] = []
    accepted: set[str] = set()
    for one in before:
        if one in earlier:
            window.append(_without(earlier[one], accepted))
            continue
        attempt = records.demand(one)
        profile = attempt.read_json(_PROFILE, partial(_profile, attempt))
        window.append(_without(profile, accepted))
        accepted |= set(attempt.record.steps["batch"].facts["accepted"])
    return Window(window[::-1], gap)


def keep_profile(attempt: Attempt, profile: Profile) -> None:
    """Keep of an attempt's rows what later batches are compared with.

    Args:
        attempt: The attempt, in whose step it is kept.
        profile: That of its rows.
    """
    attempt.write_json(_PROFILE, {_OF: attempt.record.partition, **profile.to_json()})


def _profile(attempt: Attempt, stored: Mapping[str, Any]) -> Profile:
    from lockstep.parity.profiles import Profile

    own = attempt.record.partition
    if (of := stored.get(_OF, own)) != own:  # an older Lockstep did not tell
        raise ValueError(f"it is that of {of}")
    return Profile.from_json(stored)


def _first_gap(days: Sequence[date]) -> Gap | None:
    """The first two days, the newest first, that are much farther apart than is usual of them."""
    apart = [(newer - older).days for newer, older in pairwise(days)]
    most = int(MOST_APART * median(apart)) if apart else 0
    gaps = (Gap(older, newer, most) for newer, older in pairwise(days))
    return next((gap for gap in gaps if gap.days > most), None)


def profiled(schema: Schema) -> dict[str, Kind]:
    """The fields worth a profile: all but the key, which is new in every row."""
    return {name: kind for name, kind in schema.kinds.items() if name != schema.key}


def _without(profile: Profile, columns: set[str]) -> Profile:
    kept = {name: one for name, one in profile.columns.items() if name not in columns}
    return replace(profile, columns=kept)


def check_shift(
    window: Window,
    day: Profile,
    accepted: Sequence[str],
    jumps: Jumps | None = None,
    ask: Callable[[Sequence[str]], Impact] | None = None,
    *,
    training: Profile | None = None,
) -> CheckResult:
    """Whether a column jumped, compared with the window; accepted columns only warn.

    Args:
        window: The batches before.
        day: The batch.
        accepted: Columns whose jump somebody accepted.
        jumps: How far training days were from those before them; None where that does not fit.
        ask: Tells what columns do to the outputs; asked of those that shifted.
        training: What the rows of the training were, to show beside those of the batch.
    """
    from lockstep.parity.shift import MINIMUM_WINDOW, measured, unjudged_columns

    if not day.rows:
        return CheckResult.not_judged("There are no rows to compare with the batches before.")
    if len(window.profiles) < MINIMUM_WINDOW:
        return CheckResult.not_judged(
            f"{_tell_window(window)}, and it takes {MINIMUM_WINDOW} to tell how much "
            "batches differ."
        )
    found = measured(window.profiles, day, jumps)
    shifts = [one for one in found if one.is_shift]
    shifted = {shift.column for shift in shifts}
    lacking = unjudged_columns(window.profiles, day, jumps)
    unjudged = {name: why for name, why in lacking.items() if name not in shifted}
    if len(unjudged) == len(day.columns):
        return CheckResult.not_judged(f"No column can be judged: {tell(unjudged)}.", unjudged)
    new = [shift for shift in shifts if shift.column not in accepted]
    blocking = [shift for shift in new if shift.jumped]
    columns = _farthest(blocking or new or shifts)
    shown = "; ".join(shift.message for shift in columns[:_MOST_TOLD])
    if shifts and not new:
        shown = f"Accepted by a person: {shown}"
    elif shifts and not blocking:
        shown = f"Unusual after the batches before, if no jump: {shown}"
    impact = None
    if shifts and ask is not None:
        impact = impact_of(partial(ask, [one.column for one in _farthest(shifts)]))
        shown = f"{shown}. {impact}"
    said = (
        f"{shown}."
        if shifts
        else f"No column jumped, compared with {counted(len(window.profiles), 'batch', 'batches')}."
    )
    return CheckResult(
        passed=not shifts,
        summary=with_unjudged(said, unjudged, briefly=bool(shifts)),
        severity="ERROR" if blocking else "WARN",
        column=columns[0].column if columns else None,
        also=tuple(one.column for one in columns[1:]),
        numbers={
            **coverage(day.rows, len(day.columns) - len(unjudged), unjudged),
            "shifts": len(shifts),
            "jumps": sum(shift.jumped for shift in shifts),
            **impact_figures(impact.effects if impact is not None else ()),
        },
        table=_table(found, shifts, accepted, training),
        unjudged=unjudged,
        todo=_accept_all([one for one in shifts if one.jumped])
        if blocking
        else (_UNUSUAL if new else _ACCEPTED)
        if shifts
        else "",
    )


def _table(
    found: Sequence[Shift],
    shifts: Sequence[Shift],
    accepted: Collection[str],
    training: Profile | None,
) -> list[dict[str, Any]]:
    """Every shift, then every other column in the way in which it is nearest to one."""
    shifted = {one.column for one in shifts}
    others = sorted((one for one in found if one.column not in shifted), key=lambda one: -one.share)
    return [
        {**_row(one, training), **(_finding(one, accepted) if shifts else {})}
        for one in (*shifts, *_farthest(others))
    ]


def _row(one: Shift, training: Profile | None) -> dict[str, Any]:
    """How far a column is in one way, beside its limits and histograms of training and batches."""
    from lockstep.parity.profiles import histograms

    trained = training.columns.get(one.column) if training is not None else None
    learnt, before, now = (
        histograms(trained, one.before[-1], one.now)
        if trained is not None
        else ("", *histograms(one.before[-1], one.now))
    )
    return {
        "column": one.column,
        "training": learnt,
        "before": before,
        "now": now,
        "by": one.measure,
        "distance": float(f"{one.distance:.3g}"),
        "warns from": _limit(one.warns_from),
        "blocks from": _limit(max(one.blocks_from, one.farthest)),
    }


def _limit(distance: float) -> float | None:
    """A limit to three digits; None where there is none."""
    return float(f"{distance:.3g}") if isfinite(distance) else None


def _finding(one: Shift, accepted: Collection[str]) -> dict[str, Any]:
    """What a column is found to be, where any shifted."""
    today, earlier = one.values if one.is_shift else ("", "")
    return {
        "is": "a jump" if one.jumped else "unusual" if one.is_shift else "",
        "accepted": one.is_shift and one.column in accepted,
        "it holds": today,
        "it held": earlier,
    }


def _farthest(shifts: Sequence[Shift]) -> list[Shift]:
    """The first shift of each column, which is its farthest: it may be one by several measures."""
    found: dict[str, Shift] = {}
    for shift in shifts:
        found.setdefault(shift.column, shift)
    return list(found.values())


def _accept_all(shifts: Sequence[Shift]) -> str:
    """What to do about shifts, with every column in the command.

    Those that a person accepted are in it too: what is not accepted in the next attempt blocks.
    """
    columns = [shift.column for shift in _farthest(shifts)]
    options = " ".join(f"--accept {shlex.quote(column)}" for column in columns)
    return SUDDEN_SHIFT.remedy.replace("--accept COLUMN", options)


def _tell_window(window: Window) -> str:
    """How many batches there are to compare with, and where a gap parts them from others."""
    count, gap = len(window.profiles), window.gap
    earlier = "There is 1 earlier batch" if count == 1 else f"There are {count} earlier batches"
    if gap is None:
        return earlier
    if not window.profiles:
        return (
            f"There are no earlier batches near enough: the newest day before it, {gap.older}, is "
            f"{counted(gap.days, 'day')} older (at most {gap.most})"
        )
    return (
        f"{earlier} since a gap of "
        f"{counted(gap.days, 'day')}, from {gap.older} to {gap.newer} (at most "
        f"{gap.most})"
    )
