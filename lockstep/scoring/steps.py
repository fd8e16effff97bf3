"""The steps of a partition, after loading the version and decoding the rows.

A version that cannot be loaded and content that cannot be read are failed checks, recorded in the
partition's attempt like anything else that blocks it; nothing is scored. An outside failure is
raised: another try may work.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import TypeAlias

from lockstep.artifacts.losses import losses
from lockstep.artifacts.version import LoadedVersion
from lockstep.checks.comparisons import incomplete
from lockstep.checks.ingest import check_readable
from lockstep.checks.specs import DECODING, GOLDEN_REPLAY, LIVE_VERSION
from lockstep.columns.decode import Decoded
from lockstep.columns.schema import Schema
from lockstep.columns.units import Units
from lockstep.errors import ArtifactError, UnavailableFilesError, UnreadableError
from lockstep.registry.live import Live
from lockstep.scoring.earlier import demand_known
from lockstep.scoring.partition import (
    check_version,
    failed_step,
    ingest_batch,
    publish,
    score_batch,
)
from lockstep.scoring.work import Stage, Work
from lockstep.store.results import CheckResult

Read: TypeAlias = Callable[[Schema], Decoded | Units]
"""Reads a partition's rows: decoded as a record type declares them, or units of a large file."""


def all_steps(
    work: Work,
    serving: Live,
    read: Read,
    *,
    accept: Sequence[str] = (),
    on_step: Callable[[str], None] = lambda _: None,
) -> None:
    """Carry out the steps of a partition until one blocks it, by the version that is live now.

    Args:
        accept: Findings that are real and meant to stay, by name, or all findings of a field.
        on_step: Called when a step begins, with its name.

    Raises:
        LockstepError: `accept` names neither a finding nor a field, or something outside fails.
        LockedError: Another process keeps the partition locked.
        DamagedError: What a step wrote was changed before the next one.
        SupersededError: Another run published the partition meanwhile.
    """
    on_step("batch")
    batch, live = _ingest(work, serving, read, accept)
    if live is None or batch.blocked_by:
        return
    on_step("scored")
    with work.records.keeping_reason(work.partition, work.run):
        scored = score_batch(work, live)
    if not scored.blocked_by:
        on_step("published")
        publish(work)


def batch_step(work: Work, serving: Live, read: Read, *, accept: Sequence[str] = ()) -> Stage:
    """Begin an attempt at a partition, and ingest its rows; see `all_steps`."""
    stage, _ = _ingest(work, serving, read, accept)
    return stage


def _ingest(
    work: Work, serving: Live, read: Read, accept: Sequence[str]
) -> tuple[Stage, LoadedVersion | None]:
    """The result of `batch_step`, and the version that can go on; None where none can."""
    demand_known(accept, work.declared.pipeline.looked_up_schema)
    # A run that breaks off from here on left a trace.
    work.records.begin(work.partition, work.run, once=work.once)
    with work.records.keeping_reason(work.partition, work.run):
        return _ingest_by_live(work, serving, read, accept)


def _ingest_by_live(
    work: Work, serving: Live, read: Read, accept: Sequence[str]
) -> tuple[Stage, LoadedVersion | None]:
    state = serving.take_over()
    work = replace(work, live=state)
    try:
        live = serving.load(state)
    except UnavailableFilesError:
        raise
    except ArtifactError as error:
        return _fail(work, "batch", {LIVE_VERSION.name: _not_loaded(work, error)}), None
    work = replace(work, live=replace(state, mended=serving.registry.mended()))
    if lost := losses(live):
        return _fail(work, "batch", {LIVE_VERSION.name: incomplete(live, lost)}, live=live), None
    try:
        rows = read(live.pipeline.record_schema)
        return ingest_batch(work, live, rows, accept=accept), live
    except UnreadableError as error:
        results = {**check_version(work, live), DECODING.name: check_readable(error)}
        return _fail(work, "batch", results, live=live), None


def scored_step(work: Work, serving: Live) -> Stage:
    """Compute every column of an ingested partition.

    Raises:
        BlockedError: The partition has not been ingested by this version, or a check blocks it.
        DamagedError: The ingested rows are not those recorded.
        LockedError: Another process keeps the partition locked.
        LockstepError: Something outside fails.
    """
    with work.records.keeping_reason(work.partition, work.run):
        try:
            live = serving.load(serving.state())
        except UnavailableFilesError:
            raise
        except ArtifactError as error:
            results = {GOLDEN_REPLAY.name: _not_loaded(work, error)}
            return _fail(work, "scored", results, after=["batch"])
        return score_batch(work, live)


def _fail(
    work: Work,
    step: str,
    results: Mapping[str, CheckResult],
    *,
    live: LoadedVersion | None = None,
    after: Sequence[str] = (),
) -> Stage:
    """Record a step that has nothing to work on; see `failed_step`."""
    with work.records.step(work.partition, step, work.run, after=after) as attempt:
        attempt.keep(step, failed_step(work, step, results, live))
    return Stage.of(attempt, step)


def _not_loaded(work: Work, error: ArtifactError) -> CheckResult:
    return CheckResult(
        False,
        f"The live version cannot be loaded, and nothing is scored: {error}",
        where=f"the version that @live of {work.declared.name} names in the registry",
        todo="Restore what was damaged (its files, or its tags in the registry, which are not for "
        "editing), or have another version serve: `lockstep promote PIPELINE VERSION`, or the one "
        "that was live before, if there was one: `lockstep rollback PIPELINE`. Then: AGAIN",
    )
