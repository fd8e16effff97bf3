"""News: the fates of files in the inboxes, as they happen."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime
from pathlib import Path

from lockstep.columns.files import READERS
from lockstep.store.fates import Inbox
from lockstep.store.inbox import unsupported_files

_INDENT = " " * 10
_TOLD_WHOLE = ("blocked", "rejected", "failed")
_TOLD_ONCE = ("waiting", "repeated")
"""States that are shown only when a file is new, since they last."""


class News:
    """The new fates of files since the last look.

    They are read from the texts beside the files, which every process writes that scores a file.

    Args:
        inboxes: The inboxes.
    """

    def __init__(self, inboxes: Sequence[Inbox]) -> None:
        self._inboxes = inboxes
        self._seen = {inbox.pipeline: inbox.told() for inbox in inboxes}
        self._left: dict[str, set[str]] = {inbox.pipeline: set() for inbox in inboxes}

    def lines(self, dagster: str) -> Iterator[str]:
        """The new fates of files, in lines for a console, with pages at Dagster's address."""
        for inbox in self._inboxes:
            before, now = self._seen[inbox.pipeline], inbox.told()
            self._seen[inbox.pipeline] = now
            for text in sorted(now, key=lambda path: now[path]):
                if now[text] != before.get(text):
                    yield from _lines(inbox, text, dagster, is_new=text not in before)
            yield from self._left_alone(inbox)

    def _left_alone(self, inbox: Inbox) -> Iterator[str]:
        """New files of a kind that nobody takes, so that no text lies beside them."""
        left = unsupported_files(inbox.folder)
        for name in left:
            if name not in self._left[inbox.pipeline]:
                why = f"it is a link, or none of {', '.join(READERS)}"
                yield _stamped(inbox.pipeline, f"left alone: {name}: {why}.")
        self._left[inbox.pipeline] = set(left)


def _stamped(pipeline: str, text: str) -> str:
    return f"{datetime.now().astimezone():%H:%M:%S}  {pipeline}  {text}"


def _lines(inbox: Inbox, text: Path, dagster: str, *, is_new: bool) -> Iterator[str]:
    """The lines of a text as they stand, with the page of the check that failed."""
    file = text.with_suffix("")
    try:
        lines = text.read_text(encoding="utf-8").splitlines()
    except FileNotFoundError:  # its file was moved meanwhile
        return
    state = lines[0].partition(":")[0]
    if not file.is_file() or (state in _TOLD_ONCE and not is_new):
        return
    first, *rest = lines if state in _TOLD_WHOLE else lines[:1]
    yield _stamped(inbox.pipeline, first)
    yield from (f"{_INDENT}{line}" for line in rest)
    fate = inbox.fate(file.name)
    if fate is not None and fate.state == state and fate.page is not None:
        yield f"{_INDENT}{dagster}{fate.page}"
