"""Evidence: whether a version computes here and now what it computed when it was fitted."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lockstep.checks.parity import check_comparison
from lockstep.checks.results import CheckResult
from lockstep.columns.pipeline import Pipeline

if TYPE_CHECKING:
    from lockstep.artifacts.version import LoadedVersion


def check_replay(loaded: LoadedVersion) -> CheckResult:
    """Replay the golden records."""
    from lockstep.parity.replay import replay

    return check_comparison(
        replay(loaded.pipeline, loaded.golden), f"replayed here with version {loaded.version}"
    )


def check_code(pipeline: Pipeline, loaded: LoadedVersion, *, proven: bool) -> CheckResult:
    """Compare the columns' code and, where it differs, what it computes of the golden records.

    Args:
        pipeline: The pipeline as this checkout defines it.
        loaded: The version.
        proven: Whether the version has passed the gate before: it is served with its own code, so
            that a difference is no more than worth knowing.
    """
    from lockstep.artifacts.snapshot import Snapshot
    from lockstep.parity.code import changed_columns, column_digests

    here = Snapshot.of(pipeline)
    before = column_digests(loaded.snapshot.modules, loaded.snapshot.module)
    after = column_digests(here.modules, here.module)
    changed = changed_columns(before, after)
    version = loaded.version
    if not changed and here.framework != loaded.snapshot.framework:
        return CheckResult(
            False,
            f"All {len(before)} columns have the code of version {version}, but Lockstep's own "
            "modules that evaluate them have changed since the fit; golden_replay tells whether "
            "that matters.",
            severity="WARN",
        )
    if not changed:
        return CheckResult(True, f"All {len(before)} columns have the code of version {version}.")
    listed = ", ".join(f"{name} ({change})" for name, change in list(changed.items())[:8])
    consequence = (
        f"Version {version} has been proven before and goes on with its own code."
        if proven
        else f"Version {version} cannot be had from this checkout again, so it does not go live: "
        "train a new version, or take the change back."
    )
    effect = _effect(pipeline, loaded)
    return CheckResult(
        passed=False,
        summary=f"The code of {listed} is not that of version {version}. {consequence} Its effect: "
        f"{effect.summary}",
        severity="WARN" if proven else "ERROR",
        column=effect.column or next(iter(changed)),
        table=[{"column": name, "change": str(change)} for name, change in changed.items()],
        notes=effect.notes,
    )


def check_environment(loaded: LoadedVersion, *, proven: bool) -> CheckResult:
    """Compare this environment with that of the fit; see `check_code` for `proven`."""
    from lockstep.parity.environment import Environment

    differences = loaded.environment.compare(Environment.capture())
    grave = [one for one in differences if one.severity == "error"]
    listed = "; ".join(str(one) for one in (grave or differences)[:4])
    return CheckResult(
        passed=not differences,
        summary=f"{len(differences)} differences from the environment of the fit: {listed}."
        if differences
        else "Python, libraries, BLAS, processor, threads, time zone and locale are as at the fit.",
        severity="ERROR" if grave and not proven else "WARN",
        table=[one.to_json() for one in differences],
    )


def _effect(pipeline: Pipeline, loaded: LoadedVersion) -> CheckResult:
    """What the checkout's code makes of the golden records, with the version's own models."""
    from lockstep.parity.replay import replay

    models = loaded.pipeline.models_
    lacking = [name for name in pipeline.graph.models if name not in models]
    if lacking:
        return CheckResult(False, f"the version has no model for {', '.join(lacking)}.")
    rebuilt = pipeline.with_models(models)
    return check_comparison(replay(rebuilt, loaded.golden), "computed by this checkout's code")
