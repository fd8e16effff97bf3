"""Outcomes as an asset: it carries out `lockstep.scoring.outcomes`."""

from collections.abc import Iterator
from typing import Any

import dagster as dg

from lockstep.checks.specs import declared_checks
from lockstep.dagster.checked import checked_asset, materialized
from lockstep.dagster.metadata import column_schema, picture
from lockstep.dagster.partitions import daily_partitions
from lockstep.project.declaration import Calendar, PipelineAssets
from lockstep.project.home import Home
from lockstep.project.sources import Source
from lockstep.registry.registry import Registry
from lockstep.scoring.outcomes import compare_outcomes, measured_columns
from lockstep.scoring.store import Store
from lockstep.training.plots import quality_plot


def outcomes_asset(
    declared: PipelineAssets, source: Source, calendar: Calendar
) -> dg.AssetsDefinition:
    """`outcomes` of a pipeline: labels that arrived later, beside what was predicted."""

    @checked_asset(
        [declared.name, "outcomes"],
        declared_checks(declared, "outcomes"),
        deps=[[declared.name, "daily", "scored"]],
        partitions=daily_partitions(calendar),
        group_name=f"{declared.name}_daily",
        kinds={"parquet"},
        description=(
            "What became of one day's rows, beside what was predicted for them. Read from "
            f"{source.describe()}."
        ),
        metadata=column_schema(
            declared.pipeline, measured_columns(declared.pipeline, declared.quality)
        ),
    )
    def outcomes(
        context: dg.AssetExecutionContext,
        home: dg.ResourceParam[Home],
        registry: dg.ResourceParam[Registry],
    ) -> Iterator[dg.MaterializeResult[Any]]:
        store = Store(home.data / declared.name)
        found = compare_outcomes(declared, source, registry, store, context.partition_key)
        yield materialized(
            context,
            found.results,
            {
                "dagster/row_count": found.counts["known"],
                "unknown so far": found.counts["unknown so far"],
                "refused": found.counts["refused"],
                "path": dg.MetadataValue.path(str(found.path)),
                **{
                    f"plot: {quality.title}": picture(quality_plot(quality, found.recent))
                    for quality in found.measured
                    if len(found.recent[quality.label])
                },
            },
        )

    return outcomes
