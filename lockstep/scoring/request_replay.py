"""Replay of answered requests: a segment of their log is a partition of its own.

The records stay in the segment alone, which is kept as long as the log's settings say. Here only
results are stored.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np

from lockstep.artifacts.version import LoadedVersion
from lockstep.checks.check_results import attempted, carry_out
from lockstep.checks.lookup_checks import (
    check_hits,
    check_lookup_hindsight,
    check_lookup_replay,
)
from lockstep.checks.request_checks import (
    check_request_drift,
    check_request_replay,
    served_lookups,
)
from lockstep.checks.specs import REQUEST_REPLAY, declared_checks, others_not_judged, worth_telling
from lockstep.checks.streams import request_records
from lockstep.errors import (
    ArtifactError,
    DamagedError,
    DamagedSegmentError,
    LockedError,
    MissingSegmentError,
    UnavailableFilesError,
    VersionNotFoundError,
)
from lockstep.project.declaration import PipelineAssets
from lockstep.serving.requestlog.log_segments import (
    LogSegment,
    read_segment,
    segment_names,
    segment_path,
)
from lockstep.store.attempts import Attempt, StepRecord, sha256
from lockstep.store.parquet import Store
from lockstep.store.partition_records import Records
from lockstep.store.pinned_tables import PinnedTables
from lockstep.store.results import CheckResult

if TYPE_CHECKING:
    from lockstep.parity.lookup_hindsight import LookedUpAgain

Mark: TypeAlias = tuple[int, int, int]
"""A file's size, and the times in ns at which its content and its metadata changed last; only the
system sets the latter."""
STEP = "requests"
_DIGEST = "segment"
"""Fact of a replay: SHA-256 of the segment's file, whatever the results."""
_NO_FILE = "none"
"""Stands for the digest of a folder with a segment's name: damage, to report once."""
_MOST_BYTES = 2 * 2**30
"""Bytes that a look reads where the next one comes soon: some seconds' work."""


@dataclass(frozen=True)
class ReplayedSegment:
    """A replayed segment.

    Attributes:
        counts: Numbers of requests and rows; empty where it cannot be read.
        figures: Further figures by title, such as latency in milliseconds.
        version: Number of the version that answered; None where that is not known.
    """

    path: Path
    counts: Mapping[str, int]
    figures: Mapping[str, float]
    results: Mapping[str, CheckResult]
    version: int | None


def replay_segment(
    declared: PipelineAssets,
    store: Store,
    path: Path,
    run: str,
    load: Callable[[int], LoadedVersion],
) -> ReplayedSegment:
    """Send the requests of a segment through the batch path, and record the results.

    A damaged segment, or one whose version cannot be loaded, is a failed check; a removed one is
    not judged.

    Raises:
        LockedError: Another process keeps the segment locked.
        UnavailableFilesError: The version's files cannot be had now.
        RegistryUnreachableError: The registry does not answer.
        OSError: The disk fails.
    """
    records = request_records(declared, store)
    with records.step(path.stem, STEP, run) as attempt:
        # Before it is read: a change meanwhile then shows, and the segment is judged again.
        digest = sha256(path) if path.is_file() else None
        keep = partial(_kept, records, attempt, path, digest)
        try:
            segment = read_segment(path)
        except MissingSegmentError as error:
            lacking = CheckResult.not_judged(str(error))
            results = {check.name: lacking for check in declared_checks(declared, STEP)}
            return keep(None, results)
        except DamagedSegmentError as error:
            return keep(None, _failed(declared, str(error), _DAMAGED))
        return keep(segment, _checks(declared, store, segment, load))


def open_segments(
    declared: PipelineAssets, store: Store, folder: Path, known: Mapping[str, Mark] | None = None
) -> tuple[dict[str, str], dict[str, Mark]]:
    """The segments that were not replayed in their present form, the oldest first.

    A segment that changed since its replay is open again.

    Args:
        declared: The pipeline.
        store: Where results are stored.
        folder: The request log.
        known: Marks of replayed segments from an earlier look: a segment with the same mark is not
            read again. Without marks, each is read.

    Returns:
        SHA-256 of each open segment by name, and the marks of the others. With marks, a look reads
        `_MOST_BYTES`; the segments beyond are in neither, and left for the next look.
    """
    records = request_records(declared, store)
    done = {*records.partitions()}
    opened: dict[str, str] = {}
    marks: dict[str, Mark] = {}
    left = _MOST_BYTES
    for name in segment_names(folder):
        path = segment_path(folder, name)
        try:
            mark = _mark(path)
            if known is not None and name in done and known.get(name) == mark:
                marks[name] = mark
                continue
            if known is not None and left <= 0:
                continue
            left -= mark[0]
            digest = _NO_FILE if path.is_dir() else sha256(path)
        except FileNotFoundError:
            continue  # it was removed
        if name in done and (_replayed(records, name) or _NO_FILE) == digest:
            marks[name] = mark
        else:
            opened[name] = digest
    return opened, marks


def _mark(path: Path) -> Mark:
    status = path.stat()
    return status.st_size, status.st_mtime_ns, status.st_ctime_ns


def _replayed(records: Records, name: str) -> str | None:
    """SHA-256 of a segment's file when it was replayed; None where that is not known."""
    try:
        step = records.demand(name).record.steps[STEP]
    except DamagedError:
        return None
    digest: str | None = step.facts.get(_DIGEST)
    return digest


def forget_requests(declared: PipelineAssets, store: Store, names: Iterable[str]) -> None:
    """Remove the records of segments that were removed."""
    records = request_records(declared, store)
    for name in names:
        try:
            records.forget(name)
        except LockedError:
            continue  # the process at work on it finds that there is no such segment


def _checks(
    declared: PipelineAssets,
    store: Store,
    segment: LogSegment,
    load: Callable[[int], LoadedVersion],
) -> dict[str, CheckResult]:
    number, of = segment.header.version, segment.header.pipeline
    if of != declared.name:
        summary = (
            f"{segment.name} holds requests that were answered for {of}, not for {declared.name}"
        )
        return _failed(declared, f"{summary}.", f"Move it to the requests of {of}.")
    try:
        loaded = load(number)
    except UnavailableFilesError:
        raise
    except (ArtifactError, VersionNotFoundError) as error:
        summary = f"Version {number}, which answered, cannot be loaded: {error}"
        return _failed(declared, summary, f"Restore version {number} in the registry. Then: AGAIN")
    drift = {"request_drift": carry_out(check_request_drift, segment, loaded)}
    if not loaded.pipeline.tables or not segment.rows:
        results = {"request_replay": carry_out(check_request_replay, segment, loaded)}
    else:
        results = _lookup_checks(store, segment, loaded)
    return worth_telling(declared, STEP, {**results, **drift})


def _lookup_checks(
    store: Store, segment: LogSegment, loaded: LoadedVersion
) -> dict[str, CheckResult]:
    """Results of the checks that look the requests up again, and of what is computed of that."""
    from lockstep.parity.lookup_hindsight import look_up_again

    pipeline, served = loaded.pipeline, served_lookups(segment, loaded)
    rows_at = PinnedTables.history(store, pipeline, served.versions)
    again = attempted(look_up_again, pipeline, served, rows_at)

    def replayed(looked_up: LookedUpAgain) -> CheckResult:
        return check_request_replay(segment, loaded, looked_up.columns)

    def hindsight() -> CheckResult:
        today = PinnedTables.now(store, pipeline).rows(pipeline)
        return check_lookup_hindsight(pipeline, served, rows_at, today)

    def hits(looked_up: LookedUpAgain) -> CheckResult:
        columns = {pipeline.key: served.keys, **looked_up.columns}
        return check_hits(pipeline, columns, loaded.profile)

    return {
        "request_replay": again.check(replayed),
        "lookup_replay": again.check(check_lookup_replay, pipeline, served),
        "lookup_hindsight": carry_out(hindsight),
        "table_freshness": again.check(hits),
    }


_DAMAGED = (
    "Restore the segment from a copy. Then: AGAIN. Without one, what it held cannot be judged any "
    "more: remove its file."
)


def _failed(declared: PipelineAssets, summary: str, todo: str) -> dict[str, CheckResult]:
    result = CheckResult(False, summary, todo=todo)
    return others_not_judged(declared, STEP, {REQUEST_REPLAY.name: result})


def _kept(
    records: Records,
    attempt: Attempt,
    path: Path,
    digest: str | None,
    segment: LogSegment | None,
    results: Mapping[str, CheckResult],
) -> ReplayedSegment:
    """Record the results of a segment, with the digest of its file."""
    version = segment.header.version if segment is not None else None
    counts = _counts(segment) if segment is not None else {}
    facts: dict[str, Any] = {_DIGEST: digest} if digest is not None else {}
    attempt.keep(
        STEP,
        StepRecord(
            counts=counts,
            results=results,
            version=version,
            manifest=segment.header.manifest if segment is not None else None,
            facts=facts,
        ),
    )
    records.commit(attempt)
    figures = _figures(segment) if segment is not None else {}
    return ReplayedSegment(path, counts, figures, results, version)


def _counts(segment: LogSegment) -> dict[str, int]:
    left_out, erased = segment.end.left_out, segment.header.erased
    return {
        "requests": len(segment.requests),
        "rows": segment.rows,
        "rejected": int(segment.requests.rejected.sum()),
        **({"left out": left_out} if left_out is not None else {}),
        **({"rows erased": sum(note.rows for note in erased)} if erased else {}),
    }


def _figures(segment: LogSegment) -> dict[str, float]:
    requests = segment.requests
    if not len(requests):  # all of them were erased
        return {}
    milliseconds = requests.latency / 1000
    return {
        **{
            f"status {status}": count for status, count in Counter(requests.status.tolist()).items()
        },
        "latency p50 (ms)": float(np.quantile(milliseconds, 0.5)),
        "latency p99 (ms)": float(np.quantile(milliseconds, 0.99)),
    }
