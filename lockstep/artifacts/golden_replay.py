"""The replay of a version's golden records, by which it is proven in an environment."""

from __future__ import annotations

from collections.abc import Sequence

from lockstep.artifacts.losses import losses
from lockstep.artifacts.version import LoadedVersion
from lockstep.columns.pipeline import Pipeline
from lockstep.parity.comparison import ParityReport, impact


def unproven(loaded: LoadedVersion) -> str:
    """Why a version is not proven here: lost evidence or a divergence; empty if it is proven."""
    if lost := losses(loaded):
        return not_complete(loaded, lost)
    report = replay_golden(loaded, loaded.pipeline)
    if report.ok:
        return ""
    effect = impact(report, loaded.pipeline.graph)
    return f"{report.summary} ({replayed_with(loaded)}). {effect}"


def replay_golden(loaded: LoadedVersion, serving: Pipeline) -> ParityReport:
    """Compute the golden records again with the pipeline that serves."""
    # They load scikit-learn and its OpenMP, which waits until the process is prepared for it.
    from lockstep.parity.compiled import as_computed_by
    from lockstep.parity.replay import replay

    return replay(serving, as_computed_by(serving, loaded.golden), version=loaded.version)


def replayed_with(loaded: LoadedVersion) -> str:
    """How the golden records were computed again, to end a sentence."""
    return f"replayed here with version {loaded.version}"


def not_complete(loaded: LoadedVersion, lost: Sequence[str]) -> str:
    """A sentence about the evidence that a version has lost."""
    return f"What proves version {loaded.version} is not complete: {'; '.join(lost)}."
