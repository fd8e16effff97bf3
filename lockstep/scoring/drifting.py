"""Drift of a partition: measured against the training of the version that serves, batch by batch.

Which changes are under way is a fact of a partition's record, written with it and committed with
it. A partition goes on from the last one that was published before it and from nothing else: to
score it again gives the same, whatever came later; one that was blocked changes nothing; and one
that comes late goes on from those before it. A version that was fitted on other rows begins anew.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from lockstep.checks.check_results import Attempted, CheckResult, attempted
from lockstep.checks.drift_checks import Population, check_changes
from lockstep.checks.ingest import QuarantinedValues
from lockstep.columns.kinds import Columns, Kind
from lockstep.store.partition_records import Records

if TYPE_CHECKING:
    from lockstep.artifacts.version import LoadedVersion
    from lockstep.constraints.constraint_set import ConstraintSet
    from lockstep.parity.changes import Changes
    from lockstep.parity.counterfactuals import Impact

CHANGES = "changes"
"""The fact of a step that tells which changes from the training were under way after it."""


@dataclass(frozen=True)
class Followed:
    """What came of following the drift of a partition's rows.

    Attributes:
        result: What the check found.
        facts: What the record of the step is to tell of it; nothing where it could not be measured.
    """

    result: CheckResult
    facts: dict[str, Any]


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
    """Go on from the changes that were under way in the partition before one.

    Args:
        records: The stream's.
        partition: The day or file.
        step: The step that looks at the rows.
        live: The version that serves.
        population: The rows beside those of its training.
        ask: Tells what columns do to the outputs.
        aside: Tells what is missing of columns since its rows were quarantined.
        each: Whether each batch that is far counts by itself.
    """
    if population.failure is not None:
        return Followed(population.failure, {})
    assert population.value is not None, "what did not fail was measured"
    before = attempted(changes_before, records, partition, step, live.digest)
    if before.failure is not None:
        return Followed(before.failure, {})
    assert before.value is not None, "what did not fail is known"
    shares = {one.column: one.share for one in population.value.found if one.is_measured}
    changes = before.value.after(partition, shares)
    result = population.check(check_changes, changes, partition, ask=ask, aside=aside, each=each)
    seconds = population.seconds + before.seconds + result.seconds
    return Followed(replace(result, seconds=seconds), {CHANGES: changes.to_json()})


def population_of(
    constraints: ConstraintSet, live: LoadedVersion, columns: Columns, kinds: Mapping[str, Kind]
) -> Population:
    """Rows beside those of the training of a version.

    Args:
        constraints: What training had of these columns.
        live: The version.
        columns: The rows.
        kinds: The columns of which a profile is shown.
    """
    from lockstep.constraints.drift import drift
    from lockstep.parity.profiles import Profile

    now = Profile.of(columns, kinds)
    return Population(drift(constraints, columns), constraints, live.profile, now)


def changes_before(records: Records, partition: str, step: str, version: str) -> Changes:
    """The changes that were under way after the last partition published before this one.

    There are none where it was scored by another version, whose training was another.

    Args:
        records: The stream's.
        partition: The day or file.
        step: The step that looks at them.
        version: SHA-256 of the manifest of the version that serves.

    Raises:
        DamagedError: The record of the partition before is not what was committed.
    """
    from lockstep.parity.changes import Changes

    before = records.before(partition, 1)
    if not before:
        return Changes(version)
    done = records.demand(before[-1]).record.steps.get(step)
    stored = done.facts.get(CHANGES) if done is not None else None
    if stored is None or stored["version"] != version:
        return Changes(version)
    return Changes.from_json(stored)
