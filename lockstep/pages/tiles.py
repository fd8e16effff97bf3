"""Tiles: a partition in a word, by the records of its attempts.

Records are read again only where the file system says that they changed: a page of ten pipelines
looks at some thousand days, nearly all of which are as they were.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from heapq import nlargest
from typing import Literal

from lockstep.checks.live_quality import QUALITY
from lockstep.checks.messages import Place
from lockstep.checks.reports import CheckReport
from lockstep.errors import DamagedError
from lockstep.pages.standing import FILE, JudgedCheck, acknowledged, judged_of, standing
from lockstep.store.attempts import Attempt
from lockstep.store.partition_records import Mark, Records, mark_of
from lockstep.store.status import (
    RECORD,
    Progress,
    Runs,
    StepFinding,
    damaged_record,
    nobody_knows,
    progress_of,
    recorded_findings,
)

TileState = Literal[
    "published",
    "not_judged",
    "warned",
    "failed",
    "blocked",
    "under_way",
    "broken_off",
    "damaged",
    "not_tried",
]


@dataclass(frozen=True)
class Sign:
    """How a state is shown, on pages and on terminals alike."""

    mark: str  # one character, as wide as any other on a terminal
    meaning: str
    color: str  # on a terminal; pages have theirs by the state's name


SIGNS: Mapping[TileState, Sign] = {
    "published": Sign("✓", "published", "green"),
    "not_judged": Sign("?", "published, a check had nothing to judge", "green"),
    "warned": Sign("!", "published, a check warns", "yellow"),
    "failed": Sign("✕", "published, a check failed", "red"),
    "blocked": Sign("■", "blocked by a check", "red"),
    "broken_off": Sign("↯", "broke off", "red"),
    "damaged": Sign("☠", "its record is damaged", "red"),
    "under_way": Sign("…", "under way", "blue"),
    "not_tried": Sign("–", "not tried", "dim"),
}
"""The sign of each state, in the order of legends."""
PUBLISHED: tuple[TileState, ...] = ("published", "not_judged", "warned", "failed")
"""The states of what consumers read as the last attempt made it."""
_ASIDE = ("quarantined", "duplicates", "held_back")


@dataclass(frozen=True)
class Tile:
    """The state of a partition, by its last attempt."""

    stream: str
    partition: str
    state: TileState  # published (with what checks found), or why it is not
    page: str  # path of the page in Dagster's UI that shows it
    at: str = ""  # when the last step ended, in ISO form; empty where none did
    # Since when it is as it is, in ISO form: that of the first of the attempts that came to nothing
    # in a row, or of the one that counts; empty where nobody knows.
    since: str = ""
    version: int | None = None  # the one that scored it
    rows: int = 0  # that came in
    quarantined: int = 0  # rows that were set aside
    unjudged: int = 0  # checks that had nothing to judge
    # Checks in error or that warn, in the order of the steps.
    findings: tuple[CheckReport, ...] = ()
    counts: int | None = None  # number of the attempt that counts
    # Of a look at outcomes, the figures of the last days; see `Watch.to_json`.
    quality: Mapping[str, Sequence[float | None]] = field(default_factory=dict, hash=False)


@dataclass(frozen=True)
class _Known:
    """A partition as it was seen last, while its mark stays."""

    mark: tuple[Mark, ...]
    number: int
    is_open: bool
    tile: Tile | None = None
    judged: tuple[JudgedCheck, ...] | None = None


class StreamHistory:
    """The partitions of a stream, as their records tell.

    Args:
        records: The records of the stream.
        assets: The asset of each step, in their order.
        has_partitions: Whether the assets have partitions, such as days.
    """

    def __init__(
        self, records: Records, assets: Mapping[str, str], *, has_partitions: bool = True
    ) -> None:
        self.records, self.assets, self.has_partitions = records, dict(assets), has_partitions
        self.runs: Runs = nobody_knows
        self._known: dict[str, _Known] = {}
        self._listed: tuple[Mark, Mark] | None = None
        self._folders: dict[str, str] = {}
        self._marks: dict[str, Mark] = {}
        self._standing: tuple[tuple[list[JudgedCheck], Mark], list[JudgedCheck]] | None = None

    @property
    def steps(self) -> tuple[str, ...]:
        """The steps of an attempt."""
        return tuple(self.assets)

    @property
    def is_of_table(self) -> bool:
        """Whether it is of the deliveries of a table."""
        return self.records.stream == "tables"

    @property
    def partitions(self) -> list[str]:
        """All partitions at the last look, in the order of their names."""
        return list(self._folders)

    def step_of(self, asset: str) -> str | None:
        """The step that makes an asset; None if none does."""
        return next((step for step, made in self.assets.items() if made == asset), None)

    def place(self, step: str, partition: str) -> Place:
        """The place of a step's checks."""
        return Place(self.assets[step], self._named(partition))

    def _named(self, partition: str) -> str | None:
        return partition if self.has_partitions else None

    def look(self) -> None:
        """Look which partitions there are, and which of them were attempted since the last look."""
        listed = self.records.folders()
        if listed != self._listed:
            names = sorted({*self.records.attempted(), *self.records.partitions()})
            self._folders = {name: self.records.folder(name) for name in names}
            self._marks.clear()  # a commit changed: each is looked at again
            self._listed = listed
        for name, folder in self._folders.items():
            mark = mark_of(folder)
            if self._marks.get(name) != mark:
                self._observe(name)
                self._marks[name] = mark

    def newest(self, most: int) -> list[str]:
        """The partitions attempted last, the earliest first."""
        return nlargest(most, self._marks, key=lambda name: self._marks[name][0])[::-1]

    def is_open(self, partition: str) -> bool:
        """Whether the last attempt at a partition does not count."""
        known = self._known.get(partition)
        return known is None or known.is_open

    def open(self) -> list[str]:
        """The partitions whose last attempt does not count, in the order of their names."""
        return [partition for partition in self._folders if self.is_open(partition)]

    def unfinished(self) -> list[str]:
        """The runs of the last attempts that neither count nor are blocked."""
        runs = []
        for partition in self.open():
            known = self._known.get(partition)
            if known is not None and known.tile is None:
                with suppress(DamagedError):  # its tile says so
                    last = self.records.last(partition)
                    runs += [last.record.run] if last and not last.record.is_blocked else []
        return runs

    def standing(self) -> list[JudgedCheck]:
        """The open findings about what was published at the last look.

        See `lockstep.pages.standing`.
        """
        judged = [each for name in self._folders for each in self._judged(name)]
        looked = judged, mark_of(f"{self.records.root}/{FILE}")
        if self._standing is None or self._standing[0] != looked:
            self._standing = looked, standing(judged, acknowledged(self.records))
        return self._standing[1]

    def _judged(self, partition: str) -> tuple[JudgedCheck, ...]:
        known = self._known.get(partition)
        if known is not None and known.judged is not None:
            return known.judged
        try:
            judged = judged_of(self.records, partition, self.assets, self._named(partition))
        except DamagedError:
            return ()  # its tile says so
        if known is not None:
            self._known[partition] = replace(known, judged=judged)
        return judged

    def tile(self, partition: str, *, anew: bool = True) -> Tile:
        """The state of a partition.

        Unless `anew`, an attempt that was edited since is not read again.
        """
        known = self._observe(partition) if anew else self._known.get(partition)
        if known is not None and known.tile is not None:
            return known.tile
        tile = self._read(partition)
        if known is not None and tile.state not in ("under_way", "broken_off", "damaged"):
            self._known[partition] = replace(known, tile=tile)
        return tile

    def _observe(self, partition: str) -> _Known | None:
        """Whether the last attempt counts, read again where a file changed; None if that is lost.

        A commit that is damaged may be mended without a trace in the mark.
        """
        known = self._known.get(partition)
        if known is not None and known.mark == self.records.mark(partition, known.number):
            return known
        number = max(self.records.numbers(partition), default=0)
        mark = self.records.mark(partition, number)
        try:
            commit = self.records.commit_of(partition)
        except DamagedError:
            self._known.pop(partition, None)
            return None
        counts = commit.attempt if commit is not None else 0
        self._known[partition] = _Known(mark, number, is_open=counts != number)
        return self._known[partition]

    def _read(self, partition: str) -> Tile:
        attempt, counts, is_damaged, named = None, None, False, self._named(partition)
        progress: Progress | None = None
        try:
            attempt, progress, found = recorded_findings(
                self.records, partition, self.steps, self.runs
            )
            commit = self.records.commit_of(partition)
            counts = commit.attempt if commit is not None else None
        except DamagedError as error:
            found, is_damaged = [damaged_record(partition, error, self.steps)], True
            if self._is_made_anew(partition):
                found, is_damaged, progress = [], False, "under_way"
        run = attempt.record.run if attempt is not None else None
        findings = tuple(
            CheckReport.found(self.assets[each.step], each.check, named, each.result, run)
            for each in found
            if each.result.judged and not each.result.passed
        )
        first = min(findings, key=lambda each: each.result != "failed", default=None)
        steps = [*attempt.record.steps.values()] if attempt is not None else []
        return Tile(
            stream=self.records.stream,
            partition=partition,
            state=_state(attempt, progress, found) if not is_damaged else "damaged",
            page=first.page if first else self.place(self.steps[-1], partition).page(""),
            at=max((step.finished_at for step in steps), default=""),
            since=self._since(partition, attempt, counts),
            version=_version(attempt) if attempt is not None else None,
            rows=max((step.counts.get("rows_in", 0) for step in steps), default=0),
            quarantined=sum(step.counts.get(kind, 0) for step in steps for kind in _ASIDE),
            unjudged=sum(not each.result.judged for each in found if each.check != RECORD),
            findings=findings,
            counts=counts,
            quality=steps[-1].facts.get(QUALITY, {}) if steps else {},
        )

    def _since(self, partition: str, last: Attempt | None, counts: int | None) -> str:
        """When the last attempt ended, or the first of those in a row that came to nothing.

        Attempts at what has no partitions are about another thing with each version.
        """
        if last is None:
            return ""
        first, kept = last, self.records.numbers(partition)
        for number in reversed(kept[: kept.index(last.number)]):
            if counts in (number, last.number):
                break
            try:
                before = self.records.attempt(partition, number)
            except DamagedError:
                break
            if not self.has_partitions and _version(before) != _version(last):
                break
            first = before
        steps = first.record.steps.values()
        return max((step.finished_at for step in steps), default=first.record.started_at)

    def _is_made_anew(self, partition: str) -> bool:
        """Whether an attempt goes on at a partition of which another record is damaged."""
        try:
            last = self.records.last(partition)
        except DamagedError:
            return False
        if last is None or last.record.is_blocked or {*self.steps} <= {*last.record.steps}:
            return False
        return progress_of(self.records, last, self.runs) == "under_way"


def _state(
    attempt: Attempt | None, progress: Progress | None, found: Sequence[StepFinding]
) -> TileState:
    """The state of a partition whose records are whole."""
    if progress is not None:
        return "broken_off" if progress == "broken_off" else "under_way"
    if attempt is None:
        return "not_tried"
    if attempt.record.is_blocked:
        return "blocked"
    results = {each.result.result for each in found}
    worst: tuple[TileState, ...] = ("failed", "warned", "not_judged")
    return next((state for state in worst if state in results), "published")


def _version(attempt: Attempt) -> int | None:
    """The version that the last step of an attempt used."""
    steps = [*attempt.record.steps.values()]
    return next((step.version for step in reversed(steps) if step.version), None)
