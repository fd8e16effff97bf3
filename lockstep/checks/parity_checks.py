"""Checks of parity: rows computed again, and compared with what was computed before."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from lockstep.checks.check_results import CheckResult, tell, with_unjudged
from lockstep.checks.comparisons import check_comparison
from lockstep.columns.kinds import Columns
from lockstep.columns.pipeline import Pipeline, Trace
from lockstep.columns.tables import take_rows

if TYPE_CHECKING:
    from lockstep.artifacts.outside import Reading
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

    whole, sample = in_other_company(pipeline, computed), locality(pipeline, computed)
    has_functions = whole.compared or whole.first is not None
    found = ParityReport((whole, *sample.comparisons)) if has_functions else sample
    how = "whatever other rows are computed with them"
    return check_comparison(found, pipeline.graph, how, failing="")


def check_company(pipeline: Pipeline, computed: Columns) -> CheckResult:
    """Whether every feature and output of a batch is the same if its rows are computed in parts.

    Args:
        pipeline: What computed the batch.
        computed: All columns of all its rows.
    """
    from lockstep.parity.company import in_other_company

    found = in_other_company(pipeline, computed)
    if not found.compared and found.first is None:
        return CheckResult.not_judged(
            "No function of the pipeline computes a column of these rows."
        )
    return check_comparison(found, pipeline.graph, "each row computed again among others")


def check_training_parity(source: Snapshot, stored: Columns) -> CheckResult:
    """Whether the code that a version will carry computes the columns that it is fitted to.

    Nor may it read what the version does not carry: a file elsewhere than beside its modules, an
    environment variable, the network, another program.

    Args:
        source: That code; it is run from its source, as it is when the version is loaded.
        stored: The training set as it was stored.
    """
    from lockstep.artifacts.outside import watching
    from lockstep.artifacts.snapshot import data_folder, unload
    from lockstep.parity.recomputation import recompute

    # The last row first: what a function remembers of the rows before is another thing then.
    turned = take_rows(stored, np.arange(len(next(iter(stored.values()))))[::-1])
    with watching() as readings:
        shipped = source.load()
        try:
            found = recompute(shipped, turned)
            carried = data_folder(shipped)
        finally:
            unload(shipped)
    outside = [one for one in readings if carried is None or not one.is_in(carried)]
    how = "computed anew by the code that the version carries"
    result = check_comparison(found, shipped.graph, how)
    return result if result.is_error or not outside else _from_outside(outside)


def _from_outside(readings: list[Reading]) -> CheckResult:
    """The result of code that reads from outside what no version carries."""
    first = readings[0]
    more = f", and there are {len(readings) - 1} more" if len(readings) > 1 else ""
    return CheckResult(
        False,
        f"{first}, which is no part of the version: it may be another one wherever that serves"
        f"{more}.",
        column=first.function or None,
        where=first.where,
        table=[
            {"what": one.what, "name": one.name, "where": one.where, "function": one.function}
            for one in readings
        ],
        todo=f"{first.remedy} Then: AGAIN",
    )


def check_replay(
    loaded: LoadedVersion, pipeline: Pipeline | None = None, *, as_carried: bool = False
) -> CheckResult:
    """Replay the golden records, after counting them and the other evidence of the version.

    Args:
        loaded: The version.
        pipeline: What serves, with compiled predictors among its own; its reference ones if it is
            not given.
        as_carried: Whether to have MLflow's way replayed too: by the Lockstep that it carries.
    """
    from lockstep.artifacts.carried import replay_as_carried
    from lockstep.artifacts.holdings import losses
    from lockstep.parity.comparison import ParityReport
    from lockstep.parity.compiled import as_computed_by
    from lockstep.parity.replay import replay

    if lost := losses(loaded):
        return incomplete(loaded, lost)
    serving = pipeline or loaded.pipeline
    found = replay(serving, as_computed_by(serving, loaded.golden), version=loaded.version)
    if as_carried:
        found = ParityReport((*found.comparisons, replay_as_carried(loaded)))
    return check_comparison(
        found,
        loaded.pipeline.graph,
        f"replayed here with version {loaded.version}",
    )


def incomplete(loaded: LoadedVersion, lost: Sequence[str]) -> CheckResult:
    """The result of a version that holds less than was stored with it, so that nothing proves it.

    Args:
        loaded: The version.
        lost: What is lost, as `lockstep.artifacts.holdings.losses` tells.
    """
    return CheckResult(
        False,
        f"What proves version {loaded.version} is not complete: {'; '.join(lost)}.",
        where=f"the files of version {loaded.version} of {loaded.name}",
        todo="Restore its files, have another version serve (`lockstep promote PIPELINE VERSION`), "
        "or train and promote a version anew: `lockstep train PIPELINE`.",
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
    """Send a sample through the reference path anew: from the wire, in other company.

    None of its rows is computed alone, which takes scikit-learn as long as all of them together:
    `check_replay` has records computed alone by what computed the batch, `check_company` rows of
    the batch by each of its functions, and fit and gate golden records by each reference model.
    The rows are drawn towards those that are rare or nearly decided otherwise; the others are those
    whose keys have the smallest digests. They are the same ones at every run.

    Args:
        loaded: The version that computed the columns.
        columns: All columns that it serves.
        size: Number of rows of the sample.
    """
    from lockstep.columns.digests import digests_of
    from lockstep.parity.golden import GoldenRecords
    from lockstep.parity.replay import replay
    from lockstep.parity.selection import choose_sample

    pipeline = loaded.pipeline
    rows = choose_sample(pipeline.graph, columns, digests_of(columns[pipeline.key]), size)
    sample = {name: columns[name][rows] for name in pipeline.graph.served}
    raw = {name: sample[name] for name in pipeline.record_schema.names}
    expected = GoldenRecords(raw, Trace(sample[pipeline.key], sample, {}), loaded.golden.scales)
    return check_comparison(
        replay(pipeline, expected, version=loaded.version, alone=0),
        pipeline.graph,
        "sent through the reference path again, in a sample",
    )
