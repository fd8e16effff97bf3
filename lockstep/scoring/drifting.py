"""Drift of a partition, measured against the training of the live version, batch by batch.

The changes under way are committed with a partition's record. A partition goes on from the last one
published before it and from nothing else: scoring it again gives the same, whatever came later; a
blocked partition changes nothing. A version that was fitted on other rows begins anew.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

import msgspec

from lockstep.artifacts.version import LoadedVersion
from lockstep.checks.check_results import Attempted, attempted
from lockstep.checks.drift_checks import Population, check_changes
from lockstep.checks.ingest import QuarantinedValues
from lockstep.columns.kinds import Columns, Kind
from lockstep.constraints.constraint_set import ConstraintSet
from lockstep.constraints.drift import drift
from lockstep.parity.changes import CHANGES, Changes
from lockstep.parity.counterfactuals import Impact
from lockstep.parity.profiles import Profile
from lockstep.store.partition_records import Records
from lockstep.store.results import CheckResult


@dataclass(frozen=True)
class Followed:
    """The drift of a partition's rows."""

    result: CheckResult
    facts: dict[str, Any]  # for the record of the step; empty where drift could not be measured


def follow(
    records: Records,
    partition: str,
    step: str,
    live: LoadedVersion,
    population: Attempted[Population],
    *,
    ask: Callable[[Sequence[str]], Impact] | None = None,
    aside: QuarantinedValues | None = None,
    each: bool = False,
) -> Followed:
    """Check a partition's drift, going on from the changes under way in the partition before.

    Args:
        ask: Returns the impact of columns on the outputs.
        aside: The quarantined rows, which a missing value may come from.
        each: Whether each batch that is far counts by itself.
    """
    if population.failure is not None:
        return Followed(population.failure, {})
    assert population.value is not None, "what did not fail was measured"
    before = attempted(changes_before, records, partition, step, live.digest)
    if before.failure is not None:
        return Followed(before.failure, {})
    assert before.value is not None, "what did not fail is known"
    shares = {drift.column: drift.share for drift in population.value.found if drift.is_measured}
    changes = before.value.after(partition, shares)
    result = population.check(check_changes, changes, partition, ask=ask, aside=aside, each=each)
    seconds = population.seconds + before.seconds + result.seconds
    return Followed(replace(result, seconds=seconds), {CHANGES: asdict(changes)})


def population_of(
    constraints: ConstraintSet, live: LoadedVersion, columns: Columns, kinds: Mapping[str, Kind]
) -> Population:
    """Compare rows with those of a version's training."""
    now = Profile.of(columns, kinds)
    return Population(drift(constraints, columns), constraints, live.profile, now)


def changes_before(records: Records, partition: str, step: str, version: str) -> Changes:
    """The changes under way after the last partition published before this one.

    There are none where another version scored it, whose training was another. Versions are told
    apart by the SHA-256 of their manifests.
    """
    before = records.before(partition, 1)
    if not before:
        return Changes(version)
    done = records.demand(before[-1]).record.steps.get(step)
    stored = done.facts.get(CHANGES) if done is not None else None
    if stored is None or stored["version"] != version:
        return Changes(version)
    return msgspec.convert(stored, Changes)
