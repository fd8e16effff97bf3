"""What the benchmark found, as plain data and as tables for people."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from benchmarks.skew.faults import CLASSES, Outcome

Found = Mapping[str, Any]


def document(outcomes: Sequence[Outcome]) -> dict[str, Any]:
    """What came of faults, as plain data.

    Args:
        outcomes: What came of each.
    """
    by_class = {kind: [one for one in outcomes if one.fault.kind == kind] for kind in CLASSES}
    return {
        **_sums(outcomes),
        "by_class": {kind: _sums(some) for kind, some in by_class.items() if some},
        "faults": [_fault(one) for one in outcomes],
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
        "unfound": one.fault.unfound,
        "seconds": round(one.seconds, 3),
    }


def _sums(outcomes: Sequence[Outcome]) -> dict[str, Any]:
    """How many faults there are, and how many were found; and the same of each try."""
    trials = [trial for one in outcomes for trial in one.trials.values()]
    return {
        "total": len(outcomes),
        "detected": sum(one.detected for one in outcomes),
        "located": sum(one.located for one in outcomes),
        "to_contain": sum(one.fault.blocks for one in outcomes),
        "contained": sum(one.contained for one in outcomes if one.fault.blocks),
        "tries": len(trials),
        "tries_detected": sum(trial.detected for trial in trials),
        "tries_located": sum(trial.located for trial in trials),
    }


def tell(found: Found) -> str:
    """The figures of a table, and what was not found, for the screen."""
    lines = [
        f"{found['table']}: {found['total']} faults, {found['detected']} detected, "
        f"{found['located']} located, {found['contained']} of {found['to_contain']} contained "
        f"({found['tries_detected']} of {found['tries']} tries detected)"
    ]
    lines += [f"  {kind}: {one['detected']} of {one['total']}"
              for kind, one in found["by_class"].items() if len(found["by_class"]) > 1]  # fmt: skip
    if clean := found.get("clean_days"):
        lines.append(
            f"  {clean['days']} clean days: errors on {clean['errors']}, warnings on "
            f"{clean['warnings']}, events on {clean['events']}: {clean['by_check']}"
        )
    for one in found.get("changes", ()):
        lines.append(
            f"  {one['name']}: {one['accepts']} accepts on {one['days_with_accepts']} of "
            f"{one['days']} days, {one['blocked_days']} blocked, {one['warned_days']} with findings"
        )
    faults = found["faults"]
    short_of = {
        "not detected": [one for one in faults if not one["detected"]],
        "not located": [one for one in faults if one["detected"] and not one["located"]],
        "not contained": [one for one in faults if one["contained"] is False],
    }
    for title, short in short_of.items():
        lines += [f"  {title}:", *map(_short, short)] if short else []
    return "\n".join(lines)


def _short(one: Found) -> str:
    found = f"{one['days_detected']}/{one['days_located']}/{one['days_contained']}"
    said = one["said"] or one["unfound"] or one["story"]
    return f"    {one['name']} ({found} of {one['days']}) {one['by']} {said[:150]}"


def markdown(found: Found) -> str:
    """The tables for the docs."""
    tables = list(found["tables"].values())
    sites = found.get("sites")
    lines: list[str] = []
    if tables:
        lines += [*_totals(tables), "", *_changes(tables)]
    if sites:
        lines += ["", *_classes(sites)]
    for one in [*tables, *([sites] if sites else [])]:
        lines += ["", f"## {one['table']}", "", *_faults(one["faults"])]
        lines += ["", *_clean(one["clean_days"])] if "clean_days" in one else []
    lines += ["", f"It took {found['seconds'] / 60:.0f} minutes on: {found['machine']}"]
    return "\n".join(lines).lstrip("\n") + "\n"


def _totals(tables: Iterable[Found]) -> list[str]:
    """What was found of each table, and what was said of its clean days."""
    return [
        "| table | faults | found | located | contained | clean days | errors | warnings alone |",
        "|---|--:|--:|--:|--:|--:|--:|--:|",
        *(
            f"| {one['table']} | {one['total']} | {_share(one['detected'], one['total'])} | "
            f"{_share(one['located'], one['detected'])} | "
            f"{_share(one['contained'], one['to_contain'])} | {one['clean_days']['days']} | "
            f"{one['clean_days']['errors']} | {one['clean_days']['days_with_warnings_or_events']} |"
            for one in tables
        ),
        "",
        "*Located* is a share of what was found, *contained* one of what has to be blocked; "
        "*warnings alone* are days on which a check warned, or told of an event, and none failed.",
    ]


def _changes(tables: Iterable[Found]) -> list[str]:
    """What legitimate changes took."""
    return [
        "| table | legitimate change | days | accepts | on days | blocked days | with findings |",
        "|---|---|--:|--:|--:|--:|--:|",
        *(
            f"| {table['table']} | {one['story']} | {one['days']} | {one['accepts']} | "
            f"{one['days_with_accepts']} | {one['blocked_days']} | {one['warned_days']} |"
            for table in tables
            for one in table["changes"]
        ),
    ]


def _classes(sites: Found) -> list[str]:
    return [
        "| class | faults | found | located | contained |",
        "|---|--:|--:|--:|--:|",
        *(
            f"| {kind} | {one['total']} | {_share(one['detected'], one['total'])} | "
            f"{_share(one['located'], one['detected'])} | "
            f"{_share(one['contained'], one['to_contain'])} |"
            for kind, one in sites["by_class"].items()
        ),
    ]


def _faults(faults: Iterable[Found]) -> list[str]:
    return [
        "| fault | what happens | found on | located on | contained on | by |",
        "|---|---|--:|--:|--:|---|",
        *(
            f"| `{one['name']}` | {one['story']} | {one['days_detected']} of {one['days']} | "
            f"{one['days_located']} | "
            f"{'–' if one['contained'] is None else one['days_contained']} | "
            f"{one['by'] or one['unfound'] or 'nothing found it'} |"
            for one in faults
        ),
    ]


def _share(part: int, whole: int) -> str:
    return f"{part} of {whole} ({part / whole:.0%})" if whole else "–"


def _clean(clean: Found) -> list[str]:
    """What was said of clean days."""
    told = [
        f"- {one['day']}, `{one['check']}` ({one['result']}, {one['column']}): "
        f"{one['said'].partition(';')[0].partition('. ')[0]}"
        for one in clean["told"]
    ]
    return ["On clean days:", "", *(told or ["- nothing"])]
