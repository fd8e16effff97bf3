"""The record: what checks found, looked up again."""

from __future__ import annotations

from collections.abc import Iterator

import dagster as dg

from lockstep.dagster.assets import pipeline_assets
from lockstep.dagster.runs import CheckReport
from lockstep.project.declaration import PipelineAssets

_MOST_EVALUATIONS = 10_000


def recorded_checks(
    declared: PipelineAssets,
    instance: dg.DagsterInstance,
    *,
    day: str | None = None,
    all_partitions: bool = False,
) -> list[CheckReport]:
    """What every check of a pipeline found last, in the order of its assets.

    Args:
        declared: The pipeline.
        instance: Where it is recorded.
        day: Only this partition.
        all_partitions: The last finding of every partition, rather than of the last one.
    """
    keys = [key for asset in pipeline_assets(declared) for key in asset.check_keys]
    found = []
    for key in keys:
        latest: dict[str | None, CheckReport] = {}
        for report in _evaluations(key, instance):
            if day is None or report.partition == day:
                latest.setdefault(report.partition, report)
                if not all_partitions:
                    break
        found += [latest[partition] for partition in sorted(latest, key=str)]
    return found


def _evaluations(key: dg.AssetCheckKey, instance: dg.DagsterInstance) -> Iterator[CheckReport]:
    """All evaluations of a check, the newest first."""
    for record in instance.event_log_storage.get_asset_check_execution_history(
        key, limit=_MOST_EVALUATIONS
    ):
        if isinstance(record.evaluation, dg.AssetCheckEvaluation):  # and not merely planned
            yield CheckReport.of(record.evaluation)
