"""Sensors: one follows `@champion`, one takes files from the inbox."""

from __future__ import annotations

import json
from typing import Any

import dagster as dg

from lockstep.dagster.jobs import promote_job_name, score_job_name
from lockstep.dagster.partitions import inbox_partitions
from lockstep.project.declaration import PipelineAssets
from lockstep.project.home import Home
from lockstep.registry.registry import Registry
from lockstep.scoring.fates import Fate
from lockstep.scoring.inbox import claim_files, unsupported_files
from lockstep.scoring.live import Live
from lockstep.scoring.streams import inbox_of

_INTERVAL_SECONDS = 30


def sensors(declared: PipelineAssets) -> list[dg.SensorDefinition]:
    """The sensors of a pipeline."""
    return [_champion_sensor(declared), _inbox_sensor(declared)]


def _champion_sensor(declared: PipelineAssets) -> dg.SensorDefinition:
    @dg.sensor(
        name=f"{declared.name}_champion",
        job_name=promote_job_name(declared.name),
        minimum_interval_seconds=_INTERVAL_SECONDS,
        default_status=dg.DefaultSensorStatus.RUNNING,
        description="When @champion moves in MLflow, put its version through the gate.",
    )
    def champion_moved(
        context: dg.SensorEvaluationContext,
        home: dg.ResourceParam[Home],
        registry: dg.ResourceParam[Registry],
    ) -> dg.SensorResult | dg.SkipReason:
        live = Live(registry, declared.name, home.live(declared.name)).state()
        wanted = registry.alias(declared.name, "champion")
        if wanted is None:
            return dg.SkipReason(f"{declared.name} has no @champion yet.")
        seen: dict[str, Any] = json.loads(context.cursor or '{"version": null, "moves": 0}')
        if seen["version"] == wanted.version:
            return dg.SkipReason(f"@champion still points to version {wanted.version}.")
        moves = seen["moves"] + 1
        cursor = json.dumps({"version": wanted.version, "moves": moves})
        if live.agrees and live.version == wanted.version:
            return dg.SensorResult(
                cursor=cursor, skip_reason=f"Version {wanted.version} is live already."
            )
        # The number of moves makes each move a run of its own, there and back again too.
        request = dg.RunRequest(run_key=f"move {moves} to version {wanted.version}")
        return dg.SensorResult(run_requests=[request], cursor=cursor)

    return champion_moved


def _inbox_sensor(declared: PipelineAssets) -> dg.SensorDefinition:
    partitions = inbox_partitions(declared.name)

    @dg.sensor(
        name=f"{declared.name}_inbox",
        job_name=score_job_name(declared.name, "inbox"),
        minimum_interval_seconds=_INTERVAL_SECONDS,
        default_status=dg.DefaultSensorStatus.RUNNING,
        description=(
            f"Score each new complete file in inbox/{declared.name}, once by its content; the file "
            "moves to claimed/ there."
        ),
    )
    def file_arrived(
        context: dg.SensorEvaluationContext, home: dg.ResourceParam[Home]
    ) -> dg.SensorResult | dg.SkipReason:
        inbox = home.inbox(declared.name)
        known = set(context.instance.get_dynamic_partitions(f"{declared.name}_inbox"))
        waiting: list[str] = []
        claims = claim_files(inbox, tell=waiting.append)
        for line in waiting:
            context.log.info(line)
        new = [claim for claim in claims if claim.partition not in known]
        told = [fate for fate in inbox_of(declared, home).untold() if fate.state == "repeated"]
        observed = [_repetition(declared, fate) for fate in told]
        if not new:
            odd = unsupported_files(inbox)
            what = [fate.message.what for fate in told] or [f"No new file in {inbox}."]
            what += waiting
            if odd:
                what.append(f"Left alone, as not CSV, Parquet or JSON lines, or as links: {odd}")
            return dg.SensorResult(skip_reason=" ".join(what), asset_events=observed)
        keys = [claim.partition for claim in new]
        return dg.SensorResult(
            run_requests=[
                dg.RunRequest(run_key=claim.partition, partition_key=claim.partition)
                for claim in new
            ],
            dynamic_partitions_requests=[partitions.build_add_request(keys)],
            asset_events=observed,
        )

    return file_arrived


def _repetition(declared: PipelineAssets, fate: Fate) -> dg.AssetObservation:
    """That a file came again, for the page of the inbox's asset; there is no partition of it."""
    return dg.AssetObservation(
        [declared.name, "inbox", "batch"],
        description=fate.message.paragraphs,
        metadata={"file": dg.MetadataValue.path(str(fate.file)), "what became of it": fate.state},
    )
