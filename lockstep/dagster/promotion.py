"""Promotion: the gate between the version that is wanted and the one that serves."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any

import dagster as dg

from lockstep.checks.evidence import check_code, check_environment, check_replay
from lockstep.checks.results import CheckResult, carry_out
from lockstep.checks.specs import CHAMPION_CHECKS
from lockstep.dagster.checks import results, specs
from lockstep.dagster.metadata import column_schema, version_link
from lockstep.project.declaration import PipelineAssets
from lockstep.project.home import Home
from lockstep.registry.registry import Registry
from lockstep.registry.versions import Version
from lockstep.scoring.store import Store

PROVEN = "lockstep.proven_at"
"""Tag of a version that has passed the gate, with the time at which it did."""


@dataclass(frozen=True)
class Gate:
    """What the gate found about the wanted version.

    Attributes:
        wanted: The version that `@champion` points to.
        live: The version that serves after the gate.
        results: What each check found, by name.
    """

    wanted: Version
    live: Version | None
    results: Mapping[str, CheckResult]

    @property
    def is_open(self) -> bool:
        """Whether the wanted version may serve."""
        return not any(result.is_error for result in self.results.values())


def champion_asset(declared: PipelineAssets) -> dg.AssetsDefinition:
    """`champion` of a pipeline: what `@champion` points to, and the gate that moves `@live`."""
    pipeline, key = declared.pipeline, dg.AssetKey([declared.name, "champion"])

    @dg.asset(
        key=key,
        deps=[dg.AssetKey([declared.name, "candidate"])],
        group_name=declared.name,
        kinds={"mlflow"},
        check_specs=specs(CHAMPION_CHECKS, key),
        description=(
            "The version that people want to serve (@champion), put through the gate in this very "
            "environment. Only if no check is in error does @live move to it; scoring follows "
            "@live. Rolling back is moving @champion back."
        ),
        metadata=column_schema(pipeline, pipeline.graph.served),
    )
    def champion(
        context: dg.AssetExecutionContext,
        home: dg.ResourceParam[Home],
        registry: dg.ResourceParam[Registry],
    ) -> Iterator[dg.MaterializeResult[Any]]:
        gate = pass_gate(declared, registry, Store(home.data / declared.name))
        context.log.info(
            "%s: wanted is version %s, live is version %s",
            declared.name,
            gate.wanted.version,
            gate.live.version if gate.live else "none",
        )
        yield dg.MaterializeResult(
            metadata={
                "wanted": gate.wanted.version,
                "live": str(gate.live.version) if gate.live else "none",
                "MLflow version": version_link(home, gate.wanted.name, gate.wanted.version),
            },
            check_results=results(gate.results),
        )

    return champion


def pass_gate(declared: PipelineAssets, registry: Registry, store: Store) -> Gate:
    """Put the wanted version through the gate, and let it serve if it passes.

    A version that has passed before keeps its right to serve when the checkout's code has moved
    on: it is served with its own code, and rolling back to it must work at any time.

    Raises:
        AliasNotSetError: Nothing is wanted: `@champion` points nowhere.
        RegistryError: The registry cannot be reached.
    """
    from lockstep.registry.errors import AliasNotSetError

    wanted = registry.alias(declared.name, "champion")
    if wanted is None:
        numbers = tuple(version.version for version in registry.versions(declared.name))
        raise AliasNotSetError(declared.name, "champion", numbers)
    loaded = registry.load(declared.name, wanted.version)
    proven = PROVEN in wanted.tags
    check_results = {
        "golden_replay": carry_out(partial(check_replay, loaded)),
        "code_parity": carry_out(partial(check_code, declared.pipeline, loaded, proven=proven)),
        "environment_parity": carry_out(partial(check_environment, loaded, proven=proven)),
        "staleness": carry_out(partial(_check_staleness, declared, wanted, store)),
    }
    gate = Gate(wanted, registry.alias(declared.name, "live"), check_results)
    if not gate.is_open:
        return gate
    registry.tag(wanted, PROVEN, datetime.now(UTC).isoformat())
    registry.set_alias(declared.name, "live", wanted.version)
    return Gate(wanted, wanted, check_results)


def _check_staleness(declared: PipelineAssets, wanted: Version, store: Store) -> CheckResult:
    """Age of the newest training row, at the newest day that was scored or else now."""
    until = wanted.tags.get("trained_until")
    if until is None:
        return CheckResult(
            True,
            "The records have no event time, so the age of the training rows is unknown.",
            "WARN",
        )
    newest = datetime.fromisoformat(until)
    scored = store.partitions("daily/scored")
    now = datetime.fromisoformat(f"{scored[-1]}T00:00:00Z") if scored else datetime.now(UTC)
    if declared.calendar is not None and declared.calendar.end is not None and not scored:
        now = datetime.fromisoformat(f"{declared.calendar.start}T00:00:00Z")
    age = max(now - newest, timedelta())
    return CheckResult(
        passed=age <= declared.max_age,
        summary=f"The newest training row is of {newest:%Y-%m-%d}, {age.days} days before "
        f"{now:%Y-%m-%d} (at most {declared.max_age.days}).",
        severity="WARN",
        numbers={"age_days": age.days},
    )
