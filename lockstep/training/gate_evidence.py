"""Evidence of a version that the gate demands before it may serve."""

from __future__ import annotations

from lockstep.artifacts.holdings import departures, losses
from lockstep.artifacts.version import LoadedVersion
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
from lockstep.columns.asof.lookup_nodes import Window
from lockstep.columns.kinds import Kind
from lockstep.columns.plain import counted, listed, verb
from lockstep.errors import EvidenceError
from lockstep.parity.selection import GOLDEN_ROWS
from lockstep.registry.version_tags import TrainingEvidence, read_evidence, read_surroundings
from lockstep.registry.versions import Version

BLOCKING = frozenset(
    check.name
    for check in (*HISTORY_CHECKS, *TRAINING_SET_CHECKS, *CANDIDATE_CHECKS)
    if check.blocking
)
"""Checks of the training that a version must not have failed to serve."""
_PARITY = tuple(check.name for check in (ROW_LOCALITY, TRAINING_PARITY, ROUND_TRIP, WIRE_FORMATS))
"""Checks that every version has to have passed: they always have something to compare."""


def check_evidence(wanted: Version, loaded: LoadedVersion) -> CheckResult:
    """Check that a version's training lets it serve, and that it holds all its evidence.

    Args:
        wanted: The version as the registry lists it, with its tags.
        loaded: The same, loaded: its files agree with the digest that its tags name.
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
        *_untold(wanted),
    ]
    return CheckResult(
        passed=not problems,
        summary=f"Version {wanted.version} may not serve: {'; '.join(problems)}."
        if problems
        else f"{counted(len(evidence.results), 'check')} of its training "
        f"{verb(len(evidence.results), 'was', 'were')} carried out, none that blocks "
        f"is in error, and the version holds all {evidence.counts['golden rows']} golden rows.",
        numbers=evidence.counts,
        table=[{"check": name, "result": result} for name, result in evidence.results.items()],
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
        f"it holds {now} {what}, and {before} were counted when it was trained"
        for what, now, before in departures(loaded, evidence.counts)
    ]


def _cut(loaded: LoadedVersion) -> list[str]:
    """Problems with evidence that every fit stores."""
    graph, key = loaded.pipeline.graph, loaded.pipeline.key
    least = min(GOLDEN_ROWS, loaded.rows)
    problems = []
    may_be_fewer = any(isinstance(node, Window) for node in loaded.pipeline.reading)
    if len(loaded.golden) < least and not may_be_fewer:  # windows may reach over too many rows
        problems.append(f"it holds {len(loaded.golden)} golden rows, and a fit stores {least}")
    profiled = (n for n in graph.served if n != key and graph.kind(n) is not Kind.TIME)
    lacking = [name for name in profiled if name not in loaded.profile.columns]
    if lacking:
        problems.append(f"its profile lacks {listed(lacking)}")
    return problems


def _untold(wanted: Version) -> list[str]:
    """A problem with the digests of the files by which MLflow serves the version."""
    try:
        read_surroundings(wanted)
    except EvidenceError as error:
        return [f"it is not known by which files MLflow is to serve it: {error}"]
    return []
