"""Check of code and environment: those here, against those of a version."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import pandas as pd

from lockstep.checks.comparisons import check_comparison
from lockstep.checks.differences import changed_beside, changed_code, changed_suites
from lockstep.columns.markdown import code_block
from lockstep.columns.pipeline import Pipeline
from lockstep.columns.plain import all_of, counted, listed
from lockstep.store.results import CheckResult

if TYPE_CHECKING:
    from lockstep.artifacts.version import LoadedVersion
    from lockstep.parity.code_changes import Change


def check_code(
    pipeline: Pipeline,
    loaded: LoadedVersion,
    *,
    proven: bool,
    suites: Callable[[], Mapping[str, Mapping[str, Any]]] | None = None,
) -> CheckResult:
    """Compare the checkout's code with a version's, and its effect on the golden records.

    It compares the columns' functions with all they reach, the rest of the snapshot's modules
    (importing one may do something), the data files that they read, and the suites.

    Args:
        proven: Whether the version has passed the gate before. It then serves with its own code,
            and a difference is a warning only.
        suites: Makes the suites as this checkout defines them; None where they are not compared.
    """
    from lockstep.artifacts.framework import framework_digest
    from lockstep.artifacts.snapshot import Snapshot

    packages, data = loaded.snapshot.packages, {*loaded.snapshot.data}
    if suites is not None:  # a folder may hold files by now that the version lacks
        data |= Snapshot.of(pipeline, packages).with_data().data.keys()
    here = Snapshot.of(pipeline, packages, data)
    columns = changed_code((loaded.pipeline, loaded.snapshot), (pipeline, here))
    others = changed_beside(loaded.snapshot, here)
    if suites is not None:
        others |= changed_suites(loaded.suites, suites())
    version, count = loaded.version, len(pipeline.graph.order)
    if not columns and not others:
        if framework_digest() == loaded.framework:
            return CheckResult(
                True,
                f"{all_of(count, 'column', 'has', 'have')} the code of version {version}.",
                numbers={"columns": count},
            )
        return CheckResult(
            False,
            f"{all_of(count, 'column', 'has', 'have')} the code of version {version}, "
            "but Lockstep's own modules that evaluate them have changed since the fit; "
            "golden_replay tells whether that matters.",
            severity="WARN",
        )
    changed = columns or others
    named = ", ".join(f"{name} ({change})" for name, change in list(changed.items())[:8])
    differs = (
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
        summary=f"{differs} {consequence} Its effect: {effect.summary}{_later(pipeline, columns)}",
        severity="WARN" if proven else "ERROR",
        column=column,
        where=_location(pipeline, column) if column is not None else listed(others, 3),
        keys=effect.keys,
        numbers=effect.numbers,
        table=[
            {"what": name, "change": str(change)} for name, change in {**columns, **others}.items()
        ],
        notes={**_rows(effect), **effect.notes},
    )


def _later(pipeline: Pipeline, changed: Mapping[str, Change]) -> str:
    """A sentence about changed models and labels, which show in the next fit; empty if none."""
    graph = pipeline.graph
    fitted = {name for model in graph.models for name in (model, graph.nodes[model].learns)}
    names = [name for name in changed if name in fitted]
    if not names:
        return ""
    return (
        " That is with the models of the version as they are: what was changed of "
        f"{listed(names, 3)} shows in the next fit."
    )


def _rows(effect: CheckResult) -> dict[str, str]:
    """The rows that a change affects, with both values, as a table in plain text."""
    if effect.column is None or not effect.table:
        return {}
    table = pd.DataFrame(effect.table).to_string(index=False)
    return {"rows that differ": code_block(table)}


def _location(pipeline: Pipeline, column: str) -> str:
    """File and line of a column's function; empty for a field or a column that is gone."""
    from lockstep.parity.divergence import Origin

    origin = Origin.of(pipeline.graph, column)
    return str(origin) if origin is not None else ""


def check_environment(
    loaded: LoadedVersion, *, proven: bool, units: Collection[str] = ()
) -> CheckResult:
    """Compare this environment with the fit's, and those of a batch's units with this one.

    Args:
        units: The fingerprints of the environments in which units were worked on.
    """
    from lockstep.artifacts.closure import here
    from lockstep.artifacts.fingerprint import computing_fingerprint

    if {*units} - {computing_fingerprint(loaded)}:
        return CheckResult(
            False,
            "Units of the batch were worked on in another environment than this one: Python, "
            "libraries, processor, time zone or Lockstep's own code differ.",
            severity="WARN",
            where="the processes or machines that work on units",
            todo="Give them the installation of this process, then: AGAIN",
        )
    fitted = loaded.environment
    differences = fitted.compare(here(fitted))
    grave = [difference for difference in differences if difference.severity == "error"]
    is_other_code = any(difference.is_code for difference in differences)
    shown = "; ".join(map(str, (grave or differences)[:4]))
    return CheckResult(
        passed=not differences,
        summary=f"{counted(len(differences), 'difference')} from the environment of the fit: "
        f"{shown}."
        if differences
        else "Python, libraries, BLAS, processor, threads, time zone (with the rules of all zones) "
        "and locale are as at the fit.",
        severity="ERROR" if is_other_code or (grave and not proven) else "WARN",
        where="this environment, against that of the fit" if differences else "",
        todo="Install what was installed at the fit, or train and promote a version anew. Then: "
        "AGAIN"
        if is_other_code
        else "",
        numbers={"facts": len(fitted.facts), "differences": len(differences)},
        table=[asdict(difference) for difference in differences],
    )


def _effect(pipeline: Pipeline, loaded: LoadedVersion) -> CheckResult:
    """Replay the golden records with the checkout's code and the version's own models."""
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
