"""The gate: the checks that a wanted version has to pass before it serves."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from lockstep.checks.age import compare_age, scoring_time
from lockstep.checks.check_results import CheckResult, carry_out
from lockstep.checks.code_checks import check_code, check_environment
from lockstep.checks.comparisons import check_compiled, check_replay
from lockstep.checks.specs import EVIDENCE, others_not_judged, worth_telling
from lockstep.errors import AliasNotSetError, LockstepError, RegistryError, UnavailableFilesError
from lockstep.project.declaration import PipelineAssets
from lockstep.registry.version_tags import is_proven, write_proven
from lockstep.store.live_version import Live
from lockstep.store.parquet import Store
from lockstep.store.streams import stream_records
from lockstep.training.gate_evidence import check_evidence

if TYPE_CHECKING:
    from lockstep.artifacts.version import LoadedVersion
    from lockstep.registry.registry import Registry
    from lockstep.registry.versions import Version


@dataclass(frozen=True)
class Gate:
    """The results of the gate for the wanted version.

    Attributes:
        wanted: The version that `@champion` points to.
        live: Number of the version that serves after the gate; None without one.
        results: Check results by name.
    """

    wanted: Version
    live: int | None
    results: Mapping[str, CheckResult]

    @property
    def is_open(self) -> bool:
        """Whether the wanted version may serve."""
        return not any(result.is_error for result in self.results.values())


def pass_gate(declared: PipelineAssets, registry: Registry, store: Store, pointer: Path) -> Gate:
    """Put the wanted version through the gate, and let it serve if it passes.

    A version that has passed before may serve when the checkout's code has changed: it serves with
    its own code, and rolling back to it must work at any time.

    One process at a time does so for a pipeline. Whenever it is killed, either the version before
    or the wanted one serves (`lockstep.store.live_version`).

    Args:
        declared: The pipeline and the demands on it.
        registry: Where `@champion` points to the wanted version, and `@live` to the one that
            serves.
        store: Where the pipeline's rows are kept.
        pointer: The file that decides which version is live.

    Raises:
        AliasNotSetError: `@champion` points nowhere.
        LockedError: Another process keeps the gate locked.
        RegistryError: The registry cannot be reached.
        UnavailableFilesError: A file of the version cannot be read now.
    """
    live = Live(registry, declared.name, pointer)
    with live.alone():
        return _pass_gate(declared, live, store)


def pass_challenger(
    declared: PipelineAssets, registry: Registry, store: Store, pointer: Path
) -> Gate:
    """Put the challenger through the gate; if it passes, it answers requests that name it.

    The live version stays live.

    Args:
        declared: The pipeline and the demands on it.
        registry: Where `@challenger` points to the version.
        store: Where the pipeline's rows are kept.
        pointer: The file that decides which version is live.

    Raises:
        AliasNotSetError: `@challenger` points nowhere.
        RegistryError: The registry cannot be reached.
        UnavailableFilesError: A file of the version cannot be read now.
    """
    before = Live(registry, declared.name, pointer).state().version
    gate, _ = _judged(declared, registry, store, "challenger", before)
    if gate.is_open and not is_proven(gate.wanted):
        write_proven(registry, gate.wanted, went_live=False)
    return gate


def _pass_gate(declared: PipelineAssets, live: Live, store: Store) -> Gate:
    before = live.finish().version
    gate, loaded = _judged(declared, live.registry, store, "champion", before)
    if loaded is None or not gate.is_open:
        return gate
    write_proven(live.registry, gate.wanted)
    return replace(gate, live=live.move(loaded).version)


def _judged(
    declared: PipelineAssets, registry: Registry, store: Store, alias: str, live: int | None
) -> tuple[Gate, LoadedVersion | None]:
    """Run the checks of the version that an alias points to; return it too, if it loads."""
    wanted = registry.alias(declared.name, alias)
    if wanted is None:
        numbers = tuple(version.version for version in registry.versions(declared.name))
        raise AliasNotSetError(declared.name, alias, numbers)
    try:
        loaded = registry.load(declared.name, wanted.version)
    except (RegistryError, UnavailableFilesError):
        raise
    except LockstepError as error:
        return Gate(wanted, live, _not_loaded(declared, wanted, error)), None
    return Gate(wanted, live, _results(declared, wanted, loaded, store)), loaded


def _results(
    declared: PipelineAssets, wanted: Version, loaded: LoadedVersion, store: Store
) -> dict[str, CheckResult]:
    proven = is_proven(wanted)
    checked = {
        "evidence": carry_out(check_evidence, wanted, loaded),
        "golden_replay": carry_out(check_replay, loaded, as_carried=True),
        "compiled_parity": carry_out(check_compiled, loaded),
        "code_parity": carry_out(
            check_code, declared.pipeline, loaded, proven=proven, suites=declared.suites_json
        ),
        "environment_parity": carry_out(check_environment, loaded, proven=proven),
        "staleness": carry_out(_check_staleness, declared, loaded, store),
    }
    return worth_telling(declared, "champion", checked)


def _not_loaded(
    declared: PipelineAssets, wanted: Version, error: LockstepError
) -> dict[str, CheckResult]:
    result = CheckResult(False, f"Version {wanted.version} cannot be loaded: {error}")
    return others_not_judged(declared, "champion", {EVIDENCE.name: result})


def _check_staleness(declared: PipelineAssets, loaded: LoadedVersion, store: Store) -> CheckResult:
    """Check the age of the newest training row when the newest scored day, or the first, is scored.

    Its time comes from the version's own files: people can edit its tags in the registry.
    """
    newest = loaded.trained_until
    if newest is None:
        return CheckResult.not_judged(
            "The records have no event time, so the age of the training rows is unknown."
        )
    at = datetime.now(UTC)
    if declared.calendar is not None:
        scored = stream_records(declared, store, "daily").partitions()
        day = scored[-1] if scored else declared.calendar.start.isoformat()
        at = scoring_time(declared, "daily", day, at)
    return compare_age(newest, at, declared.max_age, "The newest training row is of")
