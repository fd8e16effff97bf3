"""News: the fates of files in the inboxes, as they happen."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime

from lockstep.store.fates import Fate, Inbox

_INDENT = " " * 10
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

    def lines(self, dagster: str) -> Iterator[str]:
        """The new fates of files, in lines for a console, with pages at Dagster's address."""
        for inbox in self._inboxes:
            before, now = self._seen[inbox.pipeline], inbox.told()
            self._seen[inbox.pipeline] = now
            for text in sorted(now, key=lambda name: now[name]):
                fate = inbox.fate_told(text) if now[text] != before.get(text) else None
                if fate is not None and not (fate.state in _TOLD_ONCE and text in before):
                    yield from _lines(inbox.pipeline, fate, dagster)


def _stamped(pipeline: str, text: str) -> str:
    return f"{datetime.now().astimezone():%H:%M:%S}  {pipeline}  {text}"


def _lines(pipeline: str, fate: Fate, dagster: str) -> Iterator[str]:
    yield _stamped(pipeline, f"{fate.state}: {fate.message.what}")
    if fate.state in ("blocked", "rejected", "failed", "changed", "left"):
        yield f"{_INDENT}Where: {fate.message.where}"
        yield f"{_INDENT}What to do: {fate.message.todo}"
    if fate.page is not None:
        yield f"{_INDENT}{dagster}{fate.page}"
