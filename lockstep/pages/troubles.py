"""Troubles: what is wrong with a pipeline, counted, since when, and the command to type."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass

from lockstep.checks.messages import Place
from lockstep.checks.reports import CheckReport
from lockstep.columns.plain import counted

_NOUNS = {
    "daily": ("day", "days"),
    "inbox": ("file", "files"),
    "outcomes": ("day of outcomes", "days of outcomes"),
    "requests": ("segment of requests", "segments of requests"),
}
"""What the partitions of a history are; the others have none."""
_SUBJECTS = {
    **dict.fromkeys(("history", "training_set", "candidate"), "training"),
    "champion": "gate",
}
"""What makes assets without partitions; of all others, what they are."""


@dataclass(frozen=True)
class Trouble:
    """Something that is wrong, in a few words."""

    what: str  # such as `3 files blocked`
    since: str = ""  # in ISO form; empty where nobody knows
    is_open: bool = True  # whether a person has to act; otherwise one may
    command: str = ""  # what to type; empty where findings tell it
    effect: str = ""  # what the command does, in words that follow it
    why: str = ""  # further words on what is wrong, in a sentence or two


@dataclass(frozen=True)
class OpenFinding(CheckReport):
    """A finding that is open."""

    state: str = ""  # what its day or file is by it, such as `blocked`
    since: str = ""  # in ISO form; empty where nobody knows
    command: str = ""  # what to type
    effect: str = ""  # what the command does, or when to type it, in words that follow it
    name: str = ""  # by which a person acknowledges it; empty where it has to be mended

    @classmethod
    def of(cls, report: CheckReport, state: str, since: str) -> OpenFinding:
        """A finding that is open until its asset is made anew."""
        place, effect = Place(report.asset, report.partition), "once it is put right."
        if place.is_file:  # whose content never changes
            effect = "if it passes now; else remove it, and drop the corrected file into the inbox."
        return cls(**vars(report), state=state, since=since, command=place.again, effect=effect)


def what(finding: OpenFinding, others: Collection[str | None] = ()) -> str:
    """What is wrong by a finding, and by those like it of other partitions: `3 files blocked`."""
    subject = _subject(finding.asset)
    if subject in _NOUNS:
        noun = _NOUNS[subject]
        subject = counted(len(others) + 1, *noun) if others else f"{noun[0]} {finding.partition}"
    return f"{subject} {finding.state}"


def _subject(asset: str) -> str:
    made = asset.partition("/")[2]
    stream, _, rest = made.partition("/")
    return f"table {rest}" if stream == "tables" else _SUBJECTS.get(made, stream)


def troubles_of(findings: Iterable[OpenFinding]) -> Iterator[Trouble]:
    """What is wrong by the findings that are open, one for each subject and state."""
    groups: dict[tuple[str, str], list[OpenFinding]] = {}
    for each in findings:
        groups.setdefault((_subject(each.asset), each.state), []).append(each)
    for group in groups.values():
        last, since = group[-1], earliest(each.since for each in group)
        others = {each.partition for each in group} - {last.partition}
        yield Trouble(what(last, others), since, any(each.result == "failed" for each in group))


def earliest(times: Iterable[str]) -> str:
    """The earliest of some times in ISO form of one time zone; empty if one is not known."""
    return min(times, default="")
