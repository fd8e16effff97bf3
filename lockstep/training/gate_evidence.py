"""Evidence that the gate demands: what has to be known of a version before it may serve."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lockstep.artifacts.holdings import departures, losses
from lockstep.checks.check_results import CheckResult
from lockstep.checks.specs import (
    CANDIDATE_CHECKS,
    HISTORY_CHECKS,
    ROUND_TRIP,
    ROW_LOCALITY,
    TRAINING_PARITY,
    TRAINING_SET_CHECKS,
    WIRE_FORMATS,
)
from lockstep.columns.kinds import Kind
from lockstep.columns.plain import counted, listed, verb
from lockstep.errors import EvidenceError
from lockstep.parity.selection import GOLDEN_ROWS
from lockstep.registry.version_tags import TrainingEvidence, read_evidence, read_surroundings

if TYPE_CHECKING:
    from lockstep.artifacts.version import LoadedVersion
    from lockstep.registry.versions import Version

BLOCKING = frozenset(
    check.name
    for check in (*HISTORY_CHECKS, *TRAINING_SET_CHECKS, *CANDIDATE_CHECKS)
    if check.blocking
)
"""Checks of the training that no version may have failed which serves."""
_PARITY = tuple(check.name for check in (ROW_LOCALITY, TRAINING_PARITY, ROUND_TRIP, WIRE_FORMATS))
"""Those that every version has to have passed: there always is something to compare."""
_OLDER = (
    " An older Lockstep registered it, which did not tell the files that MLflow serves it by "
    "(MLmodel, python_function.py, ...): these were not looked at. Train anew to have them so."
)


def check_evidence(wanted: Version, loaded: LoadedVersion) -> CheckResult:
    """Whether the checks of a version's training let it serve, and it holds all they looked at.

    Args:
        wanted: The version as the registry lists it, with its tags.
        loaded: The same, loaded: its files agree with the digest that the tags are bound to.
    """
    try:
        evidence = read_evidence(wanted)
    except EvidenceError as error:
        return CheckResult(
            False,
            f"It is not known what the training of version {wanted.version} found: {error}.",
        )
    problems = [
        *_failures(evidence),
        *_losses(evidence, loaded),
        *losses(loaded),
        *_cut(loaded),
        *_untold(wanted, loaded),
    ]
    return CheckResult(
        passed=not problems,
        summary=f"Version {wanted.version} may not serve: {'; '.join(problems)}."
        if problems
        else f"{counted(len(evidence.results), 'check')} of its training "
        f"{verb(len(evidence.results), 'was', 'were')} carried out, none that blocks "
        f"is in error, and the version holds all {evidence.counts['golden rows']} golden rows."
        f"{'' if loaded.is_bound_around else _OLDER}",
        numbers=evidence.counts,
        table=[{"check": name, "result": one} for name, one in evidence.results.items()],
    )


def _failures(evidence: TrainingEvidence) -> list[str]:
    failed = [f"{name} failed when it was trained" for name in evidence.failed if name in BLOCKING]
    lacking = [
        f"{name} was not carried out when it was trained"
        for name in _PARITY
        if evidence.results.get(name) not in ("passed", "failed")
    ]
    return failed + lacking


def _losses(evidence: TrainingEvidence, loaded: LoadedVersion) -> list[str]:
    return [
        f"it holds {now} {what}, and {told} were counted when it was trained"
        for what, now, told in departures(loaded, evidence.counts)
    ]


def _cut(loaded: LoadedVersion) -> list[str]:
    """What a fit always stores, and this version does not hold."""
    graph, key = loaded.pipeline.graph, loaded.pipeline.key
    least = min(GOLDEN_ROWS, loaded.rows)
    found = []
    if len(loaded.golden) < least:
        found.append(f"it holds {len(loaded.golden)} golden rows, and a fit stores {least}")
    profiled = (n for n in graph.served if n != key and graph.kind(n) is not Kind.TIME)
    lacking = [name for name in profiled if name not in loaded.profile.columns]
    if lacking:
        found.append(f"its profile lacks {listed(lacking)}")
    return found


def _untold(wanted: Version, loaded: LoadedVersion) -> list[str]:
    """That it is not known by which files MLflow is to serve a version, where it was told."""
    try:
        if loaded.is_bound_around:
            read_surroundings(wanted)
    except EvidenceError as error:
        return [f"it is not known by which files MLflow is to serve it: {error}"]
    return []
