"""Requests as an asset: it carries out `lockstep.scoring.requests`."""

from collections.abc import Iterator
from functools import partial
from typing import Any

import dagster as dg

from lockstep.checks.specs import declared_checks
from lockstep.dagster.checked import checked_asset, materialized
from lockstep.dagster.metadata import column_schema, version_link
from lockstep.dagster.partitions import request_partitions
from lockstep.project.declaration import PipelineAssets
from lockstep.project.home import Home
from lockstep.registry.registry import Registry
from lockstep.scoring.requests import replay_segment
from lockstep.serving.requestlog.log_segments import segment_path
from lockstep.store.parquet import Store


def requests_asset(declared: PipelineAssets) -> dg.AssetsDefinition:
    """`requests` of a pipeline: what its server was asked and answered, replayed."""
    pipeline = declared.pipeline
    names = (*pipeline.record_schema.names, *pipeline.graph.outputs)

    @checked_asset(
        [declared.name, "requests"],
        declared_checks(declared, "requests"),
        deps=[[declared.name, "champion"]],
        partitions=request_partitions(declared.name),
        group_name=f"{declared.name}_requests",
        kinds={"http"},
        description=(
            "What the server was asked and answered, a partition a sealed segment of its log. The "
            "rows stay in the segment, for as long as the log keeps it."
        ),
        metadata=column_schema(pipeline, names),
    )
    def requests(
        context: dg.AssetExecutionContext,
        home: dg.ResourceParam[Home],
        registry: dg.ResourceParam[Registry],
    ) -> Iterator[dg.MaterializeResult[Any]]:
        found = replay_segment(
            declared,
            Store(home.data / declared.name),
            segment_path(home.requests(declared.name), context.partition_key),
            context.run.run_id,
            partial(registry.load, declared.name),
        )
        metadata: dict[str, Any] = {**found.counts, **found.figures}
        if found.version is not None:
            link = version_link(home, declared.name, found.version)
            metadata |= {
                "dagster/row_count": found.counts["rows"],
                "version": found.version,
                "MLflow version": link,
                "path": dg.MetadataValue.path(str(found.path)),
            }
        yield materialized(context, found.results, metadata)

    return requests
