"""Clean days: what the checks say of real days that nobody has tampered with."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field
from datetime import date
from typing import Any

from benchmarks.skew.judged import Judged


@dataclass(frozen=True)
class Alarm:
    """What a check said of a clean day.

    Attributes:
        day: The day.
        check: The check.
        result: `"failed"`, `"warned"` or `"event"`.
        column: The column that it names.
        said: What it said.
    """

    day: str
    check: str
    result: str
    column: str | None
    said: str


@dataclass(frozen=True)
class CleanDays:
    """What the checks said of days in sequence.

    Attributes:
        days: How many days.
        alarms: What they said, passed checks left out.
    """

    days: int
    alarms: list[Alarm] = field(default_factory=list)

    def count(self, result: str) -> int:
        """On how many days a check said so."""
        return len({one.day for one in self.alarms if one.result == result})

    @property
    def alarm_days(self) -> int:
        """On how many days a check warned, or told of an event, and none was in error."""
        loud = {one.day for one in self.alarms if one.result != "failed"}
        return len(loud - {one.day for one in self.alarms if one.result == "failed"})

    def to_json(self) -> dict[str, Any]:
        """As plain data: how many days each check spoke on, each warning, event and error."""
        by_check: dict[str, Counter[str]] = {}
        for one in self.alarms:
            by_check.setdefault(one.check, Counter())[one.result] += 1
        return {
            "days": self.days,
            "errors": self.count("failed"),
            "warnings": self.count("warned"),
            "events": self.count("event"),
            "days_with_warnings_or_events": self.alarm_days,
            "stated_rate": STATED_RATE,
            "by_check": {name: dict(counts) for name, counts in sorted(by_check.items())},
            "incidents": [asdict(one) for one in self.alarms if one.result == "failed"],
            "told": [asdict(one) for one in self.alarms if one.result != "failed"],
        }


STATED_RATE = 0.05
"""Share of clean days on which the checks together may warn or tell of an event."""


def heard(found: Mapping[date, Judged], results: Iterable[str] = ()) -> CleanDays:
    """What the checks said of days.

    Args:
        found: What they found, by day.
        results: The checks to listen to; all of them if none is given.
    """
    chosen = {*results}
    alarms = [
        Alarm(day.isoformat(), name, told, one.column, one.summary)
        for day, judged in found.items()
        for name, one in judged.results.items()
        if (not chosen or name in chosen) and (told := _told(name, one.result, one.numbers))
    ]
    return CleanDays(len(found), alarms)


def _told(name: str, result: str, numbers: Mapping[str, float]) -> str | None:
    """How a check spoke; None if it was silent."""
    if result == "failed":
        return "failed"
    if result == "warned":
        return "event" if name in ("input_drift", "prediction_drift") else "warned"
    return "event" if numbers.get("events") else None
