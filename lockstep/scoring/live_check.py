"""The check `live_version`: whether the version that scores is the one that was decided on last."""

from __future__ import annotations

from contextlib import suppress
from datetime import datetime

from lockstep.artifacts.version import LoadedVersion
from lockstep.checks.streams import stream_records
from lockstep.errors import DamagedError
from lockstep.project.declaration import PipelineAssets
from lockstep.registry.decisions import DECISION, Decision
from lockstep.registry.live import LiveState, decided_by
from lockstep.store.attempts import AttemptRecord
from lockstep.store.parquet import Store
from lockstep.store.partition_records import CLOCKS_APART
from lockstep.store.results import CheckResult

SINCE = "live_since"
"""Fact of a batch's step: since when the version that scores it was live."""


def check_live(
    live: LoadedVersion, state: LiveState | None, last: AttemptRecord | None
) -> CheckResult:
    """Check that a version is the one that was decided on last, with the files that passed.

    Where this home could not take over the last decision, and goes on with the version that it had,
    that is a warning. `state` is None where nobody asked; `last` is of the partition that was
    published last.
    """
    if state is None:
        return CheckResult.not_judged("It was not said what the gate lets serve.")
    wrong = _departure(live, state) or _return(live, state, last)
    if wrong is not None:
        return CheckResult(
            False,
            f"{wrong[0].upper()}{wrong[1:]}; nothing is scored.",
            where=f"the alias @live of {live.name} and the tags {DECISION}… of the registered "
            f"model, and live/{live.name}.json in the home",
            todo=f"{_decided_anew(live, state)} Then: AGAIN",
        )
    decided = state.decided
    assert decided is not None, "what nobody let serve departs"
    if state.refused is not None:
        return _refusal(live, state, decided)
    serves = f"Version {live.version} serves since {decided_by(decided)}."
    if state.mended:
        return CheckResult(
            False,
            f"{serves} {' '.join(state.mended)}",
            severity="WARN",
            where=f"the files of version {live.version} of {live.name} in this home",
            todo="The files are whole again: see who edits or removes them.",
        )
    return CheckResult(True, serves)


def _refusal(live: LoadedVersion, state: LiveState, decided: Decision) -> CheckResult:
    """The result where this home does not take over what was decided."""
    goes_on = state.taken is not None
    kept = (
        f"this home goes on with version {live.version}"
        if goes_on
        else "this home had no version before, and nothing is scored"
    )
    return CheckResult(
        False,
        f"Version {decided.version} is live since {decided_by(decided)}, but it is not proven "
        f"here, and {kept}: {state.refused}",
        severity="WARN" if goes_on else "ERROR",
        where=f"version {decided.version} of {live.name}, in the environment of this home",
        todo="Make this environment like that of the fit (environment_parity lists the "
        f"differences): `lockstep promote PIPELINE {decided.version}` says which values differ. Or "
        "have a version serve that is proven in both: `lockstep rollback PIPELINE`. Then: AGAIN",
    )


def _decided_anew(live: LoadedVersion, state: LiveState) -> str:
    """How to make registry and home agree: the version that was decided on last comes first."""
    shown = live.version if state.shown is None else state.shown
    judged = f"have the gate judge it: `lockstep promote PIPELINE {shown}`."
    let = state.decided if state.decided is not None and not state.is_ahead else state.taken
    if let is not None and not state.is_registered:
        other = "" if state.shown is None else f" If version {shown} is to serve, {judged}"
        return (
            f"Restore the registry from a copy that has version {let.version}; or train "
            "a version anew and promote it: `lockstep train PIPELINE`, then `lockstep promote "
            f"PIPELINE`.{other}"
        )
    if let is None or let.version == shown:
        return f"If version {shown} is to serve, {judged}"
    return (
        f"Let version {let.version} serve again: `lockstep promote PIPELINE "
        f"{let.version}`. If version {shown} is to, {judged}"
    )


def last_published(declared: PipelineAssets, store: Store) -> AttemptRecord | None:
    """Record of the partition that was published last, a day or a file; None without one.

    Damaged records are skipped: reading the partition reports them.
    """
    newest: tuple[datetime, AttemptRecord] | None = None
    streams = ("inbox",) if declared.daily is None else ("daily", "inbox")
    written = [
        (at, partition, records)
        for records in (stream_records(declared, store, stream) for stream in streams)
        for at, partition in records.written()
    ]
    # A commit is no later than its file: once files are older than the newest commit, stop.
    for at, partition, records in sorted(written, key=lambda file: file[0], reverse=True):
        if newest is not None and at + CLOCKS_APART < newest[0].timestamp():
            break
        with suppress(DamagedError):
            commit = records.commit_of(partition)
            committed = datetime.fromisoformat(commit.committed_at) if commit is not None else None
            if committed is not None and (newest is None or committed > newest[0]):
                newest = committed, records.demand(partition).record
    return newest[1] if newest is not None else None


def _departure(live: LoadedVersion, state: LiveState) -> str | None:
    """How the home or `@live` departs from what was decided; None if neither does."""
    decided, taken = state.decided, state.taken
    if state.decisions.damage is not None:
        return state.decisions.damage
    if state.is_ahead:
        assert taken is not None, "a home without a version is not ahead"
        return (
            f"this home serves version {taken.version} since {_time(taken.since)}, by a decision "
            "that the registry does not hold: the registry is another one, or an older copy"
        )
    if decided is None:
        return (
            f"@live is version {state.shown} in the registry, but no gate has let a version "
            "serve: the alias was moved by hand, or by an older Lockstep"
        )
    let = f"version {decided.version} was let serve last, on {decided_by(decided)}"
    if not state.is_registered:
        left = "" if taken is None else f" Its files are still in {taken.directory}"
        return (
            f"the registry has no version {decided.version}, but {let}: it was deleted there.{left}"
        )
    if state.shown != decided.version:
        return f"{_shown(state)}, but {let}: the alias was moved by hand"
    if taken is not None and live.digest != taken.digest:
        return (
            f"version {live.version} has other files in the registry than those that this home "
            f"took over on {_time(taken.since)}: the registry is another copy"
        )
    return None


def _shown(state: LiveState) -> str:
    """Where `@live` points, and whether a gate ever let that serve."""
    if state.shown is None:
        return "@live points nowhere in the registry"
    once = next((d for d in reversed(state.decisions.log) if d.version == state.shown), None)
    before = "" if once is None else f" (which was let serve before, on {decided_by(once)})"
    return f"@live is version {state.shown} in the registry{before}"


def _return(live: LoadedVersion, state: LiveState, last: AttemptRecord | None) -> str | None:
    """How the live version is older than the last published partition's; None if it is not."""
    if last is None or state.taken is None:
        return None
    batch = last.steps["batch"]
    since = batch.facts.get(SINCE)
    if batch.manifest == live.digest or since is None:
        return None
    then = datetime.fromisoformat(since)
    if then <= state.taken.since:
        return None
    return (
        f"{last.partition}, which was published last, was scored by version {batch.version}, live "
        f"since {_time(then)}, but version {live.version} was let serve last, on "
        f"{_time(state.taken.since)}: that is an older copy of the registry and of the home's file"
    )


def _time(time: datetime) -> str:
    return f"{time:%Y-%m-%d %H:%M}"
