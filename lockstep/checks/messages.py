"""Messages: what a failure says to a person, in three lines: what, where, and what to do."""

from __future__ import annotations

import re
import shlex
from dataclasses import dataclass, replace
from pathlib import Path
from urllib.parse import quote

from lockstep.checks.check_results import CheckResult
from lockstep.checks.specs import REMEDIES
from lockstep.columns.plain import cut, listed

_MOST_KEYS = 5
_LONGEST_KEY = 80
_WHERE, _TODO = "Where: ", "What to do: "
_TRAINED = ("history", "training_set", "candidate")


@dataclass(frozen=True)
class Place:
    """What a check was carried out on.

    Attributes:
        asset: Key of the asset, such as `flight_delay/daily/batch`.
        partition: The day, file or segment, if it has partitions.
        file: The file as whoever asked to have it scored named it; None where nobody did, as of
            one that came into the inbox.
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
        """The option of a command that names the partition."""
        stream = self.asset.split("/")[1:2]
        unit = "file" if stream == ["inbox"] else "segment" if stream == ["requests"] else "day"
        named = shlex.quote(self.partition) if self.partition is not None else unit.upper()
        return f"--{unit} {named}"

    @property
    def is_file(self) -> bool:
        """Whether its partition is a file of the inbox, which holds that content for ever."""
        return self.asset.split("/")[1:2] == ["inbox"]

    @property
    def corrected(self) -> str:
        """How to have it scored once it was corrected: the partition of a file never is."""
        if not self.is_file:
            return f"`{self.again}`"
        if self.file is not None:
            return f"`lockstep score {self.pipeline} --file {shlex.quote(self.file)}`"
        return f"drop the corrected file into the inbox; the same content again: `{self.again}`"

    @property
    def again(self) -> str:
        """The command that makes anew what was checked."""
        kind = self.asset.rpartition("/")[2]
        if kind in _TRAINED:
            return f"lockstep train {self.pipeline}"
        if kind == "champion":
            return f"lockstep promote {self.pipeline}"
        verb = {"outcomes": "outcomes", "requests": "replay"}.get(kind, "score")
        return f"lockstep {verb} {self.pipeline} {self.option}"

    def page(self, check: str) -> str:
        """The page of a check in Dagster's UI, without the address of that.

        What no check found, such as a damaged record, has that of all checks of the asset.
        """
        asset = "/".join(quote(part, safe="") for part in self.asset.split("/"))
        page = f"/assets/{asset}?view=checks"
        return f"{page}&checkDetail={check}" if check in REMEDIES else page


@dataclass(frozen=True)
class Message:
    """What a check found that did not pass, for a person.

    Attributes:
        what: What was found.
        where: The column, the file with its line, keys of rows; the asset where none is known.
        todo: What to do.
    """

    what: str
    where: str
    todo: str

    @classmethod
    def of(cls, check: str, found: CheckResult, place: Place) -> Message:
        """The message of a result.

        Args:
            check: Name of the check.
            found: What it found.
            place: What it was carried out on.
        """
        todo = found.todo or REMEDIES.get(check, "Make it anew: AGAIN")
        return cls(found.summary, _where(found, place), told_of(todo, place, found))

    @classmethod
    def from_text(cls, text: str) -> Message | None:
        """The message that was made into this text, of lines or paragraphs; None if none was."""
        rest, _, todo = text.rpartition(f"\n{_TODO}")
        what, _, where = rest.rpartition(f"\n{_WHERE}")
        return cls(what.removesuffix("\n"), where.removesuffix("\n"), todo) if where else None

    @property
    def paragraphs(self) -> str:
        """The text for where it is taken for Markdown, which makes one line of lines."""
        return "\n\n".join(self._lines)

    def __str__(self) -> str:
        return "\n".join(self._lines)

    @property
    def _lines(self) -> tuple[str, str, str]:
        return self.what, f"{_WHERE}{self.where}", f"{_TODO}{self.todo}"


def told_of(todo: str, place: Place, found: CheckResult | None = None) -> str:
    """What to do about a failure, with what its words stand for; see `Check.remedy`.

    Args:
        todo: The words.
        place: What the check was carried out on.
        found: What it found; without it COLUMN and KEY are left as they are.
    """
    todo, place = _by_own_name(todo, place)
    words = {"--day DAY": place.option, "PIPELINE": place.pipeline, "AGAIN": place.corrected}
    if found is not None and found.column is not None:
        words["COLUMN"] = shlex.quote(found.column)
    if found is not None and found.keys:
        words["KEY"] = shlex.quote(found.keys[0])
    pattern = re.compile("|".join(rf"(?<!\w){re.escape(word)}(?!\w)" for word in words))
    return pattern.sub(lambda match: words[match.group()], todo)


def _by_own_name(todo: str, place: Place) -> tuple[str, Place]:
    """What to do about a file that somebody named, with that name instead of that of its copy.

    Where a command writes it anew, what that writes is what is to be scored then.
    """
    if place.file is None or place.partition is None:
        return todo, place
    own, copy = Path(place.file), Path(place.partition)
    named = re.compile(rf'(?<=")[^"]*/(?:claimed|rejected)/{re.escape(copy.stem)}(-new)?(?=\.)')
    told = named.sub(lambda found: f"{own.with_suffix('')}{found[1] or ''}", todo)
    is_written_anew = any(found[1] for found in named.finditer(todo))
    anew = replace(place, file=str(own.with_name(f"{own.stem}-new.csv")))
    return told, anew if is_written_anew else place


def _where(found: CheckResult, place: Place) -> str:
    keys = [cut(key, _LONGEST_KEY) for key in list(dict.fromkeys(found.keys))[:_MOST_KEYS]]
    parts = (
        f"column {found.column}" if found.column is not None else "",
        f"also {listed(found.also)}" if found.also else "",
        found.where,
        f"key{'s' if len(keys) > 1 else ''} {', '.join(keys)}" if keys else "",
    )
    return "; ".join(filter(None, parts)) or str(place)
