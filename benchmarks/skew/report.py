"""What the benchmark found, as JSON and as tables for people."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from benchmarks.skew.faults import CLASSES, Outcome


def document(
    outcomes: Sequence[Outcome],
    clean: Mapping[str, Any],
    others: Mapping[str, Any],
    peers: Mapping[str, Any],
) -> dict[str, Any]:
    """All that was found, as plain data.

    Args:
        outcomes: What came of the faults.
        clean: What the checks said of clean days.
        others: What else was tried, by title.
        peers: What other tools found of the same, by name.
    """
    found = {
        "faults": [_fault(one) for one in outcomes],
        **_sums(outcomes),
        **{
            half: _sums(one for one in outcomes if one.fault.half == half)
            for half in ("unseen", "fresh")
        },
        "by_class": {
            kind: _sums([one for one in outcomes if one.fault.kind == kind]) for kind in CLASSES
        },
        "clean_days": dict(clean),
        "peers": dict(peers),
    }
    return {**found, **others}


def _fault(one: Outcome) -> dict[str, Any]:
    trials = one.trials.values()
    return {
        "name": one.fault.name,
        "class": one.fault.kind,
        "half": one.fault.half,
        "days": len(trials),
        "detected": one.detected,
        "located": one.located,
        "contained": one.contained if one.fault.blocks else None,
        "by": one.by,
        "seconds": round(one.seconds, 3),
        "story": one.fault.story,
        "where": list(one.fault.where),
        "days_detected": sum(trial.detected for trial in trials),
        "days_located": sum(trial.located for trial in trials),
        "days_contained": sum(trial.contained for trial in trials),
        "said": next((trial.said for trial in trials if trial.by == one.by), "")[:400],
        "unfound": one.fault.unfound,
    }


def _sums(outcomes: Iterable[Outcome]) -> dict[str, Any]:
    """How many faults there are, and how many were found; and the same of each try."""
    known = list(outcomes)
    trials = [trial for one in known for trial in one.trials.values()]
    return {
        "total": len(known),
        "detected": sum(one.detected for one in known),
        "located": sum(one.located for one in known),
        "to_contain": sum(one.fault.blocks for one in known),
        "contained": sum(one.contained for one in known if one.fault.blocks),
        "tries": len(trials),
        "tries_detected": sum(trial.detected for trial in trials),
        "tries_located": sum(trial.located for trial in trials),
    }


def tell(found: Mapping[str, Any]) -> str:
    """The figures, and what was not found, for the screen."""
    lines = [_line("all", found), _line("unseen half", found["unseen"])]
    lines += [_line("fresh part", found["fresh"])]
    lines += [_line(kind, sums) for kind, sums in found["by_class"].items()]
    clean = found["clean_days"]
    if clean:
        lines.append(
            f"{clean['days']} clean days: errors on {clean['errors']}, warnings on "
            f"{clean['warnings']}, events on {clean['events']}: {clean['by_check']}"
        )
    lines += [_peer(name, one) for name, one in found["peers"].items()]
    faults = found["faults"]
    short_of = {
        "not detected": [one for one in faults if not one["detected"]],
        "not located": [one for one in faults if one["detected"] and not one["located"]],
        "not contained": [one for one in faults if one["contained"] is False],
    }
    for title, short in short_of.items():
        lines += [f"{title}:", *map(_short, short)] if short else []
    return "\n".join(line for line in lines if line)


def _line(title: str, sums: Mapping[str, Any]) -> str:
    if not sums["total"]:
        return ""
    return (
        f"{title}: {sums['total']} faults, {sums['detected']} detected, {sums['located']} located, "
        f"{sums['contained']} of {sums['to_contain']} contained "
        f"({sums['tries_detected']} of {sums['tries']} tries detected)"
    )


def _peer(name: str, one: Mapping[str, Any]) -> str:
    if "failure" in one:
        return f"{name}: could not be run"
    return (
        f"{name}: {one['detected']} of {one['of']} detected, {one['by_column']} by a column that "
        f"was silent, {one['located']} located; alarms on {one['false_alarm_days']} of "
        f"{one['of_days']} clean days"
    )


def _short(one: Mapping[str, Any]) -> str:
    found = f"{one['days_detected']}/{one['days_located']}/{one['days_contained']}"
    said = one["said"] or one["unfound"]
    return f"  {one['name']} ({found} of {one['days']}) {one['by']} {said[:150]}"


def markdown(found: Mapping[str, Any]) -> str:
    """The tables for the docs."""
    rows = [
        ("all", found),
        ("unseen half of data", found["unseen"]),
        ("data faults that were not seen", found["fresh"]),
        *found["by_class"].items(),
    ]
    lines = _totals(rows) if found["total"] else []
    clean = found["clean_days"]
    if clean:
        lines += ["", *_clean(clean)]
    if found["peers"]:
        lines += ["", *_peers(found["peers"])]
    tables = found.get("tables", {})
    if tables:
        lines += ["", *_tables(tables.values())]
    if found["faults"]:
        lines += ["", *_faults(found["faults"])]
    for one in tables.values():
        lines += ["", f"{one['table']}:", "", *_faults(one["faults"])]
    if "machine" in found:
        lines += ["", f"It took {found['seconds'] / 60:.0f} minutes on: {found['machine']}"]
    return "\n".join(lines).lstrip("\n") + "\n"


def _totals(rows: Iterable[tuple[str, Mapping[str, Any]]]) -> list[str]:
    """How many faults there are, and how many were found, of all and of some."""
    return [
        "| faults | total | detected | located | contained |",
        "|---|--:|--:|--:|--:|",
        *(
            f"| {title} | {sums['total']} | {_share(sums['detected'], sums['total'])} | "
            f"{_share(sums['located'], sums['detected'])} | "
            f"{_share(sums['contained'], sums['to_contain'])} |"
            for title, sums in rows
            if sums["total"]
        ),
        "",
        "*Located* is a share of what was detected, *contained* one of what has to be blocked.",
    ]


def _faults(faults: Iterable[Mapping[str, Any]]) -> list[str]:
    return [
        "| fault | class | half | what happens | found | located | by |",
        "|---|---|---|---|--:|--:|---|",
        *(_fault_row(one) for one in faults),
    ]


def _fault_row(one: Mapping[str, Any]) -> str:
    return (
        f"| `{one['name']}` | {one['class']} | {one['half']} | {one['story']} | "
        f"{one['days_detected']} of {one['days']} | {one['days_located']} | "
        f"{one['by'] or one['unfound'] or 'nothing found it'} |"
    )


def _tables(tables: Iterable[Mapping[str, Any]]) -> list[str]:
    """What was found on other tables, and what was said of their clean days."""
    return [
        "Other tables, their faults tried on days of all months; nothing was tuned on those that "
        "are not seen:",
        "",
        "| table | seen | faults | detected | located | contained | clean days | errors | "
        "warnings or events alone |",
        "|---|---|--:|--:|--:|--:|--:|--:|--:|",
        *(
            f"| {one['table']} | {'yes' if one['seen'] else 'no'} | {one['total']} | "
            f"{_share(one['detected'], one['total'])} | "
            f"{_share(one['located'], one['detected'])} | "
            f"{_share(one['contained'], one['to_contain'])} | {one['clean_days']['days']} | "
            f"{one['clean_days']['errors']} | {one['clean_days']['days_with_warnings_or_events']} |"
            for one in tables
        ),
    ]


def _share(part: int, whole: int) -> str:
    return f"{part} of {whole} ({part / whole:.0%})" if whole else "–"


def _clean(clean: Mapping[str, Any]) -> list[str]:
    checks = [
        f"| {name} | {counts.get('failed', 0)} | {counts.get('warned', 0)} | "
        f"{counts.get('event', 0)} |"
        for name, counts in clean["by_check"].items()
    ]
    incidents = [
        f"- {one['day']}, `{one['check']}`: {one['said'].partition(';')[0].partition('. ')[0]}"
        for one in clean["incidents"]
    ]
    failed = {one["day"] for one in clean["incidents"]}
    told = [
        f"{one['day']} (`{one['check']}`, {one['column']})"
        for one in clean["told"]
        if one["day"] not in failed
    ]
    return [
        f"On {clean['days']} clean days: errors on {clean['errors']}, warnings or events alone on "
        f"{clean['days_with_warnings_or_events']}.",
        "",
        "| check | errors | warnings | events |",
        "|---|--:|--:|--:|",
        *checks,
        "",
        "Errors:",
        "",
        *incidents,
        "",
        f"Warnings and events of other days: {', '.join(told) or 'none'}.",
    ]


def _peers(peers: Mapping[str, Any]) -> list[str]:
    """What other tools found, and what is to be known of it."""
    ran = {name: one for name, one in peers.items() if "failure" not in one}
    remarks = {
        f"{name.partition(',')[0]} {one['version']}": one["remark"] for name, one in peers.items()
    }
    return [
        "Other tools, on the same faults of data and the same clean days (a sample of them for "
        "each). *Detected*: an alarm on the faulted day, and none on the same day without the "
        "fault, all of a tool taken for one check; who alarms every day can detect nothing so. "
        "Ours are judged check by check, to which the next column is nearer: an alarm on a column "
        "that was silent without the fault. *Located* are those that name the right one.",
        "",
        "| tool | detected | a column alarms that did not | located | clean days with an alarm |",
        "|---|--:|--:|--:|--:|",
        *(
            f"| {name} | {_share(one['detected'], one['of'])} | "
            f"{_share(one['by_column'], one['of'])} | {_share(one['located'], one['of'])} | "
            f"{_share(one['false_alarm_days'], one['of_days'])} |"
            for name, one in ran.items()
        ),
        "",
        *(f"- {tool}: {remark}." for tool, remark in remarks.items()),
        *(f"- {name} could not be run." for name in peers if name not in ran),
    ]
