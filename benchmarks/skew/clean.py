"""Clean days: what the checks say of real days that nobody has tampered with."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from datetime import date
from typing import Any

from benchmarks.skew.faults import ABOUT_POPULATION
from benchmarks.skew.judged import Judged
from lockstep.checks.results import CheckResult


def heard(found: Mapping[date, Judged]) -> dict[str, Any]:
    """What the checks said of days, as plain data: each error, warning and event.

    Args:
        found: What they found, by day.
    """
    alarms = [
        {
            "day": day.isoformat(),
            "check": name,
            "result": told,
            "column": one.column,
            "said": one.summary,
        }
        for day, judged in found.items()
        for name, one in judged.results.items()
        if (told := _told(name, one))
    ]
    by_check: dict[str, Counter[str]] = {}
    days: dict[str, set[str]] = {"failed": set(), "warned": set(), "event": set()}
    for one in alarms:
        by_check.setdefault(str(one["check"]), Counter())[str(one["result"])] += 1
        days[str(one["result"])].add(str(one["day"]))
    return {
        "days": len(found),
        "errors": len(days["failed"]),
        "warnings": len(days["warned"]),
        "events": len(days["event"]),
        "days_with_warnings_or_events": len((days["warned"] | days["event"]) - days["failed"]),
        "by_check": {name: dict(counts) for name, counts in sorted(by_check.items())},
        "told": alarms,
    }


def _told(name: str, one: CheckResult) -> str | None:
    """How a check spoke; None if it was silent."""
    if one.result == "warned" and name in ABOUT_POPULATION:
        return "event"
    if one.result in ("failed", "warned"):
        return one.result
    return "event" if one.numbers.get("events") else None
