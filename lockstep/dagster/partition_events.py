"""Events of a partition: what Dagster shows of an attempt, made of the attempt's record alone.

Whatever scores a partition outside of a run reports them once its attempt has ended. A process that
is killed in between leaves a record without events; the next one finds it, and reports them.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any, TypeAlias
from urllib.parse import urlencode

import dagster as dg

from lockstep.checks.messages import Place
from lockstep.checks.specs import Check, declared_checks
from lockstep.dagster.checked import DATA_VERSION, evaluated_and_told, nothing_made
from lockstep.dagster.metadata import version_link
from lockstep.errors import DamagedError
from lockstep.project.declaration import PipelineAssets
from lockstep.project.home import Home
from lockstep.scoring.partition import published_stage
from lockstep.scoring.work import Stage
from lockstep.store.attempts import Attempt
from lockstep.store.partition_records import Records
from lockstep.store.results import CheckResult
from lockstep.store.status import ended

Tags: TypeAlias = Mapping[str, Mapping[str, str]]
"""The last tags of each partition of an asset."""
_MADE = dg.DagsterEventType.ASSET_MATERIALIZATION, dg.DagsterEventType.ASSET_OBSERVATION
_DIGITS = 16
_ROWS = {"batch": "accepted", "scored": "scored", "published": "published"}
"""The count of a step that is its number of rows."""


@dataclass(frozen=True)
class StepEvents:
    """The events of a step."""

    made: dg.AssetMaterialization | dg.AssetObservation  # observed where a check blocked it
    checks: tuple[dg.AssetCheckEvaluation, ...]


def data_version(record: str) -> str:
    """The data version of a step: the digest of its attempt's record, once the step was in it."""
    return f"record {record[:_DIGITS]}"


def step_metadata(
    declared: PipelineAssets, home: Home, place: Place, stage: Stage
) -> dict[str, Any]:
    """The metadata of a step's materialization."""
    metadata: dict[str, Any] = {**stage.counts, **stage.figures}
    if stage.version is not None:
        metadata["version"] = stage.version
        metadata["MLflow version"] = version_link(home, declared.name, stage.version)
    if stage.path is not None:
        metadata["dagster/row_count"] = stage.counts[_ROWS[place.asset.rpartition("/")[2]]]
        metadata["path"] = dg.MetadataValue.path(str(stage.path))
    missed = [name for name, result in stage.results.items() if result.judged and not result.passed]
    if missed and home.was_served:
        query = urlencode({"partition": place.partition, "check": missed[0]})
        page = f"{home.addresses.overview}/finding/{place.asset}?{query}"
        metadata["findings by column and day"] = dg.MetadataValue.url(page)
    return metadata


def events_of(
    declared: PipelineAssets, home: Home, records: Records, attempt: Attempt
) -> list[StepEvents]:
    """The events of an attempt that has ended, in the order of its steps."""
    events, partition = [], attempt.record.partition
    for step in attempt.record.steps:
        stage = (
            published_stage(declared, records, attempt)
            if step == "published"
            else Stage.of(attempt, step)
        )
        place = Place(f"{declared.name}/{records.stream}/{step}", partition)
        metadata = step_metadata(declared, home, place, stage)
        metadata["attempt"] = attempt.number
        checks, version = declared_checks(declared, step), data_version(stage.record)
        is_made = not stage.blocked_by
        events.append(
            asset_events(place, checks, stage.results, metadata, version, is_made=is_made)
        )
    return events


def asset_events(
    place: Place,
    declared: Sequence[Check],
    found: Mapping[str, CheckResult],
    metadata: Mapping[str, Any],
    version: str,
    *,
    is_made: bool,
) -> StepEvents:
    """The events of an asset that was not made as one of a run.

    The version tells this state of the asset from others; one that was not made is observed.
    """
    key = dg.AssetKey(place.asset.split("/"))
    checks = {check.name: check for check in declared}
    results, whole = evaluated_and_told(found, checks.keys(), place, metadata)
    made: dg.AssetMaterialization | dg.AssetObservation
    if is_made:
        made = dg.AssetMaterialization(
            key,
            partition=place.partition,
            metadata=whole,
            tags={DATA_VERSION: version},
        )
    else:
        made = nothing_made(place, whole, version)
    evaluations = (
        dg.AssetCheckEvaluation(
            asset_key=key,
            check_name=str(result.check_name),
            passed=result.passed,
            metadata=result.metadata,
            severity=result.severity,
            description=result.description,
            blocking=checks[str(result.check_name)].blocking,
            partition=place.partition,
        )
        for result in results
    )
    return StepEvents(made, tuple(evaluations))


def unreported(pipeline: str, records: Records, instance: dg.DagsterInstance) -> Iterator[Attempt]:
    """Attempts that have ended, the last ones of their partitions, that Dagster does not show."""

    @cache
    def shown(step: str) -> list[Tags]:
        key = dg.AssetKey([pipeline, records.stream, step])
        return [
            instance.event_log_storage.get_latest_tags_by_partition(key, kind, [DATA_VERSION])
            for kind in _MADE
        ]

    for partition in records.attempted():
        if _is_shown(records, partition, shown("published")):
            continue
        try:
            end = ended(records, partition)
        except DamagedError:
            continue  # the checks report it
        if end is not None and not _shows(shown(end[1]), partition, end[0].digest()):
            yield end[0]


def _is_shown(records: Records, partition: str, shown: Sequence[Tags]) -> bool:
    """Whether the last attempt is published and shown, by its commit: its record is not read."""
    try:
        commit = records.commit_of(partition)
    except DamagedError:
        return False
    if commit is None or commit.attempt != max(records.numbers(partition), default=0):
        return False
    return _shows(shown, partition, commit.record)


def _shows(shown: Sequence[Tags], partition: str, record: str) -> bool:
    made, observed = (tags.get(partition, {}).get(DATA_VERSION, "") for tags in shown)
    return data_version(record) in (made, observed)
