"""Evidence: what parity says of rows and of versions, as check results."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from lockstep.checks.comparisons import check_comparison
from lockstep.checks.results import CheckResult, tell, with_unjudged
from lockstep.columns.fitting import fold_of
from lockstep.columns.kinds import Columns
from lockstep.columns.pipeline import Pipeline, Trace

if TYPE_CHECKING:
    from lockstep.artifacts.snapshot import Snapshot
    from lockstep.artifacts.version import LoadedVersion


def check_locality(pipeline: Pipeline, computed: Columns) -> CheckResult:
    """Whether every feature and label depends on its own row alone: of all rows, and of a sample.

    Args:
        pipeline: The pipeline; it need not be fitted.
        computed: Fields, features and labels, as all rows together gave them.
    """
    from lockstep.parity.company import in_other_company
    from lockstep.parity.comparison import ParityReport
    from lockstep.parity.locality import locality

    sample = locality(pipeline, computed).comparisons
    found = ParityReport((in_other_company(pipeline, computed), *sample))
    return check_comparison(found, pipeline.graph, "in every composition of the batch")


def check_company(pipeline: Pipeline, computed: Columns) -> CheckResult:
    """Whether every feature and output of a batch is the same if its rows are computed in parts.

    Args:
        pipeline: What computed the batch.
        computed: All columns of all its rows.
    """
    from lockstep.parity.company import in_other_company

    return check_comparison(
        in_other_company(pipeline, computed),
        pipeline.graph,
        "each row computed again among others",
    )


def check_training_parity(source: Snapshot, stored: Columns) -> CheckResult:
    """Whether the code that a version will carry computes the columns that it is fitted to.

    Args:
        source: That code; it is run from its source, as it is when the version is loaded.
        stored: The training set as it was stored.
    """
    from lockstep.artifacts.snapshot import unload
    from lockstep.parity.recomputation import recompute

    shipped = source.load()
    try:
        found = recompute(shipped, stored)
    finally:
        unload(shipped)
    return check_comparison(
        found, shipped.graph, "computed anew by the code that the version carries"
    )


def check_replay(loaded: LoadedVersion, pipeline: Pipeline | None = None) -> CheckResult:
    """Replay the golden records, after counting them and the other evidence of the version.

    Args:
        loaded: The version.
        pipeline: What serves, with compiled predictors among its own; its reference ones if it is
            not given.
    """
    from lockstep.artifacts.holdings import losses
    from lockstep.parity.compiled import numeric
    from lockstep.parity.replay import replay

    if lost := losses(loaded):
        return CheckResult(
            False,
            f"What proves version {loaded.version} is not complete: {'; '.join(lost)}.",
            where=f"the files of version {loaded.version} of {loaded.name}",
            todo="Restore its files, have another version serve (`lockstep rollback PIPELINE`), or "
            "train and promote a version anew: `lockstep train PIPELINE`.",
        )
    serves_compiled = pipeline is not None and pipeline is not loaded.pipeline
    golden = numeric(loaded.golden) if serves_compiled else loaded.golden
    return check_comparison(
        replay(pipeline or loaded.pipeline, golden, version=loaded.version),
        loaded.pipeline.graph,
        f"replayed here with version {loaded.version}",
    )


def check_compiled(loaded: LoadedVersion) -> CheckResult:
    """Whether compiled predictors give what the reference ones give.

    Args:
        loaded: The version.
    """
    from lockstep.parity.compiled import compiled_parity

    compiled = loaded.compiled
    if not compiled.models:
        lacking = tell(compiled.reasons)
        said = f"No model has a compiled form, and scikit-learn serves: {lacking}."
        return CheckResult.not_judged(said, compiled.reasons)
    found = check_comparison(
        compiled_parity(loaded.pipeline, compiled, loaded.golden, version=loaded.version),
        loaded.pipeline.graph,
        "by compiled predictors and by scikit-learn",
    )
    return replace(
        found,
        summary=with_unjudged(found.summary, compiled.reasons),
        unjudged=compiled.reasons,
        numbers={**found.numbers, "compiled": len(compiled.models)},
    )


def check_sample(loaded: LoadedVersion, columns: Columns, size: int = 100) -> CheckResult:
    """Send a sample through the reference path anew: from the wire, in other company and alone.

    The rows are drawn towards those that are rare or nearly decided otherwise; the others are
    those whose keys have the smallest digests. They are the same ones at every run.

    Args:
        loaded: The version that computed the columns.
        columns: All columns that it serves.
        size: Number of rows of the sample.
    """
    from lockstep.parity.golden import GoldenRecords
    from lockstep.parity.replay import replay
    from lockstep.parity.selection import choose_sample

    pipeline = loaded.pipeline
    digests = fold_of(columns[pipeline.key], 2**32)
    rows = choose_sample(pipeline.graph, columns, np.argsort(digests, kind="stable"), size)
    sample = {name: columns[name][rows] for name in pipeline.graph.served}
    raw = {name: sample[name] for name in pipeline.record_schema.names}
    expected = GoldenRecords(raw, Trace(sample[pipeline.key], sample, {}), loaded.golden.scales)
    return check_comparison(
        replay(pipeline, expected, version=loaded.version),
        pipeline.graph,
        "sent through the reference path again, in a sample",
    )


def check_code(pipeline: Pipeline, loaded: LoadedVersion, *, proven: bool) -> CheckResult:
    """Compare the columns' code and, where it differs, what it computes of the golden records.

    Args:
        pipeline: The pipeline as this checkout defines it.
        loaded: The version.
        proven: Whether the version has passed the gate before: it is served with its own code, so
            that a difference is no more than worth knowing.
    """
    from lockstep.artifacts.framework import framework_digest
    from lockstep.artifacts.snapshot import Snapshot
    from lockstep.parity.code import changed_columns

    here = Snapshot.of(pipeline, loaded.snapshot.packages)
    before = _code_digests(loaded.pipeline, loaded.snapshot)
    after = _code_digests(pipeline, here)
    changed = changed_columns(before, after)
    version = loaded.version
    if not changed and framework_digest() != loaded.framework:
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
        column=(column := effect.column or next(iter(changed))),
        where=_location(pipeline, column),
        table=[{"column": name, "change": str(change)} for name, change in changed.items()],
        notes=effect.notes,
    )


def _location(pipeline: Pipeline, column: str) -> str:
    """The function of a column, by file and line; nothing for a field or a column that is gone."""
    from lockstep.parity.divergence import Origin

    origin = Origin.of(pipeline.graph, column)
    return str(origin) if origin is not None else ""


def _code_digests(pipeline: Pipeline, snapshot: Snapshot) -> dict[str, str]:
    """Digests of the declarations of fields and of the code of columns."""
    from lockstep.parity.code import column_digests, field_digests

    columns = column_digests(snapshot.modules, snapshot.module, pipeline.graph.columns)
    return field_digests(pipeline.joint_schema) | columns


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
        where="this environment, against that of the fit" if differences else "",
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
    return check_comparison(
        replay(rebuilt, loaded.golden, version=loaded.version),
        rebuilt.graph,
        "computed by this checkout's code",
    )
