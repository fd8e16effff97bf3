"""The record: what checks found, looked up again.

What the checks of scoring found is read from the records of the partitions, which also tell of an
attempt that broke off; all else from Dagster's events.
"""

from __future__ import annotations

from collections.abc import Iterator

import dagster as dg

from lockstep.dagster.assets import pipeline_assets
from lockstep.dagster.runs import CheckReport
from lockstep.project.declaration import PipelineAssets
from lockstep.scoring.status import STEPS, findings, last_attempted
from lockstep.scoring.store import Store
from lockstep.scoring.streams import stream_records, streams

_MOST_RECORDS = 10_000


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
        all_partitions: The last finding of every partition, rather than of the last one.
        attempt: Which attempt at scoring the partition; None for the last one.

    Raises:
        NotStoredError: No such attempt is kept.
    """
    if instance is None:
        return []
    scored = _scored(declared, store, day, all_partitions, attempt)
    found: list[CheckReport] = []
    for asset in pipeline_assets(declared):
        if tuple(asset.key.path[1:]) in scored:
            found += scored[asset.key.path[1], asset.key.path[2]]
            continue
        told = [one for key in asset.check_keys for one in _evaluations(key, instance)]
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


def _scored(
    declared: PipelineAssets,
    store: Store,
    partition: str | None,
    all_partitions: bool,
    attempt: int | None,
) -> dict[tuple[str, ...], list[CheckReport]]:
    """What the records tell of the steps of scoring, by stream and step."""
    found: dict[tuple[str, ...], list[CheckReport]] = {}
    for stream in streams(declared):
        records = stream_records(declared, store, stream.name)
        found |= {(stream.name, step): [] for step in STEPS}
        if partition is None and not all_partitions:
            wanted = [last_attempted(records)]
        else:
            wanted = [one for one in records.attempted() if partition in (None, one)]
        for one in filter(None, wanted):
            for finding in findings(records, one, attempt):
                asset = "/".join((declared.name, stream.name, finding.step))
                report = CheckReport.found(asset, finding.check, one, finding.result)
                found[stream.name, finding.step].append(report)
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
