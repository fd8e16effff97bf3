"""The recorded results of checks, by the records alone: also of an attempt that broke off."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from functools import partial
from itertools import chain

from lockstep.checks.handovers import Handovers
from lockstep.checks.messages import Place
from lockstep.checks.reports import CheckReport
from lockstep.checks.streams import (
    AUDIT,
    CHAMPION,
    TRAINING,
    audit_records,
    outcome_records,
    streams,
)
from lockstep.errors import DamagedError
from lockstep.pages.pipeline_state import histories_of
from lockstep.pages.tiles import StreamHistory
from lockstep.project.declaration import PipelineAssets
from lockstep.scoring.outcome_attempts import OUTDATED, is_outdated
from lockstep.scoring.outcome_attempts import STEP as OUTCOMES
from lockstep.scoring.request_replay import STEP as REQUESTS
from lockstep.store.parquet import Store
from lockstep.store.partition_records import Records
from lockstep.store.results import CheckResult
from lockstep.store.status import RECORD, STEPS, Runs, damaged, findings, nobody_knows

_OWED = ("daily", "outcomes")
"""Streams whose partitions must all go through: a blocked one is shown until it does. The fate of a
file is written beside the file."""


def recorded_checks(
    declared: PipelineAssets,
    store: Store,
    runs: Runs = nobody_knows,
    *,
    day: str | None = None,
    all_partitions: bool = False,
    attempt: int | None = None,
) -> list[CheckReport]:
    """The last results of every check of a pipeline, in the order of its assets.

    Args:
        declared: The pipeline.
        store: Where the pipeline's rows are kept.
        runs: The progress of runs.
        day: Only this partition.
        all_partitions: Whether to take every partition, rather than the last one, the days that
            wait for a person, and what is damaged.
        attempt: Number of the attempt at scoring the partition; the last one by default.

    Raises:
        NotStoredError: No such attempt is kept.
    """
    audits = {AUDIT: f"{declared.name}/{AUDIT}"}
    histories = [
        *sorted(histories_of(declared, store).values(), key=lambda each: not each.is_of_table),
        StreamHistory(audit_records(declared, store), audits, has_partitions=False),
    ]
    reports = _by_asset(histories, day, all_partitions, attempt, runs)
    if attempt is None:
        for stream in streams(declared):
            history = next(each for each in histories if each.records.stream == stream.name)
            asset = f"{declared.name}/{stream.name}/published"
            reports[asset] += _of_sinks(declared, history.records, asset, day, all_partitions)
    if declared.outcomes is not None:
        asset = f"{declared.name}/{OUTCOMES}"
        reports[asset] += _outdated(declared, store, asset, reports[asset])
    return [*chain.from_iterable(reports.values())]


def stored_checks(
    pipeline: str,
    store: Store,
    *,
    day: str | None = None,
    all_partitions: bool = False,
    attempt: int | None = None,
) -> list[CheckReport]:
    """The last results of checks for a pipeline that cannot be imported; see `recorded_checks`."""
    steps = {"training": TRAINING, "gate": (CHAMPION,), OUTCOMES: (OUTCOMES,)}
    steps |= {"daily": STEPS, "inbox": STEPS, REQUESTS: (REQUESTS,)}
    histories = []
    for stream, made in steps.items():
        prefix = f"{pipeline}/{stream}/" if made == STEPS else f"{pipeline}/"
        assets = {step: f"{prefix}{step}" for step in made}
        again, exported = partial(_again, assets), "published" if made == STEPS else None
        records = Records(store.root / stream, again, exported=exported)
        has_partitions = stream not in ("training", "gate")
        histories.append(StreamHistory(records, assets, has_partitions=has_partitions))
    there = [history for history in histories if history.records.root.is_dir()]
    by_asset = _by_asset(there, day, all_partitions, attempt, nobody_knows)
    return [*chain.from_iterable(by_asset.values())]


def _again(assets: Mapping[str, str], partition: str) -> str:
    return Place(next(iter(assets.values())), partition).again


def _by_asset(
    histories: Iterable[StreamHistory],
    partition: str | None,
    all_partitions: bool,
    attempt: int | None,
    runs: Runs,
) -> dict[str, list[CheckReport]]:
    """The reports from records, by asset."""
    reports: dict[str, list[CheckReport]] = {}
    for history in histories:
        history.runs = runs
        is_scored = history.steps == STEPS
        of_history: Iterable[CheckReport] = ()
        if history.has_partitions and (is_scored or attempt is None):  # a number is of scoring
            of_history = _of_partitions(history, partition, all_partitions, attempt)
        elif not history.has_partitions and partition is None:
            of_history = _of_last_attempts(history)
        reports |= {asset: [] for asset in history.assets.values()}
        for report in of_history:
            reports[report.asset].append(report)
    return reports


def _of_partitions(
    history: StreamHistory, partition: str | None, all_partitions: bool, attempt: int | None
) -> Iterator[CheckReport]:
    records, steps = history.records, history.steps
    if partition is None and not all_partitions:
        history.look()
        waiting = history.open() if records.stream in _OWED else []
        idle = [name for name in waiting if history.tile(name).state != "under_way"]
        wanted = list(dict.fromkeys([*idle, *history.newest(1)]))
    else:
        wanted = [name for name in records.attempted() if partition in (None, name)]
    found = {name: findings(records, name, attempt, steps, history.runs) for name in wanted}
    if partition is None:
        for name, finding in damaged(records, steps).items():
            found.setdefault(name, [finding])
    for name, all_findings in found.items():
        for each in all_findings:
            yield CheckReport.found(history.assets[each.step], each.check, name, each.result)


def _of_last_attempts(history: StreamHistory) -> Iterator[CheckReport]:
    """The reports of what has no partitions; of a step that was not done anew, those of before."""
    records, left = history.records, {*history.steps}
    for name in records.attempted():
        for each in findings(records, name, steps=history.steps, runs=history.runs):
            left.discard(each.step if each.check != RECORD else "")
            yield CheckReport.found(history.assets[each.step], each.check, None, each.result)
        with suppress(DamagedError):  # that it is damaged has been said
            for attempt in records.newest_first(name):
                for step in left & attempt.record.steps.keys():
                    left.remove(step)
                    for check, result in attempt.record.steps[step].results.items():
                        yield CheckReport.found(history.assets[step], check, None, result)


def _of_sinks(
    declared: PipelineAssets,
    records: Records,
    asset: str,
    partition: str | None,
    all_partitions: bool,
) -> list[CheckReport]:
    """Reports of what the sinks hold now: of the last partition and the open ones, or as asked."""
    handovers = Handovers.of(declared, records)
    reports: list[CheckReport] = []
    wanted = [name for name in records.partitions() if partition in (None, name)]
    if partition is None and not all_partitions:
        wanted = list(dict.fromkeys([*handovers.open(), *wanted[-1:]]))
    for name in wanted if declared.sinks else ():
        with suppress(DamagedError):  # the partition's own report says so
            found = handovers.results(name).items()
            reports += [CheckReport.found(asset, check, name, result) for check, result in found]
    return reports


def _outdated(
    declared: PipelineAssets, store: Store, asset: str, reports: Sequence[CheckReport]
) -> list[CheckReport]:
    """Reports of the days that were published again since they were compared."""
    records, late = outcome_records(declared, store), []
    for day in dict.fromkeys(report.partition for report in reports if report.check != RECORD):
        look = records.committed(day or "")
        try:
            is_late = look is not None and is_outdated(declared, store, look)
        except DamagedError:
            continue  # the day's own report says so
        if look is not None and is_late:
            result = CheckResult(
                False, f"{day}: {OUTDATED}.", "WARN", todo="Compare it again: AGAIN"
            )
            late.append(CheckReport.found(asset, RECORD, day or "", result))
    return late
