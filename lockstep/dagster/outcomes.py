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
from lockstep.scoring.outcomes import compare_outcomes, compared_columns
from lockstep.store.parquet import Store
from lockstep.training.plots import quality_plot


def outcomes_asset(
    declared: PipelineAssets, source: Source, calendar: Calendar
) -> dg.AssetsDefinition:
    """`outcomes` of a pipeline: labels that arrived later, beside what was predicted."""

    @checked_asset(
        [declared.name, "outcomes"],
        declared_checks(declared, "outcomes"),
        deps=[[declared.name, "daily", "published"]],
        partitions=daily_partitions(calendar),
        group_name=f"{declared.name}_daily",
        kinds={"parquet"},
        description=(
            "What became of one day's published rows, beside what was predicted for them. Read "
            f"from {source.describe()}. The day is looked at again until enough is known."
        ),
        metadata=column_schema(
            declared.pipeline, compared_columns(declared.pipeline, declared.quality)
        ),
    )
    def outcomes(
        context: dg.AssetExecutionContext,
        home: dg.ResourceParam[Home],
        registry: dg.ResourceParam[Registry],
    ) -> Iterator[dg.MaterializeResult[Any]]:
        store = Store(home.data / declared.name)
        day, run = context.partition_key, context.run.run_id
        found = compare_outcomes(declared, source, registry, store, day, run=run)
        yield materialized(
            context,
            found.results,
            {
                **found.counts,
                "dagster/row_count": found.arrival.known,
                "share known": found.arrival.share,
                "path": dg.MetadataValue.path(str(found.path)),
                **{
                    f"plot: {quality.title}": picture(quality_plot(quality, found.recent))
                    for quality in found.measured
                    if len(found.recent[quality.label])
                },
            },
        )

    return outcomes
