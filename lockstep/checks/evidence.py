"""Evidence: what parity says of rows and of versions, as check results."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import replace
from hashlib import sha256
from typing import TYPE_CHECKING, Any

import numpy as np

from lockstep.checks.comparisons import check_comparison
from lockstep.checks.results import CheckResult, tell, with_unjudged
from lockstep.columns.fitting import fold_of
from lockstep.columns.kinds import Columns
from lockstep.columns.pipeline import Pipeline, Trace
from lockstep.columns.plain import listed
from lockstep.columns.tables import take_rows

if TYPE_CHECKING:
    from lockstep.artifacts.outside import Reading
    from lockstep.artifacts.snapshot import Snapshot
    from lockstep.artifacts.version import LoadedVersion
    from lockstep.parity.code import Change


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
    return check_comparison(found, pipeline.graph, "in every composition of the batch")


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


def check_replay(loaded: LoadedVersion, pipeline: Pipeline | None = None) -> CheckResult:
    """Replay the golden records, after counting them and the other evidence of the version.

    Args:
        loaded: The version.
        pipeline: What serves, with compiled predictors among its own; its reference ones if it is
            not given.
    """
    from lockstep.artifacts.holdings import losses
    from lockstep.parity.compiled import as_computed_by
    from lockstep.parity.replay import replay

    if lost := losses(loaded):
        return CheckResult(
            False,
            f"What proves version {loaded.version} is not complete: {'; '.join(lost)}.",
            where=f"the files of version {loaded.version} of {loaded.name}",
            todo="Restore its files, have another version serve (`lockstep rollback PIPELINE`), or "
            "train and promote a version anew: `lockstep train PIPELINE`.",
        )
    serving = pipeline or loaded.pipeline
    return check_comparison(
        replay(serving, as_computed_by(serving, loaded.golden), version=loaded.version),
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
    """Send a sample through the reference path anew: from the wire, in other company.

    One of its rows is also computed alone: more were at the fit and at the gate, and a row alone
    takes scikit-learn as long as all of them together. The rows are drawn towards those that are
    rare or nearly decided otherwise; the others are those whose keys have the smallest digests.
    They are the same ones at every run.

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
        replay(pipeline, expected, version=loaded.version, alone=1),
        pipeline.graph,
        "sent through the reference path again, in a sample",
    )


def check_code(
    pipeline: Pipeline,
    loaded: LoadedVersion,
    *,
    proven: bool,
    suites: Callable[[], Mapping[str, Mapping[str, Any]]] | None = None,
) -> CheckResult:
    """Compare the code and, where it differs, what it computes of the golden records.

    All of it counts: the columns' functions with what they reach, whatever else the modules of the
    snapshot say (one may be imported for what it does then), the data files that they read, and
    the suites.

    Args:
        pipeline: The pipeline as this checkout defines it.
        loaded: The version.
        proven: Whether the version has passed the gate before: it is served with its own code, so
            that a difference is no more than worth knowing.
        suites: Makes the suites as this checkout defines them; None where they are not compared.
    """
    from lockstep.artifacts.framework import framework_digest
    from lockstep.artifacts.snapshot import Snapshot

    here = Snapshot.of(pipeline, loaded.snapshot.packages, loaded.snapshot.data)
    columns = _changed_code(pipeline, here, loaded)
    others = _changed_beside(here, loaded.snapshot)
    if suites is not None:
        others |= _changed_suites(loaded.suites, suites())
    version, count = loaded.version, len(pipeline.graph.order)
    if not columns and not others:
        if framework_digest() == loaded.framework:
            return CheckResult(True, f"All {count} columns have the code of version {version}.")
        return CheckResult(
            False,
            f"All {count} columns have the code of version {version}, but Lockstep's own "
            "modules that evaluate them have changed since the fit; golden_replay tells whether "
            "that matters.",
            severity="WARN",
        )
    changed = columns or others
    named = ", ".join(f"{name} ({change})" for name, change in list(changed.items())[:8])
    said = (
        f"The code of {named} is not that of version {version}."
        if columns
        else f"The columns' own functions are those of version {version}, but beside them {named} "
        "is not."
    )
    consequence = (
        f"Version {version} has been proven before and goes on with its own code."
        if proven
        else f"Version {version} cannot be had from this checkout again, so it does not go live: "
        "train a new version, or take the change back."
    )
    effect = _effect(pipeline, loaded)
    column = effect.column or next(iter(columns), None)
    return CheckResult(
        passed=False,
        summary=f"{said} {consequence} Its effect: {effect.summary}",
        severity="WARN" if proven else "ERROR",
        column=column,
        where=_location(pipeline, column) if column is not None else listed(others, 3),
        table=[
            {"what": name, "change": str(change)} for name, change in {**columns, **others}.items()
        ],
        notes=effect.notes,
    )


def _changed_code(pipeline: Pipeline, here: Snapshot, loaded: LoadedVersion) -> dict[str, Change]:
    """Fields whose declaration, and columns whose code is not that of a version."""
    from lockstep.parity.code import changed_columns, column_digests, field_digests

    def digests(one: Pipeline, source: Snapshot) -> dict[str, str]:
        return column_digests(source.modules, source.module, one.graph.columns)

    before, after = loaded.pipeline, pipeline
    fields = changed_columns(field_digests(before.joint_schema), field_digests(after.joint_schema))
    if here.digest == loaded.snapshot.digest:
        return fields
    return fields | changed_columns(digests(before, loaded.snapshot), digests(after, here))


def _changed_beside(here: Snapshot, stored: Snapshot) -> dict[str, Change]:
    """Modules of a snapshot that are not those that were stored."""
    from lockstep.parity.code import changed_columns, module_digests

    if here.digest == stored.digest:
        return {}
    modules = changed_columns(module_digests(stored.modules), module_digests(here.modules))
    data = changed_columns(_data_digests(stored), _data_digests(here))
    return {
        **{f"module {name}": change for name, change in modules.items()},
        **{f"data file {name}": change for name, change in data.items()},
    }


def _data_digests(source: Snapshot) -> dict[str, str]:
    return {name: sha256(content).hexdigest() for name, content in source.data.items()}


def _changed_suites(
    before: Mapping[str, Mapping[str, Any]], after: Mapping[str, Mapping[str, Any]]
) -> dict[str, Change]:
    """Expectations that are not those that were stored."""
    from lockstep.parity.code import changed_columns

    def digests(suites: Mapping[str, Mapping[str, Any]]) -> dict[str, str]:
        found: dict[str, list[str]] = {}
        for role, suite in suites.items():
            for one in suite["expectations"]:
                about = one["kwargs"].get("column", "the whole batch")
                title = f"{one['type']} of {about} in the suite of {role}"
                found.setdefault(title, []).append(json.dumps(one, sort_keys=True))
        return {title: "\n".join(texts) for title, texts in found.items()}

    return changed_columns(digests(before), digests(after))


def _location(pipeline: Pipeline, column: str) -> str:
    """The function of a column, by file and line; nothing for a field or a column that is gone."""
    from lockstep.parity.divergence import Origin

    origin = Origin.of(pipeline.graph, column)
    return str(origin) if origin is not None else ""


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
