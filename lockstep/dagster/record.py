"""The recorded results of checks.

Results of scoring, outcomes and requests are read from the records of the partitions, which also
show an attempt that broke off; all others from Dagster's events.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from functools import partial

import dagster as dg

from lockstep.checks.handovers import Handovers
from lockstep.checks.messages import Place
from lockstep.checks.reports import CheckReport
from lockstep.checks.streams import outcome_records, request_records, stream_records, streams
from lockstep.dagster.assets import pipeline_assets
from lockstep.dagster.run_reports import other_reports, report_of
from lockstep.dagster.tries import progress_of_run
from lockstep.errors import DamagedError
from lockstep.pages.tiles import StreamHistory
from lockstep.project.declaration import PipelineAssets
from lockstep.scoring.outcome_attempts import OUTDATED, is_outdated
from lockstep.scoring.outcome_attempts import STEP as OUTCOMES
from lockstep.scoring.request_replay import STEP as REQUESTS
from lockstep.store.parquet import Store
from lockstep.store.partition_records import Records
from lockstep.store.results import CheckResult
from lockstep.store.status import RECORD, STEPS, Runs, damaged, findings, nobody_knows

_MOST_RECORDS = 10_000
_OWED = ("daily", "outcomes")
"""Streams whose partitions must all go through: a blocked one is shown until it does. The fate of a
file is written beside the file."""


def recorded_checks(
    declared: PipelineAssets,
    instance: dg.DagsterInstance | None,
    store: Store,
    *,
    day: str | None = None,
    all_partitions: bool = False,
    attempt: int | None = None,
) -> list[CheckReport]:
    """The last results of every check of a pipeline, in the order of its assets.

    Args:
        declared: The pipeline.
        instance: Dagster's instance; None where nothing was run yet.
        store: Where the pipeline's rows are kept.
        day: Only this partition.
        all_partitions: Whether to take every partition, rather than the last one, the days that
            wait for a person, and what is damaged.
        attempt: Number of the attempt at scoring the partition; the last one by default.

    Raises:
        NotStoredError: No such attempt is kept.
    """
    if instance is None:
        return []
    runs = partial(progress_of_run, instance)
    recorded = _recorded(declared, store, day, all_partitions, attempt, runs)
    reports: list[CheckReport] = []
    for asset in pipeline_assets(declared):
        if asset.key.to_user_string() in recorded:
            reports += recorded[asset.key.to_user_string()]
            continue
        evaluations = [
            evaluation for key in asset.check_keys for evaluation in _evaluations(key, instance)
        ]
        most = _MOST_RECORDS if all_partitions else 1
        evaluations += _other_findings(asset.key, instance, day, most)
        latest: dict[tuple[str, str | None], CheckReport] = {}
        for _, report in sorted(evaluations, key=lambda entry: entry[0]):
            if day is None or report.partition == day:
                latest[report.check, report.partition if all_partitions else None] = report
        checks = [key.name for key in asset.check_keys]
        order = {check: place for place, check in enumerate(checks)}
        reports += sorted(
            latest.values(),
            key=lambda report: (order.get(report.check, len(order)), report.partition or ""),
        )
    return reports


def _recorded(
    declared: PipelineAssets,
    store: Store,
    partition: str | None,
    all_partitions: bool,
    attempt: int | None,
    runs: Runs,
) -> dict[str, list[CheckReport]]:
    """The reports from the records of scoring, outcomes and requests, by asset."""
    records = [stream_records(declared, store, stream.name) for stream in streams(declared)]
    if declared.outcomes is not None:
        records.append(outcome_records(declared, store))
    if declared.request_log is not None:
        records.append(request_records(declared, store))
    reports = _by_asset(declared.name, records, partition, all_partitions, attempt, runs)
    if attempt is None:
        for stream in streams(declared):
            asset = f"{declared.name}/{stream.name}/published"
            of_stream = stream_records(declared, store, stream.name)
            reports[asset] += _sink_reports(declared, of_stream, asset, partition, all_partitions)
    if declared.outcomes is not None:
        asset = f"{declared.name}/{OUTCOMES}"
        reports[asset] += _outdated(declared, store, asset, reports[asset])
    return reports


def stored_checks(
    pipeline: str,
    store: Store,
    *,
    day: str | None = None,
    all_partitions: bool = False,
    attempt: int | None = None,
) -> list[CheckReport]:
    """The last results of checks by the records alone, for a pipeline that cannot be imported.

    Those of training and the gate are in Dagster's events only. See `recorded_checks`.
    """
    exported = {"daily": "published", "inbox": "published", OUTCOMES: None, REQUESTS: None}
    records = [
        Records(store.root / stream, partial(_again, pipeline, stream), exported=export)
        for stream, export in exported.items()
        if (store.root / stream).is_dir()
    ]
    by_asset = _by_asset(pipeline, records, day, all_partitions, attempt)
    return [report for reports in by_asset.values() for report in reports]


def _again(pipeline: str, stream: str, partition: str) -> str:
    asset = stream if stream in (OUTCOMES, REQUESTS) else f"{stream}/batch"
    return Place(f"{pipeline}/{asset}", partition).again


def _by_asset(
    pipeline: str,
    of_streams: Sequence[Records],
    partition: str | None,
    all_partitions: bool,
    attempt: int | None,
    runs: Runs = nobody_knows,
) -> dict[str, list[CheckReport]]:
    """The reports from records, by asset."""
    reports: dict[str, list[CheckReport]] = {}
    for records in of_streams:
        stream = records.stream
        if stream not in (OUTCOMES, REQUESTS):
            assets = {step: f"{pipeline}/{stream}/{step}" for step in STEPS}
            reports |= _of_records(records, assets, partition, all_partitions, attempt, runs)
        elif attempt is None:
            assets = {stream: f"{pipeline}/{stream}"}
            reports |= _of_records(records, assets, partition, all_partitions, None, runs)
        else:  # the number is of an attempt at scoring
            reports[f"{pipeline}/{stream}"] = []
    return reports


def _sink_reports(
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
            results = handovers.results(name)
            found = results.items()
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


def _of_records(
    records: Records,
    assets: Mapping[str, str],
    partition: str | None,
    all_partitions: bool,
    attempt: int | None,
    runs: Runs,
) -> dict[str, list[CheckReport]]:
    """The reports from records, by asset; see `recorded_checks`."""
    reports: dict[str, list[CheckReport]] = {asset: [] for asset in assets.values()}
    steps = tuple(assets)
    if partition is None and not all_partitions:
        history = StreamHistory(records, assets)
        history.look()
        waiting = history.open() if records.stream in _OWED else []
        history.runs = runs
        idle = [name for name in waiting if history.tile(name).state != "under_way"]
        wanted = list(dict.fromkeys([*idle, *history.newest(1)]))
    else:
        wanted = [name for name in records.attempted() if partition in (None, name)]
    found = {name: findings(records, name, attempt, steps, runs) for name in wanted}
    if partition is None:
        for name, finding in damaged(records, steps).items():
            found.setdefault(name, [finding])
    for name, all_findings in found.items():
        for finding in all_findings:
            asset = assets[finding.step]
            reports[asset].append(CheckReport.found(asset, finding.check, name, finding.result))
    return reports


def _evaluations(
    key: dg.AssetCheckKey, instance: dg.DagsterInstance
) -> Iterator[tuple[float, CheckReport]]:
    """All evaluations of a check, each with its time."""
    for record in instance.event_log_storage.get_asset_check_execution_history(
        key, limit=_MOST_RECORDS
    ):
        evaluation = record.evaluation
        if record.event is not None and isinstance(evaluation, dg.AssetCheckEvaluation):
            yield record.event.timestamp, report_of(evaluation)  # and not merely planned


def _other_findings(
    key: dg.AssetKey, instance: dg.DagsterInstance, partition: str | None, most: int
) -> Iterator[tuple[float, CheckReport]]:
    """The last results of checks without an evaluation, each with its time."""
    wanted = dg.AssetRecordsFilter(key, asset_partitions=None if partition is None else [partition])
    for record in instance.fetch_materializations(wanted, limit=most).records:
        if record.asset_materialization is not None:
            for report in other_reports(record.asset_materialization):
                yield record.timestamp, report
