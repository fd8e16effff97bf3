"""Arrival: how many outcomes of a day's rows are known at a time."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

import numpy as np

from lockstep.checks.ingest import check_readable
from lockstep.columns.kinds import Array, Columns
from lockstep.columns.plain import python_value, show
from lockstep.columns.tables import is_missing, take_rows
from lockstep.errors import UnreadableError
from lockstep.project.declaration import PipelineAssets
from lockstep.refusals import Rejected
from lockstep.store.results import CheckResult

LOOKS = 10
"""How often a day is looked at again within the label delay. An outcome is seen after a tenth of
the delay at most, and a morning looks at no more days than this, however long the delay."""

_EXAMPLES = 5
"""Keys that a message names."""


@dataclass(frozen=True)
class Arrival:
    """How many outcomes of a day's rows are known.

    Attributes:
        rows: How many rows of the day are published.
        due: When the outcomes should be known.
    """

    rows: int
    known: int
    at: datetime
    due: datetime
    least: float

    @classmethod
    def of(cls, declared: PipelineAssets, day: str, rows: int, known: int, at: datetime) -> Arrival:
        """The arrival of a day's outcomes at a time, with the declared due time and share."""
        return cls(rows, known, at, due(declared, day), declared.min_known)

    @property
    def share(self) -> float:
        """Share of the rows whose outcome is known."""
        return self.known / self.rows if self.rows else 1.0

    @property
    def is_enough(self) -> bool:
        """Whether enough outcomes are known to measure the day."""
        return self.share >= self.least

    @property
    def is_due(self) -> bool:
        """Whether the outcomes should be known by now."""
        return self.at >= self.due

    def __str__(self) -> str:
        return f"{self.known} of {self.rows} outcomes are known ({self.share:.0%})"

    def is_to_be_looked_at(self, declared: PipelineAssets, now: datetime) -> bool:
        """Whether to look again: at the due time, and a few times before, until enough is known."""
        if self.is_enough or self.is_due:
            return False
        return now >= self.due or self.at.date() + declared.label_delay / LOOKS <= now.date()


def due(declared: PipelineAssets, day: str) -> datetime:
    """When the outcomes of a day should be known."""
    assert declared.calendar is not None, "what has outcomes has days"
    return declared.calendar.end_of(day) + declared.label_delay


@dataclass(frozen=True)
class Delivery:
    """A day's delivered outcomes, compared with those known before.

    Attributes:
        outcomes: All outcomes known now: keys, and the outcome's fields.
        withdrawn: Keys whose outcome was known before and is delivered no longer.
        changed: Outcomes that changed: `key`, `column`, `before` and `now`.
        strangers: Delivered keys without a published row.
        notes: Further sentences, such as that there is no file yet.
    """

    outcomes: Columns
    withdrawn: Sequence[Any] = ()
    changed: Sequence[Mapping[str, Any]] = ()
    strangers: Sequence[Any] = ()
    refused: Sequence[Rejected] = ()
    notes: Sequence[str] = ()
    fault: UnreadableError | None = None


def compare_delivery(delivered: Columns, earlier: Columns, published: Array, key: str) -> Delivery:
    """Compare delivered outcomes with those known before and with the published rows.

    An outcome that is delivered no longer stays known. A changed one replaces the earlier one.
    """
    rows = {value: row for row, value in enumerate(delivered[key].tolist())}
    known = set(published.tolist())
    before = earlier[key].tolist()
    is_kept = np.array([value not in rows and value in known for value in before], bool)
    return Delivery(
        outcomes={
            name: np.concatenate([array, earlier[name][is_kept]])
            for name, array in delivered.items()
        },
        withdrawn=earlier[key][is_kept].tolist(),
        changed=_changes(delivered, earlier, key, rows),
        strangers=[value for value in rows if value not in known],
    )


def _changes(
    delivered: Columns, earlier: Columns, key: str, rows: Mapping[Any, int]
) -> list[dict[str, Any]]:
    """The fields whose value changed."""
    before = np.array([value in rows for value in earlier[key].tolist()], dtype=bool)
    old = take_rows(earlier, before)
    now = take_rows(delivered, np.array([rows[value] for value in old[key].tolist()], np.int64))
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
    """Check that enough outcomes are known in time, and that none was withdrawn or changed.

    A delivery that cannot be read is an error. Outcomes known before stay known.
    """
    if delivery.fault is not None:
        unread = check_readable(delivery.fault)
        return replace(
            unread,
            summary=f"{unread.summary} From before, {arrival}.",
            todo="Have the outcomes delivered anew, and compare again: AGAIN",
        )
    wrong = [*_too_late(arrival), *_contradictions(delivery, key)]
    parts = [f"{arrival}", *wrong, *_asides(delivery, key), *delivery.notes]
    numbers = {
        "share known": arrival.share,
        "known": arrival.known,
        "not published": len(delivery.strangers),
        "refused": len(delivery.refused),
        "withdrawn": len(delivery.withdrawn),
        "changed": len(delivery.changed),
    }
    if not wrong and not arrival.is_enough:
        parts.insert(1, f"at least {arrival.least:.0%} have to be by {_when(arrival.due)}")
        return CheckResult.not_judged(_sentence(parts))
    withdrawn = [
        {"key": gone, "column": None, "before": "known", "now": None} for gone in delivery.withdrawn
    ]
    table = [*delivery.changed, *withdrawn]
    return CheckResult(
        passed=not wrong,
        summary=_sentence(parts),
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
    """Sentences about withdrawn and changed outcomes."""
    parts = []
    if delivery.withdrawn:
        parts.append(
            f"{len(delivery.withdrawn)} that were known before are delivered no longer, such as "
            f"that of {key} {show(delivery.withdrawn[0])}, and stay known as they were"
        )
    if delivery.changed:
        first = delivery.changed[0]
        parts.append(
            f"{len(delivery.changed)} are others than before, such as {first['column']} of {key} "
            f"{show(first['key'])}: {first['now']}, and before {first['before']}"
        )
    return parts


def _asides(delivery: Delivery, key: str) -> list[str]:
    parts = []
    if delivery.strangers:
        parts.append(
            f"{len(delivery.strangers)} are of rows that were not published, such as {key} "
            f"{show(delivery.strangers[0])}"
        )
    if delivery.refused:
        parts.append(f"{len(delivery.refused)} cannot be read, such as {delivery.refused[0]}")
    return parts


def _when(time: datetime) -> str:
    return f"{time:%Y-%m-%d %H:%M} UTC"


def _sentence(parts: Sequence[str]) -> str:
    return "; ".join(part.rstrip(".") for part in parts) + "."
