"""What the benchmark found, as plain data and as tables for people."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from datetime import date
from typing import Any

from benchmarks.skew.faults import ABOUT_POPULATION, CLASSES, Judged, Outcome
from lockstep.store.results import CheckResult

Found = Mapping[str, Any]


def document(outcomes: Sequence[Outcome]) -> dict[str, Any]:
    """What came of faults, as plain data."""
    by_class = {
        kind: [outcome for outcome in outcomes if outcome.fault.kind == kind] for kind in CLASSES
    }
    return {
        **_sums(outcomes),
        "by_class": {kind: _sums(some) for kind, some in by_class.items() if some},
        "faults": [_fault(outcome) for outcome in outcomes],
    }


def _fault(one: Outcome) -> dict[str, Any]:
    trials = one.trials.values()
    return {
        "name": one.fault.name,
        "class": one.fault.kind,
        "story": one.fault.story,
        "where": list(one.fault.where),
        "days": len(trials),
        "detected": one.detected,
        "located": one.located,
        "contained": one.contained if one.fault.blocks else None,
        "by": one.by,
        "days_detected": sum(trial.detected for trial in trials),
        "days_located": sum(trial.located for trial in trials),
        "days_contained": sum(trial.contained for trial in trials),
        "said": next((trial.said for trial in trials if trial.by == one.by), "")[:400],
        "seconds": round(sum(trial.seconds for trial in trials) / max(len(trials), 1), 3),
    }


def _sums(outcomes: Sequence[Outcome]) -> dict[str, int]:
    """How many faults there are, and how many were found; and the same of each try."""
    trials = [trial for outcome in outcomes for trial in outcome.trials.values()]
    return {
        "total": len(outcomes),
        "detected": sum(outcome.detected for outcome in outcomes),
        "located": sum(outcome.located for outcome in outcomes),
        "to_contain": sum(outcome.fault.blocks for outcome in outcomes),
        "contained": sum(outcome.contained for outcome in outcomes if outcome.fault.blocks),
        "tries": len(trials),
        "tries_detected": sum(trial.detected for trial in trials),
        "tries_located": sum(trial.located for trial in trials),
    }


def heard(found: Mapping[date, Judged]) -> dict[str, Any]:
    """What the checks said of clean days, as plain data: each error, warning and event."""
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
    days = {
        told: {alarm["day"] for alarm in alarms if alarm["result"] == told} for told in _RESULTS
    }
    failed, warned, event = days.values()
    counts = Counter((str(alarm["check"]), alarm["result"]) for alarm in alarms)
    return {
        "days": len(found),
        "errors": len(failed),
        "warnings": len(warned),
        "events": len(event),
        "days_with_warnings_or_events": len((warned | event) - failed),
        "by_check": {
            check: {told: counts[check, told] for told in _RESULTS if counts[check, told]}
            for check in sorted({check for check, _ in counts})
        },
        "told": alarms,
    }


_RESULTS = ("failed", "warned", "event")


def _told(name: str, one: CheckResult) -> str | None:
    """How a check spoke; None if it was silent."""
    if one.result == "failed" or (one.result == "warned" and name not in ABOUT_POPULATION):
        return one.result
    return "event" if one.result == "warned" or one.numbers.get("events") else None


def tell(found: Found) -> str:
    """The figures of a table, and what was not found, for the screen."""
    lines = [
        f"{found['table']}: {found['total']} faults, {found['detected']} detected, "
        f"{found['located']} located, {found['contained']} of {found['to_contain']} contained "
        f"({found['tries_detected']} of {found['tries']} tries detected)"
    ]
    if clean := found.get("clean_days"):
        counts = ", ".join(f"{clean[name]} {name}" for name in ("days", "errors", "warnings"))
        lines.append(f"  clean: {counts}, {clean['events']} events: {clean['by_check']}")
    lines += [
        f"  {one['name']}: {one['accepts']} accepts on {one['days_with_accepts']} of "
        f"{one['days']} days, {one['blocked_days']} blocked, {one['warned_days']} with findings"
        for one in found.get("changes", ())
    ]
    lines += [
        f"    {one['name']} ({one['days_detected']}/{one['days_located']}/{one['days_contained']} "
        f"of {one['days']}) {one['by']} {(one['said'] or one['story'])[:150]}"
        for one in found["faults"]
        if not one["located"] or one["contained"] is False
    ]
    return "\n".join(lines)


def markdown(found: Found) -> str:
    """The tables for the docs."""
    tables = list(found["tables"].values())
    sites = [found["sites"]] if "sites" in found else []
    lines = [*_totals(tables), *_changes(tables)] if tables else []
    for site in sites:
        counts = [(kind, *_counts(one)) for kind, one in site["by_class"].items()]
        lines += _table(["class", *_COUNTS], counts)
    for one in [*tables, *sites]:
        lines += ["", f"## {one['table']}", *_faults(one["faults"])]
        lines += _clean(one["clean_days"]) if "clean_days" in one else []
    lines += ["", f"It took {found['seconds'] / 60:.0f} minutes on: {found['machine']}"]
    return "\n".join(lines).lstrip("\n") + "\n"


_COUNTS = ("faults", "found", "located", "contained")


def _counts(one: Found) -> tuple[object, ...]:
    parts = (("detected", "total"), ("located", "detected"), ("contained", "to_contain"))
    return (one["total"], *(_share(one[part], one[whole]) for part, whole in parts))


def _share(part: int, whole: int) -> str:
    return f"{part} of {whole} ({part / whole:.0%})" if whole else "–"


def _table(names: Sequence[str], rows: Iterable[Sequence[object]], texts: int = 1) -> list[str]:
    """A table whose first columns are texts, and the others numbers."""
    rule = ["---"] * texts + ["--:"] * (len(names) - texts)
    return ["", *(f"| {' | '.join(map(str, row))} |" for row in (names, rule, *rows))]


def _totals(tables: Iterable[Found]) -> list[str]:
    """What was found of each table, and what was said of its clean days."""
    names = ("days", "errors", "days_with_warnings_or_events")
    rows = [
        (table["table"], *_counts(table), *(table["clean_days"][name] for name in names))
        for table in tables
    ]
    return [
        *_table(["table", *_COUNTS, "clean days", "errors", "warnings alone"], rows),
        "",
        "*Located* is a share of what was found, *contained* one of what has to be blocked; "
        "*warnings alone* are days on which a check warned, or told of an event, and none failed.",
    ]


def _changes(tables: Iterable[Found]) -> list[str]:
    """What legitimate changes took."""
    names = ("story", "days", "accepts", "days_with_accepts", "blocked_days", "warned_days")
    heads = ["table", "legitimate change", "days", "accepts", "on days", "blocked days"]
    rows = [
        (table["table"], *(one[name] for name in names))
        for table in tables
        for one in table["changes"]
    ]
    return _table([*heads, "with findings"], rows, texts=2)


def _faults(faults: Iterable[Found]) -> list[str]:
    rows = [
        (
            f"`{fault['name']}`",
            fault["story"],
            fault["by"] or "nothing found it",
            f"{fault['days_detected']} of {fault['days']}",
            fault["days_located"],
            "–" if fault["contained"] is None else fault["days_contained"],
        )
        for fault in faults
    ]
    heads = ["fault", "what happens", "by", "found on", "located on", "contained on"]
    return _table(heads, rows, texts=3)


def _clean(clean: Found) -> list[str]:
    """What was said of clean days."""
    told = [
        f"- {one['day']}, `{one['check']}` ({one['result']}, {one['column']}): "
        f"{one['said'].partition(';')[0].partition('. ')[0]}"
        for one in clean["told"]
    ]
    return ["", "On clean days:", "", *(told or ["- nothing"])]
