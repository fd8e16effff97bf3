"""Promotion: the gate between the version that is wanted and the one that serves."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any

import dagster as dg

from assets._catalogue import CHAMPION_CHECKS, specs
from assets._declaration import PipelineAssets
from assets._home import Home
from assets._judgement import Judgement, judge
from assets._metadata import column_schema, version_link
from assets._store import Store
from assets._verdict import judge_comparison
from registry import LoadedVersion, Registry, Version

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
            check_results=[judgement.result(name) for name, judgement in gate.judgements.items()],
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
    from registry import AliasNotSetError

    wanted = registry.alias(declared.name, "champion")
    if wanted is None:
        numbers = tuple(version.version for version in registry.versions(declared.name))
        raise AliasNotSetError(declared.name, "champion", numbers)
    loaded = registry.load(declared.name, wanted.version)
    proven = PROVEN in wanted.tags
    judgements = {
        "golden_replay": judge(partial(_judge_replay, loaded)),
        "code_parity": judge(partial(_judge_code, declared, loaded, proven)),
        "environment_parity": judge(partial(_judge_environment, loaded, proven)),
        "staleness": judge(partial(_judge_staleness, declared, wanted, store)),
    }
    gate = Gate(wanted, registry.alias(declared.name, "live"), judgements)
    if not gate.is_open:
        return gate
    registry.tag(wanted, PROVEN, datetime.now(UTC).isoformat())
    registry.set_alias(declared.name, "live", wanted.version)
    return Gate(wanted, wanted, judgements)


def _judge_replay(loaded: LoadedVersion) -> Judgement:
    from parity import replay

    return judge_comparison(
        replay(loaded.pipeline, loaded.golden),
        f"replayed here with version {loaded.version}",
    )


def _judge_code(declared: PipelineAssets, loaded: LoadedVersion, proven: bool) -> Judgement:
    """Compare the columns' code and, where it differs, what it computes of the golden records."""
    from parity import changed_columns, column_digests
    from registry import Snapshot

    here = Snapshot.of(declared.pipeline)
    before = column_digests(loaded.snapshot.modules, loaded.snapshot.module)
    after = column_digests(here.modules, here.module)
    changed = changed_columns(before, after)
    version = loaded.version
    if not changed:
        return Judgement(True, f"All {len(before)} columns have the code of version {version}.")
    first = next(iter(changed))
    listed = ", ".join(f"{name} ({change})" for name, change in list(changed.items())[:8])
    consequence = (
        f"Version {version} has been proven before and goes on with its own code."
        if proven
        else f"Version {version} cannot be had from this checkout again, so it does not go live: "
        "train a new version, or take the change back."
    )
    effect = judge_effect(declared, loaded)
    return Judgement(
        passed=False,
        summary=f"The code of {listed} is not that of version {version}. {effect.summary} "
        f"{consequence}",
        severity="WARN" if proven else "ERROR",
        column=effect.column or first,
        table=[{"column": name, "change": str(change)} for name, change in changed.items()],
        notes=effect.notes,
    )


def judge_effect(declared: PipelineAssets, loaded: LoadedVersion) -> Judgement:
    """What the checkout's code makes of the golden records, with the version's own models."""
    from parity import replay

    models = loaded.pipeline.models_
    lacking = [name for name in declared.pipeline.graph.models if name not in models]
    if lacking:
        return Judgement(False, f"The version has no model for {', '.join(lacking)}.")
    rebuilt = declared.pipeline.with_models(models)
    return judge_comparison(replay(rebuilt, loaded.golden), "computed by this checkout's code")


def _judge_environment(loaded: LoadedVersion, proven: bool) -> Judgement:
    from parity import Environment

    differences = loaded.environment.compare(Environment.capture())
    grave = [one for one in differences if one.severity == "error"]
    listed = "; ".join(str(one) for one in (grave or differences)[:4])
    return Judgement(
        passed=not differences,
        summary=f"{len(differences)} differences from the environment of the fit: {listed}."
        if differences
        else "Python, libraries, BLAS, processor, threads, time zone and locale are as at the fit.",
        severity="ERROR" if grave and not proven else "WARN",
        table=[one.to_json() for one in differences],
    )


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
