"""Promotion as an asset: it carries out `lockstep.training.gate`."""

from collections.abc import Iterator
from typing import Any

import dagster as dg

from lockstep.checks.specs import declared_checks
from lockstep.dagster.checked import checked_asset, materialized
from lockstep.dagster.metadata import column_schema, version_link
from lockstep.project.declaration import PipelineAssets
from lockstep.project.home import Home
from lockstep.registry.registry import Registry
from lockstep.store.parquet import Store
from lockstep.training.gate import pass_gate


def champion_asset(declared: PipelineAssets) -> dg.AssetsDefinition:
    """`champion` of a pipeline: what `@champion` points to, and the gate that moves `@live`."""
    pipeline = declared.pipeline

    @checked_asset(
        [declared.name, "champion"],
        declared_checks(declared, "champion"),
        deps=[[declared.name, "candidate"]],
        group_name=declared.name,
        kinds={"mlflow"},
        description=(
            "The version that people want to serve (@champion), put through the gate in this very "
            "environment. Only if no check is in error does it go live, and @live moves to it. "
            "Rolling back is moving @champion back."
        ),
        metadata=column_schema(pipeline, pipeline.graph.served),
    )
    def champion(
        context: dg.AssetExecutionContext,
        home: dg.ResourceParam[Home],
        registry: dg.ResourceParam[Registry],
    ) -> Iterator[dg.MaterializeResult[Any]]:
        store, pointer = Store(home.data / declared.name), home.live(declared.name)
        gate = pass_gate(declared, registry, store, pointer)
        context.log.info(
            "%s: wanted is version %s, live is version %s",
            declared.name,
            gate.wanted.version,
            gate.live or "none",
        )
        yield materialized(
            context,
            gate.results,
            {
                "wanted": gate.wanted.version,
                "live": str(gate.live or "none"),
                "MLflow version": version_link(home, gate.wanted.name, gate.wanted.version),
            },
        )

    return champion
