"""Promotion: the gate between the version that is wanted and the one that serves."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any

import dagster as dg

from lockstep.checks.evidence import judge_code, judge_environment, judge_replay
from lockstep.checks.results import Judgement, judge
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
        judgements: By check.
    """

    wanted: Version
    live: Version | None
    judgements: Mapping[str, Judgement]

    @property
    def is_open(self) -> bool:
        """Whether the wanted version may serve."""
        return not any(judgement.is_error for judgement in self.judgements.values())


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
            "The version that people want to serve (@champion), put to the proof in this very "
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
            check_results=results(gate.judgements),
        )

    return champion


def pass_gate(declared: PipelineAssets, registry: Registry, store: Store) -> Gate:
    """Put the wanted version to the proof, and let it serve if it passes.

    A version that has passed before keeps its right to serve when the checkout's code has moved
    on: it is served with its own code, and rolling back to it must work at any time.

    Raises:
        AliasNotSetError: Nothing is wanted: `@champion` points nowhere.
        RegistryError: The registry cannot be reached.
    """
    from lockstep.artifacts.errors import AliasNotSetError

    wanted = registry.alias(declared.name, "champion")
    if wanted is None:
        numbers = tuple(version.version for version in registry.versions(declared.name))
        raise AliasNotSetError(declared.name, "champion", numbers)
    loaded = registry.load(declared.name, wanted.version)
    proven = PROVEN in wanted.tags
    judgements = {
        "golden_replay": judge(partial(judge_replay, loaded)),
        "code_parity": judge(partial(judge_code, declared.pipeline, loaded, proven=proven)),
        "environment_parity": judge(partial(judge_environment, loaded, proven=proven)),
        "staleness": judge(partial(_judge_staleness, declared, wanted, store)),
    }
    gate = Gate(wanted, registry.alias(declared.name, "live"), judgements)
    if not gate.is_open:
        return gate
    registry.tag(wanted, PROVEN, datetime.now(UTC).isoformat())
    registry.set_alias(declared.name, "live", wanted.version)
    return Gate(wanted, wanted, judgements)


def _judge_staleness(declared: PipelineAssets, wanted: Version, store: Store) -> Judgement:
    """Age of the newest training row, at the newest day that was scored or else now."""
    until = wanted.tags.get("trained_until")
    if until is None:
        return Judgement(
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
    return Judgement(
        passed=age <= declared.max_age,
        summary=f"The newest training row is of {newest:%Y-%m-%d}, {age.days} days before "
        f"{now:%Y-%m-%d} (at most {declared.max_age.days}).",
        severity="WARN",
        numbers={"age_days": age.days},
    )
