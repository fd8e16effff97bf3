"""The log of a serving process: every request is logged before it is answered."""

from __future__ import annotations

import logging
import secrets
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from threading import Event, Lock, Thread
from typing import Self

from lockstep.columns.kinds import Kind
from lockstep.columns.plain import counted, verb
from lockstep.errors import UnloggedError
from lockstep.serving.requestlog.log_blocks import Answered, BlockLayout, logged_origins, sampled
from lockstep.serving.requestlog.log_segments import (
    OPEN,
    Header,
    remove_superseded,
    segment_names,
    segment_path,
)
from lockstep.serving.requestlog.redaction import keyed_hashes, log_key
from lockstep.serving.requestlog.segment_files import (
    ASIDE,
    Recovered,
    SegmentFile,
    demand_room,
    has_room,
    recover,
    seal_asked,
)
from lockstep.serving.requestlog.settings import RequestLog
from lockstep.serving.versions.request_scorer import Key, Scorer
from lockstep.store.disks import make_folder

_TICK_SECONDS = 1.0
"""How often open segments are forced to disk, or sealed for their age."""
_SWEEP_SECONDS = 60.0
"""How often segments of killed processes are recovered, and old ones removed."""

_logger = logging.getLogger(__name__)


@dataclass
class Counts:
    """What became of requests and segments since the log was opened."""

    logged: int = 0  # requests
    left_out: int = 0  # requests, by the share that is logged
    refused: int = 0  # requests that could not be logged
    unlogged: int = 0  # requests that could not be logged, and were answered
    written_bytes: int = 0
    failures: int = 0  # of the disk
    sealed: int = 0  # segments
    removed: int = 0  # segments, for their age or size
    lost: int = 0  # segments among the removed that were never replayed
    recovered: int = 0  # requests in segments that killed processes left behind
    torn_bytes: int = 0  # bytes of these segments that were no whole block, and were set aside


class Log:
    """The log of one process; others may write to the same folder at the same time.

    Several threads may use it. As a context, it recovers segments of killed processes, looks after
    its own in a thread, and seals them at the end. The folder `replayed` has a file NAME.json for
    each segment that was replayed; without it, none was.
    """

    def __init__(self, folder: Path, settings: RequestLog, replayed: Path | None = None) -> None:
        self.folder, self.settings = folder, settings
        self.counts = Counts()
        self.failing: str | None = None  # why the disk takes nothing at present; None where it does
        self.overdue = 0  # segments older than `keep`, and kept since they were not replayed
        # called with the counts once a second, in the log's thread
        self.on_tick: list[Callable[[Counts], None]] = []
        self._hashes = keyed_hashes(log_key()) if settings.hash else None
        self._token, self._number = secrets.token_hex(4), 0
        self._lock = Lock()
        self._open: dict[Key, tuple[SegmentFile, BlockLayout]] = {}
        self._full: list[SegmentFile] = []
        self._replayed, self._seal_asked = replayed, 0
        self._wake, self._closing = Event(), Event()
        self._keeper = Thread(target=self._keep, name="request-log", daemon=True)

    def __enter__(self) -> Self:
        self._sweep()
        self._look_for_room()
        self._keeper.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._closing.set()
        self._wake.set()
        self._keeper.join()
        with self._lock:
            for key in list(self._open):
                self._retire(key)
        self._seal_full()

    @property
    def is_refusing(self) -> bool:
        """Whether requests are refused at present, since they cannot be logged."""
        return self.failing is not None and self.settings.when_full == "refuse"

    def record(self, scorer: Scorer, answered: Sequence[Answered]) -> None:
        """Log requests that are about to be answered, in the order of computation.

        Raises UnloggedError where they cannot be logged, and `when_full` says to refuse them.
        """
        now, wall = time.monotonic(), time.time_ns() // 1000
        wanted = answered
        if self.settings.share < 1:
            wanted = sampled(answered, self.settings.share)
        with self._lock:
            try:
                self._write(scorer, wanted, len(answered) - len(wanted), now, wall)
            except OSError as error:
                self._fail(error, scorer.key, len(wanted))

    def _write(
        self, scorer: Scorer, wanted: Sequence[Answered], left_out: int, now: float, wall: int
    ) -> None:
        file, layout = self._open.get(scorer.key) or self._begin(scorer)
        file.left_out += left_out
        self.counts.left_out += left_out
        if not wanted:
            return
        before = file.size
        blocks = layout.blocks(wanted, now=now, wall=wall)
        file.append(blocks, force=self.settings.flush == "always")
        if self.failing is not None and has_room(self.folder):  # little may fit into a full disk
            self._recover()
        self.counts.logged += len(wanted)
        self.counts.written_bytes += file.size - before
        if file.size >= self.settings.segment_bytes:
            self._retire(scorer.key)

    def _begin(self, scorer: Scorer) -> tuple[SegmentFile, BlockLayout]:
        loaded, redacted = scorer.loaded, self.settings.redacted
        graph = scorer.pipeline.graph

        def kinds(names: Sequence[str]) -> dict[str, Kind]:
            logged = (name for name in names if redacted.get(name) != "dropped")
            return {name: Kind.TEXT if name in redacted else graph.kind(name) for name in logged}

        started = datetime.now(UTC)
        header = Header(
            pipeline=loaded.name,
            version=loaded.version,
            manifest=loaded.digest,
            fields=kinds(scorer.pipeline.record_schema.names),
            outputs=kinds(graph.outputs),
            redacted=dict(redacted),
            share=self.settings.share,
            started_at=started.isoformat(),
            origins=logged_origins(scorer, redacted),
        )
        self._number += 1
        name = f"{started:%Y%m%dT%H%M%S.%fZ}-{self._token}-{self._number:06}{OPEN}"
        file = SegmentFile(self.folder / name, header)
        self._open[scorer.key] = file, BlockLayout.of(header, self._hashes)
        return self._open[scorer.key]

    def _retire(self, key: Key) -> None:
        """Have a version's segment sealed."""
        self._full.append(self._open.pop(key)[0])
        self._wake.set()

    def _fail(self, error: OSError, key: Key, requests: int) -> None:
        """Refuse requests that cannot be logged, or let them pass, as `when_full` says."""
        self._note(error)
        if key in self._open and not self._open[key][0].is_sound:
            self._retire(key)
        if self.settings.when_full == "refuse":
            self.counts.refused += requests
            raise UnloggedError("The request log cannot be written, and nothing goes unlogged.")
        self.counts.unlogged += requests

    def _note(self, error: OSError) -> None:
        self.counts.failures += 1
        self._mark(error)

    def _mark(self, error: OSError) -> None:
        if self.failing is None:
            _logger.error("The request log in %s cannot be written: %s", self.folder, error)
        self.failing = error.strerror or str(error)

    def _recover(self) -> None:
        if self.failing is not None:
            _logger.warning("The request log in %s can be written again", self.folder)
        self.failing = None

    def _keep(self) -> None:
        """Look after the segments, until the log is closed."""
        swept = time.monotonic()
        while not self._closing.is_set():
            self._wake.wait(_TICK_SECONDS)
            self._wake.clear()
            self.tend()
            for listener in self.on_tick:
                listener(self.counts)
            if time.monotonic() - swept >= _SWEEP_SECONDS:
                self._sweep()
                swept = time.monotonic()

    def tend(self) -> None:
        """Force segments to disk as declared, and seal those that are full, old, or asked for."""
        self._look_for_room()
        oldest = time.monotonic() - self.settings.segment_age.total_seconds()
        asked = seal_asked(self.folder)
        if asked != self._seal_asked:
            self._seal_asked, oldest = asked, float("inf")
        with self._lock:
            for key, (file, _) in list(self._open.items()):
                if file.since <= oldest:
                    self._retire(key)
        self._seal_full()
        if self.settings.flush == "interval":
            self._flush()

    def _look_for_room(self) -> None:
        """Note a full disk before a request meets it, and that it has room again.

        While it is full, a load balancer sends no request that would show that it has room.
        """
        try:
            if self.failing is None and has_room(self.folder):
                return
            make_folder(self.folder, private=True)
            demand_room(self.folder, f".room-{self._token}")
        except OSError as error:
            self._mark(error)
        else:
            self._recover()

    def _flush(self) -> None:
        """Force new blocks to disk."""
        with self._lock:
            files = [file for file, _ in self._open.values()]
        for file in files:
            try:
                file.flush()
            except OSError as error:
                self._note(error)

    def _seal_full(self) -> None:
        while True:
            with self._lock:
                if not self._full:
                    return
                file = self._full.pop(0)
            try:
                sealed = file.seal(force=self.settings.flush != "never")
            except OSError as error:
                self._note(error)  # it is recovered later, as one of a killed process
                continue
            self.counts.sealed += sealed is not None

    def _sweep(self) -> None:
        """Recover segments of killed processes, and remove old ones."""
        try:
            for recovered in recover(self.folder):
                self.counts.recovered += recovered.requests
                self.counts.torn_bytes += recovered.torn
                _tell(recovered)
            self._tell_retained(remove_old(self.folder, self.settings, self._replayed))
        except OSError as error:
            self._note(error)

    def _tell_retained(self, retained: Retained) -> None:
        self.counts.removed += retained.removed
        self.counts.lost += retained.lost
        kept = retained.removed - retained.lost
        if kept:
            are = f"{counted(kept, 'segment')} {verb(kept, 'was', 'were')}"
            _logger.info("%s removed from %s, as `keep` says", are, self.folder)
        if retained.lost:
            _logger.error(
                "%s removed from %s before being replayed, since `keep_bytes` has no room for more",
                f"{counted(retained.lost, 'segment')} {verb(retained.lost, 'was', 'were')}",
                self.folder,
            )
        if retained.overdue > self.overdue:
            _logger.warning(
                "%s in %s %s older than `keep` says, and kept until replayed: turn Dagster's "
                "sensor on, or use lockstep replay. Or the clock runs ahead.",
                counted(retained.overdue, "segment"),
                self.folder,
                verb(retained.overdue, "is", "are"),
            )
        self.overdue = retained.overdue


def _tell(recovered: Recovered) -> None:
    kept, requests, aside = "it held no request", recovered.requests, recovered.aside
    if recovered.path:
        are = verb(requests, "is", "are")
        kept = f"{counted(requests, 'request')} {are} kept as {recovered.path}"
    torn = f"; {recovered.torn:,} torn bytes are set aside as {aside}" if aside else ""
    _logger.warning("A segment was left behind by a process that was killed: %s%s", kept, torn)


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

    A segment that was replayed goes when it is older than `keep`. One that was not is kept until
    there is no room for it: a clock that runs ahead takes nothing that nobody has looked at.
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
