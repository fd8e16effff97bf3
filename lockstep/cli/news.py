"""News: the fates of files in the inboxes, as they happen."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime
from pathlib import Path

from lockstep.store.fates import Inbox
from lockstep.store.inbox import is_beside

_INDENT = " " * 10
_TOLD_WHOLE = ("blocked", "rejected", "failed", "changed", "left")
_TOLD_ONCE = ("waiting", "repeated")
"""States that are shown only when a file is new, since they last."""


class News:
    """The new fates of files since the last look.

    They are read from the texts beside the files, which every process writes that scores a file.
    """

    def __init__(self, inboxes: Sequence[Inbox]) -> None:
        self._inboxes = inboxes
        self._seen = {inbox.pipeline: inbox.told() for inbox in inboxes}

    def lines(self, dagster: str) -> Iterator[str]:
        """The new fates of files, in lines for a console, with pages at Dagster's address."""
        for inbox in self._inboxes:
            before, now = self._seen[inbox.pipeline], inbox.told()
            self._seen[inbox.pipeline] = now
            for text in sorted(now, key=lambda path: now[path]):
                if now[text] != before.get(text):
                    yield from _lines(inbox, text, dagster, is_new=text not in before)


def _stamped(pipeline: str, text: str) -> str:
    return f"{datetime.now().astimezone():%H:%M:%S}  {pipeline}  {text}"


def _lines(inbox: Inbox, text: Path, dagster: str, *, is_new: bool) -> Iterator[str]:
    """The lines of a text as they stand, with the page of the check that failed."""
    try:
        lines = text.read_text(encoding="utf-8", errors="replace").splitlines()
    except FileNotFoundError:  # its file was moved meanwhile
        return
    state = lines[0].partition(":")[0]
    is_there = state == "left" or is_beside(text)  # what is left may be in an object store
    if not is_there or (state in _TOLD_ONCE and not is_new):
        return
    first, *rest = lines if state in _TOLD_WHOLE else lines[:1]
    yield _stamped(inbox.pipeline, first)
    yield from (f"{_INDENT}{line}" for line in rest)
    fate = inbox.fate(text.stem)
    if fate is not None and fate.state == state and fate.page is not None:
        yield f"{_INDENT}{dagster}{fate.page}"
