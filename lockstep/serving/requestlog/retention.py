"""Retention: how long sealed segments are kept.

A segment that was replayed goes when it is older than `keep`. One that was not is kept until there
is no room for it: a clock that runs ahead takes nothing that nobody has looked at.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from lockstep.serving.requestlog.log_segments import segment_names, segment_path
from lockstep.serving.requestlog.segment_files import ASIDE, remove_superseded
from lockstep.serving.requestlog.settings import RequestLog


@dataclass(frozen=True)
class Retained:
    """What became of the sealed segments of a folder."""

    removed: int  # for their age or size, with those that are lost
    lost: int  # those of them that were never replayed
    overdue: int  # older than `keep`, and kept since they were not replayed


def remove_old(
    folder: Path, settings: RequestLog, replayed: Path | None, now: datetime | None = None
) -> Retained:
    """Remove sealed segments that are too old or too many, and torn bytes as old as these.

    The folder `replayed` has a file NAME.json for each segment that was replayed; without it, none
    was.
    """
    now, keep = now or datetime.now(UTC), settings.keep
    oldest = (now - keep).timestamp() if keep is not None else float("-inf")
    remove_superseded(folder)
    for path in (folder / ASIDE).glob("*"):
        if path.stat().st_mtime < oldest:
            path.unlink(missing_ok=True)
    left = settings.keep_bytes
    removed = lost = overdue = 0
    for name in reversed(segment_names(folder)):
        path = segment_path(folder, name)
        try:
            stat = path.stat()
        except FileNotFoundError:  # another process removed it
            continue
        left = None if left is None else left - stat.st_size
        is_old, is_beyond = stat.st_mtime < oldest, left is not None and left < 0
        if not (is_old or is_beyond):
            continue
        is_replayed = replayed is not None and (replayed / f"{name}.json").exists()
        if is_beyond or is_replayed:
            path.unlink(missing_ok=True)
            removed += 1
            lost += not is_replayed
        else:
            overdue += 1
    return Retained(removed, lost, overdue)
