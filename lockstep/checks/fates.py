"""Fates of the files of an inbox, in a text beside each of them.

    claimed/NAME, claimed/NAME.txt      it waits, is published, or is blocked by a check
    rejected/NAME, rejected/NAME.txt    it cannot be read
    repeated/NAME, repeated/NAME.txt    its content came before
    NAME, NAME.txt                      it is never claimed as it is

The records of the partitions are the truth; a text is written from them after each step of scoring.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from lockstep.checks.messages import Message, Place
from lockstep.columns.plain import counted, shown_name
from lockstep.errors import DamagedError
from lockstep.store.attempts import Attempt
from lockstep.store.disks import replace_text
from lockstep.store.inbox import (
    TEXT,
    LeftAlone,
    digest_of_name,
    files_in,
    is_text_of_left,
    left_alone,
    text_beside,
)
from lockstep.store.partition_records import Commit, Records
from lockstep.store.status import STEPS

State = Literal[
    "waiting", "published", "blocked", "rejected", "repeated", "failed", "changed", "left"
]


@dataclass(frozen=True)
class Fate:
    """The fate of a file."""

    state: State  # the word with which the text begins
    file: Path
    message: Message  # what became of it, where its rows are, and what to do
    # Path of the failed check's page in Dagster's UI; None without a failed check.
    page: str | None = None

    @property
    def text(self) -> Path:
        """The text beside the file."""
        return text_beside(self.file)


@dataclass(frozen=True)
class Inbox:
    """An inbox, with the records of its files."""

    pipeline: str
    folder: Path
    records: Records

    def file(self, partition: str) -> Path | None:
        """Path of a partition's file; None if somebody took it away."""
        places = (self.folder / name / partition for name in ("claimed", "rejected"))
        return next((path for path in places if path.exists()), None)

    def fate(self, partition: str) -> Fate | None:
        """The fate of a partition's file; None if there is no such file."""
        file = self.file(partition)
        if file is None:
            return None
        try:
            attempt = self.records.last(partition)
            commit = self.records.commit_of(partition)
        except DamagedError as error:
            return self._failed(file, str(error))
        if attempt is None:
            return Fate("waiting", file, self._message(file, "it is complete and will be scored."))
        if commit is not None and commit.attempt == attempt.number:
            return self._published(file, attempt)
        for step in STEPS:
            done = attempt.record.steps.get(step)
            if done is not None and done.blocked_by:
                return self._blocked(file, step, attempt, commit)
        what = "it is being scored."
        if commit is not None:  # whether the later one goes on or was killed
            what = (
                f"attempt {commit.attempt} at it is published; attempt {attempt.number} is not "
                "through."
            )
        return Fate("waiting", file, self._message(file, what))

    def unpublished(self, partitions: Iterable[str]) -> list[str]:
        """The given partitions that consumers cannot read as committed, in their order."""
        published = {*self.records.partitions()} - {*self.records.unexported()}
        return [partition for partition in partitions if partition not in published]

    def tell_broken_off(self, partition: str, *, is_tried_again: bool) -> None:
        """Write beside a file that its run was killed, once, unless a process is at work on it."""
        file = self.file(partition)
        if file is None or self.records.holder(partition) is not None:
            return
        if is_tried_again:
            what = "its run was killed before it was through; it is scored again."
            fate = Fate("waiting", file, self._message(file, what))
        else:
            fate = self._failed(file, "its runs were killed before they were through.")
        _write_if_new(fate)

    def tell_changed(self, partition: str, *, is_changed: bool) -> Fate | None:
        """Write beside a claimed file that it was changed since; or its fate, once it no longer is.

        Returns the fate, if it was not written there yet.
        """
        file = self.file(partition)
        if file is None:
            return None
        if is_changed:
            what = (
                "it was changed after it was claimed: it holds another content than its name "
                "tells, which is not scored. What may be published of it is of its first content."
            )
            todo = f"Move it to {self._near(self.folder)} to have it scored as a file of its own."
            fate = Fate("changed", file, self._message(file, what, todo=todo))
            return fate if _write_if_new(fate) else None
        was_changed = (_told_beside(text_beside(file)) or "").startswith("changed: ")
        return self.tell(partition) if was_changed else None

    def tell_left(self, in_store: Sequence[LeftAlone] = ()) -> list[Fate]:
        """Write beside what is never claimed why that is, and remove texts that hold no longer.

        Texts of what is left alone in an object store lie in the inbox. Returns what was not told
        yet.
        """
        entries = (*left_alone(self.folder), *in_store)
        fates = [Fate("left", entry.path, self._left(entry)) for entry in entries]
        texts = {fate.text for fate in fates}
        for text in self.folder.glob(f"*{TEXT}"):
            if text not in texts and is_text_of_left(text):
                text.unlink(missing_ok=True)
        free = (fate for fate in fates if not fate.text.exists() or is_text_of_left(fate.text))
        return [fate for fate in free if _write_if_new(fate)]

    def _left(self, entry: LeftAlone) -> Message:
        name = text_beside(entry.path).name.removesuffix(TEXT)  # by which the text is known again
        what = f"{name} {entry.why}; it is left alone."
        return Message(what, entry.where or shown_name(self._near(entry.path)), entry.todo)

    def told(self) -> dict[Path, int]:
        """The texts beside files, each with the time at which it was written, in ns."""
        texts = {}
        beside_left = filter(is_text_of_left, self.folder.glob(f"*{TEXT}"))
        for text in (*self.folder.glob(f"*/*{TEXT}"), *beside_left):
            with suppress(FileNotFoundError):  # its file was moved meanwhile
                texts[text] = text.stat().st_mtime_ns
        return texts

    def tell(self, partition: str, error: Exception | None = None) -> Fate | None:
        """Write the fate of a partition's file beside it, and beside its repetitions.

        `error` is why a step could not be carried out. None where there is no such file.
        """
        file = self.file(partition)
        fate = self.fate(partition) if error is None or file is None else self._failed(file, error)
        if fate is None:
            return None
        for place in {"claimed", "rejected"} - {fate.file.parent.name}:
            (self.folder / place / fate.text.name).unlink(missing_ok=True)
        _write(fate)
        for repeated in files_in(self.folder / "repeated"):
            if digest_of_name(repeated) == digest_of_name(fate.file):
                _write(self._repeated(repeated, fate))
        return fate

    def untold(self) -> Iterator[Fate]:
        """Write and give the fates of files that have no text yet: that wait, or came before."""
        claimed, repeated = (
            [file for file in files_in(self.folder / place) if not text_beside(file).exists()]
            for place in ("claimed", "repeated")
        )
        yield from filter(None, (self.tell(file.name) for file in claimed))
        for file in repeated:
            fate = self._repetition(file)
            _write(fate)
            yield fate

    def _repetition(self, file: Path) -> Fate:
        same = [
            path.name
            for place in ("claimed", "rejected")
            for path in files_in(self.folder / place)
            if digest_of_name(path) == digest_of_name(file)
        ]
        return self._repeated(file, self.fate(same[0]) if same else None)

    def _published(self, file: Path, attempt: Attempt) -> Fate:
        counts = {**attempt.record.steps["batch"].counts, **attempt.record.steps["scored"].counts}
        aside = sum(
            attempt.record.steps[step].counts.get(kind, 0)
            for step in ("batch", "scored")
            for kind in ("quarantined", "duplicates", "held_back")
        )
        where = self._near(self.records.export_path(file.name))
        if aside:
            where += (
                f"; rows set aside with their reasons: {self._near(attempt.folder)}/*_quarantine"
            )
        what = (
            f"{counted(counts['rows_in'], 'row')} in, {counts['scored']:,} scored by version "
            f"{attempt.record.steps['scored'].version}, {aside:,} set aside."
        )
        todo = f"Nothing. What the checks found: `{self._checks(file)}`"
        return Fate("published", file, self._message(file, what, where, todo))

    def _blocked(self, file: Path, step: str, attempt: Attempt, commit: Commit | None) -> Fate:
        done = attempt.record.steps[step]
        check = next(iter(done.blocked_by))
        place = Place(f"{self.pipeline}/inbox/{step}", file.name)
        failure = Message.of(check, done.results[check], place)
        more = f" (and {len(done.blocked_by) - 1} more)" if len(done.blocked_by) > 1 else ""
        what = f"{check}{more} failed: {failure.what}"
        if commit is not None:
            stays = self._near(self.records.export_path(file.name))
            what += f" What attempt {commit.attempt} published stays: {stays}."
        message = self._message(file, what, failure.where, failure.todo)
        state: State = "rejected" if file.parent.name == "rejected" else "blocked"
        return Fate(state, file, message, place.page(check))

    def _failed(self, file: Path, error: object) -> Fate:
        what = f"it could not be scored: {error}"
        todo = f"Put that right; then: `{self.records.again(file.name)}`"
        return Fate("failed", file, self._message(file, what, todo=todo))

    def _repeated(self, file: Path, first: Fate | None) -> Fate:
        if first is None:
            what = "its content came before, in a file that is there no longer."
            return Fate("repeated", file, self._message(file, what, todo="Nothing."))
        what = f"its content came before, and is scored once; {first.state}: {first.message.what}"
        message = self._message(file, what, first.message.where, first.message.todo)
        return Fate("repeated", file, message)

    def _message(self, file: Path, what: str, where: str = "", todo: str = "Wait.") -> Message:
        return Message(f"{file.name}: {what}", where or self._near(file), todo)

    def _near(self, path: Path) -> str:
        """A path relative to the home, which may be moved."""
        home = self.folder.parent.parent
        return str(path.relative_to(home)) if path.is_relative_to(home) else str(path)

    def _checks(self, file: Path) -> str:
        return f"lockstep checks {self.pipeline} {Place('p/inbox/batch', file.name).option}"


def _write(fate: Fate) -> None:
    replace_text(fate.text, _as_text(fate))


def _write_if_new(fate: Fate) -> bool:
    """Write a fate unless it is written there already; returns whether it was not."""
    is_new = _told_beside(fate.text) != _as_text(fate)
    if is_new:
        _write(fate)
    return is_new


def _told_beside(text: Path) -> str | None:
    """The text beside a file, which somebody may have edited in any encoding; None without one."""
    try:
        return text.read_text(encoding="utf-8", errors="replace")
    except FileNotFoundError:
        return None


def _as_text(fate: Fate) -> str:
    return f"{fate.state}: {fate.message}\n"
