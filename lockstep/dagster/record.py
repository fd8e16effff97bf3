"""The record: what checks found, looked up again.

What the checks of scoring, of outcomes and of requests found is read from the records of the
partitions, which also tell of an attempt that broke off; all else from Dagster's events.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import dagster as dg

from lockstep.checks.check_results import CheckResult
from lockstep.dagster.assets import pipeline_assets
from lockstep.dagster.runs import CheckReport
from lockstep.errors import DamagedError
from lockstep.project.declaration import PipelineAssets
from lockstep.scoring.outcome_attempts import OUTDATED, is_outdated, outcome_records
from lockstep.scoring.outcome_attempts import STEP as OUTCOMES
from lockstep.scoring.request_replay import STEP as REQUESTS
from lockstep.scoring.request_replay import request_records
from lockstep.store.parquet import Store
from lockstep.store.partition_records import Records
from lockstep.store.status import RECORD, STEPS, findings, last_attempted, unpublished
from lockstep.store.streams import stream_records, streams

_MOST_RECORDS = 10_000
_OWED = ("daily", "outcomes")
"""Streams of which every partition is owed: one that is blocked stays in sight until it is through.
What became of a file is told beside the file."""


def recorded_checks(
    declared: PipelineAssets,
    instance: dg.DagsterInstance | None,
    store: Store,
    *,
    day: str | None = None,
    all_partitions: bool = False,
    attempt: int | None = None,
) -> list[CheckReport]:
    """What every check of a pipeline found last, in the order of its assets.

    Args:
        declared: The pipeline.
        instance: Where it is recorded; None where nothing was run yet.
        store: Where the pipeline's rows are kept.
        day: Only this partition.
        all_partitions: The last finding of every partition, rather than of the last one and of
            days that wait for a person.
        attempt: Which attempt at scoring the partition; None for the last one.

    Raises:
        NotStoredError: No such attempt is kept.
    """
    if instance is None:
        return []
    recorded = _recorded(declared, store, day, all_partitions, attempt)
    found: list[CheckReport] = []
    for asset in pipeline_assets(declared):
        if asset.key.to_user_string() in recorded:
            found += recorded[asset.key.to_user_string()]
            continue
        told = [
            evaluation for key in asset.check_keys for evaluation in _evaluations(key, instance)
        ]
        most = _MOST_RECORDS if all_partitions else 1
        told += _other_findings(asset.key, instance, day, most)
        latest: dict[tuple[str, str | None], CheckReport] = {}
        for _, report in sorted(told, key=lambda one: one[0]):
            if day is None or report.partition == day:
                latest[report.check, report.partition if all_partitions else None] = report
        checks = [key.name for key in asset.check_keys]
        found += sorted(
            latest.values(),
            key=lambda one: ((*checks, one.check).index(one.check), one.partition or ""),
        )
    return found


def _recorded(
    declared: PipelineAssets,
    store: Store,
    partition: str | None,
    all_partitions: bool,
    attempt: int | None,
) -> dict[str, list[CheckReport]]:
    """What the records tell of the steps of scoring, of outcomes and of requests, by asset."""
    found: dict[str, list[CheckReport]] = {}
    for stream in streams(declared):
        records = stream_records(declared, store, stream.name)
        assets = {step: f"{declared.name}/{stream.name}/{step}" for step in STEPS}
        found |= _of_records(records, assets, partition, all_partitions, attempt)
    looks: dict[str, Records] = {}
    if declared.outcomes is not None:
        looks[OUTCOMES] = outcome_records(declared, store)
    if declared.request_log is not None:
        looks[REQUESTS] = request_records(declared, store)
    for step, records in looks.items():
        asset = f"{declared.name}/{step}"
        found |= (
            _of_records(records, {step: asset}, partition, all_partitions, None)
            if attempt is None
            else {asset: []}  # what is counted are attempts at scoring
        )
    if declared.outcomes is not None:
        asset = f"{declared.name}/{OUTCOMES}"
        found[asset] += _outdated(declared, store, asset, found[asset])
    return found


def _outdated(
    declared: PipelineAssets, store: Store, asset: str, told: Sequence[CheckReport]
) -> list[CheckReport]:
    """Of which of the days that are told of another attempt is published by now."""
    records, found = outcome_records(declared, store), []
    for day in dict.fromkeys(report.partition for report in told if report.check != RECORD):
        look = records.committed(day or "")
        try:
            is_late = look is not None and is_outdated(declared, store, look)
        except DamagedError:
            continue  # which is told of the day itself
        if look is not None and is_late:
            result = CheckResult(
                False, f"{day}: {OUTDATED}.", "WARN", todo="Compare it again: AGAIN"
            )
            found.append(CheckReport.found(asset, RECORD, day or "", result))
    return found


def _of_records(
    records: Records,
    assets: Mapping[str, str],
    partition: str | None,
    all_partitions: bool,
    attempt: int | None,
) -> dict[str, list[CheckReport]]:
    """What records tell, by asset.

    Args:
        records: The records.
        assets: The asset of each step, in order.
        partition: Only this partition.
        all_partitions: All of them, rather than the last one and the days that wait for a person,
            where none is named.
        attempt: Which attempt; None for the last one.
    """
    found: dict[str, list[CheckReport]] = {asset: [] for asset in assets.values()}
    if partition is None and not all_partitions:
        waiting = unpublished(records) if records.stream in _OWED else []
        wanted = list(dict.fromkeys([*waiting, last_attempted(records)]))
    else:
        wanted = [one for one in records.attempted() if partition in (None, one)]
    for one in filter(None, wanted):
        for finding in findings(records, one, attempt, tuple(assets)):
            asset = assets[finding.step]
            found[asset].append(CheckReport.found(asset, finding.check, one, finding.result))
    return found


def _evaluations(
    key: dg.AssetCheckKey, instance: dg.DagsterInstance
) -> Iterator[tuple[float, CheckReport]]:
    """All evaluations of a check, each with its time."""
    for record in instance.event_log_storage.get_asset_check_execution_history(
        key, limit=_MOST_RECORDS
    ):
        evaluation = record.evaluation
        if record.event is not None and isinstance(evaluation, dg.AssetCheckEvaluation):
            yield record.event.timestamp, CheckReport.of(evaluation)  # and not merely planned


def _other_findings(
    key: dg.AssetKey, instance: dg.DagsterInstance, partition: str | None, most: int
) -> Iterator[tuple[float, CheckReport]]:
    """What the last materializations tell of checks without an evaluation, each with its time."""
    wanted = dg.AssetRecordsFilter(key, asset_partitions=None if partition is None else [partition])
    for record in instance.fetch_materializations(wanted, limit=most).records:
        if record.asset_materialization is not None:
            for report in CheckReport.others(record.asset_materialization):
                yield record.timestamp, report
