"""Messages of failures to a person, in three lines: what, where, and what to do."""

from __future__ import annotations

import re
import shlex
from dataclasses import dataclass, replace
from pathlib import Path
from urllib.parse import quote

from lockstep.checks.specs import REMEDIES
from lockstep.columns.plain import cut, listed
from lockstep.store.results import CheckResult

_MOST_KEYS = 5
_LONGEST_KEY = 80
_WHOLE = {
    **dict.fromkeys(("history", "training_set", "candidate"), "train"),
    "champion": "promote",
    "audit": "audit",
    "examination": "scorecard --run",
}
"""The commands that make assets without partitions."""


@dataclass(frozen=True)
class Place:
    """The asset and partition that a check ran on.

    Attributes:
        asset: Key of the asset, such as `flight_delay/daily/batch`.
        file: The file's name in the command that scores it; None without a command, such as for a
            file that came into the inbox.
    """

    asset: str
    partition: str | None = None
    file: str | None = None

    def __str__(self) -> str:
        return f"{self.asset} {self.partition}" if self.partition is not None else self.asset

    @property
    def pipeline(self) -> str:
        """Name of the pipeline."""
        return self.asset.partition("/")[0]

    @property
    def option(self) -> str:
        """The command's option that names the partition."""
        stream = self.asset.split("/")[1:2]
        unit = "file" if stream == ["inbox"] else "segment" if stream == ["requests"] else "day"
        named = shlex.quote(self.partition) if self.partition is not None else unit.upper()
        return f"--{unit} {named}"

    @property
    def is_file(self) -> bool:
        """Whether the partition is a file of the inbox, whose content never changes."""
        return self.asset.split("/")[1:2] == ["inbox"]

    @property
    def is_table(self) -> bool:
        """Whether the asset is a table that look-ups and windows read."""
        return self.asset.split("/")[1:2] == ["tables"]

    @property
    def corrected(self) -> str:
        """How to score the corrected rows; those of a file are another partition."""
        if not self.is_file:
            return f"`{self.again}`"
        if self.file is not None:
            return f"`lockstep score {self.pipeline} --file {shlex.quote(self.file)}`"
        return f"drop the corrected file into the inbox; the same content again: `{self.again}`"

    @property
    def without_rows(self) -> str:
        """What of a delivery that has no rows by right."""
        if self.is_file:
            return (
                "If there were none to deliver, nothing is to do: a file without rows is not scored"
            )
        if self.asset.split("/")[1:2] == ["daily"]:
            return (
                "A day that never has any is left out by its calendar: Calendar(..., weekdays=..., "
                "holidays=...)"
            )
        if self.is_table:
            return "If there are none yet, nothing is to do: look-ups find nothing"
        return "A fit needs rows"

    @property
    def again(self) -> str:
        """The command that makes the checked asset again."""
        kind = self.asset.rpartition("/")[2]
        if self.is_table:
            return f"lockstep tables {self.pipeline} --deliver"
        if kind in _WHOLE:
            return f"lockstep {_WHOLE[kind]} {self.pipeline}"
        verb = {"outcomes": "outcomes", "requests": "replay"}.get(kind, "score")
        return f"lockstep {verb} {self.pipeline} {self.option}"

    def page(self, check: str, run: str | None = None) -> str:
        """Path of the page in Dagster's UI that shows a check's result here.

        A check's own page begins with its latest execution, whatever the partition, and a
        partition's has nothing of one that was blocked; so the page of a result in a partition is
        that of the run, with the events of the check alone, or that of the partition's events. A
        finding of no check, such as a damaged record, has the page of all the asset's checks.

        Args:
            check: Name of the check; empty for none.
        """
        if self.partition is not None and run is not None and check in REMEDIES:
            return f"/runs/{quote(run, safe='')}?logs={check}"
        asset = "/assets/" + "/".join(quote(part, safe="") for part in self.asset.split("/"))
        if self.partition is not None:
            return f"{asset}?view=events&partitions%5B0%5D={quote(self.partition, safe='')}"
        return f"{asset}?view=checks" + (f"&checkDetail={check}" if check in REMEDIES else "")


@dataclass(frozen=True)
class Message:
    """A failed check's message to a person.

    Attributes:
        where: The column, the file with its line, keys of rows; the asset where none is known.
    """

    what: str
    where: str
    todo: str

    @classmethod
    def of(cls, check: str, result: CheckResult, place: Place) -> Message:
        """The message of a result."""
        todo = result.todo or REMEDIES.get(check, "Make it anew: AGAIN")
        return cls(result.summary, _where(result, place), told_of(todo, place, result))

    def __str__(self) -> str:
        return "\n".join((self.what, f"Where: {self.where}", f"What to do: {self.todo}"))


def told_of(todo: str, place: Place, result: CheckResult | None = None) -> str:
    """What to do about a failure, with the placeholders filled in; see `Check.remedy`."""
    todo, place = _by_own_name(todo, place)
    words = {
        "--day DAY": place.option,
        "PIPELINE": place.pipeline,
        "AGAIN": place.corrected,
        "WITHOUT_ROWS": place.without_rows,
    }
    if result is not None and result.column is not None:
        words["COLUMN"] = shlex.quote(result.column)
    if result is not None and result.keys:
        words["KEY"] = shlex.quote(result.keys[0])
    pattern = re.compile("|".join(rf"(?<!\w){re.escape(word)}(?!\w)" for word in words))
    return pattern.sub(lambda match: words[match.group()], todo)


def _by_own_name(todo: str, place: Place) -> tuple[str, Place]:
    """Replace the copy's name with the name that the command gave the file.

    A command that rewrites the file writes a new one, which is the one to score then.
    """
    if place.file is None or place.partition is None:
        return todo, place
    own, copy = Path(place.file), Path(place.partition)
    named = re.compile(rf'(?<=")[^"]*/(?:claimed|rejected)/{re.escape(copy.stem)}(-new)?(?=\.)')
    renamed = named.sub(lambda match: f"{own.with_suffix('')}{match[1] or ''}", todo)
    is_written_anew = any(match[1] for match in named.finditer(todo))
    anew = replace(place, file=str(own.with_name(f"{own.stem}-new.csv")))
    return renamed, anew if is_written_anew else place


def _where(result: CheckResult, place: Place) -> str:
    keys = [cut(key, _LONGEST_KEY) for key in list(dict.fromkeys(result.keys))[:_MOST_KEYS]]
    parts = (
        f"column {result.column}" if result.column is not None else "",
        f"also {listed(result.also)}" if result.also else "",
        result.where,
        f"key{'s' if len(keys) > 1 else ''} {', '.join(keys)}" if keys else "",
    )
    return "; ".join(filter(None, parts)) or str(place)
