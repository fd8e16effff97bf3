"""Building: all assets and checks of a pipeline from its declaration."""

from __future__ import annotations

import dagster as dg

from lockstep.dagster.outcomes import outcomes_asset
from lockstep.dagster.promotion import champion_asset
from lockstep.dagster.requests import requests_asset
from lockstep.dagster.scoring import scoring_assets
from lockstep.dagster.training import training_assets
from lockstep.project.declaration import PipelineAssets
from lockstep.store.streams import streams


def pipeline_assets(declared: PipelineAssets) -> list[dg.AssetsDefinition]:
    """All assets of a pipeline, each with its checks, under a key that begins with its name.

    The graph in Dagster's UI shows the last part of a key only, so each stream is a group.
    """
    found = [*training_assets(declared), champion_asset(declared)]
    for stream in streams(declared):
        found += scoring_assets(declared, stream)
    if declared.outcomes is not None and declared.calendar is not None:
        found.append(outcomes_asset(declared, declared.outcomes, declared.calendar))
    if declared.request_log is not None:
        found.append(requests_asset(declared))
    return found
