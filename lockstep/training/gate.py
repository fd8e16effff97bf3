"""The gate: what stands between the version that is wanted and the one that serves."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from lockstep.checks.age import compare_age
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
    """What the gate found about the wanted version.

    Attributes:
        wanted: The version that `@champion` points to.
        live: Number of the version that serves after the gate; None if none does.
        results: What each check found, by name.
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

    A version that has passed before keeps its right to serve when the checkout's code has moved
    on: it is served with its own code, and rolling back to it must work at any time.

    One process at a time does so for a pipeline; whatever it is killed at, the version before goes
    on serving or the wanted one does (`lockstep.store.live_version`).

    Args:
        declared: The pipeline and the demands on it.
        registry: Where `@champion` points to the wanted version, and `@live` to the one that
            serves.
        store: Where the pipeline's rows are kept.
        pointer: The file that decides which version is live.

    Raises:
        AliasNotSetError: Nothing is wanted: `@champion` points nowhere.
        LockedError: Another process is at the gate, and goes on being.
        RegistryError: The registry cannot be reached.
        UnavailableFilesError: A file of the version cannot be read now.
    """
    live = Live(registry, declared.name, pointer)
    with live.alone():
        return _pass_gate(declared, live, store)


def pass_challenger(
    declared: PipelineAssets, registry: Registry, store: Store, pointer: Path
) -> Gate:
    """Put the challenger through the gate, and let it answer whoever asks for it if it passes.

    The version that is live goes on.

    Args:
        declared: The pipeline and the demands on it.
        registry: Where `@challenger` points to the version.
        store: Where the pipeline's rows are kept.
        pointer: The file that decides which version is live.

    Raises:
        AliasNotSetError: There is no challenger: `@challenger` points nowhere.
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
    """What the checks find of the version that an alias points to, and that version, if it loads.

    Raises:
        AliasNotSetError: It points nowhere.
    """
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
    found = {
        "evidence": carry_out(check_evidence, wanted, loaded),
        "golden_replay": carry_out(check_replay, loaded, as_carried=True),
        "compiled_parity": carry_out(check_compiled, loaded),
        "code_parity": carry_out(
            check_code, declared.pipeline, loaded, proven=proven, suites=declared.suites_json
        ),
        "environment_parity": carry_out(check_environment, loaded, proven=proven),
        "staleness": carry_out(_check_staleness, declared, loaded, store),
    }
    return worth_telling(declared, "champion", found)


def _not_loaded(
    declared: PipelineAssets, wanted: Version, error: LockstepError
) -> dict[str, CheckResult]:
    """The results of a version whose files cannot be used: there is nothing to look at."""
    found = CheckResult(False, f"Version {wanted.version} cannot be loaded: {error}")
    return others_not_judged(declared, "champion", {EVIDENCE.name: found})


def _check_staleness(declared: PipelineAssets, loaded: LoadedVersion, store: Store) -> CheckResult:
    """Age of the newest training row, at the newest day that was scored or else now.

    The version's own files tell of it: its tags in the registry are for people, who can edit them.
    """
    newest = loaded.trained_until
    if newest is None:
        return CheckResult.not_judged(
            "The records have no event time, so the age of the training rows is unknown."
        )
    scored = stream_records(declared, store, "daily").partitions()
    now = datetime.fromisoformat(f"{scored[-1]}T00:00:00Z") if scored else datetime.now(UTC)
    if declared.calendar is not None and declared.calendar.end is not None and not scored:
        now = datetime.fromisoformat(f"{declared.calendar.start}T00:00:00Z")
    return compare_age(newest, now, declared.max_age, "The newest training row is of")
