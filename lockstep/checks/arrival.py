"""Arrival: how much is known, at a time, of what became of a day's rows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

import numpy as np

from lockstep.checks.check_results import CheckResult
from lockstep.checks.ingest import check_readable
from lockstep.columns.decode import Rejected
from lockstep.columns.kinds import Array, Columns
from lockstep.columns.plain import python_value, show
from lockstep.columns.tables import is_missing, take_rows
from lockstep.errors import UnreadableError
from lockstep.project.declaration import PipelineAssets

LOOKS = 10
"""How often a day is looked at again within the label delay: what arrives is seen after a tenth of
it, and however long it is, no more days than that are looked at in a morning."""

_EXAMPLES = 5
"""Keys that a message names."""


@dataclass(frozen=True)
class Arrival:
    """How many outcomes of a day's rows are known.

    Attributes:
        rows: How many rows of the day are published.
        known: Of how many of them the outcome is known.
        at: When it was looked.
        due: When the outcomes should be known.
        least: Share of the rows whose outcome has to be known.
    """

    rows: int
    known: int
    at: datetime
    due: datetime
    least: float

    @classmethod
    def of(cls, declared: PipelineAssets, day: str, rows: int, known: int, at: datetime) -> Arrival:
        """How much is known at some time, and by when how much should be as it is declared."""
        return cls(rows, known, at, due(declared, day), declared.min_known)

    @property
    def share(self) -> float:
        """Share of the rows whose outcome is known."""
        return self.known / self.rows if self.rows else 1.0

    @property
    def is_enough(self) -> bool:
        """Whether so much is known that the day can be measured."""
        return self.share >= self.least

    @property
    def is_due(self) -> bool:
        """Whether the outcomes should be known."""
        return self.at >= self.due

    def __str__(self) -> str:
        return f"{self.known} of {self.rows} outcomes are known ({self.share:.0%})"

    def is_to_be_looked_at(self, declared: PipelineAssets, now: datetime) -> bool:
        """Whether to look again: when it is due, and a few times before, until enough is known."""
        if self.is_enough or self.is_due:
            return False
        return now >= self.due or self.at.date() + declared.label_delay / LOOKS <= now.date()


def due(declared: PipelineAssets, day: str) -> datetime:
    """When the outcomes of a day should be known."""
    assert declared.calendar is not None, "what has outcomes has days"
    return declared.calendar.end_of(day) + declared.label_delay


@dataclass(frozen=True)
class Delivery:
    """What a source delivered of a day's outcomes, beside what was known before.

    Attributes:
        outcomes: All that is known now: keys, and the outcome's fields.
        withdrawn: Keys whose outcome was known before and is delivered no longer.
        changed: Outcomes that are others than before: `key`, `column`, `before` and `now`.
        strangers: Keys of which no row is published.
        refused: Rows that cannot be decoded.
        notes: What else is to be said, such as that there is no file yet; sentences.
        fault: Why nothing of it can be read; None if it can.
    """

    outcomes: Columns
    withdrawn: Sequence[Any] = ()
    changed: Sequence[Mapping[str, Any]] = ()
    strangers: Sequence[Any] = ()
    refused: Sequence[Rejected] = ()
    notes: Sequence[str] = ()
    fault: UnreadableError | None = None


def compare_delivery(delivered: Columns, earlier: Columns, published: Array, key: str) -> Delivery:
    """Compare delivered outcomes with those that were known before, and with what is published.

    An outcome that was known and is delivered no longer stays known. One that is another than
    before replaces it.

    Args:
        delivered: Keys, and the outcome's fields; each key once.
        earlier: The same of what was known before.
        published: Keys of the published rows.
        key: Name of the key.
    """
    rows = {one: row for row, one in enumerate(delivered[key].tolist())}
    known = set(published.tolist())
    is_kept = np.array([one not in rows and one in known for one in earlier[key].tolist()], bool)
    return Delivery(
        outcomes={
            name: np.concatenate([array, earlier[name][is_kept]])
            for name, array in delivered.items()
        },
        withdrawn=earlier[key][is_kept].tolist(),
        changed=_changes(delivered, earlier, key, rows),
        strangers=[one for one in rows if one not in known],
    )


def _changes(
    delivered: Columns, earlier: Columns, key: str, rows: Mapping[Any, int]
) -> list[dict[str, Any]]:
    """The fields whose value is another than before."""
    before = np.array([one in rows for one in earlier[key].tolist()], dtype=bool)
    old = take_rows(earlier, before)
    now = take_rows(delivered, np.array([rows[one] for one in old[key].tolist()], np.int64))
    return [
        {
            "key": old[key][row],
            "column": name,
            "before": show(python_value(old[name][row])),
            "now": show(python_value(now[name][row])),
        }
        for name in old
        if name != key
        for row in np.flatnonzero(_differ(old[name], now[name])).tolist()
    ]


def _differ(before: Array, now: Array) -> Array:
    both_missing = is_missing(before) & is_missing(now)
    differ: Array = (before != now) & ~both_missing
    return differ


def check_arrival(arrival: Arrival, delivery: Delivery, key: str) -> CheckResult:
    """Whether enough is known by the time at which it should be, and what was known still is.

    A delivery that cannot be read is an error. What was known before stays known.

    Args:
        arrival: How much is known.
        delivery: What was delivered.
        key: Name of the key.
    """
    if delivery.fault is not None:
        unread = check_readable(delivery.fault)
        return replace(
            unread,
            summary=f"{unread.summary} From before, {arrival}.",
            todo="Have the outcomes delivered anew, and compare again: AGAIN",
        )
    wrong = [*_too_late(arrival), *_contradictions(delivery, key)]
    said = [f"{arrival}", *wrong, *_asides(delivery, key), *delivery.notes]
    numbers = {
        "share known": arrival.share,
        "known": arrival.known,
        "not published": len(delivery.strangers),
        "refused": len(delivery.refused),
        "withdrawn": len(delivery.withdrawn),
        "changed": len(delivery.changed),
    }
    if not wrong and not arrival.is_enough:
        said.insert(1, f"at least {arrival.least:.0%} have to be by {_when(arrival.due)}")
        return CheckResult.not_judged(_sentence(said))
    withdrawn = [
        {"key": one, "column": None, "before": "known", "now": None} for one in delivery.withdrawn
    ]
    table = [*delivery.changed, *withdrawn]
    return CheckResult(
        passed=not wrong,
        summary=_sentence(said),
        severity="WARN",
        column=str(delivery.changed[0]["column"]) if delivery.changed else None,
        keys=tuple(str(row["key"]) for row in table[:_EXAMPLES]),
        numbers=numbers,
        table=table,
    )


def _too_late(arrival: Arrival) -> list[str]:
    if arrival.is_enough or not arrival.is_due:
        return []
    return [f"at least {arrival.least:.0%} should be since {_when(arrival.due)}"]


def _contradictions(delivery: Delivery, key: str) -> list[str]:
    """What was known before and is not what is delivered."""
    said = []
    if delivery.withdrawn:
        said.append(
            f"{len(delivery.withdrawn)} that were known before are delivered no longer, such as "
            f"that of {key} {show(delivery.withdrawn[0])}, and stay known as they were"
        )
    if delivery.changed:
        one = delivery.changed[0]
        said.append(
            f"{len(delivery.changed)} are others than before, such as {one['column']} of {key} "
            f"{show(one['key'])}: {one['now']}, and before {one['before']}"
        )
    return said


def _asides(delivery: Delivery, key: str) -> list[str]:
    """What was delivered and does not count."""
    said = []
    if delivery.strangers:
        said.append(
            f"{len(delivery.strangers)} are of rows that were not published, such as {key} "
            f"{show(delivery.strangers[0])}"
        )
    if delivery.refused:
        said.append(f"{len(delivery.refused)} cannot be read, such as {delivery.refused[0]}")
    return said


def _when(time: datetime) -> str:
    return f"{time:%Y-%m-%d %H:%M} UTC"


def _sentence(said: Sequence[str]) -> str:
    return "; ".join(one.rstrip(".") for one in said) + "."
